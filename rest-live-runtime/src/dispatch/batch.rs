//! What the shards are about to receive.

use std::{mem, sync::Arc};

use crate::{
    data::{cursor::EventPosition, scoped_model::ScopedModel},
    hub::{
        clients::INTAKE_DIVISOR,
        groups::{
            audience::{HubEvent, Publication},
            broadcast_frame::Unit,
        },
    },
    limits::Limits,
};

/// Maximum number of subscribers that are decided about one by one before the batch is published.
const MAX_RECIPIENTS: usize = 16 * 1024;

/// The events of one shard, with their positions.
type ShardEvents = Vec<(HubEvent, EventPosition)>;

/// Events that are encoded and not yet published.
#[derive(Default)]
pub(crate) struct Batch {
    shards: Vec<ShardEvents>,
    events: usize,
    bytes: usize,
    recipients: usize,
}

impl Batch {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| Vec::new()).collect(),
            ..Self::default()
        }
    }

    /// Returns how many events there are.
    pub(crate) fn events(&self) -> usize {
        self.events
    }

    /// Adds the reset of a model, for every shard.
    pub(crate) fn add_reset(&mut self, model: &ScopedModel, at: &EventPosition) {
        self.events += 1;
        for events in &mut self.shards {
            events.push((HubEvent::Reset(model.clone()), at.clone()));
        }
    }

    /// Adds what each shard publishes for one event.
    pub(crate) fn add_row(&mut self, publications: Vec<Vec<Publication>>, at: &EventPosition) {
        self.events += 1;
        // A client belongs to one shard.
        let bytes = |of_shard: &Vec<Publication>| of_shard.iter().map(Publication::bytes).sum();
        let most: Option<usize> = publications.iter().map(bytes).max();
        self.bytes += most.unwrap_or(0);
        let all = publications.iter().flatten();
        self.recipients += all.map(Publication::recipients).sum::<usize>();
        for (events, publications) in self.shards.iter_mut().zip(publications) {
            if !publications.is_empty() {
                events.push((HubEvent::Row(publications), at.clone()));
            }
        }
    }

    /// Notes that the rest of a unit is published later.
    pub(crate) fn open_unit(&mut self, unit: &Arc<Unit>, at: &EventPosition) {
        for events in &mut self.shards {
            events.push((HubEvent::OpenUnit(Arc::clone(unit)), at.clone()));
        }
    }

    /// Notes that the open unit ends.
    pub(crate) fn end_unit(&mut self, at: &EventPosition) {
        for events in &mut self.shards {
            events.push((HubEvent::EndUnit, at.clone()));
        }
    }

    /// Returns whether it has room for a number of events, or is empty.
    pub(crate) fn has_room_for(&self, limits: &Limits, events: usize) -> bool {
        let events_then = self.events + events;
        self.events == 0 || events_then * INTAKE_DIVISOR <= limits.max_pending_messages
    }

    /// Returns whether a client cannot be sent more at once.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        self.events * INTAKE_DIVISOR >= limits.max_pending_messages
            || self.bytes * INTAKE_DIVISOR >= limits.max_pending_bytes
            || self.recipients >= MAX_RECIPIENTS
    }

    /// Takes the events of each shard.
    pub(crate) fn take(&mut self) -> Vec<ShardEvents> {
        let shards = self.shards.len();
        mem::replace(self, Self::new(shards)).shards
    }
}
