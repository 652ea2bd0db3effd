//! Bulk writes whose rows are all known, on every database.
//!
//! SeaORM's own builders do not show a connection which rows they are about to write. The builders
//! here apply the same `.filter(..)` to a SELECT also. It reads and locks the rows in the
//! transaction that then writes them. Applications call them through [`LiveEntity`].
//!
//! For SeaORM's own `update_many`, capture derives the SELECT from the text instead, if it can: see
//! [`OldRowsQuery`](super::sql::old_rows::OldRowsQuery).

mod delete;
mod insert;
mod update;

use std::sync::Arc;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, Iterable,
    ModelTrait, PrimaryKeyToColumn, QueryFilter, QuerySelect, Select, TransactionTrait,
    sea_query::{ConditionalStatement, IntoCondition, LogicalChainOper, SelectStatement},
};

pub use self::{delete::LiveDeleteMany, insert::LiveInsertMany, update::LiveUpdateMany};
use super::{
    EventSink, LiveConnection, LiveTransaction,
    hooks::{
        acquire_write_lock,
        sink_of::{Hook, live_sink},
    },
};
use crate::{
    data::{event::Event, scoped_model::ScopedModel},
    model::{declaration::LiveModel, registry::ModelEntry, table::row_lock},
    publish::publisher::resets,
};

/// Returns the maximum number of rows that one statement names.
///
/// SQLite accepts 32,766 parameters, the other databases 65,535. Each composite key is a nested
/// expression, and SQLite limits the depth of expressions to 1,000.
fn max_rows_per_statement<E: EntityTrait>() -> usize {
    match E::PrimaryKey::iter().count() {
        1 => 30_000,
        _ => 500,
    }
}

/// A [`LiveConnection`] or a [`LiveTransaction`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a live connection or transaction: subscribers would not receive the changes",
    note = "write on `Live::db()`, or on a transaction that was begun on it"
)]
pub trait LiveDatabase:
    ConnectionTrait + TransactionTrait<Transaction = LiveTransaction> + sealed::Sealed
{
}

impl LiveDatabase for LiveConnection {}
impl LiveDatabase for LiveTransaction {}

mod sealed {
    use crate::capture::{LiveConnection, LiveTransaction};

    pub trait Sealed {
        /// Returns whether the statement of a write returns the rows that it wrote.
        fn returns_rows(&self) -> bool;
    }

    impl Sealed for LiveConnection {
        fn returns_rows(&self) -> bool {
            self.sink().returns_rows()
        }
    }

    impl Sealed for LiveTransaction {
        fn returns_rows(&self) -> bool {
            self.sink().returns_rows()
        }
    }
}

/// Bulk writes whose changes are sent row by row.
///
/// They do what SeaORM's `update_many`, `delete_many` and `insert_many` do, with the same
/// `.filter(..)`. In addition, they capture the old and the new state of each row, on every
/// database. So all groups and permissions receive the exact changes.
///
/// Each bulk write runs in a transaction of its own, or in a savepoint of the given transaction. It
/// reads and locks the rows, then writes them by their keys. If the table has a composite key, it
/// writes 500 rows at a time. An expression that reads other rows then sees those that were already
/// written.
///
/// Up to [`LiveBuilder::max_rows_per_statement`](crate::LiveBuilder::max_rows_per_statement) rows
/// are published one by one. If there are more, subscribers receive one reset instead.
pub trait LiveEntity: EntityTrait<Model: Sync> {
    /// Updates all rows that match.
    ///
    /// ```ignore
    /// task::Entity::live_update_many()
    ///     .col_expr(task::Column::ListId, Expr::value(2))
    ///     .filter(task::Column::ListId.eq(1))
    ///     .exec(&db)
    ///     .await?;
    /// ```
    fn live_update_many() -> LiveUpdateMany<Self> {
        LiveUpdateMany::new()
    }

    /// Deletes all rows that match.
    fn live_delete_many() -> LiveDeleteMany<Self> {
        LiveDeleteMany::new()
    }

    /// Inserts rows.
    fn live_insert_many<A, I>(models: I) -> LiveInsertMany<Self>
    where
        A: IntoActiveModel<Self::ActiveModel>,
        I: IntoIterator<Item = A>,
    {
        LiveInsertMany::new(models.into_iter().map(A::into_active_model).collect())
    }
}

impl<E: EntityTrait<Model: Sync>> LiveEntity for E where E::ActiveModel: LiveModel {}

/// The condition of a bulk write. It applies to the statement that writes the rows, and to the one
/// that reads them before.
#[derive(Clone, Debug)]
pub struct LiveFilter<E: EntityTrait, W> {
    read: Select<E>,
    write: W,
}

impl<E: EntityTrait, W: QueryFilter> ConditionalStatement for LiveFilter<E, W> {
    fn and_or_where(&mut self, condition: LogicalChainOper) -> &mut Self {
        QueryFilter::query(&mut self.read).and_or_where(condition.clone());
        self.write.query().and_or_where(condition);
        self
    }

    fn cond_where<C: IntoCondition>(&mut self, condition: C) -> &mut Self {
        let condition = condition.into_condition();
        let read: &mut SelectStatement = QueryFilter::query(&mut self.read);
        read.cond_where(condition.clone());
        self.write.query().cond_where(condition);
        self
    }
}

impl<E: EntityTrait<Model: Sync>, W> LiveFilter<E, W> {
    fn new(write: W) -> Self {
        Self {
            read: E::find(),
            write,
        }
    }

    /// Reads the rows that match, and locks them until the transaction ends.
    ///
    /// Returns `None` if they are more than are sent one by one, unless `all` asks for them anyway.
    /// The rows that are only captured are read without their unused columns; the caller needs
    /// whole rows if `whole` is set.
    async fn lock_rows(
        &self,
        transaction: &LiveTransaction,
        all: bool,
        whole: bool,
    ) -> Result<Option<Vec<E::Model>>, DbErr> {
        let inner = transaction.inner();
        acquire_write_lock::<E, _>(inner).await?;
        let database = &transaction.sink().database;
        let max_rows = database.max_rows_per_statement;
        let mut select = self.read.clone().lock(row_lock(database.backend));
        if !whole {
            select = restrict_select(transaction.sink(), select);
        }
        let limit = (!all).then_some(max_rows as u64 + 1);
        let rows = select.limit(limit).all(inner).await?;
        Ok((all || rows.len() <= max_rows).then_some(rows))
    }
}

/// Returns the condition that matches these rows by their primary keys.
fn is_one_of<E: EntityTrait>(rows: &[E::Model]) -> Condition {
    let columns: Vec<E::Column> = E::PrimaryKey::iter()
        .map(PrimaryKeyToColumn::into_column)
        .collect();
    if let [column] = columns[..] {
        return column
            .is_in(rows.iter().map(|row| row.get(column)))
            .into_condition();
    }
    let is_row = |row: &E::Model| {
        let mut all = Condition::all();
        for column in &columns {
            all = all.add(column.eq(row.get(*column)));
        }
        all
    };
    rows.iter()
        .fold(Condition::any(), |any, row| any.add(is_row(row)))
}

/// Makes a query of rows that are only captured read only the columns that are used.
fn restrict_select<E: EntityTrait<Model: Sync>>(sink: &EventSink, select: Select<E>) -> Select<E> {
    let model = sink.registry().model_of::<E>();
    match model.and_then(|model| model.table.entity_columns::<E>()) {
        Some(columns) => columns.restrict_select(select),
        None => select,
    }
}

/// Records the events of a bulk write. If its rows are unknown (`None`) or too many, records one
/// reset.
async fn record<E: EntityTrait<Model: Sync>>(
    transaction: &LiveTransaction,
    rows: Option<Vec<WrittenRow<E::Model>>>,
) {
    let Some(sink) = live_sink::<E, _>(transaction, Hook::Before).await else {
        return;
    };
    let Some(model) = sink.registry().model_of::<E>() else {
        return;
    };
    let label = &model.label;
    let max_rows = sink.database.max_rows_per_statement;
    let rows = rows.filter(|rows| rows.len() <= max_rows);
    let interval = sink.begin_interval();
    let events = rows.and_then(|rows| {
        let events = rows.into_iter().map(|row| {
            let event = row.into_event::<E>(Arc::clone(label), model)?;
            Some((event, Some(Arc::clone(&interval))))
        });
        events.collect::<Option<Vec<_>>>()
    });
    let reset = || resets([ScopedModel::new(Arc::clone(label), None)]);
    sink.record(events.unwrap_or_else(reset)).await;
}

/// A row before and after a bulk write.
struct WrittenRow<M> {
    old: Option<M>,
    new: Option<M>,
}

impl<M: ModelTrait> WrittenRow<M> {
    fn into_event<E>(self, label: Arc<str>, model: &ModelEntry) -> Option<Event>
    where
        E: EntityTrait<Model = M>,
        M: Sync,
    {
        let take = |row: M| model.table.take::<E>(row);
        let (old, new) = (self.old.map(take), self.new.map(take));
        let key = model.key_of(new.as_ref().or(old.as_ref())?)?;
        Some(match (old, new) {
            (None, Some(new)) => Event::created(label, key, new),
            (Some(old), None) => Event::deleted(label, key, old),
            (old, Some(new)) => Event::updated(label, key, old, new),
            (None, None) => return None,
        })
    }
}

/// Runs a bulk write in a transaction of its own.
async fn in_transaction<T>(
    db: &impl LiveDatabase,
    write: impl AsyncFnOnce(&LiveTransaction) -> Result<T, DbErr>,
) -> Result<T, DbErr> {
    let transaction = db.begin().await?;
    let written = write(&transaction).await;
    match written {
        Ok(written) => {
            transaction.commit().await?;
            Ok(written)
        }
        Err(error) => {
            transaction.sink().note_failure(&error);
            // The caller needs the first error. After a deadlock, a rollback may fail because the
            // transaction has ended already.
            _ = transaction.rollback().await;
            Err(error)
        }
    }
}
