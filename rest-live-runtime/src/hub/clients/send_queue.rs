//! The messages queued for one client, apart from the frames in the logs of its groups, and the
//! limits of both.
//!
//! A client with more queued than its limits allow *lags*: its queued broadcasts are dropped. The
//! client is then *behind*: broadcasts that follow are also dropped, until the history has been
//! replayed to it. If a reset is due already, they are dropped until the reset has been sent, which
//! covers them. So a long lag costs no more than a short one, and no gap is silent. Answers to
//! requests are never dropped. The queue does not encode a reset; the code that drains the queue
//! does.

mod behind;

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, SystemTime},
};

use tokio_tungstenite::tungstenite::Bytes;

use super::slow::Slow;
use crate::{
    hub::ids::GrantId,
    limits::Limits,
    protocol::{
        code::{CloseCode, ResetReason},
        frame::Frame,
    },
};

/// Maximum number of lags within [`LAG_WINDOW`] that end with a reset: at this number the
/// connection is closed, because its client would do nothing but fetch again.
const MAX_LAGS: usize = 3;
/// How long a lag counts.
const LAG_WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    queued: VecDeque<Queued>,
    /// Number of queued messages that a reset would cover, here and in the logs.
    messages: usize,
    /// The part of it that is in the logs.
    logged: QueuedSize,
    answers: usize,
    answer_bytes: usize,
    /// Bytes of everything that is queued.
    bytes: usize,
    /// Why the client must reset, after it has received what is queued.
    pub(crate) reset: Option<ResetReason>,
    /// Whether new broadcasts are dropped.
    drops: Drops,
    /// What only slow clients need.
    slow: Option<Box<Slow>>,
    close: Option<CloseCode>,
    /// Whether the close is sent before what is queued.
    is_urgent: bool,
}

/// Which new broadcasts are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Drops {
    #[default]
    None,
    /// Those that come before the reset is sent, which covers them.
    UntilReset,
    /// Those that come while the client is behind.
    WhileBehind,
}

/// The limit that a lagging client has exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PendingLimit {
    Messages,
    Bytes,
}

/// How much is queued.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct QueuedSize {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// A queued message.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) kind: MessageKind,
    pub(crate) content: Content,
    /// Number of the shard's event after which it is sent.
    pub(crate) after_event: u64,
}

#[derive(Debug)]
pub(crate) enum Content {
    Frame(Frame),
    /// Bytes that the socket did not accept yet, or a control frame.
    Raw(Bytes, Option<SystemTime>),
}

impl Content {
    /// Returns the whole frame of a message of which nothing is sent.
    fn into_frame(self) -> Frame {
        match self {
            Self::Frame(frame) => frame,
            Self::Raw(bytes, _) => Frame::of_bytes(bytes),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.bytes().len(),
            Self::Raw(bytes, _) => bytes.len(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    /// The rest of a frame that is sent in part.
    Begun,
    /// A broadcast to a subscription.
    Broadcast(GrantId),
    /// The reset of the model whose label has this address; in v1 of one subscription.
    Reset(usize, Option<GrantId>),
    Answer,
    /// A message that says up to where everything was sent: `synced`, or a ping. It is counted like
    /// an answer. A lag holds it back until the client has received what was dropped.
    Barrier,
    /// A change that a subscription missed. It is counted like an answer, and dropped with the
    /// subscription.
    Replayed(GrantId),
    /// A change that the client missed while it was behind, of the subscription with this grant, or
    /// the end of their unit. It is counted like a broadcast, but a lag does not drop it.
    CatchUp(Option<GrantId>),
    /// The message that ends a unit; not counted, because it follows a broadcast that is counted.
    /// `is_begun` is whether frames of the unit may have been sent: then it is not dropped with the
    /// others.
    UnitEnd {
        is_begun: bool,
    },
    /// The same for a replay. It is counted like an answer.
    ReplayEnd {
        is_begun: bool,
    },
    /// A ping or pongs of the websocket protocol; not counted.
    Control,
    /// The close frame, always the last.
    Close,
}

impl MessageKind {
    /// Returns the grant of the subscription that it belongs to.
    pub(crate) fn grant(self) -> Option<GrantId> {
        match self {
            Self::Broadcast(grant) | Self::Replayed(grant) => Some(grant),
            Self::Reset(_, grant) | Self::CatchUp(grant) => grant,
            Self::Begun
            | Self::Answer
            | Self::Barrier
            | Self::UnitEnd { .. }
            | Self::ReplayEnd { .. }
            | Self::Control
            | Self::Close => None,
        }
    }

    /// Returns whether it shows a row.
    pub(crate) fn is_frame(self) -> bool {
        matches!(
            self,
            Self::Broadcast(_) | Self::Replayed(_) | Self::CatchUp(Some(_))
        )
    }

    /// Returns whether it ends a unit.
    pub(crate) fn is_unit_end(self) -> bool {
        matches!(
            self,
            Self::UnitEnd { .. } | Self::ReplayEnd { .. } | Self::CatchUp(None)
        )
    }

    /// Returns whether a lag drops it: a replay or a reset covers it.
    pub(crate) fn is_covered(self) -> bool {
        matches!(
            self,
            Self::Broadcast(_) | Self::Reset(..) | Self::UnitEnd { .. }
        )
    }
}

impl SendQueue {
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Queued> {
        self.queued.iter()
    }

    /// Returns how many frames are queued.
    pub(crate) fn frames(&self) -> usize {
        self.messages + self.answers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.reset.is_none() && !self.releases()
    }

    /// Returns whether everything that was published to the client is queued or sent.
    pub(crate) fn is_up_to_date(&self) -> bool {
        !self.is_behind() && self.reset.is_none() && !self.ignores_changes()
    }

    pub(crate) fn close_code(&self) -> Option<CloseCode> {
        self.close
    }

    /// Returns whether new changes are dropped: the client is to be closed, or a replay or a reset
    /// covers them.
    pub(crate) fn ignores_changes(&self) -> bool {
        self.drops != Drops::None || self.close.is_some()
    }

    /// Returns whether a message that the socket did not accept stays queued.
    pub(crate) fn keeps(&self, kind: MessageKind) -> bool {
        match kind {
            MessageKind::Begun | MessageKind::Close => true,
            MessageKind::Answer
            | MessageKind::Barrier
            | MessageKind::Replayed(_)
            | MessageKind::CatchUp(_)
            | MessageKind::ReplayEnd { .. }
            | MessageKind::Control => !self.is_urgent,
            MessageKind::Broadcast(_) | MessageKind::Reset(..) | MessageKind::UnitEnd { .. } => {
                !self.is_urgent && self.drops == Drops::None
            }
        }
    }

    /// Returns whether answers or pongs are queued.
    pub(crate) fn owes_answers(&self) -> bool {
        let mut queued = self.queued.iter();
        queued.any(|queued| {
            matches!(
                queued.kind,
                MessageKind::Answer
                    | MessageKind::Barrier
                    | MessageKind::Replayed(_)
                    | MessageKind::ReplayEnd { .. }
                    | MessageKind::Control
            )
        })
    }

    /// Returns the limit that would be exceeded if more were queued. A single message is always
    /// allowed, whatever its length.
    pub(crate) fn exceeded(&self, limits: &Limits, more: QueuedSize) -> Option<PendingLimit> {
        let is_alone = self.frames() == 0;
        let has_room = self.messages + more.messages <= limits.max_pending_messages;
        let has_bytes = self.bytes + more.bytes <= limits.max_pending_bytes;
        match (has_room, has_bytes) {
            _ if is_alone && more.messages == 1 => None,
            (false, _) => Some(PendingLimit::Messages),
            (true, false) if !is_alone => Some(PendingLimit::Bytes),
            (true, _) => None,
        }
    }

    /// Counts broadcasts that are queued in a log.
    ///
    /// # Errors
    /// The limit that they would exceed. Nothing is counted then.
    pub(crate) fn count(&mut self, limits: &Limits, more: QueuedSize) -> Result<(), PendingLimit> {
        if let Some(limit) = self.exceeded(limits, more) {
            return Err(limit);
        }
        self.recount(QueuedSize {
            messages: self.logged.messages + more.messages,
            bytes: self.logged.bytes + more.bytes,
        });
        Ok(())
    }

    /// Replaces the count of what is queued in logs.
    pub(crate) fn recount(&mut self, logged: QueuedSize) {
        let before = mem::replace(&mut self.logged, logged);
        self.messages = self.messages - before.messages + logged.messages;
        self.bytes = self.bytes - before.bytes + logged.bytes;
    }

    /// Queues the reset of a model.
    ///
    /// # Errors
    /// The limit that it would exceed. It is not queued then.
    pub(crate) fn push_reset(
        &mut self,
        limits: &Limits,
        reset: Queued,
    ) -> Result<(), PendingLimit> {
        let one = QueuedSize {
            messages: 1,
            bytes: reset.content.len(),
        };
        if let Some(limit) = self.exceeded(limits, one) {
            return Err(limit);
        }
        self.messages += one.messages;
        self.bytes += one.bytes;
        self.queued.push_back(reset);
        Ok(())
    }

    /// Queues a part of what the client missed while it was behind, whatever the limits are.
    pub(crate) fn push_catch_up(&mut self, grant: Option<GrantId>, frame: Frame, after_event: u64) {
        self.messages += 1;
        self.bytes += frame.bytes().len();
        self.queued.push_back(Queued {
            kind: MessageKind::CatchUp(grant),
            content: Content::Frame(frame),
            after_event,
        });
    }

    /// Queues the answer to a request. A client that sends requests and reads no answers is closed.
    pub(crate) fn push_answer(
        &mut self,
        limits: &Limits,
        kind: MessageKind,
        frame: Frame,
        after_event: u64,
    ) {
        if self.count_answer(limits, frame.bytes().len()) {
            self.queued.push_back(Queued {
                kind,
                content: Content::Frame(frame),
                after_event,
            });
        }
    }

    /// Counts an answer, or closes the session if there are too many. Returns whether it is queued.
    fn count_answer(&mut self, limits: &Limits, length: usize) -> bool {
        if self.close.is_some() {
            return false;
        }
        let is_full = self.answers >= limits.max_pending_messages
            || self.answer_bytes + length > limits.max_pending_bytes;
        if self.answers > 0 && is_full {
            self.reset = None;
            self.close = Some(CloseCode::TooSlow);
            return false;
        }
        self.bytes += length;
        self.answer_bytes += length;
        self.answers += 1;
        true
    }

    /// Returns whether the queue of answers is half full.
    pub(crate) fn is_half_full(&self, limits: &Limits) -> bool {
        self.answers * 2 >= limits.max_pending_messages
            || self.answer_bytes * 2 >= limits.max_pending_bytes
    }

    /// Queues the message that ends a unit of which frames were taken.
    pub(crate) fn push_unit_end(&mut self, end: Frame, after_event: u64) {
        self.bytes += end.bytes().len();
        self.queued.push_back(Queued {
            kind: MessageKind::UnitEnd { is_begun: true },
            content: Content::Frame(end),
            after_event,
        });
    }

    /// Queues a control frame.
    pub(crate) fn push_control(&mut self, kind: MessageKind, bytes: Bytes, after_event: u64) {
        self.bytes += bytes.len();
        self.queued.push_back(Queued {
            kind,
            content: Content::Raw(bytes, None),
            after_event,
        });
    }

    /// Puts back the rest of a message that the socket did not accept, before everything else.
    pub(crate) fn put_back(
        &mut self,
        kind: MessageKind,
        bytes: Bytes,
        captured: Option<SystemTime>,
    ) {
        match kind {
            MessageKind::Answer
            | MessageKind::Barrier
            | MessageKind::Replayed(_)
            | MessageKind::ReplayEnd { .. } => {
                self.answers += 1;
                self.answer_bytes += bytes.len();
            }
            MessageKind::Broadcast(_) | MessageKind::Reset(..) | MessageKind::CatchUp(_) => {
                self.messages += 1;
            }
            MessageKind::Begun
            | MessageKind::UnitEnd { .. }
            | MessageKind::Control
            | MessageKind::Close => {}
        }
        self.bytes += bytes.len();
        if kind == MessageKind::Barrier && self.drops != Drops::None {
            let slow = self.slow.get_or_insert_default();
            return slow.held.insert(0, Frame::of_bytes(bytes));
        }
        self.queued.push_front(Queued {
            kind,
            content: Content::Raw(bytes, captured),
            after_event: 0,
        });
    }

    /// Drops what is queued here for the subscription that has this grant.
    pub(crate) fn drop_grant(&mut self, grant: GrantId) {
        self.retain(|kind| kind.grant() != Some(grant));
        self.drop_empty_units();
    }

    /// Drops the ends of units whose frames were all dropped, and of which none was sent.
    pub(crate) fn drop_empty_units(&mut self) {
        let mut has_frames = false;
        self.retain(|kind| match kind {
            MessageKind::UnitEnd { is_begun } | MessageKind::ReplayEnd { is_begun } => {
                mem::take(&mut has_frames) || is_begun
            }
            _ => {
                has_frames |= kind.is_frame();
                true
            }
        });
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(MessageKind) -> bool) {
        let Self {
            queued,
            messages,
            answers,
            answer_bytes,
            bytes,
            ..
        } = self;
        queued.retain(|queued| {
            let kept = keep(queued.kind);
            if !kept {
                let length = queued.content.len();
                *bytes -= length;
                match queued.kind {
                    MessageKind::Answer
                    | MessageKind::Barrier
                    | MessageKind::Replayed(_)
                    | MessageKind::ReplayEnd { .. } => {
                        *answers -= 1;
                        *answer_bytes -= length;
                    }
                    MessageKind::Broadcast(_)
                    | MessageKind::Reset(..)
                    | MessageKind::CatchUp(_) => *messages -= 1,
                    MessageKind::Begun
                    | MessageKind::UnitEnd { .. }
                    | MessageKind::Control
                    | MessageKind::Close => {}
                }
            }
            kept
        });
    }

    /// Queues a reset of everything, after what is queued.
    pub(crate) fn reset(&mut self, reason: ResetReason) {
        // Nothing follows a close.
        if self.close.is_none() {
            self.reset.get_or_insert(reason);
        }
    }

    /// Closes the session after what is queued has been sent; the first code holds.
    pub(crate) fn close(&mut self, code: CloseCode) {
        self.close.get_or_insert(code);
    }

    /// Closes the session now: only the rest of a frame that is sent in part is still sent. The
    /// caller has dropped what is queued in the logs.
    pub(crate) fn close_at_once(&mut self, code: CloseCode) {
        self.recount(QueuedSize::default());
        self.reset = None;
        self.retain(|kind| matches!(kind, MessageKind::Begun | MessageKind::Close));
        self.drop_held();
        self.close = Some(code);
        self.is_urgent = true;
    }

    /// Removes everything that was taken: all but the frames that are held.
    pub(crate) fn clear(&mut self) {
        let slow = self.slow.as_deref();
        let held = slow.map_or(&[][..], |slow| &slow.held);
        self.answers = held.len();
        self.answer_bytes = held.iter().map(|frame| frame.bytes().len()).sum();
        self.bytes = self.answer_bytes;
        self.queued.clear();
        self.logged = QueuedSize::default();
        self.messages = 0;
        if self.drops == Drops::UntilReset {
            self.drops = Drops::None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn old_lags_do_not_count() {
        let mut queue = SendQueue::default();
        let start = Instant::now();
        for minute in 0..10 {
            queue.lagged(start + LAG_WINDOW * minute);
            assert_eq!(queue.close_code(), None);
        }
        queue.lagged(start + LAG_WINDOW * 9);
        assert_eq!(queue.close_code(), None);
        queue.lagged(start + LAG_WINDOW * 9);
        assert_eq!(queue.close_code(), Some(CloseCode::TooSlow));
    }
}
