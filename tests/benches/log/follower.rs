//! A websocket client that hears of events, and the board where all of them note what they have heard.

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

/// When events were appended, and when every client has heard of them.
pub struct Board {
    clients: usize,
    /// By their rows: when it was appended, and how many clients have yet to hear of it.
    rows: Box<[(AtomicU64, AtomicUsize)]>,
    /// Rows of which no event is under way.
    free: Mutex<VecDeque<usize>>,
    /// Of each client and event.
    latencies: Mutex<Vec<Duration>>,
    /// One for each event that may be under way.
    room: Semaphore,
    heard: AtomicUsize,
    /// Told of each event that all have heard of.
    progress: Notify,
}

impl Board {
    /// Returns the board of so many clients. The rows are used in this order, in turn.
    pub fn new(clients: usize, rows: Vec<usize>, under_way: usize) -> Arc<Self> {
        assert!(under_way <= rows.len());
        Arc::new(Self {
            clients,
            rows: rows.iter().map(|_| Default::default()).collect(),
            free: Mutex::new(rows.into()),
            latencies: Mutex::default(),
            room: Semaphore::new(under_way),
            heard: AtomicUsize::new(0),
            progress: Notify::new(),
        })
    }

    /// Waits until there is room for one more event, and notes that it is appended now: of the row that it returns.
    pub async fn append(&self) -> usize {
        self.room.acquire().await.unwrap().forget();
        let row = self.free.lock().unwrap().pop_front();
        let row = row.expect("there are more rows than events under way");
        let (appended, left) = &self.rows[row];
        left.store(self.clients, Ordering::Relaxed);
        appended.store(host::now(), Ordering::Release);
        row
    }

    fn hear(&self, row: usize) {
        let (appended, left) = &self.rows[row];
        let latency = host::now() - appended.load(Ordering::Acquire);
        self.latencies
            .lock()
            .unwrap()
            .push(Duration::from_nanos(latency));
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.heard.fetch_add(1, Ordering::Relaxed);
            self.free.lock().unwrap().push_back(row);
            self.room.add_permits(1);
            self.progress.notify_one();
        }
    }

    /// Waits until all clients have heard of so many events, and returns the latencies.
    pub async fn heard(&self, events: usize) -> Vec<Duration> {
        while self.heard.load(Ordering::Relaxed) < events {
            let progress = tokio::time::timeout(Duration::from_secs(20), self.progress.notified());
            progress.await.expect("an event is lost");
        }
        self.heard.store(0, Ordering::Relaxed);
        std::mem::take(&mut self.latencies.lock().unwrap())
    }
}

/// Has a client follow a list from now on.
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
                match model::told(&text, "CREATED") {
                    Some((_, row)) => board.hear(row as usize),
                    None => assert!(text.contains("goodbye"), "{text}"),
                }
            }
        }
    })
}
