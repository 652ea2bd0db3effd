//! Reads of rows before and after their statement, for databases that do not return rows.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr};

use crate::{
    capture::{
        EventSink,
        sink::pending::{PendingWrite, Stage},
    },
    data::event::Event,
    model::registry::ModelEntry,
    publish::publisher::Committed,
};

/// Marks the rows that exist before an insert that skips existing rows.
pub(super) async fn mark_existing_rows(
    inner: &impl ConnectionTrait,
    sink: &EventSink,
    pending: &mut [(usize, PendingWrite)],
) -> Result<(), DbErr> {
    for (model, write) in pending {
        let table = &sink.registry().model(*model).table;
        if let Some(key) = &write.key
            && table.find(inner, key).await?.is_some()
        {
            write.stage = Stage::Unchanged;
        }
    }
    Ok(())
}

/// Reads a row that was written and that no hook will describe.
///
/// The read locks the row, which the write has locked already. So a transaction reads the current
/// row, and not the row as it was when the transaction began.
///
/// # Errors
/// Returns the write itself if the row does not exist any more.
pub(crate) async fn read_written_row(
    inner: &impl ConnectionTrait,
    model: &ModelEntry,
    write: PendingWrite,
) -> Result<Committed, PendingWrite> {
    let reset = (Event::reset(Arc::clone(&model.label)), None);
    let Some(key) = write.key.clone() else {
        return Ok(reset);
    };
    match model.table.read_locked(inner, &key).await {
        Ok(Some(row)) => Ok(write.into_written_event(model, key, row)),
        Ok(None) => Err(write),
        Err(_) => Ok(reset),
    }
}
