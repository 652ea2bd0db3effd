//! The warp filter among other routes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reqwest::{Client as Http, StatusCode};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_tungstenite::{client_async, connect_async};
use warp::Filter;

use crate::support::{App, Client, Log, soon};

#[tokio::test]
async fn filter_works_at_any_path() {
    let app = App::start().await;
    let ws = rest_live::warp::subscriptions(&app.live);
    let routes = warp::path!("deep" / "down")
        .and(ws.clone())
        .or(warp::path!("deep" / "down")
            .and(warp::get())
            .map(|| "the same path, for browsers"))
        .or(warp::path("any").and(ws))
        .or(warp::path::end().map(|| "home"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(routes).incoming(listener).run());

    for path in [
        "deep/down",
        "deep/down/",
        "deep/down?token=1",
        "any/thing/at/all",
    ] {
        let mut client = Client::connect(&format!("ws://{addr}/{path}")).await;
        client.synchronise().await;
    }
    let get = async |path: &str| {
        reqwest::get(format!("http://{addr}/{path}"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    assert_eq!(get("").await, "home");
    assert_eq!(get("deep/down").await, "the same path, for browsers");
    assert!(
        connect_async(format!("ws://{addr}/elsewhere"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn invalid_handshake_is_refused() {
    let app = App::start().await;
    let url = format!("http://{}/ws/subscribe", app.addr);
    let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let upgrade = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let version = ("sec-websocket-version", "13");
    let cases: [(&[(&str, &str)], StatusCode); 7] = [
        (&[], StatusCode::BAD_REQUEST),
        (
            &[("upgrade", "websocket"), version, key],
            StatusCode::BAD_REQUEST,
        ),
        (&[upgrade[0], upgrade[1], version], StatusCode::BAD_REQUEST),
        (
            &[upgrade[0], upgrade[1], version, (key.0, "short")],
            StatusCode::BAD_REQUEST,
        ),
        (
            &[upgrade[0], upgrade[1], version, key, key],
            StatusCode::BAD_REQUEST,
        ),
        (
            &[upgrade[0], upgrade[1], key, ("sec-websocket-version", "8")],
            StatusCode::UPGRADE_REQUIRED,
        ),
        (&[upgrade[0], upgrade[1], key], StatusCode::UPGRADE_REQUIRED),
    ];
    for (headers, status) in cases {
        let request = headers
            .iter()
            .fold(Http::new().get(&url), |request, (name, value)| {
                request.header(*name, *value)
            });
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{headers:?}");
        if status == StatusCode::UPGRADE_REQUIRED {
            assert_eq!(response.headers()["sec-websocket-version"], "13");
        }
    }
    assert_eq!(
        Http::new().post(&url).send().await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
}

/// The log message of the slow path, where TCP_NODELAY is not set. The fast path depends on private
/// types of hyper.
const SLOW_PATH: &str = "not a plain TCP stream";

#[tokio::test]
async fn tcp_connection_takes_the_fast_path() {
    let log = Log::start();
    let app = App::start().await;
    app.client().await.synchronise().await;
    let log = log.end();
    assert!(
        log.contains("rest-live has started"),
        "the log was not captured: {log}"
    );
    assert!(!log.contains(SLOW_PATH), "{log}");
}

/// Only plain TCP takes the fast path. A custom TLS stack takes this one.
#[tokio::test]
async fn unix_socket_takes_the_slow_path() {
    let log = Log::start();
    let app = App::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(
        warp::serve(rest_live::warp::subscriptions(&app.live))
            .incoming(listener)
            .run(),
    );
    let stream = UnixStream::connect(&path).await.unwrap();
    let (mut socket, _) = soon("the handshake", client_async("ws://localhost/", stream))
        .await
        .unwrap();
    futures_util::SinkExt::send(&mut socket, "nonsense".into())
        .await
        .unwrap();
    let answer = soon("the answer", futures_util::StreamExt::next(&mut socket))
        .await
        .unwrap()
        .unwrap();
    crate::support::assert_error(answer.to_text().unwrap(), 400, "malformed_json", false);
    let log = log.end();
    assert!(log.contains(SLOW_PATH), "{log}");
}

/// Any client can cause refusals, and must not fill the log.
#[tokio::test]
async fn refused_origin_is_a_warning_once_a_minute() {
    let log = Log::start();
    let app = App::start().await;
    let url = format!("http://{}/ws/subscribe", app.addr);
    for _ in 0..3 {
        let request = Http::new().get(&url).header("upgrade", "websocket");
        let response = request.header("origin", "http://localhost:5173").send();
        assert_eq!(response.await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    let log = log.end();
    let refusals = log
        .lines()
        .filter(|line| line.contains("of another origin"));
    let (warnings, others): (Vec<_>, Vec<_>) = refusals.partition(|line| line.contains("WARN"));
    assert_eq!((warnings.len(), others.len()), (1, 2), "{log}");
    let line = ".allowed_origins([\"http://localhost:5173\"])";
    for part in ["http://localhost:5173", &app.addr.to_string(), line] {
        assert!(warnings[0].contains(part), "{part}: {log}");
    }
}

/// The user of a foreign page is not looked up, because that may cost a query.
#[tokio::test]
async fn foreign_origin_is_refused_before_user_lookup() {
    let app = App::start().await;
    let lookups = Arc::new(AtomicUsize::new(0));
    let user = warp::any().map({
        let lookups = Arc::clone(&lookups);
        move || _ = lookups.fetch_add(1, Ordering::Relaxed)
    });
    let ws = warp::path("ws").and(rest_live::warp::subscriptions_as(&app.live, user));
    let routes = ws.or(warp::path("ws").map(|| "the next route"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(warp::serve(routes).incoming(listener).run());

    for (origin, status, expected) in [
        ("http://evil.example", StatusCode::FORBIDDEN, 0),
        ("null", StatusCode::FORBIDDEN, 0),
        (
            &format!("http://{addr}"),
            StatusCode::SWITCHING_PROTOCOLS,
            1,
        ),
    ] {
        let request = Http::new()
            .get(format!("http://{addr}/ws"))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", origin);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{origin}");
        assert_eq!(lookups.load(Ordering::Relaxed), expected, "{origin}");
    }
}
