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
        granted::Granted,
        group_id::GroupIndex,
        key::KeyValue,
    },
    hub::{
        Answers, Grant, Refused,
        clients::send_queue::{Kind, What},
        writer::{
            socket::{SharedSocket, SocketState},
            write_batch::Turn,
        },
    },
    protocol::{code::ResetReason, dialect::parse, id::Id, request::Request},
};

const ALL: Granted = Granted::NONE.with(0);

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
        let common = Common {
            limits: Limits::default()
                .max_pending_messages(pending_messages)
                .max_pending_bytes(pending_bytes)
                .max_subscriptions(3),
            metrics: Arc::new(Metrics::new()),
            groups: Mutex::new(0),
            subscribed: watch::Sender::new(false),
        };
        Self {
            shard: Shard::new(Arc::new(common)),
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
        self.shard.with(|s| s.dispatching(&cursor, 0, 0));
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
        self.shard.with(|s| s.attach(peer, wire, false));
        (peer, client.unwrap())
    }

    fn grant(&self, value: i128, id: Option<&str>, dialect: Dialect, head: u64) -> Grant {
        Grant {
            group: group(value),
            model: Arc::from("a.B"),
            id: id.map(id_of),
            dialect,
            granted: ALL,
            asked: 0,
            after: Some(self.cursor(head)),
            span: Span::none(),
        }
    }

    fn take(&self, peer: ClientId, grant: Grant) -> Result<(), Refused> {
        self.shard
            .with(|s| s.subscribe(peer, grant, |_, _| Ok(Answers::default())))
    }

    fn subscribe(&self, peer: ClientId, value: i128) -> Result<(), Refused> {
        self.take(peer, self.grant(value, None, Dialect::Plain, 0))
    }

    fn subscribe_as(
        &self,
        peer: ClientId,
        value: i128,
        id: &str,
        dialect: Dialect,
    ) -> Result<(), Refused> {
        self.take(peer, self.grant(value, Some(id), dialect, 0))
    }

    /// Publishes an event that is a text to each of some groups; one with a `-` removes the row.
    fn publish(&self, texts: &[(i128, &str)]) {
        self.position.set(self.position.get() + 1);
        self.publish_at(self.position.get(), texts);
    }

    fn publish_at(&self, position: u64, texts: &[(i128, &str)]) {
        let groups: Vec<_> = texts.iter().map(|(value, _)| group(*value)).collect();
        let told = |frame: Frame| Told {
            removes: frame.as_str().starts_with('-'),
            frame,
        };
        let mut publications = Vec::new();
        for (group, (_, text)) in groups.into_iter().zip(texts) {
            let whole = Frame::broadcast(text, SystemTime::UNIX_EPOCH);
            let ending = Frame::ending((*text).to_owned(), SystemTime::UNIX_EPOCH);
            publications.push(Publication {
                group,
                told: Arc::new([told(whole), told(ending)]),
                to: To::All([Some(0), Some(0), Some(1)]),
            });
        }
        let cursor = self.cursor(position);
        self.shard.with(|s| {
            s.dispatching(&cursor, 0, 1);
            s.publish(
                HubEvent::Row(publications),
                &EventPosition::new(cursor.position, &cursor),
            );
        });
    }

    /// Publishes to those whom a permission lets see it.
    fn publish_to_each(&self, value: i128, text: &str, sees: impl Fn(Granted) -> bool) {
        self.position.set(self.position.get() + 1);
        let (group, cursor) = (group(value), self.cursor(self.position.get()));
        let audience = self.shard.with(|s| {
            s.dispatching(&cursor, 0, 1);
            s.audience(&group, false)
        });
        let Audience::Each(candidates) = audience else {
            return;
        };
        let seen = candidates.iter().filter(|c| sees(c.granted));
        let publication = Publication {
            group,
            told: Arc::new([Told {
                frame: Frame::broadcast(text, SystemTime::UNIX_EPOCH),
                removes: false,
            }]),
            to: To::Each(seen.map(|candidate| candidate.sees(0)).collect()),
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
            s.dispatching(&cursor, 0, 1);
            s.publish(
                HubEvent::Reset("a.B".into()),
                &EventPosition::new(cursor.position, &cursor),
            );
        });
    }

    fn answer(&self, peer: ClientId, text: &str) {
        self.shard.with(|s| s.answer(peer, Frame::answer(text)));
    }

    fn reset(&self, peer: ClientId, reason: ResetReason) {
        self.shard
            .with(|s| s.peers[peer.place].outbox.reset(reason));
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
            assert_eq!((s.peers.len(), s.groups.len(), s.by_key.len()), (0, 0, 0));
        });
        assert_eq!(*self.shard.common.groups.lock(), 0);
    }

    fn logged(&self, value: i128) -> usize {
        self.shard.with(|s| {
            s.by_key
                .get(&group(value))
                .map_or(0, |g| s.groups[*g].log.len())
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
