//! What one node has of the outbox: connections of its own, and what its tasks and tails share.

use std::{
    sync::{
        Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rest_live_runtime::{Cursor, Entry, ReadError};
use sea_orm::sqlx::{self, PgPool};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    horizon::{Horizon, HorizonTracker},
    log_state::LogState,
    options::Options,
    rows,
    tables::Tables,
};

/// How long one query to the database may take.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

/// How long [`Node::head`] waits for transactions that were open when it was asked.
const HEAD_TIMEOUT: Duration = Duration::from_millis(100);

/// The same, where nothing was proven yet.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Node {
    /// Not the application's, which may use up all of its own and wait for an event.
    pub(crate) pool: PgPool,
    pub(crate) tables: Tables,
    pub(crate) options: Options,
    /// Tells this node's notifications from the others'.
    pub(crate) name: String,
    /// Counts what may have brought events; tails look at the table then.
    pub(crate) wakeups: watch::Sender<u64>,
    /// Something was committed that other nodes have not been told of.
    pub(crate) commits: Notify,
    /// Whether other nodes' notifications come here.
    pub(crate) is_listening: AtomicBool,
    horizon: Mutex<HorizonTracker>,
    /// The place up to which the tail of this node has yielded all that was the last to move.
    tail_watermark: StdMutex<Option<Cursor>>,
}

impl Node {
    pub(crate) fn new(pool: PgPool, tables: Tables, options: Options, name: String) -> Self {
        Self {
            pool,
            tables,
            options,
            name,
            wakeups: watch::Sender::new(0),
            commits: Notify::new(),
            is_listening: AtomicBool::new(false),
            horizon: Mutex::default(),
            tail_watermark: StdMutex::default(),
        }
    }

    /// Has the tails of this node look.
    pub(crate) fn wake(&self) {
        self.wakeups
            .send_modify(|wakeups| *wakeups = wakeups.wrapping_add(1));
    }

    /// Returns how long a tail waits that nobody wakes.
    pub(crate) fn poll_interval(&self) -> Duration {
        let is_listening = self.is_listening.load(Ordering::Relaxed);
        self.options
            .poll_interval(is_listening, self.tables.captures_any())
    }

    /// Takes in the watermark of a tail.
    pub(crate) fn record_watermark(&self, watermark: &Cursor) {
        let mut known = self
            .tail_watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_old = known.as_ref().is_some_and(|known| {
            known.epoch == watermark.epoch && known.position >= watermark.position
        });
        if !is_old {
            *known = Some(watermark.clone());
        }
    }

    /// Forgets what the tails were at: in a log that has lost events, their numbers come again.
    pub(crate) fn forget_watermark(&self) {
        let mut known = self
            .tail_watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = None;
    }

    fn watermark(&self) -> Option<Cursor> {
        // Nothing panics while it is held.
        let known = self
            .tail_watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Looks how far all transactions are done.
    pub(crate) async fn update_horizon(&self) -> Result<Horizon, sqlx::Error> {
        let update = async {
            let mut horizon = self.horizon.lock().await;
            let mut connection = self.pool.acquire().await?;
            horizon
                .update(&mut connection, &self.tables.statements, self.watermark())
                .await
        };
        with_timeout(update).await
    }

    /// Returns the place up to which all is done. It waits a little for what is open now, so that who has just
    /// written begins behind it; a long transaction it does not wait for, and is before it.
    pub(crate) async fn head(&self) -> Result<Horizon, sqlx::Error> {
        let start = Instant::now();
        let first = self.update_horizon().await?;
        let mut horizon = first.clone();
        let mut pause = Duration::from_millis(2);
        loop {
            let is_same_epoch = horizon.state.epoch == first.state.epoch;
            let timeout = match horizon.position {
                Some(position) if position >= first.state.last_drawn || !is_same_epoch => {
                    return Ok(horizon);
                }
                Some(_) => HEAD_TIMEOUT,
                None => FIRST_HEAD_TIMEOUT,
            };
            if start.elapsed() >= timeout {
                return Ok(horizon);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
            horizon = self.update_horizon().await?;
        }
    }

    /// Reads a range; `Ok(Err(..))` where the log does not have it.
    pub(crate) async fn read(
        &self,
        after: &Cursor,
        limit: usize,
    ) -> Result<Result<Vec<Entry>, ReadError>, sqlx::Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let Ok(position) = i64::try_from(after.position) else {
            return Ok(Err(ReadError::Ahead));
        };
        let none: &[i64] = &[];
        let rows = async {
            sqlx::query(self.tables.statements.read.to_sql())
                .bind(none)
                .bind(none)
                .bind(position)
                .bind(limit)
                .bind(limit)
                .fetch_all(&self.pool)
                .await
        };
        let rows = with_timeout(rows).await?;
        let state = LogState::from_row(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
        if after.epoch != state.epoch {
            return Ok(Err(ReadError::Epoch));
        }
        if after.position > state.last_drawn {
            return Ok(Err(ReadError::Ahead));
        }
        if after.position + 1 < state.first_retained {
            return Ok(Err(ReadError::Expired));
        }
        let entries = rows
            .iter()
            .map(rows::read_entry)
            .filter_map(Result::transpose);
        entries.collect::<Result<_, _>>().map(Ok)
    }
}

/// Gives up on a server that does not answer.
pub(crate) async fn with_timeout<T>(
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let result = timeout(QUERY_TIMEOUT, query).await;
    result.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}
