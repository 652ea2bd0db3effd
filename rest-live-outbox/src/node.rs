//! [`Node`]: the connections of one node, and the state that its tasks and tails share.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rest_live_runtime::{Cursor, Entry, ReadError};
use sea_orm::sqlx::{self, PgPool};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    horizon::{Horizon, HorizonTracker, read_state},
    log_state::LogState,
    options::Options,
    rows,
    tables::Tables,
};

/// How long one query may take, including the wait for a connection.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

/// How long [`Node::head`] waits for transactions that were open when it was called.
const HEAD_TIMEOUT: Duration = Duration::from_millis(100);

/// How long [`Node::head`] waits if no horizon is proven yet.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_millis(500);

/// One node of the log. [`OutboxLog`](crate::OutboxLog) is a handle to it.
#[derive(Debug)]
pub(crate) struct Node {
    /// A pool of the node's own. The application may use up its connections while it waits for an
    /// event.
    pub(crate) pool: PgPool,
    pub(crate) tables: Tables,
    pub(crate) options: Options,
    /// Distinguishes this node's notifications from those of other nodes.
    pub(crate) name: String,
    /// Changes when there may be new events. Tails then read the table.
    pub(crate) wakeups: watch::Sender<u64>,
    /// The last moment up to which a client waits for all events. Tails then yield an item, even if
    /// there is no event.
    awaited_moment: parking_lot::Mutex<Option<Instant>>,
    /// Number of tails for whose events a client may wait.
    pub(crate) awaited_tails: watch::Sender<usize>,
    /// Changes when there are new events, or may be.
    pub(crate) changes: watch::Sender<()>,
    /// Signals a commit of which the other nodes have not been notified.
    pub(crate) commits: Notify,
    /// Whether this node receives the notifications of other nodes.
    pub(crate) is_listening: AtomicBool,
    horizon: Mutex<HorizonTracker>,
    /// The largest watermark of this node's tails, in the epoch of the last one that moved.
    tail_watermark: parking_lot::Mutex<Option<Cursor>>,
}

impl Node {
    pub(crate) fn new(pool: PgPool, tables: Tables, options: Options, name: String) -> Self {
        Self {
            pool,
            tables,
            options,
            name,
            wakeups: watch::Sender::new(0),
            awaited_moment: parking_lot::Mutex::default(),
            awaited_tails: watch::Sender::new(0),
            changes: watch::Sender::new(()),
            commits: Notify::new(),
            is_listening: AtomicBool::new(false),
            horizon: Mutex::default(),
            tail_watermark: parking_lot::Mutex::default(),
        }
    }

    /// Wakes the tails of this node, so that they read the table.
    pub(crate) fn wake(&self) {
        self.wakeups
            .send_modify(|wakeups| *wakeups = wakeups.wrapping_add(1));
        self.changes.send_replace(());
    }

    /// Returns the present, and lets the tails read up to it.
    pub(crate) fn await_present(&self) -> Instant {
        let now = Instant::now();
        {
            let mut awaited = self.awaited_moment.lock();
            *awaited = (*awaited).max(Some(now));
        }
        self.wakeups
            .send_modify(|wakeups| *wakeups = wakeups.wrapping_add(1));
        now
    }

    /// Returns whether a client waits for a moment after `as_of`.
    pub(crate) fn awaits_moment_after(&self, as_of: Option<Instant>) -> bool {
        *self.awaited_moment.lock() > as_of
    }

    /// Returns how long a tail waits if it is not woken.
    pub(crate) fn poll_interval(&self, is_awaited: bool) -> Duration {
        if !is_awaited {
            return self.options.idle_poll_interval();
        }
        let is_listening = self.is_listening.load(Ordering::Relaxed);
        self.options
            .poll_interval(is_listening, self.tables.captures_any())
    }

    /// Records the watermark of a tail.
    pub(crate) fn record_watermark(&self, watermark: &Cursor) {
        let mut known = self.tail_watermark.lock();
        let is_old = known.as_ref().is_some_and(|known| {
            known.epoch == watermark.epoch && known.position >= watermark.position
        });
        if !is_old {
            *known = Some(watermark.clone());
        }
    }

    /// Forgets the watermark of the tails. A log that has lost events draws their numbers again.
    pub(crate) fn forget_watermark(&self) {
        *self.tail_watermark.lock() = None;
    }

    fn watermark(&self) -> Option<Cursor> {
        self.tail_watermark.lock().clone()
    }

    /// Reads the state of the log.
    pub(crate) async fn state(&self) -> Result<LogState, sqlx::Error> {
        with_timeout(async {
            let mut connection = self.pool.acquire().await?;
            read_state(&mut connection, &self.tables.statements).await
        })
        .await
    }

    /// Reads the database and returns the horizon.
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

    /// Returns the horizon, after a short wait for transactions that are open now, so that a client
    /// that has just written starts past its own write. It does not wait for a long transaction and
    /// returns a horizon before it.
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

    /// Reads a range of events. Returns `Ok(Err(..))` if the log does not contain it.
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
        let query = sqlx::query(self.tables.statements.read.to_sql())
            .bind(none)
            .bind(none)
            .bind(position)
            .bind(limit)
            .bind(limit)
            .fetch_all(&self.pool);
        let rows = with_timeout(query).await?;
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

/// Runs a query, and fails if the server does not answer within [`QUERY_TIMEOUT`].
pub(crate) async fn with_timeout<T>(
    query: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let result = timeout(QUERY_TIMEOUT, query).await;
    result.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}
