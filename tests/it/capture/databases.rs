//! SQLite, PostgreSQL and MariaDB: each test has its own database, and an application and the
//! todolist example run on each engine.

mod application;

use std::{net::TcpStream, path::Path, time::Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use self::application::an_application_runs;
use crate::{
    examples::databases::the_example_runs,
    support::{Engine, TestDatabase, soon},
};

crate::support::on_each_engine! {
    a_database_is_fresh_and_takes_any_text
    committed_rows_survive_a_server_kill
    dropped_database_leaves_nothing
    an_application_runs
    the_example_runs
}

#[tokio::test]
async fn each_engine_is_the_named_database() {
    let mut databases = Vec::new();
    for engine in Engine::ALL {
        databases.push(TestDatabase::start(engine).await);
    }
    for (database, backend) in
        databases
            .iter()
            .zip([DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql])
    {
        let db = database.connect().await;
        assert_eq!(db.get_database_backend(), backend);
        db.ping().await.unwrap();
    }
}

/// Characters within and outside the plane that MySQL's "utf8" is limited to.
const TEXT: &str = "Grüße, 世界 🦀";

async fn a_database_is_fresh_and_takes_any_text(engine: Engine) {
    let start = Instant::now();
    let first = TestDatabase::start(engine).await;
    eprintln!("{engine:?} started in {:?}", start.elapsed());
    let second = TestDatabase::start(engine).await;
    assert_eq!(first.engine(), engine);
    assert_ne!(first.url(), second.url());
    for database in [&first, &second] {
        let db = database.connect().await;
        db.execute_unprepared("CREATE TABLE word (text VARCHAR(20) PRIMARY KEY)")
            .await
            .unwrap();
        let insert = format!("INSERT INTO word VALUES ('{TEXT}')");
        db.execute_unprepared(&insert).await.unwrap();
        assert_eq!(words(&first).await, [TEXT]);
    }
}

/// Returns the first column of the rows that a statement returns.
async fn strings(db: &DatabaseConnection, statement: &str) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), statement);
    let rows = db.query_all_raw(statement).await.unwrap().into_iter();
    rows.map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn words(database: &TestDatabase) -> Vec<String> {
    strings(&database.connect().await, "SELECT text FROM word").await
}

/// Returns the address in a server's URL.
fn addr(url: &str) -> &str {
    let (_, after_user) = url.split_once('@').unwrap();
    after_user.split_once('/').unwrap().0
}

async fn committed_rows_survive_a_server_kill(engine: Engine) {
    let database = TestDatabase::start(engine).await;
    let url = database.url();
    let db = database.connect().await;
    db.execute_unprepared("CREATE TABLE word (text VARCHAR(20) PRIMARY KEY)")
        .await
        .unwrap();
    db.execute_unprepared("INSERT INTO word VALUES ('kept')")
        .await
        .unwrap();
    database.kill().await;
    if engine != Engine::Sqlite {
        assert!(TcpStream::connect(addr(&url)).is_err());
    }
    database.restart().await;
    assert_eq!(database.url(), url);
    assert_eq!(words(&database).await, ["kept"]);
    // A connection pool reconnects by itself.
    soon(
        "a write",
        db.execute_unprepared("INSERT INTO word VALUES ('new')"),
    )
    .await
    .unwrap();
    database.restart().await;
    assert_eq!(words(&database).await, ["kept", "new"]);
}

async fn dropped_database_leaves_nothing(engine: Engine) {
    for is_killed in [false, true] {
        let database = TestDatabase::start(engine).await;
        let url = database.url();
        let db = database.connect().await;
        let query = match engine {
            Engine::Sqlite => "SELECT file FROM pragma_database_list",
            Engine::Postgres => "SHOW data_directory",
            Engine::MariaDb => "SELECT @@datadir",
        };
        let path = strings(&db, query).await.remove(0);
        let folder = Path::new(&path).parent().unwrap();
        assert!(folder.exists());
        if is_killed {
            database.kill().await;
        }
        drop(database);
        assert!(!folder.exists(), "{}", folder.display());
        if engine != Engine::Sqlite {
            assert!(TcpStream::connect(addr(&url)).is_err());
        }
    }
}
