//! What waits for a client is taken out, in the order in which it happened, to be sent.

use super::{
    client::Sink,
    send_queue::{Kind, What},
};
use crate::{
    hub::shard::{ClientId, State},
    protocol::{code::CloseCode, dialect::Dialect, frame::Frame, id::Id, v0_7},
};

/// What a connection has to do next for its session.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Outgoing {
    /// Send these, oldest first.
    Frames(Vec<Frame>),
    /// Send a close frame and end. Nothing follows.
    Close(CloseCode),
}

/// Something to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'s> {
    Own(&'s What),
    /// Of a log.
    Logged(&'s Frame),
    /// Of a log, behind what is said to one subscription of 0.7.
    Addressed(&'s Id, &'s Frame),
}

impl State {
    /// Says all that waits for a client, oldest first, and lets go of it.
    ///
    /// Of one event what disappears leaves first: the plain dialect does not say which group a frame is about, so a
    /// client in both groups of a row that moves must end with the row, not without it.
    pub(crate) fn take_out(&mut self, place: usize, mut say: impl FnMut(Kind, Said<'_>)) {
        let peer = &self.peers[place];
        let only = match (&peer.waiting[..], peer.outbox.own().next()) {
            ([], _) => {
                let own = peer.outbox.own();
                own.for_each(|pending| say(pending.kind, Said::Own(&pending.what)));
                true
            }
            ([_], None) => {
                self.each_logged(place, |_, kind, said| say(kind, said));
                true
            }
            _ => false,
        };
        if !only {
            let mut all = Vec::new();
            self.each_logged(place, |order, kind, said| all.push((order, kind, said)));
            let own = peer.outbox.own();
            all.extend(own.map(|pending| {
                let order = (pending.behind, Order::Behind);
                (order, pending.kind, Said::Own(&pending.what))
            }));
            all.sort_by_key(|(order, ..)| *order);
            all.into_iter().for_each(|(_, kind, said)| say(kind, said));
        }
        self.drop_logged(place);
        self.peers[place].outbox.emptied();
        self.gauge(place);
    }

    fn each_logged<'s>(&'s self, place: usize, mut each: impl FnMut((u64, Order), Kind, Said<'s>)) {
        let peer = &self.peers[place];
        for at in &peer.waiting {
            let group = &self.groups[at.group as usize];
            let member = &group.members[at.member as usize];
            let kind = Kind::Broadcast(member.grant);
            let subscription = match member.dialect {
                Dialect::V0_7 => peer.at(*at),
                Dialect::Plain | Dialect::V1 => None,
            };
            for (event, told) in group.waiting(at.member as usize) {
                let order = match told.removes {
                    true => Order::First,
                    false => Order::Then,
                };
                match subscription {
                    Some(subscription) => {
                        for id in subscription.ids_at(event) {
                            each((event, order), kind, Said::Addressed(id, &told.frame));
                        }
                    }
                    None => each((event, order), kind, Said::Logged(&told.frame)),
                }
            }
        }
    }

    /// Takes out what waits for a session whose frames are asked for; `None` where nothing does.
    pub(crate) fn outgoing(&mut self, id: ClientId) -> Option<Outgoing> {
        let peer = self.peer(id)?;
        if let Sink::SharedSocket(_) = peer.sink {
            return None;
        }
        let has_more = !peer.outbox.is_empty() || !peer.waiting.is_empty();
        if has_more {
            let mut frames = Vec::new();
            self.take_out(id.place, |_, said| match said {
                Said::Own(What::Frame(frame)) | Said::Logged(frame) => frames.push(frame.clone()),
                Said::Addressed(id, ending) => frames.push(v0_7::whole(id, ending)),
                // The websocket's own, which a session without a socket has none of.
                Said::Own(What::Raw(..)) => {}
            });
            frames.extend(self.take_resets(id.place));
            // Of a subscription that has ended meanwhile there is nothing to be said.
            if !frames.is_empty() {
                return Some(Outgoing::Frames(frames));
            }
        }
        let peer = &mut self.peers[id.place];
        let code = peer.outbox.closes()?;
        Some(match peer.last_words(code) {
            (Some(word), _) => Outgoing::Frames(vec![word]),
            (None, code) => Outgoing::Close(code),
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// What disappears.
    First,
    Then,
    /// What came behind the event.
    Behind,
}
