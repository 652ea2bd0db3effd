//! The transaction that captures.

use std::{fmt, panic::resume_unwind, pin::Pin, sync::Arc};

use sea_orm::{DatabaseTransaction, DbErr, RuntimeErr, TransactionError, TransactionSession};
use tokio::runtime::Handle;
use tracing::Instrument;

use super::{Scope, delegate::delegate, fold::fold};

/// A `DatabaseTransaction` whose writes reach subscribers when it commits, in the order in which
/// they were made; if it rolls back or is dropped, never. A transaction begun in it is a savepoint:
/// its writes join the outer ones when it commits.
pub struct LiveTransaction {
    inner: DatabaseTransaction,
    scope: Arc<Scope>,
    parent: Arc<Scope>,
}

impl LiveTransaction {
    pub(super) fn new(inner: DatabaseTransaction, parent: &Arc<Scope>) -> Self {
        Self {
            inner,
            scope: Arc::new(parent.begin()),
            parent: Arc::clone(parent),
        }
    }

    /// Commits, and tells the subscribers.
    ///
    /// # Errors
    /// The database's. Nobody is told then.
    ///
    /// # Cancel safety
    /// Once polled, an outermost commit runs to its end and its events are released, also when the
    /// future is dropped: a request that is given up does not leave subscribers without the change.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Self {
            inner,
            scope,
            parent,
        } = self;
        let events = scope.take();
        if events.is_empty() || parent.is_transaction() {
            // Nothing to tell, or not final yet: who gives up a savepoint gives up its transaction.
            inner.commit().await?;
            parent.record(events).await;
            return Ok(());
        }
        let events = fold(events, &scope.registry);
        let turn = scope.turn.clone();
        let commit = async move {
            let _turn = match &turn {
                Some(turn) => Some(turn.lock().await),
                None => None,
            };
            inner.commit().await?;
            parent.record(events).await;
            Ok(())
        };
        // The runtime of the caller, which drives the connection; the Live's where there is none.
        let runtime = Handle::try_current().unwrap_or_else(|_| scope.runtime.clone());
        match runtime.spawn(commit.in_current_span()).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            Err(_) => Err(DbErr::Exec(RuntimeErr::Internal(
                "the runtime shut down during COMMIT".to_owned(),
            ))),
        }
    }

    /// Rolls back. Nobody is told of what was written.
    ///
    /// # Errors
    /// The database's.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }

    pub(super) async fn run<F, T, E>(self, callback: F) -> Result<T, TransactionError<E>>
    where
        F: for<'c> FnOnce(&'c Self) -> Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>
            + Send,
        T: Send,
        E: fmt::Display + fmt::Debug + Send,
    {
        let result = callback(&self).await;
        self.finish(result).await
    }

    /// Commits after `Ok`, rolls back after `Err`.
    pub(super) async fn finish<T, E>(self, result: Result<T, E>) -> Result<T, TransactionError<E>>
    where
        E: fmt::Display + fmt::Debug,
    {
        match result {
            Ok(value) => {
                self.commit().await?;
                Ok(value)
            }
            Err(error) => {
                self.rollback().await?;
                Err(TransactionError::Transaction(error))
            }
        }
    }
}

#[async_trait::async_trait]
impl TransactionSession for LiveTransaction {
    async fn commit(self) -> Result<(), DbErr> {
        Self::commit(self).await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        Self::rollback(self).await
    }
}

delegate!(LiveTransaction, DatabaseTransaction);

impl fmt::Debug for LiveTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveTransaction")
    }
}
