//! The rows that an UPDATE is about to change, read and locked in its transaction.

use std::{collections::HashMap, pin::pin, sync::Arc};

use futures_util::TryStreamExt;
use sea_orm::DbErr;

use super::{Inner, table_rows::TableRows};
use crate::{
    capture::{
        EventSink,
        sql::{cache::TableAnalysis, old_rows::OldRowsStatements},
    },
    data::{event::Row, key::KeyValue},
};

/// The old rows of an UPDATE. Empty if they are not needed, or if hooks read them.
#[derive(Default)]
pub(super) struct OldRows {
    /// The rows of each model that needs them, by its index in the registry. A model whose rows are
    /// too many, or could not be decoded, is missing.
    models: Vec<(usize, HashMap<KeyValue, Row>)>,
}

impl OldRows {
    /// Reads and locks the rows. The connection must be in a transaction.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn read(
        inner: &impl Inner,
        sink: &EventSink,
        table: &Arc<TableAnalysis>,
        statements: &OldRowsStatements,
    ) -> Result<Self, DbErr> {
        if let Some(write_lock) = statements.write_lock.clone() {
            inner.execute_raw(write_lock).await?;
        }
        let mut rows = TableRows::new(sink, Arc::clone(table));
        // To the end, also if there are too many: their number is limited.
        let mut stream = pin!(inner.stream_raw(statements.select.clone()).await?);
        while let Some(row) = stream.try_next().await? {
            rows.add(&row);
        }
        let models = table.models.iter().zip(rows.models);
        let needed = models.filter(|(model, rows)| model.needs_old && !rows.is_unknown);
        let by_key = needed.map(|(model, rows)| (model.index, rows.rows.into_iter().collect()));
        Ok(Self {
            models: by_key.collect(),
        })
    }

    /// Returns whether the old rows of no model are known.
    pub(super) fn is_unknown(&self) -> bool {
        self.models.is_empty()
    }

    /// Takes the rows of a model.
    pub(super) fn take_model(&mut self, index: usize) -> HashMap<KeyValue, Row> {
        let position = self.models.iter().position(|(model, _)| *model == index);
        position
            .map(|position| self.models.swap_remove(position).1)
            .unwrap_or_default()
    }
}
