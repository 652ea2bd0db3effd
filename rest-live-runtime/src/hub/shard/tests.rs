//! A shard without a hub: what it holds for whom, by hand.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as expected"
)]

mod model;
mod outboxes;
mod sockets;
mod subscriptions;

use std::time::{Instant, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tracing::Span;

use super::*;
use crate::{
    data::{
        cursor::{Epoch, EventPosition},
        group_id::GroupIndex,
        key::KeyValue,
        serializer_set::SerializerSet,
    },
    hub::{
        clients::{
            send_queue::Content,
            socket::{SharedSocket, SocketState},
        },
        groups::{
            audience::{Delivery, HubEvent, Publication},
            frame_log::BroadcastFrame,
        },
        new_subscription::{NewSubscription, StartPoint, SubscribeError},
        shard::{drain::Outgoing, subscriptions::Subscribed},
        writer::write_batch::WriteBatch,
    },
    limits::Limits,
    metrics::Metrics,
    protocol::{
        code::{ErrorCode, ResetReason},
        dialect::parse,
        frame::Frame,
        id::Id,
        request::Request,
    },
};

const ALL: SerializerSet = SerializerSet::NONE.with(0);

struct Fixture {
    shard: Shard,
    epoch: Epoch,
    position: std::cell::Cell<u64>,
}

impl Fixture {
    fn new() -> Self {
        Self::with(1024, 256 * 1024)
    }

    fn with(pending_messages: usize, pending_bytes: usize) -> Self {
        let limits = Limits::default()
            .max_pending_messages(pending_messages)
            .max_pending_bytes(pending_bytes)
            .max_subscriptions(3);
        let context = HubContext::new(limits, Arc::new(Metrics::new()));
        Self {
            shard: Shard::new(Arc::new(context)),
            epoch: Epoch::random(),
            position: 100.into(),
        }
    }

    fn cursor(&self, position: u64) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position,
        }
    }

    fn begin(&self, position: u64) {
        let cursor = self.cursor(position);
        self.shard.with(|s| s.begin_batch(&cursor, 0, 0));
    }

    fn join(&self) -> ClientId {
        self.shard.join(Identity::new(()), None)
    }

    /// Has a session written to a socket; returns the client's end.
    async fn join_on_a_socket(&self) -> (ClientId, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (server, _) = listener.accept().await.unwrap();
        let wire = Arc::new(SharedSocket::new(server, Some(4096)).unwrap());
        let peer = self.join();
        self.shard.with(|s| s.clients.attach(peer, wire, false));
        (peer, client.unwrap())
    }

    fn grant(&self, value: i128, id: Option<&str>, dialect: Dialect, head: u64) -> NewSubscription {
        NewSubscription {
            group: group(value),
            group_key: "key",
            model: Arc::from("a.B"),
            id: id.map(id_of),
            dialect,
            granted: ALL,
            rights_version: 0,
            start: StartPoint::Now(Some(self.cursor(head))),
            span: Span::none(),
        }
    }

    /// Subscribes, and removes the answer of v1 from the queue.
    fn take(&self, peer: ClientId, new: NewSubscription) -> Result<(), SubscribeError> {
        self.shard.with(|s| {
            let answers = |s: &State| {
                let queue = s.clients[peer.index].queue.iter();
                queue.filter(|q| q.kind == MessageKind::Answer).count()
            };
            let before = answers(s);
            s.subscribe(peer, &new)?;
            let last = answers(s);
            if last > before {
                let seen = std::cell::Cell::new(0);
                s.clients[peer.index].queue.retain(|kind| {
                    seen.set(seen.get() + usize::from(kind == MessageKind::Answer));
                    kind != MessageKind::Answer || seen.get() != last
                });
            }
            Ok(())
        })
    }

    fn reauthorize(&self, peer: ClientId) {
        self.shard.with(|s| {
            if let Some(client) = s.clients.get_mut(peer) {
                client.rights_version += 1;
            }
        });
    }

    fn subscribe(&self, peer: ClientId, value: i128) -> Result<(), SubscribeError> {
        self.take(peer, self.grant(value, None, Dialect::Plain, 0))
    }

    fn subscribe_as(
        &self,
        peer: ClientId,
        value: i128,
        id: &str,
        dialect: Dialect,
    ) -> Result<(), SubscribeError> {
        self.take(peer, self.grant(value, Some(id), dialect, 0))
    }

    /// Publishes an event that is a text to each of some groups; one with a `-` removes the row.
    fn publish(&self, texts: &[(i128, &str)]) {
        self.position.set(self.position.get() + 1);
        self.publish_at(self.position.get(), texts);
    }

    fn publish_at(&self, position: u64, texts: &[(i128, &str)]) {
        let groups: Vec<_> = texts.iter().map(|(value, _)| group(*value)).collect();
        let told = |frame: Frame| BroadcastFrame {
            removes: frame.as_str().starts_with('-'),
            frame,
        };
        let mut publications = Vec::new();
        for (group, (_, text)) in groups.into_iter().zip(texts) {
            let whole = Frame::broadcast(text, SystemTime::UNIX_EPOCH);
            let ending = Frame::suffix((*text).to_owned(), SystemTime::UNIX_EPOCH);
            publications.push(Publication {
                group,
                frames: Arc::new([told(whole), told(ending)]),
                delivery: Delivery::All([Some(0), Some(0), Some(1)]),
            });
        }
        let cursor = self.cursor(position);
        self.shard.with(|s| {
            s.begin_batch(&cursor, 0, 1);
            s.publish(
                HubEvent::Row(publications),
                &EventPosition::new(cursor.position, &cursor),
            );
        });
    }

    /// Publishes to those whom a permission lets see it.
    fn publish_to_each(&self, value: i128, text: &str, sees: impl Fn(SerializerSet) -> bool) {
        self.position.set(self.position.get() + 1);
        let (group, cursor) = (group(value), self.cursor(self.position.get()));
        let audience = self.shard.with(|s| {
            s.begin_batch(&cursor, 0, 1);
            s.audience(&group, false)
        });
        let Audience::Each(candidates) = audience else {
            return;
        };
        let seen = candidates.iter().filter(|c| sees(c.granted));
        let publication = Publication {
            group,
            frames: Arc::new([BroadcastFrame {
                frame: Frame::broadcast(text, SystemTime::UNIX_EPOCH),
                removes: false,
            }]),
            delivery: Delivery::Each(seen.map(|candidate| candidate.receives(0)).collect()),
        };
        self.shard.with(|s| {
            s.publish(
                HubEvent::Row(vec![publication]),
                &EventPosition::new(cursor.position, &cursor),
            );
        });
    }

    fn reset_model(&self) {
        self.position.set(self.position.get() + 1);
        let cursor = self.cursor(self.position.get());
        self.shard.with(|s| {
            s.begin_batch(&cursor, 0, 1);
            s.publish(
                HubEvent::Reset("a.B".into()),
                &EventPosition::new(cursor.position, &cursor),
            );
        });
    }

    fn answer(&self, peer: ClientId, text: &str) {
        self.shard
            .with(|s| s.clients.answer(peer, Frame::answer(text)));
    }

    fn reset(&self, peer: ClientId, reason: ResetReason) {
        self.shard
            .with(|s| s.clients[peer.index].queue.reset(reason));
    }

    fn next(&self, peer: ClientId) -> Option<Outgoing> {
        self.shard.with(|s| s.outgoing(peer))
    }

    /// Takes out what waits, a reset as its reason or the model.
    fn texts(&self, peer: ClientId) -> Vec<String> {
        match self.next(peer) {
            Some(Outgoing::Frames(frames)) => frames.iter().map(text).collect(),
            None => Vec::new(),
            Some(close) => panic!("{close:?}"),
        }
    }

    fn subscriptions(&self, peer: ClientId) -> Vec<Subscribed> {
        self.shard.with(|s| s.subscriptions_of(peer))
    }

    fn unsubscribe_id(&self, peer: ClientId, id: &str) -> bool {
        let ended = self
            .shard
            .with(|s| s.unsubscribe_id(peer, &id_of(id), None));
        !ended.is_empty()
    }

    /// Asserts that nothing is kept for nobody.
    fn assert_clean(&self) {
        self.shard.with(|s| {
            assert_eq!((s.clients.len(), s.groups.len()), (0, (0, 0)));
        });
        assert_eq!(self.shard.context.groups(), 0);
    }

    fn logged(&self, value: i128) -> usize {
        self.shard.with(|s| {
            let group = s.groups.find(&group(value));
            group.map_or(0, |group| s.groups[group].log.len())
        })
    }
}

fn text(frame: &Frame) -> String {
    let json: serde_json::Value = serde_json::from_str(frame.as_str()).unwrap_or_default();
    let shown = json["reason"].as_str().or(json["error"].as_str());
    shown.unwrap_or(frame.as_str()).to_owned()
}

fn group(value: i128) -> GroupId {
    GroupId {
        index: GroupIndex(0),
        value: KeyValue::Integer(value),
    }
}

fn id_of(json: &str) -> Id {
    let request = format!(r#"{{"type":"unsubscribe","id":{json}}}"#);
    let message = parse(&request, None, 64);
    assert_eq!(message.request, Ok(Request::Unsubscribe));
    message.id.expect("an id")
}
