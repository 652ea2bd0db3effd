//! What a review of exact capture found: each of these fails where it did.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture, stream::BoxStream};
use rest_live::{
    Cursor, Event, EventLog, Live, LiveEntity, LiveTransaction, LogError, MemoryLog, Tail,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr,
    EntityTrait, ModelTrait, QueryFilter, QuerySelect, TransactionTrait, sea_query::Expr,
};
use tokio::{sync::Semaphore, time::sleep};

use crate::{
    captured::{fixture::Fixture, torn::poll},
    entities::task,
    support::{Engine, TestDatabase, database_of, soon, task as new_task},
};

const NOTHING: [&str; 0] = [];
const RESET: [&str; 1] = ["reset todolist.Task"];

async fn fixture(engine: Engine) -> Fixture {
    let mut fixture = Fixture::start(engine).await;
    fixture.refresh().await;
    fixture
}

async fn texts(fixture: &Fixture) -> Vec<String> {
    fixture.rows().await.into_iter().map(|r| r.text).collect()
}

async fn row(db: &DatabaseConnection, id: i32) -> task::Model {
    task::Entity::find_by_id(id).one(db).await.unwrap().unwrap()
}

fn text_of(id: i32, text: &str) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(id),
        text: Set(text.to_owned()),
        ..Default::default()
    }
}

fn move_of(id: i32, list: i32) -> task::ActiveModel {
    task::ActiveModel {
        id: Set(id),
        list_id: Set(list),
        ..Default::default()
    }
}

// Phantoms.

/// The outer transaction is written on while a savepoint of it is open, which takes that write with it.
async fn written_outside_within_a_savepoint(engine: Engine) {
    let mut fixture = fixture(engine).await;
    let outer = fixture.live.db().begin().await.unwrap();
    let savepoint = outer.begin().await.unwrap();
    new_task(4, "four", 1).insert(&outer).await.unwrap();
    savepoint.rollback().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(texts(&fixture).await, ["one", "two", "three"]);
    assert_eq!(fixture.told().await, NOTHING);
}

#[tokio::test]
async fn outer_write_within_a_savepoint_sqlite() {
    written_outside_within_a_savepoint(Engine::Sqlite).await;
}

#[tokio::test]
async fn outer_write_within_a_savepoint_postgres() {
    written_outside_within_a_savepoint(Engine::Postgres).await;
}

/// A text that ends the transaction and writes a subscribed table.
#[tokio::test]
async fn end_and_write_in_one_text_postgres() {
    let mut fixture = fixture(Engine::Postgres).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    new_task(4, "four", 1).insert(&transaction).await.unwrap();
    transaction
        .execute_unprepared("ROLLBACK; DELETE FROM task WHERE id = 999")
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(texts(&fixture).await, ["one", "two", "three"]);
    assert_eq!(fixture.told().await, RESET);
}

/// `COMMIT; ..` and then a rollback.
#[tokio::test]
async fn commit_and_write_in_one_text_sqlite() {
    let mut fixture = fixture(Engine::Sqlite).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    new_task(4, "four", 1).insert(&transaction).await.unwrap();
    transaction
        .execute_unprepared("COMMIT; BEGIN; UPDATE task SET done = TRUE WHERE id = 999")
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(texts(&fixture).await, ["one", "two", "three", "four"]);
    assert_eq!(fixture.told().await, RESET);
}

/// MariaDB undoes the whole transaction for other errors than deadlocks, too (1020 with
/// `innodb_snapshot_isolation`, the default since 11.6.2).
#[tokio::test]
async fn snapshot_conflict_mariadb() {
    let mut fixture = fixture(Engine::MariaDb).await;
    let set = "SET GLOBAL innodb_snapshot_isolation = ON";
    fixture.plain.execute_unprepared(set).await.unwrap();
    let db = fixture.live.db();
    let transaction = db.begin().await.unwrap();
    let session = "SET SESSION innodb_snapshot_isolation = ON";
    transaction.execute_unprepared(session).await.unwrap();
    task::Entity::find_by_id(2).one(&transaction).await.unwrap();
    new_task(4, "phantom", 1)
        .insert(&transaction)
        .await
        .unwrap();
    text_of(2, "meanwhile")
        .update(&fixture.plain)
        .await
        .unwrap();
    text_of(2, "mine").update(&transaction).await.unwrap_err();
    text_of(1, "one!").update(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(texts(&fixture).await, ["one!", "meanwhile", "three"]);
    assert_eq!(fixture.told().await, RESET);
}

/// A `live_*` builder whose statement is ended for a deadlock: the whole transaction is undone.
#[tokio::test]
async fn deadlock_in_a_bulk_write_mariadb() {
    let mut fixture = fixture(Engine::MariaDb).await;
    let db = fixture.live.db();
    let lock = async |transaction: &LiveTransaction, id: i32| {
        let row = task::Entity::find_by_id(id).lock_exclusive();
        row.one(transaction).await.map(drop)
    };
    let (first, second) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    new_task(4, "phantom", 1).insert(&first).await.unwrap();
    lock(&first, 1).await.unwrap();
    lock(&second, 2).await.unwrap();
    // What has written more is not the victim.
    for id in 2000..2040 {
        new_task(id, "weight", 9).insert(&second).await.unwrap();
    }
    let bulk = async |transaction: &LiveTransaction| {
        let update = task::Entity::live_update_many()
            .col_expr(task::Column::Done, Expr::value(true))
            .filter(task::Column::Id.eq(2));
        update.exec(transaction).await.map(drop)
    };
    let (of_first, of_second) = tokio::join!(bulk(&first), lock(&second, 1));
    of_second.unwrap();
    let error = of_first.unwrap_err();
    second.rollback().await.unwrap();
    // The first statement behind it is refused for the savepoint, which is gone.
    _ = text_of(1, "one!").update(&first).await;
    _ = text_of(1, "one!").update(&first).await;
    _ = first.commit().await;
    fixture.quiet().await;
    let told = fixture.told().await;
    assert!(told.is_empty() || told == RESET, "a phantom: {told:?}");
    if texts(&fixture).await[0] == "one!" {
        assert_eq!(told, RESET, "the row was written");
    }
    assert!(
        format!("{error:?}").contains("1213"),
        "its own error: {error:?}"
    );
}

// Silence.

/// MariaDB commits before and after DDL.
#[tokio::test]
async fn ddl_in_a_transaction_mariadb() {
    let mut fixture = fixture(Engine::MariaDb).await;
    let transaction = fixture.live.db().begin().await.unwrap();
    new_task(4, "four", 1).insert(&transaction).await.unwrap();
    transaction
        .execute_unprepared("CREATE TABLE something (id INT)")
        .await
        .unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(texts(&fixture).await, ["one", "two", "three", "four"]);
    assert_eq!(fixture.told().await, RESET);
}

/// A statement in a transaction whose future is dropped (`timeout`, `select!`), and the transaction commits.
async fn dropped_in_a_transaction(engine: Engine) {
    let mut fixture = fixture(engine).await;
    // Whether the statement has been sent by then differs from time to time.
    for polls in (1..=3).cycle().take(45) {
        fixture.refresh().await;
        let transaction = fixture.live.db().begin().await.unwrap();
        let done = poll(new_task(4, "four", 1).insert(&transaction), polls).await;
        let committed = transaction.commit().await;
        fixture.quiet().await;
        let written = texts(&fixture).await.contains(&"four".to_owned());
        let told = fixture.told().await;
        // Where it was not written after all, a reset costs a refetch.
        assert!(
            !written || !told.is_empty(),
            "{polls} polls: done {done}, {committed:?}, and nobody was told"
        );
    }
}

#[tokio::test]
async fn statement_dropped_in_a_transaction_sqlite() {
    dropped_in_a_transaction(Engine::Sqlite).await;
}

#[tokio::test]
async fn statement_dropped_in_a_transaction_postgres() {
    dropped_in_a_transaction(Engine::Postgres).await;
}

// It may hang: a connection whose statement was dropped midway is sqlx's to tidy up.
#[tokio::test]
async fn failing_statement_dropped_in_a_transaction_postgres() {
    let mut fixture = fixture(Engine::Postgres).await;
    for polls in 1..40 {
        fixture.refresh().await;
        let transaction = fixture.live.db().begin().await.unwrap();
        new_task(4, "phantom", 1)
            .insert(&transaction)
            .await
            .unwrap();
        let fails = task::Entity::insert(new_task(1, "again", 1)).exec(&transaction);
        let done = poll(fails, polls).await;
        // Whether it succeeds or not.
        _ = transaction.commit().await;
        fixture.quiet().await;
        let written = texts(&fixture).await.contains(&"phantom".to_owned());
        let told = fixture.told().await;
        assert!(written || told.is_empty(), "after {polls} polls: {told:?}");
        if done {
            return;
        }
    }
}

/// A DELETE on a plain connection that waits for a lock longer than the stash does.
async fn slow_delete_on_a_plain_connection(engine: Engine) {
    let mut fixture = fixture(engine).await;
    fixture.live.install();
    let blocker = fixture.plain.begin().await.unwrap();
    let lock = "UPDATE task SET done = FALSE WHERE id = 1";
    blocker.execute_unprepared(lock).await.unwrap();
    let model = row(&fixture.plain, 1).await;
    let plain = fixture.plain.clone();
    let delete = tokio::spawn(async move { model.delete(&plain).await });
    // What is tested: longer than an announced write is waited for.
    sleep(Duration::from_millis(4500)).await;
    blocker.rollback().await.unwrap();
    delete.await.unwrap().unwrap();
    assert_eq!(texts(&fixture).await, ["two", "three"]);
    let told = ["list 1 DELETED one", "task 1 DELETED one"].map(str::to_owned);
    fixture.expect(&told).await;
}

#[tokio::test]
async fn slow_delete_on_a_plain_connection_sqlite() {
    slow_delete_on_a_plain_connection(Engine::Sqlite).await;
}

#[tokio::test]
async fn slow_delete_on_a_plain_connection_postgres() {
    slow_delete_on_a_plain_connection(Engine::Postgres).await;
}

/// Raw SQL that writes the subscribed table, and is not seen to.
async fn raw(engine: Engine, texts: &[&str]) {
    let mut fixture = fixture(engine).await;
    let mut missed = Vec::new();
    for sql in texts {
        fixture.refresh().await;
        let before = fixture.rows().await;
        // Some of it not every version takes.
        _ = fixture.live.db().execute_unprepared(sql).await;
        let is_changed = fixture.rows().await != before;
        let told = fixture.told().await;
        if is_changed && told.is_empty() {
            missed.push(*sql);
        }
    }
    assert_eq!(missed, NOTHING);
}

#[tokio::test]
async fn raw_sqlite() {
    raw(
        Engine::Sqlite,
        &[
            "/* route='/api/*' */ DELETE FROM task WHERE id = 1",
            "\u{feff}DELETE FROM task WHERE id = 1",
            "DELETE FROM 'task' WHERE id = 1",
            "UPDATE main.'task' SET text = 'x' WHERE id = 1",
            "INSERT INTO 'task' VALUES (7, 'seven', 0, 1)",
            "INSERT OR REPLACE INTO [task] VALUES (1, 'seven', 0, 1)",
            "REPLACE INTO task VALUES (1, 'seven', 0, 1)",
            "WITH a AS (SELECT 1) UPDATE task SET text = 'x' WHERE id = 1",
            "SELECT 1; -- it's\nDELETE FROM task WHERE id = 1",
        ],
    )
    .await;
}

#[tokio::test]
async fn raw_postgres() {
    raw(
        Engine::Postgres,
        &[
            "EXPLAIN ANALYZE DELETE FROM task WHERE id = 1",
            "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 2) SEARCH DEPTH FIRST BY n SET o DELETE FROM task WHERE id = 1",
            "INSERT INTO U&\"t\\0061sk\" VALUES (7, 'seven', FALSE, 1)",
            "DELETE FROM U&\"t\\0061sk\" WHERE id = 1",
            "MERGE INTO public.task AS t USING (SELECT 1 AS i) AS s ON t.id = s.i WHEN MATCHED THEN DELETE",
            "PREPARE p AS DELETE FROM task WHERE id = 1; EXECUTE p",
            "TRUNCATE ONLY task",
            "SELECT $a$ ; $a$; DELETE FROM task WHERE id = 1",
            "ALTER TABLE task RENAME TO task_old; CREATE TABLE task AS SELECT * FROM task_old WHERE id = 2",
        ],
    )
    .await;
}

#[tokio::test]
async fn raw_mariadb() {
    raw(
        Engine::MariaDb,
        &[
            "/* route='/api/*' */ DELETE FROM task WHERE id = 1",
            "INSERT LOW_PRIORITY task VALUES (7, 'seven', 0, 1)",
            "INSERT HIGH_PRIORITY IGNORE task VALUES (8, 'eight', 0, 1)",
            "REPLACE LOW_PRIORITY task VALUES (1, 'eight', 0, 1)",
            "SET STATEMENT max_statement_time = 10 FOR DELETE FROM task WHERE id = 1",
            "ANALYZE FORMAT=JSON DELETE FROM task WHERE id = 1",
            "BEGIN NOT ATOMIC DELETE FROM task WHERE id = 1; END",
            "IF 1 THEN DELETE FROM task WHERE id = 1; END IF",
            "SELECT 3--1; DELETE FROM task WHERE id = 1",
            "DELETE t FROM task AS t WHERE t.id = 1",
            "EXECUTE IMMEDIATE 'DELETE FROM task WHERE id = 1'",
            "CREATE OR REPLACE TABLE task_new AS SELECT * FROM task WHERE id = 2",
            "RENAME TABLE task TO task_old, task_new TO task",
        ],
    )
    .await;
}

// Order.

/// A log whose next append waits until it is let go.
#[derive(Clone, Debug)]
struct GateLog {
    log: MemoryLog,
    hold: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
    held: Arc<Semaphore>,
    told: Arc<Mutex<Vec<Option<task::Model>>>>,
}

impl EventLog for GateLog {
    fn append(&self, events: Vec<Event>) -> BoxFuture<'_, Result<(), LogError>> {
        async move {
            if self.hold.swap(false, Ordering::SeqCst) {
                self.held.add_permits(1);
                self.gate.acquire().await.unwrap().forget();
            }
            for event in &events {
                let told = event.as_row().map(|row| {
                    let new = row.new.as_ref().unwrap();
                    new.downcast::<task::Model>().unwrap().clone()
                });
                self.told.lock().unwrap().push(told);
            }
            self.log.append(events).await
        }
        .boxed()
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        self.log.tail()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        self.log.head()
    }
}

async fn gated() -> (Live, DatabaseConnection, GateLog, TestDatabase) {
    let (plain, database) = database_of(Engine::Sqlite).await;
    let log = GateLog {
        log: MemoryLog::default(),
        hold: Arc::default(),
        gate: Arc::new(Semaphore::new(0)),
        held: Arc::new(Semaphore::new(0)),
        told: Arc::default(),
    };
    let live = Live::builder(plain.clone())
        .log(log.clone())
        .build()
        .unwrap();
    new_task(1, "one", 1).insert(&live.db()).await.unwrap();
    (live, plain, log, database)
}

/// The append of a write takes its time (a log over a network); another write of the row comes meanwhile. What is
/// settled overtakes the first, and the row goes back.
#[tokio::test]
async fn settled_overtakes_an_append() {
    let (live, plain, log, _database) = gated().await;
    log.hold.store(true, Ordering::SeqCst);
    let db = live.db();
    let first = tokio::spawn(async move { text_of(1, "first").update(&db).await.unwrap() });
    soon("the append", log.held.acquire())
        .await
        .unwrap()
        .forget();
    text_of(1, "second").update(&live.db()).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    log.gate.add_permits(1);
    first.await.unwrap();
    sleep(Duration::from_millis(500)).await;
    let told = log.told.lock().unwrap().clone();
    assert_eq!(
        told.last().unwrap().as_ref(),
        Some(&row(&plain, 1).await),
        "{told:?}"
    );
}

/// The same with a write that is told by a reset: who fetched then is shown the row as it was before.
#[tokio::test]
async fn reset_overtakes_an_append() {
    let (live, plain, log, _database) = gated().await;
    log.hold.store(true, Ordering::SeqCst);
    let db = live.db();
    let first = tokio::spawn(async move { text_of(1, "first").update(&db).await.unwrap() });
    soon("the append", log.held.acquire())
        .await
        .unwrap()
        .forget();
    let raw = "UPDATE task SET text = 'raw' WHERE id = 1";
    live.db().execute_unprepared(raw).await.unwrap();
    log.gate.add_permits(1);
    first.await.unwrap();
    sleep(Duration::from_millis(500)).await;
    let told = log.told.lock().unwrap().clone();
    let last = told.last().unwrap().clone();
    assert!(
        last.is_none() || last == Some(row(&plain, 1).await),
        "{told:?}"
    );
}

/// On MariaDB with the log in memory: `update_many` is a reset, between another's save and its second hook.
#[tokio::test]
async fn reset_between_statement_and_hook_mariadb() {
    let mut fixture = fixture(Engine::MariaDb).await;
    let db = fixture.live.db();
    for polls in 1..60 {
        fixture.refresh().await;
        let mut save = pin!(text_of(1, "saved").update(&db));
        let mut done = false;
        for _ in 0..polls {
            done = poll_fn(|c| Poll::Ready(save.as_mut().poll(c).is_ready())).await;
            sleep(Duration::from_millis(3)).await;
            if done {
                break;
            }
        }
        if done {
            eprintln!("done after {polls} polls");
            return;
        }
        let many = task::Entity::update_many()
            .col_expr(task::Column::Text, Expr::value("bulk"))
            .filter(task::Column::Id.eq(1));
        many.exec(&db).await.unwrap();
        // Who is told to reset fetches now, and has "bulk".
        let before = fixture.told().await;
        _ = save.await;
        let now = row(&fixture.plain, 1).await.text;
        let after = fixture.told().await;
        eprintln!("{polls} polls: the row is {now}; {before:?}, then {after:?}");
        let stale = after.iter().any(|told| !told.ends_with(&now));
        assert!(
            !stale,
            "the row is {now}, and the last that is told of it {after:?}"
        );
    }
}

// Writes that are not as without rest-live.

/// PostgreSQL: an UPDATE locks FOR NO KEY UPDATE, which does not wait for those who refer to the row; the old row
/// is read FOR UPDATE, which does.
#[tokio::test]
async fn foreign_keys_deadlock_postgres() {
    let fixture = fixture(Engine::Postgres).await;
    let child = "CREATE TABLE child (task_id INT REFERENCES task (id))";
    fixture.plain.execute_unprepared(child).await.unwrap();
    let insert = "INSERT INTO child VALUES (1)";

    // What it does without.
    let (a, b) = (
        fixture.plain.begin().await.unwrap(),
        fixture.plain.begin().await.unwrap(),
    );
    a.execute_unprepared(insert).await.unwrap();
    b.execute_unprepared(insert).await.unwrap();
    let first = async {
        move_of(1, 2).update(&a).await?;
        a.commit().await
    };
    let second = async {
        move_of(1, 1).update(&b).await?;
        b.commit().await
    };
    let (of_a, of_b) = tokio::join!(first, second);
    of_a.unwrap();
    of_b.unwrap();

    let db = fixture.live.db();
    let (a, b) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    a.execute_unprepared(insert).await.unwrap();
    b.execute_unprepared(insert).await.unwrap();
    let first = async {
        move_of(1, 2).update(&a).await?;
        a.commit().await
    };
    let second = async {
        move_of(1, 1).update(&b).await?;
        b.commit().await
    };
    let (of_a, of_b): (Result<(), DbErr>, Result<(), DbErr>) = tokio::join!(first, second);
    of_a.unwrap();
    of_b.unwrap();
}

/// One statement for 500 rows each is not one statement.
#[tokio::test]
async fn live_update_many_in_pieces_sqlite() {
    let (plain, _database) = database_of(Engine::Sqlite).await;
    let live = Live::builder(plain.clone()).build().unwrap();
    let rows = (1..=1000).map(|id| new_task(id, "one", 1));
    task::Entity::insert_many(rows).exec(&plain).await.unwrap();
    task::Entity::live_update_many()
        .col_expr(
            task::Column::Text,
            Expr::cust("(SELECT CAST(COUNT(*) AS TEXT) FROM task AS t WHERE t.text = 'one')"),
        )
        .exec(&live.db())
        .await
        .unwrap();
    let (first, last) = (row(&plain, 1).await.text, row(&plain, 1000).await.text);
    assert_eq!(first, last);
}

// A reset where the table says otherwise.

/// Two moves in one task, where each statement's values name the other's row: this holds.
#[tokio::test]
async fn two_moves_in_one_task_sqlite() {
    let mut fixture = fixture(Engine::Sqlite).await;
    let db = fixture.live.db();
    let (first, second) = tokio::join!(move_of(1, 2).update(&db), move_of(2, 2).update(&db));
    first.unwrap();
    second.unwrap();
    let told = fixture.told().await;
    assert!(!told.contains(&RESET[0].to_owned()), "{told:?}");
}

#[tokio::test]
async fn update_that_returns_no_row_sqlite() {
    let mut fixture = fixture(Engine::Sqlite).await;
    let update = task::Entity::update_many()
        .col_expr(task::Column::ListId, Expr::value(2))
        .filter(task::Column::Id.eq(999));
    let rows = update.exec_with_returning(&fixture.live.db()).await;
    assert!(rows.unwrap().is_empty());
    assert_eq!(fixture.told().await, NOTHING);
}
