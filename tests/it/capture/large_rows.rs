//! Large columns: which of them events keep, and what subscribers see of them.

mod budget;
mod model;
mod rolling;
mod statements;

use rest_live::{Live, LiveBuilder, LiveEntity, testing::Client};
use sea_orm::{
    ActiveValue::Set, IntoActiveModel, TransactionTrait, entity::prelude::*, sea_query::Expr,
};
use serde_json::{Value, json};

use self::model::{Drafted, Judged, Own, TEXT, Titled, Whole, page, pages};
use crate::support::{Engine, on_each_engine};

on_each_engine! {
    unshown_columns_are_blank_in_events
    shown_column_is_sent_whole
    permission_sees_columns_that_nothing_shows
    own_conversion_sees_every_column
}

fn builder(db: &DatabaseConnection) -> LiveBuilder {
    Live::builder(db.clone()).discover(false)
}

async fn subscribed(live: &Live) -> Client {
    let mut client = Client::connect(live, ());
    let request = json!({"id": 1, "model": "it.Page", "group": {"book_id": 1}});
    client.send_json(request).await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    client
}

/// Returns the payloads that a client has received.
async fn payloads(client: &mut Client) -> Vec<Value> {
    let frames = client.received().await.into_iter();
    frames.map(|mut frame| frame["payload"].take()).collect()
}

/// Makes every kind of write, and checks that the application's own models are whole.
async fn write_all(live: &Live) {
    let db = live.db();
    let row = pages(1, 1).insert(&db).await.unwrap();
    assert_eq!((&*row.body, row.draft.as_deref()), (TEXT, Some(TEXT)));
    let mut changed = row.into_active_model();
    changed.title = Set("two".to_owned());
    let row = changed.update(&db).await.unwrap();
    assert_eq!((&*row.body, row.draft.as_deref()), (TEXT, Some(TEXT)));
    let mut moved = row.into_active_model();
    moved.book_id = Set(2);
    let row = moved.update(&db).await.unwrap();
    assert_eq!(row.cover, TEXT.as_bytes());

    let transaction = db.begin().await.unwrap();
    let mut back = row.into_active_model();
    back.book_id = Set(1);
    let row = back.update(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(row.body, TEXT);

    let update = page::Entity::live_update_many().col_expr(page::Column::Title, Expr::value("3"));
    update.exec(&db).await.unwrap();
    let update = page::Entity::live_update_many().col_expr(page::Column::Title, Expr::value("4"));
    let rows = update.exec_with_returning(&db).await.unwrap();
    assert_eq!((&*rows[0].body, &*rows[0].title), (TEXT, "4"));
    let update = page::Entity::update_many().col_expr(page::Column::Title, Expr::value("5"));
    update.exec(&db).await.unwrap();

    let insert = page::Entity::live_insert_many([pages(2, 1), pages(3, 1)]);
    let rows = insert.exec_with_returning(&db).await.unwrap();
    assert!(rows.iter().all(|row| row.body == TEXT));
    let delete = page::Entity::live_delete_many().filter(page::Column::Id.eq(2));
    let rows = delete.exec_with_returning(&db).await.unwrap();
    assert_eq!(rows[0].draft.as_deref(), Some(TEXT));
    let delete = page::Entity::live_delete_many().filter(page::Column::Id.eq(3));
    delete.exec(&db).await.unwrap();
    row.delete(&db).await.unwrap();

    pages(4, 1).insert(&db).await.unwrap();
    let delete = page::Entity::delete_many().filter(page::Column::Id.eq(4));
    assert_eq!(delete.exec(&db).await.unwrap().rows_affected, 1);
}

async fn unshown_columns_are_blank_in_events(engine: Engine) {
    let (db, _database) = model::database(engine).await;
    let log = model::RowLog::default();
    let live = builder(&db).register::<Titled>().log(log.clone());
    let live = live.build().unwrap();
    let mut client = subscribed(&live).await;
    write_all(&live).await;
    let rows = log.rows();
    assert!(rows.len() >= 16, "{engine:?}: {}", rows.len());
    for row in &rows {
        let large = (&*row.body, &row.draft, &*row.cover, &row.meta);
        assert_eq!(large, ("", &None, &[][..], &Value::Null), "{engine:?}");
        assert_eq!((&row.thumbnail, &row.extra), (&None, &None), "{engine:?}");
        assert_eq!(row.key, format!("key {}", row.id), "a group key stays");
    }
    let payloads = payloads(&mut client).await;
    assert!(
        payloads.contains(&json!({"id": 1, "title": "4"})),
        "{payloads:?}"
    );

    // The same writes, if a serializer shows one of the columns.
    let log = model::RowLog::default();
    let live = builder(&db).register::<Titled>().register::<Drafted>();
    let live = live.log(log.clone()).build().unwrap();
    write_all(&live).await;
    for row in log.rows() {
        let large = (&*row.body, row.draft.as_deref(), &*row.cover);
        assert_eq!(large, ("", Some(TEXT), &[][..]), "{engine:?}");
    }
}

async fn shown_column_is_sent_whole(engine: Engine) {
    let (db, _database) = model::database(engine).await;
    let live = builder(&db).register::<Whole>().build().unwrap();
    let mut client = subscribed(&live).await;
    let row = pages(1, 1).insert(&live.db()).await.unwrap();
    let shown = serde_json::to_string(&Whole::from(&row)).unwrap();
    let sent = client.receive_text().await;
    assert!(sent.contains(&shown), "{sent}");
    let update = page::Entity::update_many().col_expr(page::Column::Title, Expr::value("two"));
    update.exec(&live.db()).await.unwrap();
    let stored = page::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    let shown = serde_json::to_value(Whole::from(&stored)).unwrap();
    let sent = client.receive_json().await;
    if engine == Engine::MariaDb {
        assert_eq!(sent["type"], "reset", "the rows of this update are unknown");
    } else {
        assert_eq!(sent["payload"], shown);
    }
}

async fn permission_sees_columns_that_nothing_shows(engine: Engine) {
    let (db, _database) = model::database(engine).await;
    let live = builder(&db).register::<Judged>().build().unwrap();
    let mut client = subscribed(&live).await;
    let row = pages(1, 1).insert(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "CREATED");
    let mut hidden = row.into_active_model();
    hidden.body = Set("hidden".to_owned());
    hidden.update(&live.db()).await.unwrap();
    assert_eq!(client.receive_json().await["action"], "DELETED");
    client.receive_nothing().await;
}

async fn own_conversion_sees_every_column(engine: Engine) {
    let (db, _database) = model::database(engine).await;
    // The generated conversion of the other serializer does not change what this one sees.
    let live = builder(&db).register::<Titled>().register::<Own>();
    let live = live.build().unwrap();
    let mut client = subscribed(&live).await;
    pages(1, 1).insert(&live.db()).await.unwrap();
    let payload = client.receive_json().await["payload"].take();
    assert_eq!(payload, json!({"letters": TEXT.len()}));
}
