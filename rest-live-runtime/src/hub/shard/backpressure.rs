//! What happens to slow clients, and when the dispatcher waits for the writer.

use std::time::Instant;

use super::{Shard, State};
use crate::{
    hub::clients::{
        client::{Sink, WriteState},
        send_queue::{PendingLimit, QueuedSize},
        slow::Behind,
    },
    protocol::dialect::Dialect,
};

impl Shard {
    /// Waits until the writer has caught up, so that a client that reads does not lag because the
    /// dispatcher is fast.
    ///
    /// # Cancel safety
    /// Safe: it changes nothing.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.room.notified();
            if !self.state().clients.is_far_ahead() {
                return;
            }
            room.await;
        }
    }

    pub(crate) fn notify_room(&self) {
        self.room.notify_one();
    }
}

impl State {
    /// Drops what is queued for a slow client: it is behind from now on.
    pub(super) fn start_lag(&mut self, client: usize, limit: PendingLimit) {
        if self.clients[client].queue.ignores_changes() {
            return;
        }
        self.drop_backlogs(client);
        let published = self.clients.published;
        let lag = self.clients.next_lag();
        let lagging = &mut self.clients[client];
        let position = if matches!(lagging.sink, Sink::Task(_)) && lagging.is_drained {
            published
        } else {
            lagging.position
        };
        // What the client has received of a unit is replayed with the rest. The message that ends
        // the unit is dropped, so the replay must end with such a message.
        let socket = lagging.socket();
        let is_writing = socket.is_some_and(|socket| socket.state == WriteState::Writing);
        let interrupts_unit =
            lagging.open_unit.take().is_some() || is_writing || lagging.queue.has_begun_unit();
        let behind = Behind::new(lag, position, interrupts_unit);
        lagging.queue.start_lag(behind, Instant::now());
        if lagging.queue.is_behind() {
            self.context.metrics.count_behind();
        }
        self.context.metrics.count_lag(limit);
        self.clients.gauge(client);
        self.clients.wake(client);
    }

    /// Counts again what is queued for a slow client in the logs of its groups.
    pub(crate) fn recount(&mut self, client: usize) {
        if self.clients[client].is_slow() {
            let logged = self.logged(client);
            self.clients[client].queue.recount(logged);
            self.clients.gauge(client);
        }
    }

    fn logged(&self, client: usize) -> QueuedSize {
        let client = &self.clients[client];
        let mut size = QueuedSize::default();
        for key in &client.backlogs {
            let group = &self.groups[key.group()];
            let is_named = self.groups.subscriber(*key).dialect == Dialect::V0_7;
            let subscription = client.subscription(*key);
            for (event, queued) in group.queued(key.subscriber()) {
                let frames = match subscription {
                    Some(subscription) if is_named => subscription.ids_at(event).count(),
                    _ => 1,
                };
                size.messages += frames;
                size.bytes += frames * queued.frame.bytes().len();
            }
        }
        size
    }
}
