//! The answer of the database to a statement.

use sea_orm::{DbErr, ExecResult, QueryResult};

/// What the database answered, in the form that the called method returns.
#[derive(Debug)]
pub(crate) enum Answer {
    Executed(ExecResult),
    One(Option<QueryResult>),
    All(Vec<QueryResult>),
}

impl Answer {
    /// Returns whether a statement that returns the rows that it writes has written any.
    pub(crate) fn has_rows(&self) -> bool {
        match self {
            Self::Executed(result) => result.rows_affected() > 0,
            Self::One(row) => row.is_some(),
            Self::All(rows) => !rows.is_empty(),
        }
    }

    pub(crate) fn into_exec_result(self) -> Result<ExecResult, DbErr> {
        match self {
            Self::Executed(result) => Ok(result),
            Self::One(_) | Self::All(_) => Err(wrong_form()),
        }
    }

    pub(crate) fn into_one(self) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::One(row) => Ok(row),
            Self::Executed(_) | Self::All(_) => Err(wrong_form()),
        }
    }

    pub(crate) fn into_all(self) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::All(rows) => Ok(rows),
            Self::Executed(_) | Self::One(_) => Err(wrong_form()),
        }
    }
}

/// Returns the error for an answer in the form of another method. No call produces one.
fn wrong_form() -> DbErr {
    DbErr::Custom(
        "rest-live returned the answer of another statement: please report this bug".to_owned(),
    )
}
