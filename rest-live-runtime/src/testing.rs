//! Support for tests: a client without a socket for the tests of applications, and the [contract]
//! suite for the tests of event logs.

pub mod contract;

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::{
    hub::shard::drain::Outgoing,
    live::Live,
    protocol::{code::CloseCode, frame::Frame},
    session::{Handshake, Session},
};

/// How long a client waits for a frame or a close.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a client asks whether it has received what it missed.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// A client in the process of the test, without a socket.
///
/// When [`send_json`](Self::send_json) returns, the server has processed the request. No method
/// sleeps for a fixed time: [`receive_nothing`](Self::receive_nothing) returns as soon as every
/// finished write has been dispatched.
#[derive(Debug)]
pub struct Client<U = ()> {
    live: Live<U>,
    session: Session,
    /// Frames that arrived and were not returned yet, the newest first.
    frames: Vec<Frame>,
}

impl<U: Send + Sync + 'static> Client<U> {
    /// Connects as a user. To set an address or the subprotocol, pass a [`Handshake`] instead of
    /// the user.
    pub fn connect(live: &Live<U>, user: impl Into<Handshake<U>>) -> Self {
        Self {
            live: live.clone(),
            session: live.connect(user),
            frames: Vec::new(),
        }
    }

    /// Sends a request. The server has processed it when this method returns.
    pub async fn send_json(&self, request: impl Into<Value>) {
        self.send_text(&request.into().to_string()).await;
    }

    /// Sends a text message, which does not have to be JSON.
    pub async fn send_text(&self, text: &str) {
        self.session.receive(text).await;
    }

    /// Waits for the next frame and returns it as JSON.
    ///
    /// # Panics
    /// If no frame arrives within ten seconds, or the server closes the connection.
    pub async fn receive_json(&mut self) -> Value {
        json(&self.receive_text().await)
    }

    /// Waits for the next frame and returns its text.
    ///
    /// # Panics
    /// If no frame arrives within ten seconds, or the server closes the connection.
    pub async fn receive_text(&mut self) -> String {
        match timeout(RECEIVE_TIMEOUT, self.next()).await {
            Ok(Ok(frame)) => frame.as_str().to_owned(),
            Ok(Err(code)) => panic!("expected a frame, but the server closed with {code:?}"),
            Err(_) => panic!("expected a frame, but received none within {RECEIVE_TIMEOUT:?}"),
        }
    }

    /// Waits until everything that was written and sent so far has been dispatched, and asserts
    /// that this client has received no frame.
    ///
    /// # Panics
    /// If a frame arrives, or the server closes the connection.
    pub async fn receive_nothing(&mut self) {
        self.live.wait_until_dispatched().await;
        match self.queued().await {
            None => {}
            Some(Ok(frame)) => panic!("expected no frame, but received {}", frame.as_str()),
            Some(Err(code)) => panic!("expected no frame, but the server closed with {code:?}"),
        }
    }

    /// Waits until everything that was written and sent so far has been dispatched, and returns the
    /// frames that this client has received, oldest first. The list may be empty.
    ///
    /// # Panics
    /// If the server closes the connection.
    pub async fn received(&mut self) -> Vec<Value> {
        self.live.wait_until_dispatched().await;
        let mut frames = Vec::new();
        while let Some(next) = self.queued().await {
            match next {
                Ok(frame) => frames.push(json(frame.as_str())),
                Err(code) => panic!("expected frames, but the server closed with {code:?}"),
            }
        }
        frames
    }

    /// Waits until the server closes the connection, and returns the close code.
    ///
    /// # Panics
    /// If a frame arrives first, or the server does not close within ten seconds.
    pub async fn receive_close(&mut self) -> CloseCode {
        match timeout(RECEIVE_TIMEOUT, self.next()).await {
            Ok(Err(code)) => code,
            Ok(Ok(frame)) => panic!("expected a close, but received {}", frame.as_str()),
            Err(_) => panic!("expected a close, but received none within {RECEIVE_TIMEOUT:?}"),
        }
    }

    /// Ends the connection, as dropping the client does.
    pub fn disconnect(self) {}

    /// Returns the next frame or the close, if the server has queued one. If the client was too
    /// slow, waits until the server has queued what it missed.
    async fn queued(&mut self) -> Option<Result<Frame, CloseCode>> {
        loop {
            let is_behind = self.session.is_behind();
            if let Some(next) = self.next().now_or_never() {
                return Some(next);
            }
            if !is_behind {
                return None;
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    async fn next(&mut self) -> Result<Frame, CloseCode> {
        loop {
            if let Some(frame) = self.frames.pop() {
                return Ok(frame);
            }
            match self.session.outgoing().await {
                Outgoing::Close(code) => return Err(code),
                Outgoing::Frames(mut frames) => {
                    frames.reverse();
                    self.frames = frames;
                }
            }
        }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text} is not JSON: {error}"))
}
