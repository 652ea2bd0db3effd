//! The column `done`, which only signed-in users see.

use serde_json::{Value, json};

use super::visitor::{anonymous, expect, follow, sign_in, start};

#[tokio::test]
async fn done_is_visible_only_to_signed_in_users() {
    let app = start().await;
    let (ada, ben, anyone) = (
        sign_in(&app, "ada").await,
        sign_in(&app, "ben").await,
        anonymous(&app),
    );
    let list = ada.list("Public", true).await;
    let mut sockets = Vec::new();
    for visitor in [&ada, &ben, &anyone] {
        let mut client = visitor.socket().await;
        follow(&mut client, "Task", "list_id", &list).await;
        sockets.push(client);
    }
    let id = ada.task("milk", &list).await;
    let task = format!("/api/tasks/{id}");
    let done = json!({ "done": true });
    assert_eq!(ada.http("PATCH", &task, done).await.0, 200);
    assert_eq!(ada.http("DELETE", &task, Value::Null).await.0, 204);
    let sentinel = ada.task("sentinel", &list).await;
    for (signed_in, client) in [true, true, false].into_iter().zip(&mut sockets) {
        let shown = |id: &Value, text: &str, done: bool| {
            if signed_in {
                json!({ "id": id, "text": text, "done": done })
            } else {
                json!({ "id": id, "text": text })
            }
        };
        // One frame for each change, and no other frame.
        expect(client, "Task", "CREATED", shown(&id, "milk", false)).await;
        expect(client, "Task", "UPDATED", shown(&id, "milk", true)).await;
        expect(client, "Task", "DELETED", shown(&id, "milk", true)).await;
        expect(
            client,
            "Task",
            "CREATED",
            shown(&sentinel, "sentinel", false),
        )
        .await;
    }

    let (full, short) = (
        json!({ "id": sentinel, "text": "sentinel", "done": false }),
        json!({ "id": sentinel, "text": "sentinel" }),
    );
    for (visitor, shown) in [(&ada, &full), (&ben, &full), (&anyone, &short)] {
        let one = visitor.get(&format!("/api/tasks/{sentinel}")).await;
        assert_eq!(one, (200, shown.clone()));
        for path in [
            "/api/tasks".to_owned(),
            format!("/api/tasks?list_id={list}"),
        ] {
            assert_eq!(visitor.get(&path).await, (200, json!([shown])), "{path}");
        }
        let (_, whole) = visitor.get(&format!("/api/lists/{list}")).await;
        assert_eq!(whole["tasks"], json!([shown]));
    }
    // A hidden column cannot be used as a filter either.
    assert_eq!(anyone.get("/api/tasks?done=true").await.0, 401);
    // The right to see a task does not include the right to write it.
    let task = json!({ "text": "x", "list_id": list });
    let path = format!("/api/tasks/{sentinel}");
    for (visitor, status) in [(&ben, 403), (&anyone, 401)] {
        let posted = visitor.http("POST", "/api/tasks", task.clone()).await;
        assert_eq!(posted.0, status);
        let patched = visitor.http("PATCH", &path, task.clone()).await;
        assert_eq!(patched.0, status);
        let deleted = visitor.http("DELETE", &path, Value::Null).await;
        assert_eq!(deleted.0, status);
    }
    assert_eq!(ada.get(&path).await, (200, full));
}
