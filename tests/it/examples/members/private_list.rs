//! Private lists: hidden from users who are not members, and lists that become private.

use serde_json::{Value, json};

use super::visitor::{anonymous, by, expect, follow, sign_in, start};
use crate::support::Client;

#[tokio::test]
async fn private_list_is_hidden_from_non_members() {
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
async fn task_moved_to_a_private_list_is_deleted() {
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

    // `move` does the same for all tasks at once.
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
async fn list_made_private_ends_subscriptions() {
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
    // The order of the two frames, about the row and about the rights, is not defined.
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
    // The tasks of a list are deleted with it. Every client that could see them is notified.
    ada.http("DELETE", &path, Value::Null).await;
    expect(&mut own, "Task", "DELETED", secret).await;
    let secret = json!({ "id": id, "text": "secret" });
    expect(&mut client, "Task", "DELETED", secret).await;
    for socket in [&mut own, &mut client] {
        expect(socket, "List", "DELETED", shown(true)).await;
    }
    assert_eq!(anyone.get(&path).await.0, 404);
}
