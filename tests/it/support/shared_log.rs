//! An event log in memory that several nodes share. An append waits for a random time, so that two
//! nodes append in a different order than they wrote.

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

/// Stores all events in their serialized form.
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

    /// Returns the stored events as text, as they would be outside of the process.
    pub fn written(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let text = |event| serde_json::to_string(event).unwrap();
        events.iter().map(text).collect()
    }

    fn cursor(&self, position: u64) -> Cursor {
        Cursor {
            epoch: self.epoch.clone(),
            position,
        }
    }

    fn entries_after(&self, position: u64, limit: usize) -> Vec<Entry> {
        let events = self.events.lock().unwrap();
        let later = (position + 1..).zip(&events[position as usize..]);
        later
            .take(limit)
            .map(|(position, event)| {
                Entry::stored(position, event.clone()).in_unit(position + event.following)
            })
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
            // Serialized and parsed again, as over a network.
            let following = (0..records.len() as u64).rev();
            events.extend(records.iter().zip(following).map(|(record, following)| {
                let stored = StoredEvent {
                    following,
                    ..record.store()
                };
                let text = serde_json::to_string(&stored).unwrap();
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
        let begin = stream::iter([Tail::Begin(self.cursor(start))]);
        let rest = stream::unfold(
            (self.clone(), head, start),
            async |(log, mut head, position)| {
                head.wait_for(|head| *head > position).await.ok()?;
                let entries = log.entries_after(position, usize::MAX);
                let position = entries.last().unwrap().position;
                let watermark = log.cursor(position);
                Some((
                    Tail::Entries {
                        entries,
                        watermark,
                        as_of: None,
                    },
                    (log, head, position),
                ))
            },
        );
        begin.chain(rest).boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        future::ready(Ok(self.cursor(*self.head.borrow()))).boxed()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        future::ready(Ok(self.entries_after(after.position, limit))).boxed()
    }

    fn is_shared(&self) -> bool {
        true
    }
}
