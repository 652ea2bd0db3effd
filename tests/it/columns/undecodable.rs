//! Rows that cannot be decoded: another program wrote a value that the entity cannot hold. A write
//! of such a row succeeds, nothing panics on its way, and subscribers receive a reset.

use std::sync::atomic::{AtomicUsize, Ordering};

use rest_live::{Live, log::EventLog, testing::Client};
use rest_live_outbox::{
    OutboxLog,
    migration::{Capture, Outbox},
};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, TransactionTrait, entity::prelude::*,
};
use sea_orm_migration::{MigrationTrait, SchemaManager};
use serde::Serialize;
use serde_json::json;

use crate::support::{Engine, SharedLog, TestDatabase, alone};

mod thing {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel)]
    #[sea_orm(table_name = "thing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub list_id: i32,
        pub day: ChronoDate,
        pub word: Word,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub enum Word {
        #[sea_orm(string_value = "yes")]
        Yes,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

super::serializer!(ThingSerializer, "it.Thing", thing, "list_id": ListId);

const TABLE: &str = "CREATE TABLE thing (id int PRIMARY KEY, list_id int NOT NULL, day date NOT NULL, word varchar(9) NOT NULL)";

async fn start(engine: Engine) -> (TestDatabase, DatabaseConnection) {
    let database = TestDatabase::start(engine).await;
    let db = database.connect().await;
    db.execute_unprepared(TABLE).await.unwrap();
    (database, db)
}

fn live(db: &DatabaseConnection, log: impl EventLog) -> Live {
    Live::builder(db.clone())
        .discover(false)
        .register::<ThingSerializer>()
        .log(log)
        .build()
        .unwrap()
}

async fn follow(live: &Live, list_id: i32) -> Client {
    let mut client = Client::connect(live, ());
    client
        .send_json(json!({"id": 1, "model": "it.Thing", "group": {"list_id": list_id}}))
        .await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    client
}

/// Inserts a row with id 1 in list 1.
async fn insert(db: &DatabaseConnection, day: &str, word: &str) {
    db.execute_unprepared("DELETE FROM thing").await.unwrap();
    let insert = format!("INSERT INTO thing VALUES (1, 1, '{day}', '{word}')");
    db.execute_unprepared(&insert).await.unwrap();
}

/// Days that `chrono` cannot hold; sqlx panics for the first. A word without a variant.
const VALUES: [(&str, &str); 2] = [("infinity", "yes"), ("2024-05-01", "no")];

fn moved() -> thing::ActiveModel {
    thing::ActiveModel {
        id: Set(1),
        list_id: Set(2),
        ..Default::default()
    }
}

/// The statements of SeaORM that do not decode the row themselves.
#[tokio::test]
async fn write_succeeds_and_is_a_reset() {
    let (_database, db) = start(Engine::Postgres).await;
    for log in [None, Some(SharedLog::new())] {
        let live = match log {
            None => live(&db, rest_live::log::MemoryLog::default()),
            Some(log) => live(&db, log),
        };
        let list_id = |db: DatabaseConnection| async move {
            let sql = sea_orm::Statement::from_string(
                sea_orm::DbBackend::Postgres,
                "SELECT coalesce(max(list_id), 0) FROM thing",
            );
            let row = db.query_one_raw(sql).await.unwrap().unwrap();
            row.try_get_by_index::<i32>(0).unwrap()
        };
        for (day, word) in VALUES {
            insert(&db, day, word).await;
            let mut client = follow(&live, 1).await;
            moved().update_without_returning(&live.db()).await.unwrap();
            assert_eq!(list_id(db.clone()).await, 2);
            assert_eq!(client.receive_json().await["type"], "reset", "{day} {word}");

            insert(&db, day, word).await;
            let mut client = follow(&live, 1).await;
            let transaction = live.db().begin().await.unwrap();
            moved()
                .update_without_returning(&transaction)
                .await
                .unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(list_id(db.clone()).await, 2);
            assert_eq!(client.receive_json().await["type"], "reset", "{day} {word}");

            insert(&db, day, word).await;
            let mut client = follow(&live, 1).await;
            thing::Entity::update_many()
                .col_expr(thing::Column::ListId, Expr::value(3))
                .exec(&live.db())
                .await
                .unwrap();
            assert_eq!(list_id(db.clone()).await, 3);
            assert_eq!(client.receive_json().await["type"], "reset", "{day} {word}");

            let mut client = follow(&live, 3).await;
            thing::Entity::delete_by_id(1)
                .exec(&live.db())
                .await
                .unwrap();
            assert_eq!(list_id(db.clone()).await, 0);
            assert_eq!(client.receive_json().await["type"], "reset", "{day} {word}");
        }
    }
}

/// Without rows that the statement returns, the hooks read the old row.
#[tokio::test]
async fn write_on_mariadb_is_a_reset() {
    let (_database, db) = start(Engine::MariaDb).await;
    let live = live(&db, SharedLog::new());
    insert(&db, "2024-05-01", "no").await;
    let mut client = follow(&live, 1).await;
    moved().update_without_returning(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["type"], "reset");
    let mut client = follow(&live, 2).await;
    let known = thing::ActiveModel {
        id: Set(1),
        ..Default::default()
    };
    known.delete(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["type"], "reset");
}

/// Also with the outbox, which appends in the transaction of the write, and through triggers.
#[tokio::test]
async fn write_through_the_outbox_is_a_reset() {
    for with_triggers in [false, true] {
        let (_database, db) = start(Engine::Postgres).await;
        let manager = SchemaManager::new(&db);
        Outbox.up(&manager).await.unwrap();
        if with_triggers {
            let capture = Capture::of::<thing::Entity>("it.Thing");
            capture.up(&manager).await.unwrap();
        }
        let log = OutboxLog::open(db.clone()).await.unwrap();
        let live = live(&db, log);
        for (day, word) in VALUES {
            insert(&db, day, word).await;
            let mut client = follow(&live, 1).await;
            moved().update_without_returning(&live.db()).await.unwrap();
            assert_eq!(client.receive_json().await["type"], "reset", "{day} {word}");
        }
    }
}

mod tagged {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, DeriveEntityModel)]
    #[sea_orm(table_name = "tagged")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub vector: PgVector,
        pub kinds: Vec<Kind>,
        pub typed_kinds: Vec<TypedKind>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "kind")]
    pub enum Kind {
        #[sea_orm(string_value = "one")]
        One,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "Enum", db_type = "Enum", enum_name = "kind")]
    pub enum TypedKind {
        #[sea_orm(string_value = "one")]
        One,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

super::serializer!(TaggedSerializer, "it.Tagged", tagged);

/// With `panic = "abort"`, a panic would end the server.
#[tokio::test]
async fn array_with_a_new_variant_does_not_panic() {
    alone(
        concat!(module_path!(), "::array_with_a_new_variant_does_not_panic"),
        async {
            static PANICS: AtomicUsize = AtomicUsize::new(0);
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                PANICS.fetch_add(1, Ordering::Relaxed);
                previous(info);
            }));
            let database = TestDatabase::start(Engine::Postgres).await;
            let db = database.connect().await;
            db.execute_unprepared(
                "CREATE TYPE kind AS ENUM ('one', 'new'); CREATE DOMAIN vector AS text; \
                 CREATE TABLE tagged (id int PRIMARY KEY, vector vector NOT NULL, kinds kind[] NOT NULL, \
                 typed_kinds kind[] NOT NULL)",
            )
            .await
            .unwrap();
            let manager = SchemaManager::new(&db);
            Outbox.up(&manager).await.unwrap();
            let capture = Capture::of::<tagged::Entity>("it.Tagged");
            capture.up(&manager).await.unwrap();
            let log = OutboxLog::open(db.clone()).await.unwrap();
            let live: Live = Live::builder(db.clone())
                .discover(false)
                .register::<TaggedSerializer>()
                .log(log)
                .build()
                .unwrap();
            for (id, kinds, typed_kinds, is_known) in [
                (1, "{one}", "{one}", true),
                (2, "{one,new}", "{one}", false),
                (3, "{one}", "{new}", false),
            ] {
                let mut client = super::follow(&live, "it.Tagged", id).await;
                let insert = format!(
                    "INSERT INTO tagged VALUES ({id}, '[1,-2.5]', '{kinds}', '{typed_kinds}')"
                );
                db.execute_unprepared(&insert).await.unwrap();
                let received = client.receive_json().await;
                if is_known {
                    assert_eq!(received["payload"]["vector"], json!([1.0, -2.5]));
                } else {
                    assert_eq!(received["type"], "reset", "{received}");
                }
            }
            assert_eq!(PANICS.load(Ordering::Relaxed), 0);
        },
    )
    .await;
}
