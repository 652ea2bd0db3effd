//! A database with the tables of the models.

use rest_live::{Limits, Live, log::EventLog};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait, Schema, Statement,
    TransactionTrait,
};
use tempfile::TempDir;

use crate::{
    entities::{Table, User, document, notice, task},
    support::{
        TICK,
        engine::{Engine, TestDatabase},
    },
};

pub struct Tables {
    pub connection: DatabaseConnection,
    /// Declared last, so that it is dropped after the connection.
    storage: Storage,
}

#[expect(dead_code, reason = "it is only dropped")]
enum Storage {
    File(TempDir),
    Postgres(TestDatabase),
}

impl Tables {
    /// Opens a SQLite file.
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.sqlite");
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
        // One connection writes, the other one reads at the same time.
        options.max_connections(2).sqlx_logging(false);
        let connection = Database::connect(options).await.unwrap();
        for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = OFF"] {
            connection.execute_unprepared(pragma).await.unwrap();
        }
        Self::create(connection, Storage::File(folder)).await
    }

    /// Starts a PostgreSQL server.
    pub async fn start_postgres() -> Self {
        let database = TestDatabase::start(Engine::Postgres).await;
        let connection = database.connect().await;
        Self::create(connection, Storage::Postgres(database)).await
    }

    async fn create(connection: DatabaseConnection, storage: Storage) -> Self {
        async fn create<E: EntityTrait>(db: &DatabaseConnection, entity: E) {
            db.execute(&Schema::new(db.get_database_backend()).create_table_from_entity(entity))
                .await
                .unwrap();
        }
        create(&connection, notice::Entity).await;
        create(&connection, document::Entity).await;
        create(&connection, task::Entity).await;
        Self {
            connection,
            storage,
        }
    }

    fn is_postgres(&self) -> bool {
        matches!(self.storage, Storage::Postgres(_))
    }

    /// Deletes all rows without an event.
    pub async fn clear(&self) {
        let transaction = self.connection.begin().await.unwrap();
        if self.is_postgres() {
            // No trigger runs.
            let replica = "SET LOCAL session_replication_role = replica";
            transaction.execute_unprepared(replica).await.unwrap();
        }
        for table in Table::ALL {
            let name = table.label().split_once('.').unwrap().1.to_lowercase();
            let delete = format!("DELETE FROM {name}");
            transaction.execute_unprepared(&delete).await.unwrap();
        }
        transaction.commit().await.unwrap();
    }

    /// Waits until a dropped transaction is rolled back.
    ///
    /// Before that, SQLite immediately rejects a transaction that reads first and then writes. A
    /// log in PostgreSQL does not know yet whether the transaction will commit.
    pub async fn wait_for_rollback(&self) {
        if !self.is_postgres() {
            let wait = "BEGIN IMMEDIATE; COMMIT";
            self.connection.execute_unprepared(wait).await.unwrap();
            return;
        }
        let backend = self.connection.get_database_backend();
        let open = "SELECT 1 FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";
        let open = Statement::from_string(backend, open);
        while self
            .connection
            .query_one_raw(open.clone())
            .await
            .unwrap()
            .is_some()
        {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Builds a `Live` on the database.
    pub fn live(&self, limits: Limits, log: impl EventLog) -> Live<User> {
        // Without `discover`: the serializers of the vault have another user type.
        Live::<User>::builder(self.connection.clone())
            .discover(false)
            .limits(limits)
            .log(log)
            .authenticate(User::of_token)
            .register::<notice::NoticeSerializer>()
            .register::<document::DocumentSerializer>()
            .register::<task::WholeTask>()
            .register::<task::SignedInTask>()
            .register::<task::PublicTask>()
            .build()
            .unwrap()
    }
}
