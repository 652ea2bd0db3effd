//! A transaction that is open, with its savepoints: what they wrote so far.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::{event::Event, order::Interval, publisher::Committed};

/// A transaction, or a savepoint in one.
#[derive(Debug)]
pub(super) struct Open {
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
    /// From before it began, where that matters: see [`Scope::interval_of_update`](super::Scope).
    began: Option<Arc<Interval>>,
    /// Whether the database, or somebody by hand, may have ended it before its end: what was written
    /// may be committed, or not.
    torn: AtomicBool,
    /// Whether it may be rolled back already, and what is written from now on commits by itself.
    doubtful: AtomicBool,
}

impl Open {
    pub(super) fn transaction(began: Option<Arc<Interval>>) -> Self {
        let whole = Whole {
            units: Mutex::default(),
            began,
            torn: AtomicBool::new(false),
            doubtful: AtomicBool::new(false),
        };
        Self::on(Arc::new(whole))
    }

    pub(super) fn savepoint(&self) -> Self {
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

    pub(super) fn began(&self) -> Option<Arc<Interval>> {
        self.whole.began.clone()
    }

    /// Keeps what was written.
    pub(super) fn keep(&self, events: impl IntoIterator<Item = Committed>) {
        if self.whole.doubtful.load(Ordering::Relaxed) {
            self.tear();
        }
        if let Some(unit) = self.whole.units().last_mut() {
            unit.extend(events);
        }
    }

    /// Takes out what was written in it, and ends it.
    pub(super) fn take(&self) -> Vec<Committed> {
        if self.is_over.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let mut units = self.whole.units();
        let level = self.level.min(units.len());
        units.drain(level..).flatten().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        let units = self.whole.units();
        units.iter().skip(self.level).all(Vec::is_empty)
    }

    /// Forgets what the whole transaction wrote up to now.
    pub(super) fn forget_all(&self) {
        self.whole.units().iter_mut().for_each(Vec::clear);
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn tear(&self) {
        self.whole.torn.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_torn(&self) -> bool {
        self.whole.torn.load(Ordering::Relaxed)
    }

    pub(super) fn doubt(&self) {
        self.whole.doubtful.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_doubtful(&self) -> bool {
        self.whole.doubtful.load(Ordering::Relaxed)
    }
}

impl Whole {
    fn units(&self) -> MutexGuard<'_, Vec<Vec<Committed>>> {
        // Nothing panics while it is held, so poisoned units are whole.
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a reset of each model that was written: where it is not known what of it is committed.
pub(super) fn resets_of(events: Vec<Committed>) -> Vec<Committed> {
    let mut models = Vec::new();
    for (event, _) in events {
        if !models.contains(&event.model) {
            models.push(event.model);
        }
    }
    let models = models.into_iter();
    models.map(|model| (Event::reset(model), None)).collect()
}
