//! The events that a server must publish, and when.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use super::{host, protocol::Message, servers::Publish};

/// An open loop of transactions. Each transaction writes to one group; the groups take turns.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Load {
    pub groups: i32,
    /// Subscribers of each group.
    pub subscribers: usize,
    pub transactions: u32,
    pub per_second: u32,
    /// Rows of each transaction.
    pub rows: i32,
}

impl Load {
    pub fn deliveries(&self) -> u64 {
        u64::from(self.transactions) * self.rows as u64 * self.subscribers as u64
    }

    /// Returns the time from the first event to the last one.
    pub fn duration(&self) -> Duration {
        self.due(self.transactions)
    }

    /// Returns the deliveries per second.
    pub fn offered(&self) -> f64 {
        self.deliveries() as f64 / self.duration().as_secs_f64()
    }

    fn due(&self, transaction: u32) -> Duration {
        Duration::from_secs(transaction.into()) / self.per_second
    }
}

/// Publishes each transaction when it is due, or as soon after that as the server allows.
pub async fn offer(server: Arc<impl Publish>, load: Load) {
    let (start, start_ns) = (Instant::now(), host::now());
    for transaction in 0..load.transactions {
        let due = load.due(transaction);
        sleep_until(start + due).await;
        let change = |id| Message {
            group: transaction as i32 % load.groups,
            id,
            sent: start_ns + due.as_nanos() as u64,
        };
        server.publish((0..load.rows).map(change).collect()).await;
        // In an application, each request is a task, so other tasks run between two transactions.
        tokio::task::yield_now().await;
    }
}
