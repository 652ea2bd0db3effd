//! Subscriptions: how they begin, change and end.

use super::*;

#[test]
fn a_subscription_is_to_what_happens_after_it() {
    let f = Fixture::new();
    let peer = f.join();
    let subscribe = |head| f.take(peer, f.grant(1, None, Dialect::Plain, head));
    assert_eq!(subscribe(7), Ok(()));
    // Not begun anew: it would miss what came since.
    assert_eq!(subscribe(9), Ok(()));
    for position in [6, 7, 8, 9] {
        f.publish_at(position, &[(1, &position.to_string()), (2, "elsewhere")]);
    }
    assert_eq!(f.texts(peer), ["8", "9"]);
    // A log that begins anew has smaller positions.
    let anew = Cursor {
        epoch: Epoch::random(),
        position: 3,
    };
    assert_eq!(f.shard.with(|s| s.reset(&anew, 0, ResetReason::Lagged)), 1);
    f.publish_at(4, &[(1, "4")]);
    assert_eq!(f.texts(peer), ["4", "reset"]);
}

/// While nobody was subscribed the dispatcher may have fallen out of the log, and hears of it only now.
#[test]
fn who_subscribes_behind_what_was_lost_has_missed_nothing() {
    let f = Fixture::new();
    f.begin(1);
    let (early, late) = (f.join(), f.join());
    let subscribe = |peer, head| f.take(peer, f.grant(1, None, Dialect::Plain, head));
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
fn whether_anybody_is_subscribed_is_known() {
    let f = Fixture::new();
    let subscribed = f.shard.context.has_subscribers();
    let (one, other) = (f.join(), f.join());
    let mut seen = vec![*subscribed.borrow()];
    for step in 0..4 {
        match step {
            0 => f.subscribe(one, 1).expect("granted"),
            1 => f.subscribe(other, 2).expect("granted"),
            2 => drop(f.shard.with(|s| s.unsubscribe(one, &group(1)))),
            _ => f.shard.leave(other),
        }
        seen.push(*subscribed.borrow());
    }
    assert_eq!(seen, [false, true, true, true, false]);
}

/// Between reading the head and subscribing, an event was handed out. The client must not be told
/// that its subscription begins before it. A second name for what is there already says where that is: behind the
/// head of the log, if the dispatcher is.
#[test]
fn a_subscription_begins_behind_what_is_being_handed_out() {
    let f = Fixture::new();
    let peer = f.join();
    let mut positions = Vec::new();
    for (id, head, dispatched) in [("1", 5, 7), ("2", 12, 9), ("3", 12, 14)] {
        f.begin(dispatched);
        let new = f.grant(1, Some(id), Dialect::V1, head);
        let subscribed = f.shard.with(|s| s.subscribe(peer, &new));
        assert_eq!(subscribed, Ok(()));
        let Some(Outgoing::Frames(answers)) = f.next(peer) else {
            panic!("no answer");
        };
        let answer: serde_json::Value = serde_json::from_str(answers[0].as_str()).unwrap();
        let cursor: Cursor = answer["cursor"].as_str().unwrap().parse().unwrap();
        positions.push(cursor.position);
    }
    assert_eq!(positions, [7, 9, 14]);
}

#[test]
fn who_leaves_leaves_nothing_behind() {
    let f = Fixture::new();
    let (one, other) = (f.join(), f.join());
    for peer in [one, other] {
        f.subscribe(peer, 1).expect("room");
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
fn a_group_counts_once_without_ids_and_once_an_id_with_them() {
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
    assert_eq!(f.subscriptions(v1).len(), 1, "one delivery a change");
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
fn an_id_of_the_0_7_dialect_may_name_several_groups() {
    let f = Fixture::new();
    let peer = f.join();
    for value in [1, 2, 2] {
        assert_eq!(f.subscribe_as(peer, value, "0", Dialect::V0_7), Ok(()));
    }
    assert_eq!(f.subscribe_as(peer, 2, "1", Dialect::V0_7), Ok(()));
    assert!(f.unsubscribe_id(peer, "0"));
    f.publish(&[(1, "gone}"), (2, "there}")]);
    assert_eq!(f.texts(peer).len(), 1);
}

/// A second name for a group is not told what was there before it, and one that is taken back nothing at all.
#[test]
fn a_name_is_told_what_comes_while_it_holds() {
    let f = Fixture::with(8, 1024);
    let peer = f.join();
    f.subscribe_as(peer, 1, "1", Dialect::V0_7).expect("room");
    f.publish(&[(1, r#""n":1}"#)]);
    f.subscribe_as(peer, 1, "2", Dialect::V0_7).expect("room");
    f.subscribe_as(peer, 1, "3", Dialect::V0_7).expect("room");
    f.publish(&[(1, r#""n":2}"#)]);
    assert!(f.unsubscribe_id(peer, "3"));
    let told = |id, n| format!(r#"{{"type":"broadcast","id":{id},"n":{n}}}"#);
    assert_eq!(f.texts(peer), [told(1, 1), told(1, 2), told(2, 2)]);
}

#[test]
fn an_answer_from_before_a_reauthorization_does_not_hold() {
    let f = Fixture::new();
    let (peer, other) = (f.join(), f.join());
    f.reauthorize(other);
    assert_eq!(f.subscribe(peer, 2), Ok(()), "it was somebody else's");
    f.reauthorize(peer);
    assert_eq!(f.subscribe(peer, 1), Err(SubscribeError::Outdated));
}

#[test]
fn a_head_of_another_epoch_is_asked_for_anew() {
    let f = Fixture::new();
    let peer = f.join();
    let anew = Cursor {
        epoch: Epoch::random(),
        position: 0,
    };
    f.shard.with(|s| s.reset(&anew, 0, ResetReason::Lagged));
    assert_eq!(f.subscribe(peer, 1), Err(SubscribeError::Outdated));
}

#[test]
fn what_was_subscribed_anew_is_not_revoked_with_the_old() {
    let f = Fixture::new();
    let peer = f.join();
    let revoke = |of: &Subscribed, version| {
        let answer = Err(ErrorCode::Revoked);
        let applied = f.shard.with(|s| s.apply(peer, of.grant, version, answer));
        applied.map(|ended| ended.is_some())
    };
    f.subscribe(peer, 1).expect("room");
    let old = f.subscriptions(peer).remove(0);
    f.shard.with(|s| drop(s.unsubscribe(peer, &group(1))));
    f.subscribe(peer, 1).expect("room");
    assert_eq!(revoke(&old, 0), Some(false));
    assert_eq!(f.next(peer), None);
    let new = f.subscriptions(peer).remove(0);
    assert_eq!(revoke(&new, 1), None, "outdated");
    f.publish(&[(1, "a")]);
    assert_eq!(revoke(&new, 0), Some(true));
    f.publish(&[(1, "b")]);
    assert_eq!(f.texts(peer), ["revoked"]);
}

#[test]
fn what_was_decided_by_an_earlier_grant_is_covered_by_a_reset() {
    let f = Fixture::new();
    let peer = f.join();
    for value in [1, 2] {
        f.subscribe(peer, value).expect("room");
    }
    let of = f.subscriptions(peer).remove(0);
    let fewer = SerializerSet::NONE.with(1);
    let regrant = || f.shard.with(|s| s.apply(peer, of.grant, 0, Ok(fewer)));
    f.publish_to_each(1, "a", |_| true);
    f.publish(&[(2, "b")]);
    assert!(regrant().is_some_and(|ended| ended.is_none()));
    f.publish_to_each(1, "late", |granted| granted == ALL);
    f.publish_to_each(1, "new", |granted| granted == fewer);
    assert_eq!(f.texts(peer), ["b", "new", "reset"]);
    regrant();
    assert_eq!(f.next(peer), None, "nothing has changed");
    // Somebody was asked about it, and meanwhile it was granted otherwise.
    assert!(f.subscriptions(peer).iter().any(|s| s.grant == of.grant));
}
