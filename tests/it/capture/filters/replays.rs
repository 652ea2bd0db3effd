//! Resumes and `retrieve` of rows with a filter, and how often the filter is asked.

use std::sync::atomic::Ordering;

use rest_live::testing::Client;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::{Value, json};

use super::{
    State::{Deleted, Draft, Listed},
    World, change, new, subscribe, summaries,
};
use crate::{entities::post, support::Engine};

/// Resumes in a blog on a new connection, and returns what a client missed.
async fn missed(world: &World, blog: i32, since: &Value) -> Vec<String> {
    let mut client = Client::connect(&world.live, ());
    let group = json!({"blog_id": blog});
    client.send_json(subscribe("r", &group, Some(since))).await;
    let frames = client.received().await;
    assert_eq!(frames[0]["recovered"], true, "{frames:?}");
    summaries(&frames[1..])
}

#[tokio::test]
async fn resume_ends_with_what_is_listed() {
    let mut world = World::start(Engine::Sqlite).await;
    let db = world.live.db();
    for (id, state) in [
        (3, Listed),
        (4, Draft),
        (5, Listed),
        (6, Draft),
        (7, Listed),
    ] {
        world.given(id, 1, state).await;
    }
    let mut client = Client::connect(&world.live, ());
    let group = json!({"blog_id": 1});
    client.send_json(subscribe("s", &group, None)).await;
    let since = client.receive_json().await["cursor"].clone();
    client.disconnect();

    change(3, Deleted).update(&db).await.unwrap();
    change(4, Listed).update(&db).await.unwrap();
    // It left and returned: the client holds it.
    change(5, Deleted).update(&db).await.unwrap();
    change(5, Listed).update(&db).await.unwrap();
    // A draft changes in silence.
    let edited = post::ActiveModel {
        text: Set("edited".to_owned()),
        ..change(6, Draft)
    };
    edited.update(&db).await.unwrap();
    // It moved while it was hidden, and was listed there.
    change(7, Draft).update(&db).await.unwrap();
    let moved = post::ActiveModel {
        blog_id: Set(2),
        ..change(7, Listed)
    };
    moved.update(&db).await.unwrap();
    // The client may have fetched it meanwhile.
    new(8, 1, Listed).insert(&db).await.unwrap();
    change(8, Deleted).update(&db).await.unwrap();
    // The server has read all of it.
    world.client.received().await;
    assert_eq!(
        missed(&world, 1, &since).await,
        [
            "blog 1 DELETED post 3",
            "blog 1 CREATED post 4",
            "blog 1 UPDATED post 5",
            "blog 1 DELETED post 7",
            "blog 1 DELETED post 8",
        ]
    );
    assert_eq!(missed(&world, 2, &since).await, ["blog 2 CREATED post 7"]);
}

#[tokio::test]
async fn hidden_row_cannot_be_retrieved() {
    let mut world = World::start(Engine::Sqlite).await;
    let db = world.live.db();
    world.given(3, 1, Draft).await;
    let retrieve = json!({
        "type": "subscribe", "id": 1, "action": "retrieve", "lookup_by": 3,
        "view_kwargs": {}, "query_params": {}, "model": "blog.Post",
    });
    let mut client = Client::connect(&world.live, ());
    let missing = {
        let mut other = retrieve.clone();
        other["lookup_by"] = json!(99);
        client.send_json(other).await;
        client.receive_json().await
    };
    assert_eq!(missing["code"], 404);
    for state in [Draft, Deleted] {
        change(3, state).update(&db).await.unwrap();
        client.send_json(retrieve.clone()).await;
        assert_eq!(client.receive_json().await, missing);
    }
    change(3, Listed).update(&db).await.unwrap();
    client.send_json(retrieve).await;
    client.receive_nothing().await;
    change(3, Deleted).update(&db).await.unwrap();
    let deleted = client.receive_json().await;
    assert_eq!(
        (&deleted["action"], &deleted["instance"]),
        (&json!("DELETED"), &json!({"pk": 3, "id": 3}))
    );
}

#[tokio::test]
async fn filter_is_not_asked_for_each_subscriber() {
    let mut world = World::start(Engine::Sqlite).await;
    let db = world.live.db();
    let mut asked = Vec::new();
    let mut clients = Vec::new();
    for id in [3, 4] {
        let counted = post::ActiveModel {
            text: Set("count me".to_owned()),
            ..new(id, 1, Listed)
        };
        let before = post::COUNTED.load(Ordering::SeqCst);
        counted.insert(&db).await.unwrap();
        world.expect(["blog 1 CREATED count me"]).await;
        asked.push(post::COUNTED.load(Ordering::SeqCst) - before);
        for client in &mut clients {
            let received: Vec<Value> = Client::received(client).await;
            assert_eq!(received.len(), 1);
        }
        for _ in 0..20 {
            let mut client = Client::connect(&world.live, ());
            let group = json!({"blog_id": 1});
            client.send_json(subscribe("s", &group, None)).await;
            client.receive_json().await;
            clients.push(client);
        }
    }
    assert!(asked[0] > 0);
    assert_eq!(asked[0], asked[1]);
}
