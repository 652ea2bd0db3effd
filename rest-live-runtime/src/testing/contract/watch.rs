//! A tail that is watched: whatever it yields, it keeps the rules.

use std::fmt;

use futures_util::{StreamExt, stream::BoxStream};
use tokio::time::timeout;

use super::{PATIENCE, item::Said};
use crate::{
    data::cursor::Cursor,
    log::{EventLog, Tail},
};

/// A tail, and what it has yielded since its beginning or last reset.
pub(super) struct Watch {
    tail: BoxStream<'static, Tail>,
    pub(super) begin: Cursor,
    pub(super) watermark: Cursor,
    /// In the order in which they came.
    pub(super) seen: Vec<(u64, Said)>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({} events from {})", self.seen.len(), self.begin)
    }
}

impl Watch {
    pub(super) async fn begin(log: &dyn EventLog) -> Self {
        let mut tail = log.tail();
        let begin = match next(&mut tail).await {
            Tail::Begin(begin) => begin,
            other => panic!("a tail begins with Tail::Begin, and not with {other:?}"),
        };
        Self {
            tail,
            watermark: begin.clone(),
            begin,
            seen: Vec::new(),
        }
    }

    /// Waits for the next events; true where the tail was reset instead.
    pub(super) async fn step(&mut self) -> bool {
        match next(&mut self.tail).await {
            Tail::Entries { entries, watermark } => {
                assert_eq!(
                    watermark.epoch, self.watermark.epoch,
                    "an epoch ends by a reset"
                );
                let mut last = self.watermark.position;
                for entry in &entries {
                    assert!(
                        last < entry.position,
                        "{last} was before {}",
                        entry.position
                    );
                    last = entry.position;
                }
                let fresh = entries
                    .iter()
                    .map(|entry| (entry.position, Said::read(&entry.event)));
                for (position, said) in fresh {
                    let is_known = self.seen.iter().any(|(other, _)| *other == position);
                    assert!(!is_known, "{position} came twice");
                    self.seen.push((position, said));
                }
                assert!(
                    self.watermark.position <= watermark.position,
                    "a watermark went back"
                );
                self.watermark = watermark;
                false
            }
            Tail::Reset(cursor) => {
                self.begin = cursor.clone();
                self.watermark = cursor;
                self.seen.clear();
                true
            }
            // On a machine that is slow enough.
            Tail::Away | Tail::Back => false,
            other => panic!("events were expected, and {other:?} came"),
        }
    }

    /// Waits until so many events have come since the beginning, and all up to the last of them.
    pub(super) async fn until(&mut self, count: usize) {
        while self.seen.len() < count || self.newest() > self.watermark.position {
            assert!(
                !self.step().await,
                "nothing was lost, and the tail was reset"
            );
        }
        assert_eq!(
            self.seen.len(),
            count,
            "more came than was appended: {:?}",
            self.seen
        );
    }

    fn newest(&self) -> u64 {
        let positions = self.seen.iter().map(|(position, _)| *position);
        positions.max().unwrap_or(self.begin.position)
    }

    /// Returns what has come, in the order of the positions.
    pub(super) fn sorted(&self) -> Vec<(u64, Said)> {
        let mut sorted = self.seen.clone();
        sorted.sort_by_key(|(position, _)| *position);
        sorted
    }

    /// Returns what was said, in the order of the positions.
    pub(super) fn said(&self) -> Vec<Said> {
        self.sorted().into_iter().map(|(_, said)| said).collect()
    }
}

async fn next(tail: &mut BoxStream<'static, Tail>) -> Tail {
    let next = timeout(PATIENCE, tail.next()).await;
    let next = next.unwrap_or_else(|_| panic!("nothing came of a tail within {PATIENCE:?}"));
    next.expect("a tail does not end before its log")
}
