//! A trigger never fails the write that fires it: what it cannot write becomes a reset.

use rest_live::log::{EventLog, Operation};
use sea_orm::{ConnectionTrait, TransactionTrait};

use super::{Follower, Server, capture, up};

async fn start() -> Server {
    let server = Server::start().await;
    server
        .run(
            "CREATE TABLE task (id int PRIMARY KEY, list_id int NOT NULL DEFAULT 1, \"text of it\" text NOT NULL DEFAULT '', \
             token text NOT NULL DEFAULT 'secret', note json)",
        )
        .await;
    up(&server.db, &capture()).await;
    server
}

/// Returns the operations that the log has after these statements, each of which must succeed.
async fn operations(server: &Server, statements: &[&str]) -> Vec<Operation> {
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    for sql in statements {
        server.run(sql).await;
    }
    let last = server
        .number("SELECT coalesce(max(seq), 0) FROM live_event")
        .await;
    follower.until_watermark(last as u64).await;
    follower.stored().map(|event| event.operation).collect()
}

/// `jsonb` cannot hold this text, and `json_each` cannot read it.
#[tokio::test]
async fn nul_escape_is_captured_without_secrets() {
    let server = start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    for sql in [
        r#"INSERT INTO task (id, note) VALUES (1, '{"a":"x\u0000y", "n": 1.10}')"#,
        "UPDATE task SET list_id = 2",
        "DELETE FROM task",
    ] {
        server.run(sql).await;
    }
    follower
        .until("the events", |follower| follower.entries.len() == 3)
        .await;
    let events: Vec<_> = follower.stored().collect();
    let rows = [
        &events[0].new,
        &events[1].new,
        &events[2].old.first().cloned(),
    ];
    for row in rows {
        let row = row.as_ref().unwrap().get();
        assert!(row.contains(r#"{"a":"x\u0000y", "n": 1.10}"#), "{row}");
        assert!(!row.contains("secret"), "{row}");
    }
}

#[tokio::test]
async fn secret_of_a_strict_domain_is_left_out() {
    let server = start().await;
    server
        .run(
            "CREATE DOMAIN strict AS text NOT NULL CHECK (VALUE <> ''); \
             ALTER TABLE task ALTER token TYPE strict",
        )
        .await;
    up(&server.db, &capture().named("second")).await;
    let operations = operations(
        &server,
        &[
            "INSERT INTO task (id) VALUES (1)",
            r#"INSERT INTO task (id, note) VALUES (2, '"\u0000"')"#,
        ],
    )
    .await;
    assert_eq!(operations, [Operation::Insert, Operation::Reset]);
    let leaks = "SELECT count(*) FROM live_event e WHERE e::text LIKE '%secret%'";
    assert_eq!(server.number(leaks).await, 0);
}

/// A change of the table while the triggers stay as they are, and what an insert, an update and a
/// delete then write.
const CHANGES: &[(&str, [Operation; 3])] = {
    use Operation::{Delete, Insert, Reset, Update};

    &[
        (
            "ALTER TABLE task DROP COLUMN token",
            [Insert, Update, Delete],
        ),
        (
            "ALTER TABLE task ADD COLUMN extra int DEFAULT 7",
            [Insert, Update, Delete],
        ),
        (
            "ALTER TABLE task ADD COLUMN total int GENERATED ALWAYS AS (id + 1) STORED",
            [Insert, Update, Delete],
        ),
        // Only an update compares the keys.
        (
            "ALTER TABLE task RENAME COLUMN id TO key",
            [Insert, Reset, Delete],
        ),
        (
            "CREATE EXTENSION hstore; CREATE TYPE pair AS (a int, b text); \
             CREATE DOMAIN small AS int CHECK (VALUE < 10); CREATE DOMAIN present AS text NOT NULL DEFAULT 'x'; \
             ALTER TABLE task ADD COLUMN at timestamptz DEFAULT 'infinity', \
             ADD COLUMN day date DEFAULT '-infinity', ADD COLUMN year date DEFAULT '5874897-12-31', \
             ADD COLUMN early date DEFAULT '4713-01-01 BC', ADD COLUMN midnight time DEFAULT '24:00', \
             ADD COLUMN amount numeric DEFAULT 'NaN', ADD COLUMN huge numeric DEFAULT 1e1000, \
             ADD COLUMN real double precision DEFAULT 'NaN', ADD COLUMN bytes bytea DEFAULT '\\x00ff', \
             ADD COLUMN range int4range DEFAULT '[1,5)', ADD COLUMN doc xml DEFAULT '<a/>', \
             ADD COLUMN words tsvector DEFAULT 'a b', ADD COLUMN tags hstore DEFAULT 'a=>1', \
             ADD COLUMN place point DEFAULT '(1,2)', ADD COLUMN pair pair DEFAULT ROW(1, 'b'), \
             ADD COLUMN pairs pair[] DEFAULT ARRAY[ROW(1, 'b')::pair], ADD COLUMN grid int[] DEFAULT '{{1},{2}}', \
             ADD COLUMN small small DEFAULT 7, ADD COLUMN present present, ADD COLUMN span interval DEFAULT '1 day', \
             ADD COLUMN price money DEFAULT 1, ADD COLUMN path jsonpath DEFAULT '$.a', \
             ADD COLUMN deep jsonb DEFAULT '{\"n\": 1e1000}'",
            [Insert, Update, Delete],
        ),
        // The application's own cast to JSON fails.
        (
            "CREATE TYPE mood AS ENUM ('ok'); \
             CREATE FUNCTION mood_json(mood) RETURNS json LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
             CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood); \
             ALTER TABLE task ADD COLUMN mood mood DEFAULT 'ok'",
            [Reset, Reset, Reset],
        ),
    ]
};

#[tokio::test]
async fn changed_tables_can_be_written() {
    for (change, expected) in CHANGES {
        let server = start().await;
        server.run(change).await;
        let statements = [
            "INSERT INTO task VALUES (1)",
            "UPDATE task SET list_id = 2",
            "DELETE FROM task",
        ];
        assert_eq!(operations(&server, &statements).await, expected, "{change}");
    }
}

/// A transaction that changes many rows which cannot be written as JSON.
#[tokio::test]
async fn transaction_resets_a_table_once() {
    let server = start().await;
    server.run(CHANGES.last().unwrap().0).await;
    let statements = [
        "INSERT INTO task SELECT n FROM generate_series(1, 1000) n",
        "BEGIN; UPDATE task SET list_id = 2 WHERE id < 10; SAVEPOINT s; UPDATE task SET list_id = 3; \
         ROLLBACK TO s; UPDATE task SET list_id = 4; COMMIT",
        // The reset is undone with the savepoint.
        "BEGIN; SAVEPOINT s; UPDATE task SET list_id = 5; ROLLBACK TO s; DELETE FROM task; COMMIT",
    ];
    assert_eq!(
        operations(&server, &statements).await,
        [Operation::Reset; 3]
    );
}

/// What makes the table of the events refuse an event.
const REFUSALS: &[&str] = &[
    "ALTER TABLE live_event ADD CONSTRAINT refusal CHECK (model = '') NOT VALID",
    // The next numbers exist already.
    "INSERT INTO live_event (model, op) SELECT '', 'T' FROM generate_series(1, 20); \
     ALTER TABLE live_event ALTER seq RESTART WITH 1",
    "ALTER TABLE live_event RENAME new TO fresh",
    // A table in partitions, of which one is missing.
    "DO $$ BEGIN \
     CREATE TABLE parts (LIKE live_event INCLUDING DEFAULTS) PARTITION BY RANGE (at); \
     CREATE SEQUENCE numbers; ALTER TABLE parts ALTER seq SET DEFAULT nextval('numbers'); \
     DROP TABLE live_event; ALTER TABLE parts RENAME TO live_event; END $$",
    "DROP TABLE live_event",
];

#[tokio::test]
async fn refused_events_do_not_fail_the_write() {
    for refusal in REFUSALS {
        let server = start().await;
        let epoch = epoch(&server).await;
        server.run(refusal).await;
        for sql in [
            "INSERT INTO task VALUES (1)",
            "UPDATE task SET list_id = 2",
            "UPDATE task SET id = 2",
            "BEGIN; SAVEPOINT s; DELETE FROM task; ROLLBACK TO s; TRUNCATE task; COMMIT",
        ] {
            server.run(sql).await;
        }
        // Each transaction leaves a mark that changes the epoch.
        let marks = "SELECT count(*) FROM live_meta WHERE version = 0";
        assert_eq!(server.number(marks).await, 4, "{refusal}");
        if refusal.contains("CHECK") {
            assert_ne!(self::epoch(&server).await, epoch);
        }
    }
}

async fn epoch(server: &Server) -> rest_live::log::Epoch {
    server.open().await.head().await.unwrap().epoch
}

/// All clients fetch again, on a node that runs already.
#[tokio::test]
async fn refused_event_resets_the_tail() {
    let server = start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    server.run(REFUSALS[0]).await;
    let open = server.db.begin().await.unwrap();
    open.execute_unprepared("INSERT INTO task VALUES (1)")
        .await
        .unwrap();
    open.commit().await.unwrap();
    let signal = follower.signal("the reset").await;
    assert!(
        matches!(signal, rest_live::log::Tail::Reset(_)),
        "{signal:?}"
    );
}

/// PostgreSQL keeps few numbers of subtransactions in shared memory, so a bulk statement must not
/// take one for each row.
#[tokio::test]
async fn bulk_update_takes_two_transaction_numbers() {
    let server = start().await;
    server
        .run("INSERT INTO task SELECT n FROM generate_series(1, 1000) n")
        .await;
    let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    let before = server.number(next).await;
    server.run("UPDATE task SET list_id = 2").await;
    let taken = server.number(next).await - before;
    assert!(taken <= 3, "{taken} numbers");
    let events = server.number("SELECT count(*) FROM live_event").await;
    assert_eq!(events, 2000);
}

/// The columns of a partition can have another order than those of its table.
#[tokio::test]
async fn partitions_are_captured_without_secrets() {
    let server = Server::start().await;
    server
        .run(
            "CREATE TABLE task (id int, list_id int, \"text of it\" text, token text, note json, PRIMARY KEY (id, list_id)) \
             PARTITION BY LIST (list_id); \
             CREATE TABLE one PARTITION OF task FOR VALUES IN (1); \
             CREATE TABLE two (note json, token text, gone int, list_id int NOT NULL, \"text of it\" text, id int NOT NULL); \
             ALTER TABLE two DROP COLUMN gone; ALTER TABLE task ATTACH PARTITION two FOR VALUES IN (2)",
        )
        .await;
    up(&server.db, &capture()).await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    for sql in [
        "INSERT INTO task VALUES (1, 1, 'a', 'secret'), (2, 2, 'b', 'secret')",
        "UPDATE task SET \"text of it\" = 'c'",
        "UPDATE task SET list_id = 2",
    ] {
        server.run(sql).await;
    }
    follower
        .until("the events", |follower| follower.entries.len() == 6)
        .await;
    let events: Vec<_> = follower
        .stored()
        .map(|event| {
            let row = event.new.as_ref().unwrap_or_else(|| &event.old[0]);
            let row: serde_json::Value = serde_json::from_str(row.get()).unwrap();
            assert_eq!(row["token"], serde_json::Value::Null);
            format!(
                "{} {} {} {}",
                event.operation.as_str(),
                row["id"],
                row["list_id"],
                row["text of it"]
            )
        })
        .collect();
    assert_eq!(
        events,
        [
            "I 1 1 \"a\"",
            "I 2 2 \"b\"",
            "U 1 1 \"c\"",
            "U 2 2 \"c\"",
            "D 1 1 \"c\"",
            "I 1 2 \"c\"",
        ]
    );
}
