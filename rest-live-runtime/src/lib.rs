//! The runtime of [rest-live](https://docs.rs/rest-live): everything between a SeaORM write and a
//! client's socket, except HTTP. Applications depend on `rest-live`, which re-exports what they use.
//!
//! ```text
//! SeaORM write -> capture -> EventLog -> dispatcher -> hub[shard][group] -> session -> frame -> socket
//! ```

mod capture;
mod data;
mod dispatch;
mod hub;
mod limits;
mod live;
mod log;
mod metrics;
mod model;
mod protocol;
mod publish;
mod session;
pub mod testing;
mod transport;
mod user_code;

pub use self::{
    capture::{
        LiveConnection, LiveDatabase, LiveDeleteMany, LiveEntity, LiveFilter, LiveInsertMany,
        LiveStream, LiveTransaction, LiveUpdateMany,
    },
    data::{
        cursor::{Cursor, Epoch, ParseCursorError},
        event::{Action, Event, EventKind, Row, RowChange},
        key::{KeyKind, KeyMismatch, KeyValue},
    },
    hub::shard::Outgoing,
    limits::Limits,
    live::{BuildError, Live, LiveBuilder},
    log::{
        Entry, EventLog, EventSource, LogError, LoggedEvent, MemoryLog, Operation, ReadError,
        Record, StoredEvent, Tail, TransactionalLog,
    },
    model::{
        declaration::{LiveModel, Subscribable},
        permission::{FromKey, IntoDecision},
        registry::RegistryError,
    },
    protocol::{
        code::{CloseCode, ErrorCode},
        frame::Frame,
    },
    session::{Handshake, Session},
    transport::{Io, Socket},
};

/// What generated code uses. No promises.
#[doc(hidden)]
pub mod __private {
    pub use async_trait::async_trait;
    pub use inventory;
    pub use sea_orm;

    pub use crate::{
        capture::hooks,
        model::{
            declaration::{Declaration, GroupDeclaration, LiveModel, Registration, assert_live},
            permission::{Authorization, Permission},
        },
    };

    #[cfg(any(test, fuzzing))]
    pub use crate::protocol::invariants::assert_invariants;
}
