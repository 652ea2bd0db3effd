//! Where the misbehaving meet: whose address they have, until when, and who counts.

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

/// They do not all come at once.
const ARRIVAL: Duration = Duration::from_secs(5);
/// At most, between two connections of one of them.
const REST: Duration = Duration::from_secs(1);
/// One address has not enough ports for all that come and go.
const ADDRESSES: usize = 50;

pub struct Ground {
    pub address: SocketAddr,
    pub over: Instant,
    pub tally: Tally,
    /// Connections that stay when it is over, and that nobody reads from.
    held: Mutex<Vec<TcpStream>>,
}

/// One that misbehaves: what it has for it.
pub struct Place<'g> {
    pub ground: &'g Ground,
    /// Where it comes from.
    pub from: Ipv4Addr,
    pub dice: Rng,
}

impl Ground {
    pub fn new(address: SocketAddr, over: Instant) -> Self {
        Self {
            address,
            over,
            tally: Tally::default(),
            held: Mutex::default(),
        }
    }

    /// Keeps a connection open.
    pub fn hold(&self, connection: Connection<'_>) {
        self.held.lock().unwrap().push(connection.into_stream());
    }

    /// Returns how many are kept.
    pub fn held(&self) -> usize {
        self.held.lock().unwrap().len()
    }

    /// Drops the connections that were kept.
    pub fn let_go(&self) {
        self.held.lock().unwrap().clear();
    }

    /// Lets so many loose, until it is over.
    pub fn open(self: &Arc<Self>, count: usize, seed: u64) -> JoinSet<()> {
        let mut slots = JoinSet::new();
        for slot in 0..count {
            let ground = Arc::clone(self);
            slots.spawn(async move {
                let place = Place {
                    ground: &ground,
                    from: Ipv4Addr::new(127, 0, 1, (slot % ADDRESSES) as u8),
                    dice: Rng::with_seed(seed.wrapping_mul(31).wrapping_add(slot as u64)),
                };
                // Where it is over in the middle, the socket is dropped.
                _ = timeout_at(ground.over, misbehave(place)).await;
            });
        }
        slots
    }
}

async fn misbehave(mut place: Place<'_>) {
    place.pause(ARRIVAL).await;
    loop {
        let mischief = Mischief::pick(&mut place.dice);
        if let Err(error) = mischief.play(&mut place).await {
            place.ground.tally.fail(mischief.name(), &error);
        }
        place.pause(REST).await;
    }
}

impl Place<'_> {
    /// Returns a time of at most this.
    pub fn time(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.dice.f64())
    }

    /// Does nothing for a time of at most this.
    pub async fn pause(&mut self, most: Duration) {
        sleep(self.time(most)).await;
    }

    pub fn one_in(&mut self, n: u32) -> bool {
        self.dice.u32(..n) == 0
    }
}
