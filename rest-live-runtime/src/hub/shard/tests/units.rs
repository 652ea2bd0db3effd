//! Tests of units: their frames are next to each other, and one message ends them.

use proptest::prelude::*;

use super::*;
use crate::hub::groups::broadcast_frame::Unit;

impl Fixture {
    /// Creates the unit that ends at a position.
    fn unit(&self, position: u64) -> Arc<Unit> {
        Unit::new(self.cursor(position))
    }

    fn publish_event(&self, event: HubEvent) {
        let position = self.position.get();
        let at = EventPosition::new(position, &self.cursor(position));
        self.shard.with(|s| s.publish(event, &at));
    }

    /// Publishes one event of a unit: a text for each group.
    fn publish_in(&self, unit: &Arc<Unit>, texts: &[(i128, &str)]) {
        self.position.set(self.position.get() + 1);
        let publications = texts.iter().map(|(value, text)| {
            let frame = |unit| BroadcastFrame {
                frame: Frame::broadcast(text, SystemTime::UNIX_EPOCH),
                removes: false,
                unit,
            };
            Publication {
                group: group(*value),
                frames: Arc::new([frame(None), frame(Some(Arc::clone(unit)))]),
                delivery: Delivery::All([Some(0), Some(1), None]),
            }
        });
        let event = HubEvent::Row(publications.collect());
        self.publish_event(event);
    }

    fn open(&self, unit: &Arc<Unit>) {
        self.publish_event(HubEvent::OpenUnit(Arc::clone(unit)));
    }

    fn end_unit(&self) {
        self.publish_event(HubEvent::EndUnit);
    }

    /// Adds a client of v1 that subscribes to groups.
    fn v1_client(&self, groups: &[i128]) -> ClientId {
        let client = self.join();
        for value in groups {
            self.subscribe_as(client, *value, &value.to_string(), Dialect::V1)
                .unwrap();
        }
        client
    }

    /// Begins a batch, as the dispatcher does before it publishes.
    fn begin_events(&self, count: usize) {
        let cursor = self.cursor(self.position.get() + count as u64);
        self.shard.with(|s| s.begin_batch(&cursor, 0, count));
    }
}

fn end(unit: &Unit) -> String {
    unit.end.as_str().to_owned()
}

/// The order in which a client without a socket takes them.
#[test]
fn one_message_ends_a_unit_on_each_connection() {
    let f = Fixture::new();
    let both = f.v1_client(&[1, 2]);
    let second = f.v1_client(&[2]);
    let other = f.v1_client(&[3]);
    let plain = f.join();
    f.subscribe(plain, 1).unwrap();
    f.begin_events(3);
    let unit = f.unit(102);
    f.publish_in(&unit, &[(1, "a")]);
    f.publish_in(&unit, &[(1, "b"), (2, "b'")]);
    f.publish(&[(1, "alone")]);
    assert_eq!(f.texts(both), ["a", "b", "b'", &end(&unit), "alone"]);
    assert_eq!(f.texts(second), ["b'", &end(&unit)]);
    assert_eq!(f.next(other), None);
    assert_eq!(f.texts(plain), ["a", "b", "alone"]);
}

#[test]
fn adjacent_units_end_one_by_one() {
    let f = Fixture::new();
    // One subscription, and two.
    let clients = [f.v1_client(&[1]), f.v1_client(&[1, 2])];
    f.begin_events(3);
    let (first, second) = (f.unit(102), f.unit(103));
    f.publish_in(&first, &[(1, "a")]);
    f.publish_in(&first, &[(1, "b")]);
    f.publish_in(&second, &[(1, "c")]);
    let expected = ["a", "b", &end(&first), "c", &end(&second)];
    for client in clients {
        f.answer(client, "answer");
        let texts = f.texts(client);
        assert_eq!(texts[..5], expected);
        assert_eq!(texts[5], "answer");
    }
}

/// A unit that is published in parts.
#[test]
fn unit_stays_open_until_its_last_part() {
    let f = Fixture::new();
    let (eager, lazy, early) = (f.v1_client(&[1]), f.v1_client(&[1, 2]), f.v1_client(&[2]));
    f.begin_events(3);
    let unit = f.unit(102);
    f.publish_in(&unit, &[(1, "a"), (2, "a'")]);
    f.open(&unit);
    assert_eq!(f.texts(eager), ["a"]);
    assert_eq!(f.texts(early), ["a'"]);
    f.answer(eager, "pong");
    assert_eq!(f.texts(eager), ["pong"]);
    f.publish_in(&unit, &[(1, "b")]);
    f.open(&unit);
    assert_eq!(f.texts(eager), ["b"]);
    f.end_unit();
    // It receives nothing more of the unit, and another message comes first.
    f.publish(&[(1, "c"), (2, "c'")]);
    assert_eq!(f.texts(early), [&end(&unit), "c'"]);
    assert_eq!(f.texts(eager), [&end(&unit), "c"]);
    assert_eq!(f.texts(lazy), ["a", "a'", "b", &end(&unit), "c", "c'"]);
}

/// The last part is in the log of a group when the message that ends the unit is queued.
#[test]
fn open_unit_ends_once() {
    let f = Fixture::new();
    let client = f.v1_client(&[1]);
    f.begin_events(2);
    let unit = f.unit(102);
    f.publish_in(&unit, &[(1, "a")]);
    f.open(&unit);
    assert_eq!(f.texts(client), ["a"]);
    f.publish_in(&unit, &[(1, "b")]);
    f.end_unit();
    assert_eq!(f.texts(client), ["b", &end(&unit)]);
    f.publish(&[(1, "c")]);
    assert_eq!(f.texts(client), ["c"]);
}

#[test]
fn replay_does_not_interrupt_an_open_unit() {
    let f = Fixture::new();
    let client = f.v1_client(&[1]);
    f.begin_events(1);
    let unit = f.unit(101);
    f.publish_in(&unit, &[(1, "a")]);
    f.open(&unit);
    let resumed = |replayed: Vec<Frame>| NewSubscription {
        start: StartPoint::Resumed {
            since: f.cursor(50),
            unit_end: Some(f.unit(101).end.clone()),
            replayed,
            batch_id: 0,
        },
        ..f.new_subscription(2, Some("2"), Dialect::V1, 0)
    };
    let replay = || resumed(vec![Frame::answer("old"), Frame::answer("old too")]);
    assert_eq!(
        f.subscribe_to(client, &replay()),
        Err(SubscribeError::UnitOpen)
    );
    // A client with no other subscription has no unit.
    let other = f.join();
    assert_eq!(f.subscribe_to(other, &replay()), Ok(()));
    f.end_unit();
    assert_eq!(f.subscribe_to(client, &replay()), Ok(()));
    let end = end(&unit);
    assert_eq!(f.texts(client), ["a", &end, "old", "old too", &end]);
}

/// The client may have received a part of what is dropped.
#[test]
fn ended_subscription_leaves_no_unit_open() {
    let f = Fixture::new();
    let (begun, unseen) = (f.v1_client(&[1, 2]), f.v1_client(&[1]));
    f.begin_events(2);
    let unit = f.unit(102);
    f.publish_in(&unit, &[(1, "a")]);
    f.open(&unit);
    assert_eq!(f.texts(begun), ["a"]);
    f.publish_in(&unit, &[(1, "b")]);
    for client in [begun, unseen] {
        assert!(f.unsubscribe_id(client, "1"));
    }
    f.end_unit();
    assert_eq!(f.texts(begun), [end(&unit)]);
    assert_eq!(f.next(unseen), None);
    f.shard.leave(begun);
    f.shard.leave(unseen);
    f.assert_clean();
}

/// Nothing of the replay was sent.
#[test]
fn ended_replay_leaves_no_end() {
    let f = Fixture::new();
    let client = f.v1_client(&[1]);
    let new = NewSubscription {
        start: StartPoint::Resumed {
            since: f.cursor(50),
            unit_end: Some(f.unit(100).end.clone()),
            replayed: vec![Frame::answer("old"), Frame::answer("older")],
            batch_id: 0,
        },
        ..f.new_subscription(2, Some("2"), Dialect::V1, 0)
    };
    f.begin_events(0);
    f.subscribe_to(client, &new).unwrap();
    assert!(f.unsubscribe_id(client, "2"));
    f.answer(client, "pong");
    assert_eq!(f.texts(client), ["pong"]);
    f.subscribe_to(client, &new).unwrap();
    assert_eq!(f.texts(client), ["old", "older", &end(&f.unit(100))]);
}

#[test]
fn reset_ends_what_a_slow_client_began() {
    let f = Fixture::with(3, 1 << 20);
    let client = f.v1_client(&[1]);
    f.begin_events(9);
    let unit = f.unit(109);
    f.publish_in(&unit, &[(1, "a")]);
    f.open(&unit);
    assert_eq!(f.texts(client), ["a"]);
    for _ in 0..8 {
        f.publish_in(&unit, &[(1, "lost")]);
    }
    f.end_unit();
    assert_eq!(f.texts(client), ["lagged"]);
    f.begin_events(1);
    f.publish(&[(1, "next")]);
    assert_eq!(f.texts(client), ["next"]);
}

/// A reset of one model keeps its order among the frames of the unit that contains it.
#[test]
fn unit_ends_after_a_reset_inside_it() {
    let f = Fixture::new();
    let client = f.v1_client(&[1]);
    f.begin_events(3);
    let unit = f.unit(103);
    f.publish_in(&unit, &[(1, "a")]);
    f.publish_event(HubEvent::Reset(ScopedModel::new(
        Arc::clone(&f.label),
        None,
    )));
    f.publish_in(&unit, &[(1, "b")]);
    assert_eq!(f.texts(client), ["a", "bulk", "b", &end(&unit)]);
}

#[tokio::test]
async fn blocked_socket_receives_the_end_in_order() {
    let f = Fixture::with(1024, 64 << 20);
    let (client, mut stream) = f.join_with_socket().await;
    f.subscribe_as(client, 1, "1", Dialect::V1).unwrap();
    let large = "x".repeat(1 << 20);
    f.begin_events(4);
    let unit = f.unit(103);
    f.publish_in(&unit, &[(1, &large)]);
    f.publish_in(&unit, &[(1, "a")]);
    f.open(&unit);
    f.shard.write_batch(&mut WriteBatch::default());
    f.publish_in(&unit, &[(1, "b")]);
    f.end_unit();
    f.publish(&[(1, "c")]);
    let received = sockets::read_all(&f, client, &mut stream).await;
    let end = end(&unit);
    let texts = [&large, "a", "b", &end, "c"].map(|text| Frame::answer(text).bytes().to_vec());
    assert!(received == texts.concat());
}

/// The socket accepts a part of a unit, or nothing of it; then its subscription ends.
#[tokio::test]
async fn dropped_frames_of_a_blocked_socket() {
    for is_begun in [false, true] {
        let f = Fixture::with(1024, 64 << 20);
        let (client, mut stream) = f.join_with_socket().await;
        f.subscribe_as(client, 1, "1", Dialect::V1).unwrap();
        f.subscribe_as(client, 2, "2", Dialect::V1).unwrap();
        let large = "x".repeat(1 << 20);
        f.begin_events(3);
        let unit = f.unit(103);
        if is_begun {
            f.publish_in(&unit, &[(2, &large)]);
        } else {
            f.answer(client, &large);
        }
        f.publish_in(&unit, &[(1, "a")]);
        f.publish_in(&unit, &[(1, "b")]);
        f.shard.write_batch(&mut WriteBatch::default());
        assert!(f.unsubscribe_id(client, "1"));
        let received = sockets::read_all(&f, client, &mut stream).await;
        let mut expected = Frame::answer(&large).bytes().to_vec();
        if is_begun {
            expected.extend(unit.end.bytes());
        }
        assert!(received == expected, "begun: {is_begun}");
    }
}

const CLIENTS: usize = 3;
const GROUPS: i128 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Publishes a unit: the groups of each event, and whether more follows in a later publish.
    Unit(Vec<(i128, bool)>),
    Single(i128),
    Drain(usize),
    Subscribe(usize, i128),
    Unsubscribe(usize, i128),
    Regrant(usize, i128, usize),
    Answer(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (client, group) = (0..CLIENTS, 0..GROUPS);
    let events = prop::collection::vec((group.clone(), any::<bool>()), 2..5);
    prop_oneof![
        4 => events.prop_map(Step::Unit),
        2 => group.clone().prop_map(Step::Single),
        4 => client.clone().prop_map(Step::Drain),
        3 => (client.clone(), group.clone()).prop_map(|(c, g)| Step::Subscribe(c, g)),
        1 => (client.clone(), group.clone()).prop_map(|(c, g)| Step::Unsubscribe(c, g)),
        1 => (client.clone(), group, 0..2_usize).prop_map(|(c, g, n)| Step::Regrant(c, g, n)),
        1 => client.prop_map(Step::Answer),
    ]
}

/// What a client of v1 knows about the unit that it receives.
#[derive(Default)]
struct Receiver {
    open: Option<String>,
}

impl Receiver {
    /// Receives a text: `unit:text` in a unit, `text` alone.
    fn receive(&mut self, text: &str) {
        if text.contains(r#""type":"unit""#) {
            let open = self.open.take();
            // What was begun may have been dropped with its subscription.
            assert!(open.is_none_or(|open| text.contains(&format!(r#".{open}""#))));
        } else if text == "lagged" || text == "bulk" {
            self.open = None;
        } else if let Some((unit, _)) = text.split_once(':') {
            let open = self.open.get_or_insert_with(|| unit.to_owned());
            assert_eq!(open, unit, "two units are mixed");
        } else if text != "answer" {
            assert_eq!(self.open, None, "{text} is in a unit");
        }
    }
}

struct Run {
    f: Fixture,
    clients: [ClientId; CLIENTS],
    receivers: [Receiver; CLIENTS],
}

impl Run {
    fn drain(&mut self, client: usize) {
        // A client that lagged too often is closed.
        if let Some(Outgoing::Frames(frames)) = self.f.next(self.clients[client]) {
            for frame in &frames {
                self.receivers[client].receive(&text(frame));
            }
        }
    }

    /// Publishes a unit. Between its parts, other steps are performed.
    fn publish(&mut self, events: &[(i128, bool)], between: &mut impl Iterator<Item = Step>) {
        self.f.begin_events(events.len());
        let number = self.f.position.get() + events.len() as u64;
        let unit = self.f.unit(number);
        let mut is_open = false;
        for (index, (group, pauses)) in events.iter().enumerate() {
            let text = format!("{number}:{group}");
            self.f.publish_in(&unit, &[(*group, &text)]);
            if *pauses && index + 1 < events.len() {
                self.f.open(&unit);
                is_open = true;
                for step in between.by_ref().take(2) {
                    self.perform(&step, &mut std::iter::empty());
                }
            }
        }
        if is_open {
            self.f.end_unit();
        }
    }

    fn perform(&mut self, step: &Step, between: &mut impl Iterator<Item = Step>) {
        match step {
            Step::Unit(events) => self.publish(events, between),
            Step::Single(group) => {
                self.f.begin_events(1);
                self.f.publish(&[(*group, "single")]);
            }
            Step::Drain(client) => self.drain(*client),
            Step::Subscribe(client, group) => {
                let id = group.to_string();
                let client = self.clients[*client];
                _ = self.f.subscribe_as(client, *group, &id, Dialect::V1);
            }
            Step::Unsubscribe(client, group) => {
                let client = self.clients[*client];
                self.f.unsubscribe_id(client, &group.to_string());
            }
            Step::Regrant(client, group, grant) => {
                let client = self.clients[*client];
                let subscriptions = self.f.subscriptions(client);
                let id = super::group(*group);
                if let Some(subscribed) = subscriptions.iter().find(|s| *s.group == id) {
                    let granted = Ok(SerializerSet::NONE.with(*grant));
                    self.f
                        .shard
                        .with(|s| drop(s.apply(client, subscribed.id, 0, granted)));
                }
            }
            Step::Answer(client) => self.f.answer(self.clients[*client], "answer"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever happens to subscriptions and queues, no other broadcast comes between the frames of
    /// a unit, and each unit ends.
    #[test]
    fn units_are_contiguous_and_end(
        steps in prop::collection::vec(step(), 1..60),
        pending in prop_oneof![Just(1024), 2..8_usize],
    ) {
        let f = Fixture::with(pending, 1 << 20);
        let clients = std::array::from_fn(|client| f.v1_client(&[client as i128]));
        let mut run = Run { f, clients, receivers: Default::default() };
        let mut steps = steps.into_iter();
        while let Some(step) = steps.next() {
            // A step between the parts of a unit cannot be another unit.
            let mut between = steps
                .clone()
                .filter(|step| !matches!(step, Step::Unit(_) | Step::Single(_)));
            run.perform(&step, &mut between);
        }
        for client in 0..CLIENTS {
            run.drain(client);
            let index = clients[client].index;
            let is_closed = run.f.shard.with(|s| s.clients[index].queue.close_code().is_some());
            prop_assert!(is_closed || run.receivers[client].open.is_none());
        }
    }
}
