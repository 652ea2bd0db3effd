//! Tells the other nodes that something was committed.
//!
//! Never in the transaction that wrote it: a transaction with NOTIFY locks the whole database for its commit, which
//! was measured at a quarter of the throughput. What many transactions committed is told once.

use std::{sync::Arc, time::Duration};

use sea_orm::sqlx;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::node::{Node, with_timeout};

/// The channel that nodes are told on. There is one for each database.
pub(super) const CHANNEL: &str = "live_event";

/// Notifications are at least so far apart.
const MIN_NOTIFY_INTERVAL: Duration = Duration::from_millis(2);

pub(super) async fn run(node: Arc<Node>, stop: CancellationToken) {
    while stop
        .run_until_cancelled(node.commits.notified())
        .await
        .is_some()
    {
        notify(&node, &node.name).await;
        _ = stop.run_until_cancelled(sleep(MIN_NOTIFY_INTERVAL)).await;
    }
    // What was committed in the meantime.
    notify(&node, &node.name).await;
}

/// Sends one notification. Where that fails the others find the events all the same, by looking.
pub(super) async fn notify(node: &Node, payload: &str) {
    let query = async {
        let notify = sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(payload);
        notify.execute(&node.pool).await
    };
    if let Err(error) = with_timeout(query).await {
        tracing::debug!(%error, "the other nodes cannot be told of what was committed");
    }
}
