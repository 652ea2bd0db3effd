//! What `build()` checks: it reports all mistakes in the registry at once.

/// Declares a serializer as `#[subscribable]` does, but does not link its registration in: it is in
/// no registry except those of these tests.
macro_rules! unlinked {
    ($name:ident, $entity:ty, model: $model:expr, rank: $rank:expr, check_permission: $check:expr, groups: $groups:expr $(, secret: $secret:expr)?) => {
        #[derive(Serialize)]
        struct $name {}

        impl rest_live::Subscribable for $name {
            type Entity = $entity;
            const DECLARATION: rest_live::__private::Declaration<<$entity as EntityTrait>::Column> =
                rest_live::__private::Declaration {
                    serializer: stringify!($name),
                    module: module_path!(),
                    model: $model,
                    rank: $rank,
                    check_permission: $check,
                    filter: None,
                    secret: unlinked!(@ $($secret)?),
                    groups: $groups,
                };
            fn from_row(_: &<$entity as EntityTrait>::Model) -> Self {
                Self {}
            }
        }
    };
    (@) => { &[] };
    (@ $secret:expr) => { $secret };
}

/// The group key of these columns, or the primary key.
macro_rules! key {
    () => {
        rest_live::__private::GroupKey::PrimaryKey { choices: || None }
    };
    ($($name:literal: $column:expr),+) => {
        rest_live::__private::GroupKey::Columns(&[$(rest_live::__private::GroupColumn {
            name: $name,
            column: $column,
            choices: || None,
        }),+])
    };
}

mod key_types;
mod models;
mod permissions;
mod registry;
mod report;
mod secrets;
mod settings;

use rest_live::{
    __private::{Authorization, GroupDeclaration, GroupKey, Permission},
    BuildError, Live, RegistryError,
};
use sea_orm::entity::prelude::*;
use serde::Serialize;

use self::models::{badge, blob, impostor};
use crate::support::database;

const fn group<C>(group_key: GroupKey<C>) -> GroupDeclaration<C> {
    GroupDeclaration {
        group_key,
        authorize: None,
        public: false,
    }
}

unlinked!(CalledTask, impostor::Entity, model: Some("todolist.Task"), rank: 0, check_permission: None, groups: &[group(key!())]);
unlinked!(SecondTask, crate::entities::task::Entity, model: Some("todolist.Task"), rank: 0, check_permission: None, groups: &[group(key!())]);
unlinked!(OtherName, crate::entities::task::Entity, model: Some("todolist.Chore"), rank: 1, check_permission: None, groups: &[group(key!())]);
unlinked!(ByWeight, impostor::Entity, model: None, rank: 0, check_permission: None, groups: &[group(key!("weight": impostor::Column::Weight))]);
unlinked!(OfHash, blob::Entity, model: None, rank: 0, check_permission: None, groups: &[group(key!("owner": blob::Column::Owner))]);
unlinked!(Secret, impostor::Entity, model: Some("it.Secret"), rank: 0, check_permission: Some(|| Permission::of::<impostor::Model, Guard>(|_, _| true)), groups: &[group(key!())]);
unlinked!(HalfOpen, crate::entities::task::Entity, model: None, rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: key!("list_id": crate::entities::task::Column::ListId), authorize: Some(guard), public: false },
    group(key!()),
]);
unlinked!(Public, crate::entities::task::Entity, model: None, rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: key!("list_id": crate::entities::task::Column::ListId), authorize: Some(guard), public: false },
    GroupDeclaration { group_key: key!(), authorize: None, public: true },
]);
unlinked!(Misread, crate::entities::task::Entity, model: Some("todolist.Task"), rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: key!("text": crate::entities::task::Column::Text), authorize: Some(guard), public: false },
]);
unlinked!(Discreet, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[group(key!())], secret: &[badge::Column::Pin, badge::Column::Former]);
unlinked!(Levelled, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[group(key!())], secret: &[badge::Column::Pin, badge::Column::Level]);
unlinked!(Keyless, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[group(key!())], secret: &[badge::Column::Id]);
unlinked!(ByPin, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[group(key!("pin": badge::Column::Pin))]);

unlinked!(ByListAndDone, crate::entities::task::Entity, model: Some("todolist.Task"), rank: 0, check_permission: None, groups: &[
    group(key!("list_id": crate::entities::task::Column::ListId, "done": crate::entities::task::Column::Done)),
]);
unlinked!(ByDoneAndList, crate::entities::task::Entity, model: Some("todolist.Task"), rank: 1, check_permission: None, groups: &[
    group(key!("done": crate::entities::task::Column::Done, "list_id": crate::entities::task::Column::ListId)),
]);
unlinked!(OpenToAll, crate::entities::task::Entity, model: None, rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: key!("list_id": crate::entities::task::Column::ListId), authorize: Some(guard), public: false },
    group(rest_live::__private::GroupKey::Columns(&[])),
]);
unlinked!(WrongTuple, crate::entities::task::Entity, model: None, rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: key!("list_id": crate::entities::task::Column::ListId, "text": crate::entities::task::Column::Text), authorize: Some(guard), public: false },
    GroupDeclaration { group_key: rest_live::__private::GroupKey::Columns(&[]), authorize: Some(guard), public: false },
]);
unlinked!(ByPinAndId, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[
    group(key!("id": badge::Column::Id, "pin": badge::Column::Pin)),
    group(key!("pin": badge::Column::Pin)),
], secret: &[badge::Column::Pin]);

/// A type of users that permissions are declared for.
struct Guard;

/// Returns an authorization that takes the value of a group as an `i32` and allows everything.
fn guard() -> Authorization {
    Authorization::of(&(), |_: &Guard, _: i32, _| Box::pin(async { true }))
}

/// Builds with a change to the builder that must fail, and returns the errors.
async fn registry_errors(
    build: impl FnOnce(rest_live::LiveBuilder) -> rest_live::LiveBuilder,
) -> Vec<RegistryError> {
    let (db, _database) = database().await;
    match build(Live::builder(db).discover(false)).build() {
        Err(BuildError::Registry(errors)) => errors,
        other => panic!("expected registry errors, got {other:?}"),
    }
}
