//! Removes what is older than events are kept, and keeps up to where all is settled.
//!
//! Every node has this task, and at any time one does the work. It removes nothing that a transaction still may write
//! before, and nothing that it did not find settled a while ago: the other nodes have had the time to find that, too.

use std::{sync::Arc, time::Duration};

use rest_live_runtime::Epoch;
use sea_orm::sqlx::{self, Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::node::Node;

/// How often it looks: an eighth of how long events are kept, between these.
const MIN_TRIM_INTERVAL: Duration = Duration::from_millis(50);
const MAX_TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// The lock of the node that does the work, among the advisory locks of the database. Its number is "rest-live" in a hurry.
const TRIM_LOCK: i64 = 0x7265_7374_6c69_7665;

/// After so long without a step forward, something is wrong.
const STALL_WARNING_INTERVAL: Duration = Duration::from_secs(5 * 60);

pub(super) async fn run(node: Arc<Node>) {
    let interval = (node.options.retention() / 8).clamp(MIN_TRIM_INTERVAL, MAX_TRIM_INTERVAL);
    let mut retention = Retention {
        previous: None,
        moved_at: Instant::now(),
    };
    loop {
        sleep(interval).await;
        if let Err(error) = retention.trim(&node).await {
            tracing::debug!(%error, "old events cannot be removed now");
        }
    }
}

struct Retention {
    /// Up to where all was settled when it last looked.
    previous: Option<(Epoch, u64)>,
    moved_at: Instant,
}

impl Retention {
    async fn trim(&mut self, node: &Node) -> Result<(), sqlx::Error> {
        let horizon = node.update_horizon().await?;
        let Some(position) = horizon.position else {
            return Ok(());
        };
        let current = (horizon.state.epoch, position);
        let previous = self.previous.replace(current.clone());
        if previous.as_ref() != Some(&current) || position >= horizon.state.last_drawn {
            self.moved_at = Instant::now();
        } else if self.moved_at.elapsed() > STALL_WARNING_INTERVAL {
            self.moved_at = Instant::now();
            tracing::warn!(
                position,
                "a transaction has been open for minutes that may hold events: clients that come back are sent all since then. \
                 Look for it in pg_stat_activity and pg_prepared_xacts"
            );
        }
        let removable = previous
            .filter(|(epoch, _)| *epoch == current.0)
            .map(|(_, position)| position);
        let mut connection = node.pool.acquire().await?;
        while trim_batch(node, &mut connection, position, removable).await? > 0 {}
        Ok(())
    }
}

/// Removes a piece, in a transaction of its own, and returns how much; nothing while another node is at it.
async fn trim_batch(
    node: &Node,
    connection: &mut PgConnection,
    position: u64,
    removable: Option<u64>,
) -> Result<i64, sqlx::Error> {
    let statements = &node.tables.statements;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut transaction = connection.begin().await?;
    let has_lock: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(TRIM_LOCK)
        .fetch_one(&mut *transaction)
        .await?;
    if !has_lock {
        return Ok(0);
    }
    sqlx::query(statements.save_horizon.to_sql())
        .bind(number(position))
        .execute(&mut *transaction)
        .await?;
    let mut removed = 0;
    if let Some(removable) = removable {
        removed = sqlx::query_scalar(statements.trim.to_sql())
            .bind(number(removable))
            .bind(node.options.retention().as_secs_f64())
            .fetch_one(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(removed)
}
