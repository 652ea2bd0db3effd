//! Memberships: what members may do, and what a removed member sees.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::visitor::{by, expect, follow, sign_in, start};

#[tokio::test]
async fn removed_member_is_notified_then_sees_nothing() {
    let app = start().await;
    let (ada, ben) = (sign_in(&app, "ada").await, sign_in(&app, "ben").await);
    let (private, public) = (
        ada.list("Private", false).await,
        ada.list("Public", true).await,
    );
    let ben_in = format!("/api/lists/{private}/members/ben");
    let id = ada.task("secret", &private).await;
    let mut plain = ben.socket().await;
    follow(&mut plain, "Membership", "name", &json!("ben")).await;
    ada.post(&ben_in, Value::Null).await;
    let membership = json!({ "list_id": private, "name": "ben" });
    expect(&mut plain, "Membership", "CREATED", membership.clone()).await;
    assert_eq!(ben.get(&format!("/api/tasks/{id}")).await.0, 200);

    let mut v1 = ben.v1().await;
    for (id, model, group) in [
        (1, "Task", json!({ "list_id": private })),
        (2, "Task", json!({ "list_id": public })),
        (3, "Task", json!({ "pk": id })),
        (4, "List", json!({ "pk": private })),
        (5, "Membership", json!({ "list_id": private })),
    ] {
        let model = format!("members.{model}");
        let request = json!({ "type": "subscribe", "id": id, "model": model, "group": group });
        v1.send(&request.to_string()).await;
        assert_eq!(v1.json().await["type"], "subscribed", "{request}");
    }
    follow(&mut plain, "Task", "list_id", &private).await;
    follow(&mut plain, "Task", "list_id", &public).await;

    let path = format!("/api/tasks/{id}");
    ada.http("PATCH", &path, json!({ "done": true })).await;
    let secret = json!({ "id": id, "text": "secret", "done": true });
    expect(&mut plain, "Task", "UPDATED", secret.clone()).await;
    for _ in 0..2 {
        assert_eq!(v1.json().await["payload"], secret);
    }

    let removed = ada.http("DELETE", &ben_in, Value::Null).await;
    assert_eq!(removed, (204, Value::Null));
    ada.http("PATCH", &path, json!({ "text": "more secret" }))
        .await;
    ada.task("new secret", &private).await;
    ada.http("PATCH", &path, json!({ "list_id": public })).await;
    ada.http("PATCH", &path, json!({ "list_id": private }))
        .await;
    let sentinel = ada.task("sentinel", &public).await;

    // The removal also reaches his subscriptions to memberships that are not yet ended. The order
    // of the frames is not defined.
    let is_membership = |frame: &Value| frame["model"] == "members.Membership";
    let ended = |frame: &Value| frame["type"] == "unsubscribed" || frame["type"] == "error";
    let (mut revoked, mut tasks) = (Vec::new(), Vec::new());
    while tasks.last() != Some(&json!(["CREATED", sentinel, "sentinel"])) {
        let frame = v1.json().await;
        if ended(&frame) {
            assert_eq!(
                (&frame["code"], &frame["reason"]),
                (&json!(403), &json!("revoked"))
            );
            revoked.push(frame["id"].as_i64().unwrap());
        } else if frame["type"] == "broadcast" && !is_membership(&frame) {
            let (task, action) = (&frame["payload"], &frame["action"]);
            tasks.push(json!([action, task["id"], task["text"]]));
        }
    }
    revoked.sort_unstable();
    assert_eq!(revoked, [1, 4, 5]);
    // By the task's key and by the public list: the task was visible while it was public.
    let seen = |action: &str| json!([action, id, "more secret"]);
    assert_eq!(tasks[..2], [seen("CREATED"), seen("CREATED")]);
    assert_eq!(tasks[2..4], [seen("DELETED"), seen("DELETED")]);
    assert_eq!(tasks.len(), 5, "{tasks:?}");

    let (mut denied, mut tasks_by_list) = (0, Vec::new());
    while tasks_by_list.last() != Some(&json!(["CREATED", "sentinel"])) {
        let frame = plain.json().await;
        if ended(&frame) {
            assert_eq!(frame["code"], 403);
            denied += 1;
        } else if is_membership(&frame) {
            assert_eq!(
                (&frame["action"], &frame["payload"]),
                (&json!("DELETED"), &membership)
            );
        } else {
            tasks_by_list.push(json!([frame["action"], frame["payload"]["text"]]));
        }
    }
    assert_eq!(denied, 1);
    let seen = |action: &str| json!([action, "more secret"]);
    assert_eq!(tasks_by_list[..2], [seen("CREATED"), seen("DELETED")]);
    assert_eq!(tasks_by_list.len(), 3, "{tasks_by_list:?}");
    assert_eq!(ben.get(&path).await.0, 404);
    plain.send(&by("Task", "list_id", &private)).await;
    plain.expect_error(403, "forbidden", false).await;
}

/// Two writers write as fast as they can during the removal.
#[tokio::test]
async fn write_after_a_removal_is_never_seen() {
    let app = start().await;
    let (ada, ben) = (sign_in(&app, "ada").await, sign_in(&app, "ben").await);
    let (private, public) = (
        ada.list("Private", false).await,
        ada.list("Public", true).await,
    );
    let ids = [ada.task("0", &private).await, ada.task("0", &private).await];
    let ben_in = format!("/api/lists/{private}/members/ben");
    for _ in 0..5 {
        ada.post(&ben_in, Value::Null).await;
        let mut client = ben.socket().await;
        follow(&mut client, "Task", "list_id", &private).await;
        follow(&mut client, "Task", "list_id", &public).await;
        for id in &ids {
            follow(&mut client, "Task", "pk", id).await;
        }
        let begun = AtomicU64::new(0);
        let write = async |id: &Value| {
            for _ in 0..60 {
                let text = begun.fetch_add(1, Ordering::SeqCst).to_string();
                let path = format!("/api/tasks/{id}");
                ada.http("PATCH", &path, json!({ "text": text })).await;
            }
        };
        let remove = async {
            while begun.load(Ordering::SeqCst) < 30 {
                tokio::task::yield_now().await;
            }
            assert_eq!(ada.http("DELETE", &ben_in, Value::Null).await.0, 204);
            begun.load(Ordering::SeqCst)
        };
        let (_, _, before) = tokio::join!(write(&ids[0]), write(&ids[1]), remove);
        assert!(before < 120, "the removal came after the last write");
        let sentinel = ada.task("sentinel", &public).await;
        let mut seen = 0;
        loop {
            let frame = client.json().await;
            let task = &frame["payload"];
            if task["id"] == sentinel {
                break;
            }
            if let Some(text) = task["text"].as_str() {
                seen += 1;
                assert!(text.parse::<u64>().unwrap() < before, "{text} of {before}");
            }
        }
        assert!(seen > 0, "he saw no write before the removal");
    }
}

#[tokio::test]
async fn members_write_and_the_last_one_stays() {
    let app = start().await;
    let (ada, ben) = (sign_in(&app, "ada").await, sign_in(&app, "ben").await);
    let list = ada.list("Home", false).await;
    let members = format!("/api/lists/{list}/members");
    for _ in 0..2 {
        ada.post(&format!("{members}/ben"), Value::Null).await;
    }
    let row = |name: &str| json!({ "list_id": list, "name": name });
    assert_eq!(
        ben.get(&members).await,
        (200, json!([row("ada"), row("ben")]))
    );
    assert_eq!(
        ben.get("/api/memberships").await,
        (200, json!([row("ben")]))
    );
    let tasks = json!([{ "text": "a", "list_id": list }, { "text": "b", "list_id": list }]);
    ben.post("/api/tasks/bulk", tasks).await;
    let mut client = ada.socket().await;
    follow(&mut client, "Task", "list_id", &list).await;
    let path = format!("/api/tasks?list_id={list}");
    let (affected, done) = (json!({ "affected": 2 }), json!({ "done": true }));
    assert_eq!(
        ben.http("PATCH", &path, done).await,
        (200, affected.clone())
    );
    assert_eq!(
        ben.http("DELETE", &path, Value::Null).await,
        (200, affected)
    );
    for action in ["UPDATED", "DELETED"] {
        for (id, text) in [(1, "a"), (2, "b")] {
            let task = json!({ "id": id, "text": text, "done": true });
            expect(&mut client, "Task", action, task).await;
        }
    }
    for (name, status) in [("nobody", 404), ("ada", 204), ("ben", 409)] {
        let path = format!("{members}/{name}");
        assert_eq!(
            ben.http("DELETE", &path, Value::Null).await.0,
            status,
            "{name}"
        );
    }
    assert_eq!(ada.get(&members).await.0, 404);
}
