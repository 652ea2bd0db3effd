//! What a hostile reader of the library suspected: rights that outlive their end, logs that misbehave, what
//! can be filled up. Each test says what holds.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use rest_live::{
    Cursor, Entry, Epoch, Event, EventLog, Handshake, Live, LogError, Tail, subscribable,
    testing::Client,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection,
    DerivePartialModel, IntoActiveModel, Schema, TransactionTrait,
};
use serde::Serialize;
use serde_json::json;
use tokio::{io::AsyncWriteExt, sync::Semaphore, time::timeout};

use crate::vault::{Person, Vault, ada, bob, folder, granted, subscribe};

pub mod paper {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "paper")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub body: String,
        pub owner: String,
        pub folder_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

/// Folders of which the body may be read; what the database would say.
static READABLE: Mutex<Vec<i32>> = Mutex::new(Vec::new());
/// Of folder 700 the answers of the second question (the first `reauthorize`) wait.
static QUESTIONS: AtomicUsize = AtomicUsize::new(0);
static ASKED: Semaphore = Semaphore::const_new(0);
static ANSWER: Semaphore = Semaphore::const_new(0);

async fn may_read(_: &Person, folder_id: i32, _: &DatabaseConnection) -> bool {
    let may = READABLE.lock().unwrap().contains(&folder_id);
    if folder_id == 700 && QUESTIONS.fetch_add(1, Ordering::SeqCst) == 1 {
        ASKED.add_permits(1);
        ANSWER.acquire().await.unwrap().forget();
    }
    if folder_id == 703 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    may
}

fn owns(person: &Person, paper: &paper::Model) -> bool {
    person.name == paper.owner
}

#[subscribable(model = "vault.Paper", group_key = "folder_id", rank = 1, authorize = may_read)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "paper::Entity")]
struct WholePaper {
    id: i32,
    body: String,
}

#[subscribable(model = "vault.Paper", group_key = "folder_id", check_permission = owns, public, hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "paper::Entity")]
struct OwnPaper {
    id: i32,
}

async fn papers(log: Option<Arc<Fake>>) -> Live<Person> {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(paper::Entity))
        .await
        .unwrap();
    let builder = Live::builder(db)
        .discover(false)
        .users::<Person>()
        .register::<WholePaper>()
        .register::<OwnPaper>();
    match log {
        Some(log) => builder.log(Shared(log)).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

async fn write(live: &Live<Person>, id: i32, folder_id: i32) -> paper::Model {
    let paper = paper::ActiveModel {
        id: Set(id),
        body: Set("secret".to_owned()),
        owner: Set("bob".to_owned()),
        folder_id: Set(folder_id),
    };
    paper.insert(&live.db()).await.unwrap()
}

fn in_folder(id: i32, folder_id: i32) -> serde_json::Value {
    subscribe(id, "vault.Paper", json!({ "folder_id": folder_id }))
}

/// `reauthorize`: "From then on nothing of what was denied is sent". SECURITY.md says it, too.
#[tokio::test]
async fn when_reauthorize_returns_nothing_of_what_was_denied_is_sent() {
    let vault = Vault::open().await;
    vault.admit(1, &ada()).await;
    let (mut slow, mut other) = (vault.client(ada()), vault.client(bob()));
    vault.admit(1, &bob()).await;
    granted(&mut slow, folder(1, 1)).await;
    granted(&mut other, folder(1, 1)).await;
    vault.expel(1, &ada()).await;
    vault.put(1, &bob(), 1).await; // after she was expelled
    other.receive_json().await; // it is dispatched
    assert_eq!(vault.live.reauthorize(|p| p.name == "ada").await, 1);
    let first = slow.receive_json().await;
    assert_eq!(first["type"], "unsubscribed", "{first}");
}

/// Two `reauthorize` overlap: the answer of the first, from before the change, comes last.
#[tokio::test]
async fn an_older_answer_of_reauthorize_does_not_replace_a_newer_one() {
    let live = papers(None).await;
    READABLE.lock().unwrap().push(700);
    let mut client = Client::connect(&live, ada());
    granted(&mut client, in_folder(1, 700)).await; // question 0
    let first = live.reauthorize(|_| true); // question 1: answers yes, late
    let second = async {
        ASKED.acquire().await.unwrap().forget();
        READABLE.lock().unwrap().retain(|f| *f != 700); // the right ends
        live.reauthorize(|_| true).await; // question 2: no
        ANSWER.add_permits(1);
    };
    tokio::join!(first, second);
    assert_eq!(client.receive_json().await["type"], "reset");
    write(&live, 1, 700).await;
    client.receive_nothing().await; // she owns nothing there
}

/// What she held by the serializer that is denied now is gone, or to be fetched again: somebody must say so.
#[tokio::test]
async fn who_loses_one_of_two_serializers_is_told() {
    let live = papers(None).await;
    READABLE.lock().unwrap().push(701);
    let mut client = Client::connect(&live, ada());
    granted(&mut client, in_folder(1, 701)).await;
    let paper = write(&live, 1, 701).await;
    assert_eq!(client.receive_json().await["action"], "CREATED");
    READABLE.lock().unwrap().retain(|f| *f != 701);
    live.reauthorize(|_| true).await;
    paper.into_active_model().delete(&live.db()).await.unwrap();
    let told = timeout(Duration::from_millis(500), client.receive_json()).await;
    assert!(told.is_ok(), "the row is on her screen for ever");
}

/// No GET has ever shown this state: the text was written for bob, in one transaction with the owner.
#[tokio::test]
async fn a_state_that_was_never_committed_is_shown_to_nobody() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    granted(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    let row = vault.put(1, &ada(), 1).await;
    client.receive_json().await;
    let tx = vault.db().begin().await.unwrap();
    let mut row = row.into_active_model();
    row.text = Set("for bob only".to_owned());
    let mut row = row.update(&tx).await.unwrap().into_active_model();
    row.owner = Set("bob".to_owned());
    row.update(&tx).await.unwrap();
    tx.commit().await.unwrap();
    let gone = client.receive_text().await;
    assert!(!gone.contains("for bob only"), "{gone}");
}

/// A reauthorization of bob is nothing to ada.
#[tokio::test]
async fn many_reauthorizations_of_one_user_let_another_subscribe() {
    let live = papers(None).await;
    READABLE.lock().unwrap().push(703);
    let mut client = Client::connect(&live, ada());
    let _busy = tokio::spawn({
        let live = live.clone();
        async move {
            loop {
                live.reauthorize(|p| p.name == "bob").await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    granted(&mut client, in_folder(1, 703)).await;
}

/// A limit of two connections holds two, whatever they send.
#[tokio::test]
async fn a_seat_is_taken_until_the_connection_is_gone() {
    let vault = Vault::with(|limits| limits.connections = Some(2)).await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let (mut near, far) = tokio::io::duplex(4096);
        vault
            .live
            .accept(Handshake::new(ada()), async { Ok((far, Vec::new())) });
        // A masked, empty binary frame: 1003.
        near.write_all(&[0x82, 0x80, 0, 0, 0, 0]).await.unwrap();
        held.push(near);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let connections = vault.live.connections();
    assert!(connections <= 2, "{connections} connections are held");
}

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
    fn append(&self, events: Vec<Event>) -> BoxFuture<'_, Result<(), LogError>> {
        for event in events {
            *self.0.position.lock().unwrap() += 1;
            let entry = Entry::new(self.0.cursor(), Arc::new(event));
            self.0.send.send(Tail::Entries(vec![entry])).unwrap();
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
}

/// The head was read in the old epoch, the subscription begins in the new one.
#[tokio::test]
async fn a_subscription_that_spans_two_epochs_misses_nothing_in_silence() {
    let log = Fake::new();
    let live = papers(Some(Arc::clone(&log))).await;
    READABLE.lock().unwrap().push(702);
    let mut client = Client::connect(&live, ada());
    log.gated.store(true, Ordering::SeqCst);
    let asking = client.send_json(in_folder(1, 702));
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
    let live = papers(Some(Arc::clone(&log))).await;
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
    let live = papers(Some(Fake::new())).await;
    let down = timeout(Duration::from_secs(2), live.shutdown()).await;
    assert!(
        down.is_ok(),
        "it waits out the drain, and then drops the clients without a word"
    );
}

/// Every subscription of one connection names a text of nearly 64 KiB.
#[tokio::test]
async fn a_connection_does_not_pin_megabytes_by_its_keys() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    let mut pinned = 0;
    for id in 1..=128 {
        let owner = format!("{id}{}", "x".repeat(64_000));
        let length = owner.len();
        client
            .send_json(subscribe(id, "vault.Secret", json!({ "owner": owner })))
            .await;
        if client.receive_json().await["type"] == "subscribed" {
            pinned += length;
        }
    }
    assert!(pinned < 1 << 20, "{pinned} bytes");
}

/// What waits for one client is bounded in bytes, answers included.
#[tokio::test]
async fn answers_that_wait_are_bounded_in_bytes() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    for id in 1..=400 {
        let owner = "x".repeat(64_000);
        client
            .send_json(subscribe(id, "vault.Secret", json!({ "owner": owner })))
            .await;
        client
            .send_json(json!({"type": "unsubscribe", "id": id}))
            .await;
    }
    let mut bytes = 0;
    for _ in 0..800 {
        bytes += client.receive_text().await.len();
    }
    assert!(bytes <= 2 * 256 * 1024, "{bytes} bytes waited");
}

#[tokio::test]
async fn a_retrieve_whose_permission_panics_is_counted() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let vault = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        Vault::open().await
    };
    vault.note(1, "unfair").await;
    let mut client = vault.client(bob());
    client
        .send_json(json!({
            "type": "subscribe", "id": 1, "action": "retrieve", "lookup_by": 1, "model": "vault.Note",
        }))
        .await;
    // `pk` of a note has check_permission too: it holds for every key of the struct.
    assert_eq!(client.receive_json().await["code"], 404);
    let panics =
        snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .find_map(|(key, _, _, value)| match (key.key().name(), value) {
                ("rest_live_panics_total", DebugValue::Counter(n)) => Some(n),
                _ => None,
            });
    assert_eq!(panics, Some(1), "SECURITY.md: logged and counted");
}

/// ARCHITECTURE.md, 7: no lock is held while application code runs. A layer of `tracing` is.
#[tokio::test]
async fn no_span_is_closed_under_the_lock_of_the_hub() {
    use std::sync::mpsc;
    use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::Registry};

    struct Closes(Arc<Mutex<Option<Live<Person>>>>, Arc<AtomicUsize>);
    impl Layer<Registry> for Closes {
        fn on_close(&self, _: tracing::span::Id, _: Context<'_, Registry>) {
            let Some(live) = self.0.lock().unwrap().clone() else {
                return;
            };
            let (done, is_done) = mpsc::channel();
            std::thread::spawn(move || {
                live.disconnect(|_| false); // takes the lock
                _ = done.send(());
            });
            if is_done.recv_timeout(Duration::from_millis(300)).is_err() {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
    let (live, held) = (Arc::default(), Arc::<AtomicUsize>::default());
    let layer = Closes(Arc::clone(&live), Arc::clone(&held));
    let _guard = tracing::subscriber::set_default(Registry::default().with(layer));
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    granted(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    *live.lock().unwrap() = Some(vault.live.clone());
    client
        .send_json(json!({"type": "unsubscribe", "id": 1}))
        .await;
    live.lock().unwrap().take();
    assert_eq!(held.load(Ordering::SeqCst), 0);
}

/// Anybody may send it, as often as they like, before any limit.
#[tokio::test]
async fn a_refused_origin_does_not_fill_the_log() {
    #[derive(Clone, Default)]
    struct Bytes(Arc<AtomicUsize>);
    impl std::io::Write for Bytes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.fetch_add(bytes.len(), Ordering::SeqCst);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let vault = Vault::open().await;
    let bytes = Bytes::default();
    let writer = bytes.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // hyper takes headers of up to 400 KB.
    let origin = format!("https://{}", "x".repeat(300_000));
    vault.live.allows_origin(&origin, Some("example.com"));
    let written = bytes.0.load(Ordering::SeqCst);
    assert!(written < 2_000, "{written} bytes of log for one request");
}

/// The warp handler that calls it may be dropped: its client hangs up. A commit goes on then, and so
/// should what takes rights back.
#[tokio::test]
async fn a_reauthorization_that_was_begun_is_done() {
    let live = papers(None).await;
    READABLE.lock().unwrap().push(703); // whose answers take 20 ms
    let mut client = Client::connect(&live, ada());
    granted(&mut client, in_folder(1, 703)).await;
    READABLE.lock().unwrap().retain(|f| *f != 703);
    let given_up = timeout(Duration::from_millis(5), live.reauthorize(|_| true)).await;
    assert!(given_up.is_err());
    assert_eq!(client.receive_json().await["type"], "reset");
    write(&live, 1, 703).await;
    client.receive_nothing().await;
}

pub mod brief {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "brief")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub body: String,
        pub owner: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

fn owns_brief(person: &Person, brief: &brief::Model) -> bool {
    person.name == brief.owner
}

#[subscribable(model = "vault.Brief", check_permission = owns_brief)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "brief::Entity")]
struct GuardedBrief {
    id: i32,
    body: String,
}

/// Another key, and nobody said `public`.
#[subscribable(model = "vault.Brief", group_key = "owner", hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "brief::Entity")]
struct OpenBrief {
    id: i32,
    body: String,
}

/// DESIGN.md, 5: a permission is never half given.
#[tokio::test]
async fn a_model_with_a_permission_has_no_other_key_that_nobody_called_public() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let built = Live::builder(db)
        .discover(false)
        .users::<Person>()
        .register::<GuardedBrief>()
        .register::<OpenBrief>()
        .build();
    assert!(built.is_err(), "every row is open by `owner`");
}
