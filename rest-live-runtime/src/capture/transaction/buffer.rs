//! A transaction that is open, with its savepoints: what they wrote so far.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};

use crate::publish::{
    order::Interval,
    publisher::{Committed, resets_of},
};

/// A transaction, or a savepoint in one.
#[derive(Debug)]
pub(crate) struct Open {
    whole: Arc<Whole>,
    /// How many of the transaction's units are below its own.
    level: usize,
    /// Whether its unit was taken.
    is_over: AtomicBool,
    /// Whether a statement failed: PostgreSQL then commits nothing, and does not say so.
    failed: AtomicBool,
}

/// The outermost transaction with all that is in it.
#[derive(Debug)]
struct Whole {
    /// What each level wrote, in the order of the writes. As in the database, a write belongs to the innermost
    /// savepoint that is open, whoever made it.
    units: Mutex<Vec<Vec<Committed>>>,
    /// More events are too many to keep.
    most: usize,
    /// From before it began, where that matters: see [`Scope::interval_of_update`](crate::capture::Scope).
    began: Option<Arc<Interval>>,
    /// Whether the database, or somebody by hand, may have ended it before its end: what was written
    /// may be committed, or not.
    torn: AtomicBool,
    /// Whether it may be rolled back already, and what is written from now on commits by itself.
    doubtful: AtomicBool,
}

impl Open {
    pub(crate) fn transaction(most: usize, began: Option<Arc<Interval>>) -> Self {
        let whole = Whole {
            units: Mutex::default(),
            most,
            began,
            torn: AtomicBool::new(false),
            doubtful: AtomicBool::new(false),
        };
        Self::on(Arc::new(whole))
    }

    pub(crate) fn savepoint(&self) -> Self {
        Self::on(Arc::clone(&self.whole))
    }

    fn on(whole: Arc<Whole>) -> Self {
        let level = {
            let mut units = whole.units();
            units.push(Vec::new());
            units.len() - 1
        };
        Self {
            whole,
            level,
            is_over: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    pub(crate) fn began(&self) -> Option<Arc<Interval>> {
        self.whole.began.clone()
    }

    /// Keeps what was written; of too much, only of which models it was.
    pub(crate) fn keep(&self, events: impl IntoIterator<Item = Committed>) {
        if self.whole.doubtful.load(Ordering::Relaxed) {
            self.tear();
        }
        let mut units = self.whole.units();
        let Some(unit) = units.last_mut() else {
            return;
        };
        unit.extend(events);
        if units.iter().map(Vec::len).sum::<usize>() > self.whole.most {
            for unit in &mut *units {
                *unit = resets_of(mem::take(unit));
            }
        }
    }

    /// Takes out what was written in it, and ends it.
    pub(crate) fn take(&self) -> Vec<Committed> {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let mut units = self.whole.units();
        let level = self.level.min(units.len());
        units.drain(level..).flatten().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        let units = self.whole.units();
        units.iter().skip(self.level).all(Vec::is_empty)
    }

    /// Forgets what the whole transaction wrote up to now.
    pub(crate) fn forget_all(&self) {
        self.whole.units().iter_mut().for_each(Vec::clear);
    }

    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn tear(&self) {
        self.whole.torn.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_torn(&self) -> bool {
        self.whole.torn.load(Ordering::Relaxed)
    }

    pub(crate) fn doubt(&self) {
        self.whole.doubtful.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.whole.doubtful.load(Ordering::Relaxed)
    }
}

impl Whole {
    fn units(&self) -> MutexGuard<'_, Vec<Vec<Committed>>> {
        self.units.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{event::Event, key::KeyValue};

    fn event(model: &str, key: i128) -> Committed {
        let key = KeyValue::Integer(key);
        (Event::reread(model.into(), key, Vec::new(), None), None)
    }

    /// Returns the models, and whether of a reset.
    fn models(events: Vec<Committed>) -> Vec<(String, bool)> {
        let models = events.into_iter().map(|(event, _)| {
            let is_reset = event.as_row().is_none();
            (event.model.to_string(), is_reset)
        });
        models.collect()
    }

    #[test]
    fn of_more_than_can_be_kept_only_the_models_are() {
        let outer = Open::transaction(4, None);
        outer.keep((1..=2).map(|key| event("a", key)));
        let savepoint = outer.savepoint();
        savepoint.keep([event("b", 1), event("b", 2)]);
        assert!(
            outer
                .whole
                .units()
                .iter()
                .flatten()
                .all(|(e, _)| e.as_row().is_some())
        );
        savepoint.keep([event("c", 1)]);
        // A savepoint that is rolled back takes with it what is its own, as ever.
        let expected = [("b".to_owned(), true), ("c".to_owned(), true)];
        assert_eq!(models(savepoint.take()), expected);
        outer.keep([event("a", 3)]);
        assert_eq!(
            models(outer.take()),
            [("a".to_owned(), true), ("a".to_owned(), false)]
        );
    }
}
