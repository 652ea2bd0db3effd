//! The rows that a statement returns, and the events that they become.

use std::sync::Arc;

use sea_orm::QueryResult;

use super::plan::ReturningPlan;
use crate::{
    capture::{EventSink, database::Database, sql::Verb},
    data::{
        event::{Event, Row},
        key::KeyValue,
    },
    publish::{order::Interval, publisher::Committed},
};

/// The rows that one statement returned, for each model of its table.
pub(super) struct ReturnedRows<'s> {
    sink: &'s EventSink,
    plan: ReturningPlan,
    /// In the order of the plan's models.
    models: Vec<ModelRows>,
}

/// The rows of one model of the table.
#[derive(Default)]
struct ModelRows {
    rows: Vec<(KeyValue, Row)>,
    bytes: usize,
    /// Whether there were too many rows, or one could not be read.
    is_unknown: bool,
}

impl<'s> ReturnedRows<'s> {
    pub(super) fn new(sink: &'s EventSink, plan: ReturningPlan) -> Self {
        let models = plan.table.models.iter().map(|_| ModelRows::default());
        Self {
            sink,
            models: models.collect(),
            plan,
        }
    }

    pub(super) fn model_indices(&self) -> Vec<usize> {
        self.plan.table.model_indices().collect()
    }

    /// Adds a row to each model of the table.
    pub(super) fn add(&mut self, result: &QueryResult) {
        for (index, model_rows) in self.plan.table.model_indices().zip(&mut self.models) {
            if model_rows.is_unknown {
                continue;
            }
            let model = self.sink.registry().model(index);
            match model.decode_keyed(result) {
                Ok((Some(key), row)) if model_rows.has_room(&row, &self.sink.database) => {
                    model_rows.bytes += row.bytes();
                    model_rows.rows.push((key, row));
                }
                Ok(_) => model_rows.mark_unknown(),
                Err(error) => {
                    tracing::error!(
                        model = &*model.label,
                        error,
                        "a written row could not be decoded: the model's subscribers receive a reset"
                    );
                    model_rows.mark_unknown();
                }
            }
        }
    }

    /// Returns the events of the rows, and the key of the last row.
    pub(super) fn into_events(
        mut self,
        interval: &Arc<Interval>,
    ) -> (Vec<Committed>, Option<KeyValue>) {
        let (mut events, mut last_key) = (Vec::new(), None);
        for (model, model_rows) in self.plan.table.models.iter().zip(self.models) {
            let label = &self.sink.registry().model(model.index).label;
            let start = events.len();
            let mut is_unknown = model_rows.is_unknown;
            for (key, row) in model_rows.rows {
                last_key = Some(key.clone());
                let position = self.plan.pending.iter().position(|(index, write)| {
                    *index == model.index && write.key.as_ref() == Some(&key)
                });
                let write = position.map(|position| self.plan.pending.swap_remove(position).1);
                let (old, was_missing, interval) = match write {
                    Some(write) if write.was_missing || !self.sink.is_transaction() => {
                        (write.old, write.was_missing, write.interval)
                    }
                    Some(write) => (write.old, false, Arc::clone(interval)),
                    None => (None, false, Arc::clone(interval)),
                };
                // Another writer has inserted the missing row within the interval. The order
                // detects this, and the publisher rereads the row. With a transactional log,
                // neither does.
                let is_reread = was_missing && !self.sink.is_ordered_by_log();
                is_unknown |= model.needs_old && old.is_none() && !is_reread;
                let label = Arc::clone(label);
                let event = match self.plan.table.verb {
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

impl ModelRows {
    /// Returns whether this row can be sent by itself. A single row always can.
    fn has_room(&self, row: &Row, database: &Database) -> bool {
        let bytes = self.bytes + row.bytes();
        self.rows.len() < database.max_rows_per_statement
            && (self.rows.is_empty() || bytes <= database.max_statement_bytes)
    }

    fn mark_unknown(&mut self) {
        self.is_unknown = true;
        self.rows = Vec::new();
    }
}
