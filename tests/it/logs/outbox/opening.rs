//! Checks that `OutboxLog::open` makes.

use rest_live::log::{EventLog, TransactionalLog};
use rest_live_outbox::{
    OutboxError, OutboxLog,
    migration::{Outbox, OutboxUnits},
};
use sea_orm::{ConnectionTrait, TransactionTrait};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::{Follower, Server, capture, down, event, put, up};
use crate::support::{Engine, TestDatabase};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Outbox), Box::new(capture())]
    }
}

#[tokio::test]
async fn wrong_installation_is_an_error() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let db = database.connect().await;
    let missing = OutboxLog::open(db.clone()).await.unwrap_err();
    assert!(matches!(missing, OutboxError::NotInstalled), "{missing:?}");
    assert!(
        missing
            .to_string()
            .contains("rest_live_outbox::migration::Outbox")
    );
    let table = "CREATE TABLE task (id serial PRIMARY KEY, list_id int NOT NULL, \"text of it\" text NOT NULL, token text NOT NULL)";
    db.execute_unprepared(table).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let log = OutboxLog::open(db.clone()).await.unwrap();
    assert!(log.captures(None, "task") && log.captures(Some("public"), "task"));
    assert!(!log.captures(None, "live_event") && !log.captures(Some("other"), "task"));
    assert!(log.is_shared() && log.transactional().is_some() && log.known_head().is_none());
    db.execute_unprepared("ALTER SEQUENCE live_event_seq_seq CACHE 10")
        .await
        .unwrap();
    let cache = OutboxLog::open(db.clone()).await.unwrap_err();
    assert!(
        matches!(cache, OutboxError::Cache { cache: 10, .. }),
        "{cache:?}"
    );
    db.execute_unprepared(
        "ALTER SEQUENCE live_event_seq_seq CACHE 1; UPDATE live_meta SET version = 9",
    )
    .await
    .unwrap();
    let version = OutboxLog::open(db.clone()).await.unwrap_err();
    assert!(
        matches!(version, OutboxError::Version { found: 9, .. }),
        "{version:?}"
    );
    Migrator::down(&db, None).await.unwrap();
    let missing = OutboxLog::open(db.clone()).await.unwrap_err();
    assert!(matches!(missing, OutboxError::NotInstalled), "{missing:?}");
    db.execute_unprepared("INSERT INTO task (list_id, \"text of it\", token) VALUES (1, 'a', 'b')")
        .await
        .unwrap();
}

/// The tables of the first version have no units.
#[tokio::test]
async fn tables_of_version_1_are_updated() {
    let database = TestDatabase::start(Engine::Postgres).await;
    let db = database.connect().await;
    up(&db, &Outbox).await;
    let log = OutboxLog::open(db.clone()).await.unwrap();
    let begin = log.head().await.unwrap();
    for model in ["a", "b"] {
        put(&log, &db, model).await;
    }
    db.execute_unprepared(
        "ALTER TABLE live_event DROP COLUMN unit; UPDATE live_meta SET version = 1 WHERE id = 1",
    )
    .await
    .unwrap();
    let old = OutboxLog::open(db.clone()).await.unwrap_err();
    assert!(
        matches!(
            old,
            OutboxError::Version {
                found: 1,
                needed: 2
            }
        ),
        "{old:?}"
    );
    assert!(old.to_string().contains("migration"), "{old}");
    up(&db, &OutboxUnits).await;
    let log = OutboxLog::open(db.clone()).await.unwrap();
    let transaction = db.begin().await.unwrap();
    for model in ["c", "d"] {
        put(&log, &transaction, model).await;
    }
    transaction.commit().await.unwrap();
    let read = log.read(begin, 9).await.unwrap();
    let units: Vec<_> = read.iter().map(|entry| entry.unit).collect();
    let [a, b, c, d] = units[..] else {
        panic!("{units:?}")
    };
    assert!(a != b && b != c && c == d, "{units:?}");
}

#[tokio::test]
async fn other_engine_is_refused() {
    let database = TestDatabase::start(Engine::Sqlite).await;
    let db = database.connect().await;
    let refused = OutboxLog::open(db.clone()).await.unwrap_err();
    assert!(matches!(refused, OutboxError::Backend), "{refused:?}");
    assert!(
        Outbox
            .up(&sea_orm_migration::SchemaManager::new(&db))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn custom_schema_and_plain_role_suffice() {
    let server = Server::start().await;
    server
        .run(
            "CREATE SCHEMA \"my app\"; CREATE ROLE plain LOGIN; GRANT USAGE ON SCHEMA \"my app\" TO plain; \
             ALTER ROLE plain SET search_path = \"my app\"",
        )
        .await;
    let mut options = sea_orm::ConnectOptions::new(server.database.url());
    options.set_schema_search_path("\"my app\"");
    let owner = sea_orm::Database::connect(options).await.unwrap();
    up(&owner, &Outbox).await;
    server
        .run(
            "GRANT SELECT, INSERT, DELETE ON \"my app\".live_event TO plain; \
             GRANT SELECT, UPDATE ON \"my app\".live_meta TO plain; \
             GRANT SELECT ON SEQUENCE \"my app\".live_event_seq_seq TO plain",
        )
        .await;
    let url = server.database.url().replace("postgres@", "plain@");
    let plain = sea_orm::Database::connect(url).await.unwrap();
    let log = OutboxLog::open(plain.clone()).await.unwrap();
    let mut follower = Follower::of(&log).await;
    put(&log, &plain, "plain").await;
    log.committed();
    follower.until_model("plain").await;
    let delivered = serde_json::to_string(follower.stored().next().unwrap()).unwrap();
    assert_eq!(delivered, serde_json::to_string(&event("plain")).unwrap());
    assert_eq!(
        server
            .number("SELECT count(*) FROM public.live_event")
            .await,
        0
    );
    drop((log, follower));
    down(&owner, &Outbox).await;
}
