//! The guarantee `Captured`: every change of a table is an event, whichever program makes it.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rest_live::log::{EventLog, Operation, StoredEvent};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde::Deserialize;

use super::{Follower, Server, capture, down, task, up};
use rest_live_outbox::{OutboxLog, migration::Capture};

/// The columns of a row. The secret one is NULL.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: i32,
    list_id: i32,
    #[serde(rename = "text of it")]
    text: String,
    token: Option<String>,
    /// `json`, a type without an equality operator.
    note: Option<serde_json::Value>,
}

fn row(id: i32, list_id: i32, text: &str) -> Row {
    Row {
        id,
        list_id,
        text: text.to_owned(),
        token: None,
        note: None,
    }
}

async fn start() -> Server {
    let server = Server::start().await;
    server
        .run(
            "CREATE TABLE list (id int PRIMARY KEY); \
             CREATE TABLE task (id int PRIMARY KEY, list_id int NOT NULL REFERENCES list ON DELETE CASCADE, \
             \"text of it\" text NOT NULL, token text NOT NULL DEFAULT 'secret', note json); \
             INSERT INTO list VALUES (1), (2)",
        )
        .await;
    up(&server.db, &capture()).await;
    server
}

/// The operation, the old rows and the new row of an event.
type Change = (Operation, Vec<Row>, Option<Row>);

fn change(event: &StoredEvent) -> Change {
    assert_eq!(event.model, "todolist.Task");
    assert!(event.node.is_none() && event.began.is_none());
    let read = |json: &serde_json::value::RawValue| serde_json::from_str(json.get()).unwrap();
    let old = event.old.iter().map(|row| read(row)).collect();
    (event.operation, old, event.new.as_deref().map(read))
}

/// Runs a statement on a plain connection, and returns the changes that the log has for it.
async fn changes_of(
    server: &Server,
    follower: &mut Follower,
    sql: &str,
    count: usize,
) -> Vec<Change> {
    let before = follower.entries.len();
    server.run(sql).await;
    follower
        .until(sql, |follower| follower.entries.len() >= before + count)
        .await;
    let last = server
        .number("SELECT last_value FROM live_event_seq_seq")
        .await;
    follower.until_watermark(last as u64).await;
    let events: Vec<Change> = follower.stored().skip(before).map(change).collect();
    assert_eq!(events.len(), count, "{sql}: {events:?}");
    events
}

#[tokio::test]
async fn every_kind_of_write_is_captured() {
    use Operation::{Delete, Insert, Reset, Update};

    let server = start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    let follower = &mut follower;
    let insert = "INSERT INTO task VALUES (1, 1, 'milk')";
    let events = changes_of(&server, follower, insert, 1).await;
    assert_eq!(events, [(Insert, vec![], Some(row(1, 1, "milk")))]);
    let update = "UPDATE task SET \"text of it\" = 'oat' WHERE id = 1";
    let events = changes_of(&server, follower, update, 1).await;
    assert_eq!(
        events,
        [(Update, vec![row(1, 1, "milk")], Some(row(1, 1, "oat")))]
    );
    let moved = "UPDATE task SET list_id = 2 WHERE id = 1";
    let events = changes_of(&server, follower, moved, 1).await;
    assert_eq!(
        events,
        [(Update, vec![row(1, 1, "oat")], Some(row(1, 2, "oat")))]
    );
    // A new key means a new row.
    let rekeyed = "UPDATE task SET id = 9 WHERE id = 1";
    let events = changes_of(&server, follower, rekeyed, 2).await;
    let expected = [
        (Delete, vec![row(1, 2, "oat")], None),
        (Insert, vec![], Some(row(9, 2, "oat"))),
    ];
    assert_eq!(events, expected);
    // An update that changes nothing writes no event. Then one statement inserts many rows.
    server
        .run("UPDATE task SET list_id = 2, \"text of it\" = \"text of it\"")
        .await;
    let bulk = "INSERT INTO task SELECT n, 1, 'bulk' FROM generate_series(100, 149) n";
    let events = changes_of(&server, follower, bulk, 50).await;
    assert!(
        events
            .into_iter()
            .eq((100..150).map(|id| (Insert, vec![], Some(row(id, 1, "bulk")))))
    );
    let upsert = "INSERT INTO task VALUES (100, 1, 'twice'), (99, 1, 'new') \
                  ON CONFLICT (id) DO UPDATE SET \"text of it\" = excluded.\"text of it\"";
    let events = changes_of(&server, follower, upsert, 2).await;
    assert!(events.contains(&(
        Update,
        vec![row(100, 1, "bulk")],
        Some(row(100, 1, "twice"))
    )));
    assert!(events.contains(&(Insert, vec![], Some(row(99, 1, "new")))));
    let noted = "UPDATE task SET note = '{\"a\": 1}' WHERE id = 9";
    let events = changes_of(&server, follower, noted, 1).await;
    assert_eq!(
        events[0].2.as_ref().unwrap().note,
        Some(serde_json::json!({"a": 1}))
    );
    let cascade = "DELETE FROM list WHERE id = 1";
    let events = changes_of(&server, follower, cascade, 51).await;
    assert!(
        events
            .iter()
            .all(|(operation, old, new)| *operation == Delete && old.len() == 1 && new.is_none())
    );
    let merge = "MERGE INTO task USING (VALUES (9, 'merged'), (10, 'merged')) AS v (id, word) ON task.id = v.id \
                 WHEN MATCHED THEN UPDATE SET \"text of it\" = v.word \
                 WHEN NOT MATCHED THEN INSERT VALUES (v.id, 2, v.word)";
    let events = changes_of(&server, follower, merge, 2).await;
    assert_eq!(events.iter().filter(|event| event.0 == Insert).count(), 1);
    let truncate = "TRUNCATE task";
    let events = changes_of(&server, follower, truncate, 1).await;
    assert_eq!(events, [(Reset, vec![], None)]);
    // A rollback leaves no event, and the log never contained a secret.
    let open = server.db.begin().await.unwrap();
    open.execute_unprepared("INSERT INTO task VALUES (5, 2, 'never')")
        .await
        .unwrap();
    open.rollback().await.unwrap();
    let leaks = "SELECT count(*) FROM live_event e WHERE e::text LIKE '%secret%'";
    assert_eq!(server.number(leaks).await, 0);
    down(&server.db, &capture()).await;
    server
        .run("INSERT INTO task VALUES (6, 2, 'not captured')")
        .await;
    let log = server.open().await;
    assert!(!rest_live::log::TransactionalLog::captures(
        &log, None, "task"
    ));
    let head = log.head().await.unwrap();
    assert!(log.read(head, 10).await.unwrap().is_empty());
    let functions = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'live_capture%'";
    assert_eq!(server.number(functions).await, 0);
}

#[tokio::test]
async fn copy_by_psql_is_found_by_polling() {
    let server = start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    let mut took = Vec::new();
    for round in 0..10 {
        let before = follower.entries.len();
        let url = server.database.url();
        // On another thread, because it blocks.
        let copied = tokio::task::spawn_blocking(move || {
            let mut psql = Command::new("psql")
                .args([
                    "--no-psqlrc",
                    "--quiet",
                    &url,
                    "-c",
                    "COPY task (id, list_id, \"text of it\") FROM STDIN",
                ])
                .stdin(Stdio::piped())
                .spawn()
                .expect("psql, of Debian's package postgresql-client");
            let rows = format!("{round}1\t1\tone\n{round}2\t2\ttwo\n");
            psql.stdin
                .take()
                .unwrap()
                .write_all(rows.as_bytes())
                .unwrap();
            assert!(psql.wait().unwrap().success());
            Instant::now()
        });
        let copied = copied.await.unwrap();
        follower
            .until("the rows", |follower| follower.entries.len() == before + 2)
            .await;
        took.push(copied.elapsed());
    }
    took.sort();
    eprintln!(
        "after the end of psql: p50 {:?}, worst {:?}",
        took[5], took[9]
    );
    assert!(took[5] < Duration::from_secs(1));
}

#[tokio::test]
async fn writers_need_and_get_no_right_on_the_log() {
    let server = start().await;
    server.run("CREATE ROLE app LOGIN; GRANT SELECT, INSERT, UPDATE ON task TO app; GRANT SELECT ON list TO app").await;
    let url = server.database.url().replace("postgres@", "app@");
    let app = sea_orm::Database::connect(url).await.unwrap();
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    // The trigger ignores a table of the same name on the role's own search path.
    app.execute_unprepared(
        "CREATE TEMPORARY TABLE live_event (model text, op \"char\", old json, new json); \
         INSERT INTO task VALUES (1, 1, 'milk')",
    )
    .await
    .unwrap();
    follower
        .until("the event", |follower| follower.entries.len() == 1)
        .await;
    assert!(
        app.execute_unprepared("INSERT INTO public.live_event (model, op) VALUES ('x', 'T')")
            .await
            .is_err()
    );
    let forged = "CREATE TEMPORARY TABLE mine (id int); \
                  CREATE TRIGGER forged AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION public.live_capture_task()";
    let refused = app.execute_unprepared(forged).await.unwrap_err();
    assert!(
        refused.to_string().contains("permission denied"),
        "{refused}"
    );
}

#[tokio::test]
async fn row_without_secrets_is_written_verbatim() {
    let server = start().await;
    let all = Capture::of::<task::Entity>("todolist.Task").named("second");
    up(&server.db, &all).await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    // `jsonb` cannot hold this text.
    server
        .run(r#"INSERT INTO task VALUES (1, 1, 'a', 'b', '{"nul": "\u0000"}')"#)
        .await;
    follower
        .until("the event", |follower| follower.entries.len() == 1)
        .await;
    let new = follower
        .stored()
        .next()
        .unwrap()
        .new
        .as_ref()
        .unwrap()
        .get();
    assert!(
        new.contains(r#""token":"b""#) && new.contains(r"\u0000"),
        "{new}"
    );
    // A long text is stored out of line. The last update writes equal values, so it is not a
    // change.
    server
        .run("UPDATE task SET \"text of it\" = repeat('long', 100000)")
        .await;
    server.run("UPDATE task SET list_id = 2").await;
    server
        .run("UPDATE task SET list_id = list_id, \"text of it\" = repeat('long', 100000)")
        .await;
    follower
        .until("the events", |follower| follower.entries.len() >= 3)
        .await;
    let last = server
        .number("SELECT last_value FROM live_event_seq_seq")
        .await;
    assert_eq!(last, 3);
}

/// Prints what a row costs. The bound is loose.
#[tokio::test]
async fn single_updates_share_one_plan() {
    let server = start().await;
    let _log: OutboxLog = server.open().await;
    server
        .run("INSERT INTO task SELECT n, 1, 'bulk' FROM generate_series(1, 50000) n")
        .await;
    server.run("UPDATE task SET \"text of it\" = 'all'").await;
    let start = Instant::now();
    server
        .run(
            "DO $$ BEGIN FOR i IN 1..5000 LOOP UPDATE task SET \"text of it\" = 'n' || i WHERE id = i; END LOOP; END $$",
        )
        .await;
    let took = start.elapsed();
    eprintln!("5000 single updates in one transaction after bulk updates: {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}
