//! What is written to some sockets, and how far that came.

use std::{
    io::{self, IoSlice},
    ops::Range,
    sync::Arc,
    time::SystemTime,
};

use tokio_tungstenite::tungstenite::Bytes;

use super::socket::SharedSocket;
use crate::{
    hub::{
        clients::{
            drain::Said,
            send_queue::{Kind, What},
        },
        shard::ClientId,
    },
    protocol::{
        frame::{Frame, Opcode, header},
        v0_7,
    },
};

/// Pieces that are handed to the system at once.
const SLICES: usize = 128;

/// What is written in a turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) parcels: Vec<Parcel>,
    pub(crate) pieces: Vec<Piece>,
    /// The beginnings of what is addressed to one subscription.
    pub(crate) heads: Vec<u8>,
}

/// What is written to one socket.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) id: ClientId,
    pub(crate) wire: Arc<SharedSocket>,
    pub(crate) pieces: Range<usize>,
    pub(crate) written: Written,
}

/// How far a write came.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Whole pieces.
    pub(crate) pieces: usize,
    /// Bytes of the next one.
    pub(crate) bytes: usize,
    /// Calls of the system that took something.
    pub(crate) writes: u64,
    pub(crate) fails: bool,
}

/// Bytes that belong together: a frame.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) head: Range<usize>,
    pub(crate) body: Bytes,
    pub(crate) captured: Option<SystemTime>,
}

impl Turn {
    pub(crate) fn say(&mut self, kind: Kind, said: Said<'_>) {
        match said {
            Said::Own(What::Frame(frame)) | Said::Logged(frame) => self.frame(kind, frame),
            Said::Own(What::Raw(bytes, captured)) => self.whole(kind, bytes.clone(), *captured),
            Said::Addressed(id, ending) => {
                let from = self.heads.len();
                let beginning = v0_7::beginning(id);
                let length = beginning.len() + ending.bytes().len();
                header(Opcode::Text, length, &mut self.heads);
                self.heads.extend(beginning.as_bytes());
                self.pieces.push(Piece {
                    kind,
                    head: from..self.heads.len(),
                    body: ending.bytes().clone(),
                    captured: ending.captured(),
                });
            }
        }
    }

    pub(crate) fn frame(&mut self, kind: Kind, frame: &Frame) {
        self.whole(kind, frame.bytes().clone(), frame.captured());
    }

    /// Adds what has no head of its own.
    pub(crate) fn whole(&mut self, kind: Kind, body: Bytes, captured: Option<SystemTime>) {
        self.pieces.push(Piece {
            kind,
            head: 0..0,
            body,
            captured,
        });
    }
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }
}

/// Writes as much as the socket takes.
pub(crate) fn write(wire: &SharedSocket, pieces: &[Piece], heads: &[u8]) -> Written {
    let mut written = Written::default();
    while written.pieces < pieces.len() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let mut skipped = written.bytes;
        'pieces: for piece in &pieces[written.pieces..] {
            for part in [&heads[piece.head.clone()], &piece.body] {
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
                if count == SLICES {
                    break 'pieces;
                }
                slices[count] = IoSlice::new(part);
                count += 1;
            }
        }
        match wire.stream().try_write_vectored(&slices[..count]) {
            Ok(bytes) => {
                written.writes += 1;
                written.advance(bytes, pieces);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                written.fails = true;
                return written;
            }
        }
    }
    written
}

impl Written {
    pub(crate) fn advance(&mut self, bytes: usize, pieces: &[Piece]) {
        self.bytes += bytes;
        while let Some(piece) = pieces.get(self.pieces)
            && self.bytes >= piece.len()
        {
            self.bytes -= piece.len();
            self.pieces += 1;
        }
    }
}
