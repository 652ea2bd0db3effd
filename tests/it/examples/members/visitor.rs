//! A visitor of the members example, over HTTP and over the websocket.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{client::IntoClientRequest, http::Request};

use crate::support::{Client, Example, read};

/// A visitor of the application: signed in, or with an empty cookie.
pub struct Visitor<'a> {
    app: &'a Example,
    cookie: String,
}

pub async fn start() -> Example {
    Example::start("members").await
}

pub fn anonymous(app: &Example) -> Visitor<'_> {
    Visitor {
        app,
        cookie: String::new(),
    }
}

pub async fn sign_in<'a>(app: &'a Example, name: &str) -> Visitor<'a> {
    let body = json!({ "name": name }).to_string();
    let response = app.send("POST", "/api/login", "", body).await;
    assert_eq!(response.status(), 200);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    Visitor { app, cookie }
}

impl Visitor<'_> {
    pub async fn http(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        read(self.app.send(method, path, &self.cookie, body).await).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.http("GET", path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let (status, json) = self.http("POST", path, body).await;
        assert!(matches!(status, 201 | 204), "POST {path}: {status} {json}");
        json
    }

    pub async fn list(&self, name: &str, public: bool) -> Value {
        let list = json!({ "name": name, "public": public });
        self.post("/api/lists", list).await["id"].clone()
    }

    pub async fn task(&self, text: &str, list: &Value) -> Value {
        let task = json!({ "text": text, "list_id": list });
        self.post("/api/tasks", task).await["id"].clone()
    }

    pub fn handshake(&self) -> Request<()> {
        let mut request = self.app.websocket().into_client_request().unwrap();
        if !self.cookie.is_empty() {
            let cookie = self.cookie.parse().unwrap();
            request.headers_mut().insert("cookie", cookie);
        }
        request
    }

    pub async fn socket(&self) -> Client {
        Client::connect(self.handshake()).await
    }

    pub async fn v1(&self) -> Client {
        let mut request = self.handshake();
        let protocol = "rest-live.v1".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let mut client = Client::connect(request).await;
        assert_eq!(client.json().await["type"], "hello");
        client
    }
}

pub fn by(model: &str, key: &str, value: &Value) -> String {
    json!({ "model": format!("members.{model}"), key: value }).to_string()
}

/// Subscribes in the plain dialect, which does not acknowledge a subscription.
pub async fn follow(client: &mut Client, model: &str, key: &str, value: &Value) {
    client.subscribe(&by(model, key, value)).await;
}

pub async fn expect(client: &mut Client, model: &str, action: &str, payload: Value) {
    let model = format!("members.{model}");
    let expected = json!({ "model": model, "payload": payload, "action": action });
    assert_eq!(client.json().await, expected);
}
