//! A websocket client that fails the test when it receives something unexpected.

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
    /// Connects to a URL, or with a request that has additional headers.
    pub async fn connect(request: impl IntoClientRequest + Unpin) -> Self {
        let (socket, _) = soon("the handshake", connect_async(request)).await.unwrap();
        Self { socket }
    }

    /// Connects, and returns the subprotocol that the server selected.
    pub async fn connect_offering(url: &str, subprotocols: Option<&str>) -> (Self, Option<String>) {
        let mut request = url.into_client_request().unwrap();
        if let Some(subprotocols) = subprotocols {
            let offer = subprotocols.parse().unwrap();
            request
                .headers_mut()
                .insert("sec-websocket-protocol", offer);
        }
        let (socket, response) = soon("the handshake", connect_async(request)).await.unwrap();
        let selected = response.headers().get("sec-websocket-protocol");
        let selected = selected.map(|name| name.to_str().unwrap().to_owned());
        (Self { socket }, selected)
    }

    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Returns the next message that is not a ping.
    pub async fn message(&mut self) -> Message {
        loop {
            match soon("a message", self.socket.next()).await {
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("expected a message, received {other:?}"),
            }
        }
    }

    pub async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("expected a text frame, received {other:?}"),
        }
    }

    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Asserts that the next message is exactly this text.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let received = self.text().await;
            assert_eq!(received, text, "at {caller}");
        }
    }

    /// Asserts that the next message is an error frame with the right keys, in order, and these
    /// values.
    pub async fn expect_error(&mut self, code: u16, error: &str, retry: bool) {
        let text = self.text().await;
        assert_error(&text, code, error, retry);
    }

    /// Waits until the server has processed everything that was sent before.
    pub async fn synchronise(&mut self) {
        self.send("this is no request").await;
        let reply = self.json().await;
        // The 0.7 dialect has no names for errors.
        let error = reply.get("error").unwrap_or(&Value::Null);
        assert!(
            reply["type"] == "error"
                && reply["code"] == 400
                && (error == "malformed_json" || error.is_null()),
            "expected an error, received {reply}"
        );
    }

    pub async fn subscribe(&mut self, request: &str) {
        self.send(request).await;
        self.synchronise().await;
    }

    /// Asserts that the server closes the connection, and returns the code and the reason.
    pub async fn closed(&mut self) -> (u16, String) {
        match self.message().await {
            Message::Close(Some(CloseFrame { code, reason })) => (code.into(), reason.to_string()),
            other => panic!("expected a close frame, received {other:?}"),
        }
    }
}

/// Asserts that a frame is this error and contains nothing else. An error about a plain request
/// also names its group.
pub fn assert_error(text: &str, code: u16, error: &str, retry: bool) {
    let json: Value = serde_json::from_str(text).unwrap();
    let message = json["message"]
        .as_str()
        .unwrap_or_else(|| panic!("{text} has no message"));
    assert!(!message.is_empty(), "{text}");
    let message = serde_json::to_string(message).unwrap();
    let named = match (json.get("model"), json.get("group")) {
        (Some(model), Some(group)) => format!(r#","model":{model},"group":{group}"#),
        _ => String::new(),
    };
    let expected = format!(
        r#"{{"type":"error","code":{code},"error":"{error}","message":{message},"retry":{retry}{named}}}"#
    );
    assert_eq!(text, expected);
}
