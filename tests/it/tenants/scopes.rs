//! Writes and sessions that are bound to a scope, on one server.

use rest_live::{Live, LiveBuilder, LiveEntity, db::Scope, testing::Client, transport::Handshake};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, ModelTrait,
    QueryFilter, TransactionTrait, sea_query::Expr,
};
use serde_json::{Value, json};

use super::{
    country::{self, country},
    fixture::{
        Tenants, begin, clients, create_schema, database, describe, expect, received, set_local,
        subscribe,
    },
};
use crate::{
    entities::task::{Column, Entity},
    support::{GateLog, Log, soon, task},
};

#[tokio::test]
async fn each_tenant_receives_its_own_changes() {
    let app = Tenants::start().await;
    let mut clients = app.clients().await;
    task(1, "default", 1).insert(&app.db()).await.unwrap();
    let t = begin(&app.db().in_scope("b"), "b").await;
    let row = task(1, "b", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    expect(&mut clients, [&["CREATED default"], &["CREATED b"], &[]]).await;

    // A middleware begins the transaction, and the tenant is known later.
    let t = app.db().begin().await.unwrap();
    set_local(&t, "c").await;
    t.set_scope("c");
    task(1, "c", 1).insert(&t).await.unwrap();
    let nested = t.begin().await.unwrap();
    task(1, "c2", 1).update(&nested).await.unwrap();
    nested.commit().await.unwrap();
    t.commit().await.unwrap();
    expect(&mut clients, [&[], &[], &["CREATED c", "UPDATED c2"]]).await;

    let t = begin(&app.db().in_scope("b"), "b").await;
    row.delete(&t).await.unwrap();
    let rows = [task(2, "two", 1), task(3, "three", 2)];
    Entity::live_insert_many(rows).exec(&t).await.unwrap();
    let bulk = Entity::live_update_many().col_expr(Column::ListId, Expr::value(1));
    bulk.filter(Column::Id.eq(3)).exec(&t).await.unwrap();
    t.commit().await.unwrap();
    let moved = ["DELETED b", "CREATED two", "CREATED three"];
    expect(&mut clients, [&[], &moved, &[]]).await;
}

#[tokio::test]
async fn reset_reaches_only_its_scope() {
    let app = Tenants::start().await;
    let mut clients = app.clients().await;
    let t = begin(&app.db().in_scope("b"), "b").await;
    let raw = "UPDATE task SET done = true; INSERT INTO task VALUES (1, 'b', false, 1)";
    t.execute_unprepared(raw).await.unwrap();
    t.commit().await.unwrap();
    expect(&mut clients, [&[], &["reset"], &[]]).await;
    // One text sets the path and writes.
    let raw = format!("SET LOCAL search_path TO c; {raw}");
    let db = app.db().in_scope("c");
    db.execute_unprepared(&raw).await.unwrap();
    expect(&mut clients, [&[], &[], &["reset"]]).await;
    let raw = "UPDATE task SET done = true; INSERT INTO task VALUES (1, 'b', false, 1)";
    app.db().execute_unprepared(raw).await.unwrap();
    expect(&mut clients, [&["reset"], &[], &[]]).await;
}

#[tokio::test]
async fn one_transaction_can_write_for_two_tenants() {
    let app = Tenants::start().await;
    let mut clients = app.clients().await;
    let t = app.db().begin().await.unwrap();
    task(1, "default", 1).insert(&t).await.unwrap();
    for tenant in ["b", "c"] {
        set_local(&t, tenant).await;
        t.set_scope(tenant);
        task(1, tenant, 1).insert(&t).await.unwrap();
    }
    t.commit().await.unwrap();
    let expected: [&[&str]; 3] = [&["CREATED default"], &["CREATED b"], &["CREATED c"]];
    expect(&mut clients, expected).await;
}

#[tokio::test]
async fn pool_of_a_tenant_belongs_to_its_scope() {
    let app = Tenants::start().await;
    let mut clients = app.clients().await;
    let mut options = sea_orm::ConnectOptions::new(app.database.url());
    options.set_schema_search_path("b");
    let pool = sea_orm::Database::connect(options).await.unwrap();
    let db = app.db().in_scope_on("b", pool);
    task(1, "b", 1).insert(&db).await.unwrap();
    // What such a pool switches does not concern the other pool.
    db.execute_unprepared("SET search_path TO b").await.unwrap();
    task(1, "default", 1).insert(&app.db()).await.unwrap();
    expect(&mut clients, [&["CREATED default"], &["CREATED b"], &[]]).await;
    assert!(Entity::find_by_id(1).one(&db).await.unwrap().is_some());
}

#[tokio::test]
async fn rolled_back_and_abandoned_writes_send_nothing() {
    let app = Tenants::start().await;
    let mut clients = app.clients().await;
    let t = begin(&app.db().in_scope("b"), "b").await;
    task(1, "b", 1).insert(&t).await.unwrap();
    t.rollback().await.unwrap();
    let t = begin(&app.db().in_scope("b"), "b").await;
    task(1, "b", 1).insert(&t).await.unwrap();
    drop(t);
    expect(&mut clients, [&[], &[], &[]]).await;
}

#[tokio::test]
async fn shared_table_reaches_all_scopes() {
    let shared =
        |builder: rest_live::LiveBuilder| builder.share_between_scopes::<country::Entity>();
    let app = Tenants::start_with(shared).await;
    let mut clients = app.clients().await;
    for client in &clients {
        subscribe(client, "tenants.Country").await;
    }
    country(1, "Kenya").insert(&app.db()).await.unwrap();
    let scoped = app.db().in_scope("b");
    country(2, "Peru").insert(&scoped).await.unwrap();
    let both: &[&str] = &["CREATED Kenya", "CREATED Peru"];
    expect(&mut clients, [both, both, both]).await;
    // Without the declaration, a table belongs to the scope that writes it.
    drop(app);
    let app = Tenants::start().await;
    let mut clients = app.clients().await;
    for client in &clients {
        subscribe(client, "tenants.Country").await;
    }
    let scoped = app.db().in_scope("b");
    country(2, "Peru").insert(&scoped).await.unwrap();
    expect(&mut clients, [&[], &["CREATED Peru"], &[]]).await;
}

#[tokio::test]
async fn unknown_shared_entity_is_an_error() {
    let (db, _database) = crate::support::database().await;
    let builder = Live::<()>::builder(db).discover(false);
    let builder = builder.register::<crate::entities::task::TaskSerializer>();
    let error = builder.share_between_scopes::<country::Entity>().build();
    let error = error.unwrap_err().to_string();
    assert!(error.contains("country::Entity"), "{error}");
}

#[tokio::test]
async fn handshake_wins_over_the_user() {
    #[derive(Clone)]
    struct User(&'static str);
    let app = database().await;
    let live = Live::<User>::builder(app.0.clone())
        .discover(false)
        .scope(|user: &User| (!user.0.is_empty()).then(|| Scope::from(user.0)))
        .register::<crate::entities::task::TaskSerializer>()
        .build();
    // The serializers of the tests have no permissions, so they accept any type of user.
    let live = live.unwrap();
    let connect = |handshake: Handshake<User>| Client::connect(&live, handshake);
    let mut clients = [
        connect(User("").into()),
        connect(User("b").into()),
        connect(Handshake::new(User("b")).scope(Some("c".into()))),
    ];
    for client in &clients {
        let request = json!({"model": "todolist.Task", "list_id": 1});
        client.send_json(request).await;
    }
    for (tenant, scope) in [("b", "b"), ("c", "c")] {
        let t = begin(&live.db().in_scope(scope), tenant).await;
        task(1, tenant, 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
    }
    let expected: [&[&str]; 3] = [&[], &["CREATED b"], &["CREATED c"]];
    for (client, expected) in clients.iter_mut().zip(expected) {
        let frames = client.received().await;
        assert_eq!(frames.iter().map(describe).collect::<Vec<_>>(), expected);
    }
}

/// Subscribes to list 1 from a cursor on a new connection, and returns the frames.
async fn resume(live: &Live, scope: Option<&str>, since: Option<&Value>) -> (Client, Vec<Value>) {
    let handshake = Handshake::new(()).scope(scope.map(Into::into));
    let mut client = Client::connect(live, handshake);
    let group = json!({"list_id": 1});
    let request = json!({"id": "a", "model": "todolist.Task", "group": group, "since": since});
    client.send_json(request).await;
    let frames = client.received().await;
    (client, frames)
}

#[tokio::test]
async fn resume_returns_what_the_scope_missed() {
    let app = Tenants::start().await;
    let (_client, begin_frames) = resume(&app.live, None, None).await;
    let since = begin_frames[0]["cursor"].clone();
    let all = ["-", "b", "c"].map(|tenant| (tenant, (tenant != "-").then_some(tenant)));
    task(1, "-", 1).insert(&app.db()).await.unwrap();
    for tenant in ["b", "c"] {
        let t = begin(&app.db().in_scope(tenant), tenant).await;
        task(1, tenant, 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
    }
    for (tenant, scope) in all {
        let (_client, frames) = resume(&app.live, scope, Some(&since)).await;
        assert_eq!(frames[0]["recovered"], true, "{frames:?}");
        assert_eq!(frames.len(), 2, "{tenant}: {frames:?}");
        assert_eq!(describe(&frames[1]), format!("CREATED {tenant}"));
    }
    // A reset of one scope does not spoil the resumes of the others.
    let t = begin(&app.db().in_scope("b"), "b").await;
    let raw = "UPDATE task SET done = true";
    t.execute_unprepared(raw).await.unwrap();
    t.commit().await.unwrap();
    for (_, scope) in all {
        let (_client, frames) = resume(&app.live, scope, Some(&since)).await;
        assert_eq!(frames[0]["recovered"], scope != Some("b"), "{frames:?}");
    }
}

#[tokio::test]
async fn reauthorization_leaves_scopes_as_they_are() {
    let app = Tenants::start().await;
    let mut clients = app.clients().await;
    assert_eq!(app.live.reauthorize(|()| true).await, 0);
    let t = begin(&app.db().in_scope("b"), "b").await;
    task(1, "b", 1).insert(&t).await.unwrap();
    t.commit().await.unwrap();
    expect(&mut clients, [&[], &["CREATED b"], &[]]).await;
}

#[tokio::test]
async fn contested_row_is_a_reset_of_its_scope() {
    write_contested_row(|builder| builder, "reset").await;
}

#[tokio::test]
async fn contested_row_is_read_in_its_scope() {
    let prepare = |builder: LiveBuilder| {
        builder.prepare_reads(|scope, transaction: DatabaseTransaction| async move {
            let schema = scope.map_or_else(|| "public".to_owned(), |scope| scope.to_string());
            let set = format!("SET LOCAL search_path TO {schema}");
            transaction.execute_unprepared(&set).await?;
            Ok(transaction)
        })
    };
    write_contested_row(prepare, "UPDATED second").await;
}

/// Writes a row twice, so that the order of the writes is unknown.
async fn write_contested_row(set: impl FnOnce(LiveBuilder) -> LiveBuilder, expected: &str) {
    let (db, _database) = database().await;
    let gate = GateLog::default();
    let builder = Live::builder(db).log(gate.clone());
    let live = set(builder).build().unwrap();
    let mut clients = clients(&live).await;
    let scoped = live.db().in_scope("b");
    for tenant in ["public", "b", "c"] {
        let db = match tenant {
            "public" => live.db(),
            tenant => live.db().in_scope(tenant),
        };
        let t = begin(&db, tenant).await;
        task(1, "old", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
    }
    let created: &[&str] = &["CREATED old"];
    expect(&mut clients, [created, created, created]).await;

    // The append of the first write is slow, so the order of the two is unknown.
    gate.shut();
    let first = begin(&scoped, "b").await;
    task(1, "first", 1).update(&first).await.unwrap();
    let first = tokio::spawn(first.commit());
    gate.arrived().await;
    let second = begin(&scoped, "b").await;
    task(1, "second", 1).update(&second).await.unwrap();
    second.commit().await.unwrap();
    // A row with the same key in another schema is another row.
    let other = begin(&live.db().in_scope("c"), "c").await;
    task(1, "other", 1).update(&other).await.unwrap();
    other.commit().await.unwrap();
    gate.open();
    first.await.unwrap().unwrap();
    let first = soon("the first", clients[1].receive_json()).await;
    assert_eq!(describe(&first), "UPDATED first");
    let last = soon("the reread", clients[1].receive_json()).await;
    assert_eq!(describe(&last), expected);
    expect(&mut clients, [&[], &[], &["UPDATED other"]]).await;
}

#[tokio::test]
async fn retrieve_reads_no_row_of_another_schema() {
    let app = Tenants::start().await;
    // The row exists in the default schema only.
    task(1, "default", 1).insert(&app.plain).await.unwrap();
    let request = json!({
        "type": "subscribe", "id": 1, "action": "retrieve", "model": "todolist.Task",
        "lookup_by": 1,
    });
    let mut default = Client::connect(&app.live, ());
    default.send_json(request.clone()).await;
    assert_eq!(default.received().await, [] as [Value; 0]);
    let log = Log::start();
    let handshake = Handshake::new(()).scope(Some("b".into()));
    let mut client = Client::connect(&app.live, handshake);
    client.send_json(request).await;
    let frames = client.received().await;
    assert_eq!(frames[0]["type"], "error", "{frames:?}");
    assert_eq!(frames[0]["code"], 500, "{frames:?}");
    assert!(log.end().contains("LiveBuilder::prepare_session_reads"));
    // A change of the default row is not sent to it.
    task(1, "changed", 1).update(&app.db()).await.unwrap();
    assert_eq!(received(&mut client).await, [""; 0]);
}

#[tokio::test]
async fn names_of_scopes_are_any_text() {
    let app = Tenants::start().await;
    create_schema(&app.plain, "\"a b\"").await;
    for scope in ["", "\"a b\"", "é, 東京"] {
        let mut client = app.client(Some(scope)).await;
        let t = begin(&app.db().in_scope(scope), "\"a b\"").await;
        t.execute_unprepared("DELETE FROM task").await.unwrap();
        task(1, "row", 1).insert(&t).await.unwrap();
        t.commit().await.unwrap();
        let frames = received(&mut client).await;
        assert_eq!(
            frames.last().map(String::as_str),
            Some("CREATED row"),
            "{scope}"
        );
    }
}
