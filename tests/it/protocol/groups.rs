//! Groups of several columns, and of all rows.

use rest_live::{Live, LiveEntity, testing::Client};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, IntoActiveModel, QueryFilter,
    TransactionTrait, sea_query::Expr,
};
use serde_json::{Value, json};

use crate::{
    entities::question,
    support::{App, Engine},
};

crate::support::on_each_engine! {
    every_kind_of_write_moves_rows
    transaction_moves_a_row_once_for_each_write
}

/// The groups that the tests follow.
fn groups() -> [Value; 4] {
    [
        json!({}),
        json!({"course_id": 1}),
        json!({"course_id": 1, "queue_id": 7}),
        json!({"course_id": 1, "queue_id": 8}),
    ]
}

pub(crate) fn question(id: i32, course_id: i32, queue_id: Option<i32>) -> question::ActiveModel {
    question::ActiveModel {
        id: Set(id),
        text: Set(format!("question {id}")),
        course_id: Set(course_id),
        queue_id: Set(queue_id),
    }
}

/// Follows each group on a connection of its own.
async fn follow(live: &Live) -> Vec<Client> {
    let mut clients = Vec::new();
    for (id, group) in groups().iter().enumerate() {
        let mut client = Client::connect(live, ());
        let request = json!({"id": id, "model": "school.Question", "group": group});
        client.send_json(request).await;
        let answer = client.receive_json().await;
        assert_eq!(
            (&answer["type"], &answer["group"]),
            (&json!("subscribed"), group)
        );
        clients.push(client);
    }
    clients
}

/// Returns what each follower received: the actions with the ids of the rows.
async fn received(clients: &mut [Client]) -> Vec<String> {
    let mut received = Vec::new();
    for (client, group) in clients.iter_mut().zip(groups()) {
        let mut frames = client.received().await;
        frames.retain(|frame| frame["type"] != "unit");
        assert!(frames.iter().all(|frame| frame["group"] == group));
        let text = |frame: &Value| {
            let action = frame["action"].as_str().unwrap();
            format!("{}{}", &action[..1], frame["payload"]["id"])
        };
        received.push(frames.iter().map(text).collect::<Vec<_>>().join(" "));
    }
    received
}

async fn every_kind_of_write_moves_rows(engine: Engine) {
    let app = App::start_on(engine).await;
    let db = app.db();
    let mut clients = follow(&app.live).await;
    let rows = [
        (1, 1, Some(7)),
        (2, 1, Some(8)),
        (3, 1, None),
        (4, 2, Some(7)),
    ];
    let rows = rows.map(|(id, course, queue)| question(id, course, queue));
    let insert = question::Entity::live_insert_many(rows);
    insert.exec(&db).await.unwrap();
    let expected = ["C1 C2 C3 C4", "C1 C2 C3", "C1", "C2"];
    assert_eq!(received(&mut clients).await, expected);

    // One of the two columns changes.
    let mut row = question(1, 1, Some(7))
        .update(&db)
        .await
        .unwrap()
        .into_active_model();
    row.queue_id = Set(Some(8));
    let row = row.update(&db).await.unwrap();
    assert_eq!(
        received(&mut clients).await,
        ["U1 U1", "U1 U1", "U1 D1", "C1"]
    );
    // None of them changes.
    let mut row = row.into_active_model();
    row.text = Set("text".to_owned());
    let row = row.update(&db).await.unwrap();
    assert_eq!(received(&mut clients).await, ["U1", "U1", "", "U1"]);
    // NULL leaves the group, and only that one.
    let mut row = row.into_active_model();
    row.queue_id = Set(None);
    row.update(&db).await.unwrap();
    assert_eq!(received(&mut clients).await, ["U1", "U1", "", "D1"]);

    let course = question::Column::CourseId;
    question::Entity::live_update_many()
        .col_expr(course, Expr::value(1))
        .filter(question::Column::Id.eq(4))
        .exec(&db)
        .await
        .unwrap();
    let moved = received(&mut clients).await;
    assert_eq!(moved, ["U4", "C4", "C4", ""]);
    question::Entity::live_delete_many()
        .filter(course.eq(1))
        .filter(question::Column::Id.gt(1))
        .exec(&db)
        .await
        .unwrap();
    let mut deleted = received(&mut clients).await;
    for text in &mut deleted {
        let mut words: Vec<_> = text.split(' ').collect();
        words.sort_unstable();
        *text = words.join(" ");
    }
    assert_eq!(deleted, ["D2 D3 D4", "D2 D3 D4", "D4", "D2"]);
}

async fn transaction_moves_a_row_once_for_each_write(engine: Engine) {
    let app = App::start_on(engine).await;
    let mut clients = follow(&app.live).await;
    let transaction = app.db().begin().await.unwrap();
    let row = question(1, 1, Some(7)).insert(&transaction).await.unwrap();
    let mut row = row.into_active_model();
    row.queue_id = Set(Some(8));
    row.update(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        received(&mut clients).await,
        ["C1 U1", "C1 U1", "C1 D1", "C1"]
    );
}

/// A bulk write whose rows are not known resets the subscribers of every group.
#[tokio::test]
async fn unknown_rows_reset_every_group() {
    let app = App::start().await;
    question(1, 1, Some(7)).insert(&app.db()).await.unwrap();
    let mut clients = follow(&app.live).await;
    let update = "UPDATE question SET queue_id = 8 WHERE id = 1";
    app.db().execute_unprepared(update).await.unwrap();
    for client in &mut clients {
        let frames = client.received().await;
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!(frames[0]["reason"], "bulk", "{frames:?}");
    }
}

/// Between two states a row may have been in another group of the same key.
#[tokio::test]
async fn resume_sees_where_the_row_is_now() {
    let app = App::start().await;
    // With a subscriber, the server dispatches every change at once.
    let mut clients = follow(&app.live).await;
    let db = app.db();
    question(1, 1, Some(7)).insert(&db).await.unwrap();
    let since = clients[0].receive_json().await["cursor"].clone();
    for queue in [Some(8), None, Some(7), Some(8)] {
        question(1, 1, queue).update(&db).await.unwrap();
    }
    received(&mut clients).await;
    for (group, action) in groups()
        .into_iter()
        .zip(["UPDATED", "UPDATED", "DELETED", "CREATED"])
    {
        let mut client = Client::connect(&app.live, ());
        let request = json!({"id": 1, "model": "school.Question", "group": group, "since": since});
        client.send_json(request).await;
        let frames = client.received().await;
        assert_eq!(frames[0]["recovered"], true, "{frames:?}");
        assert_eq!(frames[1]["action"], action, "{group}: {frames:?}");
        assert_eq!(frames[1]["group"], group);
        assert_eq!(frames.len(), 2, "{frames:?}");
    }
}

/// Sends a request, and returns the text of its error, if there is one.
async fn refused(client: &mut Client, request: Value) -> Option<String> {
    client.send_json(request).await;
    let frames = client.received().await;
    let error = frames.first().filter(|frame| frame["type"] == "error")?;
    Some(error["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn keys_are_limited_together() {
    let app = App::start_with(rest_live::Limits::default().max_key_bytes(3)).await;
    let mut client = Client::connect(&app.live, ());
    let locker = |floor| json!({"model": "it.Locker", "site": "ab", "floor": floor});
    assert_eq!(refused(&mut client, locker("c")).await, None);
    assert_eq!(
        refused(&mut client, locker("cd")).await.unwrap(),
        "`site` and `floor` of it.Locker must have at most 3 bytes together"
    );
}

#[tokio::test]
async fn errors_name_what_can_be_written() {
    let app = App::start().await;
    for (model, group, expected) in [
        (
            "school.Question",
            json!({"course_id": 1, "queue_id": null}),
            "no group has the value null: `queue_id` of school.Question must be an integer from -2147483648 to 2147483647",
        ),
        (
            "school.Question",
            json!({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}),
            "school.Question has no group with the keys \"a\", \"b\", \"c\", \"d\", …; its keys are: no key (all rows) or [course_id, queue_id] or course_id or pk",
        ),
        // The answers for models without such groups never change.
        (
            "it.Locker",
            json!({}),
            "a key is missing: `pk` or a group key",
        ),
        (
            "todolist.Task",
            json!({}),
            "a key is missing: `pk` or a group key",
        ),
        (
            "todolist.Nothing",
            json!({}),
            "a key is missing: `pk` or a group key",
        ),
        (
            "todolist.Task",
            json!({"pk": 1, "list_id": 1}),
            "subscribe by one key, not by both \"list_id\" and \"pk\"",
        ),
    ] {
        let mut request = json!({"model": model});
        let keys = group.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(keys);
        let mut client = Client::connect(&app.live, ());
        assert_eq!(refused(&mut client, request).await.unwrap(), expected);
    }
    // One of several values can be refused by itself only if the model has the group.
    for (model, error) in [
        ("school.Question", "malformed_json"),
        ("todolist.Task", "unknown_shape"),
    ] {
        let mut client = Client::connect(&app.live, ());
        let request = format!(r#"{{"model":"{model}","course_id":1e999,"queue_id":1}}"#);
        client.send_text(&request).await;
        assert_eq!(client.receive_json().await["error"], error);
    }
}

#[tokio::test]
async fn two_largest_groups_of_kwargs_are_refused() {
    let app = App::start().await;
    let mut client = Client::connect(&app.live, ());
    let list = |kwargs: Value| json!({"type": "subscribe", "id": 1, "action": "list", "view_kwargs": kwargs, "model": "it.Locker"});
    let both = list(json!({"site": "a", "floor": "b", "owner": "c"}));
    assert_eq!(
        refused(&mut client, both).await.unwrap(),
        "`view_kwargs` must contain exactly one group key of it.Locker ([site, floor] or [floor, owner]), but contain several"
    );
    let half = list(json!({"floor": "b"}));
    let message = refused(&mut client, half).await.unwrap();
    assert!(message.ends_with("but contain none"), "{message}");
    let one = list(json!({"floor": "b", "owner": "c"}));
    assert_eq!(refused(&mut client, one).await, None);
}
