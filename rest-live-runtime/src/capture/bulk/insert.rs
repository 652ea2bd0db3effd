//! Bulk inserts.

use sea_orm::{DbErr, EntityTrait, IntoActiveModel, Iterable};

use super::{Described, LiveDatabase, in_transaction, record};
use crate::data::event::Row;

/// So many parameters are in one statement: SQLite takes 32,766, PostgreSQL 65,535.
const MOST_PARAMETERS: usize = 32_000;

/// Inserts rows, and tells each of them: see
/// [`LiveEntity::live_insert_many`](super::LiveEntity::live_insert_many).
#[derive(Clone, Debug)]
#[must_use = "nothing is written until `exec`"]
pub struct LiveInsertMany<E: EntityTrait> {
    models: Vec<E::ActiveModel>,
}

impl<E: EntityTrait<Model: Sync>> LiveInsertMany<E> {
    pub(super) fn new(models: Vec<E::ActiveModel>) -> Self {
        Self { models }
    }

    /// Runs the insert and returns how many rows were inserted.
    ///
    /// # Errors
    /// The database's.
    ///
    /// # Cancel safety
    /// It is done as a whole, or not at all.
    pub async fn exec(self, db: &impl LiveDatabase) -> Result<u64, DbErr>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        Ok(self.exec_with_returning(db).await?.len() as u64)
    }

    /// Runs the insert and returns the rows, on every database. Where the database returns no rows (MariaDB,
    /// MySQL), it is one statement and one read a row.
    ///
    /// # Errors
    /// The database's.
    ///
    /// # Cancel safety
    /// It is done as a whole, or not at all.
    pub async fn exec_with_returning(
        mut self,
        db: &impl LiveDatabase,
    ) -> Result<Vec<E::Model>, DbErr>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let at_once = (MOST_PARAMETERS / E::Column::iter().count().max(1)).max(1);
        in_transaction(db, async |transaction| {
            let inner = transaction.inner();
            let mut rows = Vec::with_capacity(self.models.len());
            if transaction.scope().database.returns {
                while !self.models.is_empty() {
                    let chunk: Vec<_> = self
                        .models
                        .drain(..at_once.min(self.models.len()))
                        .collect();
                    rows.extend(E::insert_many(chunk).exec_with_returning(inner).await?);
                }
            } else {
                for model in self.models {
                    rows.push(E::insert(model).exec_with_returning(inner).await?);
                }
            }
            let described = rows.iter().map(|row| Described {
                old: None,
                new: Some(Row::new(row.clone())),
            });
            record::<E>(transaction, Some(described.collect())).await;
            Ok(rows)
        })
        .await
    }
}
