//! A websocket client that receives events, and the board where all clients note them.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinHandle,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

use super::{host, model};

/// Measures the time from the append of an event until each client has received it.
pub struct Board {
    clients: usize,
    /// For each row: when its event was appended, and how many clients have not received it yet.
    rows: Box<[(AtomicU64, AtomicUsize)]>,
    /// Rows that have no event in flight.
    free: Mutex<VecDeque<usize>>,
    /// One latency for each client and event.
    latencies: Mutex<Vec<Duration>>,
    /// One permit for each event that may be in flight.
    permits: Semaphore,
    /// The number of events that all clients have received.
    delivered: AtomicUsize,
    /// Notified when all clients have received an event.
    progress: Notify,
}

impl Board {
    /// Returns a board for this number of clients. The rows are used in this order, in turn.
    pub fn new(clients: usize, rows: Vec<usize>, in_flight: usize) -> Arc<Self> {
        assert!(in_flight <= rows.len());
        Arc::new(Self {
            clients,
            rows: rows.iter().map(|_| Default::default()).collect(),
            free: Mutex::new(rows.into()),
            latencies: Mutex::default(),
            permits: Semaphore::new(in_flight),
            delivered: AtomicUsize::new(0),
            progress: Notify::new(),
        })
    }

    /// Waits until one more event may be in flight, and notes that the event of the returned row is
    /// appended now.
    pub async fn append(&self) -> usize {
        self.permits.acquire().await.unwrap().forget();
        let row = self.free.lock().unwrap().pop_front();
        let row = row.expect("there are more rows than events in flight");
        let (appended, left) = &self.rows[row];
        left.store(self.clients, Ordering::Relaxed);
        appended.store(host::now(), Ordering::Release);
        row
    }

    fn note_received(&self, row: usize) {
        let (appended, left) = &self.rows[row];
        let latency = host::now() - appended.load(Ordering::Acquire);
        self.latencies
            .lock()
            .unwrap()
            .push(Duration::from_nanos(latency));
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.delivered.fetch_add(1, Ordering::Relaxed);
            self.free.lock().unwrap().push_back(row);
            self.permits.add_permits(1);
            self.progress.notify_one();
        }
    }

    /// Waits until all clients have received this number of events, and returns the latencies.
    pub async fn wait_for(&self, events: usize) -> Vec<Duration> {
        while self.delivered.load(Ordering::Relaxed) < events {
            let progress = tokio::time::timeout(Duration::from_secs(20), self.progress.notified());
            progress.await.expect("an event was lost");
        }
        self.delivered.store(0, Ordering::Relaxed);
        std::mem::take(&mut self.latencies.lock().unwrap())
    }
}

/// Starts a client that receives the changes of a list.
pub async fn follow(address: SocketAddr, list: i32, board: Arc<Board>) -> JoinHandle<()> {
    let url = format!("ws://{address}/ws/subscribe");
    let (mut socket, _) = connect_async(url).await.unwrap();
    let request = model::subscribe(1, list, None);
    socket.send(Message::text(request)).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    let answer = answer.to_text().unwrap();
    assert!(answer.starts_with(model::SUBSCRIBED), "{answer}");
    tokio::spawn(async move {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message {
                match model::parse_broadcast(&text, "CREATED") {
                    Some((_, row)) => board.note_received(row as usize),
                    None if text.starts_with(model::UNIT_END) => {}
                    None => assert!(text.contains("goodbye"), "{text}"),
                }
            }
        }
    })
}
