//! Pings the clients of a shard, and closes those that are silent or stalled. One timer serves all
//! sockets; the writer's task runs it.

use std::time::{Duration, Instant};

use crate::{
    hub::{
        clients::{
            client::{ClientSocket, Sink},
            send_queue::MessageKind,
            socket::SocketState,
        },
        ids::ClientId,
        shard::State,
    },
    limits::Limits,
    protocol::{code::CloseCode, frame::ping_frame, v1},
};

/// Number of heartbeats within the shortest of the times that it checks.
const BEATS: u32 = 8;

/// Returns the time between two heartbeats.
pub(super) fn interval(limits: &Limits) -> Duration {
    let times = [
        limits.ping_interval,
        limits.idle_timeout,
        limits.stall_timeout,
    ];
    let shortest = times.into_iter().flatten().min().unwrap_or(Duration::MAX);
    (shortest / BEATS).clamp(Duration::from_millis(5), Duration::from_secs(1))
}

/// What a heartbeat does with a socket.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Nothing,
    Ping,
    /// The client sent nothing for too long.
    Idle,
    /// The socket accepted nothing for too long.
    Stalled,
    /// The socket did not accept the close either.
    Lost,
}

impl State {
    /// Pings the clients that are due, and closes those that are silent or stalled.
    pub(crate) fn heartbeat(&mut self, now: Instant) {
        let limits = &self.context.limits;
        let due = self.clients.iter_mut().filter_map(|(id, client)| {
            let is_closing = client.queue.close_code().is_some();
            let due = client.socket()?.due(limits, now, is_closing);
            (due != Due::Nothing).then_some((id, due))
        });
        for (id, due) in due.collect::<Vec<_>>() {
            self.apply_due(id, due);
        }
    }

    fn apply_due(&mut self, id: ClientId, due: Due) {
        match due {
            Due::Nothing => {}
            Due::Ping => self.ping(id),
            Due::Idle => self.close_at_once(id, CloseCode::Silent),
            // The client's own buffers may still be full. If it reads them, it learns why it was
            // closed.
            Due::Stalled => self.close_at_once(id, CloseCode::TooSlow),
            Due::Lost => {
                if let Sink::Socket(socket) = &self.clients[id.index].sink {
                    socket.socket.set_state(SocketState::Lost);
                }
            }
        }
    }

    fn ping(&mut self, id: ClientId) {
        let client = &mut self.clients[id.index];
        let is_queued = client
            .queue
            .iter()
            .any(|queued| queued.kind == MessageKind::Control);
        if is_queued {
            return;
        }
        let sees_pings = client.socket().is_some_and(|socket| socket.sees_pings);
        self.clients.control(id, MessageKind::Control, ping_frame());
        if sees_pings {
            self.ping_message(id);
        }
    }

    /// Queues a ping message of v1. It carries how far the log is published, unless the client has
    /// not been sent everything: it is behind, or a reset is due.
    pub(crate) fn ping_message(&mut self, id: ClientId) {
        let client = self.clients.get(id);
        let cursor = client
            .filter(|client| client.queue.is_up_to_date())
            .and_then(|_| self.context.published.borrow().clone())
            .map(|published| published.cursor);
        let ping = v1::ping(cursor.as_ref());
        match cursor {
            Some(_) => self.clients.after_catch_up(id, ping),
            None => self.clients.answer(id, ping),
        }
    }
}

impl ClientSocket {
    fn due(&mut self, limits: &Limits, now: Instant, is_closing: bool) -> Due {
        let is_past = |since: Instant, time: Option<Duration>| {
            time.is_some_and(|time| now.saturating_duration_since(since) >= time)
        };
        if self.socket.take_received() {
            self.last_received = now;
        }
        if is_closing {
            // The close frame has as much time as the frames before it had.
            let closing_since = *self.closing_since.get_or_insert(now);
            let is_stalled = self
                .stalled_since
                .is_some_and(|stalled| is_past(stalled.max(closing_since), limits.stall_timeout));
            return if is_stalled { Due::Lost } else { Due::Nothing };
        }
        if self
            .stalled_since
            .is_some_and(|stalled| is_past(stalled, limits.stall_timeout))
        {
            self.closing_since = Some(now);
            return Due::Stalled;
        }
        if is_past(self.last_received, limits.idle_timeout) {
            return Due::Idle;
        }
        if is_past(self.last_ping, limits.ping_interval) {
            self.last_ping = now;
            return Due::Ping;
        }
        Due::Nothing
    }
}
