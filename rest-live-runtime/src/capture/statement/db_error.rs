//! What the error of a statement or of a commit says about what was written.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Returns whether it is certain that nothing was written: the database itself refused, or was not reached.
/// After any other error, such as a connection that broke, nobody knows.
pub(crate) fn is_refusal(error: &DbErr) -> bool {
    sqlx(error).is_none_or(|error| {
        matches!(
            error,
            SqlxError::Database(_)
                | SqlxError::PoolTimedOut
                | SqlxError::PoolClosed
                | SqlxError::Encode(_)
                | SqlxError::Configuration(_)
        )
    })
}

/// What of a transaction is over after an error of MySQL or MariaDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Nothing,
    /// It may be undone as a whole, by the server's settings and version: and then what follows commits by itself.
    Perhaps,
    /// All of it is undone, and what follows commits by itself.
    Transaction,
}

/// Returns what an error has ended.
pub(crate) fn what_ended(error: &DbErr) -> Ended {
    // The driver's own type, which has the number, is not there in every build. Its text begins with it.
    let text = sqlx(error).and_then(|error| Some(error.as_database_error()?.to_string()));
    let number = text.and_then(|text| text.split(' ').next()?.parse().ok());
    match number {
        // A deadlock.
        Some(1213) => Ended::Transaction,
        // A row that changed since the snapshot, a lock that took too long, too many locks.
        Some(1020 | 1205 | 1206) => Ended::Perhaps,
        _ => Ended::Nothing,
    }
}

/// Returns the driver's error. Other drivers than sqlx's say no more than a text.
fn sqlx(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}
