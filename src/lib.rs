//! Turns SeaORM-backed REST APIs live: every create, update and delete reaches the websocket clients
//! that are subscribed to the row or to its group.
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
//!     // `impl ActiveModelBehavior for ActiveModel {}` is written by `#[subscribable]`.
//! }
//!
//! #[subscribable] // by primary key
//! #[subscribable(group_key = "list_id")] // and by list: attributes stack
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
//!     let live = Live::builder(Database::connect("sqlite://todo.sqlite?mode=rwc").await?).build()?;
//!     let db = live.db(); // use it where the DatabaseConnection was used
//!
//!     let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
//!     let add = warp::path!("tasks" / String).and(warp::post()).then(move |text| {
//!         let db = db.clone();
//!         async move {
//!             let task = task::ActiveModel { text: Set(text), list_id: Set(1), done: Set(false), ..Default::default() };
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
//! A client sends `{"model":"my_app.Task","list_id":1}` once, and from then on receives
//! `{"model":"my_app.Task","payload":{"id":1,"text":"milk","done":false},"action":"CREATED"}` and its
//! like whenever it happens. (`my_app` is the name of the program or library that holds the serializer.)
//!
//! # How it flows
//! ```text
//! SeaORM write -> capture -> EventLog -> dispatcher -> hub[shard][group] -> session -> frame -> socket
//! ```
//! * **Capture.** A [`LiveConnection`] and a [`LiveTransaction`] implement SeaORM's own traits, and see every
//!   statement. Where the database returns the rows that a statement wrote, they are the events; elsewhere the
//!   `ActiveModelBehavior` hooks that [`#[subscribable]`](macro@subscribable) writes tell the rest. What cannot be known is a *reset*:
//!   the model's subscribers fetch again. The events of a transaction wait for its commit; after a rollback there are none.
//!   [`what_is_captured`] has each kind of write, what is told of it, and what it costs.
//! * **Order.** Of one row nobody sees an older state after a newer one: a row that several write at once is read
//!   again, and told as it is.
//! * **Log.** Every event goes through the [`EventLog`]; the default is a ring in memory, others are shared by several servers.
//! * **Dispatcher and hub.** A row is serialised once and a frame encoded once, and both are shared by all
//!   subscribers. What waits for a socket leaves in one write. A row that moves to another group is `DELETED` for the one and `CREATED` for the other.
//! * **Session.** One for each connection, bounded by [`Limits`]. It speaks the dialect of its first subscription:
//!   the plain one above, rest-live's own v1 with acknowledgements, errors by request and cursors, or
//!   that of django-rest-live 0.4 to 0.7. A client that reads too slowly is told to fetch
//!   again, and in the end closed; it delays nobody.
//!
//! # Who may see what
//! The type of the users is a parameter of [`Live`]; a filter says who connects. Without it everybody is anonymous, `()`.
//!
//! ```no_run
//! # mod document {
//! #     use sea_orm::entity::prelude::*;
//! #     #[derive(Clone, Debug, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "document")]
//! #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub title: String, pub body: String, pub folder_id: i32, pub owner_id: i32, pub published: bool }
//! #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
//! #     pub enum Relation {}
//! # }
//! # mod member {
//! #     use sea_orm::entity::prelude::*;
//! #     #[derive(Clone, Debug, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "member")]
//! #     pub struct Model { #[sea_orm(primary_key, auto_increment = false)] pub folder_id: i32, #[sea_orm(primary_key, auto_increment = false)] pub user_id: i32 }
//! #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
//! #     pub enum Relation {}
//! #     impl ActiveModelBehavior for ActiveModel {}
//! # }
//! # use rest_live::{Live, subscribable};
//! # use sea_orm::{DatabaseConnection, DbErr, DerivePartialModel, EntityTrait};
//! # use serde::Serialize;
//! # use warp::Filter;
//! # async fn sign_in(cookie: Option<String>) -> Result<User, warp::Rejection> { unimplemented!() }
//! #[derive(Clone)]
//! struct User {
//!     id: i32,
//! }
//!
//! // Asked for every change, on the old row and on the new one: a function of user and row, without a query.
//! fn may_see(user: &User, document: &document::Model) -> bool {
//!     document.published || document.owner_id == user.id
//! }
//!
//! // Asked once a subscription, with the database.
//! async fn is_member(user: &User, folder_id: i32, db: &DatabaseConnection) -> Result<bool, DbErr> {
//!     Ok(member::Entity::find_by_id((folder_id, user.id)).one(db).await?.is_some())
//! }
//!
//! #[subscribable(check_permission = may_see, public)] // by primary key: to everybody, who then gets what `may_see` lets through
//! #[subscribable(group_key = "folder_id", authorize = is_member)] // by folder: to its members
//! #[derive(Serialize, DerivePartialModel)]
//! #[sea_orm(entity = "document::Entity")]
//! struct DocumentSerializer {
//!     id: i32,
//!     title: String,
//!     body: String,
//! }
//!
//! # async fn serve(db: DatabaseConnection) -> Result<(), Box<dyn std::error::Error>> {
//! let live = Live::builder(db).users::<User>().build()?;
//! let user = warp::cookie::optional("session").and_then(sign_in); // any filter that extracts a User
//! let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions_as(&live, user));
//! # warp::serve(ws).run(([127, 0, 0, 1], 3030)).await;
//! # let user_id = 7;
//!
//! // When a membership ends, after its commit: what is denied now ends with `unsubscribed` 403.
//! live.reauthorize(|user| user.id == user_id).await;
//! // When a user is signed out, or is no longer who they were: the connections are closed with 4403.
//! live.disconnect(|user| user.id == user_id);
//! # Ok(())
//! # }
//! ```
//!
//! A row that a user may see only before a change is `DELETED` for them, with what they saw of it last; only after it, `CREATED`; before and after,
//! `UPDATED`; neither, nothing. A model with a `check_permission` has its old row read before every
//! update and delete, and a transaction is one change of each of its rows; nothing is asked of the database for a
//! subscriber.
//!
//! **Conditional serializers.** Several serializers may show one group: of those that a subscription was granted and whose
//! permission passes, the highest `rank` gives the payload. One says `hooks = true` (the default), the
//! others `hooks = false`:
//!
//! ```
//! # mod task {
//! #     use sea_orm::entity::prelude::*;
//! #     #[derive(Clone, Debug, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "task")]
//! #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub text: String, pub done: bool, pub list_id: i32 }
//! #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
//! #     pub enum Relation {}
//! # }
//! # use rest_live::subscribable;
//! # #[derive(Clone)] struct User;
//! // Who is signed in sees what is done, others do not.
//! fn is_signed_in(user: &Option<User>, _: &task::Model) -> bool {
//!     user.is_some()
//! }
//!
//! #[subscribable(group_key = "list_id", rank = 1, check_permission = is_signed_in)]
//! #[derive(serde::Serialize, sea_orm::DerivePartialModel)]
//! #[sea_orm(entity = "task::Entity")]
//! struct TaskSerializer {
//!     id: i32,
//!     text: String,
//!     done: bool,
//! }
//!
//! #[subscribable(group_key = "list_id", hooks = false)]
//! #[derive(serde::Serialize, sea_orm::DerivePartialModel)]
//! #[sea_orm(entity = "task::Entity")]
//! struct PublicTaskSerializer {
//!     id: i32,
//!     text: String,
//! }
//! # fn main() {}
//! ```
//!
//! `examples/members` has all of it: sign-in by cookie, private lists, both serializers, a member who is
//! removed while connected. What is protected, by what, and what remains to the application is in
//! `SECURITY.md`.
//!
//! # Watching it
//! There are [`tracing`](https://docs.rs/tracing) spans, `connection` and in it `subscription`, and metrics through the
//! [`metrics`](https://docs.rs/metrics) facade; install a recorder before [`LiveBuilder::build`], as
//! `examples/members` does for Prometheus.
//!
//! | metric | kind | counts or measures |
//! |---|---|---|
//! | `rest_live_connections`, `rest_live_subscriptions` | gauge | those of this server now |
//! | `rest_live_events_total`, `rest_live_events_lost_total` | counter | row changes that were dispatched, and that the log did not take |
//! | `rest_live_events_withheld_total` | counter | row changes in plain transactions, whose end nobody sees |
//! | `rest_live_rows_settled_total` | counter | rows that were read again because writes of them overlapped |
//! | `rest_live_frames_total` | counter | frames written to sockets |
//! | `rest_live_writes_total` | counter | writes to sockets: the busier the server, the more frames leave in one |
//! | `rest_live_blocked_connections` | gauge | connections whose clients take nothing now of what waits for them |
//! | `rest_live_pending_frames` | gauge | frames that wait for clients now |
//! | `rest_live_lags_total`, `rest_live_resets_total{reason}` | counter | clients that were too slow; resets that clients were told: `epoch`, `expired`, `ahead`, `too_far`, `lagged`, `node_lost`, `bulk` |
//! | `rest_live_denials_total{reason}` | counter | `origin`, `connections`, `authorize`, `revoked`, `rate` |
//! | `rest_live_panics_total` | counter | panics of permissions and serializers |
//! | `rest_live_write_to_send_seconds` | histogram | from the capture of a change to its write to a socket; of each write the oldest |
//!
//! # Pages that load, clients that come back
//! A page asks for rows, and then subscribes. What happens in between is told, where the GET says from where:
//! [`warp::with_cursor`](mod@warp) around a route puts a `Live-Cursor` on its responses, and a subscription in the v1 dialect
//! may have it as `since`. So may one of a client that comes back, with the last cursor that it got: of each row that changed
//! meanwhile it is told one change, from how the row was to how it is, or that it is gone, and nothing that the client may not see. Where that
//! cannot be told in full it gets a reset, never a part.
//!
//! ```no_run
//! # use rest_live::Live;
//! # use warp::Filter;
//! # async fn serve(live: Live) {
//! let tasks = warp::path!("api" / "tasks").and(warp::get()).map(|| "[]"); // what you have
//! let tasks = tasks.with(warp::wrap_fn(rest_live::warp::with_cursor(&live))); // and a cursor beside it
//! let ws = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
//! warp::serve(tasks.or(ws)).run(([127, 0, 0, 1], 3030)).await;
//! # }
//! ```
//!
//! ```json
//! {"id":1,"model":"my_app.Task","group":{"list_id":1},"since":"k3f9….174"}
//! ```
//!
//! # Several servers
//! They share a log: `Live::builder(db).log(..)` with a `redis::RedisLog` or an `outbox::OutboxLog`. Which one, what each
//! guarantees, and what is to be set: [`outgrowing_one_server`].
//!
//! # Features
//! * `warp` (default): [`warp::subscriptions`](mod@warp), the filter, and [`warp::with_cursor`](mod@warp).
//! * `redis`: `rest_live::redis::RedisLog`, an event log on a Redis Stream that several servers share. `redis-tls` adds `rediss://`.
//! * `outbox`: `rest_live::outbox::OutboxLog`, an event log in the application's own PostgreSQL that several servers share.
//!
//! # Limits
//! What this version does not do yet, the most important first:
//!
//! * **What is written on a plain `DatabaseConnection` is not seen**, nor what psql, another program or the
//!   database itself writes. Write on [`Live::db`]; for single rows there is [`Live::install`].
//!   [`what_is_captured`] ends with all that is not seen. On PostgreSQL triggers can tell of it: [`outgrowing_one_server`].
//! * A transaction that changes a row and then moves it shows the list that it leaves the state in between,
//!   unless the model has a `check_permission`: then a transaction is one change of each row.
//! * [`Live::reauthorize`] and [`Live::disconnect`] are about the connections of one server, also where several share a log.
//! * A cursor closes the gap to a query that sees what is committed, not to one on a replica that lags behind. Only the v1 dialect has cursors:
//!   in the others a client that comes back fetches again.
//! * Who comes back is told at most 4,000 changes, 512 rows and 128 KiB of a group, and at most the last 16,384 events of all: who has
//!   missed more fetches again.
//! * Keys are integers, strings, booleans, enumerations and UUIDs; strings are compared byte by byte,
//!   also where the database's collation ignores case.

pub use rest_live_runtime::{
    BuildError, Limits, Live, LiveBuilder, LiveConnection, LiveEntity, LiveTransaction,
    RegistryError, Subscribable,
};

/// Makes the rows that a serializer shows subscribable.
///
/// It goes on the struct that already shapes the REST JSON. Attributes stack: one for each key that clients may
/// subscribe by. Any import path or alias works; they expand once.
///
/// ```
/// # mod task {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "task")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub text: String, pub list_id: i32 }
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
/// | argument | means | without it |
/// |---|---|---|
/// | `group_key = "list_id"` | the column whose value selects the group: a field of the entity's `Model`, not necessarily of the serializer | the primary key, `pk` on the wire |
/// | `authorize = path` | who may subscribe by this key: `async fn(&User, value, &DatabaseConnection)` that returns `bool` or `Result<bool, E>`. `value` is of the column's type (see [`FromKey`]) | everybody |
/// | `public` | everybody may subscribe by this key. To be said where another key of the model has `authorize` | |
///
/// # Arguments of the whole struct
/// Given on any one of the stack.
///
/// | argument | means | without it |
/// |---|---|---|
/// | `entity = task::Entity` | whose rows it shows | `#[sea_orm(entity = "...")]` on the struct |
/// | `model = "todolist.Task"` | the model's label on the wire | the name of the program or library it is in, a dot, the table's name in PascalCase |
/// | `rank = 1` | of several serializers of one group, the highest whose permission passes gives the payload | 0 |
/// | `hooks = false` | the entity has its hooks from [`#[live]`](macro@live) or from another serializer | they are generated |
/// | `from_model = false` | `From<&Model>` is written by hand | it is generated, field by field name; `#[sea_orm(from_col = "...")]` and `#[sea_orm(skip)]` hold |
/// | `check_permission = path` | who may see a row by this serializer: `fn(&User, &Model) -> bool`, for every key | everybody |
/// | `secret = ["password_hash"]` | columns of the model that stay in the process: see below | none |
/// | `crate = path` | where this crate is | `::rest_live` |
///
/// # Columns that stay in the process
/// Events hold whole rows, also the columns that no serializer shows. In memory that is nobody's business; a log that
/// several servers share lies outside. `secret = ["password_hash"]` names columns, as the fields of the entity's `Model` are
/// called, that are not written to it. What comes back from there, on each server, has their type's default in their
/// place: the empty text, zero, `None`. So a serializer and a `check_permission` must not look at them, where the log is shared.
///
/// A secret of one serializer is one of the model. The type must have a default, and neither the primary key nor a group key can be
/// secret: [`LiveBuilder::build`] says so. Triggers that write events have to leave the same columns out (`outbox::migration::Capture::without`).
///
/// ```
/// # mod account {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "account")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub name: String, pub password_hash: String }
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
/// * `impl From<&Model> for TheSerializer`, also of use in REST handlers;
/// * the registration, which [`Live::builder`] finds;
/// * `impl ActiveModelBehavior for ActiveModel` with rest-live's hooks. So an impl of the user's own is
///   a second one (the compiler's error E0119), and an entity of another crate is out of reach (E0117): write
///   `hooks = false` here and [`#[live]`](macro@live) there. The second serializer of an entity says `hooks = false`, too.
pub use rest_live_macros::subscribable;

/// Captures the changes of a model whose `ActiveModelBehavior` the user writes.
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
/// rest-live's hooks stand next to the statement, the user's around them: what is told is what was written, also
/// where the user's `after_save` fails. `#[async_trait]` is added; where it is written, `#[live]` goes above it.
/// An empty impl will do. The only argument is `crate = path`.
pub use rest_live_macros::live;

pub mod db {
    //! Database access beside [`LiveConnection`](crate::LiveConnection) and
    //! [`LiveTransaction`](crate::LiveTransaction): bulk writes, streams, and the traits behind them.

    pub use rest_live_runtime::{
        LiveDatabase, LiveDeleteMany, LiveFilter, LiveInsertMany, LiveModel, LiveStream,
        LiveUpdateMany,
    };
}

pub mod auth {
    //! What an `authorize` function may take and return, and the values of group keys.

    pub use rest_live_runtime::{FromKey, IntoDecision, KeyKind, KeyMismatch, KeyValue};
}

pub mod log {
    //! The event log: the trait that every backplane implements, the default log in memory, and the
    //! events that a log stores.

    pub use rest_live_runtime::{
        Action, Cursor, Entry, Epoch, Event, EventKind, EventLog, EventSource, LogError,
        LoggedEvent, MemoryLog, Operation, ParseCursorError, ReadError, Record, Row, RowChange,
        StoredEvent, Tail, TransactionalLog,
    };
}

pub mod transport {
    //! What a transport needs to turn an HTTP request into a session. Applications use a finished
    //! transport, such as the `warp` module.

    pub use rest_live_runtime::{
        CloseCode, ErrorCode, Frame, Handshake, Io, Outgoing, Session, Socket,
    };
}

pub mod testing {
    //! A client in the test's own process, for the tests of an application. For those of an event log of one's own: the
    //! [`contract`].
    //!
    //! ```standalone_crate
    //! # mod task {
    //! #     use sea_orm::entity::prelude::*;
    //! #     #[derive(Clone, Debug, DeriveEntityModel)]
    //! #     #[sea_orm(table_name = "task")]
    //! #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub text: String, pub owner: String }
    //! #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    //! #     pub enum Relation {}
    //! # }
    //! # #[derive(Clone)] struct User { name: String }
    //! # fn owns(user: &User, task: &task::Model) -> bool { user.name == task.owner }
    //! # #[rest_live::subscribable(model = "app.Task", check_permission = owns)]
    //! # #[derive(serde::Serialize, sea_orm::DerivePartialModel)]
    //! # #[sea_orm(entity = "task::Entity")]
    //! # struct TaskSerializer { id: i32, text: String }
    //! use rest_live::{Live, testing::Client};
    //! use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, Schema};
    //! use serde_json::json;
    //!
    //! // Under #[tokio::test].
    //! # #[tokio::main(flavor = "current_thread")]
    //! async fn an_owner_sees_the_task_and_nobody_else() {
    //!     let db = Database::connect("sqlite::memory:").await.unwrap();
    //!     let schema = Schema::new(db.get_database_backend());
    //!     db.execute(&schema.create_table_from_entity(task::Entity)).await.unwrap();
    //!     let live = Live::builder(db).users::<User>().build().unwrap();
    //!
    //!     let mut ada = Client::connect(&live, User { name: "ada".to_owned() });
    //!     let mut bob = Client::connect(&live, User { name: "bob".to_owned() });
    //!     for client in [&mut ada, &mut bob] {
    //!         client.send_json(json!({"id": 1, "model": "app.Task", "group": {"pk": 7}})).await;
    //!         assert_eq!(client.receive_json().await["type"], "subscribed");
    //!     }
    //!
    //!     let task = task::ActiveModel {
    //!         id: Set(7),
    //!         text: Set("milk".to_owned()),
    //!         owner: Set("ada".to_owned()),
    //!     };
    //!     task.insert(&live.db()).await.unwrap();
    //!
    //!     let frame = ada.receive_json().await;
    //!     assert_eq!(frame["action"], "CREATED");
    //!     assert_eq!(frame["payload"], json!({"id": 7, "text": "milk"}));
    //!     bob.receive_nothing().await; // waits until all that was written was handed out, and no longer
    //!     ada.disconnect();
    //! }
    //! # fn main() { an_owner_sees_the_task_and_nobody_else() }
    //! ```

    pub use rest_live_runtime::{
        contract_tests,
        testing::{Client, contract},
    };
}

#[doc = include_str!("../docs/what-is-captured.md")]
pub mod what_is_captured {}

// Its code needs the features, its text does not.
#[cfg_attr(
    any(not(doctest), all(feature = "redis", feature = "outbox")),
    doc = include_str!("../docs/outgrowing-one-server.md")
)]
pub mod outgrowing_one_server {}

#[cfg(feature = "warp")]
pub mod warp {
    //! The [warp](https://docs.rs/warp) transport.

    pub use rest_live_warp::{subscriptions, subscriptions_as, with_cursor};
}

/// The event log on a Redis Stream, which several servers share: with the feature `redis`, and for `rediss://` with `redis-tls`.
#[cfg(feature = "redis")]
#[doc(inline)]
pub use rest_live_redis as redis;

/// The event log in the application's own PostgreSQL, which several servers share: with the feature `outbox`.
#[cfg(feature = "outbox")]
#[doc(inline)]
pub use rest_live_outbox as outbox;

/// What generated code uses. No promises.
#[doc(hidden)]
pub mod __private {
    pub use rest_live_macros::__collected;
    pub use rest_live_runtime::__private::*;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
