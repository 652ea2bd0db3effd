//! The well-behaved: they read list 1, check each frame, and stay until they are told to go.

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

/// A server that says nothing for so long, where it is to answer, has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the followers are told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Read,
    /// That this was the last number.
    Last(u64),
    Leave,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// All of them.
pub struct Followers {
    tasks: Vec<JoinHandle<Result<(), String>>>,
    word: watch::Sender<Word>,
    progress: Vec<Arc<Progress>>,
}

/// What others may know of one.
#[derive(Default)]
struct Progress {
    frames: AtomicU64,
    has_failed: AtomicBool,
    is_whole: AtomicBool,
}

impl Progress {
    fn look(&self, sequence: &Sequence, last: u64) {
        if sequence.is_whole(last) && !self.has_failed.load(Ordering::Relaxed) {
            self.is_whole.store(true, Ordering::Relaxed);
        }
    }
}

struct Follower {
    socket: Socket,
    sequence: Sequence,
    word: watch::Receiver<Word>,
    progress: Arc<Progress>,
    /// What went wrong first.
    failure: Option<String>,
}

impl Followers {
    /// Returns so many once they are subscribed, each third in one dialect.
    pub async fn subscribe(address: SocketAddr, count: usize) -> Self {
        let (word, listening) = watch::channel(Word::Read);
        let mut followers = Self {
            tasks: Vec::new(),
            word,
            progress: Vec::new(),
        };
        for dialect in Dialect::ALL.into_iter().cycle().take(count) {
            let progress = Arc::<Progress>::default();
            let follower = Follower {
                socket: subscribed(address, dialect).await,
                sequence: Sequence::default(),
                word: listening.clone(),
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

    /// Returns how many frames they read so far, all together.
    pub fn frames(&self) -> u64 {
        let of = |progress: &Arc<Progress>| progress.frames.load(Ordering::Relaxed);
        self.progress.iter().map(of).sum()
    }

    /// Returns how many of them something went wrong with.
    pub fn failed(&self) -> usize {
        let has = |progress: &&Arc<Progress>| progress.has_failed.load(Ordering::Relaxed);
        self.progress.iter().filter(has).count()
    }

    /// Says which number was the last.
    pub fn expect(&self, last: u64) {
        self.word.send_replace(Word::Last(last));
    }

    /// Returns how many have read all.
    pub fn whole(&self) -> usize {
        let is_whole = |progress: &&Arc<Progress>| progress.is_whole.load(Ordering::Relaxed);
        self.progress.iter().filter(is_whole).count()
    }

    /// Returns whether each has read all, or has failed.
    pub fn are_through(&self) -> bool {
        self.whole() + self.failed() >= self.progress.len()
    }

    /// Has them close, and returns what went wrong.
    pub async fn leave(self) -> Vec<String> {
        self.word.send_replace(Word::Leave);
        let mut failures = Vec::new();
        for task in self.tasks {
            failures.extend(task.await.unwrap().err());
        }
        failures
    }
}

/// Connects and subscribes to list 1.
async fn subscribed(address: SocketAddr, dialect: Dialect) -> Socket {
    let url = format!("ws://{address}/ws/subscribe");
    let connecting = within(PATIENCE, "the handshake", connect_async(url));
    let (mut socket, _) = connecting.await.unwrap();
    let request = Message::text(dialect.subscribe(1));
    socket.send(request).await.unwrap();
    if dialect == Dialect::V1 {
        let answer = next(&mut socket).await;
        let text = answer.to_text().unwrap();
        assert!(text.starts_with(r#"{"type":"subscribed""#), "{text}");
    }
    // The others are told nothing: what is behind a request is read once it is carried out.
    socket.send(Message::Ping("?".into())).await.unwrap();
    let answer = next(&mut socket).await;
    assert!(answer.is_pong(), "{answer:?} came instead of a pong");
    socket
}

async fn next(socket: &mut Socket) -> Message {
    let answer = within(PATIENCE, "an answer", socket.next()).await;
    answer.unwrap().unwrap()
}

impl Follower {
    async fn run(mut self) -> Result<(), String> {
        loop {
            let word = *self.word.borrow_and_update();
            match word {
                Word::Read => {}
                Word::Last(last) => self.progress.look(&self.sequence, last),
                Word::Leave => break,
            }
            let word_comes = self.word.changed();
            select! {
                _ = word_comes => {}
                message = self.socket.next() => {
                    let goes_on = self.take(message);
                    if !goes_on {
                        return self.failure.map_or(Ok(()), Err);
                    }
                }
            }
        }
        let ended = self.leave().await;
        self.failure.map_or(ended, Err)
    }

    /// Takes in what came, and returns whether more can come.
    fn take(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> bool {
        let ended = match message {
            Some(Ok(Message::Text(text))) => {
                // After the first thing that is wrong everything else would be, too.
                if self.failure.is_none()
                    && let Err(wrong) = self.sequence.take(&text)
                {
                    self.fail(wrong);
                }
                let frames = self.sequence.frames;
                self.progress.frames.store(frames, Ordering::Relaxed);
                return true;
            }
            Some(Ok(Message::Ping(_))) => return true,
            Some(Ok(Message::Close(close))) => format!("closed by the server, with {close:?}"),
            Some(Ok(other)) => format!("{other:?} came"),
            Some(Err(error)) => error.to_string(),
            None => "the end of the stream".to_owned(),
        };
        let last = self.sequence.last;
        self.fail(format!("behind {last}: {ended}"));
        false
    }

    fn fail(&mut self, wrong: String) {
        self.progress.has_failed.store(true, Ordering::Relaxed);
        self.failure.get_or_insert(wrong);
    }

    /// Closes as one should; nothing more may come but the answer to that.
    async fn leave(&mut self) -> Result<(), String> {
        let failed = |error: tungstenite::Error| format!("at the close: {error}");
        self.socket.close(None).await.map_err(failed)?;
        loop {
            match within(PATIENCE, "the answer to a close", self.socket.next()).await {
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Ok(other)) => return Err(format!("{other:?} came behind the last")),
                Some(Err(tungstenite::Error::ConnectionClosed)) | None => return Ok(()),
                Some(Err(error)) => return Err(failed(error)),
            }
        }
    }
}
