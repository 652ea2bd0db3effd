//! Rereads rows: reads a row again after overlapping writes, and appends it as it was found.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::Publisher;
use crate::{
    data::{
        event::{Event, Row},
        row_id::RowId,
        scoped_model::ScopedModel,
    },
    publish::order::{OrderedEvent, RereadStatus},
    user_code,
};

/// How long the read of a row may take. Then the row's model is reset instead.
const REREAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum number of rows that are reread at the same time. Each takes one of the application's
/// database connections.
pub(super) const MAX_CONCURRENT_REREADS: usize = 4;

impl Publisher {
    /// Rereads a row that may have been written. `old` are the states that subscribers may hold.
    pub(crate) fn reread(self: &Arc<Self>, row: RowId, old: impl IntoIterator<Item = Row>) {
        if self.mark_for_reread(&row, old) {
            self.start_reread(row);
        }
    }

    /// Lets everything of a row wait for a reread from now on. `old` are the states that
    /// subscribers may hold. Returns whether the caller must [start it](Self::start_reread).
    pub(crate) fn mark_for_reread(&self, row: &RowId, old: impl IntoIterator<Item = Row>) -> bool {
        let old = self.distinct_rows(row, old.into_iter().collect());
        self.order.mark_for_reread(row, old)
    }

    /// Starts the reread of a row that is marked, and that no other task rereads.
    pub(crate) fn start_reread(self: &Arc<Self>, row: RowId) {
        self.metrics.rereads.increment(1);
        let reread = Arc::clone(self).reread_until_done(row);
        let abort = self.abort.clone();
        let task = async move { _ = abort.run_until_cancelled(reread).await };
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Reads a row, and appends it as it was found, until no write arrives during the read.
    async fn reread_until_done(self: Arc<Self>, row: RowId) {
        let Ok(_permit) = self.reread_permits.acquire().await else {
            return;
        };
        loop {
            let read_cursor = self.order.read_cursor();
            let found = match self.order.begin_reread(&row) {
                Some(known_rows) => match self.read(&row).await {
                    Ok(found) => {
                        let known_rows = self.distinct_rows(&row, known_rows);
                        let RowId { model, key } = row.clone();
                        let ScopedModel { label, scope } = model;
                        let event = Event::reread(label, key, known_rows, found.clone());
                        let event = event.in_scope(scope);
                        self.append(vec![OrderedEvent { event, read_cursor }]).await;
                        found
                    }
                    Err(error) => {
                        tracing::error!(
                            model = &*row.model.label,
                            error,
                            "a row could not be read again after overlapping writes: the model's subscribers receive a reset"
                        );
                        self.append_reset(&row).await;
                        None
                    }
                },
                None => {
                    self.append_reset(&row).await;
                    None
                }
            };
            if self.order.finish_reread(&row, found) == RereadStatus::Done {
                return;
            }
        }
    }

    fn distinct_rows(&self, row: &RowId, rows: Vec<Row>) -> Vec<Row> {
        // The application's code reads the columns, and may panic.
        let model = self.registry.model_by_label(&row.model.label);
        let distinct = |rows: Vec<Row>| match model {
            Some(model) => model.distinct(rows),
            None => rows,
        };
        let all = rows.clone();
        user_code::call(|| distinct(rows)).unwrap_or(all)
    }

    async fn append_reset(&self, row: &RowId) {
        // Recorded before and after the append: clients may fetch because of the reset from the
        // first moment on, and may not have fetched until the second.
        self.order.record_reset(row);
        let ScopedModel { label, scope } = row.model.clone();
        let event = Event::reset(label).in_scope(scope);
        let read_cursor = None;
        self.append(vec![OrderedEvent { event, read_cursor }]).await;
        self.order.record_reset(row);
    }

    async fn read(&self, RowId { model, key }: &RowId) -> Result<Option<Row>, String> {
        let Some(model) = self.registry.model_by_label(&model.label) else {
            return Err("the model is not registered".to_owned());
        };
        if self.is_stand_in {
            return Err(
                "a mock database would take the read for a statement of the application".to_owned(),
            );
        }
        // Decoding a row runs the application's code.
        let read = user_code::call_async(async { model.table.read(&self.db, key).await });
        match timeout(REREAD_TIMEOUT, read).await {
            Ok(Ok(Ok(row))) => Ok(row),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(panicked)) => Err(panicked.to_string()),
            Err(_) => Err(format!("the read took longer than {REREAD_TIMEOUT:?}")),
        }
    }
}
