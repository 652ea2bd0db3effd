//! The clients of a shard: what is queued for each, and which sockets wait for the writer.
//!
//! Answers and control frames are queued here; [`shard`](super::shard) queues what a group's
//! subscribers receive, because that also concerns the group.

pub(crate) mod client;
pub(crate) mod expiry;
pub(crate) mod send_queue;
pub(crate) mod slow;
pub(crate) mod socket;

use std::{
    collections::VecDeque,
    ops::{Index, IndexMut},
    sync::Arc,
    time::Instant,
};

use slab::Slab;
use tokio_tungstenite::tungstenite::Bytes;

use self::{
    client::{Client, ClientSocket, Intake, Sink, WriteState},
    expiry::DueTimes,
    send_queue::MessageKind,
    socket::{SharedSocket, SocketState},
};
use super::{
    context::HubContext,
    ids::{ClientId, GrantId, SubscriptionId},
};
use crate::{
    metrics::CatchUpEnd,
    model::permission::Identity,
    protocol::{code::CloseCode, dialect::Dialect, frame::Frame, v1},
};

#[derive(Debug)]
pub(crate) struct Clients {
    context: Arc<HubContext>,
    clients: Slab<Client>,
    due_times: DueTimes,
    /// Sockets that have something to write, in the order in which the writer takes them.
    pub(crate) ready: VecDeque<usize>,
    pub(crate) intake: Intake,
    /// Number of the last event of the shard; orders what is queued.
    pub(crate) event: u64,
    /// Everything up to this position of the event log has been queued.
    pub(crate) published: u64,
    /// The clients that are behind and can take the next portion of a replay.
    pub(crate) catching_up: Vec<ClientId>,
    /// The last number that was given to a client, a subscription or a grant.
    numbers: u64,
    /// Whether the log cannot be reached.
    is_stale: bool,
    /// Set once every session is to be closed.
    closed: Option<CloseCode>,
    /// Whether every socket was dropped.
    pub(crate) is_abandoned: bool,
}

impl Clients {
    pub(crate) fn new(context: Arc<HubContext>) -> Self {
        Self {
            context,
            clients: Slab::new(),
            due_times: DueTimes::new(),
            ready: VecDeque::new(),
            intake: Intake::default(),
            event: 0,
            published: 0,
            catching_up: Vec::new(),
            numbers: 0,
            is_stale: false,
            closed: None,
            is_abandoned: false,
        }
    }

    /// Adds a client whose frames a task takes. After [`close`](Self::close) it is closed at once.
    pub(crate) fn join(&mut self, user: Option<Identity>, dialect: Option<Dialect>) -> ClientId {
        let number = self.next_number();
        let mut client = Client::new(number, user, dialect);
        client.position = self.published;
        if let Some(code) = self.closed {
            client.queue.close(code);
        }
        self.context.metrics.connections.increment(1.0);
        let index = self.clients.insert(client);
        ClientId { index, number }
    }

    /// Removes a client whose subscriptions have left their groups.
    pub(crate) fn remove(&mut self, id: ClientId) -> Client {
        self.cancel_expiry(id);
        let client = self.clients.remove(id.index);
        let metrics = &self.context.metrics;
        metrics.connections.decrement(1.0);
        let subscriptions = f64::from(client.subscription_count);
        metrics.subscriptions.decrement(subscriptions);
        metrics.pending.decrement(f64::from(client.gauged));
        if client.queue.is_behind() {
            metrics.count_catch_up(CatchUpEnd::Closed);
        }
        if let Sink::Socket(socket) = &client.sink
            && socket.stalled_since.is_some()
        {
            metrics.blocked.decrement(1.0);
        }
        client
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn next_lag(&mut self) -> u64 {
        self.next_number()
    }

    pub(crate) fn next_subscription(&mut self) -> SubscriptionId {
        SubscriptionId(self.next_number())
    }

    pub(crate) fn next_grant(&mut self) -> GrantId {
        GrantId(self.next_number())
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<&Client> {
        let client = self.clients.get(id.index);
        client.filter(|client| client.number == id.number)
    }

    pub(crate) fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        let client = self.clients.get_mut(id.index);
        client.filter(|client| client.number == id.number)
    }

    /// Returns the client at an index, if it is still there.
    pub(crate) fn at(&mut self, index: usize) -> Option<&mut Client> {
        self.clients.get_mut(index)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (ClientId, &mut Client)> {
        let clients = self.clients.iter_mut();
        clients.map(|(index, client)| {
            let number = client.number;
            (ClientId { index, number }, client)
        })
    }

    fn indices(&self) -> Vec<usize> {
        self.clients.iter().map(|(index, _)| index).collect()
    }

    pub(crate) fn id_at(&self, index: usize) -> ClientId {
        let number = self[index].number;
        ClientId { index, number }
    }

    /// Returns the clients that have a user, and their users.
    pub(crate) fn users(&self) -> impl Iterator<Item = (ClientId, Identity)> {
        let clients = self.clients.iter();
        clients.filter_map(|(index, client)| {
            let number = client.number;
            Some((ClientId { index, number }, client.current_user()?.clone()))
        })
    }

    /// Notifies a client's task, or the writer of its socket, if there is something to send.
    pub(crate) fn wake(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if !client.has_work() {
            return;
        }
        match &mut client.sink {
            Sink::Task(notify) => {
                notify.notify_one();
                if std::mem::take(&mut client.is_drained) {
                    client.position = self.published;
                }
            }
            Sink::Socket(socket) => {
                if socket.state == WriteState::Idle {
                    client.position = self.published;
                    socket.state = WriteState::Ready(self.intake);
                    self.ready.push_back(index);
                }
            }
        }
    }

    /// Queues a client for the writer again, which has written what it took, if more is queued.
    pub(crate) fn continue_writing(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.has_work()
            && let Sink::Socket(socket) = &mut client.sink
            && socket.state == WriteState::Idle
        {
            socket.state = WriteState::Ready(self.intake);
            self.ready.push_back(index);
        }
    }

    /// Updates the gauge of frames that are pending for slow clients.
    pub(crate) fn gauge(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let pending = if client.is_slow() {
            client.queue.frames() as u32
        } else {
            0
        };
        let before = std::mem::replace(&mut client.gauged, pending);
        if pending != before {
            let change = f64::from(pending) - f64::from(before);
            self.context.metrics.pending.increment(change);
        }
    }

    /// Counts what was appended for the client that receives the most of it.
    pub(crate) fn take_in(&mut self, messages: usize, bytes: usize) {
        self.intake.messages += messages as u64;
        self.intake.bytes += bytes as u64;
    }

    /// Queues the answer to a request.
    pub(crate) fn answer(&mut self, id: ClientId, frame: Frame) {
        self.push_answer(id, MessageKind::Answer, frame);
    }

    /// Queues what a subscription missed.
    pub(crate) fn replay(&mut self, id: ClientId, grant: GrantId, frame: Frame) {
        self.push_answer(id, MessageKind::Replayed(grant), frame);
    }

    /// Queues the message that ends a replay.
    pub(crate) fn end_replay(&mut self, id: ClientId, end: Frame) {
        self.push_answer(id, MessageKind::ReplayEnd { is_begun: false }, end);
    }

    /// Queues a frame that must not be sent before the client has received what was dropped: after
    /// the catch-up of a client that is behind, after the reset if one is due, else at once. If the
    /// client falls behind before the frame is sent, it is held back.
    pub(crate) fn after_catch_up(&mut self, id: ClientId, frame: Frame) {
        let context = Arc::clone(&self.context);
        let Some(client) = self.get_mut(id) else {
            return;
        };
        if !client.queue.is_behind() && client.queue.reset.is_none() {
            return self.push_answer(id, MessageKind::Barrier, frame);
        }
        client.queue.hold(&context.limits, frame);
        self.gauge(id.index);
        self.wake(id.index);
    }

    fn push_answer(&mut self, id: ClientId, kind: MessageKind, frame: Frame) {
        let event = self.event;
        let context = Arc::clone(&self.context);
        if let Some(client) = self.get_mut(id) {
            client
                .queue
                .push_answer(&context.limits, kind, frame, event);
            if client.queue.is_half_full(&context.limits)
                && let Some(socket) = client.socket()
            {
                socket.socket.set_owes(true);
            }
            self.gauge(id.index);
            self.wake(id.index);
        }
    }

    /// Queues a control frame of the websocket protocol.
    pub(crate) fn control(&mut self, id: ClientId, kind: MessageKind, bytes: Bytes) {
        let event = self.event;
        if let Some(client) = self.get_mut(id) {
            client.queue.push_control(kind, bytes, event);
            self.wake(id.index);
        }
    }

    /// Queues the pongs that a client is owed.
    pub(crate) fn pong(&mut self, id: ClientId, pongs: Bytes) {
        // Nothing follows a close.
        if let Some(socket) = self.get_mut(id).and_then(Client::socket)
            && !socket.is_closing
        {
            socket.socket.set_owes(true);
            self.control(id, MessageKind::Control, pongs);
        }
    }

    /// Lets the writer write a client's frames to a socket from now on.
    pub(crate) fn attach(&mut self, id: ClientId, socket: Arc<SharedSocket>, sees_pings: bool) {
        let is_abandoned = self.is_abandoned;
        let Some(client) = self.get_mut(id).filter(|_| !is_abandoned) else {
            return socket.set_state(SocketState::Lost);
        };
        let now = Instant::now();
        client.sink = Sink::Socket(ClientSocket {
            socket,
            state: WriteState::Idle,
            stalled_since: None,
            closing_since: None,
            sees_pings,
            last_ping: now,
            last_received: now,
            is_closing: false,
        });
        self.gauge(id.index);
        self.wake(id.index);
    }

    /// Queues a client for the writer again, because its socket accepts data.
    pub(crate) fn writable(&mut self, id: ClientId) {
        let intake = self.intake;
        let Some(socket) = self.get_mut(id).and_then(Client::socket) else {
            return;
        };
        if socket.state == WriteState::Blocked {
            socket.state = WriteState::Ready(intake);
            socket.socket.unblock();
            self.ready.push_back(id.index);
        }
    }

    /// Records whether the log can be reached, and informs the subscribed clients of v1.
    pub(crate) fn set_stale(&mut self, is_stale: bool) {
        self.is_stale = is_stale;
        for index in self.indices() {
            self.send_stale(index);
        }
    }

    /// Sends `stale` or `live` to a client of v1 that has not received it.
    pub(crate) fn send_stale(&mut self, index: usize) {
        let is_stale = self.is_stale;
        let client = &mut self.clients[index];
        let listens = client.dialect == Some(Dialect::V1) && !client.subscriptions.is_empty();
        // After `stale` a client also receives `live`, even if it has unsubscribed since.
        if client.is_stale != is_stale && (listens || client.is_stale) {
            client.is_stale = is_stale;
            let id = self.id_at(index);
            self.answer(id, v1::stale(is_stale));
        }
    }

    /// Closes every client, now and from now on, after what is queued has been sent.
    pub(crate) fn close(&mut self, code: CloseCode) {
        self.closed.get_or_insert(code);
        for index in self.indices() {
            self[index].queue.close(code);
            self.wake(index);
        }
    }

    /// Drops every socket, now and from now on.
    pub(crate) fn abandon(&mut self) {
        self.is_abandoned = true;
        for (_, client) in &self.clients {
            if let Sink::Socket(socket) = &client.sink {
                socket.socket.set_state(SocketState::Lost);
            }
        }
    }

    /// Returns whether much was appended since the first ready socket began to wait for the writer.
    pub(crate) fn is_far_ahead(&self) -> bool {
        if self.is_abandoned {
            return false;
        }
        // The client may have left since.
        let first = self
            .ready
            .front()
            .and_then(|index| self.clients.get(*index));
        let Some(Sink::Socket(socket)) = first.map(|client| &client.sink) else {
            return false;
        };
        let WriteState::Ready(since) = socket.state else {
            return false;
        };
        let limits = &self.context.limits;
        let is_much =
            |appended: u64, limit: usize| appended * INTAKE_DIVISOR as u64 >= limit as u64;
        is_much(
            self.intake.messages - since.messages,
            limits.max_pending_messages,
        ) || is_much(self.intake.bytes - since.bytes, limits.max_pending_bytes)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }
}

/// Divides the limits of one client's queue: so much may be appended while a socket waits for the
/// writer. A client that reads must not lag because the dispatcher is fast.
pub(crate) const INTAKE_DIVISOR: usize = 4;

impl Index<usize> for Clients {
    type Output = Client;

    fn index(&self, index: usize) -> &Client {
        &self.clients[index]
    }
}

impl IndexMut<usize> for Clients {
    fn index_mut(&mut self, index: usize) -> &mut Client {
        &mut self.clients[index]
    }
}
