use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};

use super::*;
use crate::{
    data::{cursor::Epoch, event::Row, key::KeyValue},
    log::{Entry, LogError, Record, Tail},
    model::{
        declaration::{Declaration, GroupColumn, GroupDeclaration, GroupKey, Subscribable},
        permission::UserType,
        registration::Registration,
    },
};

mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "item")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) list_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(serde::Serialize)]
struct Shown {}

impl Subscribable for Shown {
    type Entity = item::Entity;

    const DECLARATION: Declaration<item::Column> = Declaration {
        serializer: "Shown",
        module: "a",
        model: Some("a.Item"),
        rank: 0,
        check_permission: None,
        filter: None,
        secret: &[],
        groups: &[GroupDeclaration {
            group_key: GroupKey::Columns(&[GroupColumn {
                name: "list_id",
                column: item::Column::ListId,
                choices: || None,
            }]),
            authorize: None,
            public: false,
        }],
    };

    fn from_row(_: &item::Model) -> Self {
        Self {}
    }
}

fn history(capacity: usize) -> History {
    history_of_bytes(capacity, usize::MAX)
}

fn history_of_bytes(capacity: usize, max_bytes: usize) -> History {
    let registry = Registry::new([Registration::of::<Shown>()], UserType::of::<()>());
    History::new(Arc::new(registry.expect("a registry")), capacity, max_bytes)
}

fn at(position: u64) -> Cursor {
    Cursor {
        epoch: Epoch::named("now"),
        position,
    }
}

/// Returns the insert of a row, which has the number of the event as its id, into a list.
fn event(id: u64, list_id: i32) -> Arc<Event> {
    let id = id as i32;
    let row = Row::new(item::Model { id, list_id });
    let key = KeyValue::Integer(id.into());
    Arc::new(Event::created("a.Item".into(), key, row))
}

impl History {
    fn group(&self, list_id: i32) -> GroupId {
        let model = self.registry.model_by_label("a.Item").expect("a model");
        model.groups[0].group_id(KeyValue::Integer(list_id.into()), None)
    }

    fn append_to(&self, list_id: i32, positions: impl IntoIterator<Item = u64>) {
        let events = positions.into_iter();
        self.append(events.map(|position| (position, event(position, list_id))));
    }

    /// Returns the positions of the events of a list after `since`.
    fn positions(&self, list_id: i32, since: u64) -> Option<Vec<u64>> {
        match self.missed(
            &"a.Item".into(),
            &self.group(list_id),
            &at(since),
            u64::MAX,
            100,
        ) {
            MissedEvents::Found(events) => {
                Some(events.iter().map(|event| event.position).collect())
            }
            MissedEvents::NotLoaded => None,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn group_missed_its_own_events_after_the_cursor() {
    let history = history(10);
    assert_eq!(history.positions(1, 5), None, "the log has not begun");
    history.restart(at(5));
    history.append_to(1, [6, 7]);
    history.append_to(2, [8]);
    history.append_to(1, [9]);
    assert_eq!(history.positions(1, 5), Some(vec![6, 7, 9]));
    assert_eq!(history.positions(1, 7), Some(vec![9]));
    assert_eq!(history.positions(2, 5), Some(vec![8]));
    assert_eq!(history.positions(3, 5), Some(vec![]));
    assert_eq!(history.positions(1, 4), None);
    let other = Cursor {
        epoch: Epoch::named("then"),
        position: 7,
    };
    let missed = history.missed(&"a.Item".into(), &history.group(1), &other, u64::MAX, 100);
    assert!(matches!(missed, MissedEvents::NotLoaded));
    let missed = history.missed(&"a.Item".into(), &history.group(1), &at(5), u64::MAX, 2);
    assert!(matches!(missed, MissedEvents::TooMany));
}

#[test]
fn late_events_are_in_the_order_of_positions() {
    let history = history(10);
    history.restart(at(0));
    history.append_to(1, [3, 5]);
    history.append_to(1, [2, 4, 6]);
    history.append_to(1, [1]);
    assert_eq!(history.positions(1, 0), Some(vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(history.positions(1, 3), Some(vec![4, 5, 6]));
}

#[test]
fn oldest_events_are_evicted() {
    let history = history(3);
    history.restart(at(0));
    history.append_to(1, 1..=2);
    history.append_to(2, 3..=5);
    assert_eq!(history.positions(1, 1), None);
    assert_eq!(history.positions(1, 2), Some(vec![]));
    assert_eq!(history.positions(2, 2), Some(vec![3, 4, 5]));
    assert!(
        !history.state().groups.contains_key(&history.group(1)),
        "a group without events is removed"
    );
    // A late event from before the start, of a transaction that took very long.
    history.append_to(2, [2]);
    assert_eq!(history.positions(2, 2), Some(vec![3, 4, 5]));
}

#[test]
fn reset_concerns_all_groups_of_the_model() {
    let history = history(10);
    history.restart(at(0));
    history.append_to(1, [1]);
    history.append([(2, Arc::new(Event::reset("a.Item".into())))]);
    history.append_to(1, [3]);
    let missed = |since| {
        history.missed(
            &"a.Item".into(),
            &history.group(1),
            &at(since),
            u64::MAX,
            100,
        )
    };
    assert!(matches!(missed(1), MissedEvents::Unknown));
    assert!(matches!(missed(2), MissedEvents::Found(events) if events.len() == 1));
}

#[test]
fn change_between_two_batches_is_detected() {
    let history = history(3);
    let first = history.restart(at(0));
    let is_unchanged = |seen, now| {
        let group = history.group(1);
        history.is_unchanged(&"a.Item".into(), &group, &at(0), (seen, now))
    };
    assert!(is_unchanged(first, first));
    history.append_to(2, [1]);
    assert!(is_unchanged(first, first + 1), "another group");
    history.append_to(1, [2]);
    assert!(
        is_unchanged(first, first + 1),
        "the subscription receives a later batch"
    );
    assert!(!is_unchanged(first, first + 2));
    assert!(is_unchanged(first + 2, first + 2));
    let missed = history.missed(&"a.Item".into(), &history.group(1), &at(0), first + 1, 9);
    assert!(matches!(missed, MissedEvents::Found(events) if events.is_empty()));
    history.append([(3, Arc::new(Event::reset("a.Item".into())))]);
    assert!(!is_unchanged(first + 2, first + 3));
    history.append_to(2, [4]);
    assert!(
        !is_unchanged(first + 4, first + 4),
        "events after the cursor were evicted"
    );
    let restarted = history.restart(at(0));
    assert!(
        !is_unchanged(first + 4, restarted),
        "lost events may concern any group"
    );
}

/// A log that keeps the events after position 3, and counts how often it is read.
#[derive(Debug, Default)]
struct CountingLog {
    reads: std::sync::atomic::AtomicUsize,
}

impl EventLog for CountingLog {
    fn append(&self, _: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        async { Ok(()) }.boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        Box::pin(futures_util::stream::pending())
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        async { Ok(at(2000)) }.boxed()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        self.reads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            if after.position < 3 {
                return Err(ReadError::Expired);
            }
            let entries = (after.position + 1..=2000).take(limit);
            Ok(entries.map(|n| Entry::new(n, event(n, 1))).collect())
        }
        .boxed()
    }
}

#[tokio::test]
async fn older_events_are_loaded_once_for_all_clients() {
    let (history, log) = (history(3000), CountingLog::default());
    history.restart(at(1500));
    history.append_to(1, [1501]);
    let since = at(10);
    let all = futures_util::future::join_all((0..100).map(|_| history.load_after(&log, &since)));
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(
        log.reads.load(std::sync::atomic::Ordering::SeqCst),
        3,
        "one call for each page, of which the first is small"
    );
    let missed = history.missed(&"a.Item".into(), &history.group(1), &at(10), u64::MAX, 2000);
    assert!(matches!(missed, MissedEvents::Found(events) if events.len() == 1491));
    assert!(matches!(
        history.load_after(&log, &at(2)).await,
        Err(ReadError::Expired)
    ));
    history
        .load_after(&log, &at(5))
        .await
        .expect("the log has it");
    assert_eq!(history.positions(1, 1499), Some(vec![1500, 1501]));
}

#[tokio::test]
async fn no_more_is_loaded_than_the_capacity() {
    let (history, log) = (history(1000), CountingLog::default());
    history.restart(at(1500));
    assert!(matches!(
        history.load_after(&log, &at(10)).await,
        Err(ReadError::Expired)
    ));
    history
        .load_after(&log, &at(600))
        .await
        .expect("it has room");
    assert_eq!(history.state().events.len(), 900);
    let reads = log.reads.load(std::sync::atomic::Ordering::SeqCst);
    assert!(history.load_after(&log, &at(9)).await.is_err());
    let again = log.reads.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(reads, again, "a load that failed is not repeated");
}

#[tokio::test]
async fn bytes_bound_what_is_kept_and_loaded() {
    let bytes = event(1, 1).bytes() + GROUP_BYTES;
    let (history, log) = (history_of_bytes(3000, 10 * bytes), CountingLog::default());
    history.restart(at(1000));
    history.append_to(1, 1001..=1012);
    assert_eq!(history.positions(1, 1001), None, "it is evicted");
    assert_eq!(history.positions(1, 1002).map(|kept| kept.len()), Some(10));
    assert_eq!(history.state().bytes, 10 * bytes);

    history.restart(at(1000));
    history.append_to(1, [1001, 1002]);
    let expired = history.load_after(&log, &at(900)).await;
    assert!(matches!(expired, Err(ReadError::Expired)));
    history
        .load_after(&log, &at(995))
        .await
        .expect("it has room");
    assert_eq!(history.state().bytes, 7 * bytes);
    // The newest event is kept in any case.
    let history = history_of_bytes(3000, 0);
    history.restart(at(1000));
    history.append_to(1, 1001..=1012);
    assert_eq!(history.positions(1, 1011), Some(vec![1012]));
}
