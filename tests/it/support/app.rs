//! An application in the process of the test: a fresh database and a warp server on port 0.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use rest_live::{
    Limits, Live, LiveConnection,
    log::{EventLog, MemoryLog},
    warp::subscriptions_by_token,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait, Schema,
};
use tokio::{net::TcpListener, task::AbortHandle};
use warp::Filter;

use super::{Client, Dialect, Engine, TestDatabase};
use crate::entities::{article, badge, device, locker, note, post, question, seat, task, ticket};

/// The id of a task that no test writes. It is positive, because SeaORM cannot read a negative id
/// from MariaDB's response.
const SENTINEL: i32 = 1_000_000;

pub struct App {
    pub live: Live,
    pub addr: SocketAddr,
    /// The database, for writes that are not captured.
    pub plain: DatabaseConnection,
    log: MemoryLog,
    _node: Node,
    /// The database that `plain` and `live` write to. The last field, so that it is dropped after
    /// them.
    pub database: TestDatabase,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub async fn start_with(limits: Limits) -> Self {
        Self::assemble(Engine::Sqlite, limits).await
    }

    pub async fn start_on(engine: Engine) -> Self {
        Self::start_on_with(engine, Limits::default()).await
    }

    pub async fn start_on_with(engine: Engine, limits: Limits) -> Self {
        Self::assemble(engine, limits).await
    }

    async fn assemble(engine: Engine, limits: Limits) -> Self {
        let (db, database) = database_of(engine).await;
        let log = MemoryLog::default();
        let node = Node::start(db.clone(), limits, log.clone()).await;
        Self {
            live: node.live.clone(),
            addr: node.addr,
            plain: db,
            log,
            _node: node,
            database,
        }
    }

    pub fn db(&self) -> LiveConnection {
        self.live.db()
    }

    pub fn url(&self) -> String {
        format!("ws://{}/ws/subscribe/", self.addr)
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.url()).await
    }

    /// Connects a client that has no user until it authenticates.
    pub async fn client_without_user(&self) -> Client {
        Client::connect(&format!("ws://{}/ws/by-token/", self.addr)).await
    }

    pub async fn insert_task(&self, id: i32, text: &str, list_id: i32) -> task::Model {
        task(id, text, list_id).insert(&self.db()).await.unwrap()
    }

    /// Connects with a subprotocol, and asserts that the server selects it.
    pub async fn client_of(&self, subprotocol: &str) -> Client {
        let (client, selected) = Client::connect_offering(&self.url(), Some(subprotocol)).await;
        assert_eq!(selected.as_deref(), Some(subprotocol));
        client
    }

    /// Asserts that a client of the plain dialect receives nothing more: everything captured so far
    /// has been dispatched, and none of it was sent to this client.
    pub async fn assert_silent(&self, client: &mut Client) {
        self.assert_silent_in(Dialect::Plain, client).await;
    }

    /// Asserts that a client of this dialect receives nothing more. The client may not have sent
    /// anything yet.
    pub async fn assert_silent_in(&self, dialect: Dialect, client: &mut Client) {
        // The sentinel row is published after everything else.
        client.send(dialect.subscribe_to_sentinel()).await;
        if dialect == Dialect::V1 {
            let subscribed = client.json().await;
            assert_eq!(
                (&subscribed["type"], &subscribed["id"]),
                (&"subscribed".into(), &"sentinel".into()),
                "expected nothing, received {subscribed}"
            );
        }
        client.synchronise().await;
        task(SENTINEL, "sentinel", -1)
            .insert(&self.db())
            .await
            .unwrap();
        let content_key = match dialect {
            Dialect::Plain | Dialect::V1 => "payload",
            Dialect::V0_7 => "instance",
        };
        let broadcast = client.json().await;
        assert_eq!(
            broadcast[content_key]["text"], "sentinel",
            "expected nothing, received {broadcast}"
        );
        // Deleted on a plain connection, so that no client receives it.
        task::Entity::delete_by_id(SENTINEL)
            .exec(&self.plain)
            .await
            .unwrap();
        client.send(dialect.unsubscribe_from_sentinel()).await;
        if dialect == Dialect::V1 {
            client
                .expect(r#"{"type":"unsubscribed","id":"sentinel"}"#)
                .await;
        }
    }

    /// Returns how many events have been appended to the log.
    pub async fn events(&self) -> u64 {
        self.log.head().await.unwrap().position
    }
}

/// One server of an application.
pub struct Node {
    pub live: Live,
    pub addr: SocketAddr,
    server: AbortHandle,
}

impl Node {
    pub async fn start(db: DatabaseConnection, limits: Limits, log: impl EventLog) -> Self {
        let builder = Live::builder(db).limits(limits).log(log);
        let live = builder.authenticate(user_of).build().unwrap();
        let routes = warp::path!("ws" / "subscribe")
            .and(rest_live::warp::subscriptions(&live))
            .or(warp::path!("ws" / "by-token").and(subscriptions_by_token(&live)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(warp::serve(routes).incoming(listener).run()).abort_handle();
        Self { live, addr, server }
    }

    pub async fn client(&self) -> Client {
        Client::connect(&format!("ws://{}/ws/subscribe/", self.addr)).await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Accepts two tokens: one that does not expire, and one that expires after half a second.
async fn user_of(token: String) -> Result<((), Option<SystemTime>), &'static str> {
    match &*token {
        "ada" => Ok(((), None)),
        "half a second" => Ok(((), Some(SystemTime::now() + Duration::from_millis(500)))),
        _ => Err("the token is wrong"),
    }
}

pub fn task(id: i32, text: &str, list_id: i32) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(id),
        text: Set(text.to_owned()),
        done: Set(false),
        list_id: Set(list_id),
    }
}

/// Opens a fresh SQLite database with the tables of all test models.
pub async fn database() -> (DatabaseConnection, TestDatabase) {
    database_of(Engine::Sqlite).await
}

/// Opens a fresh database of this engine with the tables of all test models.
pub async fn database_of(engine: Engine) -> (DatabaseConnection, TestDatabase) {
    async fn create<E: EntityTrait>(db: &DatabaseConnection, entity: E) {
        let schema = Schema::new(db.get_database_backend());
        // PostgreSQL's enumerations are types that its tables refer to, so they are created first.
        for enumeration in schema.create_enum_from_entity(entity) {
            db.execute(&enumeration).await.unwrap();
        }
        db.execute(&schema.create_table_from_entity(entity))
            .await
            .unwrap();
    }
    let database = TestDatabase::start(engine).await;
    let db = database.connect().await;
    create(&db, task::Entity).await;
    create(&db, note::Entity).await;
    create(&db, device::Entity).await;
    create(&db, seat::Entity).await;
    create(&db, article::Entity).await;
    create(&db, badge::Entity).await;
    create(&db, ticket::Entity).await;
    create(&db, question::Entity).await;
    create(&db, locker::Entity).await;
    create(&db, post::Entity).await;
    (db, database)
}
