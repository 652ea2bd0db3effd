//! The connections on which sessions read: for `authorize`, and for the row of a `retrieve`.

use std::{borrow::Cow, fmt, sync::Arc};

use futures_util::future::BoxFuture;
use sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr};

use crate::{
    data::{event::Row, key::KeyValue, scope::Scope},
    model::{
        permission::Identity,
        row_reader::{Prepare, RowReader},
        table::Table,
    },
    user_code,
};

type ChooseDb = dyn Fn(&Identity, Option<&Scope>) -> Option<DatabaseConnection> + Send + Sync;

type Prepared = BoxFuture<'static, Result<DatabaseTransaction, DbErr>>;

type PrepareForUser =
    dyn Fn(&Identity, Option<Scope>, DatabaseTransaction) -> Option<Prepared> + Send + Sync;

/// The connections of the sessions, as the application has set them.
pub(crate) struct SessionReads {
    /// The connection of all sessions, unless `choose` returns another.
    db: DatabaseConnection,
    choose: Option<Box<ChooseDb>>,
    prepare: Option<Arc<PrepareForUser>>,
}

impl SessionReads {
    pub(crate) fn new(db: DatabaseConnection) -> Self {
        Self {
            db,
            choose: None,
            prepare: None,
        }
    }

    /// Sets the function that returns the connection of a session. It returns `None` for a user of
    /// another type, which does not occur.
    pub(crate) fn set_db(
        &mut self,
        choose: impl Fn(&Identity, Option<&Scope>) -> Option<DatabaseConnection> + Send + Sync + 'static,
    ) {
        self.choose = Some(Box::new(choose));
    }

    /// Sets the function that prepares transactions of sessions. It returns `None` for a user of
    /// another type, which does not occur.
    pub(crate) fn set_prepare(
        &mut self,
        prepare: impl Fn(&Identity, Option<Scope>, DatabaseTransaction) -> Option<Prepared>
        + Send
        + Sync
        + 'static,
    ) {
        self.prepare = Some(Arc::new(prepare));
    }

    /// Returns whether the application has chosen the connections.
    pub(crate) fn has_own_connections(&self) -> bool {
        self.choose.is_some()
    }

    /// Returns the connection of a session.
    ///
    /// # Errors
    /// The application's function panicked.
    pub(crate) fn db(
        &self,
        user: &Identity,
        scope: Option<&Scope>,
    ) -> Result<Cow<'_, DatabaseConnection>, DbErr> {
        let Some(choose) = &self.choose else {
            return Ok(Cow::Borrowed(&self.db));
        };
        match user_code::call(|| choose(user, scope)) {
            Ok(chosen) => Ok(chosen.map_or(Cow::Borrowed(&self.db), Cow::Owned)),
            Err(panicked) => Err(DbErr::Custom(panicked.to_string())),
        }
    }

    /// Reads the row of a `retrieve`, as the user's session sees it.
    ///
    /// # Errors
    /// The error of the database or of the application. Its panic is an error.
    pub(crate) async fn read(
        &self,
        user: &Identity,
        table: &Table,
        scope: Option<&Scope>,
        key: &KeyValue,
    ) -> Result<Option<Row>, DbErr> {
        let db = self.db(user, scope)?.into_owned();
        let prepare = self.prepare.clone().map(|prepare| {
            let user = user.clone();
            Box::new(move |scope, transaction| {
                let prepared = prepare(&user, scope, transaction);
                prepared.unwrap_or_else(|| Box::pin(async { Err(wrong_user()) }))
            }) as Prepare
        });
        let has_own_db = self.choose.is_some();
        let reader = RowReader::new(&self.db, Some(db), prepare);
        reader.look_up(table, scope, key, has_own_db).await
    }
}

fn wrong_user() -> DbErr {
    DbErr::Custom("the user has another type than the functions of the builder".to_owned())
}

impl fmt::Debug for SessionReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionReads")
    }
}
