//! rest-live makes a SeaORM-backed REST API live: websocket clients receive every change of the
//! rows that they subscribe to.
//!
//! A client subscribes to a *group* of rows: one row, the rows with given values in some columns,
//! such as the tasks of one list, or all rows of a model. It receives a message when such a row is
//! created, updated or deleted, if the application's permissions let it see the row.
//!
//! ```no_run
//! use rest_live::{Live, subscribable};
//! use sea_orm::{ActiveModelTrait, ActiveValue::Set, Database};
//! use warp::Filter;
//!
//! mod task {
//!     use sea_orm::entity::prelude::*;
//!
//!     #[derive(Clone, Debug, DeriveEntityModel)]
//!     #[sea_orm(table_name = "task")]
//!     pub struct Model {
//!         #[sea_orm(primary_key)]
//!         pub id: i32,
//!         pub text: String,
//!         pub done: bool,
//!         pub list_id: i32,
//!     }
//!
//!     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
//!     pub enum Relation {}
//!     // `#[subscribable]` writes `impl ActiveModelBehavior for ActiveModel {}`.
//! }
//!
//! #[subscribable] // clients may subscribe to one task,
//! #[subscribable(group_key = "list_id")] // and to the tasks of one list
//! #[derive(serde::Serialize, sea_orm::DerivePartialModel)]
//! #[sea_orm(entity = "task::Entity")]
//! struct TaskSerializer {
//!     id: i32,
//!     text: String,
//!     done: bool,
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let db = Database::connect("sqlite://todo.sqlite?mode=rwc").await?;
//!     let live = Live::builder(db).build()?;
//!     let db = live.db(); // use it instead of the DatabaseConnection
//!
//!     let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
//!     let add = warp::path!("tasks" / String).and(warp::post()).then(move |text| {
//!         let db = db.clone();
//!         async move {
//!             let task = task::ActiveModel {
//!                 text: Set(text),
//!                 done: Set(false),
//!                 list_id: Set(1),
//!                 ..Default::default()
//!             };
//!             match task.insert(&db).await {
//!                 Ok(task) => warp::reply::json(&TaskSerializer::from(&task)),
//!                 Err(error) => warp::reply::json(&error.to_string()),
//!             }
//!         }
//!     });
//!     warp::serve(ws.or(add)).run(([127, 0, 0, 1], 3030)).await;
//!     Ok(())
//! }
//! ```
//!
//! A client sends `{"model":"my_app.Task","list_id":1}` once. After that, it receives one message
//! for each change of a task of list 1, such as
//! `{"model":"my_app.Task","payload":{"id":1,"text":"milk","done":false},"action":"CREATED"}`.
//! (`my_app` stands for the name of the package that holds the serializer.)
//!
//! # How it works
//! ```text
//! SeaORM write -> capture -> event log -> dispatcher -> hub -> session -> frame -> socket
//! ```
//! * **Capture.** [`LiveConnection`] and [`LiveTransaction`] implement SeaORM's traits, and see
//!   every statement. Each row that a statement wrote becomes an *event*. If the database returns
//!   the written rows, rest-live takes them from there. Otherwise it takes them from the
//!   `ActiveModelBehavior` hooks that [`#[subscribable]`](macro@subscribable) generates. If it
//!   cannot determine the rows, the event is a *reset*: the model's subscribers must fetch again.
//!   The events of a transaction wait for its commit. A rollback discards them.
//! * **Event log.** Every event goes through the event log. The default log is a ring in memory.
//!   Several servers can share a log: see [`guide::several_servers`].
//! * **Dispatcher and hub.** They find the groups of an event and the subscribers of these groups.
//!   For all subscribers of a group, a row is serialized once and a message (a *frame*) is encoded
//!   once.
//! * **Session.** Each connection has a session, bounded by [`Limits`]. Its first subscription
//!   selects the *dialect*, the form of the messages: the plain dialect above, v1 with
//!   acknowledgements and cursors, or 0.7, the dialect of django-rest-live 0.4 to 0.7. A slow
//!   client does not delay other clients: what is queued for it is dropped, and replayed when it
//!   reads again. If it reads nothing, the server closes its connection.
//!
//! # Guide
//! * [`guide::first_steps`]: what clients send and receive
//! * [`guide::groups_and_serializers`]: keys, several serializers for one group, secret columns
//! * [`guide::filters`]: soft deletes and drafts
//! * [`guide::permissions`]: `check_permission`, `authorize`, and rights that end
//! * [`guide::tokens`]: tokens on an open connection, and when they expire
//! * [`guide::what_is_captured`]: each kind of write on each database, and what it costs
//! * [`guide::resume`]: no gap while a page loads or a connection is down
//! * [`guide::several_servers`]: Redis or the outbox, guarantees, operation
//! * [`guide::operations`]: logs, spans, metrics, limits, shutdown
//! * [`guide::testing`]: a client in your tests, and the contract of event logs
//! * [`guide::generated_entities`]: entities of `sea-orm-cli`
//!
//! # Features
//! | feature | adds |
//! |---|---|
//! | `warp` (default) | [`warp`](mod@warp): the filters for the websocket and for cursors |
//! | `redis` | `rest_live::redis::RedisLog`: an event log on a Redis Stream, for several servers |
//! | `redis-tls` | TLS for that log: `rediss://` |
//! | `outbox` | `rest_live::outbox::OutboxLog`: an event log in the application's own PostgreSQL |
//!
//! # Limits
//! What this version does not do yet. The most important limits come first:
//!
//! * **Writes on a plain `DatabaseConnection` are not captured.** Writes by psql, by other programs
//!   or by the database itself are also not captured. Write on [`Live::db`] instead.
//!   [`Live::capture_plain_connections`] also captures writes of single rows on plain connections.
//!   On PostgreSQL, triggers can capture all these writes: see [`guide::several_servers`].
//! * If a transaction changes a row and then moves it to another group, subscribers of the old
//!   group receive the state between the two writes, unless the model has a `filter` or a
//!   `check_permission`.
//! * [`Live::reauthorize`] and [`Live::disconnect`] affect only the connections of the server on
//!   which they are called.
//! * Only the v1 dialect has cursors. With a cursor, a client that reconnects can resume. In the
//!   other dialects it must fetch again. If a page was read from a replica that lags, a cursor does
//!   not close the gap.
//! * A client can resume if it missed at most 4,000 changes, 512 rows and 128 KiB of a group, and
//!   at most 16,384 events of all models. If it missed more, it must fetch again.
//! * Keys are integers, strings, booleans, enumerations and UUIDs. Strings are compared byte by
//!   byte, even if the database's collation ignores case.

pub use rest_live_runtime::{
    BuildError, Limits, Live, LiveBuilder, LiveConnection, LiveEntity, LiveTransaction,
    RegistryError, Subscribable,
};

/// Lets clients subscribe to the rows that a serializer shows.
///
/// Put it on the serializer: the struct that already shapes the JSON of your REST API. Write one
/// attribute for each key that clients may subscribe by. You can import the macro under any path or
/// alias. All attributes of a struct expand together, once.
///
/// ```
/// # mod task {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "task")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)] pub id: i32,
/// #         pub text: String,
/// #         pub list_id: i32,
/// #     }
/// #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// # }
/// # use rest_live::subscribable;
/// #[subscribable]
/// #[subscribable(group_key = "list_id", model = "todolist.Task")]
/// #[derive(serde::Serialize, sea_orm::DerivePartialModel)]
/// #[sea_orm(entity = "task::Entity")]
/// struct TaskSerializer {
///     id: i32,
///     text: String,
/// }
///
/// let row = task::Model { id: 1, text: "milk".to_owned(), list_id: 7 };
/// assert_eq!(TaskSerializer::from(&row).text, "milk");
/// # assert_eq!(<TaskSerializer as rest_live::Subscribable>::DECLARATION.groups.len(), 2);
/// ```
///
/// # Arguments of one attribute
/// | argument | means | default |
/// |---|---|---|
/// | `group_key = "list_id"` | the column whose value selects the group | the primary key |
/// | `group_key = ["a", "b"]` | the columns whose values select the group | the primary key |
/// | `all` | one group of all rows of the model | |
/// | `column = ListId` | the variant of the column, if the field does not give it | derived |
/// | `authorize = path` | decides which users may subscribe by this key | all users may |
/// | `public` | all users may subscribe by this key | |
///
/// * `group_key` names a field of the entity's `Model`, or several. It does not have to be a field
///   of the serializer. In the protocol, the primary key is called `pk`.
/// * With several columns, a row is in the group if it has all their values. If one of them is
///   NULL, the row is in no group of that key. Requests may write the keys in any order; messages
///   write them in the order of the declaration. All serializers of a model must declare the key in
///   one order.
/// * A client subscribes to `all` without a key: `{"model":"todolist.Task"}`, in v1 with
///   `"group":{}`.
/// * `column` is required if the field has `#[sea_orm(enum_name = "...")]`, or if its name begins
///   with an uppercase letter. It may be a path, such as `task::Column::ListId`. For several
///   columns, write an array with one variant for each: `column = [CourseId, Queue]`.
/// * `authorize` is an `async fn(&User, value, &DatabaseConnection)` that returns `bool` or
///   `Result<bool, E>`. `value` has the column's type, is a tuple for several columns, and `()` for
///   `all`: see [`FromKey`](auth::FromKey).
/// * `public` is required if another attribute of the model has `authorize` and this one has not.
///   [`guide::permissions`] states the whole rule.
///
/// # Arguments of the whole struct
/// Write each of these arguments on one of the attributes, no matter which.
///
/// | argument | means | default |
/// |---|---|---|
/// | `entity = task::Entity` | the entity whose rows it shows | `#[sea_orm(entity = "...")]` |
/// | `model = "todolist.Task"` | the model's label in the protocol | package and table, see below |
/// | `rank = 1` | priority among the serializers of one group | 0 |
/// | `check_permission = path` | decides which users may see a row | all users may |
/// | `filter = path` | decides which rows are shown, see [`guide::filters`] | all rows are |
/// | `hooks = false` | generates no hooks | the hooks are generated |
/// | `from_model = false` | generates no `From<&Model>` | the conversion is generated |
/// | `secret = ["password_hash"]` | columns that stay in the process, see below | none |
/// | `crate = path` | the path of this crate | `::rest_live` |
///
/// * The default of `model` is the name of the package or library that contains the serializer, a
///   dot, and the table's name in PascalCase: `my_app.Task`. All programs of a package share their
///   labels. Programs of several packages that share a log, and include the same serializers by
///   `mod`, must write `model`.
/// * `rank`: if several serializers show one group, each subscriber receives the payload of the
///   serializer with the highest rank whose filter and permission pass.
/// * `check_permission` is a `fn(&User, &Model) -> bool`. It applies to every key of the struct.
/// * `filter` is a `fn(&Model) -> bool`. It applies to every key of the struct. A row that does not
///   pass does not exist for subscribers: when a write hides it, they receive `DELETED`.
/// * `hooks = false` is for an entity that has its hooks from [`#[live]`](macro@live) or from
///   another serializer.
/// * `from_model`: the generated conversion copies each field from the field of the same name. It
///   respects `#[sea_orm(from_col = "...")]` and `#[sea_orm(skip)]`.
///
/// # Columns that stay in the process
/// Events hold rows, and may hold columns that no serializer shows. A log that several servers
/// share is outside the process. `secret` names columns that are not written to such a log.
/// Use the names of the fields of the entity's `Model`. In events that a server reads from the log,
/// these columns have their type's default: an empty string, zero, `None`. This also applies to the
/// server that wrote the row. So with a shared log, serializers, `check_permission` functions and
/// filters must not use secret columns.
///
/// A column that is secret in one serializer is secret for the whole model. Its type must have a
/// default. Primary keys and group keys cannot be secret. Otherwise [`LiveBuilder::build`] returns
/// an error. If triggers write the events, they must omit the same columns
/// (`outbox::migration::Capture::without`).
///
/// ```
/// # mod account {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "account")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)] pub id: i32,
/// #         pub name: String,
/// #         pub password_hash: String,
/// #     }
/// #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// # }
/// # use rest_live::subscribable;
/// #[subscribable(secret = ["password_hash"])]
/// #[derive(serde::Serialize, sea_orm::DerivePartialModel)]
/// #[sea_orm(entity = "account::Entity")]
/// struct AccountSerializer {
///     id: i32,
///     name: String,
/// }
/// # assert_eq!(<AccountSerializer as rest_live::Subscribable>::DECLARATION.secret.len(), 1);
/// ```
///
/// # What it generates
/// * `impl From<&Model> for TheSerializer`, which REST handlers can also use.
/// * The registration, which [`Live::builder`] finds.
/// * `impl ActiveModelBehavior for ActiveModel` with rest-live's hooks.
///
/// If you also write the last impl yourself, the compiler reports E0119, because there are then two
/// impls. If the entity is in another crate, the compiler reports E0117, because only the entity's
/// crate may contain the impl. In both cases write `hooks = false` here, and
/// [`#[live]`](macro@live) at the entity. `hooks = false` is also required on the second serializer
/// of an entity.
pub use rest_live_macros::subscribable;

/// Captures the changes of a model whose `ActiveModelBehavior` you write yourself.
///
/// ```
/// # mod task {
/// # use sea_orm::entity::prelude::*;
/// # #[derive(Clone, Debug, DeriveEntityModel)]
/// # #[sea_orm(table_name = "task")]
/// # pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub text: String }
/// # #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
/// # pub enum Relation {}
/// #[rest_live::live]
/// impl ActiveModelBehavior for ActiveModel {
///     async fn before_save<C>(mut self, _db: &C, _insert: bool) -> Result<Self, DbErr>
///     where
///         C: ConnectionTrait,
///     {
///         if let Some(text) = self.text.take() {
///             self.text = sea_orm::Set(text.trim().to_owned());
///         }
///         Ok(self)
///     }
/// }
/// # }
/// ```
///
/// Your `before_*` hooks run before those of rest-live, and your `after_*` hooks run after those of
/// rest-live. So clients receive the change even if your `after_save` fails.
///
/// The macro adds `#[async_trait]`. If you write that attribute yourself, put `#[live]` above it.
/// The impl may be empty. The only argument of the macro is `crate = path`.
pub use rest_live_macros::live;

pub mod db {
    //! Bulk writes, streams, and the traits behind [`LiveConnection`](crate::LiveConnection) and
    //! [`LiveTransaction`](crate::LiveTransaction).

    pub use rest_live_runtime::{
        LiveDatabase, LiveDeleteMany, LiveFilter, LiveInsertMany, LiveModel, LiveStream,
        LiveUpdateMany, Scope,
    };
}

pub mod auth {
    //! The types that an `authorize` function may take and return, and the values of keys.

    pub use rest_live_runtime::{FromKey, IntoDecision, KeyKind, KeyMismatch, KeyValue};
}

pub mod log {
    //! The event log: the trait that every log implements, the default log in memory, and the
    //! events that a log stores.

    pub use rest_live_runtime::{
        Action, Cursor, Entry, Epoch, Event, EventKind, EventLog, EventSource, LogError,
        LoggedEvent, MemoryLog, Operation, ParseCursorError, Present, ReadError, Record, Row,
        RowChange, StoredEvent, Tail, TransactionalLog,
    };
}

pub mod transport {
    //! The types that a transport needs to turn an HTTP request into a session. Applications use a
    //! complete transport, such as the `warp` module.
    //!
    //! A transport does three things. The crate `rest-live-warp` is an example:
    //!
    //! 1. It answers the websocket handshake (RFC 6455, section 4), and refuses a web page for
    //!    which [`Live::check_origin`](crate::Live::check_origin) returns an error.
    //! 2. It describes the client in a [`Handshake`]: the user, the address, the subprotocol.
    //! 3. It calls [`Live::accept`](crate::Live::accept) with the upgraded byte stream, which
    //!    becomes a [`Socket`]. A plain TCP stream is served on a fast path. Any other stream also
    //!    works. If the user could not sign in, it calls [`Live::refuse`](crate::Live::refuse)
    //!    instead.
    //!
    //! A transport that is not a byte stream calls [`Live::connect`](crate::Live::connect) and
    //! moves messages itself: [`Session::receive`] processes a client's message, and
    //! [`Session::outgoing`] returns what to send to it.

    pub use rest_live_runtime::{
        CloseCode, ErrorCode, ForbiddenOrigin, Frame, Handshake, Io, Outgoing, Session, Socket,
    };
}

pub mod testing {
    //! A client in the process of your test, and the contract suite for event logs.
    //!
    //! [`Client`] connects as a user, sends requests and receives messages. It uses no socket, and
    //! none of its methods sleeps for a fixed time. [`guide::testing`](crate::guide::testing) has a
    //! complete test.
    //!
    //! [`contract`] is the suite that every event log must pass. If you write an event log, run the
    //! suite on it.

    pub use rest_live_runtime::{
        contract_tests,
        testing::{Client, contract},
    };
}

pub mod guide {
    //! The guide: one page for each subject.
    //!
    //! The same pages are in the folder `docs/guide` of the repository.

    /// Declares each page as a module. The link definitions before the text win over those at the
    /// end of the file: a link leads to a module here, and to a file in the repository.
    macro_rules! pages {
        ($($page:ident: $file:literal $(if $condition:meta)?;)*) => {$(
            /// [first-steps]: crate::guide::first_steps
            /// [groups-and-serializers]: crate::guide::groups_and_serializers
            /// [permissions]: crate::guide::permissions
            /// [what-is-captured]: crate::guide::what_is_captured
            /// [resume]: crate::guide::resume
            /// [several-servers]: crate::guide::several_servers
            /// [operations]: crate::guide::operations
            /// [testing]: crate::guide::testing
            /// [generated-entities]: crate::guide::generated_entities
            /// [tenants]: crate::guide::tenants
            /// [row-level-security]: crate::guide::row_level_security
            /// [proxies]: crate::guide::proxies
            /// [tokens]: crate::guide::tokens
            /// [caches]: crate::guide::caches
            /// [cron-jobs]: crate::guide::cron_jobs
            ///
            #[cfg_attr(all($($condition)?), doc = include_str!(concat!("../docs/guide/", $file)))]
            pub mod $page {}
        )*};
    }

    pages! {
        first_steps: "first-steps.md";
        groups_and_serializers: "groups-and-serializers.md";
        filters: "filters.md";
        permissions: "permissions.md";
        what_is_captured: "what-is-captured.md";
        resume: "resume.md";
        // The code of this page needs the features. Its text does not.
        several_servers: "several-servers.md"
            if any(not(doctest), all(feature = "redis", feature = "outbox"));
        operations: "operations.md";
        testing: "testing.md";
        generated_entities: "generated-entities.md";
        tenants: "tenants.md";
        row_level_security: "row-level-security.md";
        proxies: "proxies.md";
        tokens: "tokens.md";
        caches: "caches.md";
        cron_jobs: "cron-jobs.md";
    }
}

#[cfg(feature = "warp")]
pub mod warp {
    //! The [warp](https://docs.rs/warp) transport: filters for the websocket, for sign-in by token
    //! and for cursors.

    pub use rest_live_warp::{
        SignInError, bearer_token, subscriptions, subscriptions_as, subscriptions_by_token,
        subscriptions_from, with_cursor, with_stored_cursor, without_cursor,
    };
}

/// An event log on a Redis Stream, which several servers share.
///
/// It needs the feature `redis`, and the feature `redis-tls` for `rediss://`.
#[cfg(feature = "redis")]
#[doc(inline)]
pub use rest_live_redis as redis;

/// An event log in the application's own PostgreSQL, which several servers share.
///
/// It needs the feature `outbox`.
#[cfg(feature = "outbox")]
#[doc(inline)]
pub use rest_live_outbox as outbox;

/// Items for generated code. They can change in any version.
#[doc(hidden)]
pub mod __private {
    pub use rest_live_macros::__collected;
    pub use rest_live_runtime::__private::*;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
