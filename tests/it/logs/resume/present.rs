//! A resume reaches the present: rows that were committed before the request never arrive in older
//! states.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::BoxFuture, stream::BoxStream};
use rest_live::{
    Live,
    log::{
        Cursor, Entry, Epoch, EventLog, LogError, MemoryLog, Operation, ReadError, Record,
        StoredEvent, Tail,
    },
    testing::Client,
};
use rest_live_outbox::OutboxLog;
use sea_orm::{ActiveModelTrait, TransactionTrait};
use serde_json::{Value, json};
use tokio::{sync::watch, time::timeout};

use super::list;
use crate::support::{LogKind, ScriptedLog, Servers, database, soon, task};

/// Number of updates of one row.
const UPDATES: i32 = 10;

/// Returns a cursor of the server's log. No client is subscribed afterwards.
async fn cursor(live: &Live) -> Value {
    let mut client = Client::connect(live, ());
    client.send_json(list(1, None)).await;
    client.receive_json().await["cursor"].clone()
}

/// Updates a row that exists on one server, and resumes from before it at another.
async fn check(writer: &Live, reader: &Live) {
    task(1, "0", 1).insert(&writer.db()).await.unwrap();
    let since = cursor(reader).await;
    for text in 1..=UPDATES {
        let update = task(1, &text.to_string(), 1);
        update.update(&writer.db()).await.unwrap();
    }
    let mut client = Client::connect(reader, ());
    client.send_json(list(2, Some(&since))).await;
    let subscribed = client.receive_json().await;
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    let broadcast = client.receive_json().await;
    assert_eq!(broadcast["payload"]["text"], "10", "{broadcast}");
    // Everything that comes later is a later change.
    task(2, "after", 1).insert(&writer.db()).await.unwrap();
    let next = client.receive_json().await;
    assert_eq!(next["payload"]["text"], "after", "{next}");
}

#[tokio::test]
async fn unread_updates_are_replayed_as_one() {
    for kind in [LogKind::Memory, LogKind::Redis, LogKind::Outbox] {
        let servers = Servers::start(kind).await;
        let live = servers.live().await;
        check(&live, &live).await;
    }
}

#[tokio::test]
async fn updates_of_another_server_are_one_broadcast() {
    for kind in [LogKind::Redis, LogKind::Outbox] {
        let servers = Servers::start(kind).await;
        check(&servers.live().await, &servers.live().await).await;
    }
}

/// A transaction has drawn an earlier position, and stays open.
#[tokio::test]
async fn open_transaction_delays_no_resume() {
    let servers = Servers::start(LogKind::Outbox).await;
    let live = servers.live().await;
    // The first position of the log must be proven before.
    task(9, "first", 2).insert(&live.db()).await.unwrap();
    cursor(&live).await;
    let log = OutboxLog::open(servers.plain.clone()).await.unwrap();
    let open = servers.plain.begin().await.unwrap();
    let event = StoredEvent {
        model: "another.Model".to_owned(),
        operation: Operation::Reset,
        key: None,
        old: Vec::new(),
        new: None,
        scope: None,
        captured: 0,
        node: None,
        began: None,
        following: 0,
    };
    log.append_stored_in(&open, &[event]).await.unwrap();
    timeout(Duration::from_secs(5), check(&live, &live))
        .await
        .expect("the resume must not wait for the open transaction");
    open.rollback().await.unwrap();
}

/// A log in memory that another process could share, and whose tail a test can hold.
#[derive(Clone, Debug)]
struct HeldLog {
    log: MemoryLog,
    is_held: watch::Sender<bool>,
}

impl EventLog for HeldLog {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        self.log.append(events)
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        let is_held = self.is_held.subscribe();
        let tail = self.log.tail().then(move |tail| {
            let mut is_held = is_held.clone();
            async move {
                is_held.wait_for(|is_held| !is_held).await.unwrap();
                tail
            }
        });
        tail.boxed()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        self.log.head()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        self.log.read(after, limit)
    }
}

#[tokio::test]
async fn lagging_server_answers_at_the_present() {
    let (db, _database) = database().await;
    let log = HeldLog {
        log: MemoryLog::default(),
        is_held: watch::Sender::new(false),
    };
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    task(1, "0", 1).insert(&live.db()).await.unwrap();
    let since = cursor(&live).await;
    log.is_held.send_replace(true);
    for text in 1..=UPDATES {
        let update = task(1, &text.to_string(), 1);
        update.update(&live.db()).await.unwrap();
    }
    let mut client = Client::connect(&live, ());
    let mut resume = Box::pin(client.send_json(list(1, Some(&since))));
    let early = timeout(Duration::from_millis(50), &mut resume).await;
    early.expect_err("the server has not read the updates");
    log.is_held.send_replace(false);
    soon("the answer", resume).await;
    let frames = client.received().await;
    let texts: Vec<_> = frames[1..].iter().map(|f| &f["payload"]["text"]).collect();
    assert_eq!(texts, ["10"], "{frames:?}");
}

/// A thousand clients resume at once.
#[tokio::test]
async fn many_resumes_ask_the_log_few_times() {
    let servers = Servers::start(LogKind::Redis).await;
    let redis = servers.redis().unwrap();
    let live = servers.live().await;
    let since = cursor(&live).await;
    let calls = async || {
        let info: String = redis.ask("INFO commandstats").await;
        let evals = info.lines().find(|line| line.starts_with("cmdstat_eval:"));
        let calls = evals.and_then(|line| line.split(['=', ',']).nth(1));
        calls.map_or(0, |calls| calls.parse::<u32>().unwrap())
    };
    let before = calls().await;
    let live = Arc::new(live);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (live, since) = (Arc::clone(&live), since.clone());
        clients.spawn(async move {
            let mut client = Client::connect(&live, ());
            client.send_json(list(1, Some(&since))).await;
            client.receive_json().await
        });
    }
    for answer in clients.join_all().await {
        assert_eq!(answer["recovered"], true, "{answer}");
    }
    let asked = calls().await - before;
    assert!(asked < 100, "{asked} requests for 1000 clients");
}

#[tokio::test]
async fn resume_without_the_log_is_unavailable() {
    let (db, _database) = database().await;
    let start = Cursor {
        epoch: Epoch::random(),
        position: 7,
    };
    let log = ScriptedLog::new(start.clone());
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    log.tell(Tail::Begin(start.clone()));
    let since = json!(start.to_string());
    let mut client = Client::connect(&live, ());
    client.send_json(list(1, Some(&since))).await;
    assert_eq!(client.receive_json().await["recovered"], true);
    log.break_down();
    client.send_json(list(2, Some(&since))).await;
    let error = client.receive_json().await;
    assert_eq!(
        (&error["id"], &error["code"], &error["retry"]),
        (&json!(2), &json!(503), &json!(true))
    );
}
