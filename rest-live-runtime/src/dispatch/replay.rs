//! What a group missed, for clients that come back: of each row one change, from how it was where they left to how it is.
//! Made once for all that missed the same, and encoded once.

use std::{collections::HashMap, sync::Arc};

use hashlink::LruCache;
use parking_lot::Mutex;

use super::{
    change::{Conflated, Variant},
    encoder::Encoder,
    history::Placed,
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

/// The replays that were asked for last.
#[derive(Debug)]
pub(crate) struct Replays(Mutex<Cache>);

#[derive(Debug)]
struct Cache {
    replays: LruCache<Key, Arc<Replay>>,
    /// How many rows they are of.
    rows: usize,
}

/// Which events: those of a group from a position to another. One may yet come between them, so their number is part of
/// it; and positions are of a life of the log.
type Key = (Epoch, GroupId, u64, u64, usize);

/// So many rows are kept ready.
const MOST_ROWS: usize = 65_536;

/// What a group missed.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// One a row, in the order in which the rows last changed, with the last event.
    changes: Vec<(Conflated, Arc<Event>)>,
    /// Broadcasts of some changes, by their places.
    encoded: Mutex<HashMap<(usize, Variant), Option<Frame>>>,
}

impl Replays {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Cache {
            replays: LruCache::new_unbounded(),
            rows: 0,
        }))
    }

    fn cache(&self) -> parking_lot::MutexGuard<'_, Cache> {
        self.0.lock()
    }

    /// Returns the replay of some events of a group, ascending; `None` where the application's code panics.
    pub(crate) fn of(
        &self,
        epoch: &Epoch,
        entry: &GroupEntry,
        group: &GroupId,
        events: &[Placed],
    ) -> Option<Arc<Replay>> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Some(Arc::new(Replay::default()));
        };
        let (first, last) = (first.position, last.position);
        let key = (epoch.clone(), group.clone(), first, last, events.len());
        if let Some(replay) = self.cache().replays.get(&key) {
            return Some(Arc::clone(replay));
        }
        // To read a column is the application's code.
        let replay = user_code::call(|| Replay::new(entry, group, events));
        let replay = Arc::new(replay.ok()?);
        let mut dropped = Vec::new();
        let mut cache = self.cache();
        cache.rows += replay.changes.len();
        dropped.extend(cache.replays.insert(key, Arc::clone(&replay)));
        while cache.rows - dropped.iter().map(|r| r.changes.len()).sum::<usize>() > MOST_ROWS {
            match cache.replays.remove_lru() {
                Some((_, replay)) => dropped.push(replay),
                None => break,
            }
        }
        cache.rows -= dropped.iter().map(|r| r.changes.len()).sum::<usize>();
        drop(cache);
        drop(dropped);
        Some(replay)
    }

    /// Forgets all: positions are of another log now.
    pub(crate) fn clear(&self) {
        let mut cache = self.cache();
        cache.rows = 0;
        let dropped = std::mem::replace(&mut cache.replays, LruCache::new_unbounded());
        drop(cache);
        drop(dropped);
    }
}

impl Replay {
    fn new(entry: &GroupEntry, group: &GroupId, events: &[Placed]) -> Self {
        let mut rows: HashMap<&KeyValue, (usize, Vec<&RowChange>)> = HashMap::new();
        for (place, Placed { event, .. }) in events.iter().enumerate() {
            if let Some(change) = event.as_row() {
                let (last, changes) = rows.entry(&change.key).or_default();
                *last = place;
                changes.push(change);
            }
        }
        let mut rows: Vec<_> = rows.into_values().collect();
        rows.sort_unstable_by_key(|(last, _)| *last);
        let changes = rows.into_iter().filter_map(|(last, changes)| {
            let conflated = Conflated::of(entry, group, &changes)?;
            Some((conflated, Arc::clone(&events[last].event)))
        });
        Self {
            changes: changes.collect(),
            encoded: Mutex::default(),
        }
    }

    /// Returns what a user is told who comes from one cursor and is brought to another, as far as it may be seen now; `None`
    /// where that is more than so many frames, or bytes. Each frame has the cursor from which the client loses nothing if it is the
    /// last that arrives: but for the last, the one from which it came.
    pub(crate) fn frames(
        &self,
        of: (&ModelEntry, &GroupEntry, &GroupId),
        (user, granted): (&Identity, SerializerSet),
        (since, upto): (&Cursor, &Cursor),
        most: (usize, usize),
        metrics: &Metrics,
    ) -> Option<Vec<Frame>> {
        let (model, entry, group) = of;
        let (most_frames, mut bytes) = most;
        let mut frames = Vec::new();
        for (place, (conflated, event)) in self.changes.iter().enumerate() {
            let change = conflated.as_change(entry, group);
            let variant = conflated.seen_by(&change, user, granted);
            change.report_panics(model, metrics);
            let Some(variant) = variant else { continue };
            let known = self.encoded().get(&(place, variant)).cloned();
            let frame = known.unwrap_or_else(|| {
                let mut encoder = Encoder::new(model, event, &conflated.row, since, metrics);
                encoder.begin_change();
                let frame = encoder.frame(&change, variant, Dialect::V1);
                self.encoded().insert((place, variant), frame.clone());
                frame
            });
            let Some(frame) = frame else { continue };
            bytes = bytes.checked_sub(frame.bytes().len())?;
            frames.push(frame);
            if frames.len() > most_frames {
                return None;
            }
        }
        let last = frames.len().saturating_sub(1);
        let frames = frames.iter().enumerate().map(|(place, frame)| {
            let cursor = if place == last { upto } else { since };
            v1::with_cursor(frame.as_str(), cursor)
        });
        Some(frames.collect())
    }

    fn encoded(&self) -> parking_lot::MutexGuard<'_, HashMap<(usize, Variant), Option<Frame>>> {
        self.encoded.lock()
    }
}
