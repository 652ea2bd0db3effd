//! What a session's connection tells its shard.

use std::{sync::Arc, time::Instant};

use tokio_tungstenite::tungstenite::Bytes;

use super::socket::{SharedSocket, SocketState};
use crate::{
    hub::{
        clients::{
            client::{Attached, Client, Flow, Sink},
            send_queue::Kind,
        },
        shard::{ClientId, State},
    },
    protocol::code::CloseCode,
};

impl State {
    /// Has a session's frames be written to a socket from now on. `pings` is whether its client gets some that it can see.
    pub(crate) fn attach(&mut self, id: ClientId, wire: Arc<SharedSocket>, pings: bool) {
        let is_over = self.is_over;
        let Some(peer) = self.peer(id).filter(|_| !is_over) else {
            return wire.tell(SocketState::Lost);
        };
        let now = Instant::now();
        peer.sink = Sink::SharedSocket(Attached {
            wire,
            flow: Flow::Idle,
            stalled: None,
            closing: None,
            pings,
            pinged: now,
            heard: now,
            closes: false,
        });
        self.gauge(id.place);
        self.wake(id.place);
    }

    /// Drops every socket, now and from now on.
    pub(crate) fn abandon(&mut self) {
        self.is_over = true;
        self.is_writing = false;
        for (_, peer) in &self.peers {
            if let Sink::SharedSocket(attached) = &peer.sink {
                attached.wire.tell(SocketState::Lost);
            }
        }
    }

    /// Says that a socket may take more.
    pub(crate) fn writable(&mut self, id: ClientId) {
        let mark = self.taken_in;
        let Some(attached) = self.peer(id).and_then(Client::attached) else {
            return;
        };
        if attached.flow == Flow::Blocked {
            attached.flow = Flow::Queued(mark);
            attached.wire.unblock();
            self.ready.push_back(id.place);
        }
    }

    /// Queues the pongs that a client is owed.
    pub(crate) fn pong(&mut self, id: ClientId, pongs: Bytes) {
        // Nothing follows a close.
        if let Some(attached) = self.peer(id).and_then(Client::attached)
            && !attached.closes
        {
            attached.wire.set_owed(true);
            self.control(id, Kind::Control, pongs);
        }
    }

    pub(crate) fn control(&mut self, id: ClientId, kind: Kind, bytes: Bytes) {
        let event = self.event;
        if let Some(peer) = self.peer(id) {
            peer.outbox.push_control(kind, bytes, event);
            self.wake(id.place);
        }
    }

    /// Ends a session whose client has closed, with the answer to that. Where our own close is on its way, it is the answer.
    pub(crate) fn closed_by_client(&mut self, id: ClientId, answer: Bytes) {
        self.close_at_once(id, CloseCode::GoingAway);
        if let Some(attached) = self.peer(id).and_then(Client::attached)
            && !std::mem::replace(&mut attached.closes, true)
        {
            self.control(id, Kind::Close, answer);
        }
    }
}
