//! The other types through which SeaORM 2 writes: `DatabaseExecutor`, which migrations call
//! `SchemaManagerConnection`, and types of an application that wrap a connection.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DatabaseExecutor, DatabaseTransaction,
    DbBackend, DbErr, ExecResult, IntoDatabaseExecutor, IsolationLevel, QueryResult, Statement,
    TransactionTrait, prelude::async_trait,
};
use sea_orm_migration::SchemaManager;

use super::{
    cases::WRITES,
    fixture::{Fixture, NOTHING},
    writes::{text_of, write},
};
use crate::support::{Engine, Log};

// The capture of plain connections applies to the whole process.
crate::support::on_each_engine! { @alone
    executor_of_a_connection_is_captured
    executor_of_a_transaction_is_withheld
    migration_is_captured_outside_transactions
    wrapper_is_captured_like_its_connection
    failed_write_does_not_leak_a_transaction
    refused_statement_is_reported_as_unknown
}

const WITHHELD: &str = "rest_live_events_withheld_total";

/// Single-row writes that run both hooks.
const HOOKED: [&str; 5] = [
    "insert",
    "update",
    "update to another list",
    "delete a model",
    "parcel: update that hides",
];

async fn executor_of_a_connection_is_captured(engine: Engine) {
    let mut fixture = Fixture::start(engine).await;
    fixture.live.capture_plain_connections();
    let plain = fixture.plain.clone();
    for case in WRITES.iter().filter(|case| HOOKED.contains(&case.name)) {
        fixture.refresh().await;
        write(case.name, &DatabaseExecutor::from(&plain))
            .await
            .unwrap();
        let received = fixture.received().await;
        assert_eq!(received, case.frames(engine), "{} on {engine:?}", case.name);

        fixture.refresh().await;
        write(case.name, &(&plain).into_database_executor())
            .await
            .unwrap();
        let received = fixture.received().await;
        assert_eq!(received, case.frames(engine), "{} on {engine:?}", case.name);
    }
}

async fn executor_of_a_transaction_is_withheld(engine: Engine) {
    let recorder = DebuggingRecorder::new();
    let mut fixture = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        Fixture::fresh(engine).await
    };
    fixture.live.capture_plain_connections();
    let log = Log::start();
    for (text, isolation) in [
        ("default", None),
        ("serializable", Some(IsolationLevel::Serializable)),
    ] {
        let isolation = isolation.filter(|_| engine != Engine::Sqlite);
        let begin = || fixture.plain.begin_with_config(isolation, None);
        // The first statement of the transaction, and one after a write.
        let borrowed = begin().await.unwrap();
        for n in 0..2 {
            let executor = DatabaseExecutor::from(&borrowed);
            text_of(1, &format!("{text} {n}"))
                .update(&executor)
                .await
                .unwrap();
        }
        borrowed.commit().await.unwrap();

        let owned = begin().await.unwrap().into_database_executor();
        text_of(2, text).update(&owned).await.unwrap();
        let DatabaseExecutor::OwnedTransaction(owned) = owned else {
            panic!("expected the transaction")
        };
        owned.commit().await.unwrap();

        let outer = begin().await.unwrap();
        let savepoint = outer.begin().await.unwrap();
        text_of(3, text)
            .update(&DatabaseExecutor::from(&savepoint))
            .await
            .unwrap();
        savepoint.commit().await.unwrap();
        outer.rollback().await.unwrap();
        assert_eq!(fixture.received().await, NOTHING, "{text} on {engine:?}");
    }
    let log = log.end();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    assert!(
        log.contains("a write in a plain database transaction was not captured"),
        "{log}"
    );
    let metrics = recorder.snapshotter().snapshot().into_vec();
    let withheld = metrics.iter().find_map(|(key, _, _, value)| match value {
        DebugValue::Counter(count) if key.key().name() == WITHHELD => Some(*count),
        _ => None,
    });
    assert_eq!(withheld, Some(8), "each write is counted once");
    // A pooled connection works as before.
    let executor = DatabaseExecutor::from(&fixture.plain);
    text_of(1, "after").update(&executor).await.unwrap();
    assert_eq!(
        fixture.received().await,
        ["list 1 UPDATED after", "task 1 UPDATED after"]
    );
}

async fn migration_is_captured_outside_transactions(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    fixture.live.capture_plain_connections();
    let plain = fixture.plain.clone();
    let manager = SchemaManager::new(&plain);
    text_of(1, "seeded")
        .update(manager.get_connection())
        .await
        .unwrap();
    assert_eq!(
        fixture.received().await,
        ["list 1 UPDATED seeded", "task 1 UPDATED seeded"]
    );
    let manager = manager.begin().await.unwrap();
    text_of(1, "again")
        .update(manager.get_connection())
        .await
        .unwrap();
    manager.commit().await.unwrap();
    assert_eq!(fixture.received().await, NOTHING);
    // A migration on the connection below `Live::db()`.
    let db = fixture.live.db();
    let manager = SchemaManager::new(db.inner());
    text_of(1, "inner")
        .update(manager.get_connection())
        .await
        .unwrap();
    assert_eq!(
        fixture.received().await,
        ["list 1 UPDATED inner", "task 1 UPDATED inner"]
    );
}

/// A connection type of the application.
struct Wrapper<'c, C> {
    inner: &'c C,
    accepts_raw_sql: bool,
}

impl<'c, C> Wrapper<'c, C> {
    fn of(inner: &'c C) -> Self {
        Self {
            inner,
            accepts_raw_sql: true,
        }
    }
}

#[async_trait::async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Wrapper<'_, C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        if self.accepts_raw_sql {
            self.inner.execute_unprepared(sql).await
        } else {
            Err(DbErr::Custom("raw SQL is forbidden".to_owned()))
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(statement).await
    }
}

async fn wrapper_is_captured_like_its_connection(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    fixture.live.capture_plain_connections();
    let plain: DatabaseConnection = fixture.plain.clone();
    text_of(1, "wrapped")
        .update(&Wrapper::of(&plain))
        .await
        .unwrap();
    assert_eq!(
        fixture.received().await,
        ["list 1 UPDATED wrapped", "task 1 UPDATED wrapped"]
    );
    let transaction: DatabaseTransaction = plain.begin().await.unwrap();
    text_of(1, "hidden")
        .update(&Wrapper::of(&transaction))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(fixture.received().await, NOTHING);
}

/// What a failed write leaves behind is not taken for the write of a transaction.
async fn failed_write_does_not_leak_a_transaction(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    fixture.live.capture_plain_connections();
    let plain = fixture.plain.clone();
    let new = |id| crate::support::task(id, "new", 1);
    new(1)
        .insert(&DatabaseExecutor::from(&plain))
        .await
        .expect_err("the key exists");
    let transaction = plain.begin().await.unwrap();
    let executor = DatabaseExecutor::from(&transaction);
    new(4).insert(&executor).await.unwrap();
    text_of(1, "hidden").update(&executor).await.unwrap();
    drop(executor);
    transaction.rollback().await.unwrap();
    assert_eq!(fixture.received().await, NOTHING);
}

async fn refused_statement_is_reported_as_unknown(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    fixture.live.capture_plain_connections();
    let log = Log::start();
    let plain = fixture.plain.clone();
    let strict = Wrapper {
        inner: &plain,
        accepts_raw_sql: false,
    };
    text_of(1, "strict").update(&strict).await.unwrap();
    assert_eq!(fixture.received().await, NOTHING);
    let log = log.end();
    assert_eq!(log.matches("ERROR").count(), 1, "{log}");
    for part in [
        "raw SQL is forbidden",
        "Wrapper",
        "cannot find out whether it is a transaction",
    ] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
}
