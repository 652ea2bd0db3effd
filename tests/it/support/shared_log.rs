//! An event log of several nodes, in memory: what is appended waits for a moment, so that two nodes append in another order
//! than they wrote in.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use rest_live::log::{
    Cursor, Entry, Epoch, EventLog, LogError, ReadError, Record, StoredEvent, Tail,
};
use tokio::{sync::watch, time::sleep};

/// Keeps all, as it is written.
#[derive(Clone, Debug)]
pub struct SharedLog {
    epoch: Epoch,
    events: Arc<Mutex<Vec<StoredEvent>>>,
    head: watch::Sender<u64>,
}

impl SharedLog {
    pub fn new() -> Self {
        Self {
            epoch: Epoch::random(),
            events: Arc::default(),
            head: watch::Sender::new(0),
        }
    }

    /// Returns what lies outside of the process.
    pub fn written(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let text = |event| serde_json::to_string(event).unwrap();
        events.iter().map(text).collect()
    }

    fn at(&self, position: u64) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position,
        }
    }

    fn behind(&self, position: u64, limit: usize) -> Vec<Entry> {
        let events = self.events.lock().unwrap();
        let behind = (position + 1..).zip(&events[position as usize..]);
        behind
            .take(limit)
            .map(|(position, event)| Entry::stored(position, event.clone()))
            .collect()
    }
}

impl EventLog for SharedLog {
    fn append(&self, records: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            if fastrand::u8(..4) == 0 {
                sleep(Duration::from_micros(fastrand::u64(..3000))).await;
            }
            let mut events = self.events.lock().unwrap();
            // As it goes over a wire.
            events.extend(records.iter().map(|record| {
                let text = serde_json::to_string(&record.store()).unwrap();
                serde_json::from_str::<StoredEvent>(&text).unwrap()
            }));
            self.head.send_replace(events.len() as u64);
            Ok(())
        }
        .boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        let mut head = self.head.subscribe();
        let start = *head.borrow_and_update();
        let begin = stream::iter([Tail::Begin(self.at(start))]);
        let rest = stream::unfold(
            (self.clone(), head, start),
            async |(log, mut head, position)| {
                head.wait_for(|head| *head > position).await.ok()?;
                let entries = log.behind(position, usize::MAX);
                let position = entries.last().unwrap().position;
                let watermark = log.at(position);
                Some((Tail::Entries { entries, watermark }, (log, head, position)))
            },
        );
        begin.chain(rest).boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        future::ready(Ok(self.at(*self.head.borrow()))).boxed()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        future::ready(Ok(self.behind(after.position, limit))).boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }
}
