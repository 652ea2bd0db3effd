//! The writes, the connection that they use, and a session that receives them.

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

    /// Returns how many frames the witness has received.
    pub fn frames(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Live(_, witness) => witness.received.borrow().0,
        }
    }

    /// Waits for the next frame, and returns when it arrived. `None`: there is no witness.
    pub async fn frame_after(&self, before: usize) -> Option<Instant> {
        let Self::Live(_, witness) = self else {
            return None;
        };
        let mut received = witness.received.clone();
        let received = received.wait_for(|(frames, _)| *frames > before).await;
        Some(received.unwrap().1)
    }

    /// Waits until no frame arrives any more, so that the next measurement has the machine to
    /// itself.
    pub async fn wait_until_quiet(&self) {
        let Self::Live(_, witness) = self else {
            return;
        };
        let mut received = witness.received.clone();
        received.mark_unchanged();
        let quiet = std::time::Duration::from_millis(100);
        while tokio::time::timeout(quiet, received.changed())
            .await
            .is_ok()
        {}
    }

    pub async fn end(self) {
        if let Self::Live(live, witness) = self {
            witness.task.abort();
            live.shutdown().await;
        }
    }
}

/// A session that receives all writes.
pub struct Witness {
    /// How many frames have arrived, and when the last one did.
    received: watch::Receiver<(usize, Instant)>,
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
        let (sender, received) = watch::channel((0, Instant::now()));
        let task = tokio::spawn(async move {
            while let Outgoing::Frames(frames) = session.outgoing().await {
                sender.send_modify(|(count, at)| {
                    (*count, *at) = (*count + frames.len(), Instant::now());
                });
            }
        });
        Self { received, task }
    }
}
