//! What the misbehaving do.

mod breach;
mod flood;
mod half;
mod idle;
mod stall;
mod visit;

use std::io;

use fastrand::Rng;

use super::ground::Place;

#[derive(Clone, Copy)]
pub enum Mischief {
    /// Comes and goes.
    Visit,
    /// Subscribes, and reads nothing.
    Stall,
    /// Says much at once.
    Flood,
    /// Breaks the protocol.
    Breach,
    /// Does half a handshake.
    Half,
    /// Stays, and says nothing.
    Idle,
}

/// How often each is picked. Most of the time goes to those that idle and stall.
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
        let mut place = dice.u32(..sum);
        for (mischief, weight) in WEIGHTS {
            if place < weight {
                return mischief;
            }
            place -= weight;
        }
        unreachable!("the place is below the sum")
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

    /// Does it once.
    ///
    /// # Errors
    /// What the system says, or what one would not expect of the server, which is counted by those words.
    pub async fn play(self, place: &mut Place<'_>) -> io::Result<()> {
        place.ground.tally.open(self.name());
        match self {
            Self::Visit => visit::play(place).await,
            Self::Stall => stall::play(place).await,
            Self::Flood => flood::play(place).await,
            Self::Breach => breach::play(place).await,
            Self::Half => half::play(place).await,
            Self::Idle => idle::play(place).await,
        }
    }
}
