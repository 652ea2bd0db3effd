//! One round of socket writes.

use std::{
    io::{self, IoSlice},
    ops::Range,
    sync::Arc,
    time::{Instant, SystemTime},
};

use tokio_tungstenite::tungstenite::Bytes;

use crate::{
    hub::{
        clients::{
            send_queue::{Content, MessageKind},
            socket::SharedSocket,
        },
        ids::ClientId,
        shard::drain::Message,
    },
    protocol::{
        frame::{Frame, Opcode, header},
        v0_7,
    },
};

/// Maximum number of slices in one system call.
const MAX_SLICES: usize = 128;

/// What is written to a number of sockets before the writer yields.
#[derive(Debug, Default)]
pub(crate) struct WriteBatch {
    pub(crate) writes: Vec<ClientWrite>,
    pub(crate) chunks: Vec<Chunk>,
    /// The beginnings of messages that are addressed to one subscription.
    pub(crate) heads: Vec<u8>,
    /// When credentials of a client expire next, or are about to.
    pub(crate) next_expiry: Option<Instant>,
}

/// What is written to one socket.
#[derive(Debug)]
pub(crate) struct ClientWrite {
    pub(crate) id: ClientId,
    pub(crate) socket: Arc<SharedSocket>,
    pub(crate) chunks: Range<usize>,
    pub(crate) written: Written,
}

/// How much of a write the socket accepted.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Number of whole chunks.
    pub(crate) chunks: usize,
    /// Bytes of the next chunk.
    pub(crate) bytes: usize,
    /// Number of system calls that accepted data.
    pub(crate) calls: u64,
    pub(crate) failed: bool,
}

/// One websocket frame.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) kind: MessageKind,
    /// Its beginning, in [`WriteBatch::heads`]; empty if the body is all of it.
    pub(crate) head: Range<usize>,
    pub(crate) body: Bytes,
    pub(crate) captured: Option<SystemTime>,
}

impl WriteBatch {
    /// Adds a message that was taken from a queue.
    pub(crate) fn push(&mut self, kind: MessageKind, message: Message<'_>) {
        match message {
            Message::Own(Content::Frame(frame)) | Message::Broadcast(frame) => {
                self.push_frame(kind, frame);
            }
            Message::Own(Content::Raw(bytes, captured)) => {
                self.push_bytes(kind, bytes.clone(), *captured);
            }
            Message::Addressed(id, ending) => {
                let from = self.heads.len();
                let beginning = v0_7::prefix(id);
                let length = beginning.len() + ending.bytes().len();
                header(Opcode::Text, length, &mut self.heads);
                self.heads.extend(beginning.as_bytes());
                self.chunks.push(Chunk {
                    kind,
                    head: from..self.heads.len(),
                    body: ending.bytes().clone(),
                    captured: ending.captured(),
                });
            }
        }
    }

    pub(crate) fn push_frame(&mut self, kind: MessageKind, frame: &Frame) {
        self.push_bytes(kind, frame.bytes().clone(), frame.captured());
    }

    pub(crate) fn push_bytes(
        &mut self,
        kind: MessageKind,
        body: Bytes,
        captured: Option<SystemTime>,
    ) {
        self.chunks.push(Chunk {
            kind,
            head: 0..0,
            body,
            captured,
        });
    }
}

impl Chunk {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// Writes as much as the socket accepts. It does not wait.
pub(crate) fn write(socket: &SharedSocket, chunks: &[Chunk], heads: &[u8]) -> Written {
    let mut written = Written::default();
    while written.chunks < chunks.len() {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut count = 0;
        let mut skipped = written.bytes;
        'chunks: for chunk in &chunks[written.chunks..] {
            for part in [&heads[chunk.head.clone()], &chunk.body] {
                let part = match part.get(skipped..) {
                    Some(part) => part,
                    None => {
                        skipped -= part.len();
                        continue;
                    }
                };
                skipped = 0;
                if part.is_empty() {
                    continue;
                }
                if count == MAX_SLICES {
                    break 'chunks;
                }
                slices[count] = IoSlice::new(part);
                count += 1;
            }
        }
        match socket.stream().try_write_vectored(&slices[..count]) {
            Ok(bytes) => {
                written.calls += 1;
                written.advance(bytes, chunks);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                written.failed = true;
                return written;
            }
        }
    }
    written
}

impl Written {
    pub(crate) fn advance(&mut self, bytes: usize, chunks: &[Chunk]) {
        self.bytes += bytes;
        while let Some(chunk) = chunks.get(self.chunks)
            && self.bytes >= chunk.len()
        {
            self.bytes -= chunk.len();
            self.chunks += 1;
        }
    }
}
