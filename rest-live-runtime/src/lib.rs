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
mod memory_budget;
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
    capture::{
        LiveConnection, LiveDatabase, LiveDeleteMany, LiveEntity, LiveFilter, LiveInsertMany,
        LiveStream, LiveTransaction, LiveUpdateMany,
    },
    data::{
        cursor::{Cursor, Epoch, ParseCursorError},
        event::{Action, Event, EventKind, Row, RowChange},
        key::{KeyKind, KeyMismatch, KeyValue},
        scope::Scope,
    },
    hub::shard::drain::Outgoing,
    limits::Limits,
    live::{BuildError, Live, LiveBuilder},
    log::{
        Entry, EventLog, EventSource, LogError, LoggedEvent, MemoryLog, Operation, Present,
        ReadError, Record, StoredEvent, Tail, TransactionalLog,
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
    session::{ForbiddenOrigin, Handshake, Session},
    transport::{Io, Socket},
};

// Captured database access: `rest_live::db`, and the connections and `LiveEntity` at its root.

// What an `authorize` function takes and returns: `rest_live::auth`.

// Events and the logs that hold them: `rest_live::log`.

// What a transport needs: `rest_live::transport`.

/// What generated code uses. It can change in any version.
#[doc(hidden)]
pub mod __private {
    // Crates that the generated code names.
    pub use async_trait::async_trait;
    pub use inventory;
    pub use sea_orm;

    // What the macros expand to.
    pub use crate::{
        __choices as choices,
        capture::hooks,
        model::{
            choices::{AnyChoices, EnumChoices, FieldType, OptionChoices},
            columns::heap::heap_bytes,
            declaration::{
                Declaration, GroupColumn, GroupDeclaration, GroupKey, LiveModel, ShownField,
                assert_live,
            },
            filter::Filter,
            permission::{Authorization, Permission},
            registration::Registration,
        },
    };

    // What the fuzzer calls.
    #[cfg(any(test, fuzzing))]
    pub use crate::protocol::invariants::assert_invariants;
}
