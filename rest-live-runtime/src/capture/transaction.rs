//! The transaction that captures.

pub(crate) mod buffer;
pub(crate) mod conflate;
use std::{fmt, pin::Pin, sync::Arc};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, TransactionError, TransactionOptions,
    TransactionSession, TransactionTrait,
};

use self::conflate::fold;
use super::{
    Scope,
    connection::forward::delegate,
    statement::{Answer, Call, db_error::is_refusal, plan::Plan},
};
use crate::{
    log::TransactionalLog,
    publish::publisher::{Committed, resets_of},
};

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

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Begins a savepoint. SeaORM drops one that it cannot begin, or that nobody waits for any more, as if it were
    /// there: with it goes the transaction, and what is written in it then commits by itself.
    pub(super) async fn start(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        let mut beginning = StartPoint {
            outer: &self.scope,
            is_done: false,
        };
        let inner = self.inner.begin_with_options(options).await?;
        beginning.is_done = true;
        Ok(Self::new(inner, &self.scope))
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
        scope.read_what_is_left(&inner).await;
        if scope.is_empty() {
            return inner.commit().await;
        }
        if parent.is_transaction() {
            // Who gives up a savepoint midway, and goes on, leaves it open whether it was kept.
            let kept = Kept::new(scope.take(), Arc::clone(&parent));
            let committed = inner.commit().await;
            match &committed {
                Ok(()) => kept.join(),
                Err(error) if is_refusal(error) => kept.forget(),
                Err(_) => {}
            }
            return committed;
        }
        let publisher = Arc::clone(&scope.database.publisher);
        let commit = async move {
            let is_doomed = scope.has_failed() && is_doomed(&inner).await;
            if let Some(log) = scope.database.publisher.transactional() {
                return commit_with_events(inner, &scope, log, is_doomed).await;
            }
            let committed = inner.commit().await;
            let unit = scope.take();
            let events = match &committed {
                Ok(()) if is_doomed => Vec::new(),
                Ok(()) if scope.is_torn() || scope.is_doubtful() => resets_of(unit),
                Ok(()) => fold(unit, scope.registry()),
                Err(error) if scope.is_over_for_sure(error) => Vec::new(),
                Err(_) => resets_of(unit),
            };
            scope.database.publisher.publish(events).await;
            committed
        };
        publisher.complete(Box::pin(commit)).await
    }

    /// Rolls back. Nobody is told of what was written.
    ///
    /// # Errors
    /// The database's.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }

    /// Reads the rows again, and locks them, that a statement of this transaction is about to update.
    pub(super) async fn lock(&self, plan: &mut Plan) -> Result<(), DbErr> {
        let Plan::Returning(returned) = plan else {
            return Ok(());
        };
        for (place, write) in &mut returned.announced {
            if let Some(key) = write.key.clone()
                && (write.was_missing || write.old.is_some())
            {
                let table = &self.scope.registry().model(*place).table;
                write.old = table.read_locked(&self.inner, &key).await?;
                write.was_missing = write.old.is_none();
            }
        }
        Ok(())
    }

    /// Runs a statement in the transaction.
    pub(super) async fn run_call(&self, call: Call, mut plan: Plan) -> Result<Answer, DbErr> {
        if self.scope.is_ordered_by_log() && plan.has_missing() {
            // Another may insert the row before it is updated, and nobody would know where it was.
            let savepoint = self.start(TransactionOptions::default()).await?;
            let found = savepoint.run_planned(call.clone(), plan.clone()).await;
            match found {
                Ok(answer) if answer.is_of_rows() => {
                    savepoint.rollback().await?;
                    self.lock(&mut plan).await?;
                }
                Ok(answer) => {
                    savepoint.commit().await?;
                    return Ok(answer);
                }
                Err(error) => {
                    // The first error is the one to know.
                    _ = savepoint.rollback().await;
                    return Err(error);
                }
            }
        }
        self.run_planned(call, plan).await
    }

    async fn run_planned(&self, call: Call, plan: Plan) -> Result<Answer, DbErr> {
        let mut midway = Midway {
            scope: &self.scope,
            models: Some(plan.models()),
        };
        let answer = call.run(&self.inner, &self.scope, plan).await;
        midway.models = None;
        if let Err(error) = &answer {
            self.scope.failed(error);
        }
        answer
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

/// Commits a transaction, with its events in it: where they are in the same database, both are there, or neither.
async fn commit_with_events(
    inner: DatabaseTransaction,
    scope: &Scope,
    log: &dyn TransactionalLog,
    is_doomed: bool,
) -> Result<(), DbErr> {
    let unit = scope.take();
    let events = match is_doomed {
        true => Vec::new(),
        false if scope.is_torn() || scope.is_doubtful() => resets_of(unit),
        false => fold(unit, scope.registry()),
    };
    let publisher = &scope.database.publisher;
    if let Err(error) = publisher.publish_in(log, &inner, events).await {
        // It is rolled back in any case: the first error is the one to know.
        _ = inner.rollback().await;
        return Err(error);
    }
    let committed = inner.commit().await;
    log.committed();
    committed
}

/// Returns whether a transaction in which a statement failed will commit nothing. PostgreSQL takes its COMMIT
/// then, rolls back, and reports no error; but it runs nothing else.
async fn is_doomed(inner: &DatabaseTransaction) -> bool {
    inner.get_database_backend() == DbBackend::Postgres
        && inner.execute_unprepared("SELECT 1").await.is_err()
}

/// A statement that is under way in a transaction. Who gives it up, and goes on, does not know whether it was done.
struct Midway<'s> {
    scope: &'s Scope,
    /// What it may write; `None` once it is over.
    models: Option<Vec<usize>>,
}

impl Drop for Midway<'_> {
    fn drop(&mut self) {
        if let Some(models) = self.models.take() {
            self.scope.may_have_failed();
            self.scope.record_resets_later(&models);
        }
    }
}

/// A savepoint that has not begun yet.
struct StartPoint<'s> {
    outer: &'s Scope,
    is_done: bool,
}

impl Drop for StartPoint<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.outer.doubt();
        }
    }
}

/// What a savepoint wrote, on its way to the transaction that it is in.
struct Kept {
    unit: Option<Vec<Committed>>,
    outer: Arc<Scope>,
}

impl Kept {
    fn new(unit: Vec<Committed>, outer: Arc<Scope>) -> Self {
        Self {
            unit: Some(unit),
            outer,
        }
    }

    fn join(mut self) {
        if let Some(unit) = self.unit.take() {
            self.outer.join(unit);
        }
    }

    fn forget(mut self) {
        self.unit = None;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(unit) = self.unit.take() {
            self.outer.join(resets_of(unit));
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
