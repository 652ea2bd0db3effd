//! Transactions and connections that change the `search_path` without a scope.

use rest_live::log::MemoryLog;
use sea_orm::{ActiveModelTrait, ConnectionTrait, StreamTrait, TransactionTrait, sea_query::Query};

use super::{
    country::country,
    fixture::{Tenants, expect, received, set_local, subscribe},
};
use crate::support::{Log, task};

#[tokio::test]
async fn row_of_a_tenant_is_not_sent_as_the_default() {
    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let log = Log::start();
    let transaction = app.begin_in("b").await;
    for id in 1..=3 {
        let row = task(id, "secret of b", 1);
        row.insert(&transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
    assert_eq!(received(&mut client).await, [""; 0]);
    let log = log.end();
    assert_eq!(log.matches("a change was withheld").count(), 1, "{log}");
    assert!(
        log.contains("LiveTransaction::set_scope") && log.contains("todolist.Task"),
        "{log}"
    );
    assert!(!log.contains("secret of b"), "{log}");

    task(1, "default", 1).insert(&app.db()).await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}

#[tokio::test]
async fn every_verb_and_bulk_write_is_withheld() {
    use crate::entities::task::{Column, Entity};
    use rest_live::LiveEntity;
    use sea_orm::{ColumnTrait, EntityTrait, ModelTrait, QueryFilter, sea_query::Expr};

    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let t = app.begin_in("b").await;
    let one = task(1, "b", 1).insert(&t).await.unwrap();
    task(1, "b2", 1).update(&t).await.unwrap();
    let rows = [task(2, "b", 1), task(3, "b", 1)];
    Entity::live_insert_many(rows).exec(&t).await.unwrap();
    let text = || Expr::value("bulk");
    let bulk = Entity::live_update_many().col_expr(Column::Text, text());
    bulk.filter(Column::Id.gt(1)).exec(&t).await.unwrap();
    let bulk = Entity::update_many().col_expr(Column::Text, text());
    bulk.exec(&t).await.unwrap();
    one.delete(&t).await.unwrap();
    t.execute_unprepared("UPDATE task SET done = true")
        .await
        .unwrap();
    t.execute_unprepared("TRUNCATE task").await.unwrap();
    // A write of the nested transaction is also in schema b.
    let nested = t.begin().await.unwrap();
    task(9, "b", 1).insert(&nested).await.unwrap();
    nested.commit().await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(received(&mut client).await, [""; 0]);
}

#[tokio::test]
async fn savepoint_undoes_the_switches_in_it() {
    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let outer = app.db().begin().await.unwrap();
    let savepoint = outer.begin().await.unwrap();
    set_local(&savepoint, "b").await;
    task(1, "b", 1).insert(&savepoint).await.unwrap();
    savepoint.rollback().await.unwrap();
    task(1, "default", 1).insert(&outer).await.unwrap();
    // If the savepoint is kept, so is the switch.
    let savepoint = outer.begin().await.unwrap();
    set_local(&savepoint, "b").await;
    savepoint.commit().await.unwrap();
    task(2, "b", 1).insert(&outer).await.unwrap();
    set_local(&outer, "public").await;
    task(3, "default again", 1).insert(&outer).await.unwrap();
    outer.commit().await.unwrap();
    let expected = ["CREATED default", "CREATED default again"];
    assert_eq!(received(&mut client).await, expected);
}

#[tokio::test]
async fn savepoint_in_raw_sql_undoes_its_switches() {
    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let t = app.db().begin().await.unwrap();
    t.execute_unprepared("SAVEPOINT a").await.unwrap();
    set_local(&t, "b").await;
    t.execute_unprepared("ROLLBACK TO SAVEPOINT a")
        .await
        .unwrap();
    task(1, "default", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    // Raw transaction control makes all changes of a transaction resets.
    assert_eq!(received(&mut client).await, ["reset"]);
}

#[tokio::test]
async fn rolled_back_switch_has_no_effect() {
    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let t = app.db().begin().await.unwrap();
    t.execute_unprepared("SET search_path TO b").await.unwrap();
    t.rollback().await.unwrap();
    let t = app.db().begin().await.unwrap();
    t.execute_unprepared("SET search_path TO b").await.unwrap();
    drop(t);
    // A text that the database refuses has no effect either.
    let refused = app.db().execute_unprepared("SET ROLE nobody_has_it").await;
    assert!(refused.is_err());
    let t = app.db().begin().await.unwrap();
    t.execute_unprepared("SET search_path TO b; RESET search_path")
        .await
        .unwrap();
    t.commit().await.unwrap();
    task(1, "default", 1).insert(&app.db()).await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}

#[tokio::test]
async fn lasting_switch_withholds_all_unscoped_writes() {
    for begin in [true, false] {
        let app = Tenants::start().await;
        let mut clients = app.clients().await;
        for client in &clients {
            subscribe(client, "tenants.Country").await;
        }
        let log = Log::start();
        let set = "SET search_path TO b";
        if begin {
            let t = app.db().begin().await.unwrap();
            t.execute_unprepared(set).await.unwrap();
            t.commit().await.unwrap();
        } else {
            app.db().execute_unprepared(set).await.unwrap();
        }
        task(1, "unknown", 1).insert(&app.db()).await.unwrap();
        let t = app.db().begin().await.unwrap();
        task(2, "unknown", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
        expect(&mut clients, [&[], &[], &[]]).await;
        let log = log.end();
        assert_eq!(log.matches("outlives its transaction").count(), 1, "{log}");
        assert_eq!(log.matches("a change was withheld").count(), 1, "{log}");
        // An entity that names its schema is not affected, and neither are scopes.
        country(1, "Kenya").insert(&app.db()).await.unwrap();
        let scoped = app.db().in_scope("c");
        let t = super::fixture::begin(&scoped, "c").await;
        task(1, "c", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
        expect(&mut clients, [&["CREATED Kenya"], &[], &["CREATED c"]]).await;
    }
}

#[tokio::test]
async fn text_that_switches_and_writes_is_withheld() {
    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let insert = "INSERT INTO task VALUES (1, 'b', false, 1)";
    let text = format!("SET LOCAL search_path TO b; {insert}");
    app.db().execute_unprepared(&text).await.unwrap();
    let t = app.db().begin().await.unwrap();
    let text = format!("SET LOCAL search_path TO c; {insert}");
    t.execute_unprepared(&text).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(received(&mut client).await, [""; 0]);
}

#[tokio::test]
async fn streamed_switch_is_found() {
    use futures_util::TryStreamExt;
    use sea_orm::{DbBackend, Statement};

    let app = Tenants::start().await;
    let mut client = app.client(None).await;
    let t = app.db().begin().await.unwrap();
    let sql = "SELECT set_config('search_path', $1, true)";
    let select = Statement::from_sql_and_values(DbBackend::Postgres, sql, ["b".into()]);
    {
        let mut rows = t.stream_raw(select).await.unwrap();
        assert!(rows.try_next().await.unwrap().is_some());
    }
    task(1, "b", 1).insert(&t).await.unwrap();
    set_local(&t, "public").await;
    task(1, "default", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED default"]);
}

#[tokio::test]
async fn allowed_changes_are_not_withheld() {
    let app = Tenants::start_with(|builder| builder.allow_search_path_changes(true)).await;
    let mut client = app.client(None).await;
    let t = app.begin_in("b").await;
    task(1, "one", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    app.db()
        .execute_unprepared("SET search_path TO public")
        .await
        .unwrap();
    task(2, "two", 1).insert(&app.db()).await.unwrap();
    assert_eq!(received(&mut client).await, ["CREATED one", "CREATED two"]);
}

#[tokio::test]
async fn built_query_that_switches_is_found() {
    use sea_orm::sea_query::Expr;

    let app = Tenants::start_with(|builder| builder.log(MemoryLog::default())).await;
    let mut client = app.client(None).await;
    let t = app.db().begin().await.unwrap();
    let mut query = Query::select();
    query.expr(Expr::cust("set_config('search_path', 'b', true)"));
    t.query_one(&query).await.unwrap();
    task(1, "b", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    assert_eq!(received(&mut client).await, [""; 0]);
}
