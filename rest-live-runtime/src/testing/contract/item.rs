//! The rows that the contract's events are of, and what is left of an event behind a log.

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::{
    data::{
        cursor::{Cursor, Epoch},
        event::{Action, Event, Row},
        key::KeyValue,
    },
    log::{EventSource, LoggedEvent, Record},
    model::{
        declaration::{Declaration, GroupDeclaration, Registration, Subscribable},
        permission::UserType,
        registry::Registry,
    },
};

const LABEL: &str = "contract.Item";

mod entity {
    #![allow(unreachable_pub, reason = "the derive writes it")]

    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "item")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub state: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Serialize)]
struct Serializer {
    id: i32,
    state: i32,
}

impl Subscribable for Serializer {
    type Entity = entity::Entity;

    const DECLARATION: Declaration<entity::Column> = Declaration {
        serializer: "Serializer",
        module: module_path!(),
        model: Some(LABEL),
        rank: 0,
        check_permission: None,
        secret: &[],
        groups: &[GroupDeclaration {
            group_key: None,
            authorize: None,
            public: false,
        }],
    };

    fn from_row(row: &entity::Model) -> Self {
        let entity::Model { id, state } = *row;
        Self { id, state }
    }
}

fn registry() -> &'static Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let registrations = [Registration::of::<Serializer>()];
        let registry = Registry::new(registrations, UserType::of::<()>());
        Arc::new(registry.expect("one serializer by its primary key is right"))
    })
}

fn row(id: i32, state: i32) -> Row {
    Row::new(entity::Model { id, state })
}

fn key(id: i32) -> KeyValue {
    KeyValue::Integer(id.into())
}

fn began() -> Cursor {
    Cursor {
        epoch: Epoch::named("began"),
        position: 7,
    }
}

fn record(event: Event) -> Record {
    let origin = EventSource {
        node: Some("contract".into()),
        began: Some(began()),
    };
    Record::new(event, origin, Arc::clone(registry()))
}

/// Returns the event of a row that came to a state.
pub(super) fn updated(id: i32, state: i32) -> Record {
    record(Event::updated(LABEL.into(), key(id), None, row(id, state)))
}

/// Returns one event of each kind, of a row.
pub(super) fn of_each_kind(id: i32) -> Vec<Record> {
    let label = || LABEL.into();
    let events = [
        Event::created(label(), key(id), row(id, 1)),
        Event::updated(label(), key(id), None, row(id, 2)),
        Event::updated(label(), key(id), Some(row(id, 2)), row(id, 3)),
        Event::reread(
            label(),
            key(id),
            vec![row(id, 3), row(id, 4)],
            Some(row(id, 5)),
        ),
        Event::reread(label(), key(id), vec![row(id, 5), row(id, 6)], None),
        Event::deleted(label(), key(id), row(id, 6)),
        Event::reset(label()),
    ];
    events.map(record).into()
}

/// Returns events that a log can store: each of another state of a row.
pub fn records(id: i32, count: usize) -> Vec<Record> {
    let states = 0..i32::try_from(count).unwrap_or(i32::MAX);
    states.map(|state| updated(id, state)).collect()
}

/// What an event says, in a form that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    model: Arc<str>,
    /// None of rows that are not known.
    change: Option<(Action, KeyValue)>,
    old: Vec<entity::Model>,
    new: Option<entity::Model>,
}

impl Said {
    pub(super) fn of(event: &Event) -> Self {
        let model = |row: &Row| row.downcast::<entity::Model>().cloned();
        let change = event.as_row();
        Self {
            model: Arc::clone(&event.model),
            change: change.map(|change| (change.action, change.key.clone())),
            old: change.map_or_else(Vec::new, |change| {
                let old = change.old.iter().map(model);
                old.map(|old| old.expect("a row of the contract")).collect()
            }),
            new: change.and_then(|change| change.new.as_ref().and_then(model)),
        }
    }

    pub(super) fn of_records(records: &[Record]) -> Vec<Self> {
        records
            .iter()
            .map(|record| Self::of(record.event()))
            .collect()
    }

    /// Reads what a log yields.
    pub(super) fn read(logged: &LoggedEvent) -> Self {
        let (event, origin) = logged.resolve(registry());
        if let LoggedEvent::Stored(_) = logged {
            assert_eq!(origin.node.as_deref(), Some("contract"));
            assert_eq!(origin.began, Some(began()));
        }
        Self::of(&event)
    }

    /// Returns the row and the state that it came to.
    pub(super) fn state(&self) -> (i32, i32) {
        let new = self.new.as_ref().expect("an event with a new row");
        (new.id, new.state)
    }
}
