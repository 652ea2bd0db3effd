//! Removes events older than the retention time, and saves the horizon.
//!
//! Every node runs this task, but only one at a time does the work. It removes nothing past the
//! previous horizon: open transactions may still commit there, and the other nodes need time to
//! find the same horizon.

use std::{sync::Arc, time::Duration};

use rest_live_runtime::Epoch;
use sea_orm::sqlx::{self, Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::node::Node;

/// Minimum time between two runs. The interval is an eighth of the retention time, within these
/// limits.
const MIN_TRIM_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum time between two runs.
const MAX_TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// The advisory lock of the node that removes events. The number spells "restlive" in ASCII.
const TRIM_LOCK: i64 = 0x7265_7374_6c69_7665;

/// How long the horizon may stand still before each warning.
const STALL_WARNING_INTERVAL: Duration = Duration::from_secs(5 * 60);

pub(super) async fn run(node: Arc<Node>) {
    let interval = (node.options.retention() / 8).clamp(MIN_TRIM_INTERVAL, MAX_TRIM_INTERVAL);
    let mut retention = Retention {
        previous: None,
        moved_at: Instant::now(),
    };
    let mut changes = node.changes.subscribe();
    loop {
        sleep(interval).await;
        changes.borrow_and_update();
        match retention.trim(&node).await {
            // An idle database is not asked before the events that exist now are old enough. The
            // node owns the sender.
            Ok(Progress::Idle) => {
                _ = timeout(node.options.retention(), changes.changed()).await;
            }
            Ok(Progress::Moved) => {}
            Err(error) => {
                tracing::debug!(%error, "old events could not be removed: the next run tries again");
            }
        }
    }
}

/// What a run has found.
enum Progress {
    /// Something has changed since the previous run, or a transaction is open.
    Moved,
    /// Nothing has happened since the previous run, and no event was old enough.
    Idle,
}

/// The state of the task between two runs.
struct Retention {
    /// The horizon of the previous run.
    previous: Option<(Epoch, u64)>,
    moved_at: Instant,
}

impl Retention {
    async fn trim(&mut self, node: &Node) -> Result<Progress, sqlx::Error> {
        let horizon = node.update_horizon().await?;
        let Some(position) = horizon.position else {
            return Ok(Progress::Moved);
        };
        let last_drawn = horizon.state.last_drawn;
        let current = (horizon.state.epoch, position);
        let previous = self.previous.replace(current.clone());
        let has_moved = previous.as_ref() != Some(&current);
        if has_moved || position >= last_drawn {
            self.moved_at = Instant::now();
        } else if self.moved_at.elapsed() > STALL_WARNING_INTERVAL {
            self.moved_at = Instant::now();
            tracing::warn!(
                position,
                "a transaction that may contain events has been open for more than five minutes: the outbox \
                 removes no later events, and clients that resume receive all of them again. Find \
                 the transaction in pg_stat_activity or pg_prepared_xacts, and end it"
            );
        }
        let removable = previous
            .filter(|(epoch, _)| *epoch == current.0)
            .map(|(_, position)| position);
        let mut connection = node.pool.acquire().await?;
        let mut has_removed = false;
        while trim_batch(node, &mut connection, position, removable).await? > 0 {
            has_removed = true;
        }
        Ok(if has_moved || has_removed || position < last_drawn {
            Progress::Moved
        } else {
            Progress::Idle
        })
    }
}

/// Removes one batch in its own transaction and returns its size, or 0 while another node does the
/// work.
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
