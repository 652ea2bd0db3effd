//! The transaction that captures its writes.
//!
//! [`LiveTransaction`] runs statements in its own [`EventSink`], which buffers their events. A
//! commit of the outermost transaction publishes them; a commit of a savepoint moves them to the
//! outer transaction.

pub(super) mod guards;

use std::{fmt, pin::Pin, sync::Arc};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, TransactionError, TransactionOptions,
    TransactionSession, TransactionTrait,
};

use self::guards::{SavepointEvents, SavepointGuard, StatementGuard};
use super::{
    Database, EventSink,
    forward::forward_traits,
    schema::LastingSwitch,
    sink::{db_error::is_refusal, pending::Stage},
    statement::{Call, answer::Answer, plan::Plan, row_read::read_written_row},
};
use crate::{
    data::{scope::Scope, scoped_model::ScopedModel},
    log::TransactionalLog,
    model::conflate::conflate,
    publish::publisher::{Committed, resets, resets_of},
};

/// A `DatabaseTransaction` whose writes reach subscribers when it commits, in the order in which
/// they were made. If it rolls back or is dropped, subscribers receive nothing.
///
/// A transaction that begins in this transaction is a savepoint. When the savepoint commits, its
/// writes join those of the outer transaction.
pub struct LiveTransaction {
    inner: DatabaseTransaction,
    sink: Arc<EventSink>,
    parent: Arc<EventSink>,
}

impl LiveTransaction {
    pub(super) fn new(inner: DatabaseTransaction, parent: &Arc<EventSink>) -> Self {
        Self {
            inner,
            sink: Arc::new(parent.begin_transaction()),
            parent: Arc::clone(parent),
        }
    }

    pub(super) fn sink(&self) -> &EventSink {
        &self.sink
    }

    /// Binds the transaction to a scope: what is written from now on belongs to it. See
    /// [`LiveConnection::in_scope`](crate::LiveConnection::in_scope).
    ///
    /// Use it if the tenant is known only after the transaction has begun, or if a middleware
    /// begins the transaction. Savepoints that begin later are in the same scope. What the
    /// transaction wrote before belongs to its scope of that time.
    pub fn set_scope(&self, scope: impl Into<Scope>) {
        self.sink.set_scope(scope.into());
    }

    /// Begins a savepoint.
    ///
    /// If the savepoint cannot be created, or its future is dropped, SeaORM rolls back as if it
    /// existed. This ends the transaction, and later writes in it commit by themselves.
    pub(super) async fn start(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        let guard = SavepointGuard::new(&self.sink);
        let inner = self.inner.begin_with_options(options).await?;
        guard.disarm();
        Ok(Self::new(inner, &self.sink))
    }

    /// Commits, and publishes the changes to subscribers.
    ///
    /// # Errors
    /// The error of the database. Subscribers then receive none of the changes. If it is unknown
    /// whether the database committed, they receive resets.
    ///
    /// # Cancel safety
    /// Once the future was polled, the commit of an outermost transaction runs to completion and
    /// publishes its events, even if the future is dropped. So subscribers receive every committed
    /// change, even if the request is canceled.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Self {
            inner,
            sink,
            parent,
        } = self;
        read_unfinished_writes(&sink, &inner).await;
        if sink.is_empty() && !sink.has_switched() {
            return inner.commit().await;
        }
        if parent.is_transaction() {
            // If this future is dropped while the savepoint is being released and the outer
            // transaction goes on, it is unknown whether the savepoint was kept.
            let events = SavepointEvents::new(&sink, Arc::clone(&parent));
            let committed = inner.commit().await;
            match &committed {
                Ok(()) => events.merge(),
                Err(error) if is_refusal(error) => events.discard(),
                Err(_) => {}
            }
            return committed;
        }
        let publisher = Arc::clone(&sink.database.publisher);
        let commit = async move {
            let is_aborted = sink.may_have_failed() && is_aborted(&inner, &sink.database).await;
            if let Some(log) = sink.database.publisher.transactional() {
                return commit_with_events(inner, &sink, log, is_aborted).await;
            }
            let switch = LastingSwitch::before_commit(&sink);
            let committed = inner.commit().await;
            let events = sink.take_events();
            let events = match &committed {
                Ok(()) if is_aborted => Vec::new(),
                Ok(()) => committed_events(&sink, events),
                Err(error) if sink.is_rolled_back_by(error) => Vec::new(),
                Err(_) => resets_of(events),
            };
            let is_rolled_back = |error| sink.is_rolled_back_by(error);
            switch.finish(is_aborted || committed.as_ref().is_err_and(is_rolled_back));
            sink.database.publisher.publish(events).await;
            committed
        };
        publisher.write(Box::pin(commit)).await
    }

    /// Rolls back. Subscribers receive none of the changes.
    ///
    /// # Errors
    /// The error of the database.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.inner.rollback().await
    }

    /// Reads and locks the rows again that a statement of this transaction is about to update.
    pub(super) async fn lock_old_rows(&self, plan: &mut Plan) -> Result<(), DbErr> {
        let Plan::Returning(plan) = plan else {
            return Ok(());
        };
        for (model, write) in &mut plan.pending {
            if let Some(key) = write.key.clone()
                && (write.was_missing || write.old.is_some())
            {
                let table = &self.sink.registry().model(*model).table;
                let found = table.find_locked(&self.inner, &key).await?;
                write.was_missing = found.is_none();
                // A row that cannot be decoded does not fail the update: it becomes a reset.
                let old = found.map(|result| table.decode(&result)).transpose();
                write.is_unreadable = old.is_err();
                write.old = old.unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Runs a statement in the transaction.
    pub(super) async fn run_call(&self, call: Call, mut plan: Plan) -> Result<Answer, DbErr> {
        self.compare_tables_if_needed().await;
        if let Plan::Switch(plan) = plan {
            return self.run_switch(call, plan).await;
        }
        if self.sink.is_ordered_by_log() && plan.has_missing_row() {
            // Another writer may insert the missing row before it is updated. Its groups before
            // the update would be unknown then. So the update first runs in a savepoint: if it
            // finds the row, it is undone, and runs again after the row is read and locked.
            let savepoint = self.start(TransactionOptions::default()).await?;
            match savepoint.run_plan(call.clone(), plan.clone()).await {
                Ok(answer) if answer.has_rows() => {
                    savepoint.rollback().await?;
                    self.lock_old_rows(&mut plan).await?;
                }
                Ok(answer) => {
                    savepoint.commit().await?;
                    return Ok(answer);
                }
                Err(error) => {
                    // The caller needs the first error.
                    _ = savepoint.rollback().await;
                    return Err(error);
                }
            }
        }
        self.run_plan(call, plan).await
    }

    async fn run_plan(&self, call: Call, plan: Plan) -> Result<Answer, DbErr> {
        let guard = StatementGuard::new(&self.sink, plan.model_indices());
        let answer = call.run(&self.inner, &self.sink, plan).await;
        guard.disarm();
        if let Err(error) = &answer {
            self.sink.note_failure(error);
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

/// Reads the rows of writes whose second hook did not run, before the transaction commits.
async fn read_unfinished_writes(sink: &EventSink, inner: &impl ConnectionTrait) {
    for orphan in sink.pending.take_all() {
        let (entity, write) = (orphan.entity, orphan.write);
        if !sink.may_read() && write.stage != Stage::Unchanged {
            if let Some(model) = sink.registry().model_by_type(entity) {
                sink.record(resets([ScopedModel::new(Arc::clone(&model.label), None)]))
                    .await;
            }
        } else if write.stage == Stage::Written
            && let Some(model) = sink.registry().model_by_type(entity)
        {
            match read_written_row(inner, model, write).await {
                Ok(event) => sink.record(vec![event]).await,
                Err(gone) => sink.reread(model, gone),
            }
        }
    }
}

/// Commits a transaction and appends its events in it. Rows and events are in the same database, so
/// either both are committed or neither.
async fn commit_with_events(
    inner: DatabaseTransaction,
    sink: &EventSink,
    log: &dyn TransactionalLog,
    is_aborted: bool,
) -> Result<(), DbErr> {
    // Before the events: these close the level.
    let switch = LastingSwitch::before_commit(sink);
    let events = sink.take_events();
    let events = if is_aborted {
        Vec::new()
    } else {
        committed_events(sink, events)
    };
    let publisher = &sink.database.publisher;
    if let Err(error) = publisher.publish_in(log, &inner, events).await {
        // Dropping the transaction also rolls it back, and the caller needs the first error.
        _ = inner.rollback().await;
        switch.finish(true);
        return Err(error);
    }
    let committed = inner.commit().await;
    switch.finish(is_aborted || committed.as_ref().is_err_and(is_refusal));
    log.committed();
    committed
}

/// Returns the events to publish for a commit that succeeds: resets if its outcome is unknown.
fn committed_events(sink: &EventSink, events: Vec<Committed>) -> Vec<Committed> {
    if sink.is_outcome_unknown() {
        resets_of(events)
    } else {
        // The interval of the first write.
        conflate(events, sink.registry(), |first, _| first)
    }
}

/// Returns whether PostgreSQL has aborted a transaction in which a statement failed. It accepts the
/// COMMIT of such a transaction, rolls back and reports no error; but it runs no other statement.
async fn is_aborted(inner: &DatabaseTransaction, database: &Database) -> bool {
    database.backend == DbBackend::Postgres
        && (database.is_stand_in() || inner.execute_unprepared("SELECT 1").await.is_err())
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

forward_traits!(LiveTransaction, DatabaseTransaction);

impl fmt::Debug for LiveTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveTransaction")
    }
}
