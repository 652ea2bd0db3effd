//! What is queued for a client, in which order, and what happens when it is too much.

use super::*;

/// Adds a client that is subscribed to group 1.
fn subscribed(f: &Fixture) -> ClientId {
    let client = f.join();
    f.subscribe(client, 1).expect("room");
    client
}

/// Publishes one event of group 1 for each text.
fn publish(f: &Fixture, texts: &[&str]) {
    texts.iter().for_each(|text| f.publish(&[(1, text)]));
}

#[test]
fn frames_are_sent_before_the_reset_and_the_close() {
    let f = Fixture::with(8, 1024);
    let client = subscribed(&f);
    publish(&f, &["a"]);
    f.reset(client, ResetReason::Epoch);
    publish(&f, &["b"]);
    for code in [CloseCode::GoingAway, CloseCode::TooSlow] {
        f.shard.with(|s| s.close_session(client, code));
    }
    publish(&f, &["too late"]);
    assert_eq!(f.texts(client), ["a", "b", "reset"]);
    assert_eq!(f.next(client), Some(Outgoing::Close(CloseCode::GoingAway)));
}

#[test]
fn full_queue_is_dropped_until_the_replay() {
    let f = Fixture::with(2, 1024);
    let client = subscribed(&f);
    publish(&f, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    assert_eq!(f.logged(1), 0, "nothing is kept for it");
    assert!(f.is_behind(client));
    f.catch_up(client, "replay");
    publish(&f, &["k"]);
    assert_eq!(f.texts(client), ["replay", "k"]);
}

/// A reset that is due covers what is dropped.
#[test]
fn full_queue_before_a_reset_needs_no_replay() {
    let f = Fixture::with(2, 1024);
    let client = subscribed(&f);
    f.reset(client, ResetReason::Epoch);
    publish(&f, &["a", "b", "c"]);
    assert!(!f.is_behind(client));
    assert_eq!(f.texts(client), ["reset"]);
    publish(&f, &["d"]);
    assert_eq!(f.texts(client), ["d"]);
}

#[test]
fn lag_drops_the_broadcasts_of_all_groups() {
    let f = Fixture::with(2, 1024);
    let client = subscribed(&f);
    f.subscribe(client, 2).expect("room");
    f.answer(client, "1");
    f.publish(&[(1, "a"), (2, "b")]);
    f.publish(&[(2, "c")]);
    f.answer(client, "2");
    publish(&f, &["d"]);
    assert_eq!((f.logged(1), f.logged(2)), (0, 0));
    assert_eq!(f.texts(client), ["1", "2"], "answers are kept");
}

#[test]
fn too_many_unread_answers_close_the_session() {
    let f = Fixture::with(2, 1024);
    let client = f.join();
    for answer in ["1", "2", "3"] {
        f.answer(client, answer);
    }
    assert_eq!(f.texts(client), ["1", "2"]);
    assert_eq!(f.next(client), Some(Outgoing::Close(CloseCode::TooSlow)));

    let f = Fixture::with(100, 20);
    let client = f.join();
    f.answer(client, "a single answer may be longer than the limit");
    f.answer(client, "one more");
    assert_eq!(f.texts(client).len(), 1);
    assert_eq!(f.next(client), Some(Outgoing::Close(CloseCode::TooSlow)));
}

/// A lag counts if the history cannot be replayed, so that it ends with a reset.
#[test]
fn third_reset_within_a_minute_closes_the_session() {
    let f = Fixture::with(1, 1024);
    let client = subscribed(&f);
    for _ in 0..5 {
        publish(&f, &["a", "b"]);
        f.catch_up(client, "replay");
        assert_eq!(f.texts(client), ["replay"]);
    }
    for _ in 0..2 {
        publish(&f, &["a", "b"]);
        f.shard.with(|s| s.give_up_catch_up(client));
        assert_eq!(f.texts(client), ["reset"]);
    }
    publish(&f, &["a", "b"]);
    f.shard.with(|s| s.give_up_catch_up(client));
    assert_eq!(f.next(client), Some(Outgoing::Close(CloseCode::TooSlow)));
}

#[test]
fn bytes_are_limited_except_for_a_single_frame() {
    let f = Fixture::with(8, 8);
    let client = subscribed(&f);
    publish(&f, &["larger than eight"]);
    assert_eq!(f.texts(client), ["larger than eight"]);
    publish(&f, &["abc", "def"]);
    assert!(f.is_behind(client));
}

/// A permission decides: frames that a client may not see do not fill its queue.
#[test]
fn invisible_frames_do_not_count() {
    let f = Fixture::with(2, 1024);
    let (sees_all, sees_some) = (subscribed(&f), f.join());
    let mut new = f.new_subscription(1, None, Dialect::Plain, 0);
    new.granted = SerializerSet::NONE.with(1);
    f.subscribe_to(sees_some, &new).expect("room");
    for _ in 0..5 {
        f.publish_to_each(1, "secret", |granted| granted == ALL);
    }
    f.publish_to_each(1, "open", |_| true);
    assert_eq!(f.texts(sees_some), ["open"]);
    assert!(f.is_behind(sees_all));
}

/// The frame by which a row leaves a group comes first, whichever group is published first.
#[test]
fn groups_are_sent_in_the_order_of_events() {
    let f = Fixture::new();
    let client = subscribed(&f);
    f.subscribe(client, 2).expect("room");
    f.publish(&[(2, "1 appears"), (1, "-1 leaves")]);
    f.answer(client, "answer");
    f.publish(&[(1, "2 appears"), (2, "-2 leaves")]);
    f.publish(&[(2, "3")]);
    assert_eq!(
        f.texts(client),
        [
            "-1 leaves",
            "1 appears",
            "answer",
            "-2 leaves",
            "2 appears",
            "3"
        ]
    );
}

#[test]
fn log_keeps_what_a_subscriber_has_yet_to_receive() {
    let f = Fixture::new();
    let (slow, fast) = (subscribed(&f), subscribed(&f));
    publish(&f, &["a", "b"]);
    assert_eq!(f.texts(fast), ["a", "b"]);
    assert_eq!(f.logged(1), 2);
    let late = subscribed(&f);
    publish(&f, &["c"]);
    assert_eq!(
        (f.texts(late), f.texts(slow)),
        (
            vec!["c".to_owned()],
            ["a", "b", "c"].map(str::to_owned).to_vec()
        )
    );
    assert_eq!(f.logged(1), 1);
    f.shard.leave(fast);
    assert_eq!(f.logged(1), 0);
}

/// A closed client still receives what was queued before the close, and nothing later.
#[test]
fn closed_client_does_not_hold_the_log() {
    for closed_is_first in [true, false] {
        let f = Fixture::new();
        let (closed, other) = (subscribed(&f), subscribed(&f));
        publish(&f, &["a"]);
        f.shard
            .with(|s| s.close_session(closed, CloseCode::TooMany));
        let late = subscribed(&f);
        publish(&f, &["b"]);
        let assert_closed = || {
            assert_eq!(f.texts(closed), ["a"]);
            assert_eq!(f.next(closed), Some(Outgoing::Close(CloseCode::TooMany)));
        };
        if closed_is_first {
            assert_closed();
        }
        assert_eq!(f.texts(other), ["a", "b"]);
        assert_eq!(f.texts(late), ["b"]);
        assert_eq!(f.logged(1), 0, "no subscriber has yet to receive it");
        if !closed_is_first {
            assert_closed();
        }
    }
}

#[test]
fn only_0_7_receives_one_frame_for_each_id() {
    let f = Fixture::with(3, 1 << 20);
    let (v1, v0_7) = (f.join(), f.join());
    for id in ["1", "2", "3"] {
        f.subscribe_as(v1, 1, id, Dialect::V1).expect("room");
        f.subscribe_as(v0_7, 1, id, Dialect::V0_7).expect("room");
    }
    publish(&f, &["a"]);
    assert_eq!((f.texts(v1).len(), f.texts(v0_7).len()), (1, 3));
    publish(&f, &["a", "b", "c"]);
    assert_eq!(f.texts(v1), ["a", "b", "c"]);
    assert!(f.is_behind(v0_7));
}

/// A reset that directly follows another is not queued: the client fetches after the first anyway.
#[test]
fn model_resets_keep_their_order() {
    let f = Fixture::new();
    let client = subscribed(&f);
    f.reset_model();
    f.reset_model();
    publish(&f, &["a"]);
    f.reset_model();
    f.answer(client, "answer");
    f.reset_model();
    assert_eq!(f.texts(client), ["reset", "a", "reset", "answer", "reset"]);
}
