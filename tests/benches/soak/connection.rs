//! A connection of the misbehaving: bytes as they are.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::{
    frame::{self, Frame},
    ground::{Ground, Place},
    tally::Tally,
};

/// So long one waits for a handshake, and to be read from.
const PATIENCE: Duration = Duration::from_secs(15);
/// So long one waits to be closed: the server has limits of 10 s and 10 s, and TCP waits for longer and longer to try again
/// where a tiny buffer was full.
const LAST_PATIENCE: Duration = Duration::from_secs(45);
/// Bytes read at a time.
const SCRATCH: usize = 16 * 1024;
/// The smallest receive buffer that is worth having.
const TINY: u32 = 4096;

/// What a client keeps room for.
#[derive(Clone, Copy, PartialEq)]
pub enum Buffer {
    Usual,
    /// So that what it does not read waits with the server.
    Tiny,
}

pub struct Connection<'g> {
    stream: TcpStream,
    /// A frame of which only the beginning has come.
    begun: Vec<u8>,
    tally: &'g Tally,
}

/// How one goes.
#[derive(Clone, Copy, PartialEq)]
pub enum Leave {
    /// With a close frame, and the server's answer.
    Close,
    Drop,
    /// With the end of what it says, while it still listens.
    HalfClose,
    /// With a TCP reset.
    Reset,
}

impl Leave {
    pub const ALL: [Self; 4] = [Self::Close, Self::Drop, Self::HalfClose, Self::Reset];
}

/// Returns the head of a request for a websocket.
pub fn handshake(address: SocketAddr, subprotocol: bool) -> String {
    let offer = match subprotocol {
        true => "Sec-WebSocket-Protocol: rest-live.v1\r\n",
        false => "",
    };
    format!(
        "GET /ws/subscribe HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    )
}

/// Connects, and says nothing yet.
pub async fn connect(place: &Place<'_>, buffer: Buffer) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if buffer == Buffer::Tiny {
        socket.set_recv_buffer_size(TINY)?;
    }
    socket.bind((place.from, 0).into())?;
    let connecting = socket.connect(place.ground.address);
    within(PATIENCE, "no connection in time", connecting).await
}

impl<'g> Connection<'g> {
    /// Opens a websocket; `early` goes right behind the handshake.
    pub async fn open(
        place: &mut Place<'g>,
        buffer: Buffer,
        subprotocol: bool,
        early: &[u8],
    ) -> io::Result<Self> {
        let Ground { address, tally, .. } = place.ground;
        let mut stream = connect(place, buffer).await?;
        let mut bytes = handshake(*address, subprotocol).into_bytes();
        bytes.extend(early);
        stream.write_all(&bytes).await?;
        let mut connection = Self {
            stream,
            begun: Vec::new(),
            tally,
        };
        within(PATIENCE, "no handshake in time", connection.upgraded()).await?;
        Ok(connection)
    }

    /// Reads the head of the answer.
    async fn upgraded(&mut self) -> io::Result<()> {
        loop {
            if self.stream.read_buf(&mut self.begun).await? == 0 {
                return Err(io::Error::other("no answer to a handshake"));
            }
            let end = self.begun.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                if !self.begun.starts_with(b"HTTP/1.1 101") {
                    return Err(io::Error::other("a handshake was refused"));
                }
                self.begun.drain(..end + 4);
                return Ok(());
            }
        }
    }

    /// Sends bytes, for as long as the server takes them.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(PATIENCE, "not read from", self.stream.write_all(bytes)).await
    }

    /// Reads and answers pings for a time. Returns whether it can go on: the server has not closed.
    pub async fn read(&mut self, time: Duration) -> io::Result<bool> {
        match timeout(time, self.read_to_end()).await {
            Ok(ended) => ended.map(|()| false),
            Err(_) => Ok(true),
        }
    }

    /// Reads until the server closes, or ends.
    async fn read_to_end(&mut self) -> io::Result<()> {
        loop {
            let (pongs, closes) = self.take();
            if !pongs.is_empty() {
                self.stream.write_all(&pongs).await?;
            }
            if closes {
                return Ok(());
            }
            self.begun.reserve(SCRATCH);
            if self.stream.read_buf(&mut self.begun).await? == 0 {
                self.tally.counted().ends += 1;
                return Ok(());
            }
        }
    }

    /// Counts the frames that came, and returns the pongs for it, and whether one was a close.
    fn take(&mut self) -> (Vec<u8>, bool) {
        let (mut pongs, mut taken, mut closes) = (Vec::new(), 0, false);
        let mut counted = self.tally.counted();
        while let Some((frame, length)) = frame::next(&self.begun[taken..]) {
            match frame {
                Frame::Text(text) => counted.text(text),
                Frame::Ping(payload) => pongs.extend(frame::masked(frame::PONG, payload)),
                Frame::Close(code) => {
                    counted.close(code);
                    closes = true;
                }
                Frame::Pong => {}
                Frame::Other => counted.fail("a strange frame".to_owned()),
            }
            taken += length;
        }
        counted.bytes += taken as u64;
        drop(counted);
        self.begun.drain(..taken);
        (pongs, closes)
    }

    /// Reads until the server closes, and goes then.
    pub async fn be_closed(mut self) -> io::Result<()> {
        match self.read(LAST_PATIENCE).await? {
            true => Err(io::Error::other("not closed in time")),
            false => Ok(()),
        }
    }

    /// Has it stay open for as long as what is returned.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub async fn leave(mut self, how: Leave) -> io::Result<()> {
        match how {
            Leave::Close => {
                let close = frame::masked(frame::CLOSE, &1000_u16.to_be_bytes());
                self.send(&close).await?;
                self.be_closed().await
            }
            Leave::Drop => Ok(()),
            Leave::HalfClose => {
                self.stream.shutdown().await?;
                self.be_closed().await
            }
            Leave::Reset => self.stream.set_zero_linger(),
        }
    }
}

async fn within<T>(
    time: Duration,
    otherwise: &'static str,
    coming: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let came = timeout(time, coming).await;
    came.unwrap_or_else(|_| Err(io::Error::other(otherwise)))
}
