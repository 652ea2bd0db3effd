//! Plays the golden frames of `protocol/plain.json`: what a client sends and receives, verbatim.

use sea_orm::{ActiveModelTrait, ActiveValue::Set};
use serde::Deserialize;

use crate::{
    entities::task,
    support::{App, Client},
};

#[derive(Deserialize)]
struct Scenario {
    name: String,
    #[expect(dead_code, reason = "for the reader of the file")]
    says: String,
    steps: Vec<Step>,
}

/// What happens next. Writes go through SeaORM and the application's live connection.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Sends what the server takes in without an answer.
    Request(String),
    /// Sends what is answered by the next step.
    Send(String),
    Receive(String),
    ReceiveError {
        code: u16,
        error: String,
        retry: bool,
    },
    ReceiveNothing,
    Insert(Task),
    Update(Task),
    Delete(i32),
}

#[derive(Deserialize)]
struct Task {
    id: i32,
    text: Option<String>,
    done: Option<bool>,
    list_id: Option<i32>,
}

impl Task {
    fn into_active_model(self) -> task::ActiveModel {
        task::ActiveModel {
            id: Set(self.id),
            text: self.text.map(Set).unwrap_or_default(),
            done: self.done.map(Set).unwrap_or_default(),
            list_id: self.list_id.map(Set).unwrap_or_default(),
        }
    }
}

#[tokio::test]
async fn the_plain_dialect_is_as_its_golden_frames() {
    let scenarios: Vec<Scenario> =
        serde_json::from_str(include_str!("../../protocol/plain.json")).unwrap();
    assert!(!scenarios.is_empty());
    for scenario in scenarios {
        eprintln!("{}", scenario.name);
        let app = App::start().await;
        let mut client = app.client().await;
        for step in scenario.steps {
            play(step, &app, &mut client).await;
        }
        app.assert_silent(&mut client).await;
    }
}

async fn play(step: Step, app: &App, client: &mut Client) {
    match step {
        // There is no acknowledgement, and the next write must not overtake the request.
        Step::Request(text) => client.subscribe(&text).await,
        Step::Send(text) => client.send(&text).await,
        Step::Receive(text) => client.expect(&text).await,
        Step::ReceiveError { code, error, retry } => client.expect_error(code, &error, retry).await,
        Step::ReceiveNothing => app.assert_silent(client).await,
        Step::Insert(task) => _ = task.into_active_model().insert(&app.db()).await.unwrap(),
        Step::Update(task) => _ = task.into_active_model().update(&app.db()).await.unwrap(),
        Step::Delete(id) => {
            task::ActiveModel {
                id: Set(id),
                ..Default::default()
            }
            .delete(&app.db())
            .await
            .unwrap();
        }
    }
}
