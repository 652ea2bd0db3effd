//! What subscribers receive of a model with a filter: soft deletes and drafts, for each kind of
//! write on each database.

mod replays;
mod unknown;

use rest_live::{Live, LiveEntity, testing::Client};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait, QueryFilter,
    TransactionTrait,
    sea_query::Expr,
};
use serde_json::{Value, json};

use crate::{
    entities::post,
    support::{Engine, TestDatabase, database_of},
};

crate::support::on_each_engine! {
    single_writes_leave_and_enter
    stale_models_are_compared_with_the_row
    bulk_writes_are_exact
    transaction_shows_no_state_between
}

// The capture of plain connections applies to the whole process.
mod plain {
    use super::plain_connections_read_the_old_row;

    crate::support::on_each_engine! { @alone plain_connections_read_the_old_row }
}

/// The three states of a post.
#[derive(Clone, Copy)]
enum State {
    Draft,
    Listed,
    Deleted,
}
use State::{Deleted, Draft, Listed};

/// Returns the changes that bring a post to a state.
fn change(id: i32, state: State) -> post::ActiveModel {
    post::ActiveModel {
        id: Set(id),
        published: Set(!matches!(state, Draft)),
        deleted: Set(matches!(state, Deleted)),
        text: NotSet,
        blog_id: NotSet,
    }
}

fn new(id: i32, blog_id: i32, state: State) -> post::ActiveModel {
    post::ActiveModel {
        text: Set(format!("post {id}")),
        blog_id: Set(blog_id),
        ..change(id, state)
    }
}

/// A client of two blogs and of a post.
struct World {
    live: Live,
    client: Client,
    database: TestDatabase,
}

impl World {
    async fn start(engine: Engine) -> Self {
        let (db, database) = database_of(engine).await;
        let live = Live::builder(db).build().unwrap();
        Self::on(live, database).await
    }

    async fn on(live: Live, database: TestDatabase) -> Self {
        let mut client = Client::connect(&live, ());
        for (id, group) in [
            ("blog 1", json!({"blog_id": 1})),
            ("blog 2", json!({"blog_id": 2})),
            ("post 1", json!({"pk": 1})),
        ] {
            client.send_json(subscribe(id, &group, None)).await;
            assert_eq!(client.receive_json().await["type"], "subscribed");
        }
        Self {
            live,
            client,
            database,
        }
    }

    /// Inserts a post, and ignores what the client receives of it.
    async fn given(&mut self, id: i32, blog_id: i32, state: State) -> post::Model {
        let inserted = new(id, blog_id, state).insert(&self.live.db()).await;
        self.client.received().await;
        inserted.unwrap()
    }

    /// Asserts what the client has received, in any order.
    async fn expect<const N: usize>(&mut self, expected: [&str; N]) {
        let mut received = summaries(&self.client.received().await);
        received.sort();
        assert_eq!(received, expected);
    }
}

fn subscribe(id: &str, group: &Value, since: Option<&Value>) -> Value {
    json!({"id": id, "model": "blog.Post", "group": group, "since": since})
}

/// Returns the summaries of frames, without those that end a unit.
fn summaries(frames: &[Value]) -> Vec<String> {
    let frames = frames.iter().filter(|frame| frame["type"] != "unit");
    frames.map(summary).collect()
}

/// Returns the group, the action and the text of a broadcast, or the reset of a subscription.
fn summary(frame: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    if frame["type"] == "reset" {
        return format!("{} reset", text(&frame["id"]));
    }
    assert_eq!(frame["type"], "broadcast", "{frame}");
    let group = frame["group"].as_object().unwrap();
    let (key, value) = group.iter().next().unwrap();
    let key = if key == "pk" { "post" } else { "blog" };
    let (action, text) = (text(&frame["action"]), text(&frame["payload"]["text"]));
    format!("{key} {value} {action} {text}")
}

async fn single_writes_leave_and_enter(engine: Engine) {
    let mut world = World::start(engine).await;
    let db = world.live.db();
    new(1, 1, Draft).insert(&db).await.unwrap();
    world.expect([]).await;
    let draft = post::ActiveModel {
        text: Set("draft".to_owned()),
        ..change(1, Draft)
    };
    draft.update(&db).await.unwrap();
    world.expect([]).await;
    change(1, Listed).update(&db).await.unwrap();
    world
        .expect(["blog 1 CREATED draft", "post 1 CREATED draft"])
        .await;
    let edited = post::ActiveModel {
        id: Set(1),
        text: Set("edited".to_owned()),
        ..Default::default()
    };
    edited.update(&db).await.unwrap();
    world
        .expect(["blog 1 UPDATED edited", "post 1 UPDATED edited"])
        .await;
    // Nothing of the hidden state is in the DELETED.
    let hidden = post::ActiveModel {
        text: Set("hidden".to_owned()),
        ..change(1, Deleted)
    };
    hidden.update_without_returning(&db).await.unwrap();
    world
        .expect(["blog 1 DELETED edited", "post 1 DELETED edited"])
        .await;
    // Restored in another blog.
    let restored = post::ActiveModel {
        blog_id: Set(2),
        ..change(1, Listed)
    };
    restored.update(&db).await.unwrap();
    world
        .expect(["blog 2 CREATED hidden", "post 1 CREATED hidden"])
        .await;
    let moved = post::ActiveModel {
        blog_id: Set(1),
        ..change(1, Draft)
    };
    moved.update(&db).await.unwrap();
    world
        .expect(["blog 2 DELETED hidden", "post 1 DELETED hidden"])
        .await;
    change(1, Draft).delete(&db).await.unwrap();
    world.expect([]).await;
    new(1, 1, Listed).insert(&db).await.unwrap();
    world
        .expect(["blog 1 CREATED post 1", "post 1 CREATED post 1"])
        .await;
    change(1, Listed).delete(&db).await.unwrap();
    world
        .expect(["blog 1 DELETED post 1", "post 1 DELETED post 1"])
        .await;
}

/// The filter is asked about the row in the database, not about the model of the application.
async fn stale_models_are_compared_with_the_row(engine: Engine) {
    let mut world = World::start(engine).await;
    let db = world.live.db();
    let listed = world.given(3, 1, Listed).await;
    let draft = world.given(4, 1, Draft).await;
    change(3, Deleted).update(&db).await.unwrap();
    change(4, Listed).update(&db).await.unwrap();
    world
        .expect(["blog 1 CREATED post 4", "blog 1 DELETED post 3"])
        .await;
    // To the application, the one is still listed, and the other is a draft.
    let mut stale = listed.clone().into_active_model();
    stale.text = Set("stale".to_owned());
    stale.update(&db).await.unwrap();
    world.expect([]).await;
    listed.delete(&db).await.unwrap();
    world.expect([]).await;
    draft.delete(&db).await.unwrap();
    world.expect(["blog 1 DELETED post 4"]).await;
}

async fn bulk_writes_are_exact(engine: Engine) {
    let mut world = World::start(engine).await;
    let db = world.live.db();
    let posts = [
        new(3, 1, Listed),
        new(4, 1, Draft),
        new(5, 2, Listed),
        new(6, 2, Deleted),
    ];
    post::Entity::live_insert_many(posts)
        .exec(&db)
        .await
        .unwrap();
    world
        .expect(["blog 1 CREATED post 3", "blog 2 CREATED post 5"])
        .await;
    let set =
        |column, value: bool| post::Entity::live_update_many().col_expr(column, Expr::value(value));
    let written = set(post::Column::Deleted, true).exec(&db).await.unwrap();
    assert_eq!(written.rows_affected, 4);
    world
        .expect(["blog 1 DELETED post 3", "blog 2 DELETED post 5"])
        .await;
    set(post::Column::Published, true).exec(&db).await.unwrap();
    world.expect([]).await;
    let restore = set(post::Column::Deleted, false).filter(post::Column::BlogId.eq(1));
    restore.exec(&db).await.unwrap();
    world
        .expect(["blog 1 CREATED post 3", "blog 1 CREATED post 4"])
        .await;
    // SeaORM's own bulk update.
    let update = post::Entity::update_many()
        .col_expr(post::Column::Deleted, Expr::value(true))
        .filter(post::Column::Id.eq(3));
    update.exec(&db).await.unwrap();
    if engine == Engine::MariaDb {
        world
            .expect(["blog 1 reset", "blog 2 reset", "post 1 reset"])
            .await;
    } else {
        world.expect(["blog 1 DELETED post 3"]).await;
    }
    // A delete returns the rows, or they are read before it.
    let all = post::Entity::live_delete_many();
    assert_eq!(all.exec(&db).await.unwrap().rows_affected, 4);
    world.expect(["blog 1 DELETED post 4"]).await;
    world.given(7, 1, Listed).await;
    world.given(8, 1, Draft).await;
    let all = post::Entity::delete_many();
    assert_eq!(all.exec(&db).await.unwrap().rows_affected, 2);
    world.expect(["blog 1 DELETED post 7"]).await;
}

async fn transaction_shows_no_state_between(engine: Engine) {
    let mut world = World::start(engine).await;
    world.given(3, 1, Listed).await;
    world.given(4, 1, Draft).await;
    world.given(5, 1, Listed).await;
    let transaction = world.live.db().begin().await.unwrap();
    // It leaves and returns.
    change(3, Deleted).update(&transaction).await.unwrap();
    change(3, Listed).update(&transaction).await.unwrap();
    // It appears and leaves again.
    change(4, Listed).update(&transaction).await.unwrap();
    change(4, Draft).update(&transaction).await.unwrap();
    // It moves while it is hidden.
    change(5, Draft).update(&transaction).await.unwrap();
    let moved = post::ActiveModel {
        blog_id: Set(2),
        ..change(5, Listed)
    };
    moved.update(&transaction).await.unwrap();
    // It is inserted as a draft.
    new(6, 2, Draft).insert(&transaction).await.unwrap();
    change(6, Listed).update(&transaction).await.unwrap();
    world.expect([]).await;
    transaction.commit().await.unwrap();
    world
        .expect([
            "blog 1 DELETED post 5",
            "blog 1 UPDATED post 3",
            "blog 2 CREATED post 5",
            "blog 2 CREATED post 6",
        ])
        .await;
    let transaction = world.live.db().begin().await.unwrap();
    change(3, Deleted).update(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    world.expect([]).await;
}

async fn plain_connections_read_the_old_row(engine: Engine) {
    let mut world = World::start(engine).await;
    world.live.capture_plain_connections();
    let db = world.database.connect().await;
    assert!(!db.is_mock_connection());
    new(3, 1, Draft).insert(&db).await.unwrap();
    world.expect([]).await;
    change(3, Listed).update(&db).await.unwrap();
    world.expect(["blog 1 CREATED post 3"]).await;
    change(3, Deleted).update(&db).await.unwrap();
    world.expect(["blog 1 DELETED post 3"]).await;
    change(3, Deleted).delete(&db).await.unwrap();
    world.expect([]).await;
    db.execute_unprepared("DELETE FROM post").await.unwrap();
}
