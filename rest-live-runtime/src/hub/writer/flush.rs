//! The task of a shard: it writes to the sockets what waits for them.
//!
//! A turn is some sockets, and then others have theirs: the dispatcher, which appends more meanwhile, and whoever reads.
//! So much waits for each socket by the time of its next turn, and leaves in one write: the busier the server, the fewer
//! writes a frame. A lone frame leaves at once.

use std::{sync::Arc, time::Instant};

use futures_util::FutureExt;
use tokio::{
    select,
    task::yield_now,
    time::{MissedTickBehavior, interval},
};
use tokio_tungstenite::tungstenite::Bytes;

use super::{
    heartbeat,
    socket::SocketState,
    write_batch::{Parcel, Piece, Turn, Written, write},
};
use crate::{
    hub::{
        clients::{
            client::Flow,
            send_queue::{Amount, Kind},
        },
        shard::{ClientId, Shard, State},
    },
    protocol::{code::CloseCode, frame::close_frame},
    user_code,
};

/// Sockets of a turn. Fewer leave others waiting for less, more write more at once: see facts on fan-out, K.
const SOCKETS: usize = 32;

/// Runs for as long as it is not aborted. Should it panic, its sockets are dropped, and their clients come back to another.
pub(crate) async fn run(shard: Arc<Shard>) {
    if let Err(panicked) = user_code::call_async(take_turns(&shard)).await {
        tracing::error!(%panicked, "a shard panicked: its connections are dropped");
        shard.with(State::abandon);
        shard.tell_room();
        shard.written.notify_waiters();
    }
}

async fn take_turns(shard: &Shard) {
    let mut turn = Turn::default();
    let mut clock = interval(heartbeat::period(&shard.common.limits));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_due = match shard.take_turn(&mut turn) {
            true => {
                yield_now().await;
                clock.tick().now_or_never().is_some()
            }
            false => select! {
                () = shard.work.notified() => false,
                _ = clock.tick() => true,
            },
        };
        if is_due {
            shard.with(|state| state.look_at_the_clock(Instant::now()));
        }
    }
}

impl Shard {
    /// Writes to some sockets, and returns whether others wait for it.
    pub(crate) fn take_turn(&self, turn: &mut Turn) -> bool {
        let mut state = self.state();
        while turn.parcels.len() < SOCKETS
            && let Some(place) = state.ready.pop_front()
        {
            state.pack(place, turn);
        }
        state.is_writing = !turn.parcels.is_empty();
        let has_room = !state.is_far_ahead();
        drop(state);
        if has_room {
            self.tell_room();
        }
        if turn.parcels.is_empty() {
            return false;
        }
        let Turn {
            parcels,
            pieces,
            heads,
        } = turn;
        for parcel in &mut *parcels {
            parcel.written = write(&parcel.wire, &pieces[parcel.pieces.clone()], heads);
        }
        let mut state = self.state();
        for parcel in parcels.drain(..) {
            state.unpack(parcel, pieces, heads);
        }
        state.is_writing = false;
        let has_more = !state.ready.is_empty();
        drop(state);
        self.written.notify_waiters();
        pieces.clear();
        heads.clear();
        has_more
    }
}

impl State {
    /// Takes out what waits for a socket.
    pub(crate) fn pack(&mut self, place: usize, turn: &mut Turn) {
        // Its client may have gone meanwhile, and another have come.
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let number = peer.number;
        let Some(attached) = peer.attached() else {
            return;
        };
        if !matches!(attached.flow, Flow::Queued(_)) {
            return;
        }
        attached.flow = Flow::Writing;
        let wire = Arc::clone(&attached.wire);
        let from = turn.pieces.len();
        self.take_out(place, |kind, said| turn.say(kind, said));
        for frame in self.take_resets(place) {
            turn.frame(Kind::Answer, &frame);
        }
        let peer = &mut self.peers[place];
        if let Some(code) = peer.outbox.closes()
            && let Some(attached) = peer.attached()
            && !std::mem::replace(&mut attached.closes, true)
        {
            let mut code = code;
            // The word, and then the code that follows it.
            while let (Some(word), follows) = peer.last_words(code) {
                turn.frame(Kind::Answer, &word);
                code = follows;
            }
            turn.whole(Kind::Close, close_frame(code), None);
        }
        turn.parcels.push(Parcel {
            id: ClientId { place, number },
            wire,
            pieces: from..turn.pieces.len(),
            written: Written::default(),
        });
    }

    /// Takes note of what was written, and takes back the rest.
    pub(crate) fn unpack(&mut self, parcel: Parcel, pieces: &[Piece], heads: &[u8]) {
        let Parcel {
            id,
            wire,
            pieces: range,
            written,
        } = parcel;
        let pieces = &pieces[range];
        let (done, left) = pieces.split_at(written.pieces);
        self.common.metrics.writes.increment(written.writes);
        self.count_written(done);
        if self.peer(id).is_none() {
            return;
        }
        if written.fails {
            wire.tell(SocketState::Lost);
            // It is the reader's to leave; until then nothing more is kept for it.
            self.drop_logged(id.place);
            let peer = &mut self.peers[id.place];
            peer.outbox.close_at_once(CloseCode::Internal);
            if let Some(attached) = peer.attached() {
                attached.flow = Flow::Blocked;
            }
            return self.gauge(id.place);
        }
        let peer = &mut self.peers[id.place];
        let was_slow = peer.is_slow();
        let Some(attached) = peer.attached() else {
            return;
        };
        if left.is_empty() {
            attached.flow = Flow::Idle;
            attached.stalled = None;
            if was_slow {
                self.common.metrics.blocked.decrement(1.0);
            }
            let closes = attached.closes;
            if was_slow {
                peer.outbox.recount(Amount::default());
            }
            if closes && peer.outbox.is_empty() {
                wire.tell(SocketState::Closed);
            }
        } else {
            let has_progress = written.pieces > 0 || written.bytes > 0;
            attached.flow = Flow::Blocked;
            if has_progress || attached.stalled.is_none() {
                attached.stalled = Some(Instant::now());
            }
            if !was_slow {
                self.common.metrics.blocked.increment(1.0);
                self.recount(id.place);
            }
            self.put_back(id.place, left, written.bytes, heads);
            wire.tell(SocketState::Blocked);
        }
        if !self.peers[id.place].outbox.owes() {
            wire.set_owed(false);
        }
        self.gauge(id.place);
        self.wake(id.place);
    }

    /// Puts back what was not written, but for what is of no subscription any more.
    pub(crate) fn put_back(&mut self, place: usize, left: &[Piece], bytes: usize, heads: &[u8]) {
        let subscriptions = self.peers[place].subscriptions.iter();
        let granted = subscriptions.map(|s| {
            let group = &self.groups[s.place.group as usize];
            group.members[s.place.member as usize].grant
        });
        let granted: Vec<_> = granted.collect();
        let outbox = &mut self.peers[place].outbox;
        for (index, piece) in left.iter().enumerate().rev() {
            let begun = if index == 0 { bytes } else { 0 };
            let kind = match begun {
                0 => piece.kind,
                _ => Kind::Begun,
            };
            let is_over = kind.subscription().is_some_and(|of| !granted.contains(&of));
            if is_over || !outbox.keeps(kind) {
                continue;
            }
            let rest = match (piece.head.len(), begun) {
                (0, begun) => piece.body.slice(begun..),
                (_, begun) => {
                    let whole = [&heads[piece.head.clone()], &piece.body].concat();
                    Bytes::from(whole).slice(begun..)
                }
            };
            outbox.put_back(kind, rest, piece.captured);
        }
    }

    pub(crate) fn count_written(&self, pieces: &[Piece]) {
        let is_frame = |p: &&Piece| !matches!(p.kind, Kind::Control | Kind::Close);
        let frames = pieces.iter().filter(is_frame).count();
        self.common.metrics.frames.increment(frames as u64);
        if let Some(oldest) = pieces.iter().find_map(|piece| piece.captured) {
            self.common.metrics.sent(oldest);
        }
    }
}
