//! The unit that is being published, if it is too large for one publish.
//!
//! A unit is normally published under one lock, so that a client takes all its frames at once, and
//! [`drain`](super::drain) ends it after the last one. A unit that exceeds the limits of a batch is
//! published in parts. Its frames may be taken before the last part comes: then it stays open on
//! that client until the dispatcher ends it. Meanwhile no other broadcast may be queued for the
//! client.

use std::{mem, sync::Arc};

use super::State;
use crate::hub::{
    clients::client::Client, groups::broadcast_frame::Unit, ids::ClientId,
    new_subscription::StartPoint,
};

/// The unit of which more events follow, and the clients that have taken a part of it.
#[derive(Debug, Default)]
pub(crate) struct OpenUnit {
    unit: Option<Arc<Unit>>,
    clients: Vec<ClientId>,
}

impl OpenUnit {
    fn is(&self, unit: &Arc<Unit>) -> bool {
        self.unit
            .as_ref()
            .is_some_and(|open| Arc::ptr_eq(open, unit))
    }
}

/// Finds the ends of the units that are taken for one client.
#[derive(Debug)]
pub(super) struct UnitEnds {
    /// The unit of which frames were taken earlier. If it has ended, the message is in the queue.
    begun: Option<Arc<Unit>>,
    /// The unit that stays open.
    open: Option<Arc<Unit>>,
}

impl UnitEnds {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            begun: client.open_unit.clone(),
            open: None,
        }
    }

    /// Returns whether the message that ends a unit must follow the last of its frames here.
    pub(super) fn ends(&mut self, unit: &Arc<Unit>, published: &OpenUnit) -> bool {
        if published.is(unit) {
            self.open = Some(Arc::clone(unit));
            return false;
        }
        let mut begun = self.begun.iter();
        !begun.any(|begun| Arc::ptr_eq(begun, unit))
    }
}

impl State {
    /// Records that more events of a unit follow.
    pub(super) fn open_unit(&mut self, unit: Arc<Unit>) {
        self.open_unit.unit = Some(unit);
    }

    /// Ends the open unit: the clients that have taken a part of it receive the message.
    pub(super) fn end_unit(&mut self) {
        let OpenUnit { unit, mut clients } = mem::take(&mut self.open_unit);
        let Some(unit) = unit else { return };
        clients.sort_unstable_by_key(|client| client.number);
        clients.dedup();
        let event = self.clients.event;
        for id in clients {
            let Some(client) = self.clients.get_mut(id) else {
                continue;
            };
            // Otherwise a reset has ended it.
            if client.has_begun(&unit) && !client.queue.ignores_changes() {
                client.queue.push_unit_end(unit.end.clone(), event);
                self.clients.wake(id.index);
            }
        }
    }

    /// Records which unit is open on a client after its queue was taken.
    pub(super) fn note_units(&mut self, client: usize, ends: UnitEnds) {
        let UnitEnds { begun, open } = ends;
        if let Some(open) = open {
            if !self.clients[client].has_begun(&open) {
                self.open_unit.clients.push(self.clients.id_at(client));
                self.clients[client].open_unit = Some(open);
            }
        } else if begun.is_some_and(|begun| !self.open_unit.is(&begun)) {
            // Its end was in the queue, or a reset ends it.
            self.clients[client].open_unit = None;
        }
    }

    /// Returns whether the frames that a subscription replays would come between those of a unit.
    pub(super) fn would_interrupt_unit(&self, client: &Client, start: &StartPoint) -> bool {
        let Some(unit) = &self.open_unit.unit else {
            return false;
        };
        let may_receive_it = !client.subscriptions.is_empty() || client.has_begun(unit);
        may_receive_it
            && matches!(start, StartPoint::Resumed { replayed, .. } if !replayed.is_empty())
    }
}
