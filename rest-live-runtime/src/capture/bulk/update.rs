//! Bulk updates.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, DbErr, EntityTrait, Iterable, ModelTrait, PrimaryKeyToColumn, QueryFilter,
    QuerySelect, UpdateMany, UpdateResult,
    sea_query::{SimpleExpr, ValueTuple},
};

use super::{Described, LiveDatabase, LiveFilter, at_once, in_transaction, one_of, record};
use crate::{capture::LiveTransaction, data::event::Row};

/// Updates all rows that match, and tells each of them: see
/// [`LiveEntity::live_update_many`](super::LiveEntity::live_update_many).
#[derive(Clone, Debug)]
#[must_use = "nothing is written until `exec`"]
pub struct LiveUpdateMany<E: EntityTrait> {
    matching: LiveFilter<E, UpdateMany<E>>,
    /// What is set, of all rows.
    update: UpdateMany<E>,
    sets_key: bool,
}

impl<E: EntityTrait<Model: Sync>> LiveUpdateMany<E> {
    pub(super) fn new() -> Self {
        Self {
            matching: LiveFilter::new(E::update_many()),
            update: E::update_many(),
            sets_key: false,
        }
    }

    /// Sets a column to an expression.
    pub fn col_expr(mut self, column: E::Column, expression: SimpleExpr) -> Self {
        self.sets_key |= E::PrimaryKey::from_column(column).is_some();
        let write = self.matching.write.col_expr(column, expression.clone());
        self.matching.write = write;
        self.update = self.update.col_expr(column, expression);
        self
    }

    /// Sets what is set in a model.
    pub fn set<A: ActiveModelTrait<Entity = E>>(mut self, model: A) -> Self {
        let mut key = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
        self.sets_key |= key.any(|column| model.get(column).is_set());
        self.matching.write = self.matching.write.set(model.clone());
        self.update = self.update.set(model);
        self
    }

    /// Runs the update.
    ///
    /// # Errors
    /// The database's, and that a column of the primary key is set: which row is which would not be known.
    ///
    /// # Cancel safety
    /// It is done as a whole, or not at all.
    pub async fn exec(self, db: &impl LiveDatabase) -> Result<UpdateResult, DbErr> {
        let (written, _) = self.run(db, false).await?;
        let mut result = UpdateResult::default();
        result.rows_affected = written;
        Ok(result)
    }

    /// Runs the update and returns the rows as they are now, on every database.
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
                "live_update_many cannot set a column of the primary key: insert the rows anew and delete the old ones".to_owned(),
            ));
        }
        in_transaction(db, async |transaction| {
            let Some(old) = self.matching.rows(transaction, all).await? else {
                let write = self.matching.write.clone();
                let written = write.exec(transaction.inner()).await?.rows_affected;
                record::<E>(transaction, None).await;
                return Ok((written, Vec::new()));
            };
            let mut new = Vec::with_capacity(old.len());
            for rows in old.chunks(at_once::<E>()) {
                self.write(transaction, rows, &mut new).await?;
            }
            record::<E>(transaction, paired(old, &new)).await;
            Ok((new.len() as u64, new))
        })
        .await
    }

    /// Updates some rows, and appends what they are then.
    async fn write(
        &self,
        transaction: &LiveTransaction,
        rows: &[E::Model],
        new: &mut Vec<E::Model>,
    ) -> Result<(), DbErr> {
        let inner = transaction.inner();
        let update = self.update.clone().filter(one_of::<E>(rows));
        if transaction.scope().database.returns {
            new.extend(update.exec_with_returning(inner).await?);
        } else {
            update.exec(inner).await?;
            // Locked they are, and a read that locks reads what is there: another may show a row that the update left
            // as it was, as it was when the transaction began.
            let select = E::find().filter(one_of::<E>(rows)).lock_exclusive();
            new.extend(select.all(inner).await?);
        }
        Ok(())
    }
}

impl<E: EntityTrait> QueryFilter for LiveUpdateMany<E> {
    type QueryStatement = LiveFilter<E, UpdateMany<E>>;

    fn query(&mut self) -> &mut Self::QueryStatement {
        &mut self.matching
    }
}

/// Finds to each row what it is now. `None` where one is not there any more: a trigger saw to it.
fn paired<M: ModelTrait + Sync + 'static>(old: Vec<M>, new: &[M]) -> Option<Vec<Described>> {
    let mut by_key: HashMap<ValueTuple, &M> = new
        .iter()
        .map(|row| (row.get_primary_key_value(), row))
        .collect();
    old.into_iter()
        .map(|old| {
            let new = by_key.remove(&old.get_primary_key_value())?;
            Some(Described {
                old: Some(Row::new(old)),
                new: Some(Row::new(new.clone())),
            })
        })
        .collect()
}
