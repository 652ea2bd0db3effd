//! What the error of a statement or of a commit says about what was written.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Returns whether it is certain that nothing was written: the database itself refused, or was not reached.
/// After any other error, such as a connection that broke, nobody knows.
pub(super) fn is_refusal(error: &DbErr) -> bool {
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

/// Returns whether MySQL or MariaDB ended the transaction to end a deadlock (error 1213): all that was
/// written in it is undone, and what follows commits by itself.
pub(super) fn is_deadlock(error: &DbErr) -> bool {
    sqlx(error)
        .and_then(|error| error.as_database_error()?.code())
        .is_some_and(|code| code == "40001")
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
