//! What is told of the rows that a statement returns.

use std::sync::Arc;

use sea_orm::QueryResult;

use super::plan::ReturningPlan;
use crate::{
    capture::{Scope, hooks::pending::PendingWrite, sql::Verb},
    data::{
        event::{Event, Row},
        key::KeyValue,
    },
    publish::{order::Interval, publisher::Committed},
};

/// The rows, by the models of their table.
pub(super) struct ReturnedRows<'s> {
    scope: &'s Scope,
    plan: ReturningPlan,
    of_models: Vec<OfModel>,
}

/// The rows of one model of the table.
#[derive(Default)]
struct OfModel {
    rows: Vec<(KeyValue, Row)>,
    /// They were too many, or one could not be read.
    is_unknown: bool,
}

impl<'s> ReturnedRows<'s> {
    pub(super) fn new(scope: &'s Scope, plan: ReturningPlan) -> Self {
        let of_models = plan.of.models.iter().map(|_| OfModel::default()).collect();
        Self {
            scope,
            plan,
            of_models,
        }
    }

    pub(super) fn models(&self) -> Vec<usize> {
        self.plan.of.places().collect()
    }

    pub(super) fn take(&mut self, result: &QueryResult) {
        for (place, of_model) in self.plan.of.places().zip(&mut self.of_models) {
            if of_model.is_unknown {
                continue;
            }
            let model = self.scope.registry().model(place);
            let row = model
                .table
                .decode(result)
                .map(|row| (model.key_of(&row), row));
            match row {
                Ok((Some(key), row))
                    if of_model.rows.len() < self.scope.database.max_rows_per_statement =>
                {
                    of_model.rows.push((key, row));
                }
                Ok(_) => of_model.forget(),
                Err(error) => {
                    let (model, error) = (&*model.label, &error as &dyn std::error::Error);
                    tracing::error!(
                        model,
                        error,
                        "a row that was written could not be read: subscribers are told to fetch"
                    );
                    of_model.forget();
                }
            }
        }
    }

    /// Returns the events, and the key of the last row.
    pub(super) fn into_events(
        mut self,
        interval: &Arc<Interval>,
    ) -> (Vec<Committed>, Option<KeyValue>) {
        let (mut events, mut last_key) = (Vec::new(), None);
        for ((place, needs_old), of_model) in self.plan.of.models.iter().zip(self.of_models) {
            let label = &self.scope.registry().model(*place).label;
            let start = events.len();
            let mut is_unknown = of_model.is_unknown;
            for (key, row) in of_model.rows {
                last_key = Some(key.clone());
                let is_of_row = |(of, write): &(usize, PendingWrite)| {
                    of == place && write.key.as_ref() == Some(&key)
                };
                let place = self.plan.announced.iter().position(is_of_row);
                let write = place.map(|place| self.plan.announced.swap_remove(place).1);
                let (old, was_missing, interval) = match write {
                    Some(write) if write.was_missing || !self.scope.is_transaction() => {
                        (write.old, write.was_missing, write.interval)
                    }
                    Some(write) => (write.old, false, Arc::clone(interval)),
                    None => (None, false, Arc::clone(interval)),
                };
                // Else the order says that it is read again.
                let is_settled = was_missing && !self.scope.is_ordered_by_log();
                is_unknown |= *needs_old && old.is_none() && !is_settled;
                let label = Arc::clone(label);
                let event = match self.plan.of.verb {
                    Verb::Insert => Event::created(label, key, row),
                    Verb::Update => Event::updated(label, key, old, row),
                    Verb::Delete => Event::deleted(label, key, row),
                };
                events.push((event, Some(interval)));
            }
            if is_unknown {
                events.truncate(start);
                events.push((Event::reset(Arc::clone(label)), None));
            }
        }
        (events, last_key)
    }
}

impl OfModel {
    fn forget(&mut self) {
        self.is_unknown = true;
        self.rows = Vec::new();
    }
}
