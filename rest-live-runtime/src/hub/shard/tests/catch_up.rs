//! Clients that are behind: when a portion of what they missed is queued, and when it is not.

use super::*;
use crate::hub::shard::catch_up::{CatchUp, PortionError};

/// Adds a client of groups 1 and 2 in v1 that is behind.
fn behind(f: &Fixture) -> ClientId {
    let client = f.join();
    for (value, id) in [(1, "1"), (2, "2")] {
        f.subscribe_as(client, value, id, Dialect::V1)
            .expect("room");
    }
    for _ in 0..3 {
        f.publish(&[(1, "dropped")]);
    }
    assert!(f.is_behind(client));
    client
}

fn missed(f: &Fixture, client: ClientId) -> CatchUp {
    f.shard.with(|s| s.catch_up(client)).expect("it is behind")
}

fn portion(missed: &CatchUp, texts: &[&str], is_last: bool) -> Portion {
    let grant = missed.subscriptions[0].grant;
    let frames = texts.iter().map(|text| (Some(grant), Frame::answer(text)));
    Portion {
        version: missed.version,
        replay: missed.replay.clone(),
        frames: frames.collect(),
        resets: Vec::new(),
        is_last,
        ends: is_last,
    }
}

fn apply(f: &Fixture, client: ClientId, portion: &Portion) -> Result<bool, PortionError> {
    f.shard.with(|s| s.apply_portion(client, portion))
}

#[test]
fn portion_follows_what_is_queued() {
    let f = Fixture::with(2, 1024);
    let client = behind(&f);
    f.answer(client, "answer");
    assert_eq!(f.texts(client), ["answer"]);
    assert!(f.taken_catching_up().is_empty(), "it has just been taken");
    assert_eq!(f.next(client), None);
    assert_eq!(f.taken_catching_up(), [client]);
    assert_eq!(f.next(client), None);
    assert!(f.taken_catching_up().is_empty(), "once");
    let first = portion(&missed(&f, client), &["first"], false);
    assert_eq!(apply(&f, client, &first), Ok(false));
    assert_eq!(f.texts(client), ["first"]);
    assert_eq!(f.next(client), None);
    assert_eq!(f.taken_catching_up(), [client]);
    let last = portion(&missed(&f, client), &["last"], true);
    assert_eq!(apply(&f, client, &last), Ok(false));
    assert!(!f.is_behind(client));
    assert_eq!(f.texts(client), ["last"]);
}

/// It says that everything before it was sent.
#[test]
fn barrier_follows_what_was_dropped_before_it() {
    let f = Fixture::with(2, 1024);
    let client = f.join();
    f.subscribe_as(client, 1, "1", Dialect::V1).expect("room");
    f.publish(&[(1, "dropped")]);
    let barrier = Frame::answer("barrier");
    f.shard.with(|s| s.clients.after_catch_up(client, barrier));
    for _ in 0..3 {
        f.publish(&[(1, "dropped")]);
    }
    assert!(f.is_behind(client));
    assert_eq!(f.next(client), None);
    let last = portion(&missed(&f, client), &["last"], true);
    assert_eq!(apply(&f, client, &last), Ok(false));
    assert_eq!(f.texts(client), ["last", "barrier"]);
}

/// The user or the rows may have changed since the earlier lag.
#[test]
fn portion_of_an_earlier_lag_is_outdated() {
    let f = Fixture::with(2, 1024);
    let client = behind(&f);
    let earlier = portion(&missed(&f, client), &["secret"], true);
    let last = portion(&missed(&f, client), &["last"], true);
    assert_eq!(apply(&f, client, &last), Ok(false));
    assert_eq!(f.texts(client), ["last"]);
    for _ in 0..3 {
        f.publish(&[(1, "dropped")]);
    }
    assert!(f.is_behind(client));
    assert_eq!(apply(&f, client, &earlier), Err(PortionError::Outdated));
}

/// What the dispatcher has begun is in the replay. Later events are not.
#[test]
fn later_batch_is_not_covered() {
    let f = Fixture::with(2, 1024);
    let client = behind(&f);
    let mut last = portion(&missed(&f, client), &["last"], true);
    let cursor = f.cursor(200);
    f.shard.with(|s| s.begin_batch(&cursor, 7, 1));
    assert_eq!(apply(&f, client, &last), Err(PortionError::Advanced(7)));
    assert_eq!(f.next(client), None, "nothing is queued");
    last.replay.batch_id = 7;
    assert_eq!(apply(&f, client, &last), Ok(false));
    // The event of the batch was begun before the portion was queued.
    let position = EventPosition::new(150, &cursor);
    let publication = |text: &str| Publication {
        group: group(1),
        frames: Arc::new([BroadcastFrame {
            frame: Frame::broadcast(text, SystemTime::UNIX_EPOCH),
            removes: false,
            unit: None,
        }]),
        delivery: Delivery::All([None, Some(0), None]),
    };
    f.shard.with(|s| {
        s.publish(HubEvent::Row(vec![publication("covered")]), &position);
    });
    f.position.set(200);
    f.publish(&[(1, "after")]);
    assert_eq!(f.texts(client), ["last", "after"]);
}

#[test]
fn changed_subscriptions_outdate_a_portion() {
    let subscribe = |f: &Fixture, client| {
        f.subscribe_as(client, 3, "3", Dialect::V1).expect("room");
    };
    let unsubscribe = |f: &Fixture, client| assert!(f.unsubscribe_id(client, "1"));
    let revoke = |f: &Fixture, client| {
        let revoked = f.subscriptions(client)[0].id;
        let apply = |s: &mut State| s.apply(client, revoked, 0, Err(ErrorCode::Revoked));
        assert!(f.shard.with(apply).is_some());
    };
    type Change<'c> = &'c dyn Fn(&Fixture, ClientId);
    let changes: [Change<'_>; 3] = [&subscribe, &unsubscribe, &revoke];
    for change in changes {
        let f = Fixture::with(2, 1024);
        let client = behind(&f);
        let outdated = portion(&missed(&f, client), &["secret"], true);
        change(&f, client);
        assert_eq!(apply(&f, client, &outdated), Err(PortionError::Outdated));
        assert!(!f.texts(client).iter().any(|text| text == "secret"));
        assert!(f.is_behind(client));
    }
}

/// A portion that is queued is dropped with its subscription.
#[test]
fn queued_portion_is_dropped_with_its_subscription() {
    let f = Fixture::with(2, 1024);
    let client = behind(&f);
    let last = portion(&missed(&f, client), &["secret"], true);
    assert_eq!(apply(&f, client, &last), Ok(false));
    assert!(f.unsubscribe_id(client, "1"));
    assert_eq!(f.next(client), None);
}

/// The reset of other serializers covers what the client missed.
#[test]
fn regrant_ends_that_a_client_is_behind() {
    let f = Fixture::with(2, 1024);
    let client = behind(&f);
    let outdated = portion(&missed(&f, client), &["secret"], true);
    let granted = f.subscriptions(client)[0].id;
    let grant = Ok(SerializerSet::NONE.with(1));
    assert!(
        f.shard
            .with(|s| s.apply(client, granted, 0, grant))
            .is_some()
    );
    assert_eq!(f.texts(client), ["bulk", "bulk"]);
    assert_eq!(apply(&f, client, &outdated), Err(PortionError::Ended));
    f.publish(&[(2, "next")]);
    assert_eq!(f.texts(client), ["next"]);
}

/// A frame that waits for the catch-up comes after it, or after the reset.
#[test]
fn frame_waits_for_the_catch_up() {
    let hold = |f: &Fixture, client| {
        f.shard
            .with(|s| s.clients.after_catch_up(client, Frame::answer("held")));
    };
    let f = Fixture::with(2, 1024);
    let client = f.join();
    hold(&f, client);
    assert_eq!(f.texts(client), ["held"], "it is not behind");

    let client = behind(&f);
    hold(&f, client);
    assert_eq!(f.next(client), None);
    let first = portion(&missed(&f, client), &["first"], false);
    assert_eq!(apply(&f, client, &first), Ok(false));
    assert_eq!(f.texts(client), ["first"]);
    f.catch_up(client, "last");
    assert_eq!(f.texts(client), ["last", "held"]);

    let client = behind(&f);
    hold(&f, client);
    f.shard.with(|s| s.give_up_catch_up(client));
    assert_eq!(f.texts(client), ["lagged", "lagged", "held"]);
    f.shard.with(|s| {
        let queue = &s.clients[client.index].queue;
        assert_eq!((queue.frames(), queue.is_empty()), (0, true));
    });
}

#[test]
fn closed_client_takes_no_portion() {
    let f = Fixture::with(2, 1024);
    let client = behind(&f);
    let last = portion(&missed(&f, client), &["late"], true);
    f.shard
        .with(|s| s.close_session(client, CloseCode::GoingAway));
    assert_eq!(apply(&f, client, &last), Err(PortionError::Ended));
    assert!(
        matches!(f.next(client), Some(Outgoing::Frames(_))),
        "goodbye"
    );
    assert_eq!(f.next(client), Some(Outgoing::Close(CloseCode::Draining)));
    assert!(f.taken_catching_up().is_empty());
}
