//! Takes what is queued for a client, in the order of the events.

use std::sync::Arc;

use super::{State, unit::UnitEnds};
use crate::{
    hub::{
        clients::{
            client::Sink,
            send_queue::{Content, MessageKind},
        },
        groups::broadcast_frame::Unit,
        ids::ClientId,
    },
    protocol::{code::CloseCode, dialect::Dialect, frame::Frame, id::Id, v0_7},
};

/// What a connection does next for its session.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Outgoing {
    /// Send these frames, oldest first.
    Frames(Vec<Frame>),
    /// Send a close frame and end. Nothing follows.
    Close(CloseCode),
}

/// A message that was taken from a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'s> {
    /// From the client's own queue.
    Own(&'s Content),
    /// From the log of a group.
    Broadcast(&'s Frame),
    /// From the log of a group, sent after the id of a subscription of 0.7.
    Addressed(&'s Id, &'s Frame),
}

/// Order of the messages of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// The row disappears.
    Removal,
    Broadcast,
    /// It was queued after the event.
    After,
}

/// Returns whether two frames belong to one unit.
fn is_same(one: Option<&Arc<Unit>>, other: Option<&Arc<Unit>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl State {
    /// Takes everything that is queued for a client, and passes it to `take`, oldest first.
    ///
    /// For one event, disappearing rows come first: the plain dialect does not name the group of a
    /// frame, so a client in both groups of a row that moves must end with the row. The last frame
    /// of a unit is followed by the message that ends it.
    pub(crate) fn drain(&mut self, client: usize, mut take: impl FnMut(MessageKind, Message<'_>)) {
        let queue = &self.clients[client].queue;
        let mut ends = UnitEnds::new(&self.clients[client]);
        let mut end = |unit: Option<&Arc<Unit>>, take: &mut dyn FnMut(_, Message<'_>)| {
            if let Some(unit) = unit
                && ends.ends(unit, &self.open_unit)
            {
                let kind = MessageKind::UnitEnd { is_begun: false };
                take(kind, Message::Broadcast(&unit.end));
            }
        };
        let is_ordered = match (&self.clients[client].backlogs[..], queue.iter().next()) {
            ([], _) => {
                for queued in queue.iter() {
                    take(queued.kind, Message::Own(&queued.content));
                }
                true
            }
            ([_], None) => {
                let mut last = None;
                self.each_logged(client, |_, kind, message, unit| {
                    if !is_same(last, unit) {
                        end(last, &mut take);
                    }
                    last = unit;
                    take(kind, message);
                });
                end(last, &mut take);
                true
            }
            _ => false,
        };
        if !is_ordered {
            let mut all = Vec::new();
            self.each_logged(client, |order, kind, message, unit| {
                all.push((order, kind, message, unit));
            });
            all.extend(queue.iter().map(|queued| {
                let order = (queued.after_event, Order::After);
                (order, queued.kind, Message::Own(&queued.content), None)
            }));
            all.sort_by_key(|(order, ..)| *order);
            // Resets and answers may come between the frames of a unit, but no other frame.
            let mut next = None;
            for (_, _, message, unit) in all.iter_mut().rev() {
                if !matches!(message, Message::Own(_)) {
                    let of_message = *unit;
                    if is_same(of_message, next) {
                        *unit = None;
                    }
                    next = of_message;
                }
            }
            for (_, kind, message, ended) in all {
                take(kind, message);
                end(ended, &mut take);
            }
        }
        self.note_units(client, ends);
        self.drop_backlogs(client);
        self.clients[client].queue.clear();
        self.clients.gauge(client);
    }

    fn each_logged<'s>(
        &'s self,
        client: usize,
        mut each: impl FnMut((u64, Order), MessageKind, Message<'s>, Option<&'s Arc<Unit>>),
    ) {
        let client = &self.clients[client];
        for key in &client.backlogs {
            let group = &self.groups[key.group()];
            let subscriber = self.groups.subscriber(*key);
            let kind = MessageKind::Broadcast(subscriber.grant);
            let subscription = match subscriber.dialect {
                Dialect::V0_7 => client.subscription(*key),
                Dialect::Plain | Dialect::V1 => None,
            };
            for (event, queued) in group.queued(key.subscriber()) {
                let order = if queued.removes {
                    Order::Removal
                } else {
                    Order::Broadcast
                };
                match subscription {
                    Some(subscription) => {
                        for id in subscription.ids_at(event) {
                            let message = Message::Addressed(id, &queued.frame);
                            each((event, order), kind, message, None);
                        }
                    }
                    None => {
                        let message = Message::Broadcast(&queued.frame);
                        each((event, order), kind, message, queued.unit.as_ref());
                    }
                }
            }
        }
    }

    /// Takes what is queued for a client without a socket; `None` if there is nothing.
    pub(crate) fn outgoing(&mut self, id: ClientId) -> Option<Outgoing> {
        let client = self.clients.get(id)?;
        if let Sink::Socket(_) = client.sink {
            return None;
        }
        if client.queue.is_empty() && client.backlogs.is_empty() {
            // What was taken before is sent.
            self.ask_for_portion(id);
        } else {
            let mut frames = Vec::new();
            self.drain(id.index, |_, message| match message {
                Message::Own(Content::Frame(frame)) | Message::Broadcast(frame) => {
                    frames.push(frame.clone());
                }
                Message::Addressed(id, ending) => frames.push(v0_7::complete(id, ending)),
                // A control frame: only sessions with a socket have them.
                Message::Own(Content::Raw(..)) => {}
            });
            frames.extend(self.take_resets(id.index));
            frames.extend(self.clients[id.index].queue.release());
            let published = self.clients.published;
            let client = &mut self.clients[id.index];
            client.position = published;
            client.is_drained = true;
            // There is nothing to send about a subscription that has ended since.
            if !frames.is_empty() {
                return Some(Outgoing::Frames(frames));
            }
        }
        let client = &mut self.clients[id.index];
        let code = client.queue.close_code()?;
        Some(match client.farewell(code) {
            (Some(frame), _) => Outgoing::Frames(vec![frame]),
            (None, code) => Outgoing::Close(code),
        })
    }
}
