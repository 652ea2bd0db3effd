//! Each form of a statement that changes where PostgreSQL finds unqualified tables.

use rest_live::{Live, testing::Client};
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseConnection, TransactionTrait};

use super::fixture::{Tenants, client, received};
use crate::{
    entities::task,
    support::{TestDatabase, task as new_task},
};

/// In these transactions, `task` is the table of the tenant `b`, or a temporary one.
const SWITCHING: [&str; 32] = [
    "SET LOCAL search_path TO b",
    "SET search_path TO b",
    "set Local \"search_path\" = 'b', public",
    "/* a */ SeT -- b\n SESSION search_path = b",
    "SET SCHEMA 'b'",
    "SET LOCAL SCHEMA 'b'",
    "SELECT set_config('search_path', 'b', true)",
    "SELECT set_config('search_path', 'b', false)",
    "SELECT pg_catalog.SET_CONFIG('SEARCH_PATH'::text, 'b', true)",
    "SELECT set_config('search' || '_path', 'b', true)",
    "SELECT set_config(E'search\\x5fpath', 'b', true)",
    "WITH x AS (SELECT set_config('search_path', 'b', true)) SELECT * FROM x",
    "UPDATE pg_settings SET setting = 'b' WHERE name = 'search_path'",
    "SET LOCAL ROLE b",
    "SET ROLE b",
    "SET SESSION ROLE 'b'",
    "SET role TO b",
    "SELECT set_config('role', 'b', true)",
    "SET SESSION AUTHORIZATION b",
    "SET LOCAL SESSION AUTHORIZATION 'b'",
    "SET session_authorization TO b",
    "SELECT 1; SET LOCAL search_path TO b; SELECT 2",
    "DO $$ BEGIN SET LOCAL search_path TO b; END $$",
    "DO $$ BEGIN EXECUTE 'SET LOCAL search_' || 'path TO b'; END $$",
    "DO $$ BEGIN PERFORM set_config('search_path', 'b', true); END $$",
    "CALL switch_to('b')",
    "SET LOCAL search_path TO public; SET LOCAL search_path TO b",
    "SET search_path TO b; SET LOCAL statement_timeout = 0",
    "CREATE TEMPORARY TABLE task ON COMMIT DROP AS SELECT * FROM public.task",
    "SELECT * INTO TEMP task FROM public.task",
    "SET U&\"search\\005fpath\" TO b",
    "PREPARE s AS SELECT set_config('search_path', 'b', true); EXECUTE s",
];

/// In these transactions, `task` is still the default table.
const HARMLESS: [&str; 18] = [
    "SELECT 1",
    "SET LOCAL search_path TO public",
    "SET LOCAL search_path TO empty, public",
    "SET LOCAL search_path TO b; SET LOCAL search_path TO public",
    "SET LOCAL search_path TO b; RESET search_path",
    "SET search_path TO b; SET search_path TO DEFAULT",
    "SET LOCAL ROLE no_schema",
    "SET ROLE b; RESET ROLE",
    "SET SESSION AUTHORIZATION b; SET SESSION AUTHORIZATION DEFAULT",
    "RESET ALL",
    "SELECT set_config('app.uid', 'search_path', true)",
    "SET LOCAL app.uid = 'b'",
    "SET LOCAL statement_timeout = 60000",
    "SET TIME ZONE 'UTC'",
    "DO $$ BEGIN PERFORM 1; END $$",
    "CREATE TEMPORARY TABLE other ON COMMIT DROP AS SELECT 1 AS id",
    "CREATE TABLE other (id int)",
    "SELECT current_setting('search_path')",
];

#[tokio::test]
async fn each_switch_withholds_the_rows_after_it() {
    let app = Tenants::start().await;
    prepare(&app.plain).await;
    for sql in SWITCHING {
        let (live, mut client) = another_pool(&app.database).await;
        write(&live, sql).await;
        assert_eq!(received(&mut client).await, ["CREATED before"], "{sql}");
        clear(&app.plain).await;
    }
}

#[tokio::test]
async fn harmless_statements_withhold_nothing() {
    let app = Tenants::start().await;
    prepare(&app.plain).await;
    for sql in HARMLESS {
        let (live, mut client) = another_pool(&app.database).await;
        write(&live, sql).await;
        // Nothing stays either.
        new_task(3, "later", 1).insert(&live.db()).await.unwrap();
        let mut received = received(&mut client).await;
        // A procedure may write any table.
        received.retain(|frame| frame != "reset");
        let expected = ["CREATED before", "CREATED after", "CREATED later"];
        assert_eq!(received, expected, "{sql}");
        clear(&app.plain).await;
    }
}

#[tokio::test]
async fn switch_by_a_prepared_statement_is_found() {
    let app = Tenants::start().await;
    prepare(&app.plain).await;
    for sql in SWITCHING
        .iter()
        .filter(|sql| sql.starts_with("SELECT set_config"))
    {
        let (live, mut client) = another_pool(&app.database).await;
        let t = live.db().begin().await.unwrap();
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, *sql);
        t.query_one_raw(statement).await.unwrap();
        new_task(2, "after", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
        assert_eq!(received(&mut client).await, [""; 0], "{sql}");
        clear(&app.plain).await;
    }
}

/// Inserts a row before and after a text, in one transaction.
async fn write(live: &Live, sql: &str) {
    let transaction = live.db().begin().await.unwrap();
    new_task(1, "before", 1).insert(&transaction).await.unwrap();
    let run = transaction.execute_unprepared(sql).await;
    run.unwrap_or_else(|error| panic!("{sql}: {error}"));
    new_task(2, "after", 1).insert(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Creates a role with a schema of its name, one without, and a procedure.
async fn prepare(db: &DatabaseConnection) {
    let sql = "CREATE ROLE b; GRANT USAGE ON SCHEMA b, public TO b; \
               GRANT ALL ON ALL TABLES IN SCHEMA b, public TO b; \
               CREATE ROLE no_schema; GRANT ALL ON ALL TABLES IN SCHEMA public TO no_schema; \
               CREATE SCHEMA empty; \
               CREATE PROCEDURE switch_to(schema text) LANGUAGE plpgsql AS \
               $$ BEGIN PERFORM set_config('search_path', schema, true); END $$;";
    db.execute_unprepared(sql).await.unwrap();
}

async fn clear(db: &DatabaseConnection) {
    let sql = "DELETE FROM public.task; DELETE FROM b.task; DROP TABLE IF EXISTS public.other";
    db.execute_unprepared(sql).await.unwrap();
}

/// Returns a `Live` on a pool of its own, because some switches stay on a connection, and a client
/// of no tenant.
async fn another_pool(database: &TestDatabase) -> (Live, Client) {
    let db = database.connect().await;
    let builder = Live::builder(db).discover(false);
    let live = builder.register::<task::TaskSerializer>().build().unwrap();
    let client = client(&live, None).await;
    (live, client)
}
