//! The functions that generated `ActiveModelBehavior` hooks call. They are not for applications:
//! `#[subscribable]` and `#[live]` generate the calls.
//!
//! A `before_*` function adds a pending write to the sink. The statement or the `after_*` function
//! takes it out and records its event.

mod autocommit;
pub(crate) mod probe;
pub(crate) mod sink_of;

use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    ExprTrait, IdenStatic, Iterable, PrimaryKeyToColumn, QueryFilter, QuerySelect, QueryTrait,
    TryIntoModel,
    sea_query::{Expr, Query},
};

use self::sink_of::{Hook, live_sink};
use super::{
    EventSink,
    sink::pending::{PendingWrite, Stage, Writer},
    sql::Verb,
};
use crate::{
    data::{event::Row, key::KeyValue},
    model::{registry::ModelEntry, table::row_lock},
    user_code,
};

type Model<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Model;

/// Runs before an insert or update. Reads the old row if the write could move it to another group,
/// or if a filter or a permission decides who sees it. Otherwise it runs no statement.
///
/// # Errors
/// The database's, if the old row cannot be read.
pub async fn before_save<A, C>(active: &A, db: &C, insert: bool) -> Result<(), DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(sink) = live_sink::<A::Entity, C>(db, Hook::Before).await else {
        return Ok(());
    };
    let Some(model) = sink.registry().model_of::<A::Entity>() else {
        return Ok(());
    };
    let write = if !insert {
        before_update(active, db, &sink, model).await?
    } else if sink.returns_rows() {
        // The statement returns the row.
        None
    } else {
        let key = key_of(active);
        Some(pending_write(&sink, Verb::Insert, key, None))
    };
    if let Some(write) = write {
        sink.add_pending(Writer::current(), model.entity, write);
        sink.announce_unseen_write().await;
    }
    // Only a query of SeaORM from here on belongs to this write.
    _ = probe::take_returning_query();
    Ok(())
}

async fn before_update<A, C>(
    active: &A,
    db: &C,
    sink: &Arc<EventSink>,
    model: &ModelEntry,
) -> Result<Option<PendingWrite>, DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    // SeaORM itself refuses an update without a key, with its own error.
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
        // SeaORM then sends no UPDATE, but still runs the second hook.
        let unchanged = PendingWrite {
            stage: Stage::Unchanged,
            ..pending_write(sink, Verb::Update, Some(key), None)
        };
        return Ok((!sink.returns_rows()).then_some(unchanged));
    }
    if sink.returns_rows() && !needs_old {
        return Ok(None);
    }
    // The write's interval begins before the row is read.
    let mut write = pending_write(sink, Verb::Update, Some(key), None);
    if needs_old && !sink.may_read() {
        write.was_missing = true;
    } else if needs_old && sink.wraps_writes_in_transaction() {
        if sink.may_read_table(db, model, false).await {
            write.was_missing = true;
        } else {
            write.is_unreadable = true;
        }
    } else if needs_old {
        read_old(active, db, sink, model, &mut write).await?;
    }
    Ok(Some(write))
}

/// Runs after an insert or update.
pub async fn after_save<A, C>(row: &Model<A>, db: &C, insert: bool)
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(sink) = live_sink::<A::Entity, C>(db, Hook::After).await else {
        return;
    };
    let Some(model) = sink.registry().model_of::<A::Entity>() else {
        return;
    };
    if sink.returns_rows() {
        // The event was recorded when the statement returned.
        return;
    }
    // Reading a column may run the application's code.
    let new = user_code::call(|| {
        let new = model.table.take::<A::Entity>(row.clone());
        model.key_of(&new).map(|key| (key, new))
    });
    let (key, new) = match new {
        Ok(Some(new)) => new,
        Ok(None) => return,
        Err(panic) => {
            tracing::error!(
                model = &*model.label,
                %panic,
                "the key of a written row could not be read: the model's subscribers receive a reset"
            );
            return sink.record_reset(model).await;
        }
    };
    let verb = if insert { Verb::Insert } else { Verb::Update };
    let write = sink
        .pending
        .take_finished(Writer::current(), model.entity, verb, &key);
    match write {
        Some(write) if write.stage == Stage::Unchanged => {}
        Some(write) if write.was_missing && !sink.may_read() => {
            sink.record_reset(model).await;
        }
        Some(write) => {
            let event = write.into_written_event(model, key, new);
            sink.record(vec![event]).await;
        }
        // The hook came so late that the sweep took the write for abandoned.
        None => {
            let write = pending_write(&sink, verb, Some(key), Some(new));
            sink.reread(model, write);
        }
    }
}

/// Runs before a delete. Reads the row, unless the statement returns it.
///
/// # Errors
/// The database's, if the row cannot be read.
pub async fn before_delete<A, C>(active: &A, db: &C) -> Result<(), DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>> + TryIntoModel<Model<A>>,
    C: ConnectionTrait,
{
    let Some(sink) = live_sink::<A::Entity, C>(db, Hook::Before).await else {
        return Ok(());
    };
    let Some(model) = sink.registry().model_of::<A::Entity>() else {
        return Ok(());
    };
    let Some(key) = key_of(active).filter(|_| !sink.returns_rows()) else {
        return Ok(());
    };
    let mut write = pending_write(&sink, Verb::Delete, Some(key), None);
    if !sink.may_read() {
        sink.add_pending(Writer::current(), model.entity, write);
        return Ok(());
    }
    // The row in the database decides which subscribers receive the change and what they see, not
    // the model, which may be out of date.
    read_old(active, db, &sink, model, &mut write).await?;
    // If capture sees hooks only, it cannot know whether a missing row existed at the DELETE.
    if write.old.is_some() || write.is_unreadable || sink.sees_statements() {
        sink.add_pending(Writer::current(), model.entity, write);
        sink.announce_unseen_write().await;
    }
    Ok(())
}

/// Runs after a delete. If no row was found, it records no event.
pub async fn after_delete<A, C>(active: &A, db: &C)
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    let Some(sink) = live_sink::<A::Entity, C>(db, Hook::After).await else {
        return;
    };
    let Some(model) = sink.registry().model_of::<A::Entity>() else {
        return;
    };
    let Some(key) = key_of(active).filter(|_| !sink.sees_statements()) else {
        return;
    };
    let write = sink
        .pending
        .take_finished(Writer::current(), model.entity, Verb::Delete, &key);
    if !sink.may_read() {
        return sink.record_reset(model).await;
    }
    let Some(write) = write else { return };
    // A policy or a trigger can keep the row, and SeaORM runs this hook in that case also.
    match model.table.read(db, &key).await {
        Ok(None) => {
            let deleted = write.into_deleted_event(model);
            sink.record(Vec::from_iter(deleted)).await;
        }
        Ok(Some(_)) => sink.reread(model, write),
        Err(_) => sink.record_reset(model).await,
    }
}

/// Creates a write whose interval begins now.
fn pending_write(
    sink: &EventSink,
    verb: Verb,
    key: Option<KeyValue>,
    old: Option<Row>,
) -> PendingWrite {
    PendingWrite {
        verb,
        key,
        old,
        was_missing: false,
        is_unreadable: false,
        interval: sink.begin_interval(),
        stage: Stage::Announced,
    }
}

/// Reads the row that is about to be written into `write`. In a transaction it also locks the row,
/// so that the row does not change until the transaction ends. (SQLite has a single writer and
/// needs no row locks.)
///
/// A row that cannot be decoded, or that the role may not be allowed to read, does not fail the
/// write.
///
/// # Errors
/// The database's, if the row cannot be read.
async fn read_old<A, C>(
    active: &A,
    db: &C,
    sink: &EventSink,
    model: &ModelEntry,
    write: &mut PendingWrite,
) -> Result<(), DbErr>
where
    A: ActiveModelTrait<Entity: EntityTrait<Model: Sync>>,
    C: ConnectionTrait,
{
    if !sink.may_read_table(db, model, false).await {
        // The role may have no right to read each column. The read would fail the write.
        write.is_unreadable = true;
        return Ok(());
    }
    let mut select = A::Entity::find();
    if let Some(columns) = model.table.entity_columns::<A::Entity>() {
        select = columns.restrict_select(select);
    }
    for key in <A::Entity as EntityTrait>::PrimaryKey::iter() {
        let column = key.into_column();
        let Some(value) = active.get(column).into_value() else {
            // SeaORM itself refuses the write, with its own error.
            write.was_missing = true;
            return Ok(());
        };
        select = select.filter(column.eq(value));
    }
    if sink.is_transaction() {
        select = select.lock(row_lock(db.get_database_backend()));
        acquire_write_lock::<A::Entity, C>(db).await?;
    }
    let result = db.query_one(&select.into_query()).await?;
    match result.map(|result| model.table.decode(&result)).transpose() {
        Ok(old) => {
            write.was_missing = old.is_none();
            write.old = old;
        }
        Err(error) => {
            tracing::error!(
                model = &*model.label,
                %error,
                "a row could not be decoded before it was written: the model's subscribers receive a reset"
            );
            write.is_unreadable = true;
        }
    }
    Ok(())
}

/// Makes a SQLite transaction a writer before it reads the old row, with a statement that changes
/// nothing.
///
/// SQLite refuses the first write of a transaction that began with a read, if another connection
/// has written meanwhile ("database is locked"). A transaction that begins with a write waits for
/// the other writer instead (SQLite, "Deferred, immediate and exclusive transactions").
pub(super) async fn acquire_write_lock<E: EntityTrait, C: ConnectionTrait>(
    db: &C,
) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Sqlite {
        let mut no_op = Query::delete();
        no_op.from_table(E::default().table_ref());
        no_op.and_where(Expr::val(1).eq(0));
        db.execute(&no_op).await?;
    }
    Ok(())
}

/// Returns the primary key of an active model, `None` if a column of it is not set.
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
