//! Sessions of the members example: sign in, sign out, and websockets of foreign pages.

use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Error};

use super::visitor::{anonymous, expect, follow, sign_in, start};
use crate::support::{read, soon};

#[tokio::test]
async fn sign_in_sets_an_http_only_cookie() {
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
    let (name, none) = (json!({ "name": "ada" }), json!({ "name": null }));
    assert_eq!(ada.get("/api/session").await, (200, name));
    assert_eq!(anonymous(&app).get("/api/session").await, (200, none));
    for name in ["", "two words", "a/b", "é", &"x".repeat(41)] {
        let (status, _) = ada
            .http("POST", "/api/login", json!({ "name": name }))
            .await;
        assert_eq!(status, 400, "{name:?}");
    }
}

#[tokio::test]
async fn sign_out_closes_the_connections() {
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
    // Another browser of the same user is another session.
    let id = elsewhere.task("milk", &list).await;
    let milk = json!({ "id": id, "text": "milk", "done": false });
    expect(&mut there, "Task", "CREATED", milk).await;
}

#[tokio::test]
async fn foreign_origin_gets_no_websocket() {
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

/// A page without a cookie: its requests have the token in a header, its websocket in a message.
#[tokio::test]
async fn token_signs_in_without_a_cookie() {
    let app = start().await;
    let page = anonymous(&app);
    let (status, signed_in) = page
        .http("POST", "/api/token", json!({ "name": "ada" }))
        .await;
    assert_eq!(status, 200);
    let token = signed_in["token"].as_str().unwrap();
    let http = reqwest::Client::new();
    let name = async |token: &str| {
        let request = http.get(app.url("/api/session")).bearer_auth(token);
        read(request.send().await.unwrap()).await
    };
    assert_eq!(name(token).await, (200, json!({ "name": "ada" })));
    assert_eq!(name("wrong").await.0, 401);

    let mut socket = page.v1().await;
    let own = r#"{"id":1,"model":"members.Membership","group":{"name":"ada"}}"#;
    socket.send(own).await;
    assert_eq!(socket.json().await["code"], 403, "still anonymous");
    let auth = |token: &str| json!({"type": "auth", "id": 2, "token": token}).to_string();
    socket.send(&auth(token)).await;
    let answer = socket.json().await;
    assert_eq!(answer["type"], "authenticated", "{answer}");
    assert!((1..=60_000).contains(&answer["expires_ms"].as_u64().unwrap()));
    socket.send(own).await;
    assert_eq!(socket.json().await["type"], "subscribed");

    // Another token of the session changes nothing for the subscription.
    let renew = json!({ "session": signed_in["session"] });
    let (_, renewed) = page.http("POST", "/api/token", renew.clone()).await;
    let other = renewed["token"].as_str().unwrap();
    assert_ne!(other, token);
    socket.send(&auth(other)).await;
    assert_eq!(socket.json().await["type"], "authenticated");

    let sign_out = http.post(app.url("/api/logout")).bearer_auth(token);
    assert_eq!(sign_out.send().await.unwrap().status(), 204);
    assert_eq!(socket.closed().await.0, 4403);
    assert_eq!(name(other).await.0, 401);
    assert_eq!(page.http("POST", "/api/token", renew).await.0, 401);
    for (body, status) in [(json!({}), 400), (json!({"name": "two words"}), 400)] {
        assert_eq!(page.http("POST", "/api/token", body).await.0, status);
    }
}
