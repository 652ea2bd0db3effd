//! The members example: who sees what, over REST and over the websocket, before and after it changes.

mod visitor;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Error};

use self::visitor::{anonymous, by, expect, follow, sign_in, start};
use crate::support::{Client, Example, read, soon};

#[tokio::test]
async fn a_name_signs_in_and_the_cookie_is_out_of_reach_for_scripts() {
    let app = start().await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let response = app
            .send("POST", "/api/login", "", r#"{"name":"ada"}"#)
            .await;
        let cookie = response.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .to_owned();
        assert_eq!(read(response).await, (200, json!({ "name": "ada" })));
        let (session, flags) = cookie.split_once("; ").unwrap();
        assert_eq!(flags, "Path=/; HttpOnly; SameSite=Lax");
        tokens.push(session.strip_prefix("session=").unwrap().to_owned());
    }
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(tokens[0].len(), 64);

    let ada = sign_in(&app, "ada").await;
    let (name, nobody) = (json!({ "name": "ada" }), json!({ "name": null }));
    assert_eq!(ada.get("/api/session").await, (200, name));
    assert_eq!(anonymous(&app).get("/api/session").await, (200, nobody));
    for name in ["", "two words", "a/b", "é", &"x".repeat(41)] {
        let (status, _) = ada
            .http("POST", "/api/login", json!({ "name": name }))
            .await;
        assert_eq!(status, 400, "{name:?}");
    }
}

#[tokio::test]
async fn who_signs_out_is_disconnected_and_nobody_from_then_on() {
    let app = start().await;
    let (ada, elsewhere) = (sign_in(&app, "ada").await, sign_in(&app, "ada").await);
    let list = ada.list("Private", false).await;
    let (mut here, mut there) = (ada.socket().await, elsewhere.socket().await);
    follow(&mut here, "Task", "list_id", &list).await;
    follow(&mut there, "Task", "list_id", &list).await;
    let (status, _) = ada.http("POST", "/api/logout", Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(here.closed().await.0, 4403);
    assert_eq!(ada.get(&format!("/api/lists/{list}")).await.0, 404);
    // Another browser of hers is another session.
    let id = elsewhere.task("milk", &list).await;
    let milk = json!({ "id": id, "text": "milk", "done": false });
    expect(&mut there, "Task", "CREATED", milk).await;
}

#[tokio::test]
async fn only_who_is_signed_in_sees_what_is_done() {
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
        let shown = |id: &Value, text: &str, done: bool| match signed_in {
            true => json!({ "id": id, "text": text, "done": done }),
            false => json!({ "id": id, "text": text }),
        };
        // One frame for each change, and nothing in between.
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
    // What one may not see cannot be found out by asking for it either.
    assert_eq!(anyone.get("/api/tasks?done=true").await.0, 401);
    // To see is not to write.
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

#[tokio::test]
async fn who_is_no_member_of_a_private_list_gets_nothing_of_it() {
    let app = start().await;
    let (ada, ben, anyone) = (
        sign_in(&app, "ada").await,
        sign_in(&app, "ben").await,
        anonymous(&app),
    );
    let (private, public) = (
        ada.list("Private", false).await,
        ada.list("Public", true).await,
    );
    let id = ada.task("secret", &private).await;
    let mut sockets = Vec::new();
    for visitor in [&ben, &anyone] {
        let mut client = visitor.socket().await;
        for refused in [
            by("Task", "list_id", &private),
            by("Task", "list_id", &json!(9)),
            by("List", "pk", &private),
            by("Membership", "list_id", &private),
            by("Membership", "name", &json!("ada")),
        ] {
            client.send(&refused).await;
            client.expect_error(403, "forbidden", false).await;
        }
        follow(&mut client, "Task", "pk", &id).await;
        follow(&mut client, "List", "public", &json!(false)).await;
        follow(&mut client, "Task", "list_id", &public).await;
        sockets.push(client);

        for path in [
            format!("/api/lists/{private}"),
            format!("/api/lists/{private}/members"),
            format!("/api/tasks/{id}"),
            format!("/api/tasks?list_id={private}"),
        ] {
            assert_eq!(visitor.get(&path).await.0, 404, "{path}");
        }
        assert_eq!(visitor.get("/api/tasks").await, (200, json!([])));
        let list = json!([{ "id": public, "name": "Public", "public": true }]);
        assert_eq!(visitor.get("/api/lists").await, (200, list));
        let path = format!("/api/lists/{private}/members/ben");
        assert_eq!(visitor.http("POST", &path, Value::Null).await.0, 404);
    }
    let mut own = ada.socket().await;
    follow(&mut own, "Task", "list_id", &private).await;

    let done = json!({ "done": true });
    ada.http("PATCH", &format!("/api/tasks/{id}"), done).await;
    let name = json!({ "name": "Renamed" });
    ada.http("PATCH", &format!("/api/lists/{private}"), name)
        .await;
    ada.http("DELETE", &format!("/api/tasks/{id}"), Value::Null)
        .await;
    let secret = json!({ "id": id, "text": "secret", "done": true });
    expect(&mut own, "Task", "UPDATED", secret.clone()).await;
    expect(&mut own, "Task", "DELETED", secret).await;
    let id = ada.task("sentinel", &public).await;
    let [mut ben, mut anyone] = <[Client; 2]>::try_from(sockets).ok().unwrap();
    let sentinel = json!({ "id": id, "text": "sentinel", "done": false });
    expect(&mut ben, "Task", "CREATED", sentinel).await;
    let sentinel = json!({ "id": id, "text": "sentinel" });
    expect(&mut anyone, "Task", "CREATED", sentinel).await;
}

#[tokio::test]
async fn a_task_that_moves_to_a_private_list_is_deleted_as_it_was() {
    let app = start().await;
    let (ada, anyone) = (sign_in(&app, "ada").await, anonymous(&app));
    let (public, private) = (
        ada.list("Public", true).await,
        ada.list("Private", false).await,
    );
    let id = ada.task("harmless", &public).await;
    let (mut by_list, mut by_pk) = (anyone.socket().await, anyone.socket().await);
    follow(&mut by_list, "Task", "list_id", &public).await;
    follow(&mut by_pk, "Task", "pk", &id).await;
    let mut own = ada.socket().await;
    follow(&mut own, "Task", "pk", &id).await;

    let path = format!("/api/tasks/{id}");
    let moved = json!({ "text": "secret", "list_id": private });
    assert_eq!(ada.http("PATCH", &path, moved).await.0, 200);
    ada.http("PATCH", &path, json!({ "text": "more secret" }))
        .await;
    let back = json!({ "text": "harmless again", "list_id": public });
    ada.http("PATCH", &path, back).await;
    let (was, is) = (
        json!({ "id": id, "text": "harmless" }),
        json!({ "id": id, "text": "harmless again" }),
    );
    for client in [&mut by_list, &mut by_pk] {
        expect(client, "Task", "DELETED", was.clone()).await;
        expect(client, "Task", "CREATED", is.clone()).await;
    }
    for text in ["secret", "more secret", "harmless again"] {
        let task = json!({ "id": id, "text": text, "done": false });
        expect(&mut own, "Task", "UPDATED", task).await;
    }

    // All at once, by hand of `move`: the same.
    let to = json!({ "to": private });
    let path = format!("/api/lists/{public}/move");
    assert_eq!(
        ada.http("POST", &path, to).await,
        (200, json!({ "moved": 1 }))
    );
    for client in [&mut by_list, &mut by_pk] {
        expect(client, "Task", "DELETED", is.clone()).await;
    }
}

#[tokio::test]
async fn a_member_who_is_removed_while_connected_is_told_and_then_nothing() {
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

    // His memberships tell of the removal, too, as far as he still follows them: in which order is open.
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
        } else if !is_membership(&frame) {
            let (task, action) = (&frame["payload"], &frame["action"]);
            tasks.push(json!([action, task["id"], task["text"]]));
        }
    }
    revoked.sort_unstable();
    assert_eq!(revoked, [1, 4, 5]);
    // By the task's key and by the public list: what is public for a while is seen for a while.
    let seen = |action: &str| json!([action, id, "more secret"]);
    assert_eq!(tasks[..2], [seen("CREATED"), seen("CREATED")]);
    assert_eq!(tasks[2..4], [seen("DELETED"), seen("DELETED")]);
    assert_eq!(tasks.len(), 5, "{tasks:?}");

    let (mut denied, mut said) = (0, Vec::new());
    while said.last() != Some(&json!(["CREATED", "sentinel"])) {
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
            said.push(json!([frame["action"], frame["payload"]["text"]]));
        }
    }
    assert_eq!(denied, 1);
    let seen = |action: &str| json!([action, "more secret"]);
    assert_eq!(said[..2], [seen("CREATED"), seen("DELETED")]);
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(ben.get(&path).await.0, 404);
    plain.send(&by("Task", "list_id", &private)).await;
    plain.expect_error(403, "forbidden", false).await;
}

/// While two members write as fast as they can.
#[tokio::test]
async fn a_write_that_begins_after_a_removal_was_answered_is_never_seen() {
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
        assert!(before < 120, "the removal came while they wrote");
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
        assert!(seen > 0, "before he was removed, he saw what they wrote");
    }
}

#[tokio::test]
async fn a_list_that_becomes_private_ends_what_others_follow_of_it() {
    let app = start().await;
    let (ada, anyone) = (sign_in(&app, "ada").await, anonymous(&app));
    let (list, other) = (ada.list("Open", true).await, ada.list("Other", true).await);
    let (mut own, mut client) = (ada.socket().await, anyone.socket().await);
    for socket in [&mut own, &mut client] {
        follow(socket, "Task", "list_id", &list).await;
        follow(socket, "Task", "list_id", &other).await;
        follow(socket, "List", "public", &json!(true)).await;
    }
    let path = format!("/api/lists/{list}");
    let private = ada.http("PATCH", &path, json!({ "public": false })).await;
    let shown = |public: bool| json!({ "id": list, "name": "Open", "public": public });
    assert_eq!(private, (200, shown(false)));
    // The row and the rights: which of the two is told first is open.
    let mut frames = [client.json().await, client.json().await];
    frames.sort_by_key(|frame| frame["type"] == "error");
    assert_eq!(frames[0]["action"], "DELETED");
    assert_eq!(frames[0]["payload"], shown(true));
    assert_eq!(frames[1]["code"], 403);
    expect(&mut own, "List", "DELETED", shown(true)).await;

    let id = ada.task("secret", &list).await;
    let secret = json!({ "id": id, "text": "secret", "done": false });
    expect(&mut own, "Task", "CREATED", secret.clone()).await;
    ada.http("PATCH", &path, json!({ "public": true })).await;
    expect(&mut client, "List", "CREATED", shown(true)).await;
    expect(&mut own, "List", "CREATED", shown(true)).await;
    follow(&mut client, "Task", "list_id", &list).await;
    // All of its tasks go with a list, and everybody who could see them is told.
    ada.http("DELETE", &path, Value::Null).await;
    expect(&mut own, "Task", "DELETED", secret).await;
    let secret = json!({ "id": id, "text": "secret" });
    expect(&mut client, "Task", "DELETED", secret).await;
    for socket in [&mut own, &mut client] {
        expect(socket, "List", "DELETED", shown(true)).await;
    }
    assert_eq!(anyone.get(&path).await.0, 404);
}

#[tokio::test]
async fn members_write_and_manage_and_the_last_one_stays() {
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

#[tokio::test]
async fn a_foreign_page_gets_no_websocket() {
    let app = start().await;
    for (origin, status) in [("https://evil.example", Some(403)), (&*app.url(""), None)] {
        let mut request = sign_in(&app, "ada").await.handshake();
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
        let refused = match soon("the handshake", connect_async(request)).await {
            Ok(_) => None,
            Err(Error::Http(response)) => Some(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(refused, status, "{origin}");
    }
}

#[tokio::test]
async fn both_examples_count_for_prometheus() {
    for name in ["members", "todolist"] {
        let app = Example::start(name).await;
        let mut client = app.client().await;
        client.synchronise().await;
        let (status, text) = app.http("GET", "/metrics", "").await;
        assert_eq!(status, 200);
        let text = text.as_str().unwrap();
        for line in [
            "# TYPE rest_live_connections gauge",
            "rest_live_connections 1",
            "rest_live_subscriptions 0",
            "# TYPE rest_live_events_total counter",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in {text}");
        }
    }
}
