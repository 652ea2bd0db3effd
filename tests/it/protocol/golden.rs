//! Plays the golden frames of `protocol/*.json`: what a client sends and receives, verbatim.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, TransactionTrait};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    entities::{post, question, task},
    support::{App, Client, Dialect, Template},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    name: String,
    #[expect(dead_code, reason = "for the reader of the file")]
    says: String,
    subprotocol: Option<String>,
    /// Whether the connection has no user until the client authenticates.
    #[serde(default)]
    without_user: bool,
    steps: Vec<Step>,
}

/// One step of a scenario. Writes go through SeaORM and the application's live connection.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Sends a request that the server does not answer.
    Request(String),
    /// Sends a request whose answer is the next step.
    Send(String),
    Receive(String),
    ReceiveError(Error),
    ReceiveNothing,
    ReceiveClose(u16),
    Insert(Task),
    Update(Task),
    Delete(i32),
    InsertPost(Post),
    UpdatePost(Post),
    InsertQuestion(Question),
    UpdateQuestion(Question),
    DeleteQuestion(i32),
    /// Writes rows in one transaction.
    Transaction(Vec<Write>),
    Shutdown,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Write {
    Insert(Task),
    Update(Task),
    Delete(i32),
}

impl Write {
    async fn perform(self, db: &impl ConnectionTrait) {
        match self {
            Self::Insert(task) => _ = task.into_active_model().insert(db).await.unwrap(),
            Self::Update(task) => _ = task.into_active_model().update(db).await.unwrap(),
            Self::Delete(id) => {
                let task = task::ActiveModel {
                    id: Set(id),
                    ..Default::default()
                };
                task.delete(db).await.unwrap();
            }
        }
    }
}

/// An error frame has these keys in this order, with the message after `error`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Error {
    id: Option<Box<RawValue>>,
    code: u16,
    error: Option<String>,
    retry: Option<bool>,
    model: Option<String>,
    group: Option<Box<RawValue>>,
}

impl Error {
    fn into_template(self) -> String {
        let mut template = r#"{"type":"error""#.to_owned();
        if let Some(id) = self.id {
            template += &format!(r#","id":{id}"#);
        }
        template += &format!(r#","code":{}"#, self.code);
        if let Some(error) = self.error {
            template += &format!(r#","error":"{error}""#);
        }
        template += r#","message":"<message>""#;
        if let Some(retry) = self.retry {
            template += &format!(r#","retry":{retry}"#);
        }
        if let Some(model) = self.model {
            template += &format!(r#","model":"{model}""#);
        }
        if let Some(group) = self.group {
            template += &format!(r#","group":{group}"#);
        }
        template + "}"
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A row of the model that has a filter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Post {
    id: i32,
    text: Option<String>,
    blog_id: Option<i32>,
    published: Option<bool>,
    deleted: Option<bool>,
}

impl Post {
    fn into_active_model(self) -> post::ActiveModel {
        post::ActiveModel {
            id: Set(self.id),
            text: self.text.map(Set).unwrap_or_default(),
            blog_id: self.blog_id.map(Set).unwrap_or_default(),
            published: self.published.map(Set).unwrap_or_default(),
            deleted: self.deleted.map(Set).unwrap_or_default(),
        }
    }
}

/// The course and the queue are the columns of its groups. Without a queue, it is in no group of
/// both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    id: i32,
    text: Option<String>,
    course_id: Option<i32>,
    #[serde(default, deserialize_with = "some")]
    queue_id: Option<Option<i32>>,
}

/// Reads a value that is given, which may be null.
fn some<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<i32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Question {
    fn into_active_model(self) -> question::ActiveModel {
        question::ActiveModel {
            id: Set(self.id),
            text: self.text.map(Set).unwrap_or_default(),
            course_id: self.course_id.map(Set).unwrap_or_default(),
            queue_id: self.queue_id.map(Set).unwrap_or_default(),
        }
    }
}

#[tokio::test]
async fn plain_matches_its_golden_frames() {
    play_all(
        include_str!("../../../protocol/plain.json"),
        Dialect::Plain,
        16,
    )
    .await;
}

#[tokio::test]
async fn v1_matches_its_golden_frames() {
    play_all(include_str!("../../../protocol/v1.json"), Dialect::V1, 23).await;
}

#[tokio::test]
async fn v0_7_matches_its_golden_frames() {
    play_all(
        include_str!("../../../protocol/v0_7.json"),
        Dialect::V0_7,
        17,
    )
    .await;
}

/// Plays the scenarios of a file, which all end in one dialect. The file has `at_least` so many.
async fn play_all(file: &str, dialect: Dialect, at_least: usize) {
    let scenarios: Vec<Scenario> = serde_json::from_str(file).unwrap();
    assert!(scenarios.len() >= at_least, "{}", scenarios.len());
    for scenario in scenarios {
        eprintln!("{}", scenario.name);
        let app = App::start().await;
        let client = match &scenario.subprotocol {
            Some(subprotocol) => app.client_of(subprotocol).await,
            None if scenario.without_user => app.client_without_user().await,
            None => app.client().await,
        };
        let mut player = Player {
            app,
            client,
            dialect,
            template: Template::default(),
            is_closed: false,
        };
        for step in scenario.steps {
            player.play(step).await;
        }
        if !player.is_closed {
            player.receive_nothing().await;
        }
    }
}

struct Player {
    app: App,
    client: Client,
    dialect: Dialect,
    template: Template,
    is_closed: bool,
}

impl Player {
    async fn play(&mut self, step: Step) {
        let Self { app, client, .. } = self;
        match step {
            // There is no acknowledgement, and the next write must not overtake the request.
            Step::Request(text) => client.subscribe(&self.template.fill(&text)).await,
            Step::Send(text) => client.send(&self.template.fill(&text)).await,
            Step::Receive(text) => self.template.assert(&text, &client.text().await),
            Step::ReceiveError(error) => self
                .template
                .assert(&error.into_template(), &client.text().await),
            Step::ReceiveNothing => self.receive_nothing().await,
            Step::ReceiveClose(code) => {
                assert_eq!(client.closed().await.0, code);
                self.is_closed = true;
            }
            Step::Insert(task) => Write::Insert(task).perform(&app.db()).await,
            Step::Update(task) => Write::Update(task).perform(&app.db()).await,
            Step::Delete(id) => Write::Delete(id).perform(&app.db()).await,
            Step::Transaction(writes) => {
                let transaction = app.db().begin().await.unwrap();
                for write in writes {
                    write.perform(&transaction).await;
                }
                transaction.commit().await.unwrap();
            }
            Step::InsertPost(post) => _ = post.into_active_model().insert(&app.db()).await.unwrap(),
            Step::UpdatePost(post) => _ = post.into_active_model().update(&app.db()).await.unwrap(),
            Step::InsertQuestion(question) => {
                let question = question.into_active_model();
                question.insert(&app.db()).await.unwrap();
            }
            Step::UpdateQuestion(question) => {
                let question = question.into_active_model();
                question.update(&app.db()).await.unwrap();
            }
            Step::DeleteQuestion(id) => {
                let question = question::ActiveModel {
                    id: Set(id),
                    ..Default::default()
                };
                question.delete(&app.db()).await.unwrap();
            }
            Step::Shutdown => {
                let live = app.live.clone();
                tokio::spawn(async move { live.shutdown().await });
            }
        }
    }

    async fn receive_nothing(&mut self) {
        let Self { app, client, .. } = self;
        app.assert_silent_in(self.dialect, client).await;
    }
}
