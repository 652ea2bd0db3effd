//! Tests of how subscriptions start, change and end.

use super::*;

#[test]
fn subscription_receives_what_follows_it() {
    let f = Fixture::new();
    let client = f.join();
    let subscribe =
        |head| f.subscribe_to(client, &f.new_subscription(1, None, Dialect::Plain, head));
    assert_eq!(subscribe(7), Ok(()));
    // The second request does not move the start: events since the first would be lost.
    assert_eq!(subscribe(9), Ok(()));
    for position in [6, 7, 8, 9] {
        f.publish_at(position, &[(1, &position.to_string()), (2, "elsewhere")]);
    }
    assert_eq!(f.texts(client), ["8", "9"]);
    // In another epoch positions are smaller.
    let restarted = Cursor {
        epoch: Epoch::random(),
        position: 3,
    };
    assert_eq!(
        f.shard
            .with(|s| s.reset(&restarted, 0, ResetReason::Lagged)),
        1
    );
    f.publish_at(4, &[(1, "4")]);
    assert_eq!(f.texts(client), ["4", "reset"]);
}

/// Without a subscription, the dispatcher may fall out of the log, and notices it only when it
/// reads on.
#[test]
fn subscription_after_a_loss_is_not_reset() {
    let f = Fixture::new();
    f.begin(1);
    let (early, late) = (f.join(), f.join());
    let subscribe =
        |client, head| f.subscribe_to(client, &f.new_subscription(1, None, Dialect::Plain, head));
    let reset = |position| {
        f.shard
            .with(|s| s.reset(&f.cursor(position), 0, ResetReason::Lagged))
    };
    assert_eq!(subscribe(early, 8), Ok(()));
    assert_eq!(reset(8), 0);
    assert_eq!(subscribe(late, 9), Ok(()));
    assert_eq!(reset(9), 1);
    f.publish_at(9, &[(1, "9")]);
    f.publish_at(10, &[(1, "10")]);
    assert_eq!(
        (f.texts(early), f.texts(late)),
        (
            vec!["10".to_owned(), "reset".to_owned()],
            vec!["10".to_owned()]
        )
    );
}

#[test]
fn shard_knows_whether_it_has_subscribers() {
    let f = Fixture::new();
    let has_subscribers = f.shard.context.is_log_awaited();
    let (one, other) = (f.join(), f.join());
    let mut seen = vec![*has_subscribers.borrow()];
    for step in 0..4 {
        match step {
            0 => f.subscribe(one, 1).expect("granted"),
            1 => f.subscribe(other, 2).expect("granted"),
            2 => drop(f.shard.with(|s| s.unsubscribe(one, &group(1)))),
            _ => f.shard.leave(other),
        }
        seen.push(*has_subscribers.borrow());
    }
    assert_eq!(seen, [false, true, true, true, false]);
}

/// An event is dispatched after the session has read the log's head, and before it subscribes. The
/// answer must not carry a cursor before the event. A second id of the same subscription carries
/// its position, which is past the head if the dispatcher is.
#[test]
fn subscription_starts_after_dispatched_events() {
    let f = Fixture::new();
    let client = f.join();
    let mut positions = Vec::new();
    for (id, head, dispatched) in [("1", 5, 7), ("2", 12, 9), ("3", 12, 14)] {
        f.begin(dispatched);
        let new = f.new_subscription(1, Some(id), Dialect::V1, head);
        let subscribed = f.shard.with(|s| s.subscribe(client, &new));
        assert_eq!(subscribed, Ok(()));
        let Some(Outgoing::Frames(answers)) = f.next(client) else {
            panic!("no answer");
        };
        let answer: serde_json::Value = serde_json::from_str(answers[0].as_str()).unwrap();
        let cursor: Cursor = answer["cursor"].as_str().unwrap().parse().unwrap();
        positions.push(cursor.position);
    }
    assert_eq!(positions, [7, 9, 14]);
}

/// A replay covers the batches up to one. If the dispatcher has begun a later batch, the session
/// must check the history again.
#[test]
fn resume_must_cover_the_batch_that_has_begun() {
    let f = Fixture::new();
    let client = f.join();
    let (since, reached) = (f.cursor(3), f.cursor(9));
    let resume = |batch_id| NewSubscription {
        start: StartPoint::Resumed {
            unit_end: None,
            since: since.clone(),
            replayed: vec![Frame::answer("missed")],
            batch_id,
        },
        ..f.new_subscription(1, Some("1"), Dialect::V1, 0)
    };
    f.shard.with(|s| s.begin_batch(&reached, 5, 0));
    let subscribe = |batch_id| f.shard.with(|s| s.subscribe(client, &resume(batch_id)));
    assert_eq!(subscribe(4), Err(SubscribeError::Advanced(5)));
    assert_eq!(f.next(client), None, "a refused subscription sends nothing");
    assert!(f.subscriptions(client).is_empty());
    assert_eq!(subscribe(5), Ok(()));
    let texts = f.texts(client);
    assert!(texts[0].contains(&since.to_string()), "{texts:?}");
    assert_eq!(texts[1..], ["missed"]);
}

#[test]
fn client_that_leaves_frees_everything() {
    let f = Fixture::new();
    let (one, other) = (f.join(), f.join());
    for client in [one, other] {
        f.subscribe(client, 1).expect("room");
    }
    f.subscribe(one, 2).expect("room");
    f.publish(&[(1, "a"), (2, "b")]);
    for value in [3, 1] {
        f.shard.with(|s| drop(s.unsubscribe(one, &group(value))));
    }
    f.publish(&[(1, "c")]);
    assert_eq!(f.texts(one), ["b"]);
    assert_eq!(f.texts(other), ["a", "c"]);
    f.publish(&[(1, "d"), (2, "e")]);
    f.shard.leave(one);
    f.shard.leave(other);
    f.assert_clean();
    assert_eq!(f.next(one), None);
}

#[test]
fn each_id_counts_as_a_subscription() {
    let f = Fixture::new();
    let plain = f.join();
    for value in [1, 1, 2, 3] {
        assert_eq!(f.subscribe(plain, value), Ok(()));
    }
    assert_eq!(f.subscribe(plain, 4), Err(SubscribeError::TooMany));
    f.shard.with(|s| drop(s.unsubscribe(plain, &group(1))));
    assert_eq!(f.subscribe(plain, 4), Ok(()));

    let v1 = f.join();
    for id in ["1", "2", "\"1\""] {
        assert_eq!(f.subscribe_as(v1, 1, id, Dialect::V1), Ok(()));
    }
    assert_eq!(
        f.subscribe_as(v1, 1, "4", Dialect::V1),
        Err(SubscribeError::TooMany)
    );
    assert_eq!(f.subscriptions(v1).len(), 1, "one delivery for each change");
    assert!(f.unsubscribe_id(v1, "2"));
    assert_eq!(
        f.subscribe_as(v1, 2, "1", Dialect::V1),
        Err(SubscribeError::IdInUse)
    );
    assert_eq!(f.subscribe_as(v1, 2, "2", Dialect::V1), Ok(()));
    f.publish(&[(1, "once"), (2, "once")]);
    assert_eq!(f.texts(v1), ["once", "once"]);
    assert!(f.unsubscribe_id(v1, "1") && f.unsubscribe_id(v1, "\"1\""));
    assert!(!f.unsubscribe_id(v1, "1"));
    f.publish(&[(1, "gone"), (2, "there")]);
    assert_eq!(f.texts(v1), ["there"]);
}

#[test]
fn id_of_0_7_can_name_several_groups() {
    let f = Fixture::new();
    let client = f.join();
    for value in [1, 2, 2] {
        assert_eq!(f.subscribe_as(client, value, "0", Dialect::V0_7), Ok(()));
    }
    assert_eq!(f.subscribe_as(client, 2, "1", Dialect::V0_7), Ok(()));
    assert!(f.unsubscribe_id(client, "0"));
    f.publish(&[(1, "gone}"), (2, "there}")]);
    assert_eq!(f.texts(client).len(), 1);
}

/// A second id of a group receives no earlier event. An id that has ended receives nothing.
#[test]
fn id_receives_events_while_it_exists() {
    let f = Fixture::with(8, 1024);
    let client = f.join();
    f.subscribe_as(client, 1, "1", Dialect::V0_7).expect("room");
    f.publish(&[(1, r#""n":1}"#)]);
    f.subscribe_as(client, 1, "2", Dialect::V0_7).expect("room");
    f.subscribe_as(client, 1, "3", Dialect::V0_7).expect("room");
    f.publish(&[(1, r#""n":2}"#)]);
    assert!(f.unsubscribe_id(client, "3"));
    let frame = |id, n| format!(r#"{{"type":"broadcast","id":{id},"n":{n}}}"#);
    assert_eq!(f.texts(client), [frame(1, 1), frame(1, 2), frame(2, 2)]);
}

#[test]
fn answer_from_before_reauthorization_is_outdated() {
    let f = Fixture::new();
    let (client, other) = (f.join(), f.join());
    f.reauthorize(other);
    assert_eq!(f.subscribe(client, 2), Ok(()), "it was the other client's");
    f.reauthorize(client);
    assert_eq!(f.subscribe(client, 1), Err(SubscribeError::Outdated));
}

#[test]
fn head_of_another_epoch_is_outdated() {
    let f = Fixture::new();
    let client = f.join();
    let restarted = Cursor {
        epoch: Epoch::random(),
        position: 0,
    };
    f.shard
        .with(|s| s.reset(&restarted, 0, ResetReason::Lagged));
    assert_eq!(f.subscribe(client, 1), Err(SubscribeError::Outdated));
}

#[test]
fn revocation_spares_a_newer_subscription() {
    let f = Fixture::new();
    let client = f.join();
    let revoke = |subscribed: &Subscribed, version| {
        let answer = Err(ErrorCode::Revoked);
        let applied = f
            .shard
            .with(|s| s.apply(client, subscribed.id, version, answer));
        applied.map(|ended| ended.is_some())
    };
    f.subscribe(client, 1).expect("room");
    let old = f.subscriptions(client).remove(0);
    f.shard.with(|s| drop(s.unsubscribe(client, &group(1))));
    f.subscribe(client, 1).expect("room");
    assert_eq!(revoke(&old, 0), Some(false));
    assert_eq!(f.next(client), None);
    let new = f.subscriptions(client).remove(0);
    assert_eq!(revoke(&new, 1), None, "outdated");
    f.publish(&[(1, "a")]);
    assert_eq!(revoke(&new, 0), Some(true));
    f.publish(&[(1, "b")]);
    assert_eq!(f.texts(client), ["revoked"]);
}

#[test]
fn regrant_drops_queued_frames_for_a_reset() {
    let f = Fixture::new();
    let client = f.join();
    for value in [1, 2] {
        f.subscribe(client, value).expect("room");
    }
    let subscribed = f.subscriptions(client).remove(0);
    let fewer = SerializerSet::NONE.with(1);
    let regrant = || {
        f.shard
            .with(|s| s.apply(client, subscribed.id, 0, Ok(fewer)))
    };
    f.publish_to_each(1, "a", |_| true);
    f.publish(&[(2, "b")]);
    assert!(regrant().is_some_and(|ended| ended.is_none()));
    f.publish_to_each(1, "late", |granted| granted == ALL);
    f.publish_to_each(1, "new", |granted| granted == fewer);
    assert_eq!(f.texts(client), ["b", "new", "reset"]);
    regrant();
    assert_eq!(f.next(client), None, "nothing has changed");
    // A question that is still open refers to the subscription by the same id.
    let mut subscriptions = f.subscriptions(client).into_iter();
    assert!(subscriptions.any(|s| s.id == subscribed.id));
}
