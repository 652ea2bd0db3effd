//! The events of an open transaction and of its savepoints.
//!
//! An [`EventSink`](crate::capture::EventSink) owns one buffer. The buffers of a transaction and of
//! its savepoints share one state.

use std::{
    mem,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::schema::{ForeignModels, LevelSchema};
use crate::{
    capture::sql::{SchemaSwitch, SettingChanges, Settings},
    publish::{
        order::Interval,
        publisher::{Committed, resets_of},
    },
};

/// The events of a transaction, or of a savepoint in one.
#[derive(Debug)]
pub(crate) struct EventBuffer {
    shared: Arc<Shared>,
    /// Index of its level: the number of levels below it.
    level: usize,
    /// Whether its events were taken.
    is_taken: AtomicBool,
    /// Whether a statement failed. PostgreSQL then commits nothing and reports no error.
    may_have_failed: AtomicBool,
}

/// The state that a transaction shares with its savepoints.
#[derive(Debug)]
struct Shared {
    /// The events of each level, in the order of the writes. As in the database, a write belongs to
    /// the innermost open savepoint, whatever object made it.
    levels: Mutex<Vec<Level>>,
    /// Maximum number of events that are kept, over all levels.
    max_events: usize,
    /// The size of these events.
    bytes: BufferedBytes,
    /// The interval from before the transaction began, if the database needs it: see
    /// [`EventSink::update_interval`](crate::capture::EventSink).
    interval: Option<Arc<Interval>>,
    /// Whether the database or raw SQL may have ended the transaction early. What was written may
    /// be committed or not.
    may_have_ended: AtomicBool,
    /// Whether the transaction may be rolled back already. Later writes then commit by themselves.
    may_be_rolled_back: AtomicBool,
    /// Whether a statement may have switched the schema.
    has_switched: AtomicBool,
    /// The tables that unqualified names stood for before the first switch, as the database names
    /// them. `None` if an earlier switch was not followed.
    default_tables: OnceLock<Option<Vec<String>>>,
}

/// What belongs to a transaction or to one savepoint in it.
#[derive(Debug, Default)]
struct Level {
    events: Vec<Committed>,
    schema: LevelSchema,
}

/// The size of the events of all open transactions of a database.
#[derive(Debug)]
pub(crate) struct OpenTransactions {
    bytes: AtomicUsize,
    max_bytes: usize,
}

impl OpenTransactions {
    /// Creates a count of at most this number of bytes.
    pub(crate) fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            max_bytes,
        })
    }
}

/// The size of the events of one transaction. It changes only under the lock of their levels.
#[derive(Debug)]
struct BufferedBytes {
    own: AtomicUsize,
    all: Arc<OpenTransactions>,
}

impl BufferedBytes {
    fn add(&self, events: &[Committed]) {
        let bytes = bytes_of(events);
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn remove(&self, events: &[Committed]) {
        self.remove_bytes(bytes_of(events));
    }

    fn remove_bytes(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::Relaxed);
        self.all.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_too_large(&self) -> bool {
        self.all.bytes.load(Ordering::Relaxed) > self.all.max_bytes
    }
}

impl Drop for BufferedBytes {
    fn drop(&mut self) {
        self.remove_bytes(self.own.load(Ordering::Relaxed));
    }
}

fn bytes_of(events: &[Committed]) -> usize {
    events.iter().map(|(event, _)| event.bytes()).sum()
}

impl EventBuffer {
    /// Creates the buffer of an outermost transaction.
    pub(crate) fn transaction(
        max_events: usize,
        all: &Arc<OpenTransactions>,
        interval: Option<Arc<Interval>>,
    ) -> Self {
        Self::open_level(Arc::new(Shared {
            levels: Mutex::default(),
            max_events,
            bytes: BufferedBytes {
                own: AtomicUsize::new(0),
                all: Arc::clone(all),
            },
            interval,
            may_have_ended: AtomicBool::new(false),
            may_be_rolled_back: AtomicBool::new(false),
            has_switched: AtomicBool::new(false),
            default_tables: OnceLock::new(),
        }))
    }

    /// Creates the buffer of a savepoint in this transaction.
    pub(crate) fn savepoint(&self) -> Self {
        Self::open_level(Arc::clone(&self.shared))
    }

    fn open_level(shared: Arc<Shared>) -> Self {
        let level = {
            let mut levels = shared.levels.lock();
            levels.push(Level::default());
            levels.len() - 1
        };
        Self {
            shared,
            level,
            is_taken: AtomicBool::new(false),
            may_have_failed: AtomicBool::new(false),
        }
    }

    /// Returns the interval from before the transaction began, if the database needs it.
    pub(crate) fn interval(&self) -> Option<Arc<Interval>> {
        self.shared.interval.clone()
    }

    /// Adds events to the innermost level. If there are too many, or all open transactions together
    /// have too many bytes, replaces those of each level by resets of their models. A single event
    /// is kept in any case.
    pub(crate) fn extend(&self, events: impl IntoIterator<Item = Committed>) {
        if self.may_be_rolled_back() {
            // These events may be committed already.
            self.note_possible_end();
        }
        let mut levels = self.shared.levels.lock();
        let Some(innermost) = levels.last_mut() else {
            return;
        };
        let start = innermost.events.len();
        innermost.events.extend(events);
        let bytes = &self.shared.bytes;
        bytes.add(&innermost.events[start..]);
        let count = levels.iter().map(|level| level.events.len()).sum::<usize>();
        if count > self.shared.max_events || count > 1 && bytes.is_too_large() {
            for Level { events, .. } in &mut *levels {
                bytes.remove(events);
                *events = resets_of(mem::take(events));
                bytes.add(events);
            }
        }
    }

    /// Takes the events of its level and of all levels above, and closes them.
    pub(crate) fn take(&self) -> Vec<Committed> {
        if self.is_taken.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        let mut levels = self.shared.levels.lock();
        let level = self.level.min(levels.len());
        let taken = levels.drain(level..).flat_map(|level| level.events);
        let taken: Vec<_> = taken.collect();
        self.shared.bytes.remove(&taken);
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        let levels = self.shared.levels.lock();
        let mut levels = levels.iter().skip(self.level);
        levels.all(|level| level.events.is_empty())
    }

    /// Drops all events of the whole transaction.
    pub(crate) fn clear(&self) {
        for Level { events, .. } in &mut *self.shared.levels.lock() {
            self.shared.bytes.remove(events);
            events.clear();
        }
    }

    /// Notes that a statement failed, or may have failed.
    pub(crate) fn note_failure(&self) {
        self.may_have_failed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn may_have_failed(&self) -> bool {
        self.may_have_failed.load(Ordering::Relaxed)
    }

    /// Notes that the database or raw SQL may have ended the transaction early.
    pub(crate) fn note_possible_end(&self) {
        self.shared.may_have_ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn may_have_ended(&self) -> bool {
        self.shared.may_have_ended.load(Ordering::Relaxed)
    }

    /// Notes that the transaction may be rolled back already.
    pub(crate) fn note_possible_rollback(&self) {
        let may_be_rolled_back = &self.shared.may_be_rolled_back;
        may_be_rolled_back.store(true, Ordering::Relaxed);
    }

    pub(crate) fn may_be_rolled_back(&self) -> bool {
        self.shared.may_be_rolled_back.load(Ordering::Relaxed)
    }

    /// Returns whether a statement may have switched the schema.
    pub(crate) fn has_switched(&self) -> bool {
        self.shared.has_switched.load(Ordering::Relaxed)
    }

    /// Returns the tables that unqualified names stood for before the first switch.
    /// They are `None` if an earlier switch was not followed.
    pub(crate) fn default_tables(&self) -> &OnceLock<Option<Vec<String>>> {
        &self.shared.default_tables
    }

    /// Notes that a statement is about to switch the schema. Until the tables are compared, each
    /// unqualified name may stand for another table.
    pub(crate) fn begin_switch(&self, switch: SchemaSwitch, settings: SettingChanges) {
        self.shared.has_switched.store(true, Ordering::Relaxed);
        let mut added = settings.set;
        let is_reset = switch == SchemaSwitch::Reset || !settings.reset.is_empty();
        // If the tables cannot be compared, a reset counts as what it says.
        if is_reset && !matches!(self.default_tables().get(), Some(None)) {
            added = added.with(Settings::UNVERIFIED_RESET);
        }
        self.change_schema(|schema, lasting| {
            schema.foreign = Some(ForeignModels::Unverified);
            lasting.with(added)
        });
    }

    /// Notes the models whose tables were found to be foreign after a switch, and what the switch
    /// left on the connection. `foreign` is `None` if the tables cannot be compared.
    pub(crate) fn finish_switch(&self, foreign: Option<Arc<[usize]>>, settings: SettingChanges) {
        // After a savepoint in raw SQL, a reset may be undone.
        let is_reset_final = !self.may_have_ended();
        self.change_schema(|schema, before| {
            let mut lasting = before.without(Settings::UNVERIFIED_RESET);
            if is_reset_final {
                lasting = lasting.without(settings.reset);
            }
            let has_foreign = foreign.as_ref().is_some_and(|foreign| !foreign.is_empty());
            // Equal tables do not show that no setting stays: a `SET LOCAL` may hide it. Only a
            // reset of the path also ends a `SET LOCAL` of the path.
            if before.contains(Settings::UNVERIFIED_RESET) {
                if has_foreign && lasting.is_empty() {
                    lasting = Settings::OTHER_DEFAULT;
                } else if !has_foreign
                    && is_reset_final
                    && settings.reset.contains(Settings::SEARCH_PATH)
                {
                    lasting = lasting.without(Settings::OTHER_DEFAULT);
                }
            }
            if let Some(foreign) = foreign {
                schema.foreign = Some(ForeignModels::Verified(foreign));
            }
            lasting
        });
    }

    /// Returns whether no savepoint is open.
    pub(crate) fn is_outermost_level(&self) -> bool {
        self.shared.levels.lock().len() == 1
    }

    /// Changes the schema of the level that a statement belongs to. `change` receives and returns
    /// the settings that stay on the connection.
    fn change_schema(&self, change: impl FnOnce(&mut LevelSchema, Settings) -> Settings) {
        let mut levels = self.shared.levels.lock();
        let before = lasting_settings(&levels);
        if let Some(level) = levels.last_mut() {
            let after = change(&mut level.schema, before);
            if after != before {
                level.schema.lasting = Some(after);
            }
        }
    }

    /// Returns the models whose names stand for other tables now; `None` if nothing was switched.
    pub(crate) fn foreign_models(&self) -> Option<ForeignModels> {
        if !self.has_switched() {
            return None;
        }
        let levels = self.shared.levels.lock();
        let mut innermost_first = levels.iter().rev();
        innermost_first.find_map(|level| level.schema.foreign.clone())
    }

    /// Returns whether a switch stays on the connection after a commit.
    pub(crate) fn switch_stays(&self) -> bool {
        if !self.has_switched() {
            return false;
        }
        !lasting_settings(&self.shared.levels.lock()).is_empty()
    }

    /// Returns the switches of its level and of all levels above.
    pub(crate) fn schema(&self) -> LevelSchema {
        let mut schema = LevelSchema::default();
        let levels = self.shared.levels.lock();
        for level in levels.iter().skip(self.level) {
            schema.merge(level.schema.clone());
        }
        schema
    }

    /// Adds the switches of a savepoint that was kept.
    pub(crate) fn merge_schema(&self, savepoint: LevelSchema) {
        let mut levels = self.shared.levels.lock();
        if let Some(level) = levels.last_mut() {
            level.schema.merge(savepoint);
        }
    }
}

/// Returns the settings whose changes stay on the connection after a commit.
fn lasting_settings(levels: &[Level]) -> Settings {
    let mut innermost_first = levels.iter().rev();
    let lasting = innermost_first.find_map(|level| level.schema.lasting);
    lasting.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{event::Event, key::KeyValue};

    fn event(model: &str, key: i128) -> Committed {
        let key = KeyValue::Integer(key);
        (Event::reread(model.into(), key, Vec::new(), None), None)
    }

    /// Returns the model of each event, and whether the event is a reset.
    fn models(events: Vec<Committed>) -> Vec<(String, bool)> {
        let models = events.into_iter().map(|(event, _)| {
            let is_reset = event.as_row().is_none();
            (event.model.to_string(), is_reset)
        });
        models.collect()
    }

    #[test]
    fn too_many_events_become_resets() {
        let all = OpenTransactions::new(usize::MAX);
        let outer = EventBuffer::transaction(4, &all, None);
        outer.extend((1..=2).map(|key| event("a", key)));
        let savepoint = outer.savepoint();
        savepoint.extend([event("b", 1), event("b", 2)]);
        assert!(
            outer
                .shared
                .levels
                .lock()
                .iter()
                .flat_map(|level| &level.events)
                .all(|(e, _)| e.as_row().is_some())
        );
        savepoint.extend([event("c", 1)]);
        // A savepoint that is rolled back still takes only its own events with it.
        let expected = [("b".to_owned(), true), ("c".to_owned(), true)];
        assert_eq!(models(savepoint.take()), expected);
        outer.extend([event("a", 3)]);
        assert_eq!(
            models(outer.take()),
            [("a".to_owned(), true), ("a".to_owned(), false)]
        );
    }

    #[test]
    fn bytes_of_all_transactions_are_bounded() {
        let bytes = event("a", 1).0.bytes();
        let all = OpenTransactions::new(5 * bytes);
        let open = || EventBuffer::transaction(100, &all, None);
        let (first, second) = (open(), open());
        first.extend((1..=3).map(|key| event("a", key)));
        second.extend([event("b", 1), event("b", 2)]);
        let rolled_back = second.savepoint();
        rolled_back.extend([event("b", 3)]);
        drop(rolled_back.take());
        // The transaction that adds more than there is room for is reset, and no other.
        let reset = ("b".to_owned(), true);
        assert_eq!(models(second.take()), [reset]);
        assert_eq!(models(first.take()), vec![("a".to_owned(), false); 3]);
        // A single event is kept, however large it is.
        let all = OpenTransactions::new(0);
        let single = EventBuffer::transaction(100, &all, None);
        single.extend([event("a", 1)]);
        assert_eq!(models(single.take()), [("a".to_owned(), false)]);
        single.extend([event("a", 1)]);
        drop(single);
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }
}
