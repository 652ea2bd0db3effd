//! The dialect of django-rest-live 0.7 beyond its golden frames: keys of every kind, resets.

use rest_live::{
    Live,
    log::{Cursor, Epoch},
    transport::Outgoing,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde_json::{Value, json};

use crate::{
    entities::{badge, note, seat},
    support::{App, Dialect, ScriptedLog, database, soon},
};

#[tokio::test]
async fn keys_of_every_kind_name_a_row() {
    let app = App::start().await;
    let note = |body: &str| note::ActiveModel {
        name: Set("ünï \"quoted\"".to_owned()),
        body: Set(body.to_owned()),
        topic: Set(None),
    };
    let seat = |guest: Option<&str>| seat::ActiveModel {
        hall: Set("red".to_owned()),
        number: Set(7),
        guest: Set(guest.map(str::to_owned)),
    };
    note("").insert(&app.db()).await.unwrap();
    seat(None).insert(&app.db()).await.unwrap();

    let mut client = app.client().await;
    for request in [
        r#"{"type":"subscribe","id":0,"action":"retrieve","lookup_by":["red",7],"view_kwargs":{},"query_params":{},"model":"it.Seat"}"#,
        r#"{"type":"subscribe","id":1,"action":"retrieve","lookup_by":"ünï \"quoted\"","view_kwargs":{},"query_params":{},"model":"it.StickyNote"}"#,
    ] {
        client.subscribe(request).await;
    }
    for (wrong, code) in [
        (r#"["red",8]"#, 404),
        (r#"["red"]"#, 400),
        (r#""red""#, 400),
    ] {
        let request = format!(
            r#"{{"type":"subscribe","id":2,"action":"retrieve","lookup_by":{wrong},"view_kwargs":{{}},"query_params":{{}},"model":"it.Seat"}}"#
        );
        client.send(&request).await;
        let error = client.json().await;
        assert_eq!((&error["id"], &error["code"]), (&json!(2), &json!(code)));
    }
    seat(Some("Ada")).update(&app.db()).await.unwrap();
    client.expect(r#"{"type":"broadcast","id":0,"model":"it.Seat","action":"UPDATED","instance":{"hall":"red","number":7,"guest":"Ada"}}"#).await;
    note("b").update(&app.db()).await.unwrap();
    client.expect(r#"{"type":"broadcast","id":1,"model":"it.StickyNote","action":"UPDATED","instance":{"name":"ünï \"quoted\"","body":"b","topic":null}}"#).await;
    seat(None).delete(&app.db()).await.unwrap();
    client.expect(r#"{"type":"broadcast","id":0,"model":"it.Seat","action":"DELETED","instance":{"pk":["red",7],"hall":"red","number":7}}"#).await;
    note("").delete(&app.db()).await.unwrap();
    client.expect(r#"{"type":"broadcast","id":1,"model":"it.StickyNote","action":"DELETED","instance":{"pk":"ünï \"quoted\"","name":"ünï \"quoted\""}}"#).await;
    app.assert_silent_in(Dialect::V0_7, &mut client).await;
}

/// The client finds its row by the key that REST returned. The key has the name of the field,
/// whatever the name of the column, and the type that the serializer gives it.
#[tokio::test]
async fn deleted_row_has_its_key_as_in_rest() {
    let app = App::start().await;
    let mut client = app.client().await;
    client
        .subscribe(r#"{"type":"subscribe","id":0,"action":"list","view_kwargs":{"colour":"red"},"query_params":{},"model":"it.Badge"}"#)
        .await;
    let badge = badge::ActiveModel {
        id_2: Set(9_007_199_254_740_993),
        colour: Set("red".to_owned()),
    };
    badge.clone().insert(&app.db()).await.unwrap();
    client.expect(r#"{"type":"broadcast","id":0,"model":"it.Badge","action":"CREATED","instance":{"id_2":"9007199254740993","colour":"red"}}"#).await;
    badge.delete(&app.db()).await.unwrap();
    client.expect(r#"{"type":"broadcast","id":0,"model":"it.Badge","action":"DELETED","instance":{"pk":"9007199254740993","id_2":"9007199254740993"}}"#).await;
}

#[tokio::test]
async fn reset_names_each_model_once() {
    let (db, _database) = database().await;
    let start = Cursor {
        epoch: Epoch::random(),
        position: 7,
    };
    let log = ScriptedLog::new(start.clone());
    let live = Live::builder(db).log(log.clone()).build().unwrap();
    let session = live.connect(());
    for request in [
        r#"{"type":"subscribe","id":0,"action":"list","view_kwargs":{"list_id":1},"model":"todolist.Task"}"#,
        r#"{"type":"subscribe","id":1,"action":"list","view_kwargs":{"list_id":2},"model":"todolist.Task"}"#,
        r#"{"type":"subscribe","id":2,"action":"list","view_kwargs":{"site":1},"model":"it.Device"}"#,
    ] {
        session.receive(request).await;
    }
    log.lose_up_to(&Cursor {
        position: 20,
        ..start
    });
    let Outgoing::Frames(frames) = soon("the resets", session.outgoing()).await else {
        panic!("the session was closed");
    };
    let mut models: Vec<_> = frames
        .iter()
        .map(|frame| {
            let mut frame: Value = serde_json::from_str(frame.as_str()).unwrap();
            let (message, model) = (frame["message"].take(), frame["model"].take());
            assert!(message.is_string(), "{message}");
            assert_eq!(
                frame,
                json!({"type": "error", "code": 410, "error": "reset", "message": null, "retry": true, "model": null})
            );
            model.as_str().unwrap().to_owned()
        })
        .collect();
    models.sort();
    assert_eq!(models, ["it.Device", "todolist.Task"]);
}
