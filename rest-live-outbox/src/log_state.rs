//! The state of the log, as a row of a statement has it.

use rest_live_runtime::Epoch;
use sea_orm::sqlx::{self, Row, postgres::PgRow};

use crate::rows::read_number;

/// Which life of the log it is, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct LogState {
    pub(crate) epoch: Epoch,
    /// All before this number is not kept any more.
    pub(crate) first_retained: u64,
    /// What a node has found settled some time ago.
    pub(crate) horizon: u64,
    /// The last number that was drawn: for an event, or for one that was rolled back.
    pub(crate) last_drawn: u64,
}

impl LogState {
    pub(crate) fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let epoch: &str = row.try_get("epoch")?;
        Ok(Self {
            epoch: Epoch::named(epoch),
            first_retained: read_number(row, "first_retained")?.unwrap_or_default(),
            horizon: read_number(row, "settled")?.unwrap_or_default(),
            last_drawn: read_number(row, "drawn")?.unwrap_or_default(),
        })
    }
}
