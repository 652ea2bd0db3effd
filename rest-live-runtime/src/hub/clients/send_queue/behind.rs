//! The queue of a slow client: when the client falls behind, and what waits until it is not.

use std::{mem, time::Instant};

use super::{
    super::slow::{Behind, Mark},
    Drops, LAG_WINDOW, MAX_LAGS, MessageKind, Queued, QueuedSize, SendQueue,
};
use crate::{
    data::cursor::Cursor,
    limits::Limits,
    protocol::{
        code::{CloseCode, ResetReason},
        frame::Frame,
    },
};

impl SendQueue {
    /// Returns whether the client is behind: its broadcasts were dropped, and a replay has not yet
    /// brought it to the present.
    pub(crate) fn is_behind(&self) -> bool {
        let slow = self.slow.as_deref();
        slow.is_some_and(|slow| slow.behind.is_some())
    }

    /// Returns whether frames that were held can be sent, after the reset if there is one.
    pub(super) fn releases(&self) -> bool {
        let slow = self.slow.as_deref();
        slow.is_some_and(|slow| slow.behind.is_none() && !slow.held.is_empty())
    }

    /// Keeps a frame until the client is no longer behind and has received its reset. It counts as
    /// an answer.
    pub(crate) fn hold(&mut self, limits: &Limits, frame: Frame) {
        if self.count_answer(limits, frame.bytes().len()) {
            self.slow.get_or_insert_default().held.push(frame);
        }
    }

    /// Takes the frames that were held, if they can be sent now.
    pub(crate) fn release(&mut self) -> Vec<Frame> {
        if self.reset.is_none() && self.releases() {
            self.drop_held()
        } else {
            Vec::new()
        }
    }

    /// Removes the frames that are held.
    pub(super) fn drop_held(&mut self) -> Vec<Frame> {
        let slow = self.slow.as_deref_mut();
        let held = slow.map_or_else(Vec::new, |slow| mem::take(&mut slow.held));
        let bytes: usize = held.iter().map(|frame| frame.bytes().len()).sum();
        self.answers -= held.len();
        self.answer_bytes -= bytes;
        self.bytes -= bytes;
        held
    }

    /// Drops the queued broadcasts because the client is slow. The caller has dropped those in the
    /// logs.
    ///
    /// The client is then behind, unless a reset is due, which covers what was dropped.
    pub(crate) fn start_lag(&mut self, behind: Behind, now: Instant) {
        self.recount(QueuedSize::default());
        self.retain(|kind| !kind.is_covered());
        if behind.interrupts_unit {
            // The end of the catch-up also ends these.
            self.retain(|kind| !matches!(kind, MessageKind::ReplayEnd { .. }));
        }
        self.hold_barriers();
        if self.reset.is_some() {
            self.drops = Drops::UntilReset;
            return self.count_lag(now);
        }
        let front = self.queued.front();
        let begun = front.map_or(0, |front| match front.kind {
            MessageKind::Begun => front.content.len(),
            _ => 0,
        });
        let slow = self.slow.get_or_insert_default();
        let mark = slow.mark.take();
        // What is left of a message that is sent in part is not dropped.
        let reached = mark.filter(|mark| mark.bytes <= begun);
        let since = behind.since;
        slow.behind = Some(Behind {
            since: reached.map_or(since, |mark| mark.position.max(since)),
            ..behind
        });
        self.drops = Drops::WhileBehind;
    }

    /// Holds the queued barriers back: broadcasts before them were dropped. They stay counted.
    fn hold_barriers(&mut self) {
        let is_barrier = |queued: &Queued| queued.kind == MessageKind::Barrier;
        if !self.queued.iter().any(is_barrier) {
            return;
        }
        let queued = mem::take(&mut self.queued).into_iter();
        let (barriers, others): (Vec<_>, Vec<_>) = queued.partition(is_barrier);
        self.queued = others.into();
        let slow = self.slow.get_or_insert_default();
        let frames = barriers
            .into_iter()
            .map(|queued| queued.content.into_frame());
        slow.held.extend(frames);
    }

    /// Returns whether frames of a unit were sent whose end is queued.
    pub(crate) fn has_begun_unit(&self) -> bool {
        let mut queued = self.queued.iter();
        queued.any(|queued| queued.kind == MessageKind::UnitEnd { is_begun: true })
    }

    /// Returns the state of a client that is behind.
    pub(crate) fn behind(&mut self) -> Option<&mut Behind> {
        self.slow.as_deref_mut()?.behind.as_mut()
    }

    /// Returns the unit of the replay of which a part has been queued, if the client is behind.
    pub(crate) fn catch_up_unit(&self) -> Option<&Cursor> {
        let behind = self.slow.as_deref()?.behind.as_ref()?;
        let replay = behind.replay.as_ref().filter(|replay| replay.is_open);
        replay.map(|replay| &replay.unit)
    }

    /// Ends that a client is behind. It receives new broadcasts again.
    pub(crate) fn end_behind(&mut self) -> Option<Behind> {
        let behind = self.slow.as_deref_mut()?.behind.take()?;
        self.drops = Drops::None;
        Some(behind)
    }

    /// Records that the subscriptions of the client have changed: a portion of a replay that is
    /// being prepared is not sent. Some ids may have ended.
    pub(crate) fn subscriptions_changed(&mut self) {
        if let Some(behind) = self.behind() {
            behind.version.changes += 1;
            if let Some(replay) = &mut behind.replay {
                replay.sent.ids = 0;
            }
        }
    }

    /// Returns whether the next portion of a replay can be prepared: what was queued before it has
    /// been taken.
    pub(crate) fn takes_portion(&self) -> bool {
        let behind = self.slow.as_deref().and_then(|slow| slow.behind.as_ref());
        let is_portion = |queued: &Queued| matches!(queued.kind, MessageKind::CatchUp(_));
        behind.is_some_and(|behind| !behind.is_served)
            && self.close.is_none()
            && !self.queued.iter().any(is_portion)
    }

    /// Records that bytes were written, and that others wait until the socket accepts them; when
    /// these are written, everything up to `position` has been sent. Returns the position that was
    /// reached before.
    pub(crate) fn mark(&mut self, written: usize, waiting: usize, position: u64) -> Option<u64> {
        if self.is_behind() {
            return None;
        }
        let mark = &mut self.slow.get_or_insert_default().mark;
        let reached = match mark {
            Some(mark) if written < mark.bytes => {
                mark.bytes -= written;
                return None;
            }
            Some(mark) => Some(mark.position),
            None => None,
        };
        *mark = Some(Mark {
            bytes: waiting,
            position,
        });
        reached
    }

    /// Forgets the mark, because everything is written or the positions have changed.
    pub(crate) fn unmark(&mut self) {
        if let Some(slow) = &mut self.slow {
            slow.mark = None;
        }
    }

    /// Queues a reset of a client that was behind, because the history cannot be replayed to it. If
    /// that happens too often, the session is closed.
    pub(crate) fn lagged(&mut self, now: Instant) {
        self.reset(ResetReason::Lagged);
        self.count_lag(now);
    }

    /// Counts a lag that ends with a reset.
    pub(super) fn count_lag(&mut self, now: Instant) {
        let lags = &mut self.slow.get_or_insert_default().lags;
        lags.retain(|lag| now.duration_since(*lag) < LAG_WINDOW);
        lags.push(now);
        if lags.len() >= MAX_LAGS {
            self.reset = None;
            self.close = Some(CloseCode::TooSlow);
        }
    }
}
