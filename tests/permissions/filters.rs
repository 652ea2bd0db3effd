//! A filter together with `check_permission`, and several serializers with ranks.

use rest_live::{Live, subscribable, testing::Client};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection,
    DerivePartialModel, EntityTrait, Schema, TransactionTrait,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::vault::{Person, ada, bob, subscribe};

pub mod post {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "post")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub text: String,
        pub blog_id: i32,
        pub published: bool,
        /// Whether only friends may see it.
        pub private: bool,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

fn is_published(post: &post::Model) -> bool {
    post.published
}

fn is_editor(person: &Person, _: &post::Model) -> bool {
    person.name == "editor"
}

fn may_read(person: &Person, post: &post::Model) -> bool {
    // A permission is never asked about a row that the filter hides.
    assert!(post.published, "asked about a draft");
    !post.private || *person == ada()
}

/// What editors see of every post.
#[subscribable(model = "blog.Post", group_key = "blog_id", rank = 1, check_permission = is_editor)]
#[subscribable]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "post::Entity")]
struct EditorsPost {
    id: i32,
    text: String,
    published: bool,
}

/// What readers see of the published posts.
#[subscribable(model = "blog.Post", group_key = "blog_id", filter = is_published, check_permission = may_read, hooks = false)]
#[subscribable]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "post::Entity")]
struct ReadersPost {
    id: i32,
    text: String,
}

/// An editor, a reader who is a friend, and another reader.
struct World {
    db: DatabaseConnection,
    live: Live<Person>,
    clients: [Client<Person>; 3],
    since: Value,
}

const EDITOR: Person = Person { name: "editor" };

impl World {
    async fn open() -> Self {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        let schema = Schema::new(db.get_database_backend());
        db.execute(&schema.create_table_from_entity(post::Entity))
            .await
            .unwrap();
        let live = Live::<Person>::builder(db.clone())
            .discover(false)
            .register::<EditorsPost>()
            .register::<ReadersPost>()
            .build()
            .unwrap();
        let mut since = Value::Null;
        let mut clients = [EDITOR, ada(), bob()].map(|person| Client::connect(&live, person));
        for client in &mut clients {
            client
                .send_json(subscribe(1, "blog.Post", json!({"blog_id": 1})))
                .await;
            since = client.receive_json().await["cursor"].clone();
        }
        Self {
            db,
            live,
            clients,
            since,
        }
    }

    /// Asserts what each of the three has received.
    async fn expect(&mut self, expected: [&[&str]; 3]) {
        for (client, expected) in self.clients.iter_mut().zip(expected) {
            let mut received = client.received().await;
            received.retain(|frame| frame["type"] != "unit");
            let received: Vec<_> = received.iter().map(summary).collect();
            assert_eq!(received, expected);
        }
    }
}

/// Returns the action and the text of a broadcast, and what editors see.
fn summary(frame: &Value) -> String {
    let (action, text) = (&frame["action"], &frame["payload"]["text"]);
    let as_editor = match &frame["payload"]["published"] {
        Value::Bool(published) => format!(" {published}"),
        _ => String::new(),
    };
    let text = text.as_str().unwrap_or("-");
    format!("{} {text}{as_editor}", action.as_str().unwrap_or("-"))
}

fn new(text: &str, published: bool, private: bool) -> post::ActiveModel {
    post::ActiveModel {
        id: Set(1),
        text: Set(text.to_owned()),
        blog_id: Set(1),
        published: Set(published),
        private: Set(private),
    }
}

#[tokio::test]
async fn each_user_sees_a_draft_by_rank() {
    let mut world = World::open().await;
    let db = world.live.db();
    new("draft", false, true).insert(&db).await.unwrap();
    world.expect([&["CREATED draft false"], &[], &[]]).await;
    new("private", true, true).update(&db).await.unwrap();
    world
        .expect([&["UPDATED private true"], &["CREATED private"], &[]])
        .await;
    new("public", true, false).update(&db).await.unwrap();
    world
        .expect([
            &["UPDATED public true"],
            &["UPDATED public"],
            &["CREATED public"],
        ])
        .await;
    new("secret", false, false).update(&db).await.unwrap();
    world
        .expect([
            &["UPDATED secret false"],
            &["DELETED public"],
            &["DELETED public"],
        ])
        .await;
    let moved = post::ActiveModel {
        blog_id: Set(2),
        ..new("moved", true, false)
    };
    moved.update(&db).await.unwrap();
    world.expect([&["DELETED secret false"], &[], &[]]).await;
    new("back", true, false).update(&db).await.unwrap();
    world
        .expect([&["CREATED back true"], &["CREATED back"], &["CREATED back"]])
        .await;
    post::Entity::delete_by_id(1).exec(&db).await.unwrap();
    world
        .expect([&["DELETED back true"], &["DELETED back"], &["DELETED back"]])
        .await;
}

#[tokio::test]
async fn transaction_and_resume_respect_both() {
    let mut world = World::open().await;
    let db = world.live.db();
    new("first", true, false).insert(&db).await.unwrap();
    for client in &mut world.clients {
        world.since = client.receive_json().await["cursor"].clone();
    }
    // A state that was never committed is shown to no reader.
    let transaction = db.begin().await.unwrap();
    new("leak", true, false).update(&transaction).await.unwrap();
    new("private", true, true)
        .update(&transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    world
        .expect([
            &["UPDATED private true"],
            &["UPDATED private"],
            &["DELETED first"],
        ])
        .await;
    new("draft", false, false).update(&db).await.unwrap();
    world
        .expect([&["UPDATED draft false"], &["DELETED private"], &[]])
        .await;
    for (person, expected) in [
        (EDITOR, "UPDATED draft false"),
        (ada(), "DELETED private"),
        (bob(), "DELETED first"),
    ] {
        let mut client = Client::connect(&world.live, person);
        let mut request = subscribe(1, "blog.Post", json!({"blog_id": 1}));
        request["since"] = world.since.clone();
        client.send_json(request).await;
        assert_eq!(client.receive_json().await["recovered"], true);
        let replayed: Vec<_> = client.received().await.iter().map(summary).collect();
        assert_eq!(replayed, [expected]);
    }
}

#[tokio::test]
async fn hidden_row_exists_only_for_editors() {
    let world = World::open().await;
    new("draft", false, false).insert(&world.db).await.unwrap();
    let retrieve = json!({
        "type": "subscribe", "id": 1, "action": "retrieve", "lookup_by": 1,
        "view_kwargs": {}, "query_params": {}, "model": "blog.Post",
    });
    let mut reader = Client::connect(&world.live, ada());
    reader.send_json(retrieve.clone()).await;
    assert_eq!(reader.receive_json().await["code"], 404);
    let mut editor = Client::connect(&world.live, EDITOR);
    editor.send_json(retrieve).await;
    editor.receive_nothing().await;
}
