//! A reader of a tail that checks the guarantees of every tail at each step.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream::BoxStream};
use rest_live::log::{Cursor, Entry, EventLog, LoggedEvent, StoredEvent, Tail};
use rest_live_outbox::OutboxLog;

use crate::support::soon;

pub(crate) struct Follower {
    tail: BoxStream<'static, Tail>,
    pub(crate) begin: Cursor,
    pub(crate) watermark: Cursor,
    /// All entries, in the order in which they arrived.
    pub(crate) entries: Vec<Entry>,
    positions: BTreeSet<u64>,
    /// Everything that arrived except the entries and the begin.
    pub(crate) signals: Vec<Tail>,
}

impl Follower {
    pub(crate) async fn of(log: &OutboxLog) -> Self {
        let mut tail = log.tail();
        let begin = match soon("the begin", tail.next()).await {
            Some(Tail::Begin(begin)) => begin,
            other => panic!("the tail began with {other:?}"),
        };
        Self {
            tail,
            watermark: begin.clone(),
            begin,
            entries: Vec::new(),
            positions: BTreeSet::new(),
            signals: Vec::new(),
        }
    }

    /// Waits for the next item of the tail, without a deadline, and checks it.
    pub(crate) async fn step(&mut self) {
        match self.tail.next().await.expect("a tail never ends") {
            Tail::Entries {
                entries, watermark, ..
            } => {
                assert_eq!(watermark.epoch, self.watermark.epoch);
                assert!(
                    watermark.position >= self.watermark.position,
                    "the watermark went back"
                );
                assert!(entries.is_sorted_by_key(|entry| entry.position));
                for entry in &entries {
                    assert!(
                        entry.position > self.watermark.position,
                        "the entry is not after the watermark"
                    );
                    assert!(
                        self.positions.insert(entry.position),
                        "position {} came twice",
                        entry.position
                    );
                }
                self.entries.extend(entries);
                self.watermark = watermark;
            }
            signal => {
                if let Tail::Reset(cursor) = &signal {
                    self.watermark = cursor.clone();
                    self.positions.clear();
                }
                self.signals.push(signal);
            }
        }
    }

    /// Reads until a condition holds.
    pub(crate) async fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        soon(what, async {
            while !condition(self) {
                self.step().await;
            }
        })
        .await;
    }

    pub(crate) async fn until_model(&mut self, model: &str) {
        let what = format!("an event of {model}");
        self.until(&what, |follower| {
            follower.models().any(|found| found == model)
        })
        .await;
    }

    pub(crate) async fn until_watermark(&mut self, position: u64) {
        let what = format!("the watermark {position}");
        self.until(&what, |follower| follower.watermark.position >= position)
            .await;
    }

    /// Waits for a signal and removes it.
    pub(crate) async fn signal(&mut self, what: &str) -> Tail {
        self.until(what, |follower| !follower.signals.is_empty())
            .await;
        self.signals.remove(0)
    }

    pub(crate) fn stored(&self) -> impl Iterator<Item = &StoredEvent> {
        self.entries.iter().map(stored)
    }

    pub(crate) fn models(&self) -> impl Iterator<Item = &str> {
        self.stored().map(|event| event.model.as_str())
    }

    pub(crate) fn has(&self, model: &str) -> bool {
        self.models().any(|found| found == model)
    }
}

pub(crate) fn stored(entry: &Entry) -> &StoredEvent {
    match &entry.event {
        LoggedEvent::Stored(event) => event,
        other => panic!("{other:?} is not a stored event"),
    }
}

/// Reads all entries after a cursor, a few at a time.
pub(crate) async fn read_all(log: &OutboxLog, after: &Cursor) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut after = after.clone();
    loop {
        let entries = log.read(after.clone(), 7).await.unwrap();
        let Some(last) = entries.last() else {
            return all;
        };
        after.position = last.position;
        all.extend(entries.iter().map(fingerprint));
    }
}

/// Returns what tests compare of an entry.
pub(crate) fn fingerprint(entry: &Entry) -> (u64, String) {
    (
        entry.position,
        serde_json::to_string(stored(entry)).unwrap(),
    )
}
