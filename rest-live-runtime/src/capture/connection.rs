//! The connection that captures its writes.
//!
//! Each statement of a [`LiveConnection`] commits by itself, and its events are published at once.

pub(crate) mod stream;

use std::{fmt, sync::Arc};

use sea_orm::{DatabaseConnection, DbErr, TransactionOptions, TransactionTrait};

use super::{
    EventSink, LiveTransaction,
    forward::forward_traits,
    statement::{Call, answer::Answer, plan::Plan},
};
use crate::data::scope::Scope;

/// A `DatabaseConnection` whose writes reach subscribers.
///
/// Use it in place of the `DatabaseConnection`: it implements SeaORM's `ConnectionTrait`,
/// `TransactionTrait` and `StreamTrait`. Cloning is cheap and shares the pool. It does not
/// implement `Deref`, because a transaction of the inner connection would not be captured. If code
/// accepts only a `DatabaseConnection`, pass it [`inner`](Self::inner); writes on that connection
/// are not captured.
#[derive(Clone)]
pub struct LiveConnection {
    inner: DatabaseConnection,
    sink: Arc<EventSink>,
}

impl LiveConnection {
    pub(crate) fn new(inner: DatabaseConnection, sink: EventSink) -> Self {
        Self {
            inner,
            sink: Arc::new(sink),
        }
    }

    pub(crate) fn sink(&self) -> &Arc<EventSink> {
        &self.sink
    }

    /// Returns this connection, bound to a scope: what is written on it, and in transactions that
    /// begin on it, belongs to this tenant. Only sessions of the same scope receive these changes.
    ///
    /// The scope is only a name for rest-live. The application itself makes the database use the
    /// tenant's tables, for example with `SET LOCAL search_path` in a transaction.
    pub fn in_scope(&self, scope: impl Into<Scope>) -> Self {
        let sink = self.sink.in_scope(scope.into(), true);
        Self::new(self.inner.clone(), sink)
    }

    /// Returns a connection of another pool, bound to a scope, for an application with a pool for
    /// each tenant.
    ///
    /// Both pools must connect to the same server. In PostgreSQL it must be the same database, but
    /// the pools may have different settings, such as
    /// [`set_schema_search_path`](sea_orm::ConnectOptions::set_schema_search_path).
    pub fn in_scope_on(&self, scope: impl Into<Scope>, pool: DatabaseConnection) -> Self {
        Self::new(pool, self.sink.in_scope(scope.into(), false))
    }

    /// Begins a transaction. It completes the BEGIN even if the caller is canceled.
    ///
    /// With sqlx 0.9, a BEGIN whose future is dropped returns a connection of PostgreSQL or MariaDB
    /// to the pool with the transaction open. The next user's writes would never be committed.
    pub(super) async fn start(
        &self,
        options: TransactionOptions,
    ) -> Result<LiveTransaction, DbErr> {
        let inner = self.inner.clone();
        let begin = async move { inner.begin_with_options(options).await };
        let publisher = &self.sink.database.publisher;
        let inner = publisher.complete(Box::pin(begin)).await?;
        Ok(LiveTransaction::new(inner, &self.sink))
    }

    /// Runs a statement that commits by itself. A write runs to completion and is published, even
    /// if the caller is canceled.
    async fn run_call(&self, call: Call, plan: Plan) -> Result<Answer, DbErr> {
        match plan {
            Plan::PassThrough => return call.pass_through(&self.inner).await,
            Plan::Switch(plan) => return self.run_switch(call, plan).await,
            _ => {}
        }
        let (inner, sink) = (self.inner.clone(), Arc::clone(&self.sink));
        let publisher = &self.sink.database.publisher;
        let is_ordered = publisher.transactional().is_some();
        if plan.reads_old_rows() || is_ordered && plan.is_single_write() {
            // Its commit announces the write to the log.
            let write = Box::pin(write_in_transaction(inner, sink, call, plan));
            return publisher.complete(write).await;
        }
        let write = async move { call.run(&inner, &sink, plan).await };
        publisher.write(Box::pin(write)).await
    }
}

/// Runs a statement that commits by itself in an internal transaction. It holds the locks of the
/// rows that are read first, and a log that orders writes appends the events in it.
async fn write_in_transaction(
    inner: DatabaseConnection,
    sink: Arc<EventSink>,
    call: Call,
    mut plan: Plan,
) -> Result<Answer, DbErr> {
    let transaction = LiveTransaction::new(inner.begin().await?, &sink);
    let answer = match transaction.lock_old_rows(&mut plan).await {
        Ok(()) => transaction.run_call(call, plan).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => {
            transaction.commit().await?;
            Ok(answer)
        }
        Err(error) => {
            // The caller needs the first error.
            _ = transaction.rollback().await;
            Err(error)
        }
    }
}

forward_traits!(LiveConnection, DatabaseConnection);

impl fmt::Debug for LiveConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveConnection").field(&self.inner).finish()
    }
}
