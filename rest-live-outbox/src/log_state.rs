//! The state of the log, decoded from a row.

use rest_live_runtime::Epoch;
use sea_orm::sqlx::{self, Row, postgres::PgRow};

use crate::rows::read_number;

/// The epoch of the log, and the numbers that delimit it.
#[derive(Clone, Debug)]
pub(crate) struct LogState {
    pub(crate) epoch: Epoch,
    /// Events before this number have been removed.
    pub(crate) first_retained: u64,
    /// The horizon that some node saved, a while ago.
    pub(crate) horizon: u64,
    /// The last number that was drawn, possibly by a transaction that was rolled back.
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
