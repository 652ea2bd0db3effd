//! Writes that were announced and did not come to their end: their request was given up between the statement
//! and the hook, or they failed. What may have been written is read again.

use std::sync::Arc;

use tokio::time;

use super::pending::{Orphan, PendingWrites, Stage};
use crate::{
    capture::{database::Database, sql::Verb},
    model::registry::ModelEntry,
    publish::publisher::{Publisher, resets},
};

/// Looks for such writes until none is left.
pub(crate) async fn sweep(stash: Arc<PendingWrites>, database: Arc<Database>, is_plain: bool) {
    loop {
        time::sleep(PendingWrites::PATIENCE / 2).await;
        let Some(overdue) = stash.overdue() else {
            return;
        };
        for left in overdue {
            let write = &left.announced;
            let may_be_written = match write.stage {
                Stage::Written => true,
                // A live connection has not seen the statement, so there was none.
                Stage::PendingWrite => is_plain && write.verb != Verb::Insert,
                Stage::Nothing => false,
            };
            let publisher = &database.publisher;
            if let Some(model) = publisher.registry.model_by_type(left.entity)
                && may_be_written
            {
                look(publisher, &stash, model, left).await;
            }
        }
    }
}

/// Tells what became of a row.
async fn look(publisher: &Arc<Publisher>, stash: &PendingWrites, model: &ModelEntry, left: Orphan) {
    let write = &left.announced;
    let Some(key) = write.key.clone() else {
        let reset = resets([Arc::clone(&model.label)]);
        return publisher.publish(reset).await;
    };
    match (model.table.read(&publisher.db, &key).await, write.verb) {
        // It may still be deleted: a statement waits for locks.
        (Ok(Some(_)) | Err(_), Verb::Delete) => stash.put_back(left),
        (Ok(None), Verb::Delete) => {
            let deleted = left.announced.deleted(model);
            publisher.publish(Vec::from_iter(deleted)).await;
        }
        (Ok(Some(row)), Verb::Insert | Verb::Update) => {
            let written = left.announced.written(model, key, row);
            publisher.publish(vec![written]).await;
        }
        (Ok(None) | Err(_), Verb::Insert | Verb::Update) => {
            publisher.settle((Arc::clone(&model.label), key), left.announced.old);
        }
    }
}
