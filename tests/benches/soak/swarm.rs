//! The misbehaving clients, and what they share: the server's address, the deadline and the tally.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use super::{connection::Connection, mischief::Mischief, tally::Tally};

/// Maximum delay of the first connection of an actor, so that they do not all connect at once.
const MAX_START_DELAY: Duration = Duration::from_secs(5);
/// Maximum pause between two connections of an actor.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Number of client addresses. One address does not have enough ports for all connections.
const ADDRESSES: usize = 50;

pub struct Swarm {
    pub address: SocketAddr,
    pub deadline: Instant,
    pub tally: Tally,
    /// Connections that stay open after the deadline, and that are not read.
    stalled: Mutex<Vec<TcpStream>>,
}

/// One misbehaving client.
pub struct Actor<'s> {
    pub swarm: &'s Swarm,
    /// Its address.
    pub address: Ipv4Addr,
    pub dice: Rng,
}

impl Swarm {
    pub fn new(address: SocketAddr, deadline: Instant) -> Self {
        Self {
            address,
            deadline,
            tally: Tally::default(),
            stalled: Mutex::default(),
        }
    }

    /// Keeps a stalled connection open.
    pub fn keep_stalled(&self, connection: Connection<'_>) {
        self.stalled.lock().unwrap().push(connection.into_stream());
    }

    /// Returns the number of stalled connections that are kept open.
    pub fn stalled(&self) -> usize {
        self.stalled.lock().unwrap().len()
    }

    /// Drops the stalled connections.
    pub fn drop_stalled(&self) {
        self.stalled.lock().unwrap().clear();
    }

    /// Starts this number of actors. They run until the deadline.
    pub fn start(self: &Arc<Self>, count: usize, seed: u64) -> JoinSet<()> {
        let mut actors = JoinSet::new();
        for number in 0..count {
            let swarm = Arc::clone(self);
            actors.spawn(async move {
                let actor = Actor {
                    swarm: &swarm,
                    address: Ipv4Addr::new(127, 0, 1, (number % ADDRESSES) as u8),
                    dice: Rng::with_seed(seed.wrapping_mul(31).wrapping_add(number as u64)),
                };
                // At the deadline, an open socket is dropped.
                _ = timeout_at(swarm.deadline, misbehave(actor)).await;
            });
        }
        actors
    }
}

async fn misbehave(mut actor: Actor<'_>) {
    actor.pause(MAX_START_DELAY).await;
    loop {
        let mischief = Mischief::pick(&mut actor.dice);
        if let Err(error) = mischief.play(&mut actor).await {
            actor.swarm.tally.fail(mischief.name(), &error);
        }
        actor.pause(MAX_PAUSE).await;
    }
}

impl Actor<'_> {
    /// Returns a random time of at most `max`.
    pub fn time(&mut self, max: Duration) -> Duration {
        max.mul_f64(self.dice.f64())
    }

    /// Sleeps for a random time of at most `max`.
    pub async fn pause(&mut self, max: Duration) {
        sleep(self.time(max)).await;
    }

    /// Returns `true` once in `n` calls, on average.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.dice.u32(..n) == 0
    }
}
