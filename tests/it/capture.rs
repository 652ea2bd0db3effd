//! Which writes reach subscribers, and as what: autocommit.

use rest_live_test_entities::article;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, ModelTrait};
use serde_json::json;

use crate::{
    entities::{note, task},
    support::App,
};

const LIST_1: &str = r#"{"model":"todolist.Task","list_id":1}"#;

#[tokio::test]
async fn an_update_that_sets_nothing_reaches_nobody() {
    let app = App::start().await;
    let row = app.insert_task(1, "as it was", 1).await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;

    let unchanged = row.clone().into_active_model();
    assert_eq!(unchanged.update(&app.db()).await.unwrap(), row);
    let mut equal = row.clone().into_active_model();
    equal.text.set_if_not_equals("as it was".to_owned());
    equal.update(&app.db()).await.unwrap();
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn a_save_is_an_insert_or_an_update() {
    let app = App::start().await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    let new = task::ActiveModel {
        text: Set("new".to_owned()),
        done: Set(false),
        list_id: Set(1),
        ..Default::default()
    };
    let mut saved = new.save(&app.db()).await.unwrap();
    assert_eq!(client.json().await["action"], "CREATED");
    saved.text = Set("newer".to_owned());
    saved.save(&app.db()).await.unwrap();
    let frame = client.json().await;
    assert_eq!(
        (&frame["action"], &frame["payload"]["text"]),
        (&json!("UPDATED"), &json!("newer"))
    );
}

#[tokio::test]
async fn a_column_that_is_not_set_is_shown_as_it_is_in_the_database() {
    let app = App::start().await;
    app.insert_task(1, "kept", 1).await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    // Neither the text nor the list is known to this writer.
    task::ActiveModel {
        id: Set(1),
        done: Set(true),
        ..Default::default()
    }
    .update(&app.db())
    .await
    .unwrap();
    client.expect(r#"{"model":"todolist.Task","payload":{"id":1,"text":"kept","done":true},"action":"UPDATED"}"#).await;
}

#[tokio::test]
async fn setting_the_group_to_what_it_was_is_an_update() {
    let app = App::start().await;
    app.insert_task(1, "here", 1).await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    task::ActiveModel {
        id: Set(1),
        text: Set("still here".to_owned()),
        list_id: Set(1),
        ..Default::default()
    }
    .update(&app.db())
    .await
    .unwrap();
    client.expect(r#"{"model":"todolist.Task","payload":{"id":1,"text":"still here","done":false},"action":"UPDATED"}"#).await;
}

#[tokio::test]
async fn a_delete_is_told_whichever_way_the_row_is_named() {
    let app = App::start().await;
    let whole = app.insert_task(1, "whole", 1).await;
    app.insert_task(2, "by its key", 1).await;
    let changed = app.insert_task(3, "as stored", 1).await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;

    whole.delete(&app.db()).await.unwrap();
    assert_eq!(client.json().await["payload"]["text"], "whole");
    task::ActiveModel {
        id: Set(2),
        ..Default::default()
    }
    .delete(&app.db())
    .await
    .unwrap();
    assert_eq!(client.json().await["payload"]["text"], "by its key");
    // What was set and never saved is not the row that was there.
    let mut unsaved = changed.into_active_model();
    unsaved.text = Set("never saved".to_owned());
    unsaved.list_id = Set(7);
    unsaved.delete(&app.db()).await.unwrap();
    assert_eq!(client.json().await["payload"]["text"], "as stored");
}

#[tokio::test]
async fn deleting_a_row_that_is_not_there_reaches_nobody() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","pk":9}"#)
        .await;
    task::ActiveModel {
        id: Set(9),
        ..Default::default()
    }
    .delete(&app.db())
    .await
    .unwrap();
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn a_write_that_fails_reaches_nobody() {
    let app = App::start().await;
    app.insert_task(1, "first", 1).await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    crate::support::task(1, "same key", 1)
        .insert(&app.db())
        .await
        .expect_err("the key is taken");
    task::ActiveModel {
        id: Set(5),
        list_id: Set(1),
        ..Default::default()
    }
    .update(&app.db())
    .await
    .expect_err("there is no such row");
    app.assert_silent(&mut client).await;

    // And leaves nothing behind that a later write of the same row could mistake for its own.
    app.insert_task(5, "later", 1).await;
    assert_eq!(client.json().await["action"], "CREATED");
    task::ActiveModel {
        id: Set(5),
        done: Set(true),
        ..Default::default()
    }
    .update(&app.db())
    .await
    .unwrap();
    assert_eq!(client.json().await["action"], "UPDATED");
}

#[tokio::test]
async fn the_hooks_of_the_application_run_around_ours() {
    let app = App::start().await;
    let mut client = app.client().await;
    client.subscribe(r#"{"model":"it.Article","pk":1}"#).await;
    let article = |id, title: &str| article::ActiveModel {
        id: Set(id),
        title: Set(title.to_owned()),
        section: Set("news".to_owned()),
        ..Default::default()
    };
    // Its before_save makes the slug.
    article(1, "Hello World").insert(&app.db()).await.unwrap();
    client.expect(r#"{"model":"it.Article","payload":{"id":1,"title":"Hello World","slug":"hello-world"},"action":"CREATED"}"#).await;

    // Its after_save fails, and the row is there: GET would show it, so the socket does.
    client.subscribe(r#"{"model":"it.Article","pk":2}"#).await;
    article(2, "fails after it is written")
        .insert(&app.db())
        .await
        .expect_err("after_save fails");
    assert!(
        article::Entity::find_by_id(2)
            .one(&app.db())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(client.json().await["payload"]["id"], 2);
}

#[tokio::test]
async fn the_higher_rank_shows_a_group_that_two_serializers_share() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"it.Article","section":"news"}"#)
        .await;
    article::ActiveModel {
        id: Set(1),
        title: Set("Rain".to_owned()),
        section: Set("news".to_owned()),
        ..Default::default()
    }
    .insert(&app.db())
    .await
    .unwrap();
    client
        .expect(r#"{"model":"it.Article","payload":{"teaser":"news: Rain"},"action":"CREATED"}"#)
        .await;
}

#[tokio::test]
async fn a_serializer_that_fails_or_panics_costs_its_own_frames_only() {
    let app = App::start().await;
    let mut notes = app.client().await;
    notes
        .subscribe(r#"{"model":"it.StickyNote","topic":"a"}"#)
        .await;
    let mut tasks = app.client().await;
    tasks.subscribe(LIST_1).await;

    for body in ["panic", "fail", "fine"] {
        let note = note::ActiveModel {
            name: Set(body.to_owned()),
            body: Set(body.to_owned()),
            topic: Set(Some("a".to_owned())),
        };
        note.insert(&app.db()).await.unwrap();
    }
    assert_eq!(notes.json().await["payload"]["body"], "fine");
    app.insert_task(1, "unharmed", 1).await;
    assert_eq!(tasks.json().await["payload"]["text"], "unharmed");
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    const WRITERS: i32 = 8;
    const WRITES: i32 = 50;
    let app = App::start().await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    let writers = (0..WRITERS).map(|writer| {
        let db = app.db();
        tokio::spawn(async move {
            for n in 0..WRITES {
                let id = writer * WRITES + n + 1;
                crate::support::task(id, "new", 1)
                    .insert(&db)
                    .await
                    .unwrap();
                task::ActiveModel {
                    id: Set(id),
                    text: Set("moved in and out".to_owned()),
                    list_id: Set(2),
                    ..Default::default()
                }
                .update(&db)
                .await
                .unwrap();
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut seen = std::collections::BTreeMap::<i64, Vec<String>>::new();
    for _ in 0..WRITERS * WRITES * 2 {
        let frame = client.json().await;
        seen.entry(frame["payload"]["id"].as_i64().unwrap())
            .or_default()
            .push(frame["action"].as_str().unwrap().to_owned());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen.len(), (WRITERS * WRITES) as usize);
    assert!(
        seen.values()
            .all(|actions| actions == &["CREATED", "DELETED"]),
        "{seen:?}"
    );
    app.assert_silent(&mut client).await;
}
