//! Appends events to a transactional log after the transaction of their write has ended, or where
//! it is unknown.
//!
//! Each row is read and locked in a transaction of our own until its event is in the log. So the
//! events of one row are in the order of the commits.

use sea_orm::{DatabaseTransaction, DbErr};

use super::{Committed, Publisher, resets};
use crate::{
    data::{
        event::{Action, Event, EventKind},
        scope::Scope,
    },
    log::{LogError, Record, TransactionalLog},
    model::row_reader::Found,
};

impl Publisher {
    /// Appends events as their rows are now. Appends resets if the rows cannot be read.
    pub(super) async fn append_late(
        &self,
        log: &dyn TransactionalLog,
        events: Vec<Event>,
    ) -> Result<(), LogError> {
        for events in events.chunk_by(|a, b| a.scope == b.scope) {
            let models = events.iter().map(Event::scoped_model);
            let resets = resets(models);
            let scope = events.first().and_then(|event| event.scope.as_ref());
            if let Err(error) = self.append_reread(log, scope, events.to_vec()).await {
                tracing::error!(
                    model = events.first().map(|event| &*event.model),
                    error,
                    "written rows could not be read again and published: the model's subscribers receive a reset"
                );
                log.append(self.records(resets)).await?;
            }
        }
        Ok(())
    }

    /// Reads and locks the rows of events of one scope, and appends what was found.
    async fn append_reread(
        &self,
        log: &dyn TransactionalLog,
        scope: Option<&Scope>,
        events: Vec<Event>,
    ) -> Result<(), String> {
        let text = |error: DbErr| error.to_string();
        let transaction = self.reader.begin(scope).await.map_err(text)?;
        let mut reread = Vec::with_capacity(events.len());
        for event in events {
            let event = self.reread_event(&transaction, event).await.map_err(text)?;
            reread.push((event, None));
        }
        if self.reader.has_settings() {
            // The role of the transaction may have no right to write events.
            let appended = log.append(self.records(reread)).await;
            appended
                .map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))?;
            // Not a commit: a `SET` without `LOCAL` would stay set on a connection of the pool.
            return transaction.rollback().await.map_err(text);
        }
        self.publish_in(log, &transaction, reread)
            .await
            .map_err(text)?;
        transaction.commit().await.map_err(text)?;
        log.committed();
        Ok(())
    }

    /// Returns the event of a row as the row is now, or a reset if this is unknown.
    async fn reread_event(
        &self,
        transaction: &DatabaseTransaction,
        event: Event,
    ) -> Result<Event, DbErr> {
        let model = self.registry.model_by_label(&event.model);
        let model = model.filter(|model| event.scope.is_some() || self.finds(model));
        let Event {
            model: label,
            kind,
            scope,
            ..
        } = event;
        let event = match (kind, model) {
            (EventKind::Row(change), Some(model)) => {
                let (reader, table) = (&self.reader, &model.table);
                let read = reader.read_locked(transaction, table, scope.as_ref(), &change.key);
                let creates = change.action == Action::Created;
                let known_rows = change.old.into_iter().chain(change.new).collect();
                match read.await? {
                    Found::Row(row) => Event::reread(label, change.key, known_rows, Some(row))
                        .with_creation(creates),
                    Found::Nothing => Event::reread(label, change.key, known_rows, None),
                    Found::Unknown(obstacle) => {
                        table.report(&label, obstacle);
                        Event::reset(label)
                    }
                }
            }
            (EventKind::Row(_) | EventKind::Reset, _) => Event::reset(label),
        };
        Ok(event.in_scope(scope))
    }

    fn records(&self, events: Vec<Committed>) -> Vec<Record> {
        let events = events.into_iter();
        events.map(|(event, _)| self.record(event, None)).collect()
    }
}
