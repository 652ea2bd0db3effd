//! Sweeps up abandoned writes: they are pending, but their statement or second hook never comes.
//!
//! Their request was canceled between the statement and the hook, or the write failed. The sweep
//! reads each row that may have been written, and publishes its state. A
//! [`EventSink`](crate::capture::EventSink) starts it with its first pending write.

use std::sync::Arc;

use tokio::time;

use super::pending::{Orphan, PendingWrites, Stage};
use crate::{
    capture::{database::Database, sql::Verb},
    data::{row_id::RowId, scoped_model::ScopedModel},
    model::registry::ModelEntry,
    publish::publisher::{Publisher, resets},
};

/// Resolves orphans until no write is pending. `is_plain` says that capture sees hooks only.
pub(crate) async fn sweep(pending: Arc<PendingWrites>, database: Arc<Database>, is_plain: bool) {
    loop {
        time::sleep(PendingWrites::ORPHAN_TIMEOUT / 2).await;
        let Some(orphans) = pending.take_orphans() else {
            return;
        };
        for orphan in orphans {
            let write = &orphan.write;
            let may_be_written = match write.stage {
                Stage::Written => true,
                Stage::Announced if database.is_stand_in() => true,
                // A live connection sees every statement, so there was none.
                Stage::Announced => is_plain && write.verb != Verb::Insert,
                Stage::Unchanged => false,
            };
            let publisher = &database.publisher;
            if let Some(model) = publisher.registry.model_by_type(orphan.entity)
                && may_be_written
            {
                resolve(publisher, &pending, model, orphan).await;
            }
        }
    }
}

/// Reads the row of an orphan and publishes its state.
async fn resolve(
    publisher: &Arc<Publisher>,
    pending: &PendingWrites,
    model: &ModelEntry,
    orphan: Orphan,
) {
    let write = &orphan.write;
    let Some(key) = write.key.clone().filter(|_| !publisher.is_stand_in) else {
        let reset = resets([ScopedModel::new(Arc::clone(&model.label), None)]);
        return publisher.publish(reset).await;
    };
    match (model.table.read(&publisher.db, &key).await, write.verb) {
        // The row may still be deleted: the statement may be waiting for a lock.
        (Ok(Some(_)) | Err(_), Verb::Delete) => pending.put_back(orphan),
        (Ok(None), Verb::Delete) => {
            let deleted = orphan.write.into_deleted_event(model);
            publisher.publish(Vec::from_iter(deleted)).await;
        }
        (Ok(Some(row)), Verb::Insert | Verb::Update) => {
            let written = orphan.write.into_written_event(model, key, row);
            publisher.publish(vec![written]).await;
        }
        (Ok(None) | Err(_), Verb::Insert | Verb::Update) => {
            let model = ScopedModel::new(Arc::clone(&model.label), None);
            publisher.reread(RowId::new(model, key), orphan.write.old);
        }
    }
}
