//! Reads of single rows that rest-live makes itself, outside the application's transactions.
//!
//! The connection of such a read may show other rows than the connection of a write: PostgreSQL's
//! row security and views can depend on the role and on settings of the session. So a row that is
//! not found may still exist. The publisher and the sessions read through a [`RowReader`].

use std::fmt;

use futures_util::future::BoxFuture;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, TransactionTrait,
};

use super::table::Table;
use crate::{
    data::{event::Row, key::KeyValue, scope::Scope},
    user_code,
};

/// What a read of a row has found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The row as it is now.
    Row(Row),
    /// The row does not exist.
    Nothing,
    /// The connection does not show whether the row exists.
    Unknown(Obstacle),
}

/// Why a connection does not show whether a row exists, or how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Obstacle {
    /// PostgreSQL's row security hides rows of the table from this role.
    RowSecurity,
    /// The relation is not a table. What a view shows may depend on the session.
    View,
    /// The server is a standby, whose rows may be older.
    Standby,
    /// The row belongs to a scope, and its table is found by a setting of the session.
    Scope,
}

/// Prepares the transaction of a read.
pub(crate) type Prepare = Box<
    dyn Fn(
            Option<Scope>,
            DatabaseTransaction,
        ) -> BoxFuture<'static, Result<DatabaseTransaction, DbErr>>
        + Send
        + Sync,
>;

/// Reads rows on a connection, in prepared transactions if the application prepares them.
pub(crate) struct RowReader {
    db: DatabaseConnection,
    prepare: Option<Prepare>,
    /// Whether the application has set the connection or prepares the reads.
    has_settings: bool,
    has_own_connection: bool,
    /// Whether the application's connection is a stand-in of a test.
    is_stand_in: bool,
}

impl RowReader {
    /// Creates a reader on the application's connection. `db` is another connection to read on.
    pub(crate) fn new(
        application_db: &DatabaseConnection,
        db: Option<DatabaseConnection>,
        prepare: Option<Prepare>,
    ) -> Self {
        Self {
            is_stand_in: is_stand_in(application_db),
            has_own_connection: db.is_some(),
            has_settings: db.is_some() || prepare.is_some(),
            db: db.unwrap_or_else(|| application_db.clone()),
            prepare,
        }
    }

    /// Returns whether its transactions may have other rights than those of the application.
    pub(crate) fn has_settings(&self) -> bool {
        self.has_settings
    }

    /// Returns whether the application has set another connection to read on.
    pub(crate) fn has_own_connection(&self) -> bool {
        self.has_own_connection
    }

    /// Returns whether the application's connection is a stand-in of a test, which expects only the
    /// statements of the application.
    pub(crate) fn reads_stand_in(&self) -> bool {
        self.is_stand_in
    }

    /// Reads the row with this primary key.
    ///
    /// If the application does not prepare reads, a row that is found costs one statement. Only a
    /// row that is not found costs more.
    ///
    /// # Errors
    /// The error of the database or of the application. Its panic is an error.
    pub(crate) async fn read(
        &self,
        table: &Table,
        scope: Option<&Scope>,
        key: &KeyValue,
    ) -> Result<Found, DbErr> {
        if let Some(obstacle) = self.obstacle_before(&self.db, table, scope).await? {
            return Ok(Found::Unknown(obstacle));
        }
        if self.prepare.is_none() {
            let row = decoding(table.read(&self.db, key)).await?;
            if let Some(row) = row {
                return Ok(Found::Row(row));
            }
            if self.db.get_database_backend() != DbBackend::Postgres {
                // The others have no row security.
                return Ok(Found::Nothing);
            }
        }
        let transaction = self.begin(scope).await?;
        // Within one transaction: the lock of this read keeps the table's row security as it is.
        let row = decoding(table.read(&transaction, key)).await?;
        let found = self.found(&transaction, table, row).await;
        // Not a commit: a `SET` without `LOCAL` would stay set on a connection of the pool.
        transaction.rollback().await?;
        found
    }

    /// Reads a row for a session. A row that its connection does not show counts as one that does
    /// not exist. `is_own` is whether the application has chosen the connection for the session.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn look_up(
        &self,
        table: &Table,
        scope: Option<&Scope>,
        key: &KeyValue,
        is_own: bool,
    ) -> Result<Option<Row>, DbErr> {
        if self.prepare.is_some() {
            let transaction = self.begin(scope).await?;
            let row = decoding(table.read(&transaction, key)).await?;
            transaction.rollback().await?;
            return Ok(row);
        }
        if is_own {
            return decoding(table.read(&self.db, key)).await;
        }
        if scope.is_some() && table.schema().is_none() {
            return Err(DbErr::Custom(
                "the entity names no schema, so the table of the scope is unknown: set LiveBuilder::prepare_session_reads or LiveBuilder::session_db".to_owned(),
            ));
        }
        let row = decoding(table.read(&self.db, key)).await?;
        if row.is_none() && !self.db.is_mock_connection() {
            table.report_hidden_from_sessions(&self.db).await;
        }
        Ok(row)
    }

    /// Begins a transaction for [`read_locked`](Self::read_locked), and prepares it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn begin(&self, scope: Option<&Scope>) -> Result<DatabaseTransaction, DbErr> {
        let db = self.db.clone();
        // In a task. With sqlx 0.9, a BEGIN whose future is dropped returns the connection to the
        // pool with the transaction open.
        let begin = tokio::spawn(async move { db.begin().await });
        let transaction = begin.await.map_err(|e| DbErr::Custom(e.to_string()))??;
        let Some(prepare) = &self.prepare else {
            return Ok(transaction);
        };
        let prepared = async { prepare(scope.cloned(), transaction).await };
        let prepared = user_code::call_async(prepared).await;
        prepared.unwrap_or_else(|panicked| Err(DbErr::Custom(panicked.to_string())))
    }

    /// Reads and locks a row in a transaction of [`begin`](Self::begin).
    ///
    /// # Errors
    /// As [`read`](Self::read). The transaction can then not be used any more.
    pub(crate) async fn read_locked(
        &self,
        transaction: &DatabaseTransaction,
        table: &Table,
        scope: Option<&Scope>,
        key: &KeyValue,
    ) -> Result<Found, DbErr> {
        // On the transaction: the pool may have no other connection.
        if let Some(obstacle) = self.obstacle_before(transaction, table, scope).await? {
            return Ok(Found::Unknown(obstacle));
        }
        let row = decoding(table.read_locked(transaction, key)).await?;
        self.found(transaction, table, row).await
    }

    /// Returns why a read would prove nothing, whatever it finds.
    async fn obstacle_before(
        &self,
        db: &impl ConnectionTrait,
        table: &Table,
        scope: Option<&Scope>,
    ) -> Result<Option<Obstacle>, DbErr> {
        if self.prepare.is_some() {
            // The application answers for what the prepared transaction shows.
            return Ok(None);
        }
        if scope.is_some() && table.schema().is_none() {
            return Ok(Some(Obstacle::Scope));
        }
        table.obstacle(db).await
    }

    /// Returns what it means that a transaction has read this row, or none.
    async fn found(
        &self,
        transaction: &DatabaseTransaction,
        table: &Table,
        row: Option<Row>,
    ) -> Result<Found, DbErr> {
        Ok(match row {
            Some(row) => Found::Row(row),
            None if self.prepare.is_some() => Found::Nothing,
            None => match table.hidden_by(transaction).await? {
                Some(obstacle) => Found::Unknown(obstacle),
                None => Found::Nothing,
            },
        })
    }
}

/// Returns whether a connection is SeaORM's `MockDatabase` or `ProxyDatabase`.
///
/// Both answer the statements that a test expects. SeaORM's feature `proxy` does not compile
/// together with `sqlx-sqlite`, so the name of the variant is compared, and not the variant.
fn is_stand_in(db: &DatabaseConnection) -> bool {
    db.is_mock_connection() || format!("{:?}", db.inner) == "ProxyDatabaseConnection"
}

/// Reads a row, whose column types are the application's code and may panic.
async fn decoding(
    read: impl Future<Output = Result<Option<Row>, DbErr>>,
) -> Result<Option<Row>, DbErr> {
    let read = user_code::call_async(read).await;
    read.unwrap_or_else(|panicked| Err(DbErr::Custom(panicked.to_string())))
}

impl fmt::Debug for RowReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowReader")
            .field("db", &self.db)
            .field("is_prepared", &self.prepare.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use sea_orm::{MockDatabase, Value};

    use super::*;

    mod entity {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "thing")]
        pub(crate) struct Model {
            #[sea_orm(primary_key)]
            pub(crate) id: i32,
        }

        #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
        pub(crate) enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    }

    fn table() -> Table {
        Table::of::<entity::Entity>()
    }

    fn answers(answers: impl IntoIterator<Item = Vec<Value>>) -> DatabaseConnection {
        let mock = MockDatabase::new(DbBackend::Postgres);
        let rows = answers.into_iter().map(|values| {
            let columns = values.into_iter().enumerate();
            let named = columns.map(|(index, value)| (format!("{index}"), value));
            vec![named.collect::<std::collections::BTreeMap<_, _>>()]
        });
        mock.append_query_results(rows).into_connection()
    }

    const KEY: KeyValue = KeyValue::Integer(1);

    #[tokio::test]
    async fn table_of_a_scope_is_not_read_unprepared() {
        // It has no answers: a query would be an error.
        let db = answers([]);
        let reader = RowReader::new(&db, None, None);
        let scope = Scope::new("b");
        let found = reader.read(&table(), Some(&scope), &KEY).await;
        assert!(
            matches!(found, Ok(Found::Unknown(Obstacle::Scope))),
            "{found:?}"
        );
        let found = reader.look_up(&table(), Some(&scope), &KEY, false).await;
        assert!(found.is_err(), "{found:?}");
    }

    #[tokio::test]
    async fn preparation_receives_the_scope() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let prepare: Prepare = Box::new({
            let seen = Arc::clone(&seen);
            move |scope, transaction| {
                seen.lock().expect("no panic").push(scope);
                Box::pin(async { Ok(transaction) })
            }
        });
        let row = entity::Model { id: 1 };
        let mock = MockDatabase::new(DbBackend::Postgres);
        let mock = mock.append_query_results([vec![row], vec![]]);
        let reader = RowReader::new(&mock.into_connection(), None, Some(prepare));
        let scope = Some(Scope::new("b"));
        let found = reader.read(&table(), scope.as_ref(), &KEY).await;
        assert!(matches!(found, Ok(Found::Row(_))), "{found:?}");
        let found = reader.read(&table(), None, &KEY).await;
        assert!(matches!(found, Ok(Found::Nothing)), "{found:?}");
        assert_eq!(*seen.lock().expect("no panic"), [scope, None]);
    }

    #[tokio::test]
    async fn standby_and_view_prove_nothing() {
        for (kind, obstacle) in [
            ([true, true], Obstacle::Standby),
            ([false, false], Obstacle::View),
        ] {
            let db = answers([kind.map(Value::from).to_vec()]);
            let reader = RowReader::new(&db, None, None);
            let found = reader.read(&table(), None, &KEY).await;
            assert!(
                matches!(&found, Ok(Found::Unknown(found)) if *found == obstacle),
                "{found:?}"
            );
        }
    }
}
