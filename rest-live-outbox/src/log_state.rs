//! The state of the log, as a row of a statement has it.

use rest_live_runtime::Epoch;
use sea_orm::sqlx::{self, Row, postgres::PgRow};

use crate::rows::number;

/// Which life of the log it is, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) epoch: Epoch,
    /// All before this number is not kept any more.
    pub(crate) first_retained: u64,
    /// What a node has found settled some time ago.
    pub(crate) settled: u64,
    /// The last number that was drawn: for an event, or for one that was rolled back.
    pub(crate) drawn: u64,
}

impl Life {
    pub(crate) fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let epoch: &str = row.try_get("epoch")?;
        Ok(Self {
            epoch: Epoch::named(epoch),
            first_retained: number(row, "first_retained")?.unwrap_or_default(),
            settled: number(row, "settled")?.unwrap_or_default(),
            drawn: number(row, "drawn")?.unwrap_or_default(),
        })
    }
}
