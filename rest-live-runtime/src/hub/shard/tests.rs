//! Tests of one shard, without a hub and without a dispatcher: the fixture does what they do.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails where something is not as expected"
)]

mod catch_up;
mod credentials;
mod model;
mod queues;
mod sockets;
mod subscriptions;
mod units;

use std::time::{Instant, SystemTime};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tracing::Span;

use super::*;
use super::{catch_up::Portion, drain::Outgoing, subscriptions::Subscribed};
use crate::{
    data::{
        cursor::{Epoch, EventPosition},
        group_id::GroupIndex,
        key::KeyValue,
        scoped_model::ScopedModel,
        serializer_set::SerializerSet,
    },
    hub::{
        clients::{
            send_queue::Content,
            socket::{SharedSocket, SocketState},
        },
        groups::{
            audience::{Delivery, HubEvent, Publication},
            broadcast_frame::BroadcastFrame,
        },
        new_subscription::{NewSubscription, StartPoint, SubscribeError},
        writer::write_batch::WriteBatch,
    },
    limits::Limits,
    metrics::Metrics,
    protocol::{
        code::{ErrorCode, ResetReason},
        frame::Frame,
        id::Id,
        parse::parse,
        request::Request,
    },
};

/// Grants the only serializer.
const ALL: SerializerSet = SerializerSet::NONE.with(0);

struct Fixture {
    shard: Shard,
    epoch: Epoch,
    /// The model's label: like a registry's, it has one address, by which resets are compared.
    label: Arc<str>,
    /// Position of the last event.
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
        let (_, published) = watch::channel(None);
        let context = HubContext::new(limits, Arc::new(Metrics::new()), published);
        Self {
            shard: Shard::new(Arc::new(context)),
            epoch: Epoch::random(),
            label: Arc::from("a.B"),
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

    /// Adds a client that has a socket. Also returns the client's end of the connection.
    async fn join_with_socket(&self) -> (ClientId, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (server, _) = listener.accept().await.unwrap();
        let socket = Arc::new(SharedSocket::new(server, Some(4096)).unwrap());
        let client = self.join();
        self.shard.with(|s| s.clients.attach(client, socket, false));
        (client, stream.unwrap())
    }

    fn new_subscription(
        &self,
        value: i128,
        id: Option<&str>,
        dialect: Dialect,
        head: u64,
    ) -> NewSubscription {
        NewSubscription {
            group: group(value),
            group_names: ["key"].into(),
            model: Arc::clone(&self.label),
            id: id.map(id_of),
            dialect,
            granted: ALL,
            rights_version: 0,
            start: StartPoint::Now(Some(self.cursor(head))),
            span: Span::none(),
        }
    }

    /// Subscribes, and removes the answer from the queue, if the dialect has one.
    fn subscribe_to(&self, client: ClientId, new: &NewSubscription) -> Result<(), SubscribeError> {
        self.shard.with(|s| {
            let answers = |s: &State| {
                let queue = s.clients[client.index].queue.iter();
                queue.filter(|q| q.kind == MessageKind::Answer).count()
            };
            let before = answers(s);
            s.subscribe(client, new)?;
            let last = answers(s);
            if last > before {
                let seen = std::cell::Cell::new(0);
                s.clients[client.index].queue.retain(|kind| {
                    seen.set(seen.get() + usize::from(kind == MessageKind::Answer));
                    kind != MessageKind::Answer || seen.get() != last
                });
            }
            Ok(())
        })
    }

    fn reauthorize(&self, client: ClientId) {
        self.shard.with(|s| {
            if let Some(client) = s.clients.get_mut(client) {
                client.rights_version += 1;
            }
        });
    }

    fn subscribe(&self, client: ClientId, value: i128) -> Result<(), SubscribeError> {
        self.subscribe_to(
            client,
            &self.new_subscription(value, None, Dialect::Plain, 0),
        )
    }

    fn subscribe_as(
        &self,
        client: ClientId,
        value: i128,
        id: &str,
        dialect: Dialect,
    ) -> Result<(), SubscribeError> {
        self.subscribe_to(client, &self.new_subscription(value, Some(id), dialect, 0))
    }

    /// Publishes one event: a text for each group. A text that begins with `-` removes the row.
    fn publish(&self, texts: &[(i128, &str)]) {
        self.position.set(self.position.get() + 1);
        self.publish_at(self.position.get(), texts);
    }

    fn publish_at(&self, position: u64, texts: &[(i128, &str)]) {
        let groups: Vec<_> = texts.iter().map(|(value, _)| group(*value)).collect();
        let broadcast = |frame: Frame| BroadcastFrame {
            removes: frame.as_str().starts_with('-'),
            frame,
            unit: None,
        };
        let mut publications = Vec::new();
        for (group, (_, text)) in groups.into_iter().zip(texts) {
            let whole = Frame::broadcast(text, SystemTime::UNIX_EPOCH);
            let ending = Frame::suffix((*text).to_owned(), SystemTime::UNIX_EPOCH);
            publications.push(Publication {
                group,
                frames: Arc::new([broadcast(whole), broadcast(ending)]),
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

    /// Publishes an event to the subscribers of a group whose grant passes `sees`.
    fn publish_to_each(&self, value: i128, text: &str, sees: impl Fn(SerializerSet) -> bool) {
        self.position.set(self.position.get() + 1);
        let (group, cursor) = (group(value), self.cursor(self.position.get()));
        let audience = self.shard.with(|s| {
            s.begin_batch(&cursor, 0, 1);
            s.audience(&group, false)
        });
        let Audience::Each(viewers) = audience else {
            return;
        };
        let seeing = viewers.iter().filter(|viewer| sees(viewer.granted));
        let publication = Publication {
            group,
            frames: Arc::new([BroadcastFrame {
                frame: Frame::broadcast(text, SystemTime::UNIX_EPOCH),
                removes: false,
                unit: None,
            }]),
            delivery: Delivery::Each(seeing.map(|viewer| viewer.receives(0)).collect()),
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
                HubEvent::Reset(ScopedModel::new(Arc::clone(&self.label), None)),
                &EventPosition::new(cursor.position, &cursor),
            );
        });
    }

    fn answer(&self, client: ClientId, text: &str) {
        self.shard
            .with(|s| s.clients.answer(client, Frame::answer(text)));
    }

    fn reset(&self, client: ClientId, reason: ResetReason) {
        self.shard
            .with(|s| s.clients[client.index].queue.reset(reason));
    }

    fn is_behind(&self, client: ClientId) -> bool {
        self.shard
            .with(|s| s.clients[client.index].queue.is_behind())
    }

    /// Takes the clients that can take the next portion of what they missed.
    fn taken_catching_up(&self) -> Vec<ClientId> {
        self.shard.with(State::take_catching_up)
    }

    /// Sends a text as everything that a client missed.
    fn catch_up(&self, client: ClientId, text: &str) {
        let missed = self.shard.with(|s| s.catch_up(client));
        let missed = missed.expect("the client is behind");
        let portion = Portion {
            version: missed.version,
            replay: missed.replay,
            frames: vec![(Some(missed.subscriptions[0].grant), Frame::answer(text))],
            resets: Vec::new(),
            is_last: true,
            ends: true,
        };
        let applied = self.shard.with(|s| s.apply_portion(client, &portion));
        assert_eq!(applied, Ok(false));
    }

    fn next(&self, client: ClientId) -> Option<Outgoing> {
        self.shard.with(|s| s.outgoing(client))
    }

    /// Takes the queued frames, as texts: an error or a reset as its reason or code.
    fn texts(&self, client: ClientId) -> Vec<String> {
        match self.next(client) {
            Some(Outgoing::Frames(frames)) => frames.iter().map(text).collect(),
            None => Vec::new(),
            Some(close) => panic!("{close:?}"),
        }
    }

    fn subscriptions(&self, client: ClientId) -> Vec<Subscribed> {
        self.shard.with(|s| s.subscriptions_of(client))
    }

    fn unsubscribe_id(&self, client: ClientId, id: &str) -> bool {
        let ended = self
            .shard
            .with(|s| s.unsubscribe_id(client, &id_of(id), None));
        !ended.is_empty()
    }

    /// Asserts that nothing is left after all clients have left.
    fn assert_clean(&self) {
        self.shard.with(|s| {
            assert_eq!((s.clients.len(), s.groups.len()), (0, (0, 0)));
        });
        assert_eq!(self.shard.context.groups(), 0);
    }

    /// Returns the number of changes in the log of a group.
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
        scope: None,
        value: KeyValue::Integer(value),
    }
}

fn id_of(json: &str) -> Id {
    let request = format!(r#"{{"type":"unsubscribe","id":{json}}}"#);
    let message = parse(&request, None, 64);
    assert_eq!(message.request, Ok(Request::Unsubscribe));
    message.id.expect("an id")
}
