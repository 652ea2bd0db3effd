//! The task of a shard that writes queued frames to the sockets.
//!
//! The task writes to a batch of sockets, then yields to the dispatcher, which appends more, and to
//! the readers. So more is queued for each socket by its next batch, and leaves in one write: the
//! busier the server, the fewer writes for each frame. A single frame is written at once.

mod heartbeat;
pub(crate) mod write_batch;

use std::{sync::Arc, time::Instant};

use futures_util::FutureExt;
use tokio::{
    select,
    task::yield_now,
    time::{self, MissedTickBehavior, interval},
};
use tokio_tungstenite::tungstenite::Bytes;

use self::write_batch::{Chunk, ClientWrite, WriteBatch, Written, write};
use super::{
    clients::{
        client::WriteState,
        send_queue::{MessageKind, QueuedSize},
        socket::SocketState,
    },
    ids::ClientId,
    shard::{Shard, State},
};
use crate::{
    protocol::{code::CloseCode, frame::close_frame},
    user_code,
};

/// Maximum number of sockets in a batch. With fewer, less is queued for each of the other sockets
/// when it is written; with more, each batch takes longer.
const MAX_SOCKETS_PER_BATCH: usize = 32;

/// Runs until it is aborted. If it panics, its sockets are dropped, and their clients reconnect to
/// another shard.
pub(crate) async fn run(shard: Arc<Shard>) {
    if let Err(panicked) = user_code::call_async(write_batches(&shard)).await {
        tracing::error!(%panicked, "a shard panicked: its connections are dropped, and their clients must reconnect");
        shard.fail();
    }
}

async fn write_batches(shard: &Shard) {
    let mut batch = WriteBatch::default();
    let mut clock = interval(heartbeat::interval(&shard.context.limits));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let has_more = shard.write_batch(&mut batch);
        let expiry = batch.next_expiry;
        let is_due = if has_more {
            yield_now().await;
            clock.tick().now_or_never().is_some()
        } else {
            select! {
                () = shard.work.notified() => false,
                _ = clock.tick() => true,
                () = sleep_until(expiry) => false,
            }
        };
        if is_due {
            shard.with(|state| state.heartbeat(Instant::now()));
        }
        if let Some(expiry) = expiry {
            let now = Instant::now();
            if expiry <= now {
                shard.with(|state| state.expire(now));
            }
        }
    }
}

/// Sleeps until a time; without one, never returns.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

impl Shard {
    /// Writes to the first ready sockets, and returns whether more are ready.
    pub(super) fn write_batch(&self, batch: &mut WriteBatch) -> bool {
        let mut state = self.state();
        while batch.writes.len() < MAX_SOCKETS_PER_BATCH
            && let Some(client) = state.clients.ready.pop_front()
        {
            state.collect(client, batch);
        }
        state.is_writing = !batch.writes.is_empty();
        let (published, jumps) = (state.clients.published, state.progress.jumps());
        let has_room = !state.clients.is_far_ahead();
        batch.next_expiry = state.clients.next_due();
        drop(state);
        if has_room {
            self.notify_room();
        }
        if batch.writes.is_empty() {
            return false;
        }
        let WriteBatch {
            writes,
            chunks,
            heads,
            ..
        } = batch;
        for client in &mut *writes {
            client.written = write(&client.socket, &chunks[client.chunks.clone()], heads);
        }
        let mut state = self.state();
        // Everything up to it was taken from the queues, unless positions have changed meanwhile.
        let taken = (state.progress.jumps() == jumps).then_some(published);
        for client in writes.drain(..) {
            state.finish_write(client, taken, chunks, heads);
        }
        state.is_writing = false;
        let has_more = !state.clients.ready.is_empty();
        drop(state);
        self.written.notify_waiters();
        chunks.clear();
        heads.clear();
        has_more
    }
}

impl State {
    /// Moves what is queued for a socket into the batch.
    fn collect(&mut self, index: usize, batch: &mut WriteBatch) {
        // The client may have left, and another may have its index.
        let Some(client) = self.clients.at(index) else {
            return;
        };
        let number = client.number;
        let Some(socket) = client.socket() else {
            return;
        };
        if !matches!(socket.state, WriteState::Ready(_)) {
            return;
        }
        socket.state = WriteState::Writing;
        let shared = Arc::clone(&socket.socket);
        let from = batch.chunks.len();
        self.drain(index, |kind, message| batch.push(kind, message));
        for frame in self.take_resets(index) {
            batch.push_frame(MessageKind::Answer, &frame);
        }
        for frame in self.clients[index].queue.release() {
            batch.push_frame(MessageKind::Answer, &frame);
        }
        let client = &mut self.clients[index];
        if let Some(code) = client.queue.close_code()
            && let Some(socket) = client.socket()
            && !std::mem::replace(&mut socket.is_closing, true)
        {
            let mut code = code;
            // The frame before the close, then the close code that follows it.
            while let (Some(frame), next) = client.farewell(code) {
                batch.push_frame(MessageKind::Answer, &frame);
                code = next;
            }
            batch.push_bytes(MessageKind::Close, close_frame(code), None);
        }
        batch.writes.push(ClientWrite {
            id: ClientId { index, number },
            socket: shared,
            chunks: from..batch.chunks.len(),
            written: Written::default(),
        });
    }

    /// Records what was written, and puts back the rest. `taken` is the position of the event log
    /// up to which everything had been taken from the queues.
    fn finish_write(
        &mut self,
        write: ClientWrite,
        taken: Option<u64>,
        chunks: &[Chunk],
        heads: &[u8],
    ) {
        let ClientWrite {
            id,
            socket: shared,
            chunks: range,
            written,
        } = write;
        let (done, rest) = chunks[range].split_at(written.chunks);
        self.count_written(done, written.calls);
        let Some(client) = self.clients.get_mut(id) else {
            return;
        };
        if written.failed {
            shared.set_state(SocketState::Lost);
            // The reader ends the session; until then nothing more is queued for it.
            client.queue.close_at_once(CloseCode::Internal);
            if let Some(socket) = client.socket() {
                socket.state = WriteState::Blocked;
            }
            self.drop_backlogs(id.index);
            return self.clients.gauge(id.index);
        }
        let was_slow = client.is_slow();
        let Some(socket) = client.socket() else {
            return;
        };
        if rest.is_empty() {
            socket.state = WriteState::Idle;
            socket.stalled_since = None;
            let is_closing = socket.is_closing;
            if let Some(taken) = taken
                && !client.queue.is_behind()
            {
                client.position = client.position.max(taken);
            }
            if was_slow {
                client.queue.unmark();
                client.queue.recount(QueuedSize::default());
                self.context.metrics.blocked.decrement(1.0);
            }
            self.ask_for_portion(id);
            if is_closing && self.clients[id.index].queue.is_empty() {
                shared.set_state(SocketState::Closed);
            }
        } else {
            let has_progress = written.chunks > 0 || written.bytes > 0;
            socket.state = WriteState::Blocked;
            if has_progress || socket.stalled_since.is_none() {
                socket.stalled_since = Some(Instant::now());
            }
            if let Some(taken) = taken {
                let length = |chunks: &[Chunk]| chunks.iter().map(Chunk::len).sum::<usize>();
                let waiting = length(rest) - written.bytes;
                let written = length(done) + written.bytes;
                let reached = client.queue.mark(written, waiting, taken);
                client.position = client.position.max(reached.unwrap_or(0));
            }
            if !was_slow {
                self.context.metrics.blocked.increment(1.0);
                self.recount(id.index);
            }
            self.put_back(id.index, (done, rest), written.bytes, heads);
            shared.set_state(SocketState::Blocked);
        }
        if !self.clients[id.index].queue.owes_answers() {
            shared.set_owes(false);
        }
        self.clients.gauge(id.index);
        self.clients.continue_writing(id.index);
    }

    /// Puts back what the socket did not accept, except for subscriptions that have ended.
    /// `bytes` of the first chunk are written already.
    fn put_back(
        &mut self,
        index: usize,
        (done, rest): (&[Chunk], &[Chunk]),
        bytes: usize,
        heads: &[u8],
    ) {
        // A unit of which a frame is written must end. If the last frame was of no unit, an end may
        // come although all frames of its unit are dropped; it then means nothing to the client.
        let mut sent = done.iter().chain(&rest[..usize::from(bytes > 0)]).rev();
        let sent = sent.find(|chunk| chunk.kind.is_frame() || chunk.kind.is_unit_end());
        let has_begun = sent.is_some_and(|chunk| chunk.kind.is_frame());
        let first_end = rest.iter().position(|chunk| chunk.kind.is_unit_end());
        let subscriptions = self.clients[index].subscriptions.iter();
        let grants = subscriptions.map(|s| self.groups.subscriber(s.key).grant);
        let grants: Vec<_> = grants.collect();
        let queue = &mut self.clients[index].queue;
        for (number, chunk) in rest.iter().enumerate().rev() {
            let begun = if number == 0 { bytes } else { 0 };
            let kind = match chunk.kind {
                _ if begun > 0 => MessageKind::Begun,
                MessageKind::UnitEnd { is_begun } => MessageKind::UnitEnd {
                    is_begun: is_begun || has_begun && first_end == Some(number),
                },
                MessageKind::ReplayEnd { is_begun } => MessageKind::ReplayEnd {
                    is_begun: is_begun || has_begun && first_end == Some(number),
                },
                kind => kind,
            };
            let is_over = kind.grant().is_some_and(|grant| !grants.contains(&grant));
            if is_over || !queue.keeps(kind) {
                continue;
            }
            let bytes = match (chunk.head.len(), begun) {
                (0, begun) => chunk.body.slice(begun..),
                (_, begun) => {
                    let whole = [&heads[chunk.head.clone()], &chunk.body].concat();
                    Bytes::from(whole).slice(begun..)
                }
            };
            queue.put_back(kind, bytes, chunk.captured);
        }
        if first_end.is_some() {
            queue.drop_empty_units();
        }
    }

    fn count_written(&self, chunks: &[Chunk], calls: u64) {
        let metrics = &self.context.metrics;
        metrics.writes.increment(calls);
        let is_frame = |c: &&Chunk| !matches!(c.kind, MessageKind::Control | MessageKind::Close);
        let frames = chunks.iter().filter(is_frame).count();
        metrics.frames.increment(frames as u64);
        if let Some(oldest) = chunks.iter().find_map(|chunk| chunk.captured) {
            metrics.record_latency(oldest);
        }
    }
}
