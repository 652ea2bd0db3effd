//! The well-behaved clients: they follow list 1, check each frame, and stay until the end.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, select, sync::watch, task::JoinHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message},
};

use super::{dialect::Dialect, sequence::Sequence, wait::within};

/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// What the followers do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// They read.
    Read,
    /// They read up to this number, which is the last one.
    ReadUntil(u64),
    /// They close their connections.
    Leave,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// All well-behaved clients.
pub struct Followers {
    tasks: Vec<JoinHandle<Result<(), String>>>,
    phase: watch::Sender<Phase>,
    progress: Vec<Arc<Progress>>,
}

/// The progress of one follower.
#[derive(Default)]
struct Progress {
    frames: AtomicU64,
    has_failed: AtomicBool,
    is_complete: AtomicBool,
}

impl Progress {
    fn update(&self, sequence: &Sequence, last: u64) {
        if sequence.is_complete(last) && !self.has_failed.load(Ordering::Relaxed) {
            self.is_complete.store(true, Ordering::Relaxed);
        }
    }
}

struct Follower {
    socket: Socket,
    sequence: Sequence,
    phase: watch::Receiver<Phase>,
    progress: Arc<Progress>,
    /// The first failure.
    failure: Option<String>,
}

impl Followers {
    /// Returns this number of followers when they are subscribed. The dialects take turns.
    pub async fn subscribe(address: SocketAddr, count: usize) -> Self {
        let (phase, receiver) = watch::channel(Phase::Read);
        let mut followers = Self {
            tasks: Vec::new(),
            phase,
            progress: Vec::new(),
        };
        for dialect in Dialect::ALL.into_iter().cycle().take(count) {
            let progress = Arc::<Progress>::default();
            let follower = Follower {
                socket: connect(address, dialect).await,
                sequence: Sequence::default(),
                phase: receiver.clone(),
                progress: Arc::clone(&progress),
                failure: None,
            };
            let run = async move {
                let ended = follower.run().await;
                ended.map_err(|failure| format!("{dialect:?}: {failure}"))
            };
            followers.tasks.push(tokio::spawn(run));
            followers.progress.push(progress);
        }
        followers
    }

    /// Returns how many frames all followers together have read.
    pub fn frames(&self) -> u64 {
        let frames = |progress: &Arc<Progress>| progress.frames.load(Ordering::Relaxed);
        self.progress.iter().map(frames).sum()
    }

    /// Returns how many followers have failed.
    pub fn failed(&self) -> usize {
        let has = |progress: &&Arc<Progress>| progress.has_failed.load(Ordering::Relaxed);
        self.progress.iter().filter(has).count()
    }

    /// Sets the last number that the followers must read.
    pub fn expect(&self, last: u64) {
        self.phase.send_replace(Phase::ReadUntil(last));
    }

    /// Returns how many followers have read everything.
    pub fn complete(&self) -> usize {
        let is_complete = |progress: &&Arc<Progress>| progress.is_complete.load(Ordering::Relaxed);
        self.progress.iter().filter(is_complete).count()
    }

    /// Returns whether each follower has read everything or has failed.
    pub fn are_done(&self) -> bool {
        self.complete() + self.failed() >= self.progress.len()
    }

    /// Closes all connections, and returns the failures.
    pub async fn leave(self) -> Vec<String> {
        self.phase.send_replace(Phase::Leave);
        let mut failures = Vec::new();
        for task in self.tasks {
            failures.extend(task.await.unwrap().err());
        }
        failures
    }
}

/// Connects and subscribes to list 1.
async fn connect(address: SocketAddr, dialect: Dialect) -> Socket {
    let url = format!("ws://{address}/ws/subscribe");
    let connecting = within(ANSWER_TIMEOUT, "the handshake", connect_async(url));
    let (mut socket, _) = connecting.await.unwrap();
    let request = Message::text(dialect.subscribe(1));
    socket.send(request).await.unwrap();
    if dialect == Dialect::V1 {
        let answer = next(&mut socket).await;
        let text = answer.to_text().unwrap();
        assert!(text.starts_with(r#"{"type":"subscribed""#), "{text}");
    }
    // The other dialects acknowledge nothing. But the server handles messages in order, so the pong
    // shows that the request is complete.
    socket.send(Message::Ping("?".into())).await.unwrap();
    let answer = next(&mut socket).await;
    assert!(answer.is_pong(), "expected a pong, got {answer:?}");
    socket
}

async fn next(socket: &mut Socket) -> Message {
    let answer = within(ANSWER_TIMEOUT, "an answer", socket.next()).await;
    answer.unwrap().unwrap()
}

impl Follower {
    async fn run(mut self) -> Result<(), String> {
        loop {
            let phase = *self.phase.borrow_and_update();
            match phase {
                Phase::Read => {}
                Phase::ReadUntil(last) => self.progress.update(&self.sequence, last),
                Phase::Leave => break,
            }
            let phase_change = self.phase.changed();
            select! {
                _ = phase_change => {}
                message = self.socket.next() => {
                    let is_open = self.receive(message);
                    if !is_open {
                        return self.failure.map_or(Ok(()), Err);
                    }
                }
            }
        }
        let ended = self.leave().await;
        self.failure.map_or(ended, Err)
    }

    /// Handles a received message. Returns whether the connection is still open.
    fn receive(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> bool {
        let ended = match message {
            Some(Ok(Message::Text(text))) => {
                // After the first failure, all other frames would fail as well.
                if self.failure.is_none()
                    && let Err(failure) = self.sequence.check(&text)
                {
                    self.fail(failure);
                }
                let frames = self.sequence.frames;
                self.progress.frames.store(frames, Ordering::Relaxed);
                return true;
            }
            Some(Ok(Message::Ping(_))) => return true,
            Some(Ok(Message::Close(close))) => format!("closed by the server, with {close:?}"),
            Some(Ok(other)) => format!("unexpected message: {other:?}"),
            Some(Err(error)) => error.to_string(),
            None => "the end of the stream".to_owned(),
        };
        let last = self.sequence.last;
        self.fail(format!("after {last}: {ended}"));
        false
    }

    fn fail(&mut self, failure: String) {
        self.progress.has_failed.store(true, Ordering::Relaxed);
        self.failure.get_or_insert(failure);
    }

    /// Sends a close frame. After it, only the server's answer may arrive.
    async fn leave(&mut self) -> Result<(), String> {
        let failed = |error: tungstenite::Error| format!("at the close: {error}");
        self.socket.close(None).await.map_err(failed)?;
        loop {
            match within(ANSWER_TIMEOUT, "the answer to a close", self.socket.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Ok(other)) => return Err(format!("{other:?} arrived after the last frame")),
                Some(Err(tungstenite::Error::ConnectionClosed)) | None => return Ok(()),
                Some(Err(error)) => return Err(failed(error)),
            }
        }
    }
}
