//! What one node has of the outbox: connections of its own, and what its tasks and tails share.

use std::{
    sync::{
        Mutex as Slot, PoisonError,
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
    horizon::{Horizon, View},
    log_state::Life,
    options::Options,
    rows,
    tables::Tables,
};

/// How long one question to the database may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// How long [`Node::head`] waits for transactions that were open when it was asked.
const HEAD_WAITS: Duration = Duration::from_millis(100);

/// The same, where nothing was proven yet.
const START_WAITS: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Node {
    /// Not the application's, which may use up all of its own and wait for an event.
    pub(crate) pool: PgPool,
    pub(crate) tables: Tables,
    pub(crate) options: Options,
    /// Tells this node's notifications from the others'.
    pub(crate) name: String,
    /// Counts what may have brought events; tails look at the table then.
    pub(crate) wakes: watch::Sender<u64>,
    /// Something was committed that other nodes have not been told of.
    pub(crate) committed: Notify,
    /// Whether other nodes' notifications come here.
    pub(crate) listens: AtomicBool,
    horizon: Mutex<Horizon>,
    /// The place up to which the tail of this node has yielded all that was the last to move.
    told: Slot<Option<Cursor>>,
}

impl Node {
    pub(crate) fn new(pool: PgPool, tables: Tables, options: Options, name: String) -> Self {
        Self {
            pool,
            tables,
            options,
            name,
            wakes: watch::Sender::new(0),
            committed: Notify::new(),
            listens: AtomicBool::new(false),
            horizon: Mutex::default(),
            told: Slot::default(),
        }
    }

    /// Has the tails of this node look.
    pub(crate) fn wake(&self) {
        self.wakes
            .send_modify(|wakes| *wakes = wakes.wrapping_add(1));
    }

    /// Returns how long a tail waits that nobody wakes.
    pub(crate) fn poll(&self) -> Duration {
        match self.listens.load(Ordering::Relaxed) {
            true => self.options.poll_beside_listen(self.tables.captures_any()),
            false => self.options.poll_alone(),
        }
    }

    /// Takes in the watermark of a tail.
    pub(crate) fn tell(&self, watermark: &Cursor) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = told.as_ref().is_some_and(|told| {
            told.epoch == watermark.epoch && told.position >= watermark.position
        });
        if !is_old {
            *told = Some(watermark.clone());
        }
    }

    /// Forgets what the tails were at: in a log that has lost events, their numbers come again.
    pub(crate) fn forget(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = None;
    }

    fn told(&self) -> Option<Cursor> {
        // Nothing panics while it is held.
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }

    /// Looks how far all transactions are done.
    pub(crate) async fn look(&self) -> Result<View, sqlx::Error> {
        let look = async {
            let mut horizon = self.horizon.lock().await;
            let mut connection = self.pool.acquire().await?;
            horizon
                .look(&mut connection, &self.tables.statements, self.told())
                .await
        };
        timed(look).await
    }

    /// Returns the place up to which all is done. It waits a little for what is open now, so that who has just
    /// written begins behind it; a long transaction it does not wait for, and is before it.
    pub(crate) async fn head(&self) -> Result<View, sqlx::Error> {
        let start = Instant::now();
        let first = self.look().await?;
        let mut view = first.clone();
        let mut pause = Duration::from_millis(2);
        loop {
            let is_same = view.life.epoch == first.life.epoch;
            let waits = match view.settled {
                Some(settled) if settled >= first.life.drawn || !is_same => return Ok(view),
                Some(_) => HEAD_WAITS,
                None => START_WAITS,
            };
            if start.elapsed() >= waits {
                return Ok(view);
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(20));
            view = self.look().await?;
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
        let rows = timed(rows).await?;
        let life = Life::of(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
        if after.epoch != life.epoch {
            return Ok(Err(ReadError::Epoch));
        }
        if after.position > life.drawn {
            return Ok(Err(ReadError::Ahead));
        }
        if after.position + 1 < life.first_retained {
            return Ok(Err(ReadError::Expired));
        }
        let entries = rows.iter().map(rows::entry).filter_map(Result::transpose);
        entries.collect::<Result<_, _>>().map(Ok)
    }
}

/// Gives up on a server that does not answer.
pub(crate) async fn timed<T>(
    question: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let answer = timeout(PATIENCE, question).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}
