//! What the properties have in common.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestRunner},
};
use rest_live::{Limits, Live};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait, Schema};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::entities::{Table, User, document, notice, task};

/// Asserts that something holds of so many random cases, on one database. What fails is made small,
/// and shown. `PROPTEST_CASES` is another number.
pub fn holds<S: Strategy>(cases: u32, strategy: &S, property: &impl AsyncFn(&Tables, S::Value)) {
    let config = Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => Config::default().cases,
            None => cases,
        },
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..Config::default()
    };
    let runtime = runtime();
    let database = runtime.block_on(Tables::open());
    let outcome = TestRunner::new(config).run(strategy, |case| {
        let run = || {
            runtime.block_on(async {
                database.empty().await;
                property(&database, case).await;
            });
        };
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            TestCaseError::fail(text.unwrap_or("it panicked").to_owned())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A SQLite file with the tables of the models.
pub struct Tables {
    connection: DatabaseConnection,
    _folder: TempDir,
}

impl Tables {
    pub async fn open() -> Self {
        async fn create<E: EntityTrait>(db: &DatabaseConnection, entity: E) {
            db.execute(&Schema::new(db.get_database_backend()).create_table_from_entity(entity))
                .await
                .unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.sqlite");
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
        // One writes, one reads beside it.
        options.max_connections(2).sqlx_logging(false);
        let connection = Database::connect(options).await.unwrap();
        for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF"] {
            connection.execute_unprepared(pragma).await.unwrap();
        }
        create(&connection, notice::Entity).await;
        create(&connection, document::Entity).await;
        create(&connection, task::Entity).await;
        Self {
            connection,
            _folder: folder,
        }
    }

    async fn empty(&self) {
        for table in Table::ALL {
            let name = table.label().split_once('.').unwrap().1.to_lowercase();
            let delete = format!("DELETE FROM {name}");
            self.connection.execute_unprepared(&delete).await.unwrap();
        }
    }

    /// Waits until a transaction that was dropped is rolled back. Until then, SQLite refuses at once who
    /// reads first and then writes.
    pub async fn settle(&self) {
        let wait = "BEGIN IMMEDIATE; COMMIT";
        self.connection.execute_unprepared(wait).await.unwrap();
    }

    /// Builds a `Live` on the database.
    pub fn live(&self, limits: Limits) -> Live<User> {
        // The vault's users are others.
        Live::<User>::builder(self.connection.clone())
            .discover(false)
            .limits(limits)
            .register::<notice::NoticeSerializer>()
            .register::<document::DocumentSerializer>()
            .register::<task::WholeTask>()
            .register::<task::SignedInTask>()
            .register::<task::AnybodysTask>()
            .build()
            .unwrap()
    }
}
