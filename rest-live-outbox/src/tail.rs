//! The tail of the outbox: a reader that yields rows as soon as they can be seen, and loses none.
//!
//! Numbers are drawn in one order and committed in another. So it yields what is there, past the numbers that are missing,
//! and moves its watermark past one only when it is proven that it will never be there (see [`crate::marks`]). What is
//! told of one row is told in order all the same: who writes its event has the row locked, and the next who gets
//! the lock draws a greater number. Each statement sees one moment, and its rows are yielded in their order.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use rest_live_runtime::{Cursor, Entry, Epoch, Tail};
use sea_orm::sqlx;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::{
    gap_tracker::GapTracker,
    horizon::read_lock_holders,
    log_state::LogState,
    node::{Node, QUERY_TIMEOUT, with_timeout},
    rows,
};

/// So many rows are read at once.
const MAX_ROWS_PER_READ: i64 = 1_000;

/// Looks are at least so far apart: many commits are one look.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(2);

/// How often it looks whether a gap is proven, at first and after a while.
const GAP_INTERVAL: Duration = Duration::from_millis(10);
const MAX_GAP_INTERVAL: Duration = Duration::from_millis(100);

/// How long it waits for a server that is away, at first and after a while.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Returns the tail of a node. Nothing runs while nobody polls it.
pub(crate) fn tail(node: &Arc<Node>) -> BoxStream<'static, Tail> {
    let reader = TailReader {
        node: Arc::clone(node),
        wakeups: node.wakeups.subscribe(),
        position: None,
        has_started: false,
        pending: VecDeque::new(),
        last_read: Instant::now(),
        is_truncated: false,
        gap_interval: GAP_INTERVAL,
        failing_since: None,
        retry_interval: RETRY_INTERVAL,
        is_away: false,
    };
    let next = async |mut reader: TailReader| Some((reader.next().await, reader));
    stream::unfold(reader, next).boxed()
}

struct TailReader {
    node: Arc<Node>,
    wakeups: watch::Receiver<u64>,
    position: Option<TailPosition>,
    has_started: bool,
    /// Three at most.
    pending: VecDeque<Tail>,
    last_read: Instant,
    /// There is more than the last statement returned.
    is_truncated: bool,
    gap_interval: Duration,
    /// Since when the server does not answer.
    failing_since: Option<Instant>,
    retry_interval: Duration,
    is_away: bool,
}

/// One life of the log, and the place in it.
struct TailPosition {
    epoch: Epoch,
    tracker: GapTracker,
}

impl TailPosition {
    fn watermark(&self) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position: self.tracker.watermark(),
        }
    }

    /// Returns whether the log has all that this place still needs: it is the same life of it, nothing behind the
    /// watermark is removed, and no number is drawn again.
    fn continues_in(&self, state: &LogState) -> bool {
        self.epoch == state.epoch
            && state.first_retained <= self.tracker.watermark() + 1
            && state.last_drawn >= self.tracker.last()
    }
}

impl TailReader {
    async fn next(&mut self) -> Tail {
        loop {
            if let Some(tail) = self.pending.pop_front() {
                return tail;
            }
            self.wait().await;
            self.last_read = Instant::now();
            match self.read().await {
                Ok(()) => self.on_success(),
                Err(error) => self.on_error(&error),
            }
        }
    }

    /// Waits until it is time to look.
    async fn wait(&mut self) {
        if self.failing_since.is_some() {
            sleep(self.retry_interval).await;
            self.retry_interval = (self.retry_interval * 2).min(MAX_RETRY_INTERVAL);
        } else if let (false, Some(position)) = (self.is_truncated, &self.position) {
            let mut poll = self.node.poll_interval();
            if position.tracker.has_gaps() {
                poll = poll.min(self.gap_interval);
                self.gap_interval = (self.gap_interval * 2).min(MAX_GAP_INTERVAL);
            }
            // The sender is the node's, which is here.
            _ = timeout_at(self.last_read + poll, self.wakeups.changed()).await;
            sleep_until(self.last_read + MIN_READ_INTERVAL).await;
        }
        self.wakeups.mark_unchanged();
    }

    async fn read(&mut self) -> Result<(), sqlx::Error> {
        let Some(position) = &mut self.position else {
            return self.start().await;
        };
        let (state, entries) = with_timeout(read_rows(&self.node, &mut position.tracker)).await?;
        if !position.continues_in(&state) {
            self.node.forget_watermark();
            return self.start().await;
        }
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
        self.is_truncated = numbers.len() as i64 == MAX_ROWS_PER_READ;
        let moved = position.tracker.record(&numbers, self.is_truncated);
        if moved {
            self.gap_interval = GAP_INTERVAL;
            self.node.record_watermark(&position.watermark());
        }
        if moved || !entries.is_empty() {
            let watermark = position.watermark();
            self.pending.push_back(Tail::Entries { entries, watermark });
        }
        Ok(())
    }

    /// Finds the place to go on from, at first or where continuity is lost.
    async fn start(&mut self) -> Result<(), sqlx::Error> {
        let horizon = self.node.head().await?;
        let position = TailPosition {
            tracker: GapTracker::new(horizon.start_position()),
            epoch: horizon.state.epoch,
        };
        let cursor = position.watermark();
        self.pending.push_back(if self.has_started {
            Tail::Reset(cursor)
        } else {
            Tail::Begin(cursor)
        });
        self.position = Some(position);
        (self.has_started, self.is_truncated, self.gap_interval) = (true, false, GAP_INTERVAL);
        Ok(())
    }

    fn on_success(&mut self) {
        (self.failing_since, self.retry_interval) = (None, RETRY_INTERVAL);
        if std::mem::take(&mut self.is_away) {
            // Behind a reset, and before what is new.
            let index = match self.pending.front() {
                Some(Tail::Reset(_)) => 1,
                _ => 0,
            };
            self.pending.insert(index, Tail::Back);
        }
    }

    fn on_error(&mut self, error: &sqlx::Error) {
        let since = *self.failing_since.get_or_insert(self.last_read);
        tracing::debug!(%error, "the outbox cannot be read");
        if since.elapsed() >= QUERY_TIMEOUT && self.has_started && !self.is_away {
            tracing::warn!(%error, "the outbox cannot be reached");
            self.is_away = true;
            self.pending.push_back(Tail::Away);
        }
    }
}

/// Reads what is new; before, where numbers are missing, who may own them.
async fn read_rows(
    node: &Node,
    tracker: &mut GapTracker,
) -> Result<(LogState, Vec<Entry>), sqlx::Error> {
    let statements = &node.tables.statements;
    let mut connection = node.pool.acquire().await?;
    if tracker.has_gaps() {
        tracker.observe(&read_lock_holders(&mut connection, statements).await?);
    }
    let (firsts, lasts) = tracker.gaps();
    let new_rows_limit = if tracker.has_room() {
        MAX_ROWS_PER_READ
    } else {
        0
    };
    let rows = sqlx::query(statements.read.to_sql())
        .bind(firsts)
        .bind(lasts)
        .bind(i64::try_from(tracker.last()).unwrap_or(i64::MAX))
        .bind(MAX_ROWS_PER_READ)
        .bind(new_rows_limit)
        .fetch_all(&mut *connection)
        .await?;
    let state = LogState::from_row(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
    let entries = rows
        .iter()
        .map(rows::read_entry)
        .filter_map(Result::transpose);
    Ok((state, entries.collect::<Result<_, _>>()?))
}
