//! Bulk deletes.

use sea_orm::{DbErr, DeleteMany, DeleteResult, EntityTrait, QueryFilter};

use super::{Described, LiveDatabase, LiveFilter, at_once, in_transaction, one_of, record};
use crate::data::event::Row;

/// Deletes all rows that match, and tells each of them: see
/// [`LiveEntity::live_delete_many`](super::LiveEntity::live_delete_many).
#[derive(Clone, Debug)]
#[must_use = "nothing is written until `exec`"]
pub struct LiveDeleteMany<E: EntityTrait> {
    matching: LiveFilter<E, DeleteMany<E>>,
}

impl<E: EntityTrait<Model: Sync>> LiveDeleteMany<E> {
    pub(super) fn new() -> Self {
        Self {
            matching: LiveFilter::new(E::delete_many()),
        }
    }

    /// Runs the delete.
    ///
    /// # Errors
    /// The database's.
    ///
    /// # Cancel safety
    /// It is done as a whole, or not at all.
    pub async fn exec(self, db: &impl LiveDatabase) -> Result<DeleteResult, DbErr> {
        if db.returns_rows() {
            // The statement returns what it deletes, and does not collect it.
            return self.matching.write.exec(db).await;
        }
        in_transaction(db, async |transaction| {
            let inner = transaction.inner();
            let Some(old) = self.matching.rows(transaction, false).await? else {
                let result = self.matching.write.clone().exec(inner).await?;
                record::<E>(transaction, None).await;
                return Ok(result);
            };
            let mut result = DeleteResult::empty();
            for rows in old.chunks(at_once::<E>()) {
                let delete = E::delete_many().filter(one_of::<E>(rows));
                result.rows_affected += delete.exec(inner).await?.rows_affected;
            }
            record::<E>(transaction, Some(deleted(old))).await;
            Ok(result)
        })
        .await
    }

    /// Runs the delete and returns the rows as they were, on every database.
    ///
    /// # Errors
    /// The database's.
    ///
    /// # Cancel safety
    /// It is done as a whole, or not at all.
    pub async fn exec_with_returning(self, db: &impl LiveDatabase) -> Result<Vec<E::Model>, DbErr> {
        if db.returns_rows() {
            return self.matching.write.exec_with_returning(db).await;
        }
        in_transaction(db, async |transaction| {
            let inner = transaction.inner();
            let old = self.matching.rows(transaction, true).await?;
            let old = old.unwrap_or_default();
            for rows in old.chunks(at_once::<E>()) {
                let delete = E::delete_many().filter(one_of::<E>(rows));
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
        &mut self.matching
    }
}

fn deleted<M: sea_orm::ModelTrait + Sync + 'static>(old: Vec<M>) -> Vec<Described> {
    old.into_iter()
        .map(|old| Described {
            old: Some(Row::new(old)),
            new: None,
        })
        .collect()
}
