//! The runtime of [rest-live](https://docs.rs/rest-live): everything between a SeaORM write and a
//! client's socket, except HTTP.
//!
//! Applications depend on `rest-live`, which re-exports what they need. Event logs and transports
//! depend on this crate.
//!
//! ```text
//! SeaORM write -> capture -> event log -> dispatcher -> hub -> session -> frame -> socket
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

// The entry point: `rest_live` has these at its root.
pub use self::{
    limits::Limits,
    live::{BuildError, Live, LiveBuilder},
    model::{declaration::Subscribable, registry::RegistryError},
};

// Captured database access: `rest_live::db`, and the connections and `LiveEntity` at its root.
pub use self::{
    capture::{
        LiveConnection, LiveDatabase, LiveDeleteMany, LiveEntity, LiveFilter, LiveInsertMany,
        LiveStream, LiveTransaction, LiveUpdateMany,
    },
    model::declaration::LiveModel,
};

// What an `authorize` function takes and returns: `rest_live::auth`.
pub use self::{
    data::key::{KeyKind, KeyMismatch, KeyValue},
    model::permission::{FromKey, IntoDecision},
};

// Events and the logs that hold them: `rest_live::log`.
pub use self::{
    data::{
        cursor::{Cursor, Epoch, ParseCursorError},
        event::{Action, Event, EventKind, Row, RowChange},
    },
    log::{
        Entry, EventLog, EventSource, LogError, LoggedEvent, MemoryLog, Operation, ReadError,
        Record, StoredEvent, Tail, TransactionalLog,
    },
};

// What a transport needs: `rest_live::transport`.
pub use self::{
    hub::shard::drain::Outgoing,
    protocol::{
        code::{CloseCode, ErrorCode},
        frame::Frame,
    },
    session::{Handshake, Session},
    transport::{Io, Socket},
};

/// What generated code uses. It can change in any version.
#[doc(hidden)]
pub mod __private {
    // Crates that the generated code names.
    pub use async_trait::async_trait;
    pub use inventory;
    pub use sea_orm;

    // What the macros expand to.
    pub use crate::{
        capture::hooks,
        model::{
            declaration::{Declaration, GroupDeclaration, LiveModel, Registration, assert_live},
            permission::{Authorization, Permission},
        },
    };

    // What the fuzzer calls.
    #[cfg(any(test, fuzzing))]
    pub use crate::protocol::invariants::assert_invariants;
}
