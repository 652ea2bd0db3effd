//! What waits to be sent to one client: a bounded queue with a stated answer when it is full.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{code::CloseCode, frame::Frame, limits::Limits};

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
    frames: VecDeque<Frame>,
    bytes: usize,
    /// A reset was queued and has not left yet.
    lagging: bool,
    close: Option<CloseCode>,
}

/// What the connection has to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outgoing {
    /// Send these, oldest first.
    Frames(Vec<Frame>),
    /// Send a close frame and end. Nothing follows.
    Close(CloseCode),
}

/// The client has more waiting than it may: its resets are to be queued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lagged;

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

    /// Queues a frame. On `Err` the frame and all before it are dropped, and the caller owes the
    /// client its [resets](Self::reset).
    pub(crate) fn push(&self, frame: Frame) -> Result<(), Lagged> {
        let mut state = self.state();
        if state.close.is_some() {
            return Ok(());
        }
        let bytes = frame.as_str().len();
        let fits =
            state.frames.len() < self.most_messages && state.bytes + bytes <= self.most_bytes;
        if !fits && !state.frames.is_empty() {
            state.frames.clear();
            state.bytes = 0;
            if state.lagging {
                state.close = Some(CloseCode::TooSlow);
                self.changed.notify_one();
                return Ok(());
            }
            return Err(Lagged);
        }
        state.bytes += bytes;
        state.frames.push_back(frame);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Queues the resets of a client that lagged. Until they have left, it may not lag again.
    pub(crate) fn reset(&self, frames: impl IntoIterator<Item = Frame>) {
        let mut state = self.state();
        state.lagging = true;
        state.frames.extend(frames);
        state.bytes = state.frames.iter().map(|f| f.as_str().len()).sum();
        drop(state);
        self.changed.notify_one();
    }

    /// Ends the session once what is queued has left; the first code holds.
    pub(crate) fn close(&self, code: CloseCode) {
        self.state().close.get_or_insert(code);
        self.changed.notify_one();
    }

    /// Waits until there is something to do. One caller at a time.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken before it is returned.
    pub(crate) async fn next(&self) -> Outgoing {
        loop {
            {
                let mut state = self.state();
                if !state.frames.is_empty() {
                    state.bytes = 0;
                    state.lagging = false;
                    return Outgoing::Frames(std::mem::take(&mut state.frames).into());
                }
                if let Some(code) = state.close {
                    return Outgoing::Close(code);
                }
            }
            self.changed.notified().await;
        }
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

    fn frame(text: &str) -> Frame {
        Frame::new(text.to_owned())
    }

    async fn next(outbox: &Outbox) -> Result<Vec<String>, CloseCode> {
        match outbox.next().await {
            Outgoing::Frames(frames) => Ok(frames.iter().map(|f| f.as_str().to_owned()).collect()),
            Outgoing::Close(code) => Err(code),
        }
    }

    #[tokio::test]
    async fn frames_leave_in_order_and_a_close_comes_last() {
        let outbox = outbox(8, 1024);
        for text in ["a", "b"] {
            outbox.push(frame(text)).expect("room");
        }
        outbox.close(CloseCode::GoingAway);
        outbox.close(CloseCode::TooSlow);
        outbox.push(frame("late")).expect("dropped in silence");
        assert_eq!(next(&outbox).await, Ok(vec!["a".into(), "b".into()]));
        assert_eq!(next(&outbox).await, Err(CloseCode::GoingAway));
    }

    #[tokio::test]
    async fn a_full_outbox_is_reset_once_and_then_closed() {
        let outbox = outbox(2, 1024);
        for text in ["a", "b"] {
            outbox.push(frame(text)).expect("room");
        }
        assert_eq!(outbox.push(frame("c")), Err(Lagged));
        outbox.reset([frame("reset")]);
        outbox.push(frame("d")).expect("room");
        outbox.push(frame("e")).expect("closes instead");
        assert_eq!(next(&outbox).await, Err(CloseCode::TooSlow));
    }

    #[tokio::test]
    async fn a_client_that_caught_up_may_lag_again() {
        let outbox = outbox(1, 1024);
        for _ in 0..3 {
            outbox.push(frame("a")).expect("room");
            assert_eq!(outbox.push(frame("b")), Err(Lagged));
            outbox.reset([frame("reset")]);
            assert_eq!(next(&outbox).await, Ok(vec!["reset".into()]));
        }
    }

    #[tokio::test]
    async fn bytes_are_bounded_but_a_lone_large_frame_passes() {
        let outbox = outbox(8, 4);
        outbox.push(frame("larger than four")).expect("alone");
        assert_eq!(outbox.push(frame("x")), Err(Lagged));
    }
}
