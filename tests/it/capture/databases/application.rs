//! An application on each engine, with a model for each kind of key.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, IntoActiveModel, ModelTrait, prelude::Uuid};

use super::TEXT;
use crate::{
    entities::{badge, device, note, seat, ticket},
    support::{App, Engine},
};

/// Each table uses the column types of the engine.
pub async fn an_application_runs(engine: Engine) {
    let app = App::start_on(engine).await;
    assert_eq!(app.database.engine(), engine);
    let mut client = app.client().await;
    for request in [
        r#"{"model":"todolist.Task","list_id":1}"#,
        r#"{"model":"it.StickyNote","topic":"food"}"#,
        r#"{"model":"it.Device","site":1}"#,
        r#"{"model":"it.Seat","hall":"A"}"#,
        r#"{"model":"it.Badge","colour":"red"}"#,
        r#"{"model":"it.Ticket","state":"open"}"#,
    ] {
        client.subscribe(request).await;
    }
    let db = app.db();

    let task = app.insert_task(1, TEXT, 1).await;
    client
        .expect(&format!(r#"{{"model":"todolist.Task","payload":{{"id":1,"text":"{TEXT}","done":false}},"action":"CREATED"}}"#))
        .await;
    let mut task = task.into_active_model();
    task.list_id = Set(2);
    let task = task.update(&db).await.unwrap();
    client
        .expect(&format!(r#"{{"model":"todolist.Task","payload":{{"id":1,"text":"{TEXT}","done":false}},"action":"DELETED"}}"#))
        .await;
    task.delete(&db).await.unwrap();

    let note = note::ActiveModel {
        name: Set("shopping".to_owned()),
        body: Set("milk".to_owned()),
        topic: Set(Some("food".to_owned())),
    };
    note.insert(&db).await.unwrap();
    client
        .expect(r#"{"model":"it.StickyNote","payload":{"name":"shopping","body":"milk","topic":"food"},"action":"CREATED"}"#)
        .await;
    let device = device::ActiveModel {
        id: Set(Uuid::from_u128(7)),
        site: Set(1),
        active: Set(true),
    };
    device.insert(&db).await.unwrap();
    client
        .expect(r#"{"model":"it.Device","payload":{"id":"00000000-0000-0000-0000-000000000007","site":1},"action":"CREATED"}"#)
        .await;
    let seat = seat::ActiveModel {
        hall: Set("A".to_owned()),
        number: Set(1),
        guest: Set(None),
    };
    let mut seat = seat.insert(&db).await.unwrap().into_active_model();
    client
        .expect(r#"{"model":"it.Seat","payload":{"hall":"A","number":1,"guest":null},"action":"CREATED"}"#)
        .await;
    seat.guest = Set(Some("Ada".to_owned()));
    seat.update(&db).await.unwrap();
    client
        .expect(r#"{"model":"it.Seat","payload":{"hall":"A","number":1,"guest":"Ada"},"action":"UPDATED"}"#)
        .await;
    let badge = badge::ActiveModel {
        id_2: Set(9_007_199_254_740_993),
        colour: Set("red".to_owned()),
    };
    badge.insert(&db).await.unwrap();
    client
        .expect(r#"{"model":"it.Badge","payload":{"id_2":"9007199254740993","colour":"red"},"action":"CREATED"}"#)
        .await;
    let ticket = ticket::ActiveModel {
        id: Set(1),
        state: Set(ticket::State::Open),
    };
    let ticket = ticket.insert(&db).await.unwrap();
    client
        .expect(r#"{"model":"it.Ticket","payload":{"id":1},"action":"CREATED"}"#)
        .await;
    ticket.delete(&db).await.unwrap();
    client
        .expect(r#"{"model":"it.Ticket","payload":{"id":1},"action":"DELETED"}"#)
        .await;
    app.assert_silent(&mut client).await;
}
