//! Event logs that begin anew, are not empty at the start, or do not answer.

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
    rights::{READABLE, in_folder, papers, write},
    vault::{ada, granted},
};

/// A log whose tail and head do as the test says.
#[derive(Debug)]
struct Fake {
    epoch: Mutex<Epoch>,
    position: Mutex<u64>,
    tail: Mutex<Option<tokio::sync::mpsc::UnboundedReceiver<Tail>>>,
    send: tokio::sync::mpsc::UnboundedSender<Tail>,
    gate: Semaphore,
    asked: Semaphore,
    gated: AtomicBool,
}

#[derive(Debug)]
struct Shared(Arc<Fake>);

impl Fake {
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
            asked: Semaphore::new(0),
            gated: AtomicBool::new(false),
        })
    }

    fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch.lock().unwrap().clone(),
            position: *self.position.lock().unwrap(),
        }
    }

    /// The server behind the log begins anew.
    fn restart(&self) {
        *self.epoch.lock().unwrap() = Epoch::random();
        *self.position.lock().unwrap() = 0;
        self.send.send(Tail::Reset(self.cursor())).unwrap();
    }
}

impl EventLog for Shared {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        for event in events {
            *self.0.position.lock().unwrap() += 1;
            let watermark = self.0.cursor();
            let entries = vec![Entry::new(watermark.position, Arc::new(event.into_event()))];
            self.0
                .send
                .send(Tail::Entries { entries, watermark })
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
            if self.0.gated.load(Ordering::SeqCst) {
                self.0.asked.add_permits(1);
                self.0.gate.acquire().await.unwrap().forget();
            }
            Ok(cursor)
        }
        .boxed()
    }

    fn read(&self, _: Cursor, _: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        async {
            if self.0.gated.load(Ordering::SeqCst) {
                self.0.asked.add_permits(1);
                self.0.gate.acquire().await.unwrap().forget();
            }
            Err(ReadError::Expired)
        }
        .boxed()
    }
}

/// The head was read in the old epoch, the subscription begins in the new one.
#[tokio::test]
async fn a_subscription_that_spans_two_epochs_misses_nothing_in_silence() {
    let log = Fake::new();
    let live = papers(Some(Shared(Arc::clone(&log)))).await;
    READABLE.lock().unwrap().push(702);
    let mut client = Client::connect(&live, ada());
    log.gated.store(true, Ordering::SeqCst);
    // Ahead of what this server knows: so the log is asked.
    let mut since = log.cursor();
    since.position += 1;
    let mut request = in_folder(1, 702);
    request["since"] = since.to_string().into();
    let asking = client.send_json(request);
    let restart = async {
        log.asked.acquire().await.unwrap().forget();
        log.gated.store(false, Ordering::SeqCst);
        log.restart();
        // The dispatcher's turn.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        log.gate.add_permits(1);
    };
    tokio::join!(asking, restart);
    assert_eq!(client.receive_json().await["type"], "subscribed");
    write(&live, 1, 702).await;
    let told = timeout(Duration::from_millis(500), client.receive_json()).await;
    assert!(told.is_ok(), "neither a broadcast nor a reset");
}

/// Who is disconnected is, also while a reset waits for a log that does not answer.
#[tokio::test]
async fn a_disconnect_does_not_wait_for_the_log() {
    let log = Fake::new();
    let live = papers(Some(Shared(Arc::clone(&log)))).await;
    READABLE.lock().unwrap().push(704);
    let mut client = Client::connect(&live, ada());
    granted(&mut client, in_folder(1, 704)).await;
    log.gated.store(true, Ordering::SeqCst);
    log.restart();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    live.disconnect(|_| true);
    let closed = timeout(Duration::from_secs(2), client.receive_close()).await;
    assert!(closed.is_ok(), "still connected");
}

/// A log that others have written to: its head is not at 0 when this server starts.
#[tokio::test]
async fn a_shutdown_does_not_wait_for_events_from_before_the_start() {
    let live = papers(Some(Shared(Fake::new()))).await;
    let down = timeout(Duration::from_secs(2), live.shutdown()).await;
    assert!(
        down.is_ok(),
        "it waits out the drain, and then drops the clients without a word"
    );
}
