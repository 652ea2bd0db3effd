//! The client's end of a connection: it sends frames in chunks of any size, and reads the frames of
//! the server byte by byte.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
};

use super::frame::{close, close_payload, ping};
use crate::support::{App, raw, soon};

/// How frames reach the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// All of them in one write.
    Whole,
    /// One write for each frame.
    Frames,
    /// One write for so many bytes.
    Chunks(usize),
}

impl Delivery {
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Frames, Self::OCTETS];
    pub(crate) const OCTETS: Self = Self::Chunks(1);
}

/// A reply that the client expects.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An error frame: a message has arrived.
    Answer,
    /// An error frame or none. Autobahn calls the cases without one non-strict.
    MaybeAnswer,
    /// An error frame that names the request's `id`: the message has arrived as it was sent.
    Echo(String),
    Pong(Vec<u8>),
    /// A close frame with a code, and then the end of the stream.
    Close(u16),
    /// The same, with this payload.
    CloseWith(Vec<u8>),
}

/// A frame from the server.
#[derive(Debug)]
enum Incoming {
    Text(Value),
    Pong(Vec<u8>),
    Close(Vec<u8>),
}

pub(crate) struct RawClient {
    stream: TcpStream,
    /// The name of the case.
    what: String,
    /// Frames that were read but not checked yet.
    read: VecDeque<Incoming>,
    is_closed: bool,
}

impl RawClient {
    pub(crate) async fn connect(app: &App, what: &str) -> Self {
        let stream = raw(app).await;
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            what: what.to_owned(),
            read: VecDeque::new(),
            is_closed: false,
        }
    }

    pub(crate) async fn send(&mut self, frames: &[Vec<u8>], delivery: Delivery) {
        let whole = frames.concat();
        match delivery {
            Delivery::Whole => self.write(&whole).await,
            Delivery::Frames => {
                for frame in frames {
                    self.write(frame).await;
                }
            }
            Delivery::Chunks(size) => {
                for chunk in whole.chunks(size) {
                    self.write(chunk).await;
                }
            }
        }
    }

    /// Writes, then yields so that the server can read just these bytes.
    async fn write(&mut self, bytes: &[u8]) {
        soon(&self.what, self.stream.write_all(bytes))
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.what));
        yield_now().await;
    }

    /// Asserts that these replies come next, in this order.
    pub(crate) async fn expect_all(&mut self, replies: &[Reply]) {
        for reply in replies {
            self.expect(reply).await;
        }
    }

    pub(crate) async fn expect(&mut self, reply: &Reply) {
        let frame = self.next().await;
        match (reply, &frame) {
            (Reply::Answer | Reply::MaybeAnswer, Incoming::Text(json))
                if json["type"] == "error" => {}
            (Reply::MaybeAnswer, _) => self.read.push_front(frame),
            (Reply::Echo(id), Incoming::Text(json)) if json["type"] == "error" => {
                assert_eq!(json["id"], *id, "{}: {json}", self.what);
            }
            (Reply::Pong(payload), Incoming::Pong(received)) if received == payload => {}
            (Reply::Close(code), Incoming::Close(received))
                if received.get(..2) == Some(&code.to_be_bytes()) =>
            {
                self.expect_end().await;
            }
            (Reply::CloseWith(payload), Incoming::Close(received)) if received == payload => {
                self.expect_end().await;
            }
            _ => panic!("{}: received {frame:?} instead of {reply:?}", self.what),
        }
    }

    /// Returns whether the next frame is a close, without consuming it.
    pub(crate) async fn is_closing(&mut self) -> bool {
        let frame = self.next().await;
        let is_close = matches!(frame, Incoming::Close(_));
        self.read.push_front(frame);
        is_close
    }

    async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        soon(&self.what, self.stream.read_to_end(&mut rest))
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.what));
        assert!(rest.is_empty(), "{}: {rest:?} after a close", self.what);
        self.is_closed = true;
    }

    /// Asserts that nothing more arrives. An open connection must answer a ping and close cleanly.
    pub(crate) async fn assert_over(&mut self) {
        if !self.is_closed {
            let payload = b"the end".to_vec();
            self.send(&[ping(&payload)], Delivery::Whole).await;
            self.expect(&Reply::Pong(payload)).await;
            let payload = close_payload(1000, b"");
            self.send(&[close(&payload)], Delivery::Whole).await;
            self.expect(&Reply::CloseWith(payload)).await;
        }
    }

    async fn next(&mut self) -> Incoming {
        if let Some(frame) = self.read.pop_front() {
            return frame;
        }
        let what = &self.what;
        soon(what, read_frame(&mut self.stream))
            .await
            .unwrap_or_else(|error| panic!("{what}: {error} instead of a frame"))
    }
}

/// Reads a frame, which must be one that a server may send.
async fn read_frame(stream: &mut TcpStream) -> std::io::Result<Incoming> {
    let (first, second) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = match second {
        ..126 => usize::from(second),
        126 => usize::from(stream.read_u16().await?),
        _ => panic!("a mask, or an error frame over 64 KiB: {second}"),
    };
    assert!(
        second < 126 || length >= 126,
        "not the shortest encoding of the length {length}"
    );
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(match first {
        0x81 => Incoming::Text(serde_json::from_slice(&payload).unwrap()),
        0x88 => Incoming::Close(payload),
        0x8A => Incoming::Pong(payload),
        _ => panic!("not a frame of a server: {first:#x}"),
    })
}
