//! Reverse proxies in front of a server, with the configurations of `docs/guide/proxies.md`.

mod caddy;
mod nginx;
mod vite;

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client as Http, RequestBuilder};
use rest_live::{Limits, Live, LiveBuilder};
use sea_orm::ActiveModelTrait;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_tungstenite::{MaybeTlsStream, client_async, tungstenite::client::IntoClientRequest};
use warp::Filter;

use crate::support::{Client, TestDatabase, database, soon, task};

const GUIDE: &str = include_str!("../../../docs/guide/proxies.md");

/// Returns a code block of the guide by its language and its index.
fn guide(language: &str, index: usize) -> &'static str {
    let start = format!("\n```{language}\n");
    let block = GUIDE.split(&start).nth(index + 1);
    let block = block.expect("a code block of the guide");
    block.split("```").next().expect("the text before the end")
}

/// Replaces a text that must occur in a configuration.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in:\n{text}");
    text.replace(from, to)
}

/// The server behind the proxy.
struct Backend {
    live: Live,
    addr: SocketAddr,
    server: AbortHandle,
    _database: TestDatabase,
}

impl Backend {
    async fn start(change: impl FnOnce(LiveBuilder) -> LiveBuilder) -> Self {
        let (db, database) = database().await;
        let live = change(Live::builder(db)).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let api = warp::path!("api" / "name").map(move || addr.to_string());
        let api = api.with(warp::wrap_fn(rest_live::warp::with_cursor(&live)));
        let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
        let server = tokio::spawn(warp::serve(ws.or(api)).incoming(listener).run());
        Self {
            live,
            addr,
            server: server.abort_handle(),
            _database: database,
        }
    }

    /// Returns whether this address is that of a proxy of this server.
    async fn is_behind(&self, proxy: SocketAddr, host: &str) -> bool {
        let request = Http::new().get(format!("http://{proxy}/api/name"));
        let request = request.header("host", host).timeout(Duration::from_secs(5));
        let Ok(response) = request.send().await else {
            return false;
        };
        response.text().await.ok() == Some(self.addr.to_string())
    }

    async fn insert(&self, id: i32) {
        task(id, "milk", 1).insert(&self.live.db()).await.unwrap();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A browser that loads its page from a proxy. `host` has the port of the proxy.
struct Browser {
    proxy: SocketAddr,
    host: String,
}

impl Browser {
    fn of(proxy: SocketAddr, name: &str) -> Self {
        let host = format!("{name}:{}", proxy.port());
        Self { proxy, host }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Sends the handshake of a page. Returns the status, and the body of an error.
    async fn handshake(&self, origin: &str) -> (u16, String) {
        let request = self
            .request("/ws/subscribe")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", origin);
        let response = soon("a response", request.send()).await.unwrap();
        match response.status().as_u16() {
            101 => (101, String::new()),
            status => (status, response.text().await.unwrap()),
        }
    }

    fn request(&self, path: &str) -> RequestBuilder {
        let request = Http::new().get(format!("http://{}{path}", self.proxy));
        request.header("host", &self.host)
    }

    /// Opens a websocket from a page of the proxy.
    async fn open(&self) -> Client {
        let url = format!("ws://{}/ws/subscribe", self.host);
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", self.origin().parse().unwrap());
        headers.insert("sec-websocket-protocol", "rest-live.v1".parse().unwrap());
        let stream = TcpStream::connect(self.proxy).await.unwrap();
        let stream = MaybeTlsStream::Plain(stream);
        let (socket, response) = soon("the handshake", client_async(request, stream))
            .await
            .unwrap();
        let selected = &response.headers()["sec-websocket-protocol"];
        assert_eq!(selected, "rest-live.v1");
        Client { socket }
    }
}

/// Asserts that a page of the proxy is live, and that a page of another origin is refused.
async fn assert_live(backend: &Backend, browser: &Browser) {
    let response = soon("the page's rows", browser.request("/api/name").send())
        .await
        .unwrap();
    let cursor = response.headers()["live-cursor"]
        .to_str()
        .unwrap()
        .to_owned();
    backend.insert(1).await;

    let mut client = browser.open().await;
    assert_eq!(client.json().await["type"], "hello");
    let request = json!({
        "id": 1, "model": "todolist.Task", "group": {"list_id": 1}, "since": cursor,
    });
    client.send(&request.to_string()).await;
    let subscribed = client.json().await;
    assert_eq!(subscribed["recovered"], true, "{subscribed}");
    assert_eq!(client.json().await["payload"]["id"], 1);
    backend.insert(2).await;
    assert_eq!(client.json().await["payload"]["id"], 2);

    assert_refused(browser, "http://evil.example").await;
    let other_port = format!("http://{}", browser.host.replace(':', ":1"));
    assert_refused(browser, &other_port).await;
}

/// Asserts that a page of this origin is refused with the line that allows it. Returns the body.
async fn assert_refused(browser: &Browser, origin: &str) -> String {
    let (status, body) = browser.handshake(origin).await;
    assert_eq!(status, 403, "{origin}: {body}");
    assert!(
        body.contains(&format!("Origin: {origin:?}\nHost: ")),
        "{body}"
    );
    body
}

/// The guide shows the body of a refusal.
#[tokio::test]
async fn refusal_of_the_guide_is_what_pages_get() {
    let backend = Backend::start(|builder| builder).await;
    let host = "127.0.0.1:3030".to_owned();
    let browser = Browser {
        proxy: backend.addr,
        host,
    };
    let body = assert_refused(&browser, "http://localhost:5173").await;
    assert_eq!(body + "\n", guide("text", 0));
}

/// Limits with so many pings that a proxy sees no idle connection of a second.
fn frequent_pings() -> Limits {
    Limits::default().ping_interval(Duration::from_millis(250))
}
