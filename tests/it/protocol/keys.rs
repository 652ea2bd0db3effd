//! Keys of every kind: strings, UUIDs, composite ones, nullable groups.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, prelude::Uuid};

use crate::{
    entities::{device, note, seat, ticket},
    support::App,
};

#[tokio::test]
async fn string_is_a_key() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"it.StickyNote","pk":"ünï \"quoted\""}"#)
        .await;
    client
        .subscribe(r#"{"model":"it.StickyNote","pk":"1"}"#)
        .await;
    client.send(r#"{"model":"it.StickyNote","pk":1}"#).await;
    client.expect_error(400, "bad_value", false).await;
    for name in ["ünï \"quoted\"", "1", "other"] {
        let note = note::ActiveModel {
            name: Set(name.to_owned()),
            body: Set(String::new()),
            topic: Set(None),
        };
        note.insert(&app.db()).await.unwrap();
    }
    assert_eq!(client.json().await["payload"]["name"], "ünï \"quoted\"");
    assert_eq!(client.json().await["payload"]["name"], "1");
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn row_with_a_null_group_is_in_no_group() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .send(r#"{"model":"it.StickyNote","topic":null}"#)
        .await;
    client.expect_error(400, "bad_value", false).await;
    client
        .subscribe(r#"{"model":"it.StickyNote","topic":"a"}"#)
        .await;

    let note = |topic: Option<&str>| note::ActiveModel {
        name: Set("n".to_owned()),
        body: Set("b".to_owned()),
        topic: Set(topic.map(str::to_owned)),
    };
    note(None).insert(&app.db()).await.unwrap();
    note(Some("a")).update(&app.db()).await.unwrap();
    client.expect(r#"{"model":"it.StickyNote","payload":{"name":"n","body":"b","topic":"a"},"action":"CREATED"}"#).await;
    note(None).update(&app.db()).await.unwrap();
    client.expect(r#"{"model":"it.StickyNote","payload":{"name":"n","body":"b","topic":"a"},"action":"DELETED"}"#).await;
    note(None).delete(&app.db()).await.unwrap();
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn uuid_is_a_key_in_each_of_its_forms() {
    let app = App::start().await;
    let id: Uuid = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap();
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"it.Device","pk":"67E5504410B1426F9247BB680E5FE0C8"}"#)
        .await;
    client
        .subscribe(r#"{"model":"it.Device","site":9007199254740993}"#)
        .await;
    client
        .subscribe(r#"{"model":"it.Device","active":true}"#)
        .await;
    client.send(r#"{"model":"it.Device","pk":7}"#).await;
    client.expect_error(400, "bad_value", false).await;
    device::ActiveModel {
        id: Set(id),
        site: Set(9_007_199_254_740_993),
        active: Set(true),
    }
    .insert(&app.db())
    .await
    .unwrap();
    for _ in ["by pk", "by site", "by active"] {
        client
            .expect(r#"{"model":"it.Device","payload":{"id":"67e55044-10b1-426f-9247-bb680e5fe0c8","site":9007199254740993},"action":"CREATED"}"#)
            .await;
    }
    // 2^53 is another group, although both are the same number in JavaScript.
    device::ActiveModel {
        id: Set(Uuid::nil()),
        site: Set(9_007_199_254_740_992),
        active: Set(false),
    }
    .insert(&app.db())
    .await
    .unwrap();
    app.assert_silent(&mut client).await;
}

#[tokio::test]
async fn composite_key_is_an_array_in_column_order() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"it.Seat","pk":["red",7]}"#)
        .await;
    for wrong in [
        r#"["red"]"#,
        r#"[7,"red"]"#,
        r#""red""#,
        r#"{"hall":"red","number":7}"#,
    ] {
        client
            .send(&format!(r#"{{"model":"it.Seat","pk":{wrong}}}"#))
            .await;
        client.expect_error(400, "bad_value", false).await;
    }
    let seat = |hall: &str, number| seat::ActiveModel {
        hall: Set(hall.to_owned()),
        number: Set(number),
        guest: Set(None),
    };
    seat("red", 8).insert(&app.db()).await.unwrap();
    seat("red", 7).insert(&app.db()).await.unwrap();
    client.expect(r#"{"model":"it.Seat","payload":{"hall":"red","number":7,"guest":null},"action":"CREATED"}"#).await;
    let guest = seat::ActiveModel {
        guest: Set(Some("Ada".to_owned())),
        ..seat("red", 7)
    };
    guest.update(&app.db()).await.unwrap();
    client.expect(r#"{"model":"it.Seat","payload":{"hall":"red","number":7,"guest":"Ada"},"action":"UPDATED"}"#).await;
    seat("red", 7).delete(&app.db()).await.unwrap();
    client.expect(r#"{"model":"it.Seat","payload":{"hall":"red","number":7,"guest":"Ada"},"action":"DELETED"}"#).await;
}

#[tokio::test]
async fn enumeration_is_a_key_by_its_values() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"model":"it.Ticket","state":"open"}"#)
        .await;
    client.send(r#"{"model":"it.Ticket","state":"ajar"}"#).await;
    client.expect_error(400, "bad_value", false).await;
    let ticket = |state| ticket::ActiveModel {
        id: Set(1),
        state: Set(state),
    };
    ticket(ticket::State::Open).insert(&app.db()).await.unwrap();
    assert_eq!(client.json().await["action"], "CREATED");
    ticket(ticket::State::Shut).update(&app.db()).await.unwrap();
    assert_eq!(client.json().await["action"], "DELETED");
}
