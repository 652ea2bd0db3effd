//! Which columns the statements of rest-live ask for.

use std::sync::{Arc, Mutex};

use rest_live::LiveEntity;
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    entity::prelude::*,
    sea_query::Expr,
};

use super::{Engine, Titled, Whole, builder, model, page, pages};
use crate::support::on_each_engine;

on_each_engine! {
    unused_columns_are_not_asked_for
}

async fn unused_columns_are_not_asked_for(engine: Engine) {
    let (mut db, _database) = model::database(engine).await;
    let texts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&texts);
    db.set_metric_callback(move |info| seen.lock().unwrap().push(info.statement.sql.clone()));
    let asks_for_body = || {
        let texts = std::mem::take(&mut *texts.lock().unwrap());
        let mut asked = texts
            .iter()
            .filter(|sql| sql.contains("RETURNING") || sql.starts_with("SELECT"));
        let is_large = |sql: &&String| {
            let names = ["body", "the draft"];
            let columns = [
                names.map(|n| format!(r#""{n}""#)),
                names.map(|n| format!("`{n}`")),
            ];
            let mut columns = columns.iter().flatten();
            columns.any(|column| sql.replace(&format!("AS {column}"), "").contains(&**column))
        };
        asked.any(|sql| is_large(&sql))
    };
    for (live, is_shown) in [
        (builder(&db).register::<Titled>(), false),
        (builder(&db).register::<Whole>(), true),
    ] {
        let live = live.build().unwrap();
        let db = live.db();
        let what = format!("{engine:?}, shown: {is_shown}");
        pages(1, 1).insert(&db).await.unwrap();
        asks_for_body();

        let update = page::Entity::update_many().col_expr(page::Column::Title, Expr::value("2"));
        update.exec(&db).await.unwrap();
        let returns = is_shown && engine != Engine::MariaDb;
        assert_eq!(asks_for_body(), returns, "update_many, {what}");

        let update =
            page::Entity::live_update_many().col_expr(page::Column::BookId, Expr::value(2));
        update.exec(&db).await.unwrap();
        assert_eq!(asks_for_body(), is_shown, "live_update_many, {what}");

        // The hook reads the old row, because the update sets a group column.
        let moved = page::ActiveModel {
            id: Unchanged(1),
            book_id: Set(3),
            ..Default::default()
        };
        moved.update_without_returning(&db).await.unwrap();
        assert_eq!(
            asks_for_body(),
            is_shown,
            "update_without_returning, {what}"
        );

        page::Entity::live_delete_many().exec(&db).await.unwrap();
        assert_eq!(asks_for_body(), is_shown, "live_delete_many, {what}");
    }
}
