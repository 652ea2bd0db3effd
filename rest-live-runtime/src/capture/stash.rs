//! What a `before_*` hook found out and the `after_*` hook of the same write needs.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{event::Row, key::KeyValue};

/// SeaORM gives the two hooks of a write nothing in common but the connection. What is also the
/// same is the task that runs them, the model and the primary key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Write {
    task: Option<tokio::task::Id>,
    entity: TypeId,
    key: KeyValue,
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
pub(super) struct Stash(Mutex<HashMap<Write, Before>>);

impl Stash {
    /// A write that fails never reaches its second hook and leaves its finding behind, until its
    /// task writes the row again. So many are kept, then all are dropped: a connection has far
    /// fewer writes under way.
    const MOST: usize = 4096;

    /// Keeps a finding; a later one on the same row by the same task replaces it.
    pub(super) fn put(&self, entity: TypeId, key: KeyValue, before: Before) {
        let mut stash = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stash.len() >= Self::MOST {
            tracing::warn!(
                "{} writes began and did not end: what was read before them is dropped",
                stash.len()
            );
            stash.clear();
        }
        stash.insert(
            Write {
                task: tokio::task::try_id(),
                entity,
                key,
            },
            before,
        );
    }

    /// Takes the finding of a write by this task.
    pub(super) fn take(&self, entity: TypeId, key: &KeyValue) -> Option<Before> {
        let mut stash = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stash.is_empty() {
            return None;
        }
        stash.remove(&Write {
            task: tokio::task::try_id(),
            entity,
            key: key.clone(),
        })
    }
}
