//! Changes about which a filter does not decide: it panics, or the event lacks the old row.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rest_live::{
    Live,
    auth::KeyValue,
    log::{Cursor, Event, EventLog, MemoryLog, Record, Row},
    testing::Client,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::json;

use super::{
    State::{Draft, Listed},
    World, change, new, subscribe,
};
use crate::{
    entities::post,
    support::{Engine, Log, database_of, task},
};

#[tokio::test]
async fn panic_is_a_reset_of_the_model() {
    let log = Log::start();
    let recorder = DebuggingRecorder::new();
    let mut world = {
        let (db, database) = database_of(Engine::Sqlite).await;
        let guard = metrics::set_default_local_recorder(&recorder);
        let live = Live::builder(db).build().unwrap();
        drop(guard);
        World::on(live, database).await
    };
    let db = world.live.db();
    let mut other = Client::connect(&world.live, ());
    let list = json!({"id": 1, "model": "todolist.Task", "group": {"list_id": 1}});
    other.send_json(list).await;
    assert_eq!(other.receive_json().await["type"], "subscribed");
    world.given(3, 1, Listed).await;
    let since = world.live.cursor().map(|cursor| json!(cursor.to_string()));

    let faulty = post::ActiveModel {
        id: Set(3),
        text: Set("panic".to_owned()),
        ..Default::default()
    };
    faulty.update(&db).await.unwrap();
    world
        .expect(["blog 1 reset", "blog 2 reset", "post 1 reset"])
        .await;
    // Other models, and later changes of this one, are sent as before.
    task(1, "one", 1).insert(&db).await.unwrap();
    assert_eq!(other.receive_json().await["payload"]["text"], "one");
    new(4, 1, Listed).insert(&db).await.unwrap();
    world.expect(["blog 1 CREATED post 4"]).await;

    // No client receives the row: not on a resume, and not by its key.
    let mut client = Client::connect(&world.live, ());
    let group = json!({"blog_id": 1});
    client
        .send_json(subscribe("r", &group, since.as_ref()))
        .await;
    let frames = client.received().await;
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(frames[0]["recovered"], false, "{frames:?}");
    assert_eq!(
        (&frames[1]["type"], &frames[1]["reason"]),
        (&json!("reset"), &json!("bulk"))
    );
    let mut client = Client::connect(&world.live, ());
    let retrieve = json!({
        "type": "subscribe", "id": 1, "action": "retrieve", "lookup_by": 3,
        "view_kwargs": {}, "query_params": {}, "model": "blog.Post",
    });
    client.send_json(retrieve).await;
    assert_eq!(client.receive_json().await["code"], 404);

    let metrics = recorder.snapshotter().snapshot().into_vec();
    let panics = metrics
        .into_iter()
        .find_map(|(key, _, _, value)| match value {
            DebugValue::Counter(value) if key.key().name() == "rest_live_panics_total" => {
                Some(value)
            }
            _ => None,
        });
    assert_eq!(panics, Some(2));
    let log = log.end();
    let line = "a filter panicked: the model's subscribers receive a reset";
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert!(log.contains("PostSerializer"), "{log}");
}

/// Another program that shares the log may have no filter, and then does not read the old row.
#[tokio::test]
async fn hidden_row_without_its_old_state_is_a_reset() {
    let (db, database) = database_of(Engine::Sqlite).await;
    let log = MemoryLog::default();
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    let mut world = World::on(live, database).await;
    let updated = |published| {
        let row = Row::new(post::Model {
            id: 3,
            text: "post 3".to_owned(),
            blog_id: 1,
            published,
            deleted: false,
        });
        let event = Event::updated("blog.Post".into(), KeyValue::Integer(3), None, row);
        vec![Record::from(event)]
    };
    log.append(updated(true)).await.unwrap();
    world.expect(["blog 1 CREATED post 3"]).await;
    log.append(updated(false)).await.unwrap();
    world
        .expect(["blog 1 reset", "blog 2 reset", "post 1 reset"])
        .await;
    // The change of a draft, of which this program read the old row, is no reset.
    new(4, 1, Draft).insert(&world.live.db()).await.unwrap();
    change(4, Draft).update(&world.live.db()).await.unwrap();
    world.expect([]).await;
    let head: Cursor = log.head().await.unwrap();
    assert_eq!(head.position, 4);
}
