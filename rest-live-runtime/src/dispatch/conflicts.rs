//! Writes of one row by several nodes, in a log that each appends to after it has committed.
//!
//! Of its own writes a node knows the order ([`crate::publish::order`]). Of those of two nodes nobody does: the one that was
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
    data::{
        cursor::Cursor,
        event::{Event, EventKind, Row, RowChange},
    },
    log::EventSource,
    publish::order::RowId,
};

/// What lately came out of the log.
#[derive(Debug)]
pub(crate) struct ConflictDetector {
    node: Arc<str>,
    capacity: usize,
    /// All behind this place is known here.
    start: Cursor,
    rows: HashMap<RowId, VecDeque<KnownEvent>>,
    /// Where the subscribers of a model were last told to fetch again, by each node.
    resets: HashMap<Arc<str>, Vec<Reset>>,
    /// The rows in the order of the log.
    ring: VecDeque<(u64, RowId)>,
}

/// Where, and by which node.
type Reset = (u64, Option<Arc<str>>);

/// An event of a row.
#[derive(Debug)]
struct KnownEvent {
    position: u64,
    node: Option<Arc<str>>,
    fate: Fate,
    /// What subscribers may hold because of it.
    named: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Published,
    Withheld,
    /// Nodes that know more may have told it.
    Unknown,
}

/// What becomes of an event.
#[derive(Debug)]
pub(crate) enum Verdict {
    Publish,
    /// Another node reads the row again.
    Withhold,
    /// This node is to: with what subscribers may hold of the row. Also where it cannot know what the others decide.
    Reread(RowId, Vec<Row>),
}

impl ConflictDetector {
    /// So many events are looked at.
    pub(crate) const CAPACITY: usize = 16_384;

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
    pub(crate) fn take(
        &mut self,
        position: u64,
        event: &Arc<Event>,
        origin: &EventSource,
    ) -> Verdict {
        let change = match &event.kind {
            EventKind::Row(change) => change,
            EventKind::Reset => {
                let by_node = self.resets.entry(Arc::clone(&event.model)).or_default();
                by_node.retain(|(_, node)| *node != origin.node);
                by_node.push((position, origin.node.clone()));
                return Verdict::Publish;
            }
        };
        let row = (Arc::clone(&event.model), change.key.clone());
        let (fate, verdict) = self.decide(&row, change, origin);
        let seen = KnownEvent {
            position,
            node: origin.node.clone(),
            fate,
            named: match fate {
                // Who held the row as it was has been told that it is gone.
                Fate::Published => change.new.iter().cloned().collect(),
                Fate::Withheld | Fate::Unknown => named(change).collect(),
            },
        };
        self.rows.entry(row.clone()).or_default().push_back(seen);
        self.ring.push_back((position, row));
        if self.ring.len() > self.capacity {
            self.forget();
        }
        verdict
    }

    fn decide(&self, row: &RowId, change: &RowChange, origin: &EventSource) -> (Fate, Verdict) {
        let Some(node) = &origin.node else {
            // Of a trigger, or of a log that knows the order.
            return (Fate::Published, Verdict::Publish);
        };
        let is_known = |began: &&Cursor| {
            began.epoch == self.start.epoch && began.position >= self.start.position
        };
        let known = origin.began.as_ref().filter(is_known);
        let began = known.map_or(0, |began| began.position);
        let seen = self.rows.get(row).into_iter().flatten().rev();
        let within: Vec<&KnownEvent> = seen.take_while(|seen| seen.position > began).collect();
        let settled = || {
            let within = within.iter().rev().flat_map(|seen| seen.named.clone());
            Verdict::Reread(row.clone(), within.chain(named(change)).collect())
        };
        if known.is_none() {
            return (Fate::Unknown, settled());
        }
        let is_other = |of: &Option<Arc<str>>| of.as_ref() != Some(node);
        let overlaps = |fate| {
            let mut within = within.iter();
            within.any(|seen| seen.fate == fate && is_other(&seen.node))
        };
        let mut resets = self.resets.get(&row.0).into_iter().flatten();
        let is_reset = resets.any(|(position, of)| *position > began && is_other(of));
        match (
            is_reset || overlaps(Fate::Published),
            overlaps(Fate::Unknown),
        ) {
            (true, _) if *node == self.node => (Fate::Withheld, settled()),
            (true, _) => (Fate::Withheld, Verdict::Withhold),
            (false, true) => (Fate::Unknown, settled()),
            (false, false) => (Fate::Published, Verdict::Publish),
        }
    }

    fn forget(&mut self) {
        let Some((position, row)) = self.ring.pop_front() else {
            return;
        };
        self.start.position = position;
        for by_node in self.resets.values_mut() {
            by_node.retain(|(at, _)| *at > position);
        }
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
