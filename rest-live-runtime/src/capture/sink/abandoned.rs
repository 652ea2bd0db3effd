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
    data::{row_id::RowId, scope::Scope, scoped_model::ScopedModel},
    model::{registry::ModelEntry, row_reader::Found},
    publish::publisher::{Committed, Publisher, resets},
};

/// Resolves orphans until no write is pending. `is_plain` says that capture sees hooks only.
pub(crate) async fn sweep(
    pending: Arc<PendingWrites>,
    database: Arc<Database>,
    scope: Option<Scope>,
    is_plain: bool,
) {
    loop {
        time::sleep(PendingWrites::ORPHAN_TIMEOUT / 2).await;
        let Some(orphans) = pending.take_orphans() else {
            database.publisher.open_writes.retract_if_idle();
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
                resolve(publisher, &pending, model, scope.as_ref(), orphan).await;
            }
        }
        database.publisher.open_writes.retract_if_idle();
    }
}

/// Reads the row of an orphan and publishes its state.
async fn resolve(
    publisher: &Arc<Publisher>,
    pending: &PendingWrites,
    model: &ModelEntry,
    scope: Option<&Scope>,
    orphan: Orphan,
) {
    let write = &orphan.write;
    let scope = scope.filter(|_| !model.is_shared()).cloned();
    if scope.is_none() && !publisher.default_schema.finds(model) {
        let metrics = &publisher.metrics;
        return publisher
            .default_schema
            .report_withheld(&model.label, metrics);
    }
    let scoped_model = ScopedModel::new(Arc::clone(&model.label), scope.clone());
    let Some(key) = write.key.clone().filter(|_| !publisher.is_stand_in) else {
        let reset = resets([scoped_model]);
        return publisher.publish(reset).await;
    };
    let in_scope = |(event, interval): Committed| (event.in_scope(scope.clone()), interval);
    let reader = &publisher.reader;
    let found = reader.read(&model.table, scope.as_ref(), &key).await;
    match (found, write.verb) {
        // The row may still be deleted: the statement may be waiting for a lock.
        (Ok(Found::Row(_)), Verb::Delete) => _ = pending.put_back(orphan),
        (Ok(Found::Nothing), Verb::Delete) => {
            let deleted = orphan.write.into_deleted_event(model);
            publisher
                .publish(Vec::from_iter(deleted.map(in_scope)))
                .await;
        }
        (found @ (Ok(Found::Unknown(_)) | Err(_)), Verb::Delete) => {
            if let Ok(Found::Unknown(obstacle)) = found {
                model.table.report(&model.label, obstacle);
            }
            // Whether the row is deleted cannot be seen, now or later.
            if !pending.put_back(orphan) {
                publisher.publish(resets([scoped_model])).await;
            }
        }
        (Ok(Found::Row(row)), Verb::Insert | Verb::Update) => {
            let written = orphan.write.into_written_event(model, key, row);
            publisher.publish(vec![in_scope(written)]).await;
        }
        (Ok(Found::Nothing | Found::Unknown(_)) | Err(_), Verb::Insert | Verb::Update) => {
            let creates = orphan.write.verb == Verb::Insert;
            publisher.reread(RowId::new(scoped_model, key), orphan.write.old, creates);
        }
    }
}
