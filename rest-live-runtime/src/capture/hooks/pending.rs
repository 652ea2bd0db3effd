//! What a `before_*` hook found out, for the statement or the `after_*` hook of the same write.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::Arc,
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use sea_orm::Value;

use crate::{
    capture::sql::Verb,
    data::{event::Row, key::KeyValue},
    publish::order::Interval,
};

/// Who writes. SeaORM gives the hooks and the statement of a write nothing in common but the connection. What
/// is also the same is the task that runs them, and the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Writer {
    Task(tokio::task::Id),
    /// Outside of tasks, such as under `block_on`.
    Thread(ThreadId),
}

impl Writer {
    /// Returns who runs this.
    pub(crate) fn current() -> Self {
        match tokio::task::try_id() {
            Some(task) => Self::Task(task),
            None => Self::Thread(thread::current().id()),
        }
    }
}

/// A write of one row that is announced.
#[derive(Clone, Debug)]
pub(crate) struct PendingWrite {
    pub(crate) verb: Verb,
    /// The row's key; of an insert it may not be known yet.
    pub(crate) key: Option<KeyValue>,
    /// The row as it was, where it was read.
    pub(crate) old: Option<Row>,
    /// Whether it was to be read, and was not there. Where the statement finds it all the same, another has inserted
    /// it within the interval: so the row is settled, and who inserted it names its groups.
    pub(crate) was_missing: bool,
    pub(crate) interval: Arc<Interval>,
    pub(crate) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The statement has not been seen.
    PendingWrite,
    /// The statement is done; the second hook knows the new row.
    Written,
    /// There will be no statement: the write changes nothing.
    Nothing,
}

/// An announced write that was left behind.
#[derive(Debug)]
pub(crate) struct Orphan {
    writer: Writer,
    pub(crate) entity: TypeId,
    since: Instant,
    pub(crate) announced: PendingWrite,
}

/// The writes that are under way.
#[derive(Debug, Default)]
pub(crate) struct PendingWrites(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    writes: HashMap<(Writer, TypeId), Vec<(Instant, PendingWrite)>>,
    /// Whether somebody looks for those that are never ended.
    swept: bool,
}

impl PendingWrites {
    /// So long a write is waited for that was announced and may never come to its end: its request was given
    /// up, or it failed.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

    /// So long a write that is not done yet is waited for, for it may wait for a lock.
    const LONGEST: Duration = Duration::from_secs(120);

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Announces a write, and forgets what an earlier one of the same row by the same writer left behind.
    /// Returns whether nobody sweeps yet: the caller must, then.
    pub(crate) fn announce(&self, writer: Writer, entity: TypeId, write: PendingWrite) -> bool {
        let mut state = self.state();
        let writes = state.writes.entry((writer, entity)).or_default();
        if write.stage != Stage::Written {
            writes.retain(|(_, left)| {
                left.stage == Stage::Written || left.verb != write.verb || left.key != write.key
                    // Inserts of unknown keys are told apart by their order alone.
                    || write.key.is_none()
            });
        }
        writes.push((Instant::now(), write));
        !std::mem::replace(&mut state.swept, true)
    }

    /// Takes the announced writes that a statement with these values carries out: each names its row. Of
    /// inserts, whose keys may not be known, it is the first.
    pub(crate) fn of_statement(
        &self,
        writer: Writer,
        entity: TypeId,
        verb: Verb,
        values: &[Value],
    ) -> Vec<PendingWrite> {
        let mut state = self.state();
        let Some(writes) = state.writes.get_mut(&(writer, entity)) else {
            return Vec::new();
        };
        let is_waiting =
            |write: &PendingWrite| write.verb == verb && write.stage == Stage::PendingWrite;
        let taken: Vec<PendingWrite> = if verb == Verb::Insert {
            let first = writes.iter().position(|(_, write)| is_waiting(write));
            first
                .map(|place| writes.remove(place).1)
                .into_iter()
                .collect()
        } else {
            let values: Vec<_> = values
                .iter()
                .filter_map(|value| KeyValue::from_value(value.clone()))
                .collect();
            let names = |write: &PendingWrite| {
                let mut parts = write.key.iter().flat_map(KeyValue::parts);
                parts.all(|part| values.contains(part))
            };
            let concerned = writes.extract_if(.., |(_, write)| is_waiting(write) && names(write));
            concerned.map(|(_, write)| write).collect()
        };
        state.tidy(writer, entity);
        taken
    }

    /// Takes the write of a row that has come to its second hook.
    pub(crate) fn end(
        &self,
        writer: Writer,
        entity: TypeId,
        verb: Verb,
        key: &KeyValue,
    ) -> Option<PendingWrite> {
        let mut state = self.state();
        let writes = state.writes.get_mut(&(writer, entity))?;
        let is_it = |known: bool| {
            move |(_, write): &(Instant, PendingWrite)| {
                write.verb == verb
                    && match known {
                        true => write.key.as_ref() == Some(key),
                        false => write.key.is_none(),
                    }
            }
        };
        let place = writes
            .iter()
            .position(is_it(true))
            .or_else(|| writes.iter().position(is_it(false)))?;
        let write = writes.remove(place).1;
        state.tidy(writer, entity);
        Some(write)
    }

    /// Takes all that is left, with the entities.
    pub(crate) fn drain(&self) -> Vec<Orphan> {
        self.take_if(|_| true)
    }

    /// Waits on for a write that may still be carried out.
    pub(crate) fn put_back(&self, write: Orphan) {
        if write.since.elapsed() < Self::LONGEST {
            let mut state = self.state();
            let writes = state.writes.entry((write.writer, write.entity));
            writes.or_default().push((write.since, write.announced));
        }
    }

    /// Takes what was announced too long ago; `None` when nothing at all is left, and nobody sweeps any more.
    pub(crate) fn overdue(&self) -> Option<Vec<Orphan>> {
        let now = Instant::now();
        let overdue = self.take_if(|since| now.duration_since(since) >= Self::PATIENCE);
        let mut state = self.state();
        if overdue.is_empty() && state.writes.is_empty() {
            state.swept = false;
            return None;
        }
        Some(overdue)
    }

    fn take_if(&self, is_due: impl Fn(Instant) -> bool) -> Vec<Orphan> {
        let mut taken = Vec::new();
        self.state().writes.retain(|(writer, entity), writes| {
            let due = writes.extract_if(.., |(since, _)| is_due(*since));
            taken.extend(due.map(|(since, announced)| Orphan {
                writer: *writer,
                entity: *entity,
                since,
                announced,
            }));
            !writes.is_empty()
        });
        taken
    }
}

impl State {
    fn tidy(&mut self, writer: Writer, entity: TypeId) {
        if self
            .writes
            .get(&(writer, entity))
            .is_some_and(Vec::is_empty)
        {
            self.writes.remove(&(writer, entity));
        }
    }
}
