//! The connection that captures.

pub(crate) mod forward;
pub(crate) mod stream;
use std::{fmt, sync::Arc};

use sea_orm::{DatabaseConnection, DbErr, TransactionOptions, TransactionTrait};

use self::forward::delegate;
use super::{
    LiveTransaction, Scope,
    statement::{Answer, Call, plan::Plan},
};

/// A `DatabaseConnection` whose writes reach subscribers.
///
/// Use it where the `DatabaseConnection` was used: it implements SeaORM's `ConnectionTrait`,
/// `TransactionTrait` and `StreamTrait`. Cloning is cheap and shares the pool. It does not
/// dereference to the inner connection, whose transactions would not be captured; for what takes
/// nothing else there is [`inner`](Self::inner).
#[derive(Clone)]
pub struct LiveConnection {
    inner: DatabaseConnection,
    scope: Arc<Scope>,
}

impl LiveConnection {
    pub(crate) fn new(inner: DatabaseConnection, scope: Scope) -> Self {
        Self {
            inner,
            scope: Arc::new(scope),
        }
    }

    pub(crate) fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// Begins a transaction: to its end, also when its request is given up. With sqlx 0.9 a BEGIN that nobody waits
    /// for leaves a connection of PostgreSQL or MariaDB in the pool with the transaction open: what the next one
    /// writes by itself would never be committed.
    pub(super) async fn start(
        &self,
        options: TransactionOptions,
    ) -> Result<LiveTransaction, DbErr> {
        let inner = self.inner.clone();
        let begin = async move { inner.begin_with_options(options).await };
        let inner = self
            .scope
            .database
            .publisher
            .complete(Box::pin(begin))
            .await?;
        Ok(LiveTransaction::new(inner, &self.scope))
    }

    /// Runs a statement that commits by itself. What writes is run to its end and told, also when its
    /// request is given up.
    async fn run_call(&self, call: Call, plan: Plan) -> Result<Answer, DbErr> {
        if let Plan::Pass = plan {
            return call.pass(&self.inner).await;
        }
        let (inner, scope) = (self.inner.clone(), Arc::clone(&self.scope));
        let publisher = &self.scope.database.publisher;
        if publisher.transactional().is_some() && plan.is_of_one() {
            let write = Box::pin(with_its_events(inner, scope, call, plan));
            return publisher.complete(write).await;
        }
        let write = async move { call.run(&inner, &scope, plan).await };
        publisher.complete(Box::pin(write)).await
    }
}

/// Runs a statement that commits by itself, and writes its events in the same transaction.
async fn with_its_events(
    inner: DatabaseConnection,
    scope: Arc<Scope>,
    call: Call,
    mut plan: Plan,
) -> Result<Answer, DbErr> {
    let transaction = LiveTransaction::new(inner.begin().await?, &scope);
    let locked = transaction.lock(&mut plan).await;
    let answer = match locked {
        Ok(()) => transaction.run_call(call, plan).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => {
            transaction.commit().await?;
            Ok(answer)
        }
        Err(error) => {
            // The first error is the one to know.
            _ = transaction.rollback().await;
            Err(error)
        }
    }
}

delegate!(LiveConnection, DatabaseConnection);

impl fmt::Debug for LiveConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveConnection").field(&self.inner).finish()
    }
}
