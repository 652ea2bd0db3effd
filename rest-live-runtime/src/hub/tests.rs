use tracing::Span;

use super::*;
use crate::{
    cursor::Epoch,
    dialect::{Request, parse},
    group::GroupIndex,
    key::KeyValue,
    limits::Limits,
    outbox::Taken,
};

struct Fixture {
    hub: Hub,
    epoch: Epoch,
}

impl Fixture {
    fn new() -> Self {
        Self {
            hub: Hub::new(Arc::new(Metrics::new())),
            epoch: Epoch::random(),
        }
    }

    fn cursor(&self, position: u64) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position,
        }
    }

    fn join(&self) -> (SessionId, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::new(&Limits::default(), Arc::new(Metrics::new())));
        (
            self.hub.join(Arc::clone(&outbox), Identity::new(())),
            outbox,
        )
    }

    fn grant(&self, value: i128, id: Option<&str>, dialect: Dialect, head: u64) -> Grant {
        Grant {
            group: group(value),
            id: id.map(id_of),
            dialect,
            granted: Granted::NONE.with(0),
            asked: 0,
            head: self.cursor(head),
            span: Span::none(),
        }
    }

    fn subscribe(&self, session: SessionId, value: i128, head: u64) -> Result<(), Refused> {
        let grant = self.grant(value, None, Dialect::Plain, head);
        self.hub.subscribe(session, grant, 2, |_| Vec::new())
    }

    fn subscribe_as(
        &self,
        session: SessionId,
        value: i128,
        id: &str,
        dialect: Dialect,
    ) -> Result<(), Refused> {
        let grant = self.grant(value, Some(id), dialect, 0);
        self.hub.subscribe(session, grant, 3, |_| Vec::new())
    }

    fn count(&self, value: i128, position: u64) -> usize {
        self.hub.subscribers(&group(value), position).len()
    }
}

fn group(value: i128) -> GroupKey {
    GroupKey {
        index: GroupIndex(0),
        value: KeyValue::Integer(value),
    }
}

fn id_of(json: &str) -> Id {
    let message = parse(
        &format!(r#"{{"type":"unsubscribe","id":{json}}}"#),
        None,
        64,
    );
    assert_eq!(message.request, Ok(Request::Unsubscribe));
    message.id.expect("an id")
}

#[test]
fn a_subscription_is_to_what_happens_after_it() {
    let f = Fixture::new();
    let (session, _) = f.join();
    assert_eq!(f.subscribe(session, 1, 7), Ok(()));
    // Not begun anew: it would miss what came since.
    assert_eq!(f.subscribe(session, 1, 9), Ok(()));
    for (position, subscribers) in [(6, 0), (7, 0), (8, 1), (9, 1)] {
        assert_eq!(f.count(1, position), subscribers, "at {position}");
    }
    assert_eq!(f.count(2, 8), 0);
    // A log that begins anew has smaller positions.
    f.hub.reset(&Cursor {
        epoch: Epoch::random(),
        position: 3,
    });
    assert_eq!(f.count(1, 4), 1);
}

/// While nobody was subscribed the dispatcher may have fallen out of the log, and hears of it only now.
#[test]
fn who_subscribes_behind_what_was_lost_has_missed_nothing() {
    let f = Fixture::new();
    f.hub.dispatching(&f.cursor(1));
    let ((early, _), (late, _)) = (f.join(), f.join());
    assert_eq!(f.subscribe(early, 1, 8), Ok(()));
    assert_eq!(f.hub.reset(&f.cursor(8)), 0);
    assert_eq!(f.subscribe(late, 1, 9), Ok(()));
    assert_eq!(f.hub.reset(&f.cursor(9)), 1);
    assert_eq!((f.count(1, 9), f.count(1, 10)), (0, 2));
}

#[test]
fn whether_anybody_is_subscribed_is_known() {
    let f = Fixture::new();
    let subscribed = f.hub.subscribed();
    let ((one, _), (other, _)) = (f.join(), f.join());
    let mut seen = vec![*subscribed.borrow()];
    for step in 0..4 {
        match step {
            0 => f.subscribe(one, 1, 0).expect("granted"),
            1 => f.subscribe(other, 2, 0).expect("granted"),
            2 => f.hub.unsubscribe(one, &group(1)),
            _ => f.hub.leave(other),
        }
        seen.push(*subscribed.borrow());
    }
    assert_eq!(seen, [false, true, true, true, false]);
}

/// Between reading the head and subscribing, an event was handed out. The client must not be told
/// that its subscription begins before it.
#[test]
fn a_subscription_begins_behind_what_is_being_handed_out() {
    let f = Fixture::new();
    let (session, _) = f.join();
    let grant = f.grant(1, None, Dialect::V1, 7);
    f.hub.dispatching(&f.cursor(9));
    let mut told = None;
    let subscribed = f.hub.subscribe(session, grant, 2, |cursor| {
        told = Some(cursor.position);
        Vec::new()
    });
    assert_eq!((subscribed, told), (Ok(()), Some(9)));
    assert_eq!((f.count(1, 9), f.count(1, 10)), (0, 1));
}

/// A second name for what is there already says where that is: behind the head of the log, if the
/// dispatcher is.
#[test]
fn a_second_id_is_at_what_was_handed_out() {
    let f = Fixture::new();
    let (session, _) = f.join();
    let mut told = Vec::new();
    for (id, head, dispatched) in [("1", 7, 5), ("2", 12, 9), ("3", 12, 14)] {
        f.hub.dispatching(&f.cursor(dispatched));
        let grant = f.grant(1, Some(id), Dialect::V1, head);
        let subscribed = f.hub.subscribe(session, grant, 3, |cursor| {
            told.push(cursor.position);
            Vec::new()
        });
        assert_eq!(subscribed, Ok(()));
    }
    assert_eq!(told, [7, 9, 14]);
}

#[test]
fn who_leaves_leaves_nothing_behind() {
    let f = Fixture::new();
    let ((one, _), (other, _)) = (f.join(), f.join());
    for session in [one, other] {
        f.subscribe(session, 1, 0).expect("room");
    }
    f.subscribe(one, 2, 0).expect("room");
    f.hub.unsubscribe(one, &group(3));
    f.hub.unsubscribe(one, &group(1));
    assert_eq!(f.count(1, 1), 1);
    f.hub.leave(one);
    f.hub.leave(other);
    assert!(f.hub.state().groups.is_empty() && f.hub.state().sessions.is_empty());
}

#[test]
fn a_group_counts_once_without_ids_and_once_an_id_with_them() {
    let f = Fixture::new();
    let (plain, _) = f.join();
    assert_eq!(f.subscribe(plain, 1, 0), Ok(()));
    assert_eq!(f.subscribe(plain, 1, 0), Ok(()));
    assert_eq!(f.subscribe(plain, 2, 0), Ok(()));
    assert_eq!(f.subscribe(plain, 3, 0), Err(Refused::TooMany));
    f.hub.unsubscribe(plain, &group(1));
    assert_eq!(f.subscribe(plain, 3, 0), Ok(()));

    let (v1, _) = f.join();
    for id in ["1", "2", "\"1\""] {
        assert_eq!(f.subscribe_as(v1, 1, id, Dialect::V1), Ok(()));
    }
    assert_eq!(
        f.subscribe_as(v1, 1, "4", Dialect::V1),
        Err(Refused::TooMany)
    );
    assert_eq!(f.hub.subscriptions_of(v1).len(), 1, "one delivery a change");
    assert!(f.hub.unsubscribe_id(v1, &id_of("2"), None));
    assert_eq!(
        f.subscribe_as(v1, 2, "1", Dialect::V1),
        Err(Refused::IdInUse)
    );
    assert_eq!(f.subscribe_as(v1, 2, "2", Dialect::V1), Ok(()));
    assert!(f.hub.unsubscribe_id(v1, &id_of("1"), None));
    assert!(f.hub.unsubscribe_id(v1, &id_of("\"1\""), None));
    assert!(!f.hub.unsubscribe_id(v1, &id_of("1"), None));
    // One is the plain session's.
    assert_eq!((f.count(1, 1), f.count(2, 1)), (0, 2));
}

#[test]
fn an_id_of_the_0_7_dialect_may_name_several_groups() {
    let f = Fixture::new();
    let (session, _) = f.join();
    for value in [1, 2, 2] {
        assert_eq!(f.subscribe_as(session, value, "0", Dialect::V0_7), Ok(()));
    }
    assert_eq!(f.subscribe_as(session, 2, "1", Dialect::V0_7), Ok(()));
    assert!(f.hub.unsubscribe_id(session, &id_of("0"), None));
    assert_eq!((f.count(1, 1), f.count(2, 1)), (0, 1));
}

#[test]
fn an_answer_from_before_a_reauthorization_does_not_hold() {
    let f = Fixture::new();
    let ((session, _), (other, _)) = (f.join(), f.join());
    let grant = f.grant(1, None, Dialect::Plain, 0);
    f.hub.reauthorize(&[other]);
    assert_eq!(f.subscribe(session, 2, 0), Ok(()), "it was somebody else's");
    f.hub.reauthorize(&[session]);
    let subscribed = f.hub.subscribe(session, grant, 2, |_| Vec::new());
    assert_eq!(subscribed, Err(Refused::Outdated));
}

#[test]
fn a_head_of_another_epoch_is_asked_for_anew() {
    let f = Fixture::new();
    let (session, _) = f.join();
    let grant = f.grant(1, None, Dialect::Plain, 900);
    f.hub.reset(&Cursor {
        epoch: Epoch::random(),
        position: 0,
    });
    let subscribed = f.hub.subscribe(session, grant, 2, |_| Vec::new());
    assert_eq!(subscribed, Err(Refused::Outdated));
}

#[test]
fn what_was_subscribed_anew_is_not_revoked_with_the_old() {
    let f = Fixture::new();
    let (session, outbox) = f.join();
    f.subscribe(session, 1, 0).expect("room");
    let old = f.hub.subscriptions_of(session).remove(0);
    f.hub.unsubscribe(session, &group(1));
    f.subscribe(session, 1, 0).expect("room");
    let gone = |_: &[Id]| vec![Frame::answer("gone".to_owned())];
    assert_eq!(f.hub.settle(session, &old, 0, None, gone), Some(false));
    assert_eq!((f.count(1, 1), outbox.take(None)), (1, None));
    let new = f.hub.subscriptions_of(session).remove(0);
    assert_eq!(f.hub.settle(session, &new, 1, None, gone), None, "outdated");
    assert_eq!(f.hub.settle(session, &new, 0, None, gone), Some(true));
    assert_eq!(f.count(1, 1), 0);
    assert!(matches!(outbox.take(None), Some(Taken::Frames { .. })));
}
