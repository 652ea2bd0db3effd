//! Another user of a client, at the moments at which something is on its way to it.

use super::*;
use crate::hub::{
    clients::expiry::Lifetime,
    groups::audience::Viewer,
    shard::credentials::{NewUser, SetUser},
};

/// Begins an event of group 1, up to where the dispatcher knows who is to receive it.
fn begin(f: &Fixture) -> Vec<Viewer> {
    f.position.set(f.position.get() + 1);
    let cursor = f.cursor(f.position.get());
    let audience = f.shard.with(|s| {
        s.begin_batch(&cursor, 0, 1);
        s.audience(&group(1), false)
    });
    match audience {
        Audience::Each(viewers) => viewers,
        other => panic!("{other:?}"),
    }
}

/// Completes the event.
fn complete(f: &Fixture, viewers: &[Viewer], text: &str) {
    let publication = Publication {
        group: group(1),
        frames: Arc::new([BroadcastFrame {
            frame: Frame::broadcast(text, SystemTime::UNIX_EPOCH),
            removes: false,
            unit: None,
        }]),
        delivery: Delivery::Each(viewers.iter().map(|viewer| viewer.receives(0)).collect()),
    };
    let cursor = f.cursor(f.position.get());
    let at = EventPosition::new(cursor.position, &cursor);
    f.shard
        .with(|s| s.publish(HubEvent::Row(vec![publication]), &at));
}

fn set_user(f: &Fixture, client: ClientId, is_same: bool) -> SetUser {
    let new = NewUser {
        user: Identity::new("bob"),
        is_same,
        lifetime: Lifetime::Unlimited,
    };
    f.shard
        .with(|s| s.set_user(client, &new, || true, |g| *g == group(1)))
}

fn user_of(viewers: &[Viewer]) -> Vec<Option<&&str>> {
    viewers.iter().map(|v| v.user.downcast()).collect()
}

/// Subscribes a client of v1 to the groups 1 and 2.
fn subscribed(f: &Fixture) -> ClientId {
    let client = f.join();
    f.subscribe_as(client, 1, "1", Dialect::V1).unwrap();
    f.subscribe_as(client, 2, "2", Dialect::V1).unwrap();
    client
}

#[test]
fn other_user_receives_nothing_that_was_on_its_way() {
    let f = Fixture::new();
    f.begin(100);
    let client = subscribed(&f);
    f.publish_to_each(1, "queued", |_| true);
    f.publish(&[(2, "the same for all")]);
    let viewers = begin(&f);
    assert_eq!(set_user(&f, client, false), SetUser::Set);
    complete(&f, &viewers, "prepared");
    assert_eq!(f.texts(client), ["the same for all", "bulk"]);
    let viewers = begin(&f);
    assert_eq!(user_of(&viewers), [Some(&"bob")]);
    complete(&f, &viewers, "for bob");
    assert_eq!(f.texts(client), ["for bob"]);
}

#[test]
fn equal_user_receives_what_was_on_its_way() {
    let f = Fixture::new();
    f.begin(100);
    let client = subscribed(&f);
    f.publish_to_each(1, "queued", |_| true);
    let viewers = begin(&f);
    assert_eq!(set_user(&f, client, true), SetUser::Set);
    complete(&f, &viewers, "prepared");
    assert_eq!(f.texts(client), ["queued", "prepared"]);
    assert_eq!(user_of(&begin(&f)), [Some(&"bob")]);
}

/// The reset covers an event that the dispatcher has begun, although it is published later.
#[test]
fn reset_covers_what_has_begun() {
    let f = Fixture::new();
    f.begin(100);
    let client = subscribed(&f);
    let cursor = f.cursor(107);
    f.shard.with(|s| s.begin_batch(&cursor, 0, 1));
    set_user(&f, client, false);
    let Some(Outgoing::Frames(frames)) = f.next(client) else {
        panic!("a reset");
    };
    let reset: serde_json::Value = serde_json::from_str(frames[0].as_str()).unwrap();
    assert_eq!(reset["cursor"], cursor.to_string());
    let Audience::Each(viewers) = f.shard.with(|s| s.audience(&group(1), false)) else {
        panic!("a subscriber");
    };
    f.position.set(107);
    complete(&f, &viewers, "covered");
    assert_eq!(f.texts(client), [""; 0]);
}

#[test]
fn answer_about_the_earlier_user_is_outdated() {
    let f = Fixture::new();
    f.begin(100);
    let client = subscribed(&f);
    let rights = f.shard.with(|s| s.rights(client)).unwrap();
    assert_eq!(set_user(&f, client, true), SetUser::Set);
    let [subscription, _] = &f.subscriptions(client)[..] else {
        panic!("two subscriptions");
    };
    let applied = f
        .shard
        .with(|s| s.apply(client, subscription.id, rights.version, Ok(ALL)));
    assert!(applied.is_none());
    let new = f.new_subscription(3, Some("3"), Dialect::V1, 100);
    assert_eq!(f.subscribe_to(client, &new), Err(SubscribeError::Outdated));
}

#[test]
fn closing_client_gets_no_user() {
    let f = Fixture::new();
    let client = f.join();
    f.shard
        .with(|s| s.close_session(client, CloseCode::GoingAway));
    assert_eq!(set_user(&f, client, true), SetUser::Gone);
    let rights = f.shard.with(|s| s.rights(client)).unwrap();
    assert!(rights.user.downcast::<&str>().is_none());
}
