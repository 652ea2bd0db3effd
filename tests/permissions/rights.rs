//! Rights that change while a client is connected: of one serializer out of two, with answers that
//! arrive out of order, in a transaction, and with a `reauthorize` that is dropped.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rest_live::{
    Live,
    log::{EventLog, MemoryLog},
    subscribable,
    testing::Client,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection,
    DerivePartialModel, IntoActiveModel, Schema, TransactionTrait,
};
use serde::Serialize;
use serde_json::json;
use tokio::{sync::Semaphore, time::timeout};

use crate::vault::{Person, Vault, ada, bob, expect_subscribed, folder, subscribe};

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

/// Folders whose papers may be read in full. It stands for a table of the database.
pub static READABLE: Mutex<Vec<i32>> = Mutex::new(Vec::new());
/// Calls of `may_read` for folder 700. The second call (the first `reauthorize`) waits for
/// `CALL_MAY_END`.
static CALLS: AtomicUsize = AtomicUsize::new(0);
static CALL_STARTED: Semaphore = Semaphore::const_new(0);
static CALL_MAY_END: Semaphore = Semaphore::const_new(0);

async fn may_read(_: &Person, folder_id: i32, _: &DatabaseConnection) -> bool {
    let may = READABLE.lock().unwrap().contains(&folder_id);
    if folder_id == 700 && CALLS.fetch_add(1, Ordering::SeqCst) == 1 {
        CALL_STARTED.add_permits(1);
        CALL_MAY_END.acquire().await.unwrap().forget();
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

pub async fn live_with_papers(log: Option<impl EventLog>) -> Live<Person> {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(paper::Entity))
        .await
        .unwrap();
    let builder = Live::<Person>::builder(db)
        .discover(false)
        .register::<WholePaper>()
        .register::<OwnPaper>();
    match log {
        Some(log) => builder.log(log).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

pub async fn insert_paper(live: &Live<Person>, id: i32, folder_id: i32) -> paper::Model {
    let paper = paper::ActiveModel {
        id: Set(id),
        body: Set("secret".to_owned()),
        owner: Set("bob".to_owned()),
        folder_id: Set(folder_id),
    };
    paper.insert(&live.db()).await.unwrap()
}

pub fn subscribe_to_papers(id: i32, folder_id: i32) -> serde_json::Value {
    subscribe(id, "vault.Paper", json!({ "folder_id": folder_id }))
}

/// When `reauthorize` has returned, nothing that was denied is sent any more. SECURITY.md promises
/// the same.
#[tokio::test]
async fn nothing_denied_is_sent_after_reauthorize() {
    let vault = Vault::open().await;
    vault.admit(1, &ada()).await;
    let (mut slow, mut other) = (vault.client(ada()), vault.client(bob()));
    vault.admit(1, &bob()).await;
    expect_subscribed(&mut slow, folder(1, 1)).await;
    expect_subscribed(&mut other, folder(1, 1)).await;
    vault.expel(1, &ada()).await;
    vault.insert_secret(1, &bob(), 1).await; // after Ada was expelled
    other.receive_json().await; // the event is dispatched
    assert_eq!(vault.live.reauthorize(|p| p.name == "ada").await, 1);
    let first = slow.receive_json().await;
    assert_eq!(first["type"], "unsubscribed", "{first}");
}

/// Two calls of `reauthorize` overlap. The answer of the first one is from before the change, and
/// arrives last.
#[tokio::test]
async fn stale_reauthorize_answer_is_ignored() {
    let live = live_with_papers(None::<MemoryLog>).await;
    READABLE.lock().unwrap().push(700);
    let mut client = Client::connect(&live, ada());
    expect_subscribed(&mut client, subscribe_to_papers(1, 700)).await; // call 0
    let first = live.reauthorize(|_| true); // call 1: answers yes, late
    let second = async {
        CALL_STARTED.acquire().await.unwrap().forget();
        READABLE.lock().unwrap().retain(|f| *f != 700); // the right ends
        live.reauthorize(|_| true).await; // call 2: answers no
        CALL_MAY_END.add_permits(1);
    };
    tokio::join!(first, second);
    assert_eq!(client.receive_json().await["type"], "reset");
    insert_paper(&live, 1, 700).await;
    client.receive_nothing().await; // Ada owns no paper in this folder
}

/// The client still shows rows of the serializer that is now denied. The server must send a frame
/// that makes it drop or fetch them.
#[tokio::test]
async fn losing_one_serializer_is_reported() {
    let live = live_with_papers(None::<MemoryLog>).await;
    READABLE.lock().unwrap().push(701);
    let mut client = Client::connect(&live, ada());
    expect_subscribed(&mut client, subscribe_to_papers(1, 701)).await;
    let paper = insert_paper(&live, 1, 701).await;
    assert_eq!(client.receive_json().await["action"], "CREATED");
    READABLE.lock().unwrap().retain(|f| *f != 701);
    live.reauthorize(|_| true).await;
    paper.into_active_model().delete(&live.db()).await.unwrap();
    let frame = timeout(Duration::from_millis(500), client.receive_json()).await;
    assert!(frame.is_ok(), "the client shows the row for ever");
}

/// A transaction first changes the text and then the owner. The state between the two writes is
/// never committed, and no GET ever returns it.
#[tokio::test]
async fn uncommitted_state_is_not_sent() {
    let vault = Vault::open().await;
    let mut client = vault.client(ada());
    expect_subscribed(&mut client, subscribe(1, "vault.Secret", json!({"pk": 1}))).await;
    let row = vault.insert_secret(1, &ada(), 1).await;
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

/// A reauthorization of Bob must not delay Ada's subscription.
#[tokio::test]
async fn reauthorizing_others_does_not_block_subscribe() {
    let live = live_with_papers(None::<MemoryLog>).await;
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
    expect_subscribed(&mut client, subscribe_to_papers(1, 703)).await;
}

/// When a client hangs up, warp drops the handler that called `reauthorize`. Like a commit, a
/// reauthorization that has begun must then still complete.
#[tokio::test]
async fn dropped_reauthorize_still_completes() {
    let live = live_with_papers(None::<MemoryLog>).await;
    READABLE.lock().unwrap().push(703); // its answers take 20 ms
    let mut client = Client::connect(&live, ada());
    expect_subscribed(&mut client, subscribe_to_papers(1, 703)).await;
    READABLE.lock().unwrap().retain(|f| *f != 703);
    let outcome = timeout(Duration::from_millis(5), live.reauthorize(|_| true)).await;
    assert!(outcome.is_err());
    assert_eq!(client.receive_json().await["type"], "reset");
    insert_paper(&live, 1, 703).await;
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

/// Has another key, without a permission and without `public`.
#[subscribable(model = "vault.Brief", group_key = "owner", hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "brief::Entity")]
struct OpenBrief {
    id: i32,
    body: String,
}

/// A model with a permission must not be readable through another key by mistake.
#[tokio::test]
async fn guarded_model_rejects_undeclared_open_key() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let built = Live::<Person>::builder(db)
        .discover(false)
        .register::<GuardedBrief>()
        .register::<OpenBrief>()
        .build();
    assert!(built.is_err(), "every row is readable by `owner`");
}

static AUTHORIZE_CALLS: AtomicUsize = AtomicUsize::new(0);

async fn count_call(_: &Person, _: String, _: &DatabaseConnection) -> bool {
    AUTHORIZE_CALLS.fetch_add(1, Ordering::SeqCst);
    true
}

#[subscribable(model = "vault.Counted", group_key = "owner", authorize = count_call, rank = 1, check_permission = owns_brief, hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "brief::Entity")]
struct WholeBrief {
    id: i32,
    body: String,
}

#[subscribable(model = "vault.Counted", group_key = "owner", authorize = count_call, hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "brief::Entity")]
struct ShortBrief {
    id: i32,
}

/// Two serializers share one `authorize`, so one call per subscription is enough.
#[tokio::test]
async fn shared_authorize_is_called_once() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let live = Live::<Person>::builder(db)
        .discover(false)
        .register::<WholeBrief>()
        .register::<ShortBrief>()
        .build()
        .unwrap();
    let mut client = Client::connect(&live, ada());
    let group = json!({"owner": "ada"});
    expect_subscribed(&mut client, subscribe(1, "vault.Counted", group)).await;
    assert_eq!(AUTHORIZE_CALLS.load(Ordering::SeqCst), 1);
    live.reauthorize(|_| true).await;
    assert_eq!(AUTHORIZE_CALLS.load(Ordering::SeqCst), 2);
}
