//! What the error of a statement or a COMMIT shows about what was written.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Returns whether an error proves that nothing was written: the database refused the statement, or
/// was not reached. After any other error, such as a broken connection, the outcome is unknown.
pub(crate) fn is_refusal(error: &DbErr) -> bool {
    driver_error(error).is_none_or(|error| {
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

/// Whether an error of MySQL or MariaDB has rolled back the whole transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImpliedRollback {
    None,
    /// It depends on the server's settings and version. If it was rolled back, later statements
    /// commit by themselves.
    Possible,
    /// The transaction was rolled back, and later statements commit by themselves.
    Certain,
}

/// Returns whether an error has rolled back the whole transaction.
pub(crate) fn implied_rollback(error: &DbErr) -> ImpliedRollback {
    // The driver's own error type has the number, but is not available in every build. The error's
    // text begins with the number.
    let text = driver_error(error).and_then(|error| Some(error.as_database_error()?.to_string()));
    let number = text.and_then(|text| text.split(' ').next()?.parse().ok());
    match number {
        // A deadlock.
        Some(1213) => ImpliedRollback::Certain,
        // A row that changed since the snapshot; a lock wait that timed out; too many locks.
        Some(1020 | 1205 | 1206) => ImpliedRollback::Possible,
        _ => ImpliedRollback::None,
    }
}

/// Returns sqlx's error, `None` for an error that SeaORM has only as text.
fn driver_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}
