//! Bulk writes of which every row is known, on every database.
//!
//! SeaORM's own builders do not tell a connection which rows they are about to write. These record the same
//! `.filter(..)` for a SELECT as well: it reads and locks the rows in the transaction that then writes them.

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
    LiveConnection, LiveTransaction,
    hooks::{begin_to_write, locked, scope_of::live_scope},
};
use crate::{
    data::event::{Event, Row},
    model::{declaration::LiveModel, registry::ModelEntry},
    publish::publisher::resets,
};

/// So many rows are named by one statement: SQLite takes 32,766 parameters, the others 65,535, and a composite
/// key is an expression of some depth for each row, which SQLite limits to 1,000.
fn at_once<E: EntityTrait>() -> usize {
    match E::PrimaryKey::iter().count() {
        1 => 30_000,
        _ => 500,
    }
}

/// A [`LiveConnection`] or a [`LiveTransaction`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not live: subscribers would hear nothing of the rows",
    note = "write on `Live::db()`, or on a transaction begun on it"
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
        /// Returns whether a write returns the rows that it wrote.
        fn returns_rows(&self) -> bool;
    }

    impl Sealed for LiveConnection {
        fn returns_rows(&self) -> bool {
            self.scope().returns_rows()
        }
    }

    impl Sealed for LiveTransaction {
        fn returns_rows(&self) -> bool {
            self.scope().returns_rows()
        }
    }
}

/// Bulk writes that are told row by row: what SeaORM's `update_many`, `delete_many` and `insert_many` do, with
/// the same `.filter(..)`, exact on every database, whatever is set and whoever may see it.
///
/// Each runs in a transaction of its own, or in a savepoint of the one that it is given. The rows are read and locked, and then
/// written by their keys; a table with a composite key is written 500 rows at a time, and an expression that reads other
/// rows sees what was written before. Up to
/// [`LiveBuilder::max_rows_per_statement`](crate::LiveBuilder::max_rows_per_statement) rows are told one by one; more are one reset.
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

/// The condition of a bulk write: for the statement that writes, and for the one that reads before.
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

    /// Reads the rows that match, and locks them until the transaction ends; `None` where they are more than
    /// are told one by one, unless the caller wants them all.
    async fn rows(
        &self,
        transaction: &LiveTransaction,
        all: bool,
    ) -> Result<Option<Vec<E::Model>>, DbErr> {
        let inner = transaction.inner();
        begin_to_write::<E, _>(inner).await?;
        let most = transaction.scope().database.max_rows_per_statement;
        let select = locked(self.read.clone(), transaction.scope().database.backend);
        let limit = (!all).then_some(most as u64 + 1);
        let rows = select.limit(limit).all(inner).await?;
        Ok((all || rows.len() <= most).then_some(rows))
    }
}

/// Returns the condition that it is one of these rows.
fn one_of<E: EntityTrait>(rows: &[E::Model]) -> Condition {
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

/// Records what a bulk write did, row by row, or as one reset: where the rows are not known, or too many.
async fn record<E: EntityTrait>(transaction: &LiveTransaction, events: Option<Vec<Described>>) {
    let Some(scope) = live_scope::<E, _>(transaction) else {
        return;
    };
    let Some(model) = scope.registry().model_of::<E>() else {
        return;
    };
    let label = &model.label;
    let most = scope.database.max_rows_per_statement;
    let events = events.filter(|events| events.len() <= most);
    let interval = scope.interval();
    let known = events.and_then(|events| {
        let events = events.into_iter().map(|described| {
            let event = described.into_event(Arc::clone(label), model)?;
            Some((event, Some(Arc::clone(&interval))))
        });
        events.collect::<Option<Vec<_>>>()
    });
    let reset = || resets([Arc::clone(label)]);
    scope.record(known.unwrap_or_else(reset)).await;
}

/// What a bulk write did to a row.
struct Described {
    old: Option<Row>,
    new: Option<Row>,
}

impl Described {
    fn into_event(self, label: Arc<str>, model: &ModelEntry) -> Option<Event> {
        let key = model.key_of(self.new.as_ref().or(self.old.as_ref())?)?;
        Some(match (self.old, self.new) {
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
            transaction.scope().failed(&error);
            // After a deadlock there may be nothing to roll back: the first error is the one to know.
            _ = transaction.rollback().await;
            Err(error)
        }
    }
}
