//! Writes that a `before_*` hook has announced, for their statement or their `after_*` hook.
//!
//! An [`EventSink`](crate::capture::EventSink) owns the [`PendingWrites`]. Hooks add writes to it,
//! and statements and hooks take them out.

use std::{
    any::TypeId,
    collections::HashMap,
    mem,
    sync::Arc,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sea_orm::Value;

use crate::{
    capture::sql::Verb,
    data::{
        event::{Event, Row},
        key::KeyValue,
    },
    model::registry::ModelEntry,
    publish::{order::Interval, publisher::Committed},
};

/// The task or thread that writes.
///
/// SeaORM gives the hooks and the statement of a write nothing in common but the connection. They
/// also run in the same task and concern the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Task(tokio::task::Id),
    /// A thread outside tasks, such as one in `block_on`.
    Thread(ThreadId),
}

impl Writer {
    /// Returns the task or thread that runs this function.
    pub(crate) fn current() -> Self {
        match tokio::task::try_id() {
            Some(task) => Self::Task(task),
            None => Self::Thread(thread::current().id()),
        }
    }
}

/// A write of one row that has not finished.
#[derive(Clone, Debug)]
pub(crate) struct PendingWrite {
    pub(crate) verb: Verb,
    /// The row's key. The key of an insert may not be known yet.
    pub(crate) key: Option<KeyValue>,
    /// The row before the write, if a hook has read it.
    pub(crate) old: Option<Row>,
    /// Whether the old row was needed and not found. If the statement finds it after all, another
    /// writer has inserted it within the interval. So the row is reread, and the event of the other
    /// writer names its groups.
    pub(crate) was_missing: bool,
    /// Whether the old row was read and could not be decoded. Then the groups that it belonged to
    /// are not known.
    pub(crate) is_unreadable: bool,
    pub(crate) interval: Arc<Interval>,
    pub(crate) stage: Stage,
}

/// How far a write has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Capture has not seen the statement.
    Announced,
    /// The statement has run; the second hook knows the new row.
    Written,
    /// The write changes nothing: there is no statement, or it skips the row.
    Unchanged,
}

impl PendingWrite {
    /// Returns the event of a deleted row, `None` if its key is unknown.
    pub(crate) fn into_deleted_event(self, model: &ModelEntry) -> Option<Committed> {
        let (key, label) = (self.key?, Arc::clone(&model.label));
        if self.is_unreadable {
            return Some((Event::reset(label), None));
        }
        let event = match self.old {
            Some(old) => Event::deleted(label, key, old),
            None => Event::reread(label, key, Vec::new(), None),
        };
        Some((event, Some(self.interval)))
    }

    /// Returns the event of an inserted or updated row, whose state is now `new`.
    pub(crate) fn into_written_event(
        self,
        model: &ModelEntry,
        key: KeyValue,
        new: Row,
    ) -> Committed {
        let label = Arc::clone(&model.label);
        if self.is_unreadable {
            return (Event::reset(label), None);
        }
        let event = match self.verb {
            Verb::Insert => Event::created(label, key, new),
            Verb::Update | Verb::Delete => Event::updated(label, key, self.old, new),
        };
        (event, Some(self.interval))
    }
}

/// A pending write that was not finished in time.
#[derive(Debug)]
pub(crate) struct Orphan {
    writer: Writer,
    pub(crate) entity: TypeId,
    added_at: Instant,
    pub(crate) write: PendingWrite,
}

/// The pending writes of a sink.
#[derive(Debug, Default)]
pub(crate) struct PendingWrites(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    writes: HashMap<(Writer, TypeId), Vec<(Instant, PendingWrite)>>,
    /// Whether a task sweeps up orphans.
    is_swept: bool,
}

impl PendingWrites {
    /// How long a write may stay pending before it counts as an orphan: its request was canceled,
    /// or it failed.
    pub(crate) const ORPHAN_TIMEOUT: Duration = Duration::from_secs(2);

    /// How long an orphan that is not carried out yet is kept: it may be waiting for a lock.
    const LOCK_WAIT_TIMEOUT: Duration = Duration::from_secs(120);

    /// Adds a write, and drops what an earlier write of the same row by the same writer left. Of
    /// writes whose statement has run, all are kept.
    ///
    /// Returns whether no task sweeps up orphans: the caller must start one then.
    pub(crate) fn add(&self, writer: Writer, entity: TypeId, write: PendingWrite) -> bool {
        let mut state = self.0.lock();
        let writes = state.writes.entry((writer, entity)).or_default();
        if write.stage != Stage::Written {
            writes.retain(|(_, earlier)| {
                earlier.stage == Stage::Written
                    || earlier.verb != write.verb
                    || earlier.key != write.key
                    // Only their order distinguishes inserts with unknown keys.
                    || write.key.is_none()
            });
        }
        writes.push((Instant::now(), write));
        !mem::replace(&mut state.is_swept, true)
    }

    /// Takes the writes that a statement with these values carries out. The values of an update or
    /// delete name the row of each. The key of an insert may not be known, so an insert takes the
    /// first.
    pub(crate) fn take_for_statement(
        &self,
        writer: Writer,
        entity: TypeId,
        verb: Verb,
        values: &[Value],
    ) -> Vec<PendingWrite> {
        let mut state = self.0.lock();
        let Some(writes) = state.writes.get_mut(&(writer, entity)) else {
            return Vec::new();
        };
        let is_announced =
            |write: &PendingWrite| write.verb == verb && write.stage == Stage::Announced;
        let taken: Vec<PendingWrite> = if verb == Verb::Insert {
            let first = writes.iter().position(|(_, write)| is_announced(write));
            first
                .map(|index| writes.remove(index).1)
                .into_iter()
                .collect()
        } else {
            let values: Vec<_> = values.iter().filter_map(KeyValue::from_value).collect();
            let is_named = |write: &PendingWrite| {
                let mut parts = write.key.iter().flat_map(KeyValue::parts);
                parts.all(|part| values.contains(part))
            };
            writes
                .extract_if(.., |(_, write)| is_announced(write) && is_named(write))
                .map(|(_, write)| write)
                .collect()
        };
        state.remove_if_empty(writer, entity);
        taken
    }

    /// Returns whether a hook of this writer has announced a write with this verb.
    pub(crate) fn is_announced(&self, writer: Writer, entity: TypeId, verb: Verb) -> bool {
        let state = self.0.lock();
        let writes = state.writes.get(&(writer, entity));
        writes.is_some_and(|writes| writes.iter().any(|(_, write)| write.verb == verb))
    }

    /// Takes the write of a row whose second hook runs.
    pub(crate) fn take_finished(
        &self,
        writer: Writer,
        entity: TypeId,
        verb: Verb,
        key: &KeyValue,
    ) -> Option<PendingWrite> {
        let mut state = self.0.lock();
        let writes = state.writes.get_mut(&(writer, entity))?;
        let position_with_key = |key: Option<&KeyValue>| {
            writes
                .iter()
                .position(|(_, write)| write.verb == verb && write.key.as_ref() == key)
        };
        let index = position_with_key(Some(key)).or_else(|| position_with_key(None))?;
        let write = writes.remove(index).1;
        state.remove_if_empty(writer, entity);
        Some(write)
    }

    /// Returns whether any write is pending.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().writes.is_empty()
    }

    /// Takes all pending writes.
    pub(crate) fn take_all(&self) -> Vec<Orphan> {
        self.take_if(|_| true)
    }

    /// Keeps an orphan that may still be carried out. Returns whether it does: no write waits
    /// longer than [`LOCK_WAIT_TIMEOUT`](Self::LOCK_WAIT_TIMEOUT).
    pub(crate) fn put_back(&self, orphan: Orphan) -> bool {
        let is_kept = orphan.added_at.elapsed() < Self::LOCK_WAIT_TIMEOUT;
        if is_kept {
            let mut state = self.0.lock();
            let writes = state.writes.entry((orphan.writer, orphan.entity));
            writes.or_default().push((orphan.added_at, orphan.write));
        }
        is_kept
    }

    /// Takes the orphans. Returns `None` if no write at all is pending: the sweep must end then.
    pub(crate) fn take_orphans(&self) -> Option<Vec<Orphan>> {
        let now = Instant::now();
        let orphans = self.take_if(|added_at| now.duration_since(added_at) >= Self::ORPHAN_TIMEOUT);
        let mut state = self.0.lock();
        if orphans.is_empty() && state.writes.is_empty() {
            state.is_swept = false;
            return None;
        }
        Some(orphans)
    }

    fn take_if(&self, is_due: impl Fn(Instant) -> bool) -> Vec<Orphan> {
        let mut taken = Vec::new();
        self.0.lock().writes.retain(|(writer, entity), writes| {
            let due = writes.extract_if(.., |(added_at, _)| is_due(*added_at));
            taken.extend(due.map(|(added_at, write)| Orphan {
                writer: *writer,
                entity: *entity,
                added_at,
                write,
            }));
            !writes.is_empty()
        });
        taken
    }
}

impl State {
    fn remove_if_empty(&mut self, writer: Writer, entity: TypeId) {
        let writes = self.writes.get(&(writer, entity));
        if writes.is_some_and(Vec::is_empty) {
            self.writes.remove(&(writer, entity));
        }
    }
}
