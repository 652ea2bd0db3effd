//! What happens by the clock: pings, and the end of clients that are silent or stalled. One timer for all sockets of a shard.

use std::time::{Duration, Instant};

use super::socket::SocketState;
use crate::{
    hub::{
        clients::{
            client::{Attached, Sink},
            send_queue::Kind,
        },
        shard::{ClientId, State},
    },
    limits::Limits,
    protocol::{code::CloseCode, frame::ping_frame, v1},
};

/// The clock is looked at so many times within the shortest of the times that matter.
const LOOKS: u32 = 8;

/// Returns the time between two looks at the clock.
pub(crate) fn period(limits: &Limits) -> Duration {
    let times = [
        limits.ping_interval,
        limits.idle_timeout,
        limits.stall_timeout,
    ];
    let shortest = times.into_iter().flatten().min().unwrap_or(Duration::MAX);
    (shortest / LOOKS).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Nothing,
    Ping,
    Silent,
    /// Nothing could be written for too long.
    Stalled,
    /// Nor could the close.
    Lost,
}

impl State {
    pub(crate) fn look_at_the_clock(&mut self, now: Instant) {
        let limits = &self.common.limits;
        let due = self.peers.iter_mut().filter_map(|(place, peer)| {
            let number = peer.number;
            let closes = peer.outbox.closes().is_some();
            let due = peer.attached()?.due(limits, now, closes);
            (due != Due::Nothing).then_some((ClientId { place, number }, due))
        });
        for (id, due) in due.collect::<Vec<_>>() {
            self.carry_out(id, due);
        }
    }

    fn carry_out(&mut self, id: ClientId, due: Due) {
        match due {
            Due::Nothing => {}
            Due::Ping => self.ping(id),
            Due::Silent => self.close_at_once(id, CloseCode::Silent),
            // The client's own buffers may still be full of what it has not read. If it reads that, it gets to
            // know why it was closed.
            Due::Stalled => self.close_at_once(id, CloseCode::TooSlow),
            Due::Lost => {
                if let Sink::SharedSocket(attached) = &self.peers[id.place].sink {
                    attached.wire.tell(SocketState::Lost);
                }
            }
        }
    }

    pub(crate) fn ping(&mut self, id: ClientId) {
        let peer = &mut self.peers[id.place];
        let waits = peer
            .outbox
            .own()
            .any(|pending| pending.kind == Kind::Control);
        let pings = peer.attached().is_some_and(|attached| attached.pings);
        if waits {
            return;
        }
        self.control(id, Kind::Control, ping_frame());
        if pings {
            self.answer(id, v1::ping());
        }
    }
}

impl Attached {
    fn due(&mut self, limits: &Limits, now: Instant, closes: bool) -> Due {
        let is_past = |since: Instant, time: Option<Duration>| {
            time.is_some_and(|time| now.saturating_duration_since(since) >= time)
        };
        if self.wire.was_heard() {
            self.heard = now;
        }
        if closes {
            // A close has as long to leave as anything before it.
            let since = *self.closing.get_or_insert(now);
            let is_stalled = self
                .stalled
                .is_some_and(|stalled| is_past(stalled.max(since), limits.stall_timeout));
            return match is_stalled {
                true => Due::Lost,
                false => Due::Nothing,
            };
        }
        if self
            .stalled
            .is_some_and(|stalled| is_past(stalled, limits.stall_timeout))
        {
            self.closing = Some(now);
            return Due::Stalled;
        }
        if is_past(self.heard, limits.idle_timeout) {
            return Due::Silent;
        }
        if is_past(self.pinged, limits.ping_interval) {
            self.pinged = now;
            return Due::Ping;
        }
        Due::Nothing
    }
}
