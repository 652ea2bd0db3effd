//! What the generated `ActiveModelBehavior` hooks call. Not for applications: `#[subscribable]`
//! and `#[live]` write these calls.

use std::{
    any::TypeId,
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    ExprTrait, Iterable, PrimaryKeyToColumn, QueryFilter, QuerySelect, TryIntoModel,
    sea_query::{Expr, Query},
};

use super::{
    Scope, probe,
    stash::{Before, Write},
};
use crate::{
    event::{Event, Row},
    key::KeyValue,
};

type Model<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Model;

/// Runs before an insert or update. Reads the old row where the write could move it to another
/// group, or a permission decides who may see it; otherwise it adds no statement.
///
/// # Errors
/// The database's, of reading the old row.
pub async fn before_save<A, C>(active: &A, db: &C, insert: bool) -> Result<(), DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(scope) = live_scope::<A::Entity, C>(db) else {
        return Ok(());
    };
    let Some(model) = scope.registry.of_entity::<A::Entity>() else {
        return Ok(());
    };
    if insert {
        return Ok(());
    }
    // SeaORM refuses an update without a key itself, in its own words.
    let Some(key) = key_of(active) else {
        return Ok(());
    };
    let is_set = |column| matches!(active.get(column), ActiveValue::Set(_));
    let changes = |column| {
        <A::Entity as EntityTrait>::PrimaryKey::from_column(column).is_none() && is_set(column)
    };
    let before = if !<A::Entity as EntityTrait>::Column::iter().any(changes) {
        // SeaORM sends no UPDATE then, and still runs the second hook.
        Some(Before::Nothing)
    } else if model.has_permission() || model.moving_columns::<A::Entity>().any(is_set) {
        read_old(active, db, &scope).await?.map(Before::Row)
    } else {
        None
    };
    scope.stash.begin(Write::of::<A::Entity>(key), before);
    Ok(())
}

/// Runs after an insert or update.
pub async fn after_save<A, C>(row: &Model<A>, db: &C, insert: bool)
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(scope) = probe::scope_of(db) else {
        return;
    };
    let Some(model) = scope.registry.of_entity::<A::Entity>() else {
        return;
    };
    let new = Row::new(row.clone());
    let Some(key) = model.key_of(&new) else {
        return;
    };
    let label = Arc::clone(&model.label);
    let event = if insert {
        Event::created(label, key, new)
    } else {
        match scope.stash.end(&Write::of::<A::Entity>(key.clone())) {
            Some(Before::Nothing) => return,
            Some(Before::Row(old)) => Event::updated(label, key, Some(old), new),
            None => Event::updated(label, key, None, new),
        }
    };
    scope.record(vec![event]).await;
}

/// Runs before a delete. Reads the row where the given model is not a whole one, or a permission
/// decides who may see it.
///
/// # Errors
/// The database's, of reading the row.
pub async fn before_delete<A, C>(active: &A, db: &C) -> Result<(), DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>> + TryIntoModel<Model<A>>,
    C: ConnectionTrait,
{
    let Some(scope) = live_scope::<A::Entity, C>(db) else {
        return Ok(());
    };
    let Some(key) = key_of(active) else {
        return Ok(());
    };
    let Some(model) = scope.registry.of_entity::<A::Entity>() else {
        return Ok(());
    };
    // Who is told, and shown what, is decided on the row as it is, not as it once was read.
    let given = match model.has_permission() {
        true => None,
        false => whole_row(active),
    };
    let old = match given {
        Some(row) => Some(row),
        None => read_old(active, db, &scope).await?,
    };
    scope
        .stash
        .begin(Write::of::<A::Entity>(key), old.map(Before::Row));
    Ok(())
}

/// Runs after a delete. Where no row was found there is no event; a whole model is believed to have
/// been a row.
pub async fn after_delete<A, C>(active: &A, db: &C)
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(scope) = probe::scope_of(db) else {
        return;
    };
    let Some(model) = scope.registry.of_entity::<A::Entity>() else {
        return;
    };
    let Some(key) = key_of(active) else { return };
    if let Some(Before::Row(old)) = scope.stash.end(&Write::of::<A::Entity>(key.clone())) {
        scope
            .record(vec![Event::deleted(Arc::clone(&model.label), key, old)])
            .await;
    }
}

/// Returns the row that a model stands for, if nothing of it was set since it was read.
fn whole_row<A>(active: &A) -> Option<Row>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>> + TryIntoModel<Model<A>>,
{
    let unchanged = |column| matches!(active.get(column), ActiveValue::Unchanged(_));
    if !<A::Entity as EntityTrait>::Column::iter().all(unchanged) {
        return None;
    }
    active.clone().try_into_model().ok().map(Row::new)
}

/// Reads the row that is about to be written. In a transaction it is locked, so that it stays what
/// was read until the transaction ends (SQLite has no row locks and needs none: one writer).
async fn read_old<A, C>(active: &A, db: &C, scope: &Scope) -> Result<Option<Row>, DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let mut select = A::Entity::find();
    for key in <A::Entity as EntityTrait>::PrimaryKey::iter() {
        let column = key.into_column();
        let Some(value) = active.get(column).into_value() else {
            // SeaORM refuses the write itself, with its own words.
            return Ok(None);
        };
        select = select.filter(column.eq(value));
    }
    if scope.is_transaction() {
        select = select.lock_exclusive();
        begin_to_write::<A::Entity, C>(db).await?;
    }
    Ok(select.one(db).await?.map(Row::new))
}

/// Has a SQLite transaction be a writer before the old row is read. One that begins with a read and
/// then writes is refused at once if another writes meanwhile ("database is locked"), where one that
/// begins with its write waits its turn (SQLite, "Deferred, immediate and exclusive transactions"). So a
/// statement that changes nothing comes first.
async fn begin_to_write<E: EntityTrait, C: ConnectionTrait>(db: &C) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Sqlite {
        let mut nothing = Query::delete();
        nothing.from_table(E::default().table_ref());
        nothing.and_where(Expr::val(1).eq(0));
        db.execute(&nothing).await?;
    }
    Ok(())
}

/// Returns the primary key of a model, `None` where it is not set.
fn key_of<A: ActiveModelTrait>(active: &A) -> Option<KeyValue> {
    let mut values = <A::Entity as EntityTrait>::PrimaryKey::iter()
        .map(|key| KeyValue::from_column(active.get(key.into_column()).into_value()?))
        .collect::<Option<Vec<_>>>()?;
    if values.len() == 1 {
        values.pop()
    } else {
        Some(KeyValue::Composite(values.into()))
    }
}

/// Returns the scope of a live connection, for a model that it knows. What is written otherwise is
/// not captured, which is said once a model.
fn live_scope<E: EntityTrait, C: ConnectionTrait>(db: &C) -> Option<Arc<Scope>> {
    let why = match probe::scope_of(db) {
        Some(scope) if scope.registry.of_entity::<E>().is_some() => return Some(scope),
        Some(_) => {
            "no serializer of this model is registered: write Live::builder(..).register::<TheSerializer>()"
        }
        None => "the row was written on a plain database connection: write on Live::db()",
    };
    warn_once::<E>(why);
    None
}

fn warn_once<E: EntityTrait>(why: &'static str) {
    // Process-wide, but only so as not to say the same thing with every write.
    static WARNED: Mutex<Option<HashSet<(TypeId, &'static str)>>> = Mutex::new(None);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned
        .get_or_insert_default()
        .insert((TypeId::of::<E>(), why))
    {
        tracing::warn!(
            table = E::default().table_name(),
            "subscribers are not told of a write: {why}"
        );
    }
}
