//! The client's end of a connection: it sends frames however they are cut, and reads what the server says to the byte.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::yield_now,
};

use super::frame::{close, farewell, ping};
use crate::support::{App, raw, soon};

/// How frames reach the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery {
    /// All of them in one write.
    Whole,
    /// A write for each.
    Frames,
    /// A write for so many bytes.
    Chops(usize),
}

impl Delivery {
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Frames, Self::OCTETS];
    pub(crate) const OCTETS: Self = Self::Chops(1);
}

/// What the server is to say.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An error frame: a message has arrived.
    Answer,
    /// An error frame, or none: the cases that Autobahn calls non-strict without.
    MaybeAnswer,
    /// An error frame that names the request's `id`: the message has arrived as it was sent.
    Echo(String),
    Pong(Vec<u8>),
    /// A close frame with a code, and then the end of the stream.
    Close(u16),
    /// The same, with this payload.
    CloseWith(Vec<u8>),
}

/// What the server says.
#[derive(Debug)]
enum Said {
    Text(Value),
    Pong(Vec<u8>),
    Close(Vec<u8>),
}

pub(crate) struct Peer {
    stream: TcpStream,
    /// Which case this is.
    what: String,
    /// What was read and not looked at yet.
    read: VecDeque<Said>,
    is_closed: bool,
}

impl Peer {
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
            Delivery::Chops(size) => {
                for chop in whole.chunks(size) {
                    self.write(chop).await;
                }
            }
        }
    }

    /// Writes, and gives the server a turn to read just that.
    async fn write(&mut self, bytes: &[u8]) {
        soon(&self.what, self.stream.write_all(bytes))
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.what));
        yield_now().await;
    }

    /// Asserts what comes next, in this order.
    pub(crate) async fn expect_all(&mut self, replies: &[Reply]) {
        for reply in replies {
            self.expect(reply).await;
        }
    }

    pub(crate) async fn expect(&mut self, reply: &Reply) {
        let said = self.next().await;
        match (reply, &said) {
            (Reply::Answer | Reply::MaybeAnswer, Said::Text(json)) if json["type"] == "error" => {}
            (Reply::MaybeAnswer, _) => self.read.push_front(said),
            (Reply::Echo(id), Said::Text(json)) if json["type"] == "error" => {
                assert_eq!(json["id"], *id, "{}: {json}", self.what);
            }
            (Reply::Pong(payload), Said::Pong(came)) if came == payload => {}
            (Reply::Close(code), Said::Close(came))
                if came.get(..2) == Some(&code.to_be_bytes()) =>
            {
                self.expect_end().await;
            }
            (Reply::CloseWith(payload), Said::Close(came)) if came == payload => {
                self.expect_end().await;
            }
            _ => panic!("{}: {said:?} came instead of {reply:?}", self.what),
        }
    }

    /// Returns whether the next that comes is a close. It still has to be expected.
    pub(crate) async fn is_closing(&mut self) -> bool {
        let said = self.next().await;
        let is_close = matches!(said, Said::Close(_));
        self.read.push_front(said);
        is_close
    }

    async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        soon(&self.what, self.stream.read_to_end(&mut rest))
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.what));
        assert!(rest.is_empty(), "{}: {rest:?} behind a close", self.what);
        self.is_closed = true;
    }

    /// Asserts that nothing more comes. What is still open answers, and closes as it should.
    pub(crate) async fn assert_over(&mut self) {
        if !self.is_closed {
            let payload = b"the end".to_vec();
            self.send(&[ping(&payload)], Delivery::Whole).await;
            self.expect(&Reply::Pong(payload)).await;
            let payload = farewell(1000, b"");
            self.send(&[close(&payload)], Delivery::Whole).await;
            self.expect(&Reply::CloseWith(payload)).await;
        }
    }

    async fn next(&mut self) -> Said {
        if let Some(said) = self.read.pop_front() {
            return said;
        }
        let what = &self.what;
        soon(what, read_frame(&mut self.stream))
            .await
            .unwrap_or_else(|error| panic!("{what}: {error} instead of a frame"))
    }
}

/// Reads a frame, which must be such as a server may send.
async fn read_frame(stream: &mut TcpStream) -> std::io::Result<Said> {
    let (first, second) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = match second {
        ..126 => usize::from(second),
        126 => usize::from(stream.read_u16().await?),
        _ => panic!("a mask, or an error frame over 64 KiB: {second}"),
    };
    assert!(second < 126 || length >= 126, "written too long: {length}");
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(match first {
        0x81 => Said::Text(serde_json::from_slice(&payload).unwrap()),
        0x88 => Said::Close(payload),
        0x8A => Said::Pong(payload),
        _ => panic!("no frame of a server: {first:#x}"),
    })
}
