//! How far the dispatcher has come with a shard.

use crate::data::cursor::Cursor;

#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// End of the batch that the dispatcher has begun. A subscription that starts now misses its
    /// events.
    cursor: Option<Cursor>,
    /// Number of that batch.
    batch_id: u64,
    /// Number of the batch's last event in this shard.
    last_event: u64,
    /// Number of times that the dispatcher continued after another cursor: positions from before
    /// mean nothing.
    jumps: u64,
}

impl Progress {
    /// Returns how far the dispatcher has come, and the number of the batch.
    pub(crate) fn dispatched(&self) -> Option<(Cursor, u64)> {
        Some((self.cursor.clone()?, self.batch_id))
    }

    pub(super) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    pub(super) fn batch_id(&self) -> u64 {
        self.batch_id
    }

    pub(super) fn last_event(&self) -> u64 {
        self.last_event
    }

    pub(crate) fn jumps(&self) -> u64 {
        self.jumps
    }

    /// Returns the number of the event before the batch.
    pub(super) fn begin_batch(&mut self, cursor: &Cursor, batch_id: u64, events: usize) -> u64 {
        let before = self.last_event;
        self.cursor = Some(cursor.clone());
        self.batch_id = batch_id;
        self.last_event += events as u64;
        before
    }

    /// Continues after a cursor, and returns the one before.
    pub(super) fn jump(&mut self, cursor: &Cursor, batch_id: u64) -> Option<Cursor> {
        self.batch_id = batch_id;
        self.jumps += 1;
        self.cursor.replace(cursor.clone())
    }

    /// Returns whether a cursor is of the log's current epoch, as far as that is known.
    pub(super) fn is_of_epoch(&self, cursor: &Cursor) -> bool {
        let current = self.cursor.as_ref();
        current.is_none_or(|current| current.epoch == cursor.epoch)
    }
}
