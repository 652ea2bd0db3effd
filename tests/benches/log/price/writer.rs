//! Who writes, to what, and who hears of it.

use rest_live::{Live, LiveConnection, transport::Outgoing};
use sea_orm::DatabaseConnection;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::model::{SUBSCRIBED, live, plain, subscribe};

/// The list of all rows.
const LIST: i32 = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Insert,
    Update,
    Transaction,
}

impl Write {
    pub const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Transaction];

    pub fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Transaction => "transaction of one update",
        }
    }
}

pub enum Db {
    Plain(DatabaseConnection),
    Live(Live, Witness),
}

pub enum Connection {
    Plain(DatabaseConnection),
    Live(LiveConnection),
}

impl Connection {
    pub async fn write(&self, write: Write, id: i32, n: u32) {
        let written = match (self, write) {
            (Self::Plain(db), Write::Insert) => plain::insert(db, LIST).await,
            (Self::Plain(db), Write::Update) => plain::update(db, id, n).await,
            (Self::Plain(db), Write::Transaction) => plain::transact(db, id, n).await,
            (Self::Live(db), Write::Insert) => live::insert(db, LIST).await,
            (Self::Live(db), Write::Update) => live::update(db, id, n).await,
            (Self::Live(db), Write::Transaction) => live::transact(db, id, n).await,
        };
        written.unwrap();
    }
}

impl Db {
    pub fn connection(&self) -> Connection {
        match self {
            Self::Plain(db) => Connection::Plain(db.clone()),
            Self::Live(live, _) => Connection::Live(live.db()),
        }
    }

    /// Returns how many frames came so far.
    pub fn frames(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Live(_, witness) => witness.heard.borrow().0,
        }
    }

    /// Waits for one frame more; returns when it came, and nothing where nobody hears.
    pub async fn frame_after(&self, before: usize) -> Option<Instant> {
        let Self::Live(_, witness) = self else {
            return None;
        };
        let mut heard = witness.heard.clone();
        let heard = heard.wait_for(|(frames, _)| *frames > before).await;
        Some(heard.unwrap().1)
    }

    /// Waits until nothing comes any more: the next who is measured has the machine for itself.
    pub async fn told(&self) {
        let Self::Live(_, witness) = self else {
            return;
        };
        let mut heard = witness.heard.clone();
        heard.mark_unchanged();
        let quiet = std::time::Duration::from_millis(100);
        while tokio::time::timeout(quiet, heard.changed()).await.is_ok() {}
    }

    pub async fn end(self) {
        if let Self::Live(live, witness) = self {
            witness.task.abort();
            live.shutdown().await;
        }
    }
}

/// A session that hears of all that is written.
pub struct Witness {
    /// How many frames came, and when the last did.
    heard: watch::Receiver<(usize, Instant)>,
    task: JoinHandle<()>,
}

impl Witness {
    pub async fn start(live: &Live) -> Self {
        let session = live.connect(());
        session.receive(&subscribe(1, LIST, None)).await;
        match session.outgoing().await {
            Outgoing::Frames(frames) => assert!(frames[0].as_str().starts_with(SUBSCRIBED)),
            other => panic!("{other:?}"),
        }
        let (hears, heard) = watch::channel((0, Instant::now()));
        let task = tokio::spawn(async move {
            while let Outgoing::Frames(frames) = session.outgoing().await {
                hears.send_modify(|(count, at)| {
                    (*count, *at) = (*count + frames.len(), Instant::now());
                });
            }
        });
        Self { heard, task }
    }
}
