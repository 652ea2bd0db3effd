//! What the generated `ActiveModelBehavior` hooks call. Not for applications: `#[subscribable]`
//! and `#[live]` write these calls.

pub(crate) mod abandoned;
pub(crate) mod pending;
pub(crate) mod probe;
pub(crate) mod scope_of;
use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    ExprTrait, IdenStatic, Iterable, PrimaryKeyToColumn, QueryFilter, QuerySelect, TryIntoModel,
    sea_query::{Expr, Query},
};

use self::{
    pending::{PendingWrite, Stage, Writer},
    scope_of::live_scope,
};
use super::{Scope, sql::Verb};
use crate::{
    data::{event::Row, key::KeyValue},
    model::{registry::ModelEntry, table::row_lock},
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
    let Some(model) = scope.registry().model_of::<A::Entity>() else {
        return Ok(());
    };
    let write = match insert {
        // The statement returns the row.
        true if scope.returns_rows() => None,
        true => Some(announced(&scope, Verb::Insert, key_of(active), None)),
        false => before_update(active, db, &scope, model).await?,
    };
    if let Some(write) = write {
        scope.announce(Writer::current(), model.entity, write);
    }
    // SeaORM asks from here on, if it does: see there.
    _ = probe::were_rows_asked_for();
    Ok(())
}

async fn before_update<A, C>(
    active: &A,
    db: &C,
    scope: &Arc<Scope>,
    model: &ModelEntry,
) -> Result<Option<PendingWrite>, DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    // SeaORM refuses an update without a key itself, in its own words.
    let Some(key) = key_of(active) else {
        return Ok(None);
    };
    let columns = <A::Entity as EntityTrait>::Column::iter();
    let sets: Vec<_> = columns
        .filter(|column| {
            <A::Entity as EntityTrait>::PrimaryKey::from_column(*column).is_none()
                && matches!(active.get(*column), ActiveValue::Set(_))
        })
        .map(|column| column.as_str())
        .collect();
    let needs_old = model.needs_old(&sets);
    if sets.is_empty() {
        // SeaORM sends no UPDATE then, and still runs the second hook.
        let nothing = PendingWrite {
            stage: Stage::Nothing,
            ..announced(scope, Verb::Update, Some(key), None)
        };
        return Ok((!scope.returns_rows()).then_some(nothing));
    }
    if scope.returns_rows() && !needs_old {
        return Ok(None);
    }
    // Its interval begins before the row is read.
    let mut write = announced(scope, Verb::Update, Some(key), None);
    if needs_old && scope.reads_old_rows_itself() {
        write.was_missing = true;
    } else if needs_old {
        write.old = read_old(active, db, scope).await?;
        write.was_missing = write.old.is_none();
    }
    Ok(Some(write))
}

/// Runs after an insert or update.
pub async fn after_save<A, C>(row: &Model<A>, db: &C, insert: bool)
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(scope) = live_scope::<A::Entity, C>(db) else {
        return;
    };
    let Some(model) = scope.registry().model_of::<A::Entity>() else {
        return;
    };
    if scope.returns_rows() {
        // All was known when the statement returned.
        return;
    }
    let new = Row::new(row.clone());
    let Some(key) = model.key_of(&new) else {
        return;
    };
    let verb = match insert {
        true => Verb::Insert,
        false => Verb::Update,
    };
    match scope.stash.end(Writer::current(), model.entity, verb, &key) {
        Some(write) if write.stage == Stage::Nothing => {}
        Some(write) => scope.record(vec![write.written(model, key, new)]).await,
        // It took so long that it was believed to be given up.
        None => {
            let write = announced(&scope, verb, Some(key), Some(new));
            scope.settle(model, write);
        }
    }
}

/// Runs before a delete. Reads the row, unless the statement returns it.
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
    let Some(model) = scope.registry().model_of::<A::Entity>() else {
        return Ok(());
    };
    let Some(key) = key_of(active).filter(|_| !scope.returns_rows()) else {
        return Ok(());
    };
    let mut write = announced(&scope, Verb::Delete, Some(key), None);
    // Who is told, and shown what, is decided on the row as it is, not as it once was read.
    write.old = read_old(active, db, &scope).await?;
    write.was_missing = write.old.is_none();
    // Where only hooks are seen, nobody says whether it was there when it was deleted.
    if write.old.is_some() || scope.sees_statements() {
        scope.announce(Writer::current(), model.entity, write);
    }
    Ok(())
}

/// Runs after a delete. Where no row was found there is no event.
pub async fn after_delete<A, C>(active: &A, db: &C)
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(scope) = live_scope::<A::Entity, C>(db) else {
        return;
    };
    let Some(model) = scope.registry().model_of::<A::Entity>() else {
        return;
    };
    let Some(key) = key_of(active).filter(|_| !scope.sees_statements()) else {
        return;
    };
    let write = scope
        .stash
        .end(Writer::current(), model.entity, Verb::Delete, &key);
    let deleted = write.and_then(|write| write.deleted(model));
    scope.record(Vec::from_iter(deleted)).await;
}

fn announced(scope: &Scope, verb: Verb, key: Option<KeyValue>, old: Option<Row>) -> PendingWrite {
    PendingWrite {
        verb,
        key,
        old,
        was_missing: false,
        interval: scope.interval(),
        stage: Stage::PendingWrite,
    }
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
        select = locked(select, db.get_database_backend());
        begin_to_write::<A::Entity, C>(db).await?;
    }
    Ok(select.one(db).await?.map(Row::new))
}

/// Has the rows be locked that are read before an update.
pub(super) fn locked<S: QuerySelect>(select: S, backend: DbBackend) -> S {
    select.lock(row_lock(backend))
}

/// Has a SQLite transaction be a writer before the old row is read. One that begins with a read and
/// then writes is refused at once if another writes meanwhile ("database is locked"), where one that
/// begins with its write waits its turn (SQLite, "Deferred, immediate and exclusive transactions"). So a
/// statement that changes nothing comes first.
pub(super) async fn begin_to_write<E: EntityTrait, C: ConnectionTrait>(
    db: &C,
) -> Result<(), DbErr> {
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
