//! What the shards are to be told, until it is enough.

use std::{mem, sync::Arc};

use crate::{
    data::cursor::EventPosition,
    hub::shard::{AHEAD, HubEvent, Publication},
    limits::Limits,
};

/// So many subscribers of permissions are decided about before they are told.
const MOST_SEEN: usize = 16 * 1024;

/// What happened, and where in the log.
type Happenings = Vec<(HubEvent, EventPosition)>;

#[derive(Default)]
pub(crate) struct Batch {
    /// Of each shard.
    happenings: Vec<Happenings>,
    events: usize,
    bytes: usize,
    seen: usize,
}

impl Batch {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            happenings: (0..shards).map(|_| Vec::new()).collect(),
            ..Self::default()
        }
    }

    /// Returns how many events there are.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    pub(crate) fn add_reset(&mut self, model: &Arc<str>, at: &EventPosition) {
        self.events += 1;
        for happenings in &mut self.happenings {
            happenings.push((HubEvent::Reset(Arc::clone(model)), at.clone()));
        }
    }

    /// Adds what each shard is told of one event.
    pub(crate) fn add_rows(&mut self, publications: Vec<Vec<Publication>>, at: &EventPosition) {
        self.events += 1;
        // A client is of one shard.
        let bytes = |of_shard: &Vec<Publication>| of_shard.iter().map(Publication::bytes).sum();
        let most: Option<usize> = publications.iter().map(bytes).max();
        self.bytes += most.unwrap_or(0);
        let all = publications.iter().flatten();
        self.seen += all.map(Publication::seen).sum::<usize>();
        for (happenings, publications) in self.happenings.iter_mut().zip(publications) {
            if !publications.is_empty() {
                happenings.push((HubEvent::Row(publications), at.clone()));
            }
        }
    }

    /// Returns whether it is as much as a client may be told at once.
    pub(crate) fn is_much(&self, limits: &Limits) -> bool {
        self.events * AHEAD >= limits.max_pending_messages
            || self.bytes * AHEAD >= limits.max_pending_bytes
            || self.seen >= MOST_SEEN
    }

    /// Takes it out.
    pub(crate) fn take(&mut self) -> Vec<Happenings> {
        let shards = self.happenings.len();
        mem::replace(self, Self::new(shards)).happenings
    }
}
