//! Rows of one table, decoded for each of its models within the limits of one statement.

use std::sync::Arc;

use sea_orm::QueryResult;

use crate::{
    capture::{EventSink, database::Database, sql::cache::TableAnalysis},
    data::{event::Row, key::KeyValue},
};

/// The rows that one statement returned, for each model of its table.
pub(super) struct TableRows<'s> {
    pub(super) sink: &'s EventSink,
    table: Arc<TableAnalysis>,
    /// In the order of the table's models.
    pub(super) models: Vec<ModelRows>,
}

/// The rows of one model of the table.
#[derive(Default)]
pub(super) struct ModelRows {
    pub(super) rows: Vec<(KeyValue, Row)>,
    bytes: usize,
    /// Whether there were too many rows, or one could not be read.
    pub(super) is_unknown: bool,
}

impl<'s> TableRows<'s> {
    pub(super) fn new(sink: &'s EventSink, table: Arc<TableAnalysis>) -> Self {
        let models = table.models.iter().map(|_| ModelRows::default());
        Self {
            sink,
            models: models.collect(),
            table,
        }
    }

    /// Adds a row to each model of the table.
    pub(super) fn add(&mut self, result: &QueryResult) {
        for (index, model_rows) in self.table.model_indices().zip(&mut self.models) {
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
