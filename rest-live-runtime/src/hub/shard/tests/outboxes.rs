//! Content waits for a client, and when it is too much.

use super::*;

fn subscribed(f: &Fixture) -> ClientId {
    let peer = f.join();
    f.subscribe(peer, 1).expect("room");
    peer
}

fn publish(f: &Fixture, texts: &[&str]) {
    texts.iter().for_each(|text| f.publish(&[(1, text)]));
}

#[test]
fn frames_leave_in_order_then_the_reset_then_the_close() {
    let f = Fixture::with(8, 1024);
    let peer = subscribed(&f);
    publish(&f, &["a"]);
    f.reset(peer, ResetReason::Epoch);
    publish(&f, &["b"]);
    for code in [CloseCode::GoingAway, CloseCode::TooSlow] {
        f.shard.with(|s| s.close_session(peer, code));
    }
    publish(&f, &["too late"]);
    assert_eq!(f.texts(peer), ["a", "b", "reset"]);
    assert_eq!(f.next(peer), Some(Outgoing::Close(CloseCode::GoingAway)));
}

#[test]
fn a_full_outbox_becomes_one_reset_however_much_comes() {
    let f = Fixture::with(2, 1024);
    let peer = subscribed(&f);
    publish(&f, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    assert_eq!(f.logged(1), 0, "nothing is kept for it");
    assert_eq!(f.texts(peer), ["reset"]);
    publish(&f, &["k"]);
    assert_eq!(f.texts(peer), ["k"]);
}

#[test]
fn a_lag_drops_no_answer_and_is_of_all_groups() {
    let f = Fixture::with(2, 1024);
    let peer = subscribed(&f);
    f.subscribe(peer, 2).expect("room");
    f.answer(peer, "1");
    f.publish(&[(1, "a"), (2, "b")]);
    f.publish(&[(2, "c")]);
    f.answer(peer, "2");
    publish(&f, &["d"]);
    assert_eq!((f.logged(1), f.logged(2)), (0, 0));
    assert_eq!(f.texts(peer), ["1", "2", "reset"]);
}

#[test]
fn who_asks_and_asks_and_reads_nothing_is_closed() {
    let f = Fixture::with(2, 1024);
    let peer = f.join();
    for answer in ["1", "2", "3"] {
        f.answer(peer, answer);
    }
    assert_eq!(f.texts(peer), ["1", "2"]);
    assert_eq!(f.next(peer), Some(Outgoing::Close(CloseCode::TooSlow)));

    let f = Fixture::with(100, 20);
    let peer = f.join();
    f.answer(peer, "longer than that and all the same it passes");
    f.answer(peer, "one more");
    assert_eq!(f.texts(peer).len(), 1);
    assert_eq!(f.next(peer), Some(Outgoing::Close(CloseCode::TooSlow)));
}

#[test]
fn the_third_lag_of_a_minute_closes() {
    let f = Fixture::with(1, 1024);
    let peer = subscribed(&f);
    for _ in 0..2 {
        publish(&f, &["a", "b"]);
        assert_eq!(f.texts(peer), ["reset"]);
    }
    publish(&f, &["a", "b"]);
    assert_eq!(f.next(peer), Some(Outgoing::Close(CloseCode::TooSlow)));
}

#[test]
fn bytes_are_bounded_but_a_lone_large_frame_passes() {
    let f = Fixture::with(8, 8);
    let peer = subscribed(&f);
    publish(&f, &["larger than eight"]);
    assert_eq!(f.texts(peer), ["larger than eight"]);
    publish(&f, &["abc", "def"]);
    assert_eq!(f.texts(peer), ["reset"]);
}

/// A permission decides, and what one may not see is no load of its own.
#[test]
fn what_a_client_may_not_see_does_not_count() {
    let f = Fixture::with(2, 1024);
    let (sees, blind) = (subscribed(&f), f.join());
    let mut grant = f.grant(1, None, Dialect::Plain, 0);
    grant.granted = SerializerSet::NONE.with(1);
    f.take(blind, grant).expect("room");
    let may = |granted| granted == ALL;
    for _ in 0..5 {
        f.publish_to_each(1, "secret", may);
    }
    f.publish_to_each(1, "open", |_| true);
    assert_eq!(f.texts(blind), ["open"]);
    assert_eq!(f.texts(sees), ["reset"]);
}

/// Of one event the row leaves first where it leaves, whichever group comes first.
#[test]
fn groups_are_told_in_the_order_of_events() {
    let f = Fixture::new();
    let peer = subscribed(&f);
    f.subscribe(peer, 2).expect("room");
    f.publish(&[(2, "1 appears"), (1, "-1 leaves")]);
    f.answer(peer, "answer");
    f.publish(&[(1, "2 appears"), (2, "-2 leaves")]);
    f.publish(&[(2, "3")]);
    assert_eq!(
        f.texts(peer),
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
fn a_log_keeps_what_somebody_waits_for() {
    let f = Fixture::new();
    let (slow, quick) = (subscribed(&f), subscribed(&f));
    publish(&f, &["a", "b"]);
    assert_eq!(f.texts(quick), ["a", "b"]);
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
    f.shard.leave(quick);
    assert_eq!(f.logged(1), 0);
}

/// Who is closed keeps what waits for it, and what comes after is nothing to it; nor to who comes in between.
#[test]
fn who_is_closed_holds_no_log_for_the_others() {
    for is_first in [true, false] {
        let f = Fixture::new();
        let (closed, other) = (subscribed(&f), subscribed(&f));
        publish(&f, &["a"]);
        f.shard
            .with(|s| s.close_session(closed, CloseCode::TooMany));
        let late = subscribed(&f);
        publish(&f, &["b"]);
        let texts = || {
            assert_eq!(f.texts(closed), ["a"]);
            assert_eq!(f.next(closed), Some(Outgoing::Close(CloseCode::TooMany)));
        };
        if is_first {
            texts();
        }
        assert_eq!(f.texts(other), ["a", "b"]);
        assert_eq!(f.texts(late), ["b"]);
        assert_eq!(f.logged(1), 0, "it is for nobody any more");
        if !is_first {
            texts();
        }
    }
}

#[test]
fn of_several_ids_only_those_of_0_7_are_several_frames() {
    let f = Fixture::with(3, 1 << 20);
    let (v1, old) = (f.join(), f.join());
    for id in ["1", "2", "3"] {
        f.subscribe_as(v1, 1, id, Dialect::V1).expect("room");
        f.subscribe_as(old, 1, id, Dialect::V0_7).expect("room");
    }
    publish(&f, &["a"]);
    assert_eq!((f.texts(v1).len(), f.texts(old).len()), (1, 3));
    publish(&f, &["a", "b", "c"]);
    assert_eq!(f.texts(v1), ["a", "b", "c"]);
    assert_eq!(f.texts(old), ["reset"]);
}

/// Once is enough where nothing came in between: who reads it fetches then.
#[test]
fn the_resets_of_a_model_stand_in_their_places() {
    let f = Fixture::new();
    let peer = subscribed(&f);
    f.reset_model();
    f.reset_model();
    publish(&f, &["a"]);
    f.reset_model();
    f.answer(peer, "answer");
    f.reset_model();
    assert_eq!(f.texts(peer), ["reset", "a", "reset", "answer", "reset"]);
}
