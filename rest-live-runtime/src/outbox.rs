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
    registry::ModelEntry,
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

/// A frame that waits.
#[derive(Debug)]
struct Pending {
    frame: Frame,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// With the address of its subscription's standing.
    Broadcast(usize),
    /// The reset of a model whose label has this address, with that of the subscription's standing where it is
    /// one subscription's.
    Reset(usize, Option<usize>),
    Answer,
}

impl Kind {
    /// Returns the address of the standing of the subscription that it is of.
    fn standing(self) -> Option<usize> {
        match self {
            Self::Broadcast(standing) => Some(standing),
            Self::Reset(_, standing) => standing,
            Self::Answer => None,
        }
    }
}

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
        self.queue(&mut state, frame, Kind::Broadcast(standing.address()));
        drop(state);
        self.changed.notify_one();
    }

    /// Queues the word that rows of a model changed that are not known, in its place among the broadcasts; or
    /// lags. Where that is the last that waits already, once is enough: who reads it fetches then. `standing`
    /// is given where it is one subscription's.
    pub(crate) fn publish_resets(
        &self,
        model: &ModelEntry,
        frames: Vec<Frame>,
        standing: Option<&Standing>,
    ) {
        let mut state = self.state();
        let is_over = standing.is_some_and(|standing| standing.over.load(Ordering::Relaxed));
        if is_over || state.lagging || state.close.is_some() {
            return;
        }
        let label = model.label.as_ptr().addr();
        let kind = Kind::Reset(label, standing.map(Standing::address));
        let mut last = state.frames.iter().rev().map(|pending| pending.kind);
        let mut last_resets = last
            .by_ref()
            .take_while(|last| matches!(last, Kind::Reset(..)));
        if last_resets.any(|waiting| waiting == kind) {
            return;
        }
        self.metrics.reset(ResetReason::Bulk, frames.len());
        for frame in frames {
            if !state.lagging {
                self.queue(&mut state, frame, kind);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Queues a frame that may be dropped for a reset, or lags.
    fn queue(&self, state: &mut State, frame: Frame, kind: Kind) {
        let bytes = state.bytes + frame.as_str().len();
        if state.frames.is_empty()
            || state.frames.len() - state.answers < self.most_messages && bytes <= self.most_bytes
        {
            state.bytes = bytes;
            state.frames.push(Pending { frame, kind });
            self.metrics.pending.increment(1.0);
        } else {
            let dropped = state.lag(Instant::now());
            self.metrics.lags.increment(1);
            self.metrics.pending.decrement(dropped as f64);
        }
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
        let dropped = state.retain(|kind| kind.standing() != Some(standing.address()));
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
        state.frames.push(Pending {
            frame,
            kind: Kind::Answer,
        });
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
    fn retain(&mut self, keep: impl Fn(Kind) -> bool) -> usize {
        let before = self.frames.len();
        self.frames.retain(|pending| keep(pending.kind));
        self.bytes = self.frames.iter().map(|p| p.frame.as_str().len()).sum();
        before - self.frames.len()
    }

    /// Drops the broadcasts that wait for a reset, and returns how many.
    fn lag(&mut self, now: Instant) -> usize {
        let dropped = self.retain(|kind| kind == Kind::Answer);
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
                frames: pending.map(|pending| pending.frame).collect(),
                reset: self.reset.take(),
            });
        }
        self.close.map(Taken::Close)
    }
}

#[cfg(test)]
mod tests;
