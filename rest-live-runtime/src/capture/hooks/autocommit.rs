//! Finds out whether a connection of an unknown type commits each statement by itself.
//!
//! A [`DatabaseExecutor`](sea_orm::DatabaseExecutor) holds a connection or a transaction, and a
//! type of another crate may wrap either. A hook sees only `&C` where `C: ConnectionTrait`, and
//! cannot look inside. So the database answers the question.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Why a write is withheld.
#[derive(Debug)]
pub(super) enum Withheld {
    /// The connection is in a transaction.
    InTransaction,
    /// The database did not answer.
    Unknown(DbErr),
}

/// Returns whether a write through `db` is committed when its statement returns.
///
/// # Errors
/// Why the write is withheld otherwise.
pub(super) async fn check_autocommit<C: ConnectionTrait>(db: &C) -> Result<(), Withheld> {
    match db.get_database_backend() {
        // In a transaction, `now()` is the time of BEGIN. The simple protocol sets both times to
        // the arrival of a statement that commits by itself (PostgreSQL, "Current Date/Time").
        DbBackend::Postgres => {
            let sql = "SELECT 1 WHERE now() <> statement_timestamp()";
            match db.execute_unprepared(sql).await {
                Ok(result) if result.rows_affected() == 0 => Ok(()),
                Ok(_) => Err(Withheld::InTransaction),
                Err(error) => Err(Withheld::Unknown(error)),
            }
        }
        // SQLite refuses this pragma in a transaction, and ignores it otherwise: the level of the
        // temporary database cannot be changed (SQLite, "PRAGMA synchronous").
        DbBackend::Sqlite => refused_in_transaction(
            db.execute_unprepared("PRAGMA temp.synchronous = NORMAL")
                .await,
            "inside a transaction",
        ),
        // Error 1568 in a transaction. Otherwise it sets the default for one transaction: the write
        // itself (MySQL, "SET TRANSACTION Statement").
        DbBackend::MySql => refused_in_transaction(
            db.execute_unprepared("SET TRANSACTION READ WRITE").await,
            "while a transaction is in progress",
        ),
        backend => Err(Withheld::Unknown(DbErr::Custom(format!(
            "rest-live does not know the database {backend:?}"
        )))),
    }
}

/// Interprets the result of a statement that the database refuses in a transaction.
fn refused_in_transaction<T>(result: Result<T, DbErr>, refusal: &str) -> Result<(), Withheld> {
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains(refusal) => Err(Withheld::InTransaction),
        Err(error) => Err(Withheld::Unknown(error)),
    }
}
