//! Bulk deletes.

use sea_orm::{DbErr, DeleteMany, DeleteResult, EntityTrait, QueryFilter};

use super::{
    LiveDatabase, LiveFilter, WrittenRow, in_transaction, is_one_of, max_rows_per_statement, record,
};

/// Deletes all rows that match, and sends each change: see
/// [`LiveEntity::live_delete_many`](super::LiveEntity::live_delete_many).
#[derive(Clone, Debug)]
#[must_use = "no row is deleted until `exec` is called"]
pub struct LiveDeleteMany<E: EntityTrait> {
    filter: LiveFilter<E, DeleteMany<E>>,
}

impl<E: EntityTrait<Model: Sync>> LiveDeleteMany<E> {
    pub(super) fn new() -> Self {
        Self {
            filter: LiveFilter::new(E::delete_many()),
        }
    }

    /// Runs the delete.
    ///
    /// # Errors
    /// The error of the database.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all rows are written or none.
    pub async fn exec(self, db: &impl LiveDatabase) -> Result<DeleteResult, DbErr> {
        if db.returns_rows() {
            // The statement returns the deleted rows, and capture streams them without collecting.
            return self.filter.write.exec(db).await;
        }
        in_transaction(db, async |transaction| {
            let inner = transaction.inner();
            let Some(old) = self.filter.lock_rows(transaction, false, false).await? else {
                let result = self.filter.write.clone().exec(inner).await?;
                record::<E>(transaction, None).await;
                return Ok(result);
            };
            let mut result = DeleteResult::empty();
            for rows in old.chunks(max_rows_per_statement::<E>()) {
                let delete = E::delete_many().filter(is_one_of::<E>(rows));
                result.rows_affected += delete.exec(inner).await?.rows_affected;
            }
            record::<E>(transaction, Some(deleted(old))).await;
            Ok(result)
        })
        .await
    }

    /// Runs the delete and returns the deleted rows, on every database.
    ///
    /// # Errors
    /// The error of the database.
    ///
    /// # Cancel safety
    /// If the future is dropped, either all rows are written or none.
    pub async fn exec_with_returning(self, db: &impl LiveDatabase) -> Result<Vec<E::Model>, DbErr> {
        if db.returns_rows() {
            return self.filter.write.exec_with_returning(db).await;
        }
        in_transaction(db, async |transaction| {
            let inner = transaction.inner();
            let old = self.filter.lock_rows(transaction, true, true).await?;
            let old = old.unwrap_or_default();
            for rows in old.chunks(max_rows_per_statement::<E>()) {
                let delete = E::delete_many().filter(is_one_of::<E>(rows));
                delete.exec(inner).await?;
            }
            record::<E>(transaction, Some(deleted(old.clone()))).await;
            Ok(old)
        })
        .await
    }
}

impl<E: EntityTrait> QueryFilter for LiveDeleteMany<E> {
    type QueryStatement = LiveFilter<E, DeleteMany<E>>;

    fn query(&mut self) -> &mut Self::QueryStatement {
        &mut self.filter
    }
}

fn deleted<M>(old: Vec<M>) -> Vec<WrittenRow<M>> {
    old.into_iter()
        .map(|old| WrittenRow {
            old: Some(old),
            new: None,
        })
        .collect()
}
