//! What waits to be sent to one client: a bounded queue with a stated answer when it is full.
//!
//! A client that has more waiting than it may *lags*: the broadcasts that wait are dropped for one reset, and
//! what comes until the reset leaves is dropped too, for the reset covers it. So a lag costs nothing
//! more, however long it lasts, and no change is missed without a word. Answers to requests are never dropped.
//! The queue does not know what a reset looks like; who takes it out writes it.

mod standing;

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

pub(crate) use self::standing::Standing;
use crate::{
    change::Granted,
    code::{CloseCode, ResetReason},
    frame::Frame,
    limits::Limits,
    metrics::Metrics,
};

/// So many lags within [`LAG_WINDOW`] close the connection: its client is not slow for a moment.
const MOST_LAGS: usize = 3;
const LAG_WINDOW: Duration = Duration::from_secs(60);

/// The queue between the hub and the connection of one session.
#[derive(Debug)]
pub(crate) struct Outbox {
    most_messages: usize,
    most_bytes: usize,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: Vec<Pending>,
    bytes: usize,
    answers: usize,
    answer_bytes: usize,
    /// Why the client is to be told to reset, behind what waits.
    reset: Option<ResetReason>,
    /// Whether what comes is dropped, for the reset covers it.
    lagging: bool,
    /// When the last lags began, oldest first.
    lags: VecDeque<Instant>,
    close: Option<CloseCode>,
}

/// What was taken out of an outbox.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    /// Frames, oldest first, and why a reset follows them, if one does.
    Frames {
        frames: Vec<Frame>,
        reset: Option<ResetReason>,
    },
    /// The connection is to be closed. Nothing follows.
    Close(CloseCode),
}

/// A frame that waits, and if it is a broadcast the address of its subscription's standing.
#[derive(Debug)]
struct Pending(Frame, Option<usize>);

impl Outbox {
    pub(crate) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            most_messages: limits.pending_messages,
            most_bytes: limits.pending_bytes,
            metrics,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues what a subscription is told of a change, or lags. `granted` is the standing by which it was
    /// decided. A frame that is alone passes whatever its length.
    pub(crate) fn publish(&self, frame: Frame, standing: &Standing, granted: Granted) {
        let mut state = self.state();
        let is_outdated = standing.over.load(Ordering::Relaxed) || standing.granted() != granted;
        if is_outdated || state.lagging || state.close.is_some() {
            return;
        }
        let bytes = state.bytes + frame.as_str().len();
        if state.frames.is_empty()
            || state.frames.len() - state.answers < self.most_messages && bytes <= self.most_bytes
        {
            state.bytes = bytes;
            state.frames.push(Pending(frame, Some(standing.address())));
            self.metrics.pending.increment(1.0);
        } else {
            let dropped = state.lag(Instant::now());
            self.metrics.lags.increment(1);
            self.metrics.pending.decrement(dropped as f64);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Queues what answers a request.
    pub(crate) fn answer(&self, frame: Frame) {
        let mut state = self.state();
        self.queue_answer(&mut state, frame);
        drop(state);
        self.changed.notify_one();
    }

    /// Ends a subscription: what waits of it is dropped, and `last` is the last that is said of it.
    pub(crate) fn end(&self, standing: &Standing, last: Vec<Frame>) {
        let mut state = self.state();
        standing.over.store(true, Ordering::Relaxed);
        self.drop_broadcasts_of(&mut state, standing);
        for frame in last {
            self.queue_answer(&mut state, frame);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Has a subscription be shown rows by other serializers. What waits of it was made by the earlier
    /// ones and is dropped for a reset, which also covers what the client holds.
    pub(crate) fn regrant(&self, standing: &Standing, granted: Granted) {
        let mut state = self.state();
        if standing.granted() == granted {
            return;
        }
        standing.granted.store(granted.to_bits(), Ordering::Relaxed);
        self.drop_broadcasts_of(&mut state, standing);
        state.reset.get_or_insert(ResetReason::Bulk);
        drop(state);
        self.changed.notify_one();
    }

    fn drop_broadcasts_of(&self, state: &mut State, standing: &Standing) {
        let dropped = state.retain(|pending| pending.1 != Some(standing.address()));
        self.metrics.pending.decrement(dropped as f64);
    }

    fn queue_answer(&self, state: &mut State, frame: Frame) {
        if state.close.is_some() {
            return;
        }
        let length = frame.as_str().len();
        let is_full =
            state.answers >= self.most_messages || state.answer_bytes + length > self.most_bytes;
        if state.answers > 0 && is_full {
            // It asks and asks, and reads nothing.
            state.reset = None;
            state.close = Some(CloseCode::TooSlow);
            return;
        }
        state.bytes += length;
        state.answer_bytes += length;
        state.answers += 1;
        state.frames.push(Pending(frame, None));
        self.metrics.pending.increment(1.0);
    }

    /// Has the client told to reset, behind what waits.
    pub(crate) fn reset(&self, reason: ResetReason) {
        self.state().reset.get_or_insert(reason);
        self.changed.notify_one();
    }

    /// Ends the session once what is queued has left; the first code holds. Who is not to come back gets
    /// nothing of what is queued.
    pub(crate) fn close(&self, code: CloseCode) {
        let mut state = self.state();
        if code == CloseCode::Forbidden && state.close.is_none() {
            state.reset = None;
            let dropped = state.retain(|_| false);
            self.metrics.pending.decrement(dropped as f64);
        }
        state.close.get_or_insert(code);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until there is something to take out. One caller at a time.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken.
    pub(crate) async fn ready(&self) {
        while !self.state().is_ready() {
            self.changed.notified().await;
        }
    }

    /// Returns why a reset will be taken out, if one will.
    pub(crate) fn pending_reset(&self) -> Option<ResetReason> {
        self.state().reset
    }

    /// Takes out what there is, if it is no reset that was not expected.
    pub(crate) fn take(&self, expected: Option<ResetReason>) -> Option<Taken> {
        let mut state = self.state();
        if expected.is_none() && state.reset.is_some() {
            return None;
        }
        let taken = state.take();
        drop(state);
        if let Some(Taken::Frames { frames, .. }) = &taken {
            self.metrics.pending.decrement(frames.len() as f64);
        }
        taken
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let waiting = self.state().frames.len();
        self.metrics.pending.decrement(waiting as f64);
    }
}

impl State {
    /// Keeps what waits and passes, and returns how many do not.
    fn retain(&mut self, keep: impl Fn(&Pending) -> bool) -> usize {
        let before = self.frames.len();
        self.frames.retain(keep);
        self.bytes = self.frames.iter().map(|p| p.0.as_str().len()).sum();
        before - self.frames.len()
    }

    /// Drops the broadcasts that wait for a reset, and returns how many.
    fn lag(&mut self, now: Instant) -> usize {
        let dropped = self.retain(|pending| pending.1.is_none());
        self.lagging = true;
        self.reset = Some(ResetReason::Lagged);
        self.lags
            .retain(|lag| now.duration_since(*lag) < LAG_WINDOW);
        self.lags.push_back(now);
        if self.lags.len() >= MOST_LAGS {
            self.reset = None;
            self.close = Some(CloseCode::TooSlow);
        }
        dropped
    }

    fn is_ready(&self) -> bool {
        self.reset.is_some() || !self.frames.is_empty() || self.close.is_some()
    }

    fn take(&mut self) -> Option<Taken> {
        if self.reset.is_some() || !self.frames.is_empty() {
            self.bytes = 0;
            self.answers = 0;
            self.answer_bytes = 0;
            self.lagging = false;
            let pending = mem::take(&mut self.frames).into_iter();
            return Some(Taken::Frames {
                frames: pending.map(|Pending(frame, _)| frame).collect(),
                reset: self.reset.take(),
            });
        }
        self.close.map(Taken::Close)
    }
}

#[cfg(test)]
mod tests;
