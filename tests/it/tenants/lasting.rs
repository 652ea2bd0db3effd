//! Tables and switches that change after a statement has switched the schema.

use rest_live::{Live, LiveTransaction};
use rest_live_outbox::{OutboxLog, migration::Outbox};
use sea_orm::{ActiveModelTrait, ConnectionTrait, Schema, TransactionTrait};
use sea_orm_migration::{MigrationTrait, SchemaManager};

use super::fixture::{Tenants, client, database, received, set_local};
use crate::{entities, support::task};

/// Runs statements in one transaction and commits it. Then writes a row without a scope, and
/// returns what a client of the default scope receives.
async fn after_commit(scope: Option<&'static str>, statements: &[&str]) -> Vec<String> {
    let app = Tenants::start().await;
    app.plain
        .execute_unprepared(
            "DO $$ BEGIN CREATE ROLE b; EXCEPTION WHEN duplicate_object THEN NULL; END $$; \
             GRANT USAGE ON SCHEMA b, public TO b; \
             GRANT ALL ON ALL TABLES IN SCHEMA b, public TO b",
        )
        .await
        .unwrap();
    let mut client = app.client(None).await;
    let db = app.db();
    let db = scope.map_or_else(|| db.clone(), |scope| db.in_scope(scope));
    let t = db.begin().await.unwrap();
    for sql in statements {
        t.execute_unprepared(sql).await.unwrap();
    }
    t.commit().await.unwrap();
    task(1, "later", 1).insert(&app.db()).await.unwrap();
    received(&mut client).await
}

/// Begins a transaction whose path names `d` before `public`, while `d` has no table yet.
async fn begin_in_empty_schema(app: &Tenants) -> LiveTransaction {
    let t = app.db().begin().await.unwrap();
    t.execute_unprepared("CREATE SCHEMA d").await.unwrap();
    set_local(&t, "d, public").await;
    task(1, "default", 1).insert(&t).await.unwrap();
    t
}

#[tokio::test]
async fn table_created_after_a_switch_is_foreign() {
    for sql in [
        "CREATE TABLE task (LIKE public.task INCLUDING ALL)",
        "ALTER TABLE b.task SET SCHEMA d",
        "SELECT * INTO task FROM public.task WHERE false",
        "SELECT 1; CREATE TABLE d.task (LIKE public.task)",
    ] {
        let app = Tenants::start().await;
        let mut client = app.client(None).await;
        let t = begin_in_empty_schema(&app).await;
        t.execute_unprepared(sql).await.unwrap();
        task(2, "d", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
        assert_eq!(received(&mut client).await, ["CREATED default"], "{sql}");
    }
}

#[tokio::test]
async fn schema_granted_after_a_switch_is_foreign() {
    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    // The owner of a schema may grant its use to itself.
    let sql = "CREATE ROLE owner; GRANT ALL ON ALL TABLES IN SCHEMA b, public TO owner; \
               GRANT USAGE ON SCHEMA public TO owner; \
               ALTER SCHEMA b OWNER TO owner; REVOKE USAGE ON SCHEMA b FROM owner";
    app.plain.execute_unprepared(sql).await.unwrap();
    let t = app.db().begin().await.unwrap();
    t.execute_unprepared("SET LOCAL ROLE owner").await.unwrap();
    set_local(&t, "b, public").await;
    task(1, "default", 1).insert(&t).await.unwrap();
    let grant = "GRANT USAGE ON SCHEMA b TO owner";
    t.execute_unprepared(grant).await.unwrap();
    task(2, "b", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}

#[tokio::test]
async fn built_ddl_after_a_switch_is_foreign() {
    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let t = begin_in_empty_schema(&app).await;
    let schema = Schema::new(t.get_database_backend());
    let create = schema.create_table_from_entity(entities::task::Entity);
    t.execute(&create).await.unwrap();
    task(2, "d", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}

#[tokio::test]
async fn switch_of_a_scoped_savepoint_outlives_it() {
    for depth in 1..=2 {
        let app = Tenants::start().await;
        let mut clients = app.clients().await;
        let t = app.db().begin().await.unwrap();
        let savepoint = t.begin().await.unwrap();
        savepoint.set_scope("b");
        if depth == 2 {
            let nested = savepoint.begin().await.unwrap();
            set_local(&nested, "b").await;
            nested.commit().await.unwrap();
        } else {
            set_local(&savepoint, "b").await;
        }
        task(1, "b", 1).insert(&savepoint).await.unwrap();
        savepoint.commit().await.unwrap();
        task(2, "also b", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
        super::fixture::expect(&mut clients, [&[], &["CREATED b"], &[]]).await;
    }
}

#[tokio::test]
async fn session_set_after_a_local_one_stays() {
    for scope in [Some("b"), None] {
        let statements = ["SET LOCAL search_path TO b", "SET search_path TO b"];
        assert_eq!(after_commit(scope, &statements).await, [""; 0], "{scope:?}");
    }
}

#[tokio::test]
async fn local_path_does_not_hide_a_lasting_switch() {
    let path = "SET LOCAL search_path TO public";
    for statements in [
        &[path, "SET ROLE b"][..],
        &["SET search_path TO b", path, "RESET ROLE"],
        &["SET ROLE b; SET LOCAL search_path TO public"],
    ] {
        for scope in [Some("b"), None] {
            let received = after_commit(scope, statements).await;
            assert_eq!(received, [""; 0], "{scope:?} {statements:?}");
        }
    }
}

#[tokio::test]
async fn undone_reset_leaves_the_switch() {
    let set = "SET search_path TO b";
    for statements in [
        &[set, "SAVEPOINT s", "RESET search_path", "ROLLBACK TO s"][..],
        &[set, "SAVEPOINT s; RESET search_path; ROLLBACK TO s"],
        &["SET search_path TO b; SAVEPOINT s; RESET search_path; ROLLBACK TO s"],
    ] {
        for scope in [Some("b"), None] {
            let received = after_commit(scope, statements).await;
            assert_eq!(received, [""; 0], "{scope:?} {statements:?}");
        }
    }
}

#[tokio::test]
async fn reset_switch_does_not_stay() {
    for statements in [
        &["SET LOCAL search_path TO b", "RESET search_path"][..],
        &["SET search_path TO b", "RESET search_path"],
        &["SET ROLE b", "RESET search_path", "RESET ROLE"],
        &["SET LOCAL search_path TO b", "SET SCHEMA 'b'", "RESET ALL"],
        &[
            "SET LOCAL search_path TO b",
            "SET ROLE b; RESET ROLE",
            "RESET search_path",
        ],
    ] {
        for scope in [Some("b"), None] {
            let received = after_commit(scope, statements).await;
            assert_eq!(received, ["CREATED later"], "{scope:?} {statements:?}");
        }
    }
}

#[tokio::test]
async fn switch_stays_after_a_commit_with_outbox() {
    let (db, _database) = database().await;
    Outbox.up(&SchemaManager::new(&db)).await.unwrap();
    let log = OutboxLog::open(db.clone()).await.unwrap();
    let live = Live::builder(db).log(log).build().unwrap();
    let mut client = client(&live, None).await;
    let t = live.db().begin().await.unwrap();
    task(1, "default", 1).insert(&t).await.unwrap();
    t.execute_unprepared("SET search_path TO b").await.unwrap();
    t.commit().await.unwrap();
    task(2, "unknown", 1).insert(&live.db()).await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}
