//! What the property tests share: the runner and the database.

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

/// Asserts that `property` holds for this number of random cases, all on one database.
///
/// A failing case is shrunk and printed. The variable `PROPTEST_CASES` overrides the number.
pub fn assert_property<S: Strategy>(
    cases: u32,
    strategy: &S,
    property: &impl AsyncFn(&Tables, S::Value),
) {
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
                database.clear().await;
                property(&database, case).await;
            });
        };
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            TestCaseError::fail(text.unwrap_or("the property panicked").to_owned())
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
        // One connection writes, the other one reads at the same time.
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

    async fn clear(&self) {
        for table in Table::ALL {
            let name = table.label().split_once('.').unwrap().1.to_lowercase();
            let delete = format!("DELETE FROM {name}");
            self.connection.execute_unprepared(&delete).await.unwrap();
        }
    }

    /// Waits until a dropped transaction is rolled back.
    ///
    /// Before that, SQLite immediately rejects a transaction that reads first and then writes.
    pub async fn wait_for_rollback(&self) {
        let wait = "BEGIN IMMEDIATE; COMMIT";
        self.connection.execute_unprepared(wait).await.unwrap();
    }

    /// Builds a `Live` on the database.
    pub fn live(&self, limits: Limits) -> Live<User> {
        // Without `discover`: the serializers of the vault have another user type.
        Live::<User>::builder(self.connection.clone())
            .discover(false)
            .limits(limits)
            .register::<notice::NoticeSerializer>()
            .register::<document::DocumentSerializer>()
            .register::<task::WholeTask>()
            .register::<task::SignedInTask>()
            .register::<task::PublicTask>()
            .build()
            .unwrap()
    }
}
