//! Sign-in with tokens, and rejected sign-ins.

mod message;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::SinkExt;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use reqwest::Client as Http;
use rest_live::{
    Limits, Live,
    transport::Handshake,
    warp::{SignInError, bearer_token, subscriptions_by_token, subscriptions_from},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};
use warp::{Filter, Rejection, Reply, http::StatusCode, reply::Response};

use crate::{
    entities::task::TaskSerializer,
    support::{Client, Log, TICK, TestDatabase, database, soon},
};

const TOKEN: &str = "swordfish-7_token.of~ada";

async fn user_of(token: Option<String>) -> Result<String, Rejection> {
    match token.as_deref() {
        Some(TOKEN) => Ok("ada".to_owned()),
        Some("suspended") => Err(SignInError::Forbidden.into()),
        Some("elsewhere") => Err(warp::reject::not_found()),
        _ => Err(SignInError::Unauthenticated.into()),
    }
}

async fn explain(rejection: Rejection) -> Result<Response, Infallible> {
    Ok(match rejection.find::<SignInError>() {
        Some(error) => error.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// Returns the user of a token, and when it expires: `short` expires after half a second.
async fn expiring_user_of(token: String) -> Result<(String, Option<SystemTime>), SignInError> {
    match &*token {
        TOKEN => Ok(("ada".to_owned(), None)),
        "bob" => Ok(("bob".to_owned(), None)),
        "short" => {
            let expires_at = SystemTime::now() + Duration::from_millis(500);
            Ok(("ada".to_owned(), Some(expires_at)))
        }
        "past" => Ok(("ada".to_owned(), Some(SystemTime::UNIX_EPOCH))),
        _ => Err(SignInError::Unauthenticated),
    }
}

struct App {
    live: Live<String>,
    addr: String,
    sign_ins: Arc<AtomicUsize>,
    _database: TestDatabase,
}

impl App {
    async fn start(limits: Limits) -> Self {
        let (db, database) = database().await;
        // Other serializers of this program have permissions for another type of user.
        let live = Live::<String>::builder(db)
            .discover(false)
            .register::<TaskSerializer>()
            .limits(limits)
            .authenticate(expiring_user_of)
            .build()
            .unwrap();
        let sign_ins = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sign_ins);
        let user = bearer_token().and_then(move |token| {
            counter.fetch_add(1, Ordering::Relaxed);
            user_of(token)
        });
        let ws = rest_live::warp::subscriptions_as(&live, user.clone());
        let ws = warp::path!("ws").and(ws);
        let by_token = warp::path!("by-token").and(subscriptions_by_token(&live));
        // Over the header `Authorization` also, with an expiry.
        let expiring = bearer_token().and_then(async |token: Option<String>| {
            let found = expiring_user_of(token.unwrap_or_default()).await;
            let (user, expires_at) = found.map_err(warp::reject::custom)?;
            Ok::<_, Rejection>(Handshake::new(user).expires_at(expires_at))
        });
        let expiring = warp::path!("expiring").and(subscriptions_from(&live, expiring));
        let me = warp::path!("me").and(user).map(|user: String| user);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let routes = ws.or(by_token).or(expiring).or(me).recover(explain);
        tokio::spawn(warp::serve(routes).incoming(listener).run());
        Self {
            live,
            addr,
            sign_ins,
            _database: database,
        }
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.addr)
    }

    /// Connects a page that has no user until it authenticates.
    async fn page_without_user(&self) -> Client {
        let url = format!("ws://{}/by-token", self.addr);
        let (mut page, selected) = Client::connect_offering(&url, Some("rest-live.v1")).await;
        assert_eq!(selected.as_deref(), Some("rest-live.v1"));
        assert_eq!(page.json().await["type"], "hello");
        page
    }

    async fn offering(&self, subprotocols: &str) -> (Client, Option<String>) {
        Client::connect_offering(&self.url(), Some(subprotocols)).await
    }
}

/// Returns how many denials with this reason were counted.
fn denials(recorder: &DebuggingRecorder, reason: &str) -> u64 {
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let denials = snapshot.into_iter().filter(|(key, ..)| {
        let mut labels = key.key().labels();
        key.key().name() == "rest_live_denials_total" && labels.any(|l| l.value() == reason)
    });
    let counts = denials.map(|(.., value)| match value {
        DebugValue::Counter(count) => count,
        other => panic!("{other:?} is not a counter"),
    });
    counts.sum()
}

#[tokio::test]
async fn token_signs_in_over_either_header() {
    let app = App::start(Limits::default()).await;
    let offer = format!("rest-live.v1, bearer.{TOKEN}");
    let (mut page, selected) = app.offering(&offer).await;
    assert_eq!(selected.as_deref(), Some("rest-live.v1"));
    assert_eq!(page.json().await["type"], "hello");
    let mut request = app.url().into_client_request().unwrap();
    let bearer = format!("Bearer {TOKEN}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    let mut program = Client::connect(request).await;
    program.synchronise().await;
    assert_eq!(app.live.disconnect(|user| user == "ada"), 2);
    assert_eq!(page.closed().await.0, 4403);
}

#[tokio::test]
async fn rejected_sign_in_closes_with_4401_or_4403() {
    let recorder = DebuggingRecorder::new();
    let app = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        App::start(Limits::default()).await
    };
    for (offer, closed) in [
        ("rest-live.v1, bearer.wrong", (4401, "unauthenticated")),
        ("rest-live.v1", (4401, "unauthenticated")),
        ("rest-live.v1, bearer.suspended", (4403, "forbidden")),
    ] {
        let (mut client, selected) = app.offering(offer).await;
        assert_eq!(selected.as_deref(), Some("rest-live.v1"));
        // The client may have written requests before it reads the close.
        for _ in 0..100 {
            let request = r#"{"id":1,"model":"todolist.Task","group":{"pk":1}}"#;
            if client.socket.send(Message::text(request)).await.is_err() {
                break;
            }
        }
        let (code, reason) = client.closed().await;
        assert_eq!((code, &*reason), closed, "{offer}");
    }
    assert_eq!(denials(&recorder, "sign_in"), 3);
    assert_eq!(app.live.disconnect(|_| true), 0, "there is no session");
    soon("the end of all connections", async {
        while app.live.connections() > 0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
}

#[tokio::test]
async fn other_rejections_open_no_websocket() {
    let app = App::start(Limits::default()).await;
    let mut request = app.url().into_client_request().unwrap();
    let bearer = "Bearer elsewhere".parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    match soon("the response", connect_async(request)).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 404),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rest_answers_a_rejected_sign_in_by_status() {
    let app = App::start(Limits::default()).await;
    for (token, status) in [(TOKEN, 200), ("wrong", 401), ("suspended", 403)] {
        let request = Http::new().get(format!("http://{}/me", app.addr));
        let response = request.bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), status, "{token}");
        let is_asked = response.headers().get("www-authenticate").is_some();
        assert_eq!(is_asked, status == 401, "{token}");
    }
    // Without `Upgrade`, the path of the websocket is a path like any other.
    let response = reqwest::get(format!("http://{}/ws", app.addr)).await;
    assert_eq!(response.unwrap().status(), 404);
}

/// A page of another site must not learn who is signed in.
#[tokio::test]
async fn foreign_page_is_refused_before_its_sign_in() {
    let app = App::start(Limits::default()).await;
    let mut request = app.url().into_client_request().unwrap();
    let evil = "https://evil.example".parse().unwrap();
    request.headers_mut().insert("origin", evil);
    match soon("the response", connect_async(request)).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 403),
        other => panic!("{other:?}"),
    }
    assert_eq!(app.sign_ins.load(Ordering::Relaxed), 0);
}

/// A client that never closes its side occupies a connection, but only for seconds.
#[tokio::test]
async fn refused_connections_count_until_they_end() {
    let app = App::start(Limits::default().max_connections(1)).await;
    let mut idle = TcpStream::connect(&app.addr).await.unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    idle.write_all(request.as_bytes()).await.unwrap();
    // The server ends its direction at once.
    let mut received = Vec::new();
    soon("the close", idle.read_to_end(&mut received))
        .await
        .unwrap();
    assert!(received.ends_with(b"unauthenticated"), "{received:?}");
    assert_eq!(app.live.connections(), 1);

    let offer = format!("rest-live.v1, bearer.{TOKEN}");
    for offer in ["rest-live.v1", &offer] {
        let (mut client, _) = app.offering(offer).await;
        assert_eq!(client.closed().await.0, 4429, "{offer}");
    }
    soon("the end of the idle connection", async {
        while app.live.connections() > 0 {
            tokio::time::sleep(TICK).await;
        }
    })
    .await;
    let (mut client, _) = app.offering(&offer).await;
    assert_eq!(client.json().await["type"], "hello");
}

#[tokio::test]
async fn token_is_neither_sent_back_nor_logged() {
    let log = Log::start();
    let app = App::start(Limits::default()).await;
    let mut clients = Vec::new();
    for token in [TOKEN, "swordfish-wrong"] {
        let mut request = app.url().into_client_request().unwrap();
        let offer = format!("rest-live.v1, bearer.{token}").parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", offer);
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let (socket, response) = connect_async(request).await.unwrap();
        assert!(
            !format!("{response:?}").contains("swordfish"),
            "{response:?}"
        );
        let mut client = Client { socket };
        _ = client.message().await;
        clients.push(client);
    }
    assert_eq!(app.live.disconnect(|_| true), 1);
    let log = log.end();
    assert!(log.contains("a user could not sign in"), "{log}");
    assert!(!log.contains("swordfish"), "{log}");
}
