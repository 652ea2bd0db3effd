//! Event logs that restart in a new epoch, are not empty at the start, or do not answer.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use rest_live::{
    log::{Cursor, Entry, Epoch, EventLog, LogError, ReadError, Record, Tail},
    testing::Client,
};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    rights::{READABLE, insert_paper, live_with_papers, subscribe_to_papers},
    vault::{ada, expect_subscribed},
};

/// A log whose tail and head are controlled by the test.
#[derive(Debug)]
struct FakeLog {
    epoch: Mutex<Epoch>,
    position: Mutex<u64>,
    tail: Mutex<Option<tokio::sync::mpsc::UnboundedReceiver<Tail>>>,
    send: tokio::sync::mpsc::UnboundedSender<Tail>,
    gate: Semaphore,
    calls: Semaphore,
    is_gated: AtomicBool,
}

#[derive(Debug)]
struct SharedFakeLog(Arc<FakeLog>);

impl FakeLog {
    fn new() -> Arc<Self> {
        let (send, tail) = tokio::sync::mpsc::unbounded_channel();
        let begin = Cursor {
            epoch: Epoch::random(),
            position: 10_000,
        };
        send.send(Tail::Begin(begin.clone())).unwrap();
        Arc::new(Self {
            epoch: Mutex::new(begin.epoch),
            position: Mutex::new(begin.position),
            tail: Mutex::new(Some(tail)),
            send,
            gate: Semaphore::new(0),
            calls: Semaphore::new(0),
            is_gated: AtomicBool::new(false),
        })
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch.lock().unwrap().clone(),
            position: *self.position.lock().unwrap(),
        }
    }

    /// Restarts the log in a new epoch, as if its server had lost all events.
    fn restart(&self) {
        *self.epoch.lock().unwrap() = Epoch::random();
        *self.position.lock().unwrap() = 0;
        self.send.send(Tail::Reset(self.cursor())).unwrap();
    }
}

impl EventLog for SharedFakeLog {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        for event in events {
            *self.0.position.lock().unwrap() += 1;
            let watermark = self.0.cursor();
            let entries = vec![Entry::new(watermark.position, Arc::new(event.into_event()))];
            self.0
                .send
                .send(Tail::Entries {
                    entries,
                    watermark,
                    as_of: None,
                })
                .unwrap();
        }
        async { Ok(()) }.boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        let tail = self.0.tail.lock().unwrap().take().unwrap();
        futures_util::stream::unfold(tail, async |mut tail| Some((tail.recv().await?, tail)))
            .boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        let cursor = self.0.cursor();
        async move {
            if self.0.is_gated.load(Ordering::SeqCst) {
                self.0.calls.add_permits(1);
                self.0.gate.acquire().await.unwrap().forget();
            }
            Ok(cursor)
        }
        .boxed()
    }

    fn read(&self, _: Cursor, _: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        async {
            if self.0.is_gated.load(Ordering::SeqCst) {
                self.0.calls.add_permits(1);
                self.0.gate.acquire().await.unwrap().forget();
            }
            Err(ReadError::Expired)
        }
        .boxed()
    }
}

/// The head is read in the old epoch, and the subscription begins in the new one.
#[tokio::test]
async fn epoch_change_during_subscribe_is_reported() {
    let log = FakeLog::new();
    let live = live_with_papers(Some(SharedFakeLog(Arc::clone(&log)))).await;
    READABLE.lock().unwrap().push(702);
    let mut client = Client::connect(&live, ada());
    log.is_gated.store(true, Ordering::SeqCst);
    // The cursor is ahead of what this server knows, so the server asks the log for its head.
    let mut since = log.cursor();
    since.position += 1;
    let mut request = subscribe_to_papers(1, 702);
    request["since"] = since.to_string().into();
    let subscribing = client.send_json(request);
    let restart = async {
        log.calls.acquire().await.unwrap().forget();
        log.is_gated.store(false, Ordering::SeqCst);
        log.restart();
        // Lets the dispatcher run.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        log.gate.add_permits(1);
    };
    tokio::join!(subscribing, restart);
    assert_eq!(client.receive_json().await["type"], "subscribed");
    insert_paper(&live, 1, 702).await;
    let frame = timeout(Duration::from_millis(500), client.receive_json()).await;
    assert!(frame.is_ok(), "neither a broadcast nor a reset arrived");
}

/// `disconnect` closes the connection even while a reset waits for a log that does not answer.
#[tokio::test]
async fn disconnect_does_not_wait_for_the_log() {
    let log = FakeLog::new();
    let live = live_with_papers(Some(SharedFakeLog(Arc::clone(&log)))).await;
    READABLE.lock().unwrap().push(704);
    let mut client = Client::connect(&live, ada());
    expect_subscribed(&mut client, subscribe_to_papers(1, 704)).await;
    log.is_gated.store(true, Ordering::SeqCst);
    log.restart();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    live.disconnect(|_| true);
    let closed = timeout(Duration::from_secs(2), client.receive_close()).await;
    assert!(closed.is_ok(), "the client is still connected");
}

/// Other servers have written to the log: its head is not at 0 when this server starts.
#[tokio::test]
async fn shutdown_ignores_events_before_the_start() {
    let live = live_with_papers(Some(SharedFakeLog(FakeLog::new()))).await;
    let down = timeout(Duration::from_secs(2), live.shutdown()).await;
    assert!(
        down.is_ok(),
        "the shutdown waits until the drain times out, and then drops the clients without a goodbye"
    );
}
