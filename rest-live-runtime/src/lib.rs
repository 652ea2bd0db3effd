//! The runtime of [rest-live](https://docs.rs/rest-live): everything between a SeaORM write and a
//! client's socket, except HTTP. Applications depend on `rest-live`, which re-exports what they use.
//!
//! ```text
//! SeaORM write -> capture -> EventLog -> dispatcher -> hub[shard][group] -> session -> frame -> socket
//! ```

mod admission;
mod capture;
mod change;
mod code;
mod columns;
mod connections;
mod cursor;
mod declaration;
mod dialect;
mod dispatcher;
mod encoder;
mod event;
mod frame;
mod group;
mod history;
mod hub;
mod key;
mod limits;
mod live;
mod log;
mod metrics;
mod order;
mod origin;
mod overlaps;
mod permission;
mod publisher;
mod rate;
mod reauthorization;
mod registry;
mod replay;
mod session;
mod shard;
mod table;
pub mod testing;
mod token;
mod websocket;
mod wire;

pub use self::{
    capture::{
        LiveConnection, LiveDatabase, LiveDeleteMany, LiveEntity, LiveInsertMany, LiveStream,
        LiveTransaction, LiveUpdateMany, Matching,
    },
    code::{CloseCode, ErrorCode},
    cursor::{Cursor, Epoch, NoCursor},
    declaration::{LiveModel, Subscribable},
    event::{Action, Event, EventKind, Row, RowChange},
    frame::Frame,
    key::{Expected, KeyKind, KeyValue},
    limits::{Limits, Rate},
    live::{BuildError, Live, LiveBuilder},
    log::{
        Entry, EventLog, LogError, Logged, MemoryLog, Operation, Origin, ReadError, Record,
        StoredEvent, Tail, TransactionalLog,
    },
    permission::{FromKey, Verdict},
    registry::RegistryError,
    session::{Handshake, Session},
    shard::Outgoing,
    websocket::{Io, Socket},
};

/// What generated code uses. No promises.
#[doc(hidden)]
pub mod __private {
    pub use async_trait::async_trait;
    pub use inventory;
    pub use sea_orm;

    pub use crate::{
        capture::hooks,
        declaration::{Declaration, GroupDeclaration, Registration, assert_live},
        permission::{Authorization, Permission},
    };

    #[cfg(any(test, fuzzing))]
    pub use crate::dialect::invariants::assert_invariants;
}
