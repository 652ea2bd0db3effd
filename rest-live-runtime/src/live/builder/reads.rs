//! The settings of a builder about the reads that rest-live makes itself.

use std::sync::Arc;

use futures_util::FutureExt;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};

use super::LiveBuilder;
use crate::data::scope::Scope;

impl<U: Send + Sync + 'static> LiveBuilder<U> {
    /// Sets the connection on which rest-live reads rows again. Default: the connection of the
    /// `Live`.
    ///
    /// rest-live reads a row again if several writes of it overlapped, or if a request was canceled
    /// during a write. Set this if PostgreSQL's row security hides rows from the role of the
    /// application: pass a connection of a role that has `BYPASSRLS`. The connection must reach the
    /// primary server of the same database, because a replica may return an older row.
    ///
    /// The role needs the privilege `SELECT` on the tables of the models. With a log in the
    /// application's database (the outbox), it also needs `UPDATE`, because rest-live locks the
    /// row.
    pub fn read_db(mut self, db: DatabaseConnection) -> Self {
        self.read_db = Some(db);
        self
    }

    /// Sets a function that prepares each transaction in which rest-live reads a row again, for
    /// databases whose rows depend on settings of the session. Default: none.
    ///
    /// The function receives the scope of the row and a new transaction. It changes what the
    /// transaction sees, and returns the transaction. rest-live reads the row in it, and then rolls
    /// it back.
    ///
    /// The prepared transaction must show every row of every model (in the given scope). A row that
    /// it does not show counts as deleted: subscribers receive `DELETED`. Without this function and
    /// [`read_db`](Self::read_db), a row that row security may hide is never reported as deleted;
    /// subscribers of the model receive a reset instead. They also receive one if the function
    /// fails.
    ///
    /// ```no_run
    /// # use rest_live_runtime as rest_live;
    /// # use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction};
    /// use rest_live::Live;
    ///
    /// # fn build(db: DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
    /// let live = Live::<()>::builder(db)
    ///     .prepare_reads(|_scope, txn: DatabaseTransaction| async move {
    ///         // The policy of each table allows this role to see all rows.
    ///         txn.execute_unprepared("SET LOCAL ROLE live_reader").await?;
    ///         Ok(txn)
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn prepare_reads<F, R>(mut self, prepare: F) -> Self
    where
        F: Fn(Option<Scope>, DatabaseTransaction) -> R + Send + Sync + 'static,
        R: Future<Output = Result<DatabaseTransaction, DbErr>> + Send + 'static,
    {
        self.prepare_reads = Some(Box::new(move |scope, txn| prepare(scope, txn).boxed()));
        self
    }

    /// Sets the function that returns the connection of a session: `authorize` receives it, and
    /// `retrieve` of the 0.7 dialect reads its row on it. Default: the connection of the `Live`.
    ///
    /// The function receives the user and the scope of the session. It must return at once: open
    /// the pools before.
    pub fn session_db<F>(mut self, db: F) -> Self
    where
        F: Fn(&U, Option<&Scope>) -> DatabaseConnection + Send + Sync + 'static,
    {
        self.session_reads.set_db(move |user, scope| {
            let user = user.downcast()?;
            Some(db(user, scope))
        });
        self
    }

    /// Sets a function that prepares the transaction in which `retrieve` of the 0.7 dialect reads
    /// its row, such as for row security. Default: none.
    ///
    /// The function receives the user, the scope of the session, and a new transaction on the
    /// connection of [`session_db`](Self::session_db). It returns the transaction. rest-live reads
    /// the row in it, and then rolls it back. If the function fails, the request is refused with
    /// error 500.
    ///
    /// An `authorize` function receives a connection. If it needs settings, it begins a transaction
    /// itself.
    pub fn prepare_session_reads<F, R>(mut self, prepare: F) -> Self
    where
        F: Fn(Arc<U>, Option<Scope>, DatabaseTransaction) -> R + Send + Sync + 'static,
        R: Future<Output = Result<DatabaseTransaction, DbErr>> + Send + 'static,
    {
        self.session_reads.set_prepare(move |user, scope, txn| {
            let user = user.downcast_arc()?;
            Some(prepare(user, scope, txn).boxed())
        });
        self
    }
}
