use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};

use super::*;
use crate::{
    data::{cursor::Epoch, event::Row, key::KeyValue},
    log::{Entry, LogError, Record, Tail},
    model::{
        declaration::{Declaration, GroupDeclaration, Registration, Subscribable},
        permission::UserType,
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
        secret: &[],
        groups: &[GroupDeclaration {
            group_key: Some(("list_id", item::Column::ListId)),
            authorize: None,
            public: false,
        }],
    };

    fn from_row(_: &item::Model) -> Self {
        Self {}
    }
}

fn history(capacity: usize) -> History {
    let registry = Registry::new([Registration::of::<Shown>()], UserType::of::<()>());
    History::new(Arc::new(registry.expect("a registry")), capacity)
}

fn at(position: u64) -> Cursor {
    Cursor {
        epoch: Epoch::named("now"),
        position,
    }
}

/// A row with the number of its event is inserted into a list.
fn event(id: u64, list_id: i32) -> Arc<Event> {
    let id = id as i32;
    let row = Row::new(item::Model { id, list_id });
    let key = KeyValue::Integer(id.into());
    Arc::new(Event::created("a.Item".into(), key, row))
}

impl History {
    fn group(&self, list_id: i32) -> GroupId {
        let model = self.registry.model_by_label("a.Item").expect("a model");
        model.groups[0].group_id(KeyValue::Integer(list_id.into()))
    }

    fn keep_in(&self, list_id: i32, positions: impl IntoIterator<Item = u64>) {
        let events = positions.into_iter();
        self.keep(events.map(|position| (position, event(position, list_id))));
    }

    /// Returns the positions of what a list missed.
    fn positions(&self, list_id: i32, since: u64) -> Option<Vec<u64>> {
        match self.missed("a.Item", &self.group(list_id), &at(since), u64::MAX, 100) {
            Missed::Events(events) => Some(events.iter().map(|placed| placed.position).collect()),
            Missed::Older => None,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_group_misses_its_own_events_and_only_those_behind_a_place() {
    let history = history(10);
    assert_eq!(history.positions(1, 5), None, "it has not begun");
    history.begin(at(5));
    history.keep_in(1, [6, 7]);
    history.keep_in(2, [8]);
    history.keep_in(1, [9]);
    assert_eq!(history.positions(1, 5), Some(vec![6, 7, 9]));
    assert_eq!(history.positions(1, 7), Some(vec![9]));
    assert_eq!(history.positions(2, 5), Some(vec![8]));
    assert_eq!(history.positions(3, 5), Some(vec![]));
    assert_eq!(history.positions(1, 4), None);
    let other = Cursor {
        epoch: Epoch::named("then"),
        position: 7,
    };
    let missed = history.missed("a.Item", &history.group(1), &other, u64::MAX, 100);
    assert!(matches!(missed, Missed::Older));
    let missed = history.missed("a.Item", &history.group(1), &at(5), u64::MAX, 2);
    assert!(matches!(missed, Missed::TooMuch));
}

#[test]
fn what_a_long_transaction_wrote_is_at_its_place() {
    let history = history(10);
    history.begin(at(0));
    history.keep_in(1, [3, 5]);
    history.keep_in(1, [2, 4, 6]);
    history.keep_in(1, [1]);
    assert_eq!(history.positions(1, 0), Some(vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(history.positions(1, 3), Some(vec![4, 5, 6]));
}

#[test]
fn the_oldest_make_room_and_are_asked_for_in_vain() {
    let history = history(3);
    history.begin(at(0));
    history.keep_in(1, 1..=2);
    history.keep_in(2, 3..=5);
    assert_eq!(history.positions(1, 1), None);
    assert_eq!(history.positions(1, 2), Some(vec![]));
    assert_eq!(history.positions(2, 2), Some(vec![3, 4, 5]));
    assert!(
        !history.state().groups.contains_key(&history.group(1)),
        "a group without events costs nothing"
    );
    // Of a transaction that took longer than all that is kept: nobody asks from there.
    history.keep_in(2, [2]);
    assert_eq!(history.positions(2, 2), Some(vec![3, 4, 5]));
}

#[test]
fn rows_that_are_not_known_are_missed_by_all_of_their_model() {
    let history = history(10);
    history.begin(at(0));
    history.keep_in(1, [1]);
    history.keep([(2, Arc::new(Event::reset("a.Item".into())))]);
    history.keep_in(1, [3]);
    let missed = |since| history.missed("a.Item", &history.group(1), &at(since), u64::MAX, 100);
    assert!(matches!(missed(1), Missed::Unknown));
    assert!(matches!(missed(2), Missed::Events(events) if events.len() == 1));
}

#[test]
fn what_happened_to_a_group_between_two_batches_is_known() {
    let history = history(3);
    let begun = history.begin(at(0));
    let is_quiet = |told, now| {
        let group = history.group(1);
        history.is_quiet("a.Item", &group, &at(0), (told, now))
    };
    assert!(is_quiet(begun, begun));
    history.keep_in(2, [1]);
    assert!(is_quiet(begun, begun + 1), "another group");
    history.keep_in(1, [2]);
    assert!(is_quiet(begun, begun + 1), "it is told as it happens");
    assert!(!is_quiet(begun, begun + 2));
    assert!(is_quiet(begun + 2, begun + 2));
    let missed = history.missed("a.Item", &history.group(1), &at(0), begun + 1, 9);
    assert!(matches!(missed, Missed::Events(events) if events.is_empty()));
    history.keep([(3, Arc::new(Event::reset("a.Item".into())))]);
    assert!(!is_quiet(begun + 2, begun + 3));
    history.keep_in(2, [4]);
    assert!(!is_quiet(begun + 4, begun + 4), "the place is forgotten");
    let anew = history.begin(at(0));
    assert!(
        !is_quiet(begun + 4, anew),
        "what was lost may have been of any group"
    );
}

/// A log that keeps what is behind position 3, and counts how often it is read.
#[derive(Debug, Default)]
struct Older {
    reads: std::sync::atomic::AtomicUsize,
}

impl EventLog for Older {
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
async fn what_is_older_is_read_once_for_all() {
    let (history, log) = (history(3000), Older::default());
    history.begin(at(1500));
    history.keep_in(1, [1501]);
    let since = at(10);
    let all = futures_util::future::join_all((0..100).map(|_| history.reach(&log, &since)));
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(
        log.reads.load(std::sync::atomic::Ordering::SeqCst),
        2,
        "pages"
    );
    let missed = history.missed("a.Item", &history.group(1), &at(10), u64::MAX, 2000);
    assert!(matches!(missed, Missed::Events(events) if events.len() == 1491));
    assert!(matches!(
        history.reach(&log, &at(2)).await,
        Err(ReadError::Expired)
    ));
    history.reach(&log, &at(5)).await.expect("it is kept");
    assert_eq!(history.positions(1, 1499), Some(vec![1500, 1501]));
}

#[tokio::test]
async fn no_more_is_read_than_is_kept() {
    let (history, log) = (history(1000), Older::default());
    history.begin(at(1500));
    assert!(matches!(
        history.reach(&log, &at(10)).await,
        Err(ReadError::Expired)
    ));
    history.reach(&log, &at(600)).await.expect("it has room");
    assert_eq!(history.state().events.len(), 900);
    let reads = log.reads.load(std::sync::atomic::Ordering::SeqCst);
    assert!(history.reach(&log, &at(9)).await.is_err());
    let again = log.reads.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(reads, again, "what was in vain is not tried again");
}
