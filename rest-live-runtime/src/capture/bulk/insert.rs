//! Bulk inserts.

use sea_orm::{DbErr, EntityTrait, IntoActiveModel, Iterable};

use super::{LiveDatabase, WrittenRow, in_transaction, record};

/// Maximum number of parameters in one statement. SQLite accepts 32,766, PostgreSQL 65,535.
const MAX_PARAMETERS: usize = 32_000;

/// Inserts rows, and sends each change: see
/// [`LiveEntity::live_insert_many`](super::LiveEntity::live_insert_many).
#[derive(Clone, Debug)]
#[must_use = "no row is inserted until `exec` is called"]
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
    /// The error of the database.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all rows are written or none.
    pub async fn exec(self, db: &impl LiveDatabase) -> Result<u64, DbErr>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        Ok(self.exec_with_returning(db).await?.len() as u64)
    }

    /// Runs the insert and returns the rows, on every database. If the database returns no rows
    /// (MariaDB, MySQL), it runs one INSERT and one SELECT for each row.
    ///
    /// # Errors
    /// The error of the database.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all rows are written or none.
    pub async fn exec_with_returning(
        mut self,
        db: &impl LiveDatabase,
    ) -> Result<Vec<E::Model>, DbErr>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let rows_per_statement = (MAX_PARAMETERS / E::Column::iter().count().max(1)).max(1);
        in_transaction(db, async |transaction| {
            let inner = transaction.inner();
            let mut rows = Vec::with_capacity(self.models.len());
            if transaction.sink().database.returns_rows {
                while !self.models.is_empty() {
                    let chunk: Vec<_> = self
                        .models
                        .drain(..rows_per_statement.min(self.models.len()))
                        .collect();
                    rows.extend(E::insert_many(chunk).exec_with_returning(inner).await?);
                }
            } else {
                for model in self.models {
                    rows.push(E::insert(model).exec_with_returning(inner).await?);
                }
            }
            let written = rows.iter().map(|row| WrittenRow {
                old: None,
                new: Some(row.clone()),
            });
            record::<E>(transaction, Some(written.collect())).await;
            Ok(rows)
        })
        .await
    }
}
