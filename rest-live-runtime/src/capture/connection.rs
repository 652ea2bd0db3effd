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
        if let Plan::PassThrough = plan {
            return call.pass_through(&self.inner).await;
        }
        let (inner, sink) = (self.inner.clone(), Arc::clone(&self.sink));
        let publisher = &self.sink.database.publisher;
        if publisher.transactional().is_some() && plan.is_single_write() {
            let write = Box::pin(write_with_events(inner, sink, call, plan));
            return publisher.write(write).await;
        }
        let write = async move { call.run(&inner, &sink, plan).await };
        publisher.write(Box::pin(write)).await
    }
}

/// Runs a statement that commits by itself, and appends its events in the same transaction.
async fn write_with_events(
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
