//! Pages and clients that come back: what they hold is what is in the database, however much is written meanwhile.

mod page_load;

use rest_live::{LiveEntity, log::MemoryLog, testing::Client};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::{
    entities::task,
    support::{App, database, task},
};

fn list(id: u32, since: Option<&Value>) -> Value {
    json!({"id": id, "model": "todolist.Task", "group": {"list_id": 1}, "since": since})
}

/// Subscribes anew from a cursor, and returns what comes.
async fn resumed(app: &App, since: &Value) -> Vec<Value> {
    let mut client = Client::connect(&app.live, ());
    client.receive_nothing().await;
    client.send_json(list(1, Some(since))).await;
    client.received().await
}

/// Returns a client that is subscribed, so that all is handed out at once, and its cursor.
async fn subscribed(app: &App) -> (Client, Value) {
    let mut client = Client::connect(&app.live, ());
    client.send_json(list(1, None)).await;
    let cursor = client.receive_json().await["cursor"].clone();
    (client, cursor)
}

#[tokio::test]
async fn who_has_missed_too_much_is_told_to_fetch_again() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    // Fewer rows than may wait, and more changes of them than are looked through.
    for change in 0..4001 {
        let id = change % 10 + 1;
        let text = change.to_string();
        let task = task(id, &text, 1);
        match change < 10 {
            true => task.insert(&app.db()).await.unwrap(),
            false => task.update(&app.db()).await.unwrap(),
        };
    }
    let told = resumed(&app, &since).await;
    assert_eq!(told[0]["recovered"], false, "{told:?}");
    assert_eq!(told[1]["reason"], "too_far", "{told:?}");
    assert_eq!(told[0]["cursor"], told[1]["cursor"]);
    assert_eq!(told.len(), 2);

    let after = told[0]["cursor"].clone();
    assert_eq!(
        resumed(&app, &after).await.len(),
        1,
        "it goes on from there"
    );
}

/// As much as waits for a client that does not read.
#[tokio::test]
async fn who_has_missed_more_rows_than_may_wait_is_told_to_fetch_again() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    let rows = |ids: std::ops::RangeInclusive<i32>| ids.map(|id| task(id, "a", 1));
    task::Entity::live_insert_many(rows(1..=512))
        .exec(&app.db())
        .await
        .unwrap();
    assert_eq!(resumed(&app, &since).await.len(), 1 + 512);
    task::Entity::live_insert_many(rows(513..=513))
        .exec(&app.db())
        .await
        .unwrap();
    assert_eq!(resumed(&app, &since).await[1]["reason"], "too_far");
}

#[tokio::test]
async fn who_has_missed_rows_that_are_not_known_is_told_to_fetch_again() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    task(1, "a", 1).insert(&app.db()).await.unwrap();
    // Its group column is set by an expression: nobody knows from where a row comes.
    task::Entity::update_many()
        .col_expr(task::Column::ListId, sea_orm::sea_query::Expr::value(1))
        .filter(task::Column::Id.eq(1))
        .exec(&app.db())
        .await
        .unwrap();
    let told = resumed(&app, &since).await;
    assert_eq!(told[0]["recovered"], false, "{told:?}");
    assert_eq!(told[1]["reason"], "bulk", "{told:?}");
}

#[tokio::test]
async fn an_id_that_is_taken_back_takes_back_what_it_missed() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    task(1, "a", 1).insert(&app.db()).await.unwrap();
    let mut client = Client::connect(&app.live, ());
    client.receive_nothing().await;
    // All before anything is read.
    client.send_json(list(1, Some(&since))).await;
    client
        .send_json(json!({"type": "unsubscribe", "id": 1}))
        .await;
    let told = client.received().await;
    let types: Vec<_> = told.iter().map(|frame| &frame["type"]).collect();
    assert_eq!(types, ["subscribed", "unsubscribed"], "{told:?}");
}

#[tokio::test]
async fn who_comes_from_before_all_that_is_kept_is_told_to_fetch_again() {
    let (db, _database) = database().await;
    let live = rest_live::Live::builder(db)
        .replay_capacity(4)
        .build()
        .unwrap();
    let mut client = Client::connect(&live, ());
    client.send_json(list(1, None)).await;
    let mut cursors = vec![client.receive_json().await["cursor"].clone()];
    for id in 1..=5 {
        task(id, "a", 1).insert(&live.db()).await.unwrap();
        cursors.push(client.receive_json().await["cursor"].clone());
    }
    for (since, recovered) in cursors[..2].iter().zip([false, true]) {
        let mut other = Client::connect(&live, ());
        other.send_json(list(1, Some(since))).await;
        let told = other.received().await;
        assert_eq!(told[0]["recovered"], recovered, "{told:?}");
        match recovered {
            true => assert_eq!(told.len(), 1 + 4, "{told:?}"),
            false => assert_eq!(told[1]["reason"], "expired", "{told:?}"),
        }
    }
}

/// A log that keeps less than the server does, and has begun before it: what the server has is enough.
#[tokio::test]
async fn what_the_log_has_forgotten_is_known_to_the_server() {
    let (db, _database) = database().await;
    let live = rest_live::Live::builder(db)
        .log(MemoryLog::new(4))
        .build()
        .unwrap();
    let mut client = Client::connect(&live, ());
    client.send_json(list(1, None)).await;
    let since = client.receive_json().await["cursor"].clone();
    for id in 1..=20 {
        task(id, "a", 1).insert(&live.db()).await.unwrap();
        client.receive_json().await;
    }
    let mut update = task(1, "b", 1);
    update.text = Set("b".to_owned());
    update.update(&live.db()).await.unwrap();
    let mut other = Client::connect(&live, ());
    other.receive_nothing().await;
    other.send_json(list(1, Some(&since))).await;
    let told = other.received().await;
    assert_eq!(told.len(), 1 + 20, "{told:?}");
    // In the order in which the rows last changed.
    assert_eq!(told[20]["payload"]["text"], "b");
}
