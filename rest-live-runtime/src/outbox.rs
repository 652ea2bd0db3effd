//! What waits to be sent to one client: a bounded queue with a stated answer when it is full.
//!
//! A client that has more waiting than it may *lags*: what waits is dropped for one reset, and what
//! comes until the reset leaves is dropped too, for the reset covers it. So a lag costs nothing
//! more, however long it lasts, and no change is missed without a word. The queue does not know what a reset
//! looks like; who takes it out writes it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{code::CloseCode, frame::Frame, limits::Limits};

/// So many lags within [`LAG_WINDOW`] close the connection: its client is not slow for a moment.
const MOST_LAGS: usize = 3;
const LAG_WINDOW: Duration = Duration::from_secs(60);

/// The queue between the hub and the connection of one session.
#[derive(Debug)]
pub(crate) struct Outbox {
    most_messages: usize,
    most_bytes: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: Vec<Frame>,
    bytes: usize,
    /// Whether the client is to be told to reset, behind what waits.
    reset: bool,
    /// Whether what comes is dropped, for the reset covers it.
    lagging: bool,
    /// When the last lags began, oldest first.
    lags: VecDeque<Instant>,
    close: Option<CloseCode>,
}

/// What was taken out of an outbox.
#[derive(Debug, PartialEq)]
pub(crate) enum Taken {
    /// Frames, oldest first, and whether a reset follows them.
    Frames { frames: Vec<Frame>, reset: bool },
    /// The connection is to be closed. Nothing follows.
    Close(CloseCode),
}

impl Outbox {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            most_messages: limits.pending_messages,
            most_bytes: limits.pending_bytes,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, so a poisoned state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame, or lags. A frame that is alone passes whatever its length.
    pub(crate) fn push(&self, frame: Frame) {
        let mut state = self.state();
        if state.lagging || state.close.is_some() {
            return;
        }
        let bytes = state.bytes + frame.as_str().len();
        if state.frames.is_empty()
            || state.frames.len() < self.most_messages && bytes <= self.most_bytes
        {
            state.bytes = bytes;
            state.frames.push(frame);
        } else {
            state.lag(Instant::now());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Has the client told to reset, behind what waits.
    pub(crate) fn reset(&self) {
        self.state().reset = true;
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
    /// Safe: nothing is taken before it is returned.
    pub(crate) async fn next(&self) -> Taken {
        loop {
            if let Some(taken) = self.state().take() {
                return taken;
            }
            self.changed.notified().await;
        }
    }
}

impl State {
    fn lag(&mut self, now: Instant) {
        self.frames.clear();
        self.bytes = 0;
        self.lagging = true;
        self.reset = true;
        self.lags
            .retain(|lag| now.duration_since(*lag) < LAG_WINDOW);
        self.lags.push_back(now);
        if self.lags.len() >= MOST_LAGS {
            self.reset = false;
            self.close = Some(CloseCode::TooSlow);
        }
    }

    fn take(&mut self) -> Option<Taken> {
        if self.reset || !self.frames.is_empty() {
            self.bytes = 0;
            self.lagging = false;
            return Some(Taken::Frames {
                frames: mem::take(&mut self.frames),
                reset: mem::take(&mut self.reset),
            });
        }
        self.close.map(Taken::Close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(pending_messages: usize, pending_bytes: usize) -> Outbox {
        Outbox::new(&Limits {
            pending_messages,
            pending_bytes,
            ..Limits::default()
        })
    }

    fn push(outbox: &Outbox, texts: &[&str]) {
        texts
            .iter()
            .for_each(|text| outbox.push(Frame::new((*text).to_owned())));
    }

    fn frames(texts: &[&str], reset: bool) -> Taken {
        Taken::Frames {
            frames: texts
                .iter()
                .map(|text| Frame::new((*text).to_owned()))
                .collect(),
            reset,
        }
    }

    #[tokio::test]
    async fn frames_leave_in_order_then_the_reset_then_the_close() {
        let outbox = outbox(8, 1024);
        push(&outbox, &["a"]);
        outbox.reset();
        push(&outbox, &["b"]);
        outbox.close(CloseCode::GoingAway);
        outbox.close(CloseCode::TooSlow);
        push(&outbox, &["too late"]);
        assert_eq!(outbox.next().await, frames(&["a", "b"], true));
        assert_eq!(outbox.next().await, Taken::Close(CloseCode::GoingAway));
    }

    #[tokio::test]
    async fn a_full_outbox_becomes_one_reset_however_much_comes() {
        let outbox = outbox(2, 1024);
        push(&outbox, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        assert_eq!(outbox.next().await, frames(&[], true));
        push(&outbox, &["k"]);
        assert_eq!(outbox.next().await, frames(&["k"], false));
    }

    #[tokio::test]
    async fn the_third_lag_of_a_minute_closes() {
        let outbox = outbox(1, 1024);
        for _ in 0..2 {
            push(&outbox, &["a", "b"]);
            assert_eq!(outbox.next().await, frames(&[], true));
        }
        push(&outbox, &["a", "b"]);
        assert_eq!(outbox.next().await, Taken::Close(CloseCode::TooSlow));
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
        push(&outbox, &["larger than four"]);
        assert_eq!(outbox.next().await, frames(&["larger than four"], false));
        push(&outbox, &["abc", "de"]);
        assert_eq!(outbox.next().await, frames(&[], true));
    }
}
