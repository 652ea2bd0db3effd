//! A connection of a misbehaving client, on the level of bytes.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    frame::{self, Frame},
    swarm::{Actor, Swarm},
    tally::Tally,
};

/// How long a client waits for a handshake, and for the server to read.
const IO_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client waits until the server closes the connection. The server has two limits of
/// 10 s, and TCP retries at longer and longer intervals after a tiny buffer was full.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(45);
/// Maximum number of bytes of one read.
const READ_SIZE: usize = 16 * 1024;
/// Bytes of a tiny receive buffer. Smaller ones are not useful.
const TINY: u32 = 4096;

/// The receive buffer of a client.
#[derive(Clone, Copy, PartialEq)]
pub enum Buffer {
    Default,
    /// So small that unread frames stay on the server.
    Tiny,
}

pub struct Connection<'g> {
    stream: TcpStream,
    /// Received bytes that are not parsed yet.
    received: Vec<u8>,
    tally: &'g Tally,
}

/// How a client ends its connection.
#[derive(Clone, Copy, PartialEq)]
pub enum Leave {
    /// Sends a close frame, and waits for the server's answer.
    Close,
    /// Drops the socket.
    Drop,
    /// Closes its sending half, and still reads.
    HalfClose,
    /// Sends a TCP reset.
    Reset,
}

impl Leave {
    pub const ALL: [Self; 4] = [Self::Close, Self::Drop, Self::HalfClose, Self::Reset];
}

/// Returns the request of a websocket handshake.
pub fn handshake(address: SocketAddr, subprotocol: bool) -> String {
    let offer = if subprotocol {
        "Sec-WebSocket-Protocol: rest-live.v1\r\n"
    } else {
        ""
    };
    format!(
        "GET /ws/subscribe HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    )
}

/// Connects, and sends nothing yet.
pub async fn connect(actor: &Actor<'_>, buffer: Buffer) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if buffer == Buffer::Tiny {
        socket.set_recv_buffer_size(TINY)?;
    }
    socket.bind((actor.address, 0).into())?;
    let connecting = socket.connect(actor.swarm.address);
    within(IO_TIMEOUT, "not connected in time", connecting).await
}

impl<'g> Connection<'g> {
    /// Opens a websocket. `early` is sent together with the handshake.
    pub async fn open(
        actor: &mut Actor<'g>,
        buffer: Buffer,
        subprotocol: bool,
        early: &[u8],
    ) -> io::Result<Self> {
        let Swarm { address, tally, .. } = actor.swarm;
        let mut stream = connect(actor, buffer).await?;
        let mut bytes = handshake(*address, subprotocol).into_bytes();
        bytes.extend(early);
        stream.write_all(&bytes).await?;
        let mut connection = Self {
            stream,
            received: Vec::new(),
            tally,
        };
        let upgrade = connection.wait_for_upgrade();
        within(IO_TIMEOUT, "no handshake in time", upgrade).await?;
        Ok(connection)
    }

    /// Reads the answer to the handshake.
    async fn wait_for_upgrade(&mut self) -> io::Result<()> {
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::Error::other("no answer to the handshake"));
            }
            let end = self
                .received
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                if !self.received.starts_with(b"HTTP/1.1 101") {
                    return Err(io::Error::other("handshake refused"));
                }
                self.received.drain(..end + 4);
                return Ok(());
            }
        }
    }

    /// Sends bytes. Fails if the server does not read them in time.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sending = self.stream.write_all(bytes);
        within(IO_TIMEOUT, "the server did not read in time", sending).await
    }

    /// Reads frames and answers pings for a time. Returns whether the connection is still open.
    pub async fn read(&mut self, time: Duration) -> io::Result<bool> {
        match timeout(time, self.read_to_end()).await {
            Ok(ended) => ended.map(|()| false),
            Err(_) => Ok(true),
        }
    }

    /// Reads until the server sends a close frame, or until the stream ends.
    async fn read_to_end(&mut self) -> io::Result<()> {
        loop {
            let (pongs, closes) = self.parse();
            if !pongs.is_empty() {
                self.stream.write_all(&pongs).await?;
            }
            if closes {
                return Ok(());
            }
            self.received.reserve(READ_SIZE);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                self.tally.counts().ends += 1;
                return Ok(());
            }
        }
    }

    /// Counts the received frames. Returns the answers to pings, and whether a close frame arrived.
    fn parse(&mut self) -> (Vec<u8>, bool) {
        let (mut pongs, mut parsed, mut closes) = (Vec::new(), 0, false);
        let mut counts = self.tally.counts();
        while let Some((frame, length)) = frame::next(&self.received[parsed..]) {
            match frame {
                Frame::Text(text) => counts.text(text),
                Frame::Ping(payload) => pongs.extend(frame::masked(frame::PONG, payload)),
                Frame::Close(code) => {
                    counts.close(code);
                    closes = true;
                }
                Frame::Pong => {}
                Frame::Other => counts.fail("unexpected frame".to_owned()),
            }
            parsed += length;
        }
        counts.bytes += parsed as u64;
        drop(counts);
        self.received.drain(..parsed);
        (pongs, closes)
    }

    /// Reads until the server closes the connection.
    pub async fn wait_for_close(mut self) -> io::Result<()> {
        if self.read(CLOSE_TIMEOUT).await? {
            Err(io::Error::other("not closed in time"))
        } else {
            Ok(())
        }
    }

    /// Returns the stream. The connection stays open as long as the stream exists.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Ends the connection in one of the ways.
    pub async fn leave(mut self, how: Leave) -> io::Result<()> {
        match how {
            Leave::Close => {
                let close = frame::masked(frame::CLOSE, &1000_u16.to_be_bytes());
                self.send(&close).await?;
                self.wait_for_close().await
            }
            Leave::Drop => Ok(()),
            Leave::HalfClose => {
                self.stream.shutdown().await?;
                self.wait_for_close().await
            }
            Leave::Reset => self.stream.set_zero_linger(),
        }
    }
}

async fn within<T>(
    time: Duration,
    error: &'static str,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let output = timeout(time, future).await;
    output.unwrap_or_else(|_| Err(io::Error::other(error)))
}
