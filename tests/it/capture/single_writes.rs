//! What subscribers receive of single writes outside of a transaction.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rest_live::{Live, transport::Outgoing};
use rest_live_test_entities::article;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set, Unchanged},
    ConnectionTrait, EntityTrait, IntoActiveModel, ModelTrait,
};
use serde_json::json;

use crate::{
    entities::{note, seat, task},
    support::{App, database, soon, task as new_task},
};

const LIST_1: &str = r#"{"model":"todolist.Task","list_id":1}"#;

#[tokio::test]
async fn empty_update_sends_nothing() {
    let app = App::start().await;
    let row = app.insert_task(1, "as it was", 1).await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;

    let unchanged = row.clone().into_active_model();
    assert_eq!(unchanged.update(&app.db()).await.unwrap(), row);
    task::ActiveModel {
        id: Set(1),
        ..Default::default()
    }
    .update(&app.db())
    .await
    .unwrap();
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
async fn unset_column_is_sent_as_stored() {
    let app = App::start().await;
    app.insert_task(1, "kept", 1).await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    // This writer knows neither the text nor the list.
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
async fn setting_the_same_group_is_an_update() {
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
async fn delete_sends_the_stored_row() {
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
    // The client receives the row as it was stored, not values that were set and never saved.
    let mut unsaved = changed.into_active_model();
    unsaved.text = Set("never saved".to_owned());
    unsaved.list_id = Set(7);
    unsaved.delete(&app.db()).await.unwrap();
    assert_eq!(client.json().await["payload"]["text"], "as stored");
}

#[tokio::test]
async fn deleting_a_missing_row_sends_nothing() {
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

/// A write that fails after its old row was read leaves that old row in memory. It must not become
/// the old row of a later write of the same row.
#[tokio::test]
async fn failed_write_sends_nothing_and_leaves_no_trace() {
    let app = App::start().await;
    app.insert_task(1, "first", 1).await;
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE ON task WHEN NEW.text = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END";
    app.db().execute_unprepared(refuse).await.unwrap();
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    new_task(1, "same key", 1)
        .insert(&app.db())
        .await
        .expect_err("the key is taken");
    let change = |text: &str, list_id| task::ActiveModel {
        id: Unchanged(1),
        text: Set(text.to_owned()),
        list_id,
        ..Default::default()
    };
    change("bad", Set(2))
        .update(&app.db())
        .await
        .expect_err("the trigger refuses");
    app.assert_silent(&mut client).await;

    // Meanwhile another task moves the row; then the first task writes it again.
    let (db, moved) = (app.db(), change("moved", Set(3)));
    tokio::spawn(async move { moved.update(&db).await })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(client.json().await["action"], "DELETED");
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":3}"#)
        .await;
    change("fine", NotSet).update(&app.db()).await.unwrap();
    let frame = client.json().await;
    assert_eq!(
        (&frame["action"], &frame["payload"]["text"]),
        (&json!("UPDATED"), &json!("fine"))
    );
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn empty_update_of_missing_row_hides_no_later_write() {
    let app = App::start().await;
    let mut client = app.client().await;
    client.subscribe(LIST_1).await;
    let missing = task::Model {
        id: 5,
        text: String::new(),
        done: false,
        list_id: 1,
    };
    missing
        .into_active_model()
        .update(&app.db())
        .await
        .expect_err("there is no such row");
    app.insert_task(5, "later", 1).await;
    task::ActiveModel {
        id: Unchanged(5),
        text: Set("newer".to_owned()),
        ..Default::default()
    }
    .update(&app.db())
    .await
    .unwrap();
    assert_eq!(client.json().await["action"], "CREATED");
    assert_eq!(client.json().await["action"], "UPDATED");
}

/// Deterministic on this single-threaded runtime: the dispatcher has not run yet when the session
/// subscribes. So the event is dispatched after the subscription, but was written before it.
#[tokio::test]
async fn writes_before_a_subscription_are_not_sent() {
    let app = App::start().await;
    app.insert_task(1, "before", 1).await;
    let session = app.live.connect(());
    session.receive(LIST_1).await;
    app.insert_task(2, "after", 1).await;
    let Outgoing::Frames(frames) = soon("a frame", session.outgoing()).await else {
        panic!("expected frames")
    };
    assert!(
        frames.len() == 1 && frames[0].as_str().contains("after"),
        "{:?}",
        frames
            .iter()
            .map(|f| f.as_str().to_owned())
            .collect::<Vec<_>>()
    );
}

/// The cost of a write in statements: one more only if the old row is needed.
#[tokio::test]
async fn a_save_that_needs_no_old_row_adds_no_statement() {
    let statements = Arc::new(AtomicUsize::new(0));
    let (mut db, _database) = database().await;
    let counter = Arc::clone(&statements);
    db.set_metric_callback(move |_| _ = counter.fetch_add(1, Ordering::SeqCst));
    let live = Live::<()>::builder(db).build().unwrap();
    let db = live.db();
    let count = || statements.swap(0, Ordering::SeqCst);

    let row = new_task(1, "one", 1).insert(&db).await.unwrap();
    assert_eq!(count(), 1, "insert");
    let mut same_list = row.clone().into_active_model();
    same_list.text = Set("two".to_owned());
    same_list.list_id.set_if_not_equals(1);
    let row = same_list.update(&db).await.unwrap();
    assert_eq!(count(), 1, "update of a column that is not a group key");
    let mut other_list = row.into_active_model();
    other_list.list_id = Set(2);
    let row = other_list.update(&db).await.unwrap();
    assert_eq!(
        count(),
        2,
        "update of a group column: reads the old row first"
    );
    row.delete(&db).await.unwrap();
    assert_eq!(count(), 1, "delete of a whole row");
    new_task(2, "two", 1).insert(&db).await.unwrap();
    count();
    task::ActiveModel {
        id: Set(2),
        ..Default::default()
    }
    .delete(&db)
    .await
    .unwrap();
    assert_eq!(count(), 1, "delete by key: the statement returns the row");

    // A primary key column that is also a group key is set in every save, but does not move the
    // row.
    let seat = |guest: Option<&str>| seat::ActiveModel {
        hall: Set("red".to_owned()),
        number: Set(1),
        guest: Set(guest.map(str::to_owned)),
    };
    seat(None).insert(&db).await.unwrap();
    count();
    seat(Some("Ada")).update(&db).await.unwrap();
    assert_eq!(count(), 1, "update that names the row by its key");
}

#[tokio::test]
async fn row_is_serialized_once_for_all_subscribers() {
    let app = App::start().await;
    let mut clients = Vec::new();
    for group in [r#""pk":"counted""#, r#""topic":"a""#, r#""topic":"a""#] {
        let mut client = app.client().await;
        client
            .subscribe(&format!(r#"{{"model":"it.StickyNote",{group}}}"#))
            .await;
        clients.push(client);
    }
    let note = |body: &str| note::ActiveModel {
        name: Set("counted".to_owned()),
        body: Set(body.to_owned()),
        topic: Set(Some("a".to_owned())),
    };
    note("count me").insert(&app.db()).await.unwrap();
    for client in &mut clients {
        client.json().await;
    }
    assert_eq!(note::COUNTED.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn application_hooks_run_around_ours() {
    let app = App::start().await;
    let mut client = app.client().await;
    client.subscribe(r#"{"model":"it.Article","pk":1}"#).await;
    let article = |id, title: &str| article::ActiveModel {
        id: Set(id),
        title: Set(title.to_owned()),
        section: Set("news".to_owned()),
        ..Default::default()
    };
    // Its before_save sets the slug.
    article(1, "Hello World").insert(&app.db()).await.unwrap();
    client.expect(r#"{"model":"it.Article","payload":{"id":1,"title":"Hello World","slug":"hello-world"},"action":"CREATED"}"#).await;

    // Its after_save fails, but the row exists: a GET returns it, so subscribers receive it.
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
async fn higher_rank_serializer_wins_a_shared_group() {
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
async fn failing_serializer_loses_only_its_own_frames() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
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
                new_task(id, "new", 1).insert(&db).await.unwrap();
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
    let mut actions_by_id = std::collections::BTreeMap::<i64, Vec<String>>::new();
    for _ in 0..WRITERS * WRITES * 2 {
        let frame = client.json().await;
        actions_by_id
            .entry(frame["payload"]["id"].as_i64().unwrap())
            .or_default()
            .push(frame["action"].as_str().unwrap().to_owned());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(actions_by_id.len(), (WRITERS * WRITES) as usize);
    assert!(
        actions_by_id
            .values()
            .all(|actions| actions == &["CREATED", "DELETED"]),
        "{actions_by_id:?}"
    );
    app.assert_silent(&mut client).await;
}
