//! The connection that captures.

use std::{fmt, sync::Arc};

use sea_orm::DatabaseConnection;

use super::{Scope, delegate::delegate};

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
}

delegate!(LiveConnection, DatabaseConnection);

impl fmt::Debug for LiveConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveConnection").field(&self.inner).finish()
    }
}
