//! The todolist example on each engine, chosen by `DATABASE_URL`.

use serde_json::json;

use crate::support::{Engine, Example, TestDatabase};

/// Plays the session of the README, and what differs between engines.
pub async fn the_example_runs(engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let start = || {
        Example::start_with("todolist", |command| {
            command.env("DATABASE_URL", database.url())
        })
    };
    let app = start().await;
    let mut client = app.client().await;
    app.post("/api/lists", r#"{"name":"Home"}"#).await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    app.post("/api/tasks", r#"{"text":"milk","list_id":1}"#)
        .await;
    app.http("PATCH", "/api/tasks/1", r#"{"done":true}"#).await;
    for frame in [
        r#"{"model":"todolist.Task","payload":{"id":1,"text":"milk","done":false},"action":"CREATED"}"#,
        r#"{"model":"todolist.Task","payload":{"id":1,"text":"milk","done":true},"action":"UPDATED"}"#,
    ] {
        client.expect(frame).await;
    }

    app.post("/api/lists", r#"{"name":"Work"}"#).await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":2}"#)
        .await;
    let shift = async |from: i32, to: i32| {
        let path = format!("/api/lists/{from}/move");
        app.http("POST", &path, format!(r#"{{"to":{to}}}"#)).await
    };
    assert_eq!(shift(1, 2).await, (200, json!({"moved": 1})));
    let missing = json!({"error": "there is no list 9"});
    assert_eq!(shift(2, 9).await, (404, missing));
    app.http("DELETE", "/api/lists/2", "").await;
    for action in ["DELETED", "CREATED", "DELETED"] {
        client
            .expect(&format!(r#"{{"model":"todolist.Task","payload":{{"id":1,"text":"milk","done":true}},"action":"{action}"}}"#))
            .await;
    }

    // One statement inserts many rows. Not every engine returns their ids.
    let bulk = r#"[{"text":"a","list_id":1},{"text":"b","list_id":1,"done":true}]"#;
    assert_eq!(
        app.post("/api/tasks/bulk", bulk).await,
        json!([{"id": 2, "text": "a", "done": false}, {"id": 3, "text": "b", "done": true}])
    );
    // Many rows are updated, moved and deleted, with one broadcast for each row.
    let broadcast = |id: i32, text: &str, done: bool, action: &str| json!({"model": "todolist.Task", "payload": {"id": id, "text": text, "done": done}, "action": action});
    let mut expect = async |expected: &[serde_json::Value]| {
        let mut frames = Vec::new();
        for _ in expected {
            frames.push(client.json().await);
        }
        frames.sort_by_key(|frame| (frame["action"].to_string(), frame["payload"]["id"].as_i64()));
        assert_eq!(frames, expected);
    };
    expect(&[
        broadcast(2, "a", false, "CREATED"),
        broadcast(3, "b", true, "CREATED"),
    ])
    .await;
    let affected = |count: u32| (200, json!({ "affected": count }));
    let change = r#"{"text":"c","done":true}"#;
    let changed = app.http("PATCH", "/api/tasks?list_id=1", change).await;
    assert_eq!(changed, affected(2));
    expect(&[
        broadcast(2, "c", true, "UPDATED"),
        broadcast(3, "c", true, "UPDATED"),
    ])
    .await;
    app.post("/api/lists", r#"{"name":"Garden"}"#).await;
    let moved = app
        .http("PATCH", "/api/tasks?list_id=1", r#"{"list_id":3}"#)
        .await;
    assert_eq!(moved, affected(2));
    expect(&[
        broadcast(2, "c", true, "DELETED"),
        broadcast(3, "c", true, "DELETED"),
    ])
    .await;
    assert_eq!(shift(3, 1).await, (200, json!({"moved": 2})));
    expect(&[
        broadcast(2, "c", true, "CREATED"),
        broadcast(3, "c", true, "CREATED"),
    ])
    .await;
    let removed = app.http("DELETE", "/api/tasks?done=true", "").await;
    assert_eq!(removed, affected(2));
    expect(&[
        broadcast(2, "c", true, "DELETED"),
        broadcast(3, "c", true, "DELETED"),
    ])
    .await;
    app.post("/api/tasks", r#"{"text":"b","list_id":1,"done":true}"#)
        .await;

    // A text of the maximum length, in characters of four bytes.
    let long = "🦀".repeat(1000);
    let task = json!({"text": long, "list_id": 1}).to_string();
    assert_eq!(app.post("/api/tasks", &task).await["text"], long);
    // All engines refuse a NUL character, which PostgreSQL cannot store.
    let (status, _) = app
        .http("POST", "/api/lists", r#"{"name":"a\u0000b"}"#)
        .await;
    assert_eq!(status, 400);

    drop(client);
    assert!(app.end("TERM").await.success());
    let app = start().await;
    let (_, tasks) = app.http("GET", "/api/tasks?list_id=1&done=true", "").await;
    assert_eq!(tasks, json!([{"id": 4, "text": "b", "done": true}]));
}
