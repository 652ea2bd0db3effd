//! PostgreSQL's row security: rest-live rereads rows on a connection that may not see them.

use rest_live::{
    Live, LiveBuilder,
    log::{EventLog, MemoryLog},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Statement,
    sea_query::Expr,
};
use serde_json::{Value, json};

use crate::{
    entities::task as task_entity,
    support::{
        GateLog, Log,
        secured::{Follower, Received, Secured, begin, increment, prepare},
        soon, task,
    },
};

const WRITERS: usize = 8;
const UPDATES_PER_WRITER: usize = 40;
const UPDATES: usize = WRITERS * UPDATES_PER_WRITER;

/// Runs many transactions that update row 1 at the same time, each as user `u1`. Returns what a
/// subscriber receives.
async fn update_concurrently(live: &Live) -> Received {
    let mut follower = Follower::of_new_row(live).await;
    let writers = (0..WRITERS).map(|_| {
        let live = live.clone();
        tokio::spawn(async move {
            for _ in 0..UPDATES_PER_WRITER {
                increment(&live).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let last = UPDATES.to_string();
    let is_last = |received: &Received| received.last_text == last || received.count("reset") > 0;
    follower.until("the last state", is_last).await;
    for writer in writers {
        writer.await.unwrap();
    }
    follower.finish(live).await
}

/// Deletes row 1 while the append of an update of it is held: the row is read again after that.
/// Returns what a subscriber receives.
async fn delete_concurrently(
    secured: &Secured,
    set: impl FnOnce(LiveBuilder) -> LiveBuilder,
) -> Received {
    let log = GateLog::default();
    let live = secured.build(log.clone(), set);
    let follower = Follower::of_new_row(&live).await;
    log.shut();
    let writer = tokio::spawn({
        let live = live.clone();
        async move { increment(&live).await }
    });
    log.arrived().await;
    delete(&live).await;
    log.open();
    writer.await.unwrap();
    follower.finish(&live).await
}

async fn delete(live: &Live) {
    let transaction = begin(live).await;
    task(1, "", 1).delete(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

fn counts(received: &Received) -> Value {
    json!(received.counts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hidden_row_is_not_deleted_without_settings() {
    let secured = Secured::start().await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    let received = update_concurrently(&live).await;
    assert_eq!(received.count("DELETED"), 0, "{received:?}");
    assert!(
        received.count("reset") > 0,
        "otherwise no row was read again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn prepared_reads_send_updates_only() {
    let secured = Secured::start().await;
    let live = secured.build(MemoryLog::default(), |builder| {
        builder.prepare_reads(|_, transaction| prepare(transaction))
    });
    let received = update_concurrently(&live).await;
    assert_eq!(received.counts.keys().collect::<Vec<_>>(), ["UPDATED"]);
    assert_eq!(received.last_text, UPDATES.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_of_another_role_send_updates_only() {
    let secured = Secured::start().await;
    let reader = secured.connect_as("reader", 4).await;
    let live = secured.build(MemoryLog::default(), |builder| builder.read_db(reader));
    let received = update_concurrently(&live).await;
    assert_eq!(received.counts.keys().collect::<Vec<_>>(), ["UPDATED"]);
    assert_eq!(received.last_text, UPDATES.to_string());
}

/// The order of such writes is that of the database, so no row is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactional_log_sends_every_update() {
    let secured = Secured::start().await;
    let live = secured.build(secured.outbox().await, |builder| builder);
    let mut received = update_concurrently(&live).await;
    // The log may yield the insert after the subscription has begun.
    received.counts.remove("CREATED");
    assert_eq!(counts(&received), json!({"UPDATED": UPDATES}));
}

#[tokio::test]
async fn delete_in_order_is_sent_without_settings() {
    let secured = Secured::start().await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    let follower = Follower::of_new_row(&live).await;
    delete(&live).await;
    let received = follower.finish(&live).await;
    assert_eq!(counts(&received), json!({"DELETED": 1}));
}

#[tokio::test]
async fn concurrent_delete_is_a_reset_without_settings() {
    let secured = Secured::start().await;
    let log = Log::start();
    let received = delete_concurrently(&secured, |builder| builder).await;
    assert_eq!(counts(&received), json!({"UPDATED": 1, "reset": 1}));
    let log = log.end();
    for word in [
        "todolist.Task",
        "row security",
        "LiveBuilder::prepare_reads",
    ] {
        assert!(log.contains(word), "{log}");
    }
}

#[tokio::test]
async fn concurrent_delete_is_sent_with_settings() {
    let secured = Secured::start().await;
    let expected = json!({"DELETED": 1, "UPDATED": 1});
    let received = delete_concurrently(&secured, |builder| {
        builder.prepare_reads(|_, transaction| prepare(transaction))
    })
    .await;
    assert_eq!(counts(&received), expected);
    let reader = secured.connect_as("reader", 1).await;
    let received = delete_concurrently(&secured, |builder| builder.read_db(reader)).await;
    assert_eq!(counts(&received), expected);
    // A role that also sees only some rows proves nothing.
    let app = secured.connect_as("app", 1).await;
    let received = delete_concurrently(&secured, |builder| builder.read_db(app)).await;
    assert_eq!(counts(&received), json!({"UPDATED": 1, "reset": 1}));
}

#[tokio::test]
async fn concurrent_delete_is_sent_without_row_security() {
    let secured = Secured::start().await;
    secured
        .sql("ALTER TABLE task DISABLE ROW LEVEL SECURITY")
        .await;
    let received = delete_concurrently(&secured, |builder| builder).await;
    assert_eq!(counts(&received), json!({"DELETED": 1, "UPDATED": 1}));
}

/// The owner of a table is exempt, unless the security is forced.
#[tokio::test]
async fn row_security_is_that_of_the_reading_role() {
    let secured = Secured::start().await;
    secured.sql("ALTER TABLE task OWNER TO app").await;
    let received = delete_concurrently(&secured, |builder| builder).await;
    assert_eq!(counts(&received), json!({"DELETED": 1, "UPDATED": 1}));
    secured
        .sql("ALTER TABLE task FORCE ROW LEVEL SECURITY")
        .await;
    let received = delete_concurrently(&secured, |builder| builder).await;
    assert_eq!(counts(&received), json!({"UPDATED": 1, "reset": 1}));
}

#[tokio::test]
async fn row_that_a_view_hides_is_not_deleted() {
    let secured = Secured::start().await;
    secured
        .sql(
            "ALTER TABLE task RENAME TO task_of_all; \
             ALTER TABLE task_of_all DISABLE ROW LEVEL SECURITY; \
             CREATE VIEW task AS SELECT * FROM task_of_all WHERE owner = current_setting('app.uid', true); \
             GRANT ALL ON task TO app",
        )
        .await;
    let received = delete_concurrently(&secured, |builder| builder).await;
    assert_eq!(counts(&received), json!({"UPDATED": 1, "reset": 1}));
    let received = delete_concurrently(&secured, |builder| {
        builder.prepare_reads(|_, transaction| prepare(transaction))
    })
    .await;
    assert_eq!(counts(&received), json!({"DELETED": 1, "UPDATED": 1}));
}

#[tokio::test]
async fn failing_preparation_is_a_reset() {
    let secured = Secured::start().await;
    let expected = json!({"UPDATED": 1, "reset": 1});
    let received = delete_concurrently(&secured, |builder| {
        builder.prepare_reads(|_, _| async { Err(DbErr::Custom("no".to_owned())) })
    })
    .await;
    assert_eq!(counts(&received), expected);
    let received = delete_concurrently(&secured, |builder| {
        builder.prepare_reads(|_, _| async { panic!("no") })
    })
    .await;
    assert_eq!(counts(&received), expected);
}

/// Such a policy raises an error if the setting is missing.
#[tokio::test]
async fn failing_policy_is_a_reset() {
    let secured = Secured::start().await;
    secured
        .sql("ALTER POLICY own ON task USING (owner = current_setting('app.uid'))")
        .await;
    let received = delete_concurrently(&secured, |builder| builder).await;
    assert_eq!(counts(&received), json!({"UPDATED": 1, "reset": 1}));
}

/// A later request on the connection would otherwise have the rights of rest-live's reads.
#[tokio::test]
async fn setting_of_a_read_does_not_stay_in_the_pool() {
    let secured = Secured::start().await;
    let pool = secured.connect_as("app", 1).await;
    let reads = pool.clone();
    let received = delete_concurrently(&secured, |builder| {
        builder
            .read_db(reads)
            .prepare_reads(|_, transaction| async {
                // It should be `SET LOCAL`.
                transaction.execute_unprepared("SET app.uid = 'u1'").await?;
                Ok(transaction)
            })
    })
    .await;
    assert_eq!(counts(&received), json!({"DELETED": 1, "UPDATED": 1}));
    let query = "SELECT current_setting('app.uid', true) IS NOT DISTINCT FROM 'u1'";
    let query = Statement::from_string(pool.get_database_backend(), query);
    let row = pool.query_one_raw(query).await.unwrap().unwrap();
    let is_set: bool = row.try_get_by_index(0).unwrap();
    assert!(!is_set);
}

/// An insert on a plain connection: its event is appended after the commit, when the row is read
/// again on the connection of the `Live`.
async fn write_on_a_plain_connection(
    secured: &Secured,
    log: impl EventLog,
    set: impl FnOnce(LiveBuilder) -> LiveBuilder,
) -> Received {
    let live = secured.build(log, set);
    live.capture_plain_connections();
    let mut follower = Follower::of(&live, r#"{"model":"todolist.Task","list_id":1}"#).await;
    // The tail of the log has begun when the first event arrives.
    soon("an event", async {
        for id in 100.. {
            task(id, "x", 1).insert(&secured.admin).await.unwrap();
            if live.cursor().is_some_and(|cursor| cursor.position > 1) {
                break;
            }
        }
    })
    .await;
    follower
        .until("a frame", |received| !received.counts.is_empty())
        .await;
    secured.sql("DELETE FROM task").await;
    follower.finish(&live).await
}

#[tokio::test]
async fn late_event_of_a_hidden_row_is_a_reset() {
    let secured = Secured::start().await;
    let log = secured.outbox().await;
    let received = write_on_a_plain_connection(&secured, log, |builder| builder).await;
    assert_eq!(received.counts.keys().collect::<Vec<_>>(), ["reset"]);
}

#[tokio::test]
async fn late_event_of_a_failing_policy_is_a_reset() {
    let secured = Secured::start().await;
    secured
        .sql("ALTER POLICY own ON task USING (owner = current_setting('app.uid'))")
        .await;
    let log = secured.outbox().await;
    let received = write_on_a_plain_connection(&secured, log, |builder| builder).await;
    assert_eq!(received.counts.keys().collect::<Vec<_>>(), ["reset"]);
}

#[tokio::test]
async fn late_event_is_sent_with_settings() {
    let secured = Secured::start().await;
    let log = secured.outbox().await;
    let received = write_on_a_plain_connection(&secured, log, |builder| {
        builder.prepare_reads(|_, transaction| prepare(transaction))
    })
    .await;
    assert_eq!(received.counts.keys().collect::<Vec<_>>(), ["CREATED"]);
    // A role that may not write events.
    let (log, reader) = (
        secured.outbox().await,
        secured.connect_as("reader", 2).await,
    );
    let received =
        write_on_a_plain_connection(&secured, log, |builder| builder.read_db(reader)).await;
    assert_eq!(received.counts.keys().collect::<Vec<_>>(), ["CREATED"]);
}

const RETRIEVE: &str = r#"{"type":"subscribe","id":1,"action":"retrieve","model":"todolist.Task","lookup_by":1,"view_kwargs":{}}"#;

/// Returns what a client of the 0.7 dialect receives that retrieves row 1, and then row 1 changes.
async fn retrieve(secured: &Secured, set: impl FnOnce(LiveBuilder) -> LiveBuilder) -> Value {
    secured.sql("DELETE FROM task").await;
    let live = secured.build(MemoryLog::default(), set);
    drop(Follower::of_new_row(&live).await);
    let mut client = rest_live::testing::Client::connect(&live, ());
    client.send_text(RETRIEVE).await;
    increment(&live).await;
    let frame = client.receive_json().await;
    json!([frame["action"], frame["code"]])
}

#[tokio::test]
async fn retrieve_reads_with_the_settings_of_the_session() {
    let secured = Secured::start().await;
    assert_eq!(
        retrieve(&secured, |builder| builder).await,
        json!([null, 404])
    );
    let found = json!(["UPDATED", null]);
    let prepared = |builder: LiveBuilder| {
        builder.prepare_session_reads(|_, _, transaction| prepare(transaction))
    };
    assert_eq!(retrieve(&secured, prepared).await, found);
    let reader = secured.connect_as("reader", 1).await;
    let on_reader = |builder: LiveBuilder| builder.session_db(move |(), _| reader.clone());
    assert_eq!(retrieve(&secured, on_reader).await, found);
    let failing = |builder: LiveBuilder| {
        builder.prepare_session_reads(|_, _, _| async { Err(DbErr::Custom("no".to_owned())) })
    };
    assert_eq!(retrieve(&secured, failing).await, json!([null, 500]));
}

/// The query of the old rows sees what the update sees: the rows of the user.
#[tokio::test]
async fn update_many_moves_the_rows_of_the_user() {
    let secured = Secured::start().await;
    let live = secured.build(MemoryLog::default(), |builder| builder);
    let db = &secured.admin;
    let rows = "INSERT INTO task (id, text, done, list_id, owner) VALUES (2, 'a', false, 1, 'u1'), (3, 'b', false, 1, 'u1'), (4, 'c', false, 1, 'u2')";
    db.execute_unprepared(rows).await.unwrap();
    let list = r#"{"model":"todolist.Task","list_id":1}"#;
    let follower = Follower::of(&live, list).await;
    let transaction = begin(&live).await;
    let update = task_entity::Entity::update_many()
        .col_expr(task_entity::Column::ListId, Expr::value(2))
        .filter(task_entity::Column::ListId.eq(1));
    let updated = update.exec(&transaction).await.unwrap();
    assert_eq!(updated.rows_affected, 2);
    transaction.commit().await.unwrap();
    let received = follower.finish(&live).await;
    assert_eq!(counts(&received), json!({"DELETED": 2}));
}
