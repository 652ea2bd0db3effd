//! Bulk updates.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, Iterable, ModelTrait,
    PrimaryKeyToColumn, QueryFilter, QuerySelect, QueryTrait, UpdateMany, UpdateResult,
    sea_query::{Expr, Query, SimpleExpr, ValueTuple},
};

use super::{
    LiveDatabase, LiveFilter, WrittenRow, in_transaction, is_one_of, max_rows_per_statement,
    record, restrict_select,
};
use crate::capture::LiveTransaction;

/// Updates all rows that match, and sends each change: see
/// [`LiveEntity::live_update_many`](super::LiveEntity::live_update_many).
#[derive(Clone, Debug)]
#[must_use = "no row is updated until `exec` is called"]
pub struct LiveUpdateMany<E: EntityTrait> {
    filter: LiveFilter<E, UpdateMany<E>>,
    /// The same assignments, without the filter.
    update: UpdateMany<E>,
    sets_key: bool,
}

impl<E: EntityTrait<Model: Sync>> LiveUpdateMany<E> {
    pub(super) fn new() -> Self {
        Self {
            filter: LiveFilter::new(E::update_many()),
            update: E::update_many(),
            sets_key: false,
        }
    }

    /// Sets a column to an expression.
    pub fn col_expr(mut self, column: E::Column, expression: SimpleExpr) -> Self {
        self.sets_key |= E::PrimaryKey::from_column(column).is_some();
        let write = self.filter.write.col_expr(column, expression.clone());
        self.filter.write = write;
        self.update = self.update.col_expr(column, expression);
        self
    }

    /// Sets the columns that are set in an active model.
    pub fn set<A: ActiveModelTrait<Entity = E>>(mut self, model: A) -> Self {
        let mut key = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
        self.sets_key |= key.any(|column| model.get(column).is_set());
        self.filter.write = self.filter.write.set(model.clone());
        self.update = self.update.set(model);
        self
    }

    /// Runs the update.
    ///
    /// # Errors
    /// The error of the database, or an error if a column of the primary key is set: the old and
    /// the new state of a row could then not be matched.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all rows are written or none.
    pub async fn exec(self, db: &impl LiveDatabase) -> Result<UpdateResult, DbErr> {
        let (written, _) = self.run(db, false).await?;
        let mut result = UpdateResult::default();
        result.rows_affected = written;
        Ok(result)
    }

    /// Runs the update and returns the updated rows, on every database.
    ///
    /// # Errors
    /// As [`exec`](Self::exec).
    ///
    /// # Cancel safety
    /// As [`exec`](Self::exec).
    pub async fn exec_with_returning(self, db: &impl LiveDatabase) -> Result<Vec<E::Model>, DbErr> {
        Ok(self.run(db, true).await?.1)
    }

    async fn run(self, db: &impl LiveDatabase, all: bool) -> Result<(u64, Vec<E::Model>), DbErr> {
        if self.sets_key {
            return Err(DbErr::Custom(
                "live_update_many cannot set a column of the primary key: delete the rows and insert new ones".to_owned(),
            ));
        }
        in_transaction(db, async |transaction| {
            let Some(old) = self.filter.lock_rows(transaction, all, false).await? else {
                let write = self.filter.write.clone();
                let written = write.exec(transaction.inner()).await?.rows_affected;
                record::<E>(transaction, None).await;
                return Ok((written, Vec::new()));
            };
            let mut new = Vec::with_capacity(old.len());
            for rows in old.chunks(max_rows_per_statement::<E>()) {
                self.write(transaction, rows, all, &mut new).await?;
            }
            record::<E>(transaction, pair_rows(old, &new)).await;
            Ok((new.len() as u64, new))
        })
        .await
    }

    /// Updates some of the rows, and appends their new state to `new`. The caller needs whole rows
    /// if `whole` is set.
    async fn write(
        &self,
        transaction: &LiveTransaction,
        rows: &[E::Model],
        whole: bool,
        new: &mut Vec<E::Model>,
    ) -> Result<(), DbErr> {
        let (inner, sink) = (transaction.inner(), transaction.sink());
        let update = self.update.clone().filter(is_one_of::<E>(rows));
        let model = sink.registry().model_of::<E>().filter(|_| !whole);
        match (sink.database.returns_rows, model) {
            (true, Some(model)) => {
                let mut update = update.into_query();
                if update.get_values().is_empty() {
                    // SeaORM also sends no update that sets nothing.
                    return Ok(());
                }
                let columns = model.table.returned_columns(sink.database.backend).iter();
                let columns = columns.map(|column| Expr::cust(column.without_unused().to_owned()));
                update.returning(Query::returning().exprs(columns));
                for row in inner.query_all(&update).await? {
                    new.push(E::Model::from_query_result(&row, "")?);
                }
            }
            (true, None) => new.extend(update.exec_with_returning(inner).await?),
            (false, _) => {
                update.exec(inner).await?;
                // The rows are locked already. A locking read returns their current state. A
                // consistent read may return a row that the update left unchanged as it was when
                // the transaction began.
                let mut select = E::find().filter(is_one_of::<E>(rows)).lock_exclusive();
                if !whole {
                    select = restrict_select(sink, select);
                }
                new.extend(select.all(inner).await?);
            }
        }
        Ok(())
    }
}

impl<E: EntityTrait> QueryFilter for LiveUpdateMany<E> {
    type QueryStatement = LiveFilter<E, UpdateMany<E>>;

    fn query(&mut self) -> &mut Self::QueryStatement {
        &mut self.filter
    }
}

/// Pairs each old row with its new state. Returns `None` if a row does not exist any more, for
/// example because of a trigger.
fn pair_rows<M: ModelTrait>(old: Vec<M>, new: &[M]) -> Option<Vec<WrittenRow<M>>> {
    let mut by_key: HashMap<ValueTuple, &M> = new
        .iter()
        .map(|row| (row.get_primary_key_value(), row))
        .collect();
    old.into_iter()
        .map(|old| {
            let new = by_key.remove(&old.get_primary_key_value())?;
            Some(WrittenRow {
                old: Some(old),
                new: Some(new.clone()),
            })
        })
        .collect()
}
