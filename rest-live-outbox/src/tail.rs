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
    horizon::holders,
    log_state::Life,
    node::{Node, PATIENCE, timed},
    rows,
    tracker::Tracker,
};

/// So many rows are read at once.
const MOST: i64 = 1_000;

/// Looks are at least so far apart: many commits are one look.
const PACE: Duration = Duration::from_millis(2);

/// How often it looks whether a gap is proven, at first and after a while.
const GAP: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// How long it waits for a server that is away, at first and after a while.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Returns the tail of a node. Nothing runs while nobody polls it.
pub(crate) fn tail(node: &Arc<Node>) -> BoxStream<'static, Tail> {
    let reader = Reader {
        node: Arc::clone(node),
        wakes: node.wakes.subscribe(),
        following: None,
        has_begun: false,
        pending: VecDeque::new(),
        looked: Instant::now(),
        is_cut: false,
        gap: GAP.0,
        failing: None,
        retry: RETRY.0,
        is_away: false,
    };
    let next = async |mut reader: Reader| Some((reader.next().await, reader));
    stream::unfold(reader, next).boxed()
}

struct Reader {
    node: Arc<Node>,
    wakes: watch::Receiver<u64>,
    following: Option<Following>,
    has_begun: bool,
    /// Three at most.
    pending: VecDeque<Tail>,
    looked: Instant,
    /// There is more than the last statement returned.
    is_cut: bool,
    gap: Duration,
    /// Since when the server does not answer.
    failing: Option<Instant>,
    retry: Duration,
    is_away: bool,
}

/// One life of the log, and the place in it.
struct Following {
    epoch: Epoch,
    tracker: Tracker,
}

impl Following {
    fn watermark(&self) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position: self.tracker.watermark(),
        }
    }

    /// Returns whether the log has all that this place still needs: it is the same life of it, nothing behind the
    /// watermark is removed, and no number is drawn again.
    fn goes_on_in(&self, life: &Life) -> bool {
        self.epoch == life.epoch
            && life.first_retained <= self.tracker.watermark() + 1
            && life.drawn >= self.tracker.last()
    }
}

impl Reader {
    async fn next(&mut self) -> Tail {
        loop {
            if let Some(tail) = self.pending.pop_front() {
                return tail;
            }
            self.wait().await;
            self.looked = Instant::now();
            match self.look().await {
                Ok(()) => self.answered(),
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Waits until it is time to look.
    async fn wait(&mut self) {
        if self.failing.is_some() {
            sleep(self.retry).await;
            self.retry = (self.retry * 2).min(RETRY.1);
        } else if let (false, Some(following)) = (self.is_cut, &self.following) {
            let mut poll = self.node.poll();
            if following.tracker.has_gaps() {
                poll = poll.min(self.gap);
                self.gap = (self.gap * 2).min(GAP.1);
            }
            // The sender is the node's, which is here.
            _ = timeout_at(self.looked + poll, self.wakes.changed()).await;
            sleep_until(self.looked + PACE).await;
        }
        self.wakes.mark_unchanged();
    }

    async fn look(&mut self) -> Result<(), sqlx::Error> {
        let Some(following) = &mut self.following else {
            return self.begin().await;
        };
        let (life, entries) = timed(statement(&self.node, &mut following.tracker)).await?;
        if !following.goes_on_in(&life) {
            self.node.forget();
            return self.begin().await;
        }
        let numbers: Vec<u64> = entries.iter().map(|entry| entry.position).collect();
        self.is_cut = numbers.len() as i64 == MOST;
        let moved = following.tracker.saw(&numbers, self.is_cut);
        if moved {
            self.gap = GAP.0;
            self.node.tell(&following.watermark());
        }
        if moved || !entries.is_empty() {
            let watermark = following.watermark();
            self.pending.push_back(Tail::Entries { entries, watermark });
        }
        Ok(())
    }

    /// Finds the place to go on from, at first or where continuity is lost.
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        let view = self.node.head().await?;
        let following = Following {
            tracker: Tracker::new(view.place()),
            epoch: view.life.epoch,
        };
        let cursor = following.watermark();
        self.pending.push_back(match self.has_begun {
            true => Tail::Reset(cursor),
            false => Tail::Begin(cursor),
        });
        self.following = Some(following);
        (self.has_begun, self.is_cut, self.gap) = (true, false, GAP.0);
        Ok(())
    }

    fn answered(&mut self) {
        (self.failing, self.retry) = (None, RETRY.0);
        if std::mem::take(&mut self.is_away) {
            // Behind a reset, and before what is new.
            let place = match self.pending.front() {
                Some(Tail::Reset(_)) => 1,
                _ => 0,
            };
            self.pending.insert(place, Tail::Back);
        }
    }

    fn failed(&mut self, error: &sqlx::Error) {
        let since = *self.failing.get_or_insert(self.looked);
        tracing::debug!(%error, "the outbox cannot be read");
        if since.elapsed() >= PATIENCE && self.has_begun && !self.is_away {
            tracing::warn!(%error, "the outbox cannot be reached");
            self.is_away = true;
            self.pending.push_back(Tail::Away);
        }
    }
}

/// Reads what is new; before, where numbers are missing, who may own them.
async fn statement(node: &Node, tracker: &mut Tracker) -> Result<(Life, Vec<Entry>), sqlx::Error> {
    let statements = &node.tables.statements;
    let mut connection = node.pool.acquire().await?;
    if tracker.has_gaps() {
        tracker.look(&holders(&mut connection, statements).await?);
    }
    let (firsts, lasts) = tracker.gaps();
    let behind = if tracker.has_room() { MOST } else { 0 };
    let rows = sqlx::query(statements.read.to_sql())
        .bind(firsts)
        .bind(lasts)
        .bind(i64::try_from(tracker.last()).unwrap_or(i64::MAX))
        .bind(MOST)
        .bind(behind)
        .fetch_all(&mut *connection)
        .await?;
    let life = Life::of(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
    let entries = rows.iter().map(rows::entry).filter_map(Result::transpose);
    Ok((life, entries.collect::<Result<_, _>>()?))
}
