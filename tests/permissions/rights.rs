//! Rights that change while connected: by one serializer of two, by answers that overtake each other, by a
//! transaction, by who gives up waiting.

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
pub static READABLE: Mutex<Vec<i32>> = Mutex::new(Vec::new());
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

pub async fn papers(log: Option<impl EventLog>) -> Live<Person> {
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

pub async fn write(live: &Live<Person>, id: i32, folder_id: i32) -> paper::Model {
    let paper = paper::ActiveModel {
        id: Set(id),
        body: Set("secret".to_owned()),
        owner: Set("bob".to_owned()),
        folder_id: Set(folder_id),
    };
    paper.insert(&live.db()).await.unwrap()
}

pub fn in_folder(id: i32, folder_id: i32) -> serde_json::Value {
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
    let live = papers(None::<MemoryLog>).await;
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
    let live = papers(None::<MemoryLog>).await;
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
    let live = papers(None::<MemoryLog>).await;
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

/// The warp handler that calls it may be dropped: its client hangs up. A commit goes on then, and so
/// should what takes rights back.
#[tokio::test]
async fn a_reauthorization_that_was_begun_is_done() {
    let live = papers(None::<MemoryLog>).await;
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
    let built = Live::<Person>::builder(db)
        .discover(false)
        .register::<GuardedBrief>()
        .register::<OpenBrief>()
        .build();
    assert!(built.is_err(), "every row is open by `owner`");
}

static COUNTED: AtomicUsize = AtomicUsize::new(0);

async fn counts(_: &Person, _: String, _: &DatabaseConnection) -> bool {
    COUNTED.fetch_add(1, Ordering::SeqCst);
    true
}

#[subscribable(model = "vault.Counted", group_key = "owner", authorize = counts, rank = 1, check_permission = owns_brief, hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "brief::Entity")]
struct WholeBrief {
    id: i32,
    body: String,
}

#[subscribable(model = "vault.Counted", group_key = "owner", authorize = counts, hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "brief::Entity")]
struct ShortBrief {
    id: i32,
}

/// A query for each serializer would be one too many.
#[tokio::test]
async fn one_function_of_several_serializers_is_asked_once_a_subscription() {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let live = Live::<Person>::builder(db)
        .discover(false)
        .register::<WholeBrief>()
        .register::<ShortBrief>()
        .build()
        .unwrap();
    let mut client = Client::connect(&live, ada());
    let group = json!({"owner": "ada"});
    granted(&mut client, subscribe(1, "vault.Counted", group)).await;
    assert_eq!(COUNTED.load(Ordering::SeqCst), 1);
    live.reauthorize(|_| true).await;
    assert_eq!(COUNTED.load(Ordering::SeqCst), 2);
}
