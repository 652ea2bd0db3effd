//! All kinds of hostile clients attack one server at once. Its well-behaved clients lose no frame.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt, future::join_all};
use sea_orm::ActiveModelTrait;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{App, Client, raw, raw_on, soon, task};

const LIST: &str = r#"{"model":"todolist.Task","list_id":1}"#;
const WRITES: i32 = 300;
const GOOD_CLIENTS: usize = 4;
const IDLE: usize = 2000;

/// Requests that clients send again and again, and whether they read the answers.
const FLOODS: [(&str, bool); 4] = [
    (r#"{"type":"sync","id":1}"#, true),
    (r#"{"type":"sync","id":1}"#, false),
    (r#"{"type":"auth","id":1,"token":"wrong"}"#, true),
    (r#"{"type":"auth","id":1,"token":"wrong"}"#, false),
];

/// A ping of 125 bytes with a mask of zeros.
fn ping() -> Vec<u8> {
    let mut bytes = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    bytes.extend([b'x'; 125]);
    bytes
}

/// Reads `WRITES` rows in order, and returns the time from each write to its frame.
async fn read_all(mut client: Client, start: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    for id in 1..=WRITES {
        let frame: Value = client.json().await;
        assert_eq!(
            frame["payload"]["id"], id,
            "a frame is missing before {frame}"
        );
        let text = frame["payload"]["text"].as_str().unwrap();
        let written = Duration::from_nanos(text.trim_end().parse().unwrap());
        latencies.push(start.elapsed() - written);
    }
    latencies
}

/// Writes rows at a steady pace, each with its time, and reads them with the good clients.
async fn good_clients(app: &App, list: i32) -> Vec<Duration> {
    let mut clients = Vec::new();
    for _ in 0..GOOD_CLIENTS {
        let mut client = app.client().await;
        client
            .subscribe(&LIST.replace('1', &list.to_string()))
            .await;
        clients.push(client);
    }
    let start = Instant::now();
    let readers: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(read_all(client, start)))
        .collect();
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    for id in 1..=WRITES {
        pace.tick().await;
        // Long enough to fill the buffers of both kernels if a client does not read.
        let text = format!("{:<16000}", start.elapsed().as_nanos());
        let row = task(id, &text, list).insert(&app.db()).await.unwrap();
        sea_orm::ModelTrait::delete(row, &app.plain).await.unwrap();
    }
    let mut latencies: Vec<_> = soon("the frames", join_all(readers))
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    latencies.sort();
    latencies
}

/// Requests 10,000 subscriptions on one socket. Returns how many were granted and how many refused.
async fn greedy(app: &App) -> (usize, usize) {
    let client = app.client().await;
    let (mut write, mut read) = client.socket.split();
    let asking = async {
        for id in 0..10_000 {
            // Rows that are never written.
            let pk = 100_000 + id;
            let request = format!(r#"{{"id":{id},"model":"todolist.Task","group":{{"pk":{pk}}}}}"#);
            write.feed(Message::text(request)).await.unwrap();
        }
        write.flush().await.unwrap();
    };
    let reading = async {
        let (mut granted, mut refused) = (0, 0);
        while granted + refused < 10_000 {
            let Some(Ok(message)) = read.next().await else {
                panic!("the server closed after {granted} granted and {refused} refused requests")
            };
            let Message::Text(text) = message else {
                continue;
            };
            let answer: Value = serde_json::from_str(&text).unwrap();
            match (&answer["type"], &answer["code"]) {
                (Value::String(t), _) if t == "subscribed" => granted += 1,
                (_, code) if *code == 429 => refused += 1,
                _ => panic!("{answer}"),
            }
        }
        (granted, refused)
    };
    let ((), answers) = soon("10,000 answers", async { tokio::join!(asking, reading) }).await;
    answers
}

/// The connections of the attackers, which go on until this is dropped.
#[derive(Default)]
struct Attackers {
    tasks: Vec<JoinHandle<()>>,
    streams: Vec<TcpStream>,
}

impl Drop for Attackers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Attackers {
    async fn assemble(app: &App, at_work: &Arc<AtomicBool>) -> Self {
        let mut attackers = Self::default();
        // Some send nothing, some half of a handshake, some a handshake and then nothing.
        for _ in 0..100 {
            let stream = TcpStream::connect(app.addr).await.unwrap();
            attackers.streams.push(stream);
            attackers.streams.push(raw(app).await);
            attackers.slow_handshake(app).await;
        }
        for reads in [true, false].repeat(5) {
            attackers.ping_flood(app, reads, Arc::clone(at_work)).await;
        }
        for _ in 0..20 {
            attackers.never_reads(app).await;
        }
        for (text, reads) in FLOODS {
            attackers.flood(app, text, reads).await;
        }
        attackers
    }

    /// Sends a request again and again, and reads the answers or not.
    async fn flood(&mut self, app: &App, text: &'static str, reads: bool) {
        let (mut write, mut read) = app.client().await.socket.split();
        self.tasks.push(tokio::spawn(async move {
            while write.send(Message::text(text)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }));
        self.tasks.push(tokio::spawn(async move {
            while reads && read.next().await.is_some() {}
            std::future::pending::<()>().await;
        }));
    }

    async fn slow_handshake(&mut self, app: &App) {
        let mut stream = TcpStream::connect(app.addr).await.unwrap();
        self.tasks.push(tokio::spawn(async move {
            let request = b"GET /ws/subscribe HTTP/1.1\r\nHost: x\r\n".iter();
            for byte in request.cycle() {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }));
    }

    async fn ping_flood(&mut self, app: &App, reads: bool, at_work: Arc<AtomicBool>) {
        let (mut read, mut write) = raw(app).await.into_split();
        self.tasks.push(tokio::spawn(async move {
            let pings = ping().repeat(10);
            while write.write_all(&pings).await.is_ok() {
                at_work.store(true, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }));
        self.tasks.push(tokio::spawn(async move {
            let mut scratch = [0; 4096];
            while reads && matches!(read.read(&mut scratch).await, Ok(1..)) {}
            // Keeps the stream open even if it is not read.
            std::future::pending::<()>().await;
        }));
    }

    async fn never_reads(&mut self, app: &App) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = raw_on(app, socket.connect(app.addr).await.unwrap()).await;
        let mut frame = vec![0x81, 0x80 | LIST.len() as u8, 0, 0, 0, 0];
        frame.extend(LIST.as_bytes());
        stream.write_all(&frame).await.unwrap();
        self.streams.push(stream);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_clients_lose_no_frame_under_siege() {
    rlimit::increase_nofile_limit(16 * 1024).unwrap();
    let app = App::start().await;
    let in_peace = good_clients(&app, 1).await;

    let mut idle = Vec::new();
    for _ in 0..IDLE {
        let mut client = app.client().await;
        client
            .send(r#"{"model":"todolist.Task","list_id":2}"#)
            .await;
        idle.push(client);
    }
    let at_work = Arc::new(AtomicBool::new(false));
    let attackers = Attackers::assemble(&app, &at_work).await;
    let (answers, under_siege) = tokio::join!(greedy(&app), good_clients(&app, 1));
    assert_eq!(answers, (128, 10_000 - 128));
    assert!(at_work.load(Ordering::Relaxed));
    assert!(
        app.live.connections() > IDLE,
        "the idle clients are connected"
    );

    // The idle clients have received nothing so far, and receive their own frame.
    app.insert_task(-7, "for the idle", 2).await;
    let mut reads = idle.iter_mut().map(Client::json).collect::<Vec<_>>();
    for frame in soon("the frames", join_all(reads.drain(..))).await {
        assert_eq!(frame["payload"]["id"], -7);
    }
    drop(attackers);

    for (when, latencies) in [("in peace", in_peace), ("under siege", under_siege)] {
        assert_eq!(latencies.len(), GOOD_CLIENTS * WRITES as usize);
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
        eprintln!(
            "write to client {when}: p50 {:.1?}, p99 {:.1?}",
            at(50),
            at(99)
        );
    }
}
