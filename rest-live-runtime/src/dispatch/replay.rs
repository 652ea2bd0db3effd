//! What the clients of a group missed that come back: one change for each row, from how the row was
//! when the client left to how it is.
//!
//! Clients that missed the same events share a replay, and each of its frames is encoded once.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hashlink::LruCache;
use parking_lot::{Mutex, MutexGuard};

use super::{
    change::{UnknownChange, Variant, conflated::ConflatedChange},
    encoder::Encoder,
    history::GroupEvent,
};
use crate::{
    data::{
        cursor::{Cursor, Epoch},
        event::{Event, RowChange},
        group_id::GroupId,
        key::KeyValue,
        serializer_set::SerializerSet,
    },
    metrics::Metrics,
    model::{
        permission::Identity,
        registry::{GroupEntry, ModelEntry},
    },
    protocol::{dialect::Dialect, frame::Frame, v1},
    user_code,
};

/// Maximum number of changed rows in all cached replays.
const MAX_CACHED_ROWS: usize = 65_536;

/// What an encoded frame takes beside its text.
const FRAME_BYTES: usize = 128;

/// The replays that were asked for last.
#[derive(Debug)]
pub(crate) struct Replays {
    cache: Mutex<Cache>,
    /// Maximum size of the replays, and of the frames that they have encoded.
    max_bytes: usize,
    /// The size of all replays that still exist.
    bytes: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Cache {
    replays: LruCache<ReplayKey, Arc<Replay>>,
    /// Number of changed rows in all replays.
    rows: usize,
}

/// Identifies the events of a replay.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ReplayKey {
    /// Positions mean nothing in another epoch of the log.
    epoch: Epoch,
    group: GroupId,
    first: u64,
    last: u64,
    /// Number of events: a late one may still come between the first and the last.
    events: usize,
}

/// What a group missed.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    size: ReplaySize,
    /// One change for each row, in the order of their last events.
    changes: Vec<ReplayedChange>,
    /// The broadcasts that were encoded so far, by the index of the change.
    encoded: Mutex<EncodedFrames>,
}

/// All changes of one row, as one.
#[derive(Debug)]
struct ReplayedChange {
    conflated: ConflatedChange,
    /// The last event of the row, with its batch and its position.
    event: Arc<Event>,
    at: (u64, u64),
}

/// The size of a replay, which grows with its frames. It counts in the size of all replays until it
/// is dropped.
#[derive(Debug, Default)]
struct ReplaySize {
    own: AtomicUsize,
    all: Arc<AtomicUsize>,
}

impl ReplaySize {
    fn add(&self, bytes: usize) {
        self.own.fetch_add(bytes, Ordering::Relaxed);
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for ReplaySize {
    fn drop(&mut self) {
        let own = *self.own.get_mut();
        self.all.fetch_sub(own, Ordering::Relaxed);
    }
}

/// `None` if the serializer failed.
type EncodedFrames = HashMap<(usize, Variant, Dialect), Option<Frame>>;

/// A group that is replayed.
#[derive(Clone, Copy)]
pub(crate) struct ReplayedGroup<'r> {
    pub(crate) model: &'r ModelEntry,
    pub(crate) entry: &'r GroupEntry,
    pub(crate) group: &'r GroupId,
}

impl Replays {
    pub(crate) fn new(max_bytes: usize) -> Self {
        let cache = Cache {
            replays: LruCache::new_unbounded(),
            rows: 0,
        };
        Self {
            cache: Mutex::new(cache),
            max_bytes,
            bytes: Arc::default(),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock()
    }

    /// Returns the replay of events of a group, oldest first.
    ///
    /// # Errors
    /// Application code panicked, or a filter does not decide.
    pub(crate) fn get(
        &self,
        epoch: &Epoch,
        entry: &GroupEntry,
        group: &GroupId,
        events: &[GroupEvent],
    ) -> Result<Arc<Replay>, UnknownChange> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Ok(Arc::new(Replay::default()));
        };
        let key = ReplayKey {
            epoch: epoch.clone(),
            group: group.clone(),
            first: first.position,
            last: last.position,
            events: events.len(),
        };
        if let Some(replay) = self.cache().replays.get(&key) {
            return Ok(Arc::clone(replay));
        }
        // Reading a column runs application code.
        let replay = user_code::call(|| Replay::new(entry, group, events, &self.bytes));
        let replay = Arc::new(replay.unwrap_or_else(|panic| Err(panic.into()))?);
        // Dropped after the lock: rows belong to the application.
        let mut dropped = Vec::new();
        let mut cache = self.cache();
        cache.rows += replay.changes.len();
        dropped.extend(cache.replays.insert(key, Arc::clone(&replay)));
        let rows_of = |dropped: &[Arc<Replay>]| {
            let rows = dropped.iter().map(|replay| replay.changes.len());
            rows.sum::<usize>()
        };
        let bytes_of = |dropped: &[Arc<Replay>]| {
            let bytes = dropped.iter().map(|replay| replay.bytes());
            bytes.sum::<usize>()
        };
        let is_too_large = |dropped: &[Arc<Replay>]| {
            let bytes = self.bytes.load(Ordering::Relaxed);
            bytes.saturating_sub(bytes_of(dropped)) > self.max_bytes
        };
        // A client may still use a replay that was dropped from the cache.
        while cache.rows - rows_of(&dropped) > MAX_CACHED_ROWS
            || is_too_large(&dropped) && cache.replays.len() > 1
        {
            match cache.replays.remove_lru() {
                Some((_, replay)) => dropped.push(replay),
                None => break,
            }
        }
        cache.rows -= rows_of(&dropped);
        drop(cache);
        drop(dropped);
        Ok(replay)
    }

    /// Forgets all replays: the log starts again after another cursor.
    pub(crate) fn clear(&self) {
        let mut cache = self.cache();
        cache.rows = 0;
        let dropped = mem::replace(&mut cache.replays, LruCache::new_unbounded());
        drop(cache);
        drop(dropped);
    }
}

impl Replay {
    fn new(
        entry: &GroupEntry,
        group: &GroupId,
        events: &[GroupEvent],
        all: &Arc<AtomicUsize>,
    ) -> Result<Self, UnknownChange> {
        let mut rows: HashMap<&KeyValue, (usize, Vec<&RowChange>)> = HashMap::new();
        for (index, GroupEvent { event, .. }) in events.iter().enumerate() {
            if let Some(row_change) = event.as_row() {
                let (last, row_changes) = rows.entry(&row_change.key).or_default();
                *last = index;
                row_changes.push(row_change);
            }
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort_unstable_by_key(|(last, _)| *last);
        let mut changes = Vec::with_capacity(rows.len());
        for (last, row_changes) in rows {
            if let Some(conflated) = ConflatedChange::new(entry, group, &row_changes)? {
                let last = &events[last];
                changes.push(ReplayedChange {
                    conflated,
                    event: Arc::clone(&last.event),
                    at: (last.batch_id, last.position),
                });
            }
        }
        let size = ReplaySize {
            own: AtomicUsize::default(),
            all: Arc::clone(all),
        };
        size.add(events.iter().map(|event| event.event.bytes()).sum());
        Ok(Self {
            size,
            changes,
            encoded: Mutex::default(),
        })
    }

    /// Returns how many bytes it takes. The history may have the same rows.
    fn bytes(&self) -> usize {
        self.size.own.load(Ordering::Relaxed)
    }

    /// Returns the frames that bring a user from one cursor to another, as far as the user may see
    /// the rows now; `None` if there are more than `max_frames`, or more than `max_bytes`.
    ///
    /// Each frame carries the cursor from which the client loses nothing if it receives no further
    /// frame: `since` in all frames but the last, which carries `upto`. Several frames are a unit,
    /// and also get the message that ends it.
    pub(crate) fn frames(
        &self,
        group: ReplayedGroup<'_>,
        (user, granted): (&Identity, SerializerSet),
        (since, upto): (&Cursor, &Cursor),
        (max_frames, max_bytes): (usize, usize),
        metrics: &Metrics,
    ) -> Option<(Vec<Frame>, Option<Frame>)> {
        let mut room = max_bytes;
        let mut frames = Vec::new();
        for index in 0..self.changes.len() {
            let Some(variant) = self.variant(index, group, user, granted, metrics) else {
                continue;
            };
            let frame = self.frame(index, group, variant, Dialect::V1, since, metrics);
            let Some(frame) = frame else { continue };
            room = room.checked_sub(frame.bytes().len())?;
            frames.push(frame);
            if frames.len() > max_frames {
                return None;
            }
        }
        let last = frames.len().saturating_sub(1);
        let unit = (frames.len() > 1).then_some(upto);
        let replayed = frames.iter().enumerate().map(|(index, frame)| {
            let cursor = if index == last { upto } else { since };
            v1::with_cursor(frame.as_str(), cursor, unit)
        });
        Some((replayed.collect(), unit.map(v1::unit)))
    }

    /// Returns the batch and the position of the last event of each changed row.
    pub(crate) fn last_events(&self) -> impl Iterator<Item = (u64, u64)> {
        self.changes.iter().map(|change| change.at)
    }

    /// Returns what a user sees of the change with an index; `None` if it is nothing.
    pub(crate) fn variant(
        &self,
        index: usize,
        ReplayedGroup {
            model,
            entry,
            group,
        }: ReplayedGroup<'_>,
        user: &Identity,
        granted: SerializerSet,
        metrics: &Metrics,
    ) -> Option<Variant> {
        let conflated = &self.changes[index].conflated;
        let change = conflated.as_change(entry, group);
        let variant = conflated.variant_for(&change, user, granted);
        change.report_panics(model, metrics);
        variant
    }

    /// Returns the frame of a variant of a change, in 0.7 the part after the id; `None` if the
    /// serializer fails. The cursor of the frame may be that of another client.
    pub(crate) fn frame(
        &self,
        index: usize,
        ReplayedGroup {
            model,
            entry,
            group,
        }: ReplayedGroup<'_>,
        variant: Variant,
        dialect: Dialect,
        since: &Cursor,
        metrics: &Metrics,
    ) -> Option<Frame> {
        let key = (index, variant, dialect);
        if let Some(known) = self.encoded.lock().get(&key) {
            return known.clone();
        }
        let ReplayedChange {
            conflated, event, ..
        } = &self.changes[index];
        let change = conflated.as_change(entry, group);
        let mut encoder = Encoder::new(model, event, &conflated.row_change, since, metrics);
        encoder.begin_change();
        let frame = encoder.frame(&change, variant, dialect);
        let mut encoded = self.encoded.lock();
        if encoded.insert(key, frame.clone()).is_none() {
            let bytes = frame.as_ref().map_or(0, |frame| frame.bytes().len());
            self.size.add(bytes + FRAME_BYTES);
        }
        frame
    }
}
