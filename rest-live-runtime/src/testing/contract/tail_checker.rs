//! Reads a tail, and checks the rules that hold for everything that it yields.

use std::{fmt, time::Instant};

use futures_util::{StreamExt, stream::BoxStream};
use tokio::time::timeout;

use super::{RECEIVE_TIMEOUT, event_value::EventValue};
use crate::{
    data::cursor::Cursor,
    log::{EventLog, Tail},
};

/// A tail, and what it yielded since its begin or last reset.
pub(super) struct TailChecker {
    tail: BoxStream<'static, Tail>,
    pub(super) begin: Cursor,
    pub(super) watermark: Cursor,
    /// The last moment for which the tail has yielded everything.
    pub(super) as_of: Option<Instant>,
    /// In the order in which the tail yielded them.
    pub(super) events: Vec<TailEvent>,
    /// Number of items so far.
    items: usize,
}

/// An event that a tail has yielded.
#[derive(Clone, Debug)]
pub(super) struct TailEvent {
    pub(super) position: u64,
    pub(super) unit: u64,
    pub(super) event: EventValue,
    /// Number of the item that contained it.
    pub(super) item: usize,
}

impl fmt::Debug for TailChecker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TailChecker({} events from {})",
            self.events.len(),
            self.begin
        )
    }
}

impl TailChecker {
    /// Opens a tail, and waits for its begin.
    pub(super) async fn begin(log: &dyn EventLog) -> Self {
        let mut tail = log.tail();
        let begin = match next(&mut tail).await {
            Tail::Begin(begin) => begin,
            other => panic!("a tail must begin with Tail::Begin, not with {other:?}"),
        };
        Self {
            tail,
            watermark: begin.clone(),
            as_of: None,
            begin,
            events: Vec::new(),
            items: 0,
        }
    }

    /// Waits for the next item of the tail. Returns whether it is a reset.
    pub(super) async fn step(&mut self) -> bool {
        match next(&mut self.tail).await {
            Tail::Entries {
                entries,
                watermark,
                as_of,
            } => {
                self.as_of = as_of.max(self.as_of);
                assert_eq!(
                    watermark.epoch, self.watermark.epoch,
                    "a new epoch must begin with a reset"
                );
                let mut last = self.watermark.position;
                for entry in &entries {
                    assert!(
                        last < entry.position,
                        "position {} follows {last} in a batch",
                        entry.position
                    );
                    last = entry.position;
                }
                self.items += 1;
                for entry in &entries {
                    let (position, unit) = (entry.position, entry.unit);
                    let is_known = self.events.iter().any(|other| other.position == position);
                    assert!(!is_known, "the tail yielded position {position} twice");
                    self.events.push(TailEvent {
                        position,
                        unit,
                        event: EventValue::from_logged(&entry.event),
                        item: self.items,
                    });
                }
                assert!(
                    self.watermark.position <= watermark.position,
                    "the watermark went back"
                );
                self.watermark = watermark;
                false
            }
            Tail::Reset(cursor) => {
                self.begin = cursor.clone();
                self.watermark = cursor;
                self.events.clear();
                true
            }
            // The log can seem unreachable on a slow machine.
            Tail::Away | Tail::Back => false,
            other => panic!("expected events, but the tail yielded {other:?}"),
        }
    }

    /// Waits until the tail has yielded `count` events in total, and its watermark covers them.
    pub(super) async fn wait_for_events(&mut self, count: usize) {
        while self.events.len() < count || self.newest_position() > self.watermark.position {
            assert!(
                !self.step().await,
                "the tail was reset although no event was lost"
            );
        }
        assert_eq!(
            self.events.len(),
            count,
            "the tail yielded more events than were appended: {:?}",
            self.events
        );
    }

    fn newest_position(&self) -> u64 {
        let positions = self.events.iter().map(|event| event.position);
        positions.max().unwrap_or(self.begin.position)
    }

    /// Returns the positions and events in the order of the positions.
    pub(super) fn sorted(&self) -> Vec<(u64, EventValue)> {
        let events = self.events.iter().cloned();
        let mut sorted: Vec<_> = events.map(|event| (event.position, event.event)).collect();
        sorted.sort_by_key(|(position, _)| *position);
        sorted
    }

    /// Returns the events in the order of their positions.
    pub(super) fn sorted_events(&self) -> Vec<EventValue> {
        self.sorted().into_iter().map(|(_, event)| event).collect()
    }
}

async fn next(tail: &mut BoxStream<'static, Tail>) -> Tail {
    let next = timeout(RECEIVE_TIMEOUT, tail.next()).await;
    let next = next.unwrap_or_else(|_| panic!("a tail yielded nothing within {RECEIVE_TIMEOUT:?}"));
    next.expect("a tail does not end before its log")
}
