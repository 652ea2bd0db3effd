//! For the tests of an application: a client in the test's own process. For those of an event log: the
//! [contract].

pub mod contract;

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    hub::shard::drain::Outgoing,
    live::Live,
    protocol::{code::CloseCode, frame::Frame},
    session::{Handshake, Session},
};

/// How long a client waits for what a test says must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client without a socket. What it sends is done when [`send_json`](Self::send_json) returns, and
/// nothing in it sleeps: [`receive_nothing`](Self::receive_nothing) waits until every write that is
/// done was handed out, and no longer.
#[derive(Debug)]
pub struct Client<U = ()> {
    live: Live<U>,
    session: Session,
    /// What came and was not received yet, the last first.
    frames: Vec<Frame>,
}

impl<U: Send + Sync + 'static> Client<U> {
    /// Connects as a user. A [`Handshake`] says more than who it is.
    pub fn connect(live: &Live<U>, user: impl Into<Handshake<U>>) -> Self {
        Self {
            live: live.clone(),
            session: live.connect(user),
            frames: Vec::new(),
        }
    }

    /// Sends a request.
    pub async fn send_json(&self, request: impl Into<Value>) {
        self.send_text(&request.into().to_string()).await;
    }

    /// Sends a text message, which may be no JSON.
    pub async fn send_text(&self, text: &str) {
        self.session.receive(text).await;
    }

    /// Returns the next frame.
    ///
    /// # Panics
    /// If nothing comes within ten seconds, or the server closes.
    pub async fn receive_json(&mut self) -> Value {
        json(&self.receive_text().await)
    }

    /// Returns the next frame as it was written.
    ///
    /// # Panics
    /// If nothing comes within ten seconds, or the server closes.
    pub async fn receive_text(&mut self) -> String {
        match timeout(PATIENCE, self.next()).await {
            Ok(Ok(frame)) => frame.as_str().to_owned(),
            Ok(Err(code)) => panic!("a frame was expected, and the server closes: {code:?}"),
            Err(_) => panic!("a frame was expected, and nothing came within {PATIENCE:?}"),
        }
    }

    /// Asserts that nothing comes of all that was written and sent so far.
    ///
    /// # Panics
    /// If something comes.
    pub async fn receive_nothing(&mut self) {
        self.live.dispatched().await;
        match self.next().now_or_never() {
            None => {}
            Some(Ok(frame)) => panic!("nothing was expected, and {} came", frame.as_str()),
            Some(Err(code)) => panic!("nothing was expected, and the server closes: {code:?}"),
        }
    }

    /// Returns all frames that come of what was written and sent so far, the oldest first; none if
    /// nothing does.
    ///
    /// # Panics
    /// If the server closes.
    pub async fn received(&mut self) -> Vec<Value> {
        self.live.dispatched().await;
        let mut frames = Vec::new();
        while let Some(next) = self.next().now_or_never() {
            match next {
                Ok(frame) => frames.push(json(frame.as_str())),
                Err(code) => panic!("frames were expected, and the server closes: {code:?}"),
            }
        }
        frames
    }

    /// Waits until the server closes the connection.
    ///
    /// # Panics
    /// If a frame comes first, or neither within ten seconds.
    pub async fn receive_close(&mut self) -> CloseCode {
        match timeout(PATIENCE, self.next()).await {
            Ok(Err(code)) => code,
            Ok(Ok(frame)) => panic!("a close was expected, and {} came", frame.as_str()),
            Err(_) => panic!("a close was expected, and nothing came within {PATIENCE:?}"),
        }
    }

    /// Ends the connection, as dropping the client does.
    pub fn disconnect(self) {}

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
