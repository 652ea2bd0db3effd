//! Clients that resume from a cursor hold what is in the database, even during heavy writes.

mod cached_page;
mod page_load;
mod present;

use rest_live::{LiveEntity, log::MemoryLog, testing::Client};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait};
use serde_json::{Value, json};

use crate::{
    entities::task,
    support::{App, database, task},
};

fn list(id: u32, since: Option<&Value>) -> Value {
    json!({"id": id, "model": "todolist.Task", "group": {"list_id": 1}, "since": since})
}

/// Subscribes from a cursor on a new connection, and returns the frames.
async fn resume(app: &App, since: &Value) -> Vec<Value> {
    let mut client = Client::connect(&app.live, ());
    client.receive_nothing().await;
    client.send_json(list(1, Some(since))).await;
    client.received().await
}

/// Returns a subscribed client and its cursor. With it, the server dispatches every change at once.
async fn subscribed(app: &App) -> (Client, Value) {
    let mut client = Client::connect(&app.live, ());
    client.send_json(list(1, None)).await;
    let cursor = client.receive_json().await["cursor"].clone();
    (client, cursor)
}

#[tokio::test]
async fn too_many_missed_changes_are_a_reset() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    // Few rows, but more changes than a resume looks through.
    for change in 0..4001 {
        let id = change % 10 + 1;
        let text = change.to_string();
        let task = task(id, &text, 1);
        if change < 10 {
            task.insert(&app.db()).await.unwrap();
        } else {
            task.update(&app.db()).await.unwrap();
        }
    }
    let frames = resume(&app, &since).await;
    assert_eq!(frames[0]["recovered"], false, "{frames:?}");
    assert_eq!(frames[1]["reason"], "too_far", "{frames:?}");
    assert_eq!(frames[0]["cursor"], frames[1]["cursor"]);
    assert_eq!(frames.len(), 2);

    let after = frames[0]["cursor"].clone();
    assert_eq!(
        resume(&app, &after).await.len(),
        1,
        "the client continues from there"
    );
}

/// The limit is as many rows as may wait for a client that does not read.
#[tokio::test]
async fn too_many_missed_rows_are_a_reset() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    let rows = |ids: std::ops::RangeInclusive<i32>| ids.map(|id| task(id, "a", 1));
    task::Entity::live_insert_many(rows(1..=512))
        .exec(&app.db())
        .await
        .unwrap();
    // The last frame ends the unit.
    assert_eq!(resume(&app, &since).await.len(), 1 + 512 + 1);
    task::Entity::live_insert_many(rows(513..=513))
        .exec(&app.db())
        .await
        .unwrap();
    assert_eq!(resume(&app, &since).await[1]["reason"], "too_far");
}

#[tokio::test]
async fn missed_bulk_update_is_a_reset() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    task(1, "a", 1).insert(&app.db()).await.unwrap();
    let update = "UPDATE task SET list_id = 1 WHERE id = 1";
    app.db().execute_unprepared(update).await.unwrap();
    let frames = resume(&app, &since).await;
    assert_eq!(frames[0]["recovered"], false, "{frames:?}");
    assert_eq!(frames[1]["reason"], "bulk", "{frames:?}");
}

#[tokio::test]
async fn unsubscribe_cancels_the_replay() {
    let app = App::start().await;
    let (_client, since) = subscribed(&app).await;
    task(1, "a", 1).insert(&app.db()).await.unwrap();
    let mut client = Client::connect(&app.live, ());
    client.receive_nothing().await;
    // Both requests before the client reads anything.
    client.send_json(list(1, Some(&since))).await;
    client
        .send_json(json!({"type": "unsubscribe", "id": 1}))
        .await;
    let frames = client.received().await;
    let types: Vec<_> = frames.iter().map(|frame| &frame["type"]).collect();
    assert_eq!(types, ["subscribed", "unsubscribed"], "{frames:?}");
}

#[tokio::test]
async fn expired_cursor_is_a_reset() {
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
        let frames = other.received().await;
        assert_eq!(frames[0]["recovered"], recovered, "{frames:?}");
        if recovered {
            assert_eq!(frames.len(), 1 + 4 + 1, "{frames:?}");
            assert_eq!(frames[5]["type"], "unit");
        } else {
            assert_eq!(frames[1]["reason"], "expired", "{frames:?}");
        }
    }
}

/// The log keeps fewer events than the server, whose own history suffices.
#[tokio::test]
async fn server_replays_what_the_log_forgot() {
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
    let frames = other.received().await;
    assert_eq!(frames.len(), 1 + 20 + 1, "{frames:?}");
    // The replay follows the order of the last changes.
    assert_eq!(frames[20]["payload"]["text"], "b");
}
