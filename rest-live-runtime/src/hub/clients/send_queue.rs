//! What waits to be sent to one client, beside what waits in the logs of its groups, and what happens when
//! all of that is too much.
//!
//! A client that has more waiting than it may *lags*: the broadcasts that wait are dropped for one reset, and
//! what comes until the reset leaves is dropped too, for the reset covers it. So a lag costs nothing
//! more, however long it lasts, and no change is missed without a word. Answers to requests are never dropped.
//! The outbox does not know what a reset looks like; who takes it out writes it.

use std::{
    collections::VecDeque,
    mem,
    time::{Duration, Instant, SystemTime},
};

use tokio_tungstenite::tungstenite::Bytes;

use crate::{
    hub::groups::group::Serial,
    limits::Limits,
    protocol::{
        code::{CloseCode, ResetReason},
        frame::Frame,
    },
};

/// So many lags within [`LAG_WINDOW`] close the connection: its client is not slow for a moment.
const MOST_LAGS: usize = 3;
const LAG_WINDOW: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    own: VecDeque<Pending>,
    /// Of all that waits and may be dropped for a reset, here and in the logs.
    messages: usize,
    /// What of that is in the logs.
    logged: Amount,
    answers: usize,
    answer_bytes: usize,
    /// Of all that waits.
    bytes: usize,
    /// Why the client is to be told to reset, behind what waits.
    pub(crate) reset: Option<ResetReason>,
    /// Whether what comes is dropped, for the reset covers it.
    lagging: bool,
    /// When the last lags began, oldest first.
    lags: Vec<Instant>,
    close: Option<CloseCode>,
    /// Whether the close goes before what waits.
    at_once: bool,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Amount {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Something that waits.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) kind: Kind,
    pub(crate) what: What,
    /// The shard's event behind which it comes.
    pub(crate) behind: u64,
}

#[derive(Debug)]
pub(crate) enum What {
    Frame(Frame),
    /// Bytes that could not be written yet, or that are none of a message.
    Raw(Bytes, Option<SystemTime>),
}

impl What {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.bytes().len(),
            Self::Raw(bytes, _) => bytes.len(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The rest of a frame that has begun to leave.
    Begun,
    /// Of a subscription.
    Broadcast(Serial),
    /// The reset of a model whose label has this address, with the subscription where it is one's.
    Reset(usize, Option<Serial>),
    Answer,
    /// What a subscription missed: asked for like an answer, and gone with the subscription.
    Replayed(Serial),
    /// A ping or pongs: the websocket's own, which nobody counts.
    Control,
    /// The last that is written.
    Close,
}

impl Kind {
    /// Returns the subscription that it is of.
    pub(crate) fn subscription(self) -> Option<Serial> {
        match self {
            Self::Broadcast(serial) | Self::Replayed(serial) => Some(serial),
            Self::Reset(_, serial) => serial,
            Self::Begun | Self::Answer | Self::Control | Self::Close => None,
        }
    }

    /// Returns whether a reset covers it.
    pub(crate) fn is_covered(self) -> bool {
        matches!(self, Self::Broadcast(_) | Self::Reset(..))
    }
}

impl SendQueue {
    pub(crate) fn own(&self) -> impl DoubleEndedIterator<Item = &Pending> {
        self.own.iter()
    }

    /// Returns how many frames wait.
    pub(crate) fn waiting(&self) -> usize {
        self.messages + self.answers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.reset.is_none()
    }

    pub(crate) fn closes(&self) -> Option<CloseCode> {
        self.close
    }

    /// Returns whether what happens is not its client's business any more, or covered by a reset.
    pub(crate) fn is_deaf(&self) -> bool {
        self.lagging || self.close.is_some()
    }

    /// Returns whether what could not be written is kept to be written later.
    pub(crate) fn keeps(&self, kind: Kind) -> bool {
        match kind {
            Kind::Begun | Kind::Close => true,
            Kind::Answer | Kind::Replayed(_) | Kind::Control => !self.at_once,
            Kind::Broadcast(_) | Kind::Reset(..) => !self.at_once && !self.lagging,
        }
    }

    /// Returns whether answers wait, or pongs.
    pub(crate) fn owes(&self) -> bool {
        let mut own = self.own.iter();
        own.any(|pending| {
            matches!(
                pending.kind,
                Kind::Answer | Kind::Replayed(_) | Kind::Control
            )
        })
    }

    pub(crate) fn has_room(&self, limits: &Limits, more: Amount) -> bool {
        let is_alone = self.waiting() == 0;
        let has_room = self.messages + more.messages <= limits.max_pending_messages;
        let has_bytes = self.bytes + more.bytes <= limits.max_pending_bytes;
        is_alone && more.messages == 1 || has_room && (is_alone || has_bytes)
    }

    /// Counts broadcasts that wait in a log, if there is room for them. What is alone passes whatever its
    /// length.
    #[must_use]
    pub(crate) fn count(&mut self, limits: &Limits, more: Amount) -> bool {
        let has_room = self.has_room(limits, more);
        if has_room {
            self.recount(Amount {
                messages: self.logged.messages + more.messages,
                bytes: self.logged.bytes + more.bytes,
            });
        }
        has_room
    }

    /// Counts what waits in logs, instead of what was counted of it before.
    pub(crate) fn recount(&mut self, logged: Amount) {
        let before = mem::replace(&mut self.logged, logged);
        self.messages = self.messages - before.messages + logged.messages;
        self.bytes = self.bytes - before.bytes + logged.bytes;
    }

    /// Queues the reset of a model, if there is room for it.
    #[must_use]
    pub(crate) fn push_reset(&mut self, limits: &Limits, pending: Pending) -> bool {
        let one = Amount {
            messages: 1,
            bytes: pending.what.len(),
        };
        let has_room = self.has_room(limits, one);
        if has_room {
            self.messages += one.messages;
            self.bytes += one.bytes;
            self.own.push_back(pending);
        }
        has_room
    }

    /// Queues what answers a request. Who asks and asks, and reads nothing, is closed.
    pub(crate) fn push_answer(&mut self, limits: &Limits, kind: Kind, frame: Frame, behind: u64) {
        if self.close.is_some() {
            return;
        }
        let length = frame.bytes().len();
        let is_full = self.answers >= limits.max_pending_messages
            || self.answer_bytes + length > limits.max_pending_bytes;
        if self.answers > 0 && is_full {
            self.reset = None;
            self.close = Some(CloseCode::TooSlow);
            return;
        }
        self.bytes += length;
        self.answer_bytes += length;
        self.answers += 1;
        self.own.push_back(Pending {
            kind,
            what: What::Frame(frame),
            behind,
        });
    }

    /// Returns whether half as many answers wait as may.
    pub(crate) fn is_half_full(&self, limits: &Limits) -> bool {
        self.answers * 2 >= limits.max_pending_messages
            || self.answer_bytes * 2 >= limits.max_pending_bytes
    }

    /// Queues what is the websocket's own.
    pub(crate) fn push_control(&mut self, kind: Kind, bytes: Bytes, behind: u64) {
        self.bytes += bytes.len();
        self.own.push_back(Pending {
            kind,
            what: What::Raw(bytes, None),
            behind,
        });
    }

    /// Puts back what could not be written, before all else.
    pub(crate) fn put_back(&mut self, kind: Kind, bytes: Bytes, captured: Option<SystemTime>) {
        match kind {
            Kind::Answer | Kind::Replayed(_) => {
                self.answers += 1;
                self.answer_bytes += bytes.len();
            }
            Kind::Broadcast(_) | Kind::Reset(..) => self.messages += 1,
            Kind::Begun | Kind::Control | Kind::Close => {}
        }
        self.bytes += bytes.len();
        self.own.push_front(Pending {
            kind,
            what: What::Raw(bytes, captured),
            behind: 0,
        });
    }

    /// Drops all that waits here of a subscription.
    pub(crate) fn drop_of(&mut self, subscription: Serial) {
        self.retain(|kind| kind.subscription() != Some(subscription));
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(Kind) -> bool) {
        let Self {
            own,
            messages,
            answers,
            answer_bytes,
            bytes,
            ..
        } = self;
        own.retain(|pending| {
            let kept = keep(pending.kind);
            if !kept {
                let length = pending.what.len();
                *bytes -= length;
                match pending.kind {
                    Kind::Answer | Kind::Replayed(_) => {
                        *answers -= 1;
                        *answer_bytes -= length;
                    }
                    Kind::Broadcast(_) | Kind::Reset(..) => *messages -= 1,
                    Kind::Begun | Kind::Control | Kind::Close => {}
                }
            }
            kept
        });
    }

    /// Has the client told to reset, behind what waits.
    pub(crate) fn reset(&mut self, reason: ResetReason) {
        // Nothing follows a close.
        if self.close.is_none() {
            self.reset.get_or_insert(reason);
        }
    }

    /// Drops for a reset what waits here; what waits in the logs was dropped already.
    pub(crate) fn lag(&mut self, now: Instant) {
        self.recount(Amount::default());
        self.retain(|kind| !kind.is_covered());
        self.lagging = true;
        self.reset = Some(ResetReason::Lagged);
        self.lags
            .retain(|lag| now.duration_since(*lag) < LAG_WINDOW);
        self.lags.push(now);
        if self.lags.len() >= MOST_LAGS {
            self.reset = None;
            self.close = Some(CloseCode::TooSlow);
        }
    }

    /// Ends the session once what is queued has left; the first code holds.
    pub(crate) fn close(&mut self, code: CloseCode) {
        self.close.get_or_insert(code);
    }

    /// Ends the session, whatever waits: only the rest of a frame that has begun to leave still does. What waits in the logs
    /// was dropped already.
    pub(crate) fn close_at_once(&mut self, code: CloseCode) {
        self.recount(Amount::default());
        self.reset = None;
        self.retain(|kind| matches!(kind, Kind::Begun | Kind::Close));
        self.close = Some(code);
        self.at_once = true;
    }

    /// Forgets what was taken out.
    pub(crate) fn emptied(&mut self) {
        self.own.clear();
        self.logged = Amount::default();
        self.messages = 0;
        self.answers = 0;
        self.answer_bytes = 0;
        self.bytes = 0;
        self.lagging = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_that_are_long_past_do_not_count() {
        let mut outbox = SendQueue::default();
        let start = Instant::now();
        for minute in 0..10 {
            outbox.lag(start + LAG_WINDOW * minute);
            assert_eq!(outbox.closes(), None);
        }
        outbox.lag(start + LAG_WINDOW * 9);
        assert_eq!(outbox.closes(), None);
        outbox.lag(start + LAG_WINDOW * 9);
        assert_eq!(outbox.closes(), Some(CloseCode::TooSlow));
    }
}
