//! Pages in Chromium that open a websocket: their origins and their tokens.

use std::fs;

use chromiumoxide::Page;
use rest_live::{
    Live,
    warp::{SignInError, bearer_token},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use warp::{Filter, Rejection};

use crate::{
    entities::task::TaskSerializer,
    support::{Chromium, TestDatabase, database, soon},
};

/// Returns the user of a token. Each user has one, which is not a name alone.
async fn sign_in(token: Option<String>) -> Result<String, Rejection> {
    match token.as_deref() {
        Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_") => Ok("ada".to_owned()),
        Some("suspended") => Err(SignInError::Forbidden.into()),
        Some("unlisted") => Err(warp::reject::not_found()),
        _ => Err(SignInError::Unauthenticated.into()),
    }
}

struct Site {
    live: Live<String>,
    addr: String,
    _database: TestDatabase,
}

impl Site {
    async fn start(origins: &[&str]) -> Self {
        let (db, database) = database().await;
        // Other serializers of this program have permissions for another type of user.
        let live = Live::<String>::builder(db)
            .discover(false)
            .register::<TaskSerializer>()
            .allowed_origins(origins.iter().copied())
            .build()
            .unwrap();
        let user = bearer_token().and_then(sign_in);
        let ws = warp::path!("ws").and(rest_live::warp::subscriptions_as(&live, user));
        let routes = ws.or(warp::path::end().map(|| warp::reply::html("<title>a page</title>")));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        tokio::spawn(warp::serve(routes).incoming(listener).run());
        Self {
            live,
            addr,
            _database: database,
        }
    }

    /// Opens a websocket from a page, and closes it at the first message. Returns what the page
    /// sees.
    async fn open_from(&self, page: &Page, subprotocols: Value) -> Value {
        let script = format!(
            "new Promise(done => {{
                const socket = new WebSocket('ws://{}/ws', {subprotocols});
                const seen = {{}};
                socket.onmessage = event => {{
                    seen.first ??= JSON.parse(event.data).type;
                    seen.protocol = socket.protocol;
                    socket.close();
                }};
                socket.onclose = event => done({{...seen, code: event.code}});
            }})",
            self.addr
        );
        let seen = soon("the end of the websocket", page.evaluate(script)).await;
        seen.unwrap().into_value().unwrap()
    }
}

fn with_token(token: &str) -> Value {
    json!(["rest-live.v1", format!("bearer.{token}")])
}

#[tokio::test]
async fn page_signs_in_with_a_token() {
    let site = Site::start(&[]).await;
    let chromium = Chromium::launch().await;
    let page = chromium.page(&format!("http://{}/", site.addr)).await;
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_";
    let seen = site.open_from(&page, with_token(token)).await;
    assert_eq!(
        seen,
        json!({"first": "hello", "protocol": "rest-live.v1", "code": 1005})
    );
    for (token, code) in [("expired", 4401), ("suspended", 4403), ("unlisted", 1006)] {
        let seen = site.open_from(&page, with_token(token)).await;
        assert_eq!(seen, json!({ "code": code }), "{token}");
    }
    // A page without a token, in each dialect.
    for subprotocols in [json!(["rest-live.v1"]), json!([])] {
        let seen = site.open_from(&page, subprotocols).await;
        assert_eq!(seen, json!({"code": 4401}));
    }
    // The server never selects the token, and a browser needs one of its offers.
    let seen = site
        .open_from(&page, json!([format!("bearer.{token}")]))
        .await;
    assert_eq!(seen["code"], 1006, "{seen}");
    assert_eq!(site.live.disconnect(|user| user != "ada"), 0);
    chromium.close().await;
}

#[tokio::test]
async fn page_from_a_file_has_the_origin_null() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    fs::write(&file, "<title>a page</title>").unwrap();
    let chromium = Chromium::launch().await;
    let page = chromium.page(&format!("file://{}", file.display())).await;
    let mut codes = Vec::new();
    for entries in [&[][..], &["file://"], &["null"]] {
        let site = Site::start(entries).await;
        let seen = site.open_from(&page, json!([])).await;
        codes.push(seen["code"].as_u64().unwrap());
    }
    // The origin of the page is `null`: then its sign-in without a token ends with 4401.
    assert_eq!(codes, [1006, 1006, 4401]);
    chromium.close().await;
}
