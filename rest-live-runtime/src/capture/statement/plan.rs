//! Decides what is to be done to know what a statement writes.

use std::sync::Arc;

use super::Call;
use crate::capture::{
    Scope,
    hooks::pending::PendingWrite,
    sql::cache::{OfTable, OfText, Reading},
};

/// What is to be done about a statement. Models are given by their places in the registry.
#[derive(Clone, Debug)]
pub(crate) enum Plan {
    /// Nothing: it writes no subscribed table.
    Pass,
    /// It returns the rows that it writes.
    Returning(ReturningPlan),
    /// The hooks know the rows that it writes.
    FromHooks {
        of: Arc<OfTable>,
        writes: Vec<(usize, PendingWrite)>,
    },
    /// What it writes cannot be known.
    Unknown {
        models: Vec<usize>,
        /// It is one statement: if the database refuses it, it wrote nothing.
        is_one: bool,
        /// The rows that it says it affected are all that it wrote.
        counts: bool,
    },
}

/// A statement that returns the whole rows that it writes.
#[derive(Clone, Debug)]
pub(crate) struct ReturningPlan {
    pub(crate) of: Arc<OfTable>,
    /// Its text.
    pub(crate) sql: String,
    pub(crate) announced: Vec<(usize, PendingWrite)>,
}

impl Plan {
    /// Returns whether it updates a row that was not there when it was looked for.
    pub(crate) fn has_missing(&self) -> bool {
        match self {
            Self::Returning(returned) => returned.announced.iter().any(|(_, w)| w.was_missing),
            Self::Pass | Self::FromHooks { .. } | Self::Unknown { .. } => false,
        }
    }

    /// Returns whether it is surely one statement that may run in a transaction.
    pub(crate) fn is_of_one(&self) -> bool {
        match self {
            Self::Pass => false,
            Self::Returning(_) | Self::FromHooks { .. } => true,
            Self::Unknown { is_one, counts, .. } => *is_one && *counts,
        }
    }

    /// Returns the models that the statement may write.
    pub(crate) fn models(&self) -> Vec<usize> {
        match self {
            Self::Pass => Vec::new(),
            Self::Returning(returned) => returned.of.places().collect(),
            Self::FromHooks { writes, .. } => writes.iter().map(|(place, _)| *place).collect(),
            Self::Unknown { models, .. } => models.clone(),
        }
    }
}

/// Plans a statement that SeaQuery built.
pub(crate) fn of_built(scope: &Scope, call: &Call) -> Plan {
    let (statement, database) = (&call.statement, &scope.database);
    if statement.sql.starts_with("SELECT") {
        return Plan::Pass;
    }
    let of = match database.reading_of_built(&statement.sql) {
        Reading::Table(of) => of,
        Reading::Text(of) => return of_reading(scope, &of),
    };
    let values = statement.values.as_ref().map_or(&[][..], |v| &v.0);
    let mut announced = Vec::new();
    for place in of.places() {
        let entity = scope.registry().model(place).entity;
        let stash = &scope.stash;
        let writes = stash.of_statement(call.writer, entity, of.verb, values);
        announced.extend(writes.into_iter().map(|write| (place, write)));
    }
    let is_announced = !announced.is_empty();
    // Of what was announced where not every write returns rows, the hooks know all.
    if database.returns || database.returns(of.verb) && !is_announced {
        let tells = is_announced || of.models.iter().any(|(_, needs_old)| !needs_old);
        if let Some(sql) = of.returning.clone().filter(|_| tells) {
            return Plan::Returning(ReturningPlan { of, sql, announced });
        }
    } else if is_announced {
        let writes = announced;
        return Plan::FromHooks { of, writes };
    }
    Plan::Unknown {
        models: of.places().collect(),
        is_one: true,
        counts: true,
    }
}

/// Plans what anybody may have written.
pub(crate) fn of_text(scope: &Scope, sql: &str) -> Plan {
    of_reading(scope, &scope.database.reading_of_text(sql))
}

fn of_reading(scope: &Scope, of: &OfText) -> Plan {
    if of.transaction {
        // Whatever it says besides: what was written so far may be committed now, or undone.
        scope.tear();
    }
    match of.models.is_empty() {
        true => Plan::Pass,
        false => Plan::Unknown {
            models: of.models.clone(),
            is_one: of.is_one,
            counts: of.counts,
        },
    }
}
