//! The rows that a statement returns, and the events that they become.

use std::sync::Arc;

use sea_orm::QueryResult;

use super::{old_rows::OldRows, plan::ReturningPlan, table_rows::TableRows};
use crate::{
    capture::{EventSink, sql::Verb},
    data::{event::Event, key::KeyValue},
    publish::{order::Interval, publisher::Committed},
};

/// The rows that a write returned, for each model of its table.
pub(super) struct ReturnedRows<'s> {
    rows: TableRows<'s>,
    plan: ReturningPlan,
    old: OldRows,
}

impl<'s> ReturnedRows<'s> {
    pub(super) fn new(sink: &'s EventSink, plan: ReturningPlan, old: OldRows) -> Self {
        Self {
            rows: TableRows::new(sink, Arc::clone(&plan.table)),
            plan,
            old,
        }
    }

    pub(super) fn model_indices(&self) -> Vec<usize> {
        self.plan.table.model_indices().collect()
    }

    /// Adds a row to each model of the table.
    pub(super) fn add(&mut self, result: &QueryResult) {
        self.rows.add(result);
    }

    /// Returns the events of the rows, and the key of the last row.
    pub(super) fn into_events(
        mut self,
        interval: &Arc<Interval>,
    ) -> (Vec<Committed>, Option<KeyValue>) {
        let (mut events, mut last_key) = (Vec::new(), None);
        let sink = self.rows.sink;
        for (model, model_rows) in self.plan.table.models.iter().zip(self.rows.models) {
            let label = &sink.registry().model(model.index).label;
            let start = events.len();
            let mut is_unknown = model_rows.is_unknown;
            let mut old_rows = self.old.take_model(model.index);
            for (key, row) in model_rows.rows {
                last_key = Some(key.clone());
                let position = self.plan.pending.iter().position(|(index, write)| {
                    *index == model.index && write.key.as_ref() == Some(&key)
                });
                let write = position.map(|position| self.plan.pending.swap_remove(position).1);
                let (old, was_missing, interval) = match write {
                    Some(write) if write.was_missing || !sink.is_transaction() => {
                        (write.old, write.was_missing, write.interval)
                    }
                    Some(write) => (write.old, false, Arc::clone(interval)),
                    None => (old_rows.remove(&key), false, Arc::clone(interval)),
                };
                // Another writer has inserted the missing row within the interval. The order
                // detects this, and the publisher rereads the row. With a transactional log,
                // neither does.
                let is_reread = was_missing && !sink.is_ordered_by_log();
                is_unknown |= model.needs_old && old.is_none() && !is_reread;
                let label = Arc::clone(label);
                let event = match self.plan.table.verb {
                    Verb::Insert => Event::created(label, key, row),
                    Verb::Update => Event::updated(label, key, old, row),
                    Verb::Delete => Event::deleted(label, key, row),
                };
                events.push((event, Some(interval)));
            }
            // A row that was read and not written: a trigger has skipped it, or changed its key.
            is_unknown |= !old_rows.is_empty();
            if is_unknown {
                events.truncate(start);
                events.push((Event::reset(Arc::clone(label)), None));
            }
        }
        (events, last_key)
    }
}
