//! The model of the contract suite, and records of its events.

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use crate::{
    data::{
        cursor::{Cursor, Epoch},
        event::{Event, Row},
        key::KeyValue,
    },
    log::{EventSource, Record},
    model::{
        declaration::{Declaration, GroupDeclaration, GroupKey, Subscribable},
        permission::UserType,
        registration::Registration,
        registry::Registry,
    },
};

const LABEL: &str = "contract.Item";

/// The node in the source of every record.
pub(super) const NODE: &str = "contract";

pub(super) mod entity {
    #![allow(unreachable_pub, reason = "the derive generates public items")]

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
        filter: None,
        secret: &[],
        groups: &[GroupDeclaration {
            group_key: GroupKey::PrimaryKey { choices: || None },
            authorize: None,
            public: false,
        }],
    };

    fn from_row(row: &entity::Model) -> Self {
        let entity::Model { id, state } = *row;
        Self { id, state }
    }
}

pub(super) fn registry() -> &'static Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let registrations = [Registration::of::<Serializer>()];
        let registry = Registry::new(registrations, UserType::of::<()>());
        Arc::new(registry.expect("one serializer by the primary key is valid"))
    })
}

fn row(id: i32, state: i32) -> Row {
    Row::new(entity::Model { id, state })
}

fn key(id: i32) -> KeyValue {
    KeyValue::Integer(id.into())
}

/// Returns the cursor in the source of every record.
pub(super) fn began() -> Cursor {
    Cursor {
        epoch: Epoch::named("began"),
        position: 7,
    }
}

fn record(event: Event) -> Record {
    let source = EventSource {
        node: Some(NODE.into()),
        began: Some(began()),
    };
    Record::new(event, source, Arc::clone(registry()))
}

/// Returns the record of an update that brings a row to a state.
pub(super) fn updated(id: i32, state: i32) -> Record {
    record(Event::updated(LABEL.into(), key(id), None, row(id, state)))
}

/// Returns one record for each kind of event of a row.
pub(super) fn one_of_each_kind(id: i32) -> Vec<Record> {
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
    let scoped = events
        .clone()
        .map(|event| event.in_scope(Some("tenant".into())));
    let events = events.into_iter().chain(scoped);
    events.map(record).collect()
}

/// Returns `count` records that any log can store. They update row `id` to the states 0, 1, 2, ...
pub fn records(id: i32, count: usize) -> Vec<Record> {
    let states = 0..i32::try_from(count).unwrap_or(i32::MAX);
    states.map(|state| updated(id, state)).collect()
}
