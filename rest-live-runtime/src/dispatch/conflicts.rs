//! Detects writes of one row by several nodes that may have overlapped, in a log to which each node
//! appends after it has committed.
//!
//! A node knows the order of its own writes ([`crate::publish::order`]). The order of two nodes'
//! writes is unknown: the write that was committed first may be appended last. But each event
//! carries the cursor up to which its node had read the log before the write began. If another
//! node's event of the row comes after that cursor, the two writes may have overlapped. Then no
//! node publishes the event: its own node reads the row again, and appends the result. All nodes
//! read the same log and decide alike.
//!
//! Plain data: the dispatcher asks for a verdict on each event, and the publisher reads rows again.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    data::{
        cursor::Cursor,
        event::{Action, Event, EventKind, Row, RowChange},
        row_id::RowId,
        scoped_model::ScopedModel,
    },
    log::EventSource,
};

/// The last events of the log, by row.
#[derive(Debug)]
pub(crate) struct ConflictDetector {
    node: Arc<str>,
    capacity: usize,
    /// Maximum size of the rows that are remembered.
    max_bytes: usize,
    /// The size of these rows.
    bytes: usize,
    /// Every event after this cursor is known here.
    start: Cursor,
    rows: HashMap<RowId, VecDeque<KnownEvent>>,
    /// The last reset of each model by each node.
    resets: HashMap<ScopedModel, Vec<ModelReset>>,
    /// Number of models that the last sweep of the resets left.
    resets_after_sweep: usize,
    /// The known events, oldest first, by position and row.
    ring: VecDeque<(u64, RowId)>,
}

/// A reset of a model.
#[derive(Debug)]
struct ModelReset {
    position: u64,
    node: Option<Arc<str>>,
}

/// An event of a row.
#[derive(Debug)]
struct KnownEvent {
    position: u64,
    node: Option<Arc<str>>,
    outcome: Outcome,
    /// The rows that subscribers may hold because of it.
    rows: Vec<Row>,
    /// Whether it created the row, and is not published.
    creates: bool,
}

impl KnownEvent {
    fn bytes(&self) -> usize {
        self.rows.iter().map(Row::bytes).sum()
    }
}

/// What all nodes did with an event.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Published,
    Withheld,
    /// A node that knows more of the log may have published it.
    Unknown,
}

/// What this node does with an event.
#[derive(Debug)]
pub(crate) enum Verdict {
    Publish,
    /// Subscribers have received the row already: another node that could not know this has read
    /// the created row again.
    PublishAsUpdate,
    /// The node that wrote the event reads the row again.
    Withhold(Reread),
    /// This node reads the row again. Also the verdict if this node cannot know what the others
    /// decide.
    Reread(Reread),
}

/// A row to read again.
#[derive(Debug)]
pub(crate) struct Reread {
    pub(crate) row: RowId,
    /// The states of the row that subscribers may hold.
    pub(crate) known_rows: Vec<Row>,
    /// Whether a write that is not published may have created the row.
    pub(crate) creates: bool,
}

impl ConflictDetector {
    /// Number of events that are remembered.
    pub(crate) const CAPACITY: usize = 16_384;

    /// Creates a detector that reads the log after `start`.
    pub(crate) fn new(node: Arc<str>, start: Cursor, capacity: usize, max_bytes: usize) -> Self {
        Self {
            node,
            capacity,
            max_bytes,
            bytes: 0,
            start,
            rows: HashMap::new(),
            resets: HashMap::new(),
            resets_after_sweep: 0,
            ring: VecDeque::new(),
        }
    }

    /// Returns the verdict on the next event of the log, and remembers the event.
    pub(crate) fn check(
        &mut self,
        position: u64,
        event: &Arc<Event>,
        source: &EventSource,
    ) -> Verdict {
        let change = match &event.kind {
            EventKind::Row(change) => change,
            EventKind::Reset => {
                self.sweep_resets();
                let start = self.start.position;
                let resets = self.resets.entry(event.scoped_model()).or_default();
                resets.retain(|reset| reset.position > start && reset.node != source.node);
                resets.push(ModelReset {
                    position,
                    node: source.node.clone(),
                });
                return Verdict::Publish;
            }
        };
        let row = event.row_id(&change.key);
        let (outcome, mut verdict) = self.decide(&row, change, source);
        let is_read_again = change.action == Action::Created && !change.old.is_empty();
        if is_read_again && matches!(verdict, Verdict::Publish) && self.has_published(&row) {
            verdict = Verdict::PublishAsUpdate;
        }
        let known = KnownEvent {
            position,
            node: source.node.clone(),
            outcome,
            rows: match outcome {
                // Subscribers that held an old row have received the change.
                Outcome::Published => change.new.iter().cloned().collect(),
                Outcome::Withheld | Outcome::Unknown => all_rows(change).collect(),
            },
            creates: change.action == Action::Created && outcome != Outcome::Published,
        };
        self.bytes += known.bytes();
        self.rows.entry(row.clone()).or_default().push_back(known);
        self.ring.push_back((position, row));
        while self.ring.len() > self.capacity || self.bytes > self.max_bytes && self.ring.len() > 1
        {
            self.forget_oldest();
        }
        verdict
    }

    fn decide(&self, row: &RowId, change: &RowChange, source: &EventSource) -> (Outcome, Verdict) {
        let Some(node) = &source.node else {
            // The event is from a trigger, or from a log that knows the order.
            return (Outcome::Published, Verdict::Publish);
        };
        let is_known = |began: &&Cursor| {
            began.epoch == self.start.epoch && began.position >= self.start.position
        };
        let known = source.began.as_ref().filter(is_known);
        let began = known.map_or(0, |began| began.position);
        let newest_first = self.rows.get(row).into_iter().flatten().rev();
        let overlapping: Vec<&KnownEvent> = newest_first
            .take_while(|event| event.position > began)
            .collect();
        let reread = || {
            let rows = overlapping
                .iter()
                .rev()
                .flat_map(|event| event.rows.clone());
            Reread {
                row: row.clone(),
                known_rows: rows.chain(all_rows(change)).collect(),
                creates: change.action == Action::Created
                    || overlapping.iter().any(|event| event.creates),
            }
        };
        if known.is_none() {
            return (Outcome::Unknown, Verdict::Reread(reread()));
        }
        let is_other = |other: &Option<Arc<str>>| other.as_ref() != Some(node);
        let has_overlapping = |outcome| {
            overlapping
                .iter()
                .any(|event| event.outcome == outcome && is_other(&event.node))
        };
        let mut resets = self.resets.get(&row.model).into_iter().flatten();
        let is_reset = resets.any(|reset| reset.position > began && is_other(&reset.node));
        if is_reset || has_overlapping(Outcome::Published) {
            let verdict = if *node == self.node {
                Verdict::Reread(reread())
            } else {
                Verdict::Withhold(reread())
            };
            (Outcome::Withheld, verdict)
        } else if has_overlapping(Outcome::Unknown) {
            (Outcome::Unknown, Verdict::Reread(reread()))
        } else {
            (Outcome::Published, Verdict::Publish)
        }
    }

    /// Returns whether the last known event of a row is published, and the row existed then.
    fn has_published(&self, row: &RowId) -> bool {
        let last = self.rows.get(row).and_then(VecDeque::back);
        last.is_some_and(|last| last.outcome == Outcome::Published && !last.rows.is_empty())
    }

    /// Forgets resets from before the start, which decide nothing. As this visits all models, it
    /// runs only after their number has doubled.
    fn sweep_resets(&mut self) {
        if self.resets.len() < 2 * self.resets_after_sweep + 64 {
            return;
        }
        let start = self.start.position;
        self.resets.retain(|_, resets| {
            resets.retain(|reset| reset.position > start);
            !resets.is_empty()
        });
        self.resets_after_sweep = self.resets.len();
    }

    fn forget_oldest(&mut self) {
        let Some((position, row)) = self.ring.pop_front() else {
            return;
        };
        self.start.position = position;
        if let Some(events) = self.rows.get_mut(&row) {
            let forgotten = events.pop_front();
            self.bytes -= forgotten.map_or(0, |event| event.bytes());
            if events.is_empty() {
                self.rows.remove(&row);
            }
        }
    }
}

fn all_rows(change: &RowChange) -> impl Iterator<Item = Row> {
    change.old.iter().chain(&change.new).cloned()
}

#[cfg(test)]
mod tests;
