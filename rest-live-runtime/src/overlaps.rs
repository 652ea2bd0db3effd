//! Writes of one row by several nodes, in a log that each appends to after it has committed.
//!
//! Of its own writes a node knows the order ([`crate::order`]). Of those of two nodes nobody does: the one that was
//! committed first may be appended last. What can be known: each event says up to where its node had read the log before the
//! write began. If another node's event of the row came behind that, the two may have overlapped: then the event is
//! told to nobody, and its node has the row be read again, and tells how it is. All nodes read the same log and decide alike.
//!
//! Plain data: the dispatcher asks, and has rows be settled.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    cursor::Cursor,
    event::{Event, EventKind, Row, RowChange},
    log::Origin,
    order::RowId,
};

/// What lately came out of the log.
#[derive(Debug)]
pub(crate) struct Overlaps {
    node: Arc<str>,
    capacity: usize,
    /// All behind this place is known here.
    start: Cursor,
    rows: HashMap<RowId, VecDeque<Seen>>,
    /// Where the subscribers of a model were last told to fetch again, by each node.
    resets: HashMap<Arc<str>, Vec<(u64, Option<Arc<str>>)>>,
    /// The rows in the order of the log.
    ring: VecDeque<(u64, RowId)>,
}

/// An event of a row.
#[derive(Debug)]
struct Seen {
    position: u64,
    node: Option<Arc<str>>,
    /// What subscribers may hold because of it.
    named: Vec<Row>,
}

/// What becomes of an event.
#[derive(Debug)]
pub(crate) enum Verdict {
    Told,
    /// Another node reads the row again.
    Withheld,
    /// This node is to: with what subscribers may hold of the row.
    Settled(RowId, Vec<Row>),
    /// It began before all that is known here: its model's subscribers are told to fetch again.
    Unknown,
}

impl Overlaps {
    /// So many events are looked at.
    pub(crate) const CAPACITY: usize = 65_536;

    /// Begins behind a place in the log.
    pub(crate) fn new(node: Arc<str>, start: Cursor, capacity: usize) -> Self {
        Self {
            node,
            capacity,
            start,
            rows: HashMap::new(),
            resets: HashMap::new(),
            ring: VecDeque::new(),
        }
    }

    /// Decides about the next event of the log.
    pub(crate) fn take(&mut self, position: u64, event: &Arc<Event>, origin: &Origin) -> Verdict {
        let change = match &event.kind {
            EventKind::Row(change) => change,
            EventKind::Reset => {
                let by_node = self.resets.entry(Arc::clone(&event.model)).or_default();
                by_node.retain(|(_, node)| *node != origin.node);
                by_node.push((position, origin.node.clone()));
                return Verdict::Told;
            }
        };
        let row = (Arc::clone(&event.model), change.key.clone());
        let verdict = self.decide(&row, change, origin);
        let seen = Seen {
            position,
            node: origin.node.clone(),
            named: match verdict {
                // Who held the row as it was has been told that it is gone.
                Verdict::Told | Verdict::Unknown => change.new.iter().cloned().collect(),
                Verdict::Withheld | Verdict::Settled(..) => named(change).collect(),
            },
        };
        self.rows.entry(row.clone()).or_default().push_back(seen);
        self.ring.push_back((position, row));
        if self.ring.len() > self.capacity {
            self.forget();
        }
        verdict
    }

    fn decide(&self, row: &RowId, change: &RowChange, origin: &Origin) -> Verdict {
        let Some(began) = &origin.began else {
            return match origin.node {
                // Its node had not read the log yet.
                Some(_) => Verdict::Unknown,
                // Of a trigger, or of a log that knows the order.
                None => Verdict::Told,
            };
        };
        if began.epoch != self.start.epoch || began.position < self.start.position {
            return Verdict::Unknown;
        }
        let began = began.position;
        let is_other =
            |position: u64, node: &Option<Arc<str>>| position > began && *node != origin.node;
        let seen = self.rows.get(row).into_iter().flatten().rev();
        let within: Vec<&Seen> = seen.take_while(|seen| seen.position > began).collect();
        let mut resets = self.resets.get(&row.0).into_iter().flatten();
        let overlaps = within
            .iter()
            .any(|seen| is_other(seen.position, &seen.node))
            || resets.any(|(position, node)| is_other(*position, node));
        if !overlaps {
            return Verdict::Told;
        }
        if origin.node.as_ref() != Some(&self.node) {
            return Verdict::Withheld;
        }
        let within = within.iter().rev().flat_map(|seen| seen.named.clone());
        Verdict::Settled(row.clone(), within.chain(named(change)).collect())
    }

    fn forget(&mut self) {
        let Some((position, row)) = self.ring.pop_front() else {
            return;
        };
        self.start.position = position;
        if let Some(seen) = self.rows.get_mut(&row) {
            seen.pop_front();
            if seen.is_empty() {
                self.rows.remove(&row);
            }
        }
    }
}

fn named(change: &RowChange) -> impl Iterator<Item = Row> {
    change.old.iter().chain(&change.new).cloned()
}

#[cfg(test)]
mod tests;
