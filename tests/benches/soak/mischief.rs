//! The ways in which clients misbehave.

mod breach;
mod flood;
mod half;
mod idle;
mod stall;
mod visit;

use std::io;

use fastrand::Rng;

use super::swarm::Actor;

#[derive(Clone, Copy)]
pub enum Mischief {
    /// Connects, reads for a while, and leaves.
    Visit,
    /// Subscribes, and reads nothing.
    Stall,
    /// Sends many messages at once.
    Flood,
    /// Breaks the websocket protocol.
    Breach,
    /// Sends half a handshake.
    Half,
    /// Stays connected, and sends nothing.
    Idle,
}

/// How often each one is picked. Most of the time is spent in idle and stalled connections.
const WEIGHTS: [(Mischief, u32); 6] = [
    (Mischief::Visit, 40),
    (Mischief::Stall, 30),
    (Mischief::Flood, 15),
    (Mischief::Breach, 12),
    (Mischief::Half, 5),
    (Mischief::Idle, 4),
];

impl Mischief {
    pub fn pick(dice: &mut Rng) -> Self {
        let sum: u32 = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let mut number = dice.u32(..sum);
        for (mischief, weight) in WEIGHTS {
            if number < weight {
                return mischief;
            }
            number -= weight;
        }
        unreachable!("the number is below the sum of the weights")
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Visit => "visits",
            Self::Stall => "stalls",
            Self::Flood => "floods",
            Self::Breach => "breaches",
            Self::Half => "half handshakes",
            Self::Idle => "idle",
        }
    }

    /// Misbehaves once.
    ///
    /// # Errors
    /// Returns errors of the system and unexpected behavior of the server. They are counted by
    /// their texts.
    pub async fn play(self, actor: &mut Actor<'_>) -> io::Result<()> {
        actor.swarm.tally.open(self.name());
        match self {
            Self::Visit => visit::play(actor).await,
            Self::Stall => stall::play(actor).await,
            Self::Flood => flood::play(actor).await,
            Self::Breach => breach::play(actor).await,
            Self::Half => half::play(actor).await,
            Self::Idle => idle::play(actor).await,
        }
    }
}
