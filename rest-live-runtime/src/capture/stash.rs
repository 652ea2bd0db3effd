//! What a `before_*` hook found out and the `after_*` hook of the same write needs.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{event::Row, key::KeyValue};

/// SeaORM gives the two hooks of a write nothing in common but the connection. What is also the
/// same is the task that runs them, the model and the primary key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    task: Option<tokio::task::Id>,
    entity: TypeId,
    key: KeyValue,
}

impl Write {
    /// Returns the write of a row by the current task.
    pub(super) fn of<E: 'static>(key: KeyValue) -> Self {
        Self {
            task: tokio::task::try_id(),
            entity: TypeId::of::<E>(),
            key,
        }
    }
}

/// What was found out before a write.
#[derive(Debug)]
pub(super) enum Before {
    /// The row as it was.
    Row(Row),
    /// The write changes nothing.
    Nothing,
}

/// The findings whose writes are under way.
#[derive(Debug, Default)]
pub(super) struct Stash(Mutex<Findings>);

#[derive(Debug, Default)]
struct Findings {
    count: u64,
    /// With the number of each, so that the oldest are known.
    by_write: HashMap<Write, (u64, Before)>,
}

impl Stash {
    /// A write that fails never reaches its second hook and leaves its finding behind until its task
    /// writes the row again. When so many are kept, the older half is dropped.
    const MOST: usize = 4096;

    fn findings(&self) -> MutexGuard<'_, Findings> {
        // Nothing panics while it is held, so poisoned findings are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a write: keeps what was found out before it, and forgets what an earlier write of the
    /// same row by the same task left behind.
    pub(super) fn begin(&self, write: Write, before: Option<Before>) {
        let mut findings = self.findings();
        let Some(before) = before else {
            if !findings.by_write.is_empty() {
                findings.by_write.remove(&write);
            }
            return;
        };
        if findings.by_write.len() >= Self::MOST {
            let older = findings.count - Self::MOST as u64 / 2;
            findings.by_write.retain(|_, (number, _)| *number >= older);
        }
        let number = findings.count;
        findings.count += 1;
        findings.by_write.insert(write, (number, before));
    }

    /// Ends a write: takes what was found out before it.
    pub(super) fn end(&self, write: &Write) -> Option<Before> {
        let mut findings = self.findings();
        if findings.by_write.is_empty() {
            return None;
        }
        findings.by_write.remove(write).map(|(_, before)| before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(key: usize) -> Write {
        Write::of::<()>(KeyValue::Integer(key as i128))
    }

    #[test]
    fn a_write_that_begins_forgets_what_an_earlier_one_left() {
        let stash = Stash::default();
        stash.begin(write(1), Some(Before::Nothing));
        stash.begin(write(1), None);
        assert!(stash.end(&write(1)).is_none());
    }

    #[test]
    fn what_is_left_behind_is_bounded_and_the_newest_is_kept() {
        let stash = Stash::default();
        for key in 0..Stash::MOST * 3 {
            stash.begin(write(key), Some(Before::Nothing));
            assert!(stash.findings().by_write.len() <= Stash::MOST);
        }
        for key in Stash::MOST * 3 - Stash::MOST / 2..Stash::MOST * 3 {
            assert!(stash.end(&write(key)).is_some(), "{key}");
        }
    }
}
