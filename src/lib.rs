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
//! SeaORM write -> capture -> EventLog -> dispatcher -> hub[group] -> Session -> frame -> socket
//! ```
//! * **Capture.** [`#[subscribable]`](macro@subscribable) writes the `ActiveModelBehavior` hooks of the
//!   entity. They run on a [`LiveConnection`] or in a [`LiveTransaction`], which implement SeaORM's own
//!   traits. The events of a transaction wait for its commit; after a rollback there are none. The old row is
//!   read first only where it decides something: a group column is being set, or a delete names
//!   a row by its key alone. Any other save costs no statement more.
//! * **Log.** Every event goes through the [`EventLog`]; the default is a ring in memory.
//! * **Dispatcher and hub.** A row is serialised once and a frame encoded once, and both are shared by all
//!   subscribers. A row that moves to another group is `DELETED` for the one and `CREATED` for the other.
//! * **Session.** One for each connection, bounded by [`Limits`]. A client that reads too slowly is told to fetch
//!   again, and in the end closed; it delays nobody.
//!
//! # Features
//! * `warp` (default): [`warp::subscriptions`](mod@warp), the filter.
//!
//! # Limits
//! What this version does not do yet, the most important first:
//!
//! * **What is written on a plain `DatabaseConnection` is not seen**, nor what psql or another program
//!   writes. Write on [`Live::db`]; a write on a plain connection is warned of once a model in the log.
//! * **Bulk statements are not seen**: `insert_many`, `update_many`, `delete_many`, `Entity::insert`,
//!   `Entity::update`, `Entity::delete` and `delete_by_id`, raw SQL, cascades of the database and
//!   `update_without_returning`. SeaORM runs no `after_save` for them.
//! * Two writes that move one row at the same moment, outside transactions, tell what each saw: a
//!   list can go on showing the row that left it. Write moves in a transaction. A delete through a
//!   `Model` that was read earlier is believed: if the row has moved or gone since, the list that
//!   it was read in is told `DELETED`.
//! * A request that is given up (its client hangs up) between an autocommit statement and its hook
//!   leaves a row that nobody is told of. In a transaction it cannot.
//! * Everybody may subscribe to everything that is registered, from any web page (`Origin` is not
//!   checked yet). `check_permission` and `authorize` are read,
//!   and refused by [`LiveBuilder::build`], for nothing would check them yet.
//! * A client that reconnects fetches again; what happens between a page's request and its
//!   subscription is missed. One server: the log is in its memory.
//! * Keys are integers, strings, booleans, enumerations and UUIDs; strings are compared byte by byte,
//!   also where the database's collation ignores case.

pub use rest_live_runtime::{
    Action, BuildError, CloseCode, Cursor, Entry, Epoch, ErrorCode, Event, EventLog, Expected,
    Frame, FromKey, Handshake, Io, KeyKind, KeyValue, Limits, Live, LiveBuilder, LiveConnection,
    LiveModel, LiveTransaction, LogError, MemoryLog, NoCursor, Outgoing, Rate, RegistryError, Row,
    Session, Subscribable, Tail, Verdict, testing,
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
/// | `authorize = path`, `public` | who may subscribe; read, and refused at [`build()`](LiveBuilder::build) until it is enforced | |
///
/// # Arguments of the whole struct
/// Given on any one of the stack.
///
/// | argument | means | without it |
/// |---|---|---|
/// | `entity = task::Entity` | whose rows it shows | `#[sea_orm(entity = "...")]` on the struct |
/// | `model = "todolist.Task"` | the model's label on the wire | the name of the program or library it is in, a dot, the table's name in PascalCase |
/// | `rank = 1` | of several serializers of one group the highest is taken | 0 |
/// | `hooks = false` | the entity has its hooks from [`#[live]`](macro@live) or from another serializer | they are generated |
/// | `from_model = false` | `From<&Model>` is written by hand | it is generated, field by field name; `#[sea_orm(from_col = "...")]` and `#[sea_orm(skip)]` hold |
/// | `check_permission = path` | who may see a row; read, and refused at [`build()`](LiveBuilder::build) until it is enforced | |
/// | `crate = path` | where this crate is | `::rest_live` |
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

#[cfg(feature = "warp")]
pub mod warp {
    //! The [warp](https://docs.rs/warp) transport.

    pub use rest_live_warp::{subscriptions, subscriptions_as};
}

/// What generated code uses. No promises.
#[doc(hidden)]
pub mod __private {
    pub use rest_live_macros::__collected;
    pub use rest_live_runtime::__private::*;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
