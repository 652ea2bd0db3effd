//! What is known in a transaction of the tables that unqualified names stand for, after a statement
//! has switched the schema.
//!
//! An [`EventBuffer`](super::buffer::EventBuffer) keeps one value for each savepoint, because the
//! rollback of a savepoint undoes the switches in it.

use std::sync::Arc;

use crate::capture::sql::Settings;

/// The models whose names stand for another table than at the begin of the transaction.
#[derive(Clone, Debug)]
pub(crate) enum ForeignModels {
    /// The schema was switched and the tables were not compared: each name may stand for another
    /// table.
    Unverified,
    /// The indices in the registry of these models.
    Verified(Arc<[usize]>),
}

impl ForeignModels {
    pub(crate) fn contains(&self, model: usize) -> bool {
        match self {
            Self::Unverified => true,
            Self::Verified(models) => models.contains(&model),
        }
    }
}

/// The switches at one level of a transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct LevelSchema {
    /// `None` if nothing was switched at this level.
    pub(crate) foreign: Option<ForeignModels>,
    /// The settings whose changes stay on the connection after a commit, with those of the levels
    /// below; `None` if this level changed none.
    pub(crate) lasting: Option<Settings>,
}

impl LevelSchema {
    /// Notes that it is unknown whether the switches of this level took effect.
    pub(crate) fn forget_tables(&mut self) {
        if self.foreign.is_some() {
            self.foreign = Some(ForeignModels::Unverified);
        }
    }

    /// Adds the switches of a savepoint that was kept.
    pub(crate) fn merge(&mut self, savepoint: Self) {
        if savepoint.foreign.is_some() {
            self.foreign = savepoint.foreign;
        }
        self.lasting = savepoint.lasting.or(self.lasting);
    }
}
