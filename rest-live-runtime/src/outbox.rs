//! What waits to be sent to one client: a bounded queue with a stated answer when it is full.
//!
//! A client that has more waiting than it may *lags*: the broadcasts that wait are dropped for one reset, and
//! what comes until the reset leaves is dropped too, for the reset covers it. So a lag costs nothing
//! more, however long it lasts, and no change is missed without a word. Answers to requests are never dropped.
//! The queue does not know what a reset looks like; who takes it out writes it.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
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
    frames: Vec<Frame>,
    bytes: usize,
    answers: usize,
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

/// Says that a subscription is over. Set under the lock of its outbox, so that nothing is published to it
/// behind the word that it is over.
#[derive(Debug, Default)]
pub(crate) struct Ended(AtomicBool);

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

    /// Queues what a subscription is told of a change, or lags. A frame that is alone passes whatever
    /// its length.
    pub(crate) fn publish(&self, frame: Frame, ended: &Ended) {
        let mut state = self.state();
        if ended.0.load(Ordering::Relaxed) || state.lagging || state.close.is_some() {
            return;
        }
        let bytes = state.bytes + frame.as_str().len();
        if state.frames.is_empty()
            || state.frames.len() - state.answers < self.most_messages && bytes <= self.most_bytes
        {
            state.bytes = bytes;
            state.frames.push(frame);
            self.metrics.pending.increment(1.0);
        } else {
            let waiting = state.frames.len();
            state.lag(Instant::now());
            self.metrics.lags.increment(1);
            self.metrics
                .pending
                .decrement((waiting - state.frames.len()) as f64);
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

    /// Ends a subscription: `last` is the last that is said of it.
    pub(crate) fn end(&self, ended: &Ended, last: Vec<Frame>) {
        let mut state = self.state();
        ended.0.store(true, Ordering::Relaxed);
        for frame in last {
            self.queue_answer(&mut state, frame);
        }
        drop(state);
        self.changed.notify_one();
    }

    fn queue_answer(&self, state: &mut State, frame: Frame) {
        if state.close.is_some() {
            return;
        }
        if state.answers >= self.most_messages {
            // It asks and asks, and reads nothing.
            state.reset = None;
            state.close = Some(CloseCode::TooSlow);
            return;
        }
        state.bytes += frame.as_str().len();
        state.answers += 1;
        state.frames.push(frame);
        self.metrics.pending.increment(1.0);
    }

    /// Has the client told to reset, behind what waits.
    pub(crate) fn reset(&self, reason: ResetReason) {
        self.state().reset.get_or_insert(reason);
        self.changed.notify_one();
    }

    /// Ends the session once what is queued has left; the first code holds.
    pub(crate) fn close(&self, code: CloseCode) {
        self.state().close.get_or_insert(code);
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
    fn lag(&mut self, now: Instant) {
        self.frames.retain(|frame| frame.captured().is_none());
        self.bytes = self.frames.iter().map(|frame| frame.as_str().len()).sum();
        self.lagging = true;
        self.reset = Some(ResetReason::Lagged);
        self.lags
            .retain(|lag| now.duration_since(*lag) < LAG_WINDOW);
        self.lags.push_back(now);
        if self.lags.len() >= MOST_LAGS {
            self.reset = None;
            self.close = Some(CloseCode::TooSlow);
        }
    }

    fn is_ready(&self) -> bool {
        self.reset.is_some() || !self.frames.is_empty() || self.close.is_some()
    }

    fn take(&mut self) -> Option<Taken> {
        if self.reset.is_some() || !self.frames.is_empty() {
            self.bytes = 0;
            self.answers = 0;
            self.lagging = false;
            return Some(Taken::Frames {
                frames: mem::take(&mut self.frames),
                reset: self.reset.take(),
            });
        }
        self.close.map(Taken::Close)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn outbox(pending_messages: usize, pending_bytes: usize) -> Outbox {
        let limits = Limits {
            pending_messages,
            pending_bytes,
            ..Limits::default()
        };
        Outbox::new(&limits, Arc::new(Metrics::new()))
    }

    fn broadcast(text: &str) -> Frame {
        Frame::broadcast(text.to_owned(), SystemTime::UNIX_EPOCH)
    }

    fn answer(text: &str) -> Frame {
        Frame::answer(text.to_owned())
    }

    fn publish(outbox: &Outbox, texts: &[&str]) {
        texts
            .iter()
            .for_each(|text| outbox.publish(broadcast(text), &Ended::default()));
    }

    async fn next(outbox: &Outbox) -> (Vec<String>, Option<ResetReason>) {
        outbox.ready().await;
        match outbox.take(outbox.pending_reset()) {
            Some(Taken::Frames { frames, reset }) => (
                frames.iter().map(|f| f.as_str().to_owned()).collect(),
                reset,
            ),
            other => panic!("{other:?}"),
        }
    }

    async fn closed(outbox: &Outbox) -> Option<CloseCode> {
        outbox.ready().await;
        match outbox.take(None) {
            Some(Taken::Close(code)) => Some(code),
            _ => None,
        }
    }

    const LAGGED: Option<ResetReason> = Some(ResetReason::Lagged);

    #[tokio::test]
    async fn frames_leave_in_order_then_the_reset_then_the_close() {
        let outbox = outbox(8, 1024);
        publish(&outbox, &["a"]);
        outbox.reset(ResetReason::Epoch);
        publish(&outbox, &["b"]);
        outbox.close(CloseCode::GoingAway);
        outbox.close(CloseCode::TooSlow);
        publish(&outbox, &["too late"]);
        let (frames, reset) = next(&outbox).await;
        assert_eq!(
            (frames.concat().as_str(), reset),
            ("ab", Some(ResetReason::Epoch))
        );
        assert_eq!(closed(&outbox).await, Some(CloseCode::GoingAway));
    }

    #[tokio::test]
    async fn a_full_outbox_becomes_one_reset_however_much_comes() {
        let outbox = outbox(2, 1024);
        publish(&outbox, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        assert_eq!(next(&outbox).await, (vec![], LAGGED));
        publish(&outbox, &["k"]);
        assert_eq!(next(&outbox).await, (vec!["k".to_owned()], None));
    }

    #[tokio::test]
    async fn a_lag_drops_no_answer() {
        let outbox = outbox(2, 1024);
        outbox.answer(answer("1"));
        publish(&outbox, &["a", "b", "c"]);
        outbox.answer(answer("2"));
        publish(&outbox, &["d"]);
        let (frames, reset) = next(&outbox).await;
        assert_eq!((frames.concat().as_str(), reset), ("12", LAGGED));
    }

    #[tokio::test]
    async fn who_asks_and_asks_and_reads_nothing_is_closed() {
        let outbox = outbox(2, 1024);
        for _ in 0..3 {
            outbox.answer(answer("no"));
        }
        assert_eq!(next(&outbox).await.0.len(), 2);
        assert_eq!(closed(&outbox).await, Some(CloseCode::TooSlow));
    }

    #[tokio::test]
    async fn nothing_is_published_to_a_subscription_that_is_over() {
        let outbox = outbox(8, 1024);
        let ended = Ended::default();
        outbox.publish(broadcast("a"), &ended);
        outbox.end(&ended, vec![answer("over")]);
        outbox.publish(broadcast("b"), &ended);
        assert_eq!(next(&outbox).await.0.concat(), "aover");
    }

    #[tokio::test]
    async fn the_third_lag_of_a_minute_closes() {
        let outbox = outbox(1, 1024);
        for _ in 0..2 {
            publish(&outbox, &["a", "b"]);
            assert_eq!(next(&outbox).await, (vec![], LAGGED));
        }
        publish(&outbox, &["a", "b"]);
        assert_eq!(closed(&outbox).await, Some(CloseCode::TooSlow));
    }

    #[test]
    fn lags_that_are_long_past_do_not_count() {
        let mut state = State::default();
        let start = Instant::now();
        for minute in 0..10 {
            state.lag(start + LAG_WINDOW * minute);
            assert_eq!(state.close, None);
        }
        state.lag(start + LAG_WINDOW * 9);
        assert_eq!(state.close, None);
        state.lag(start + LAG_WINDOW * 9);
        assert_eq!(state.close, Some(CloseCode::TooSlow));
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_a_lone_large_frame_passes() {
        let outbox = outbox(8, 4);
        publish(&outbox, &["larger than four"]);
        assert_eq!(
            next(&outbox).await,
            (vec!["larger than four".to_owned()], None)
        );
        publish(&outbox, &["abc", "de"]);
        assert_eq!(next(&outbox).await, (vec![], LAGGED));
    }
}
