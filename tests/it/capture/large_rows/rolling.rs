//! Two servers that share a log, of which only one shows a large column: a rolling deployment.

use sea_orm::{ActiveValue::Set, IntoActiveModel, entity::prelude::*};
use serde_json::{Value, json};

use super::{
    Engine, TEXT, Titled, Whole, builder,
    model::{database, value},
    pages, subscribed,
};
use crate::support::SharedLog;

#[tokio::test]
async fn missing_column_is_a_reset() {
    let (db, _database) = database(Engine::Sqlite).await;
    let log = SharedLog::new();
    let old = builder(&db).register::<Titled>().log(log.clone());
    // It also has the group key of the old one, or else the old one could not read its events.
    let new = builder(&db).register::<Titled>().register::<Whole>();
    let new = new.log(log.clone());
    let [old, new] = [old, new].map(|live| live.build().unwrap());
    let mut old_client = subscribed(&old).await;
    let mut new_client = subscribed(&new).await;

    // The old server does not store the text, which the new one shows.
    let row = pages(1, 1).insert(&old.db()).await.unwrap();
    let payload = old_client.receive_json().await["payload"].take();
    assert_eq!(payload, json!({"id": 1, "title": "one"}));
    let reset = new_client.receive_json().await;
    assert_eq!(
        (&reset["type"], &reset["reason"]),
        (&json!("reset"), &json!("bulk"))
    );
    assert!(!log.written()[0].contains(TEXT), "{:?}", log.written());

    // The new server stores all that it shows, and the old one does not keep it.
    let mut changed = row.into_active_model();
    changed.title = Set("two".to_owned());
    let row = changed.update(&new.db()).await.unwrap();
    let sent: Value = new_client.receive_json().await;
    assert_eq!(sent["payload"], value(Whole::from(&row)));
    let sent = old_client.receive_json().await;
    assert_eq!(sent["payload"], json!({"id": 1, "title": "two"}), "{sent}");
}
