//! The tail of the outbox: it yields rows as soon as they become visible, and misses none.
//!
//! Numbers are drawn in one order and committed in another. The tail therefore yields rows past
//! missing numbers. It moves its watermark past a missing number only once that number is proven
//! never to appear (see [`crate::marks`]). Events of one row still arrive in order: the transaction
//! that writes an event has the row locked, and the next transaction that locks the row draws a
//! larger number. Each statement reads one snapshot, and its rows are yielded in order.

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
    audience::Audience,
    gap_tracker::GapTracker,
    horizon::read_lock_holders,
    log_state::LogState,
    node::{Node, QUERY_TIMEOUT, with_timeout},
    rows,
    unit_buffer::UnitBuffer,
};

/// Maximum number of rows that one statement returns.
const MAX_ROWS_PER_READ: i64 = 1_000;

/// Minimum time between two reads, so that one read covers many commits.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(2);

/// How often a tail checks first whether its gaps are proven. The interval doubles up to
/// [`MAX_GAP_INTERVAL`].
const GAP_INTERVAL: Duration = Duration::from_millis(10);
/// Maximum time between two checks of gaps.
const MAX_GAP_INTERVAL: Duration = Duration::from_millis(100);

/// How long a tail waits first before it retries an unreachable server. The interval doubles up to
/// [`MAX_RETRY_INTERVAL`].
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum wait before a retry.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Returns a tail of the node. It does nothing while it is not polled. While `has_subscribers` is
/// false, no client waits for its events; without it, one may wait at any time.
pub(crate) fn tail(
    node: &Arc<Node>,
    has_subscribers: Option<watch::Receiver<bool>>,
) -> BoxStream<'static, Tail> {
    let reader = TailReader {
        node: Arc::clone(node),
        wakeups: node.wakeups.subscribe(),
        audience: Audience::new(node, has_subscribers),
        position: None,
        has_started: false,
        pending: VecDeque::new(),
        last_read: Instant::now(),
        is_truncated: false,
        as_of: None,
        is_full: false,
        units: UnitBuffer::default(),
        gap_interval: GAP_INTERVAL,
        failing_since: None,
        retry_interval: RETRY_INTERVAL,
        is_away: false,
    };
    let next = async |mut reader: TailReader| Some((reader.next().await, reader));
    stream::unfold(reader, next).boxed()
}

/// Reads the table for one tail.
struct TailReader {
    node: Arc<Node>,
    wakeups: watch::Receiver<u64>,
    audience: Audience,
    position: Option<TailPosition>,
    has_started: bool,
    /// Items to yield before the next read; at most three.
    pending: VecDeque<Tail>,
    last_read: Instant,
    /// Whether the last statement stopped at its row limit.
    is_truncated: bool,
    /// When the last statement began that saw all events.
    as_of: Option<Instant>,
    /// Whether the last statement read gaps only, because there are too many.
    is_full: bool,
    /// Events that were read and are not yielded yet.
    units: UnitBuffer,
    gap_interval: Duration,
    /// The time of the first read that failed in a row.
    failing_since: Option<Instant>,
    retry_interval: Duration,
    is_away: bool,
}

/// The position of a tail within one epoch of the log.
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

    /// Returns whether the tail can continue in this state of the log: the epoch is the same, no
    /// event past the watermark was removed, and no number is drawn twice.
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

    /// Waits until the next read is due.
    async fn wait(&mut self) {
        if self.failing_since.is_some() {
            sleep(self.retry_interval).await;
            self.retry_interval = (self.retry_interval * 2).min(MAX_RETRY_INTERVAL);
        } else if let (false, Some(position)) = (self.is_truncated, &self.position) {
            let is_awaited = self.audience.is_waiting();
            let is_present_awaited = self.node.awaits_moment_after(self.as_of) && !self.is_full;
            let mut poll = if is_present_awaited {
                MIN_READ_INTERVAL
            } else {
                self.node.poll_interval(is_awaited)
            };
            if is_awaited && position.tracker.has_gaps() {
                poll = poll.min(self.gap_interval);
                self.gap_interval = (self.gap_interval * 2).min(MAX_GAP_INTERVAL);
            }
            let woken = async {
                tokio::select! {
                    // The node owns the sender and outlives this wait.
                    _ = self.wakeups.changed() => {}
                    () = self.audience.arrived() => {}
                }
            };
            _ = timeout_at(self.last_read + poll, woken).await;
            sleep_until(self.last_read + MIN_READ_INTERVAL).await;
        }
        self.wakeups.mark_unchanged();
    }

    async fn read(&mut self) -> Result<(), sqlx::Error> {
        let Some(position) = &mut self.position else {
            return self.start().await;
        };
        let read = with_timeout(read_rows(&self.node, &mut position.tracker)).await?;
        let RowsRead {
            state,
            entries,
            began,
            is_full,
        } = read;
        if !position.continues_in(&state) {
            self.node.forget_watermark();
            return self.start().await;
        }
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
        self.is_truncated = numbers.len() as i64 == MAX_ROWS_PER_READ;
        self.is_full = is_full;
        let as_of = (!self.is_truncated && !is_full).then_some(began);
        let is_awaited = as_of.is_some() && self.node.awaits_moment_after(self.as_of);
        self.as_of = as_of.or(self.as_of);
        let moved = position.tracker.record(&numbers, self.is_truncated);
        if moved {
            self.gap_interval = GAP_INTERVAL;
            self.node.record_watermark(&position.watermark());
        }
        let entries = self.units.complete(entries, as_of.is_some());
        let has_changed = moved || !entries.is_empty();
        if has_changed {
            self.node.changes.send_replace(());
        }
        if has_changed || is_awaited {
            let mut watermark = position.watermark();
            if let Some(first) = self.units.first() {
                watermark.position = watermark.position.min(first - 1);
            }
            self.pending.push_back(Tail::Entries {
                entries,
                watermark,
                as_of: as_of.map(Instant::into_std),
            });
        }
        Ok(())
    }

    /// Finds the position to start from, at first and after continuity was lost.
    async fn start(&mut self) -> Result<(), sqlx::Error> {
        let horizon = self.node.head().await?;
        let position = TailPosition {
            tracker: GapTracker::new(horizon.start_position()),
            epoch: horizon.state.epoch,
        };
        let cursor = position.watermark();
        self.units.clear();
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
            // `Back` comes after a reset, but before new events.
            let index = match self.pending.front() {
                Some(Tail::Reset(_)) => 1,
                _ => 0,
            };
            self.pending.insert(index, Tail::Back);
        }
    }

    fn on_error(&mut self, error: &sqlx::Error) {
        let since = *self.failing_since.get_or_insert(self.last_read);
        tracing::debug!(%error, "reading the outbox failed: the read is retried");
        if since.elapsed() >= QUERY_TIMEOUT && self.has_started && !self.is_away {
            tracing::warn!(
                %error,
                "the outbox cannot be read: clients receive no changes for now, and are notified that their data may be stale"
            );
            self.is_away = true;
            self.pending.push_back(Tail::Away);
        }
    }
}

/// The result of one read of the table.
struct RowsRead {
    state: LogState,
    entries: Vec<Entry>,
    /// A moment before the statement began.
    began: Instant,
    /// Whether new rows were not read, because there are too many gaps.
    is_full: bool,
}

/// Reads new rows. If there are gaps, it first reads which transactions may own their numbers.
async fn read_rows(node: &Node, tracker: &mut GapTracker) -> Result<RowsRead, sqlx::Error> {
    let statements = &node.tables.statements;
    let mut connection = node.pool.acquire().await?;
    if tracker.has_gaps() {
        tracker.observe(&read_lock_holders(&mut connection, statements).await?);
    }
    let (firsts, lasts) = tracker.gaps();
    let is_full = !tracker.has_room();
    let new_rows_limit = if is_full { 0 } else { MAX_ROWS_PER_READ };
    let began = Instant::now();
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
    Ok(RowsRead {
        state,
        entries: entries.collect::<Result<_, _>>()?,
        began,
        is_full,
    })
}
