//! Notifies the other nodes of commits.
//!
//! The notification is never part of the transaction that wrote: NOTIFY makes a transaction lock
//! the whole database during its commit, which cost a quarter of the throughput when measured. One
//! notification covers the commits of many transactions.

use std::{sync::Arc, time::Duration};

use sea_orm::sqlx;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::node::{Node, with_timeout};

/// The notification channel of the nodes. Channels are separate in each database.
pub(super) const CHANNEL: &str = "live_event";

/// Minimum time between two notifications.
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
    // Covers commits since the last notification.
    notify(&node, &node.name).await;
}

/// Sends one notification. If it fails, the other nodes find the events by polling.
pub(super) async fn notify(node: &Node, payload: &str) {
    let query = async {
        let notify = sqlx::query("SELECT pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(payload);
        notify.execute(&node.pool).await
    };
    if let Err(error) = with_timeout(query).await {
        tracing::debug!(
            %error,
            "notifying the other nodes failed: they find the committed events by polling"
        );
    }
}
