//! An application in the test's process: a fresh SQLite file, a warp server on port 0.

use std::net::SocketAddr;

use rest_live::{EventLog, Limits, Live, LiveConnection, MemoryLog};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection, EntityTrait,
    Schema,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::AbortHandle};
use warp::Filter;

use super::{Client, Dialect};
use crate::entities::{article, badge, device, note, seat, task, ticket};

pub struct App {
    pub live: Live,
    pub addr: SocketAddr,
    /// The database, for writes that nobody is to hear of.
    pub plain: DatabaseConnection,
    log: MemoryLog,
    server: AbortHandle,
    _folder: TempDir,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub async fn start_with(limits: Limits) -> Self {
        let (db, folder) = database().await;
        let log = MemoryLog::default();
        let live = Live::builder(db.clone())
            .limits(limits)
            .log(log.clone())
            .build()
            .unwrap();
        let routes = warp::path!("ws" / "subscribe").and(rest_live::warp::subscriptions(&live));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = tokio::spawn(warp::serve(routes).incoming(listener).run()).abort_handle();
        Self {
            live,
            addr,
            plain: db,
            log,
            server,
            _folder: folder,
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

    pub async fn insert_task(&self, id: i32, text: &str, list_id: i32) -> task::Model {
        task(id, text, list_id).insert(&self.db()).await.unwrap()
    }

    /// Connects with a subprotocol, which the server takes.
    pub async fn client_of(&self, subprotocol: &str) -> Client {
        let (client, taken) = Client::connect_offering(&self.url(), Some(subprotocol)).await;
        assert_eq!(taken.as_deref(), Some(subprotocol));
        client
    }

    /// Asserts that nothing more reaches a client of the plain dialect: what was captured up to now was
    /// dispatched, and the client was told none of it.
    pub async fn assert_silent(&self, client: &mut Client) {
        self.assert_silent_in(Dialect::Plain, client).await;
    }

    /// Asserts that nothing more reaches a client that speaks a dialect, or none yet.
    pub async fn assert_silent_in(&self, dialect: Dialect, client: &mut Client) {
        // A row of its own, published behind everything else.
        client.send(dialect.subscribe_to_sentinel()).await;
        if dialect == Dialect::V1 {
            let subscribed = client.json().await;
            assert_eq!(
                (&subscribed["type"], &subscribed["id"]),
                (&"subscribed".into(), &"sentinel".into()),
                "{subscribed} came instead of nothing"
            );
        }
        client.synchronise().await;
        task(-1, "sentinel", -1).insert(&self.db()).await.unwrap();
        let shown = match dialect {
            Dialect::Plain | Dialect::V1 => "payload",
            Dialect::V0_7 => "instance",
        };
        let broadcast = client.json().await;
        assert_eq!(
            broadcast[shown]["text"], "sentinel",
            "{broadcast} came instead of nothing"
        );
        // By a statement of its own, which tells nobody.
        task::Entity::delete_by_id(-1)
            .exec(&self.db())
            .await
            .unwrap();
        client.send(dialect.unsubscribe_from_sentinel()).await;
        if dialect == Dialect::V1 {
            client
                .expect(r#"{"type":"unsubscribed","id":"sentinel"}"#)
                .await;
        }
    }

    /// Returns how many events the log took in so far.
    pub async fn events(&self) -> u64 {
        self.log.head().await.unwrap().position
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
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

/// Opens a fresh database with the tables of all test models.
pub async fn database() -> (DatabaseConnection, TempDir) {
    async fn create<E: EntityTrait>(db: &DatabaseConnection, entity: E) {
        db.execute(&Schema::new(db.get_database_backend()).create_table_from_entity(entity))
            .await
            .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let db = Database::connect(format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("test.sqlite").display()
    ))
    .await
    .unwrap();
    db.execute_unprepared("PRAGMA journal_mode = WAL")
        .await
        .unwrap();
    create(&db, task::Entity).await;
    create(&db, note::Entity).await;
    create(&db, device::Entity).await;
    create(&db, seat::Entity).await;
    create(&db, article::Entity).await;
    create(&db, badge::Entity).await;
    create(&db, ticket::Entity).await;
    (db, folder)
}
