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
    model::{registry::ModelEntry, row_reader::Found},
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
    /// `creates`: it may have been created.
    pub(crate) fn reread(
        self: &Arc<Self>,
        row: RowId,
        old: impl IntoIterator<Item = Row>,
        creates: bool,
    ) {
        if self.mark_for_reread(&row, old, creates) {
            self.start_reread(row);
        }
    }

    /// Lets everything of a row wait for a reread from now on. `old` are the states that
    /// subscribers may hold. `creates`: a write that is not published may have created the row.
    /// Returns whether the caller must [start it](Self::start_reread).
    pub(crate) fn mark_for_reread(
        &self,
        row: &RowId,
        old: impl IntoIterator<Item = Row>,
        creates: bool,
    ) -> bool {
        let old = self.distinct_rows(row, old.into_iter().collect());
        self.order.mark_for_reread(row, old, creates)
    }

    /// Starts the reread of a row that is marked, and that no other task rereads.
    pub(crate) fn start_reread(self: &Arc<Self>, row: RowId) {
        self.metrics.rereads.increment(1);
        let reread = Arc::clone(self).reread_until_done(row);
        let abort = self.abort.clone();
        let open = self.open_writes.begin();
        let task = async move {
            let is_done = abort.run_until_cancelled(reread).await.is_some();
            if let Some(open) = open
                && is_done
            {
                open.end();
            }
        };
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Reads a row, and appends it as it was found, until no write arrives during the read.
    async fn reread_until_done(self: Arc<Self>, row: RowId) {
        let Ok(_permit) = self.reread_permits.acquire().await else {
            return;
        };
        loop {
            let read_cursor = self.order.read_cursor();
            let known_rows = self.order.begin_reread(&row);
            let creates = self.order.take_creation(&row);
            let read = match known_rows {
                Some(known_rows) => self.read(&row).await.map(|found| (known_rows, found)),
                None => None,
            };
            let found = match read {
                Some((known_rows, found)) => {
                    let known_rows = self.distinct_rows(&row, known_rows);
                    let RowId { model, key } = row.clone();
                    let ScopedModel { label, scope } = model;
                    let event = Event::reread(label, key, known_rows, found.clone());
                    let event = event.in_scope(scope).with_creation(creates);
                    self.append(vec![OrderedEvent { event, read_cursor }]).await;
                    found
                }
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

    /// Returns whether a read outside of scopes finds the model's default table.
    pub(super) fn finds(&self, model: &ModelEntry) -> bool {
        // The application answers for the connection that it has set.
        self.reader.has_own_connection() || self.default_schema.finds(model)
    }

    /// Reads a row. Returns `None` if it is unknown how the row is, or whether it exists.
    async fn read(&self, RowId { model, key }: &RowId) -> Option<Option<Row>> {
        let ScopedModel { label, scope } = model;
        let entry = self.registry.model_by_label(label)?;
        if self.is_stand_in {
            // A mock database would take the read for a statement of the application.
            return None;
        }
        let is_found = || scope.is_some() || self.finds(entry);
        if !is_found() {
            return None;
        }
        let read = self.reader.read(&entry.table, scope.as_ref(), key);
        let error = match timeout(REREAD_TIMEOUT, read).await {
            // A statement may have switched the connection of the read before it began.
            Ok(Ok(_)) if !is_found() => return None,
            Ok(Ok(Found::Row(row))) => return Some(Some(row)),
            Ok(Ok(Found::Nothing)) => return Some(None),
            Ok(Ok(Found::Unknown(obstacle))) => {
                entry.table.report(label, obstacle);
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the read took longer than {REREAD_TIMEOUT:?}"),
        };
        tracing::error!(
            model = &**label,
            error,
            "a row could not be read again after overlapping writes: the model's subscribers receive a reset"
        );
        None
    }
}
