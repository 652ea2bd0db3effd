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
const EVERY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The lock of the node that does the work, among the advisory locks of the database. Its number is "rest-live" in a hurry.
const LOCK: i64 = 0x7265_7374_6c69_7665;

/// After so long without a step forward, something is wrong.
const STALLED: Duration = Duration::from_secs(5 * 60);

pub(super) async fn run(node: Arc<Node>) {
    let every = (node.options.retention() / 8).clamp(EVERY.0, EVERY.1);
    let mut keeper = Keeper {
        before: None,
        moved: Instant::now(),
    };
    loop {
        sleep(every).await;
        if let Err(error) = keeper.look(&node).await {
            tracing::debug!(%error, "old events cannot be removed now");
        }
    }
}

struct Keeper {
    /// Up to where all was settled when it last looked.
    before: Option<(Epoch, u64)>,
    moved: Instant,
}

impl Keeper {
    async fn look(&mut self, node: &Node) -> Result<(), sqlx::Error> {
        let view = node.look().await?;
        let Some(settled) = view.settled else {
            return Ok(());
        };
        let now = (view.life.epoch, settled);
        let before = self.before.replace(now.clone());
        if before.as_ref() != Some(&now) || settled >= view.life.drawn {
            self.moved = Instant::now();
        } else if self.moved.elapsed() > STALLED {
            self.moved = Instant::now();
            tracing::warn!(
                settled,
                "a transaction has been open for minutes that may hold events: clients that come back are sent all since then. \
                 Look for it in pg_stat_activity and pg_prepared_xacts"
            );
        }
        let removable = before
            .filter(|(epoch, _)| *epoch == now.0)
            .map(|(_, settled)| settled);
        let mut connection = node.pool.acquire().await?;
        while piece(node, &mut connection, settled, removable).await? > 0 {}
        Ok(())
    }
}

/// Removes a piece, in a transaction of its own, and returns how much; nothing while another node is at it.
async fn piece(
    node: &Node,
    connection: &mut PgConnection,
    settled: u64,
    removable: Option<u64>,
) -> Result<i64, sqlx::Error> {
    let statements = &node.tables.statements;
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut transaction = connection.begin().await?;
    let is_mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut *transaction)
        .await?;
    if !is_mine {
        return Ok(0);
    }
    sqlx::query(statements.settle.to_sql())
        .bind(number(settled))
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
