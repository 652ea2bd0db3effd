//! A websocket client that fails the test when something else comes than expected.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::soon;

pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Connects to a URL, or with a request that has more headers.
    pub async fn connect(request: impl IntoClientRequest + Unpin) -> Self {
        let (socket, _) = soon("the handshake", connect_async(request)).await.unwrap();
        Self { socket }
    }

    /// Connects, and returns which subprotocol the server took.
    pub async fn connect_offering(url: &str, subprotocols: Option<&str>) -> (Self, Option<String>) {
        let mut request = url.into_client_request().unwrap();
        if let Some(subprotocols) = subprotocols {
            let offer = subprotocols.parse().unwrap();
            request
                .headers_mut()
                .insert("sec-websocket-protocol", offer);
        }
        let (socket, response) = soon("the handshake", connect_async(request)).await.unwrap();
        let taken = response.headers().get("sec-websocket-protocol");
        let taken = taken.map(|taken| taken.to_str().unwrap().to_owned());
        (Self { socket }, taken)
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Returns the next message, pings aside.
    pub async fn message(&mut self) -> Message {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("a message was expected, {other:?} came"),
            }
        }
    }

    pub async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("a text frame was expected, {other:?} came"),
        }
    }

    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Asserts what comes next, to the byte.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let came = self.text().await;
            assert_eq!(came, text, "at {caller}");
        }
    }

    /// Asserts that an error frame comes next: its keys, their order, and these values.
    pub async fn expect_error(&mut self, code: u16, error: &str, retry: bool) {
        let text = self.text().await;
        assert_error(&text, code, error, retry);
    }

    /// Waits until the server has taken in everything that was sent before.
    pub async fn synchronise(&mut self) {
        self.send("this is no request").await;
        let answer = self.json().await;
        // 0.7 has no names for errors.
        let error = answer.get("error").unwrap_or(&Value::Null);
        assert!(
            answer["type"] == "error"
                && answer["code"] == 400
                && (error == "malformed_json" || error.is_null()),
            "{answer} came instead of an error"
        );
    }

    pub async fn subscribe(&mut self, request: &str) {
        self.send(request).await;
        self.synchronise().await;
    }

    /// Asserts that the server closes, and returns the code and the reason.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.message().await {
            Message::Close(Some(CloseFrame { code, reason })) => (code.into(), reason.to_string()),
            other => panic!("a close frame was expected, {other:?} came"),
        }
    }
}

/// Asserts that a frame is this error, with nothing else in it.
pub fn assert_error(text: &str, code: u16, error: &str, retry: bool) {
    let json: Value = serde_json::from_str(text).unwrap();
    let message = json["message"]
        .as_str()
        .unwrap_or_else(|| panic!("{text} has no message"));
    assert!(!message.is_empty(), "{text}");
    let message = serde_json::to_string(message).unwrap();
    let expected = format!(
        r#"{{"type":"error","code":{code},"error":"{error}","message":{message},"retry":{retry}}}"#
    );
    assert_eq!(text, expected);
}
