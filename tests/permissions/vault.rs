//! The application of most tests in this binary: secrets in folders, and notes whose permission and
//! serializer fail on demand.

use rest_live::{Limits, Live, LiveBuilder, LiveConnection, subscribable, testing::Client};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, DatabaseConnection,
    DerivePartialModel, EntityTrait, Schema,
};
use serde::Serialize;
use serde_json::{Value, json};

/// A user.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub name: &'static str,
}

pub fn ada() -> Person {
    Person { name: "ada" }
}

pub fn bob() -> Person {
    Person { name: "bob" }
}

pub mod secret {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "secret")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        pub owner: String,
        pub folder_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

/// Which person may open which folder.
pub mod reader {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "reader")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub folder_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        pub list_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

pub mod permissions {
    use sea_orm::DbErr;
    use tokio::sync::Semaphore;

    use super::*;

    pub fn owns(person: &Person, secret: &secret::Model) -> bool {
        person.name == secret.owner
    }

    /// Looks the reader up in the table. Some folders have special results: errors, panics, delays.
    pub async fn may_open(
        person: &Person,
        folder_id: i32,
        db: &DatabaseConnection,
    ) -> Result<bool, DbErr> {
        match folder_id {
            500 => return Err(DbErr::Custom("the password is swordfish".to_owned())),
            501 => panic!("the password is swordfish"),
            502 => std::future::pending().await,
            _ => {}
        }
        let key = (folder_id, person.name.to_owned());
        let may = reader::Entity::find_by_id(key).one(db).await?.is_some();
        if folder_id == 503 {
            CALL_STARTED.add_permits(1);
            CALL_MAY_END.acquire().await.unwrap().forget();
        }
        Ok(may)
    }

    /// A permit for each call about folder 503 that waits for `CALL_MAY_END`.
    pub static CALL_STARTED: Semaphore = Semaphore::const_new(0);
    pub static CALL_MAY_END: Semaphore = Semaphore::const_new(0);

    pub fn panics_for_bob(person: &Person, note: &note::Model) -> bool {
        assert!(
            person.name != "bob" || !note.text.contains("unfair"),
            "this permission panics on purpose"
        );
        true
    }
}

#[subscribable(model = "vault.Secret", check_permission = permissions::owns, public)]
#[subscribable(group_key = "owner", public)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "secret::Entity")]
pub struct SecretSerializer {
    id: i32,
    text: String,
}

/// What every reader of a folder sees of its secrets.
#[subscribable(model = "vault.Secret", group_key = "folder_id", authorize = permissions::may_open, rank = -1, hooks = false)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "secret::Entity")]
pub struct TitleSerializer {
    id: i32,
}

#[subscribable(model = "vault.Note")]
#[subscribable(group_key = "list_id", check_permission = permissions::panics_for_bob)]
#[derive(Serialize, DerivePartialModel)]
#[sea_orm(entity = "note::Entity")]
pub struct NoteSerializer {
    id: i32,
    #[serde(serialize_with = "panics_on_poison")]
    text: String,
}

fn panics_on_poison<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    assert!(text != "poison", "this serializer panics on purpose");
    match text {
        "refused" => Err(serde::ser::Error::custom("the password is swordfish")),
        text => serializer.serialize_str(text),
    }
}

pub struct Vault {
    pub live: Live<Person>,
}

impl Vault {
    pub async fn open() -> Self {
        Self::with(|limits| limits).await
    }

    pub async fn with(change: impl FnOnce(Limits) -> Limits) -> Self {
        let limits = change(Limits::default());
        Self::build(|builder| builder.limits(limits)).await
    }

    pub async fn build(set: impl FnOnce(LiveBuilder<Person>) -> LiveBuilder<Person>) -> Self {
        let builder = Live::<Person>::builder(database().await)
            .discover(false)
            .user_key(|person| Some(person.name.to_owned()))
            .register::<SecretSerializer>()
            .register::<TitleSerializer>()
            .register::<NoteSerializer>();
        let live = set(builder).build().unwrap();
        Self { live }
    }

    pub fn db(&self) -> LiveConnection {
        self.live.db()
    }

    pub fn client(&self, person: Person) -> Client<Person> {
        Client::connect(&self.live, person)
    }

    pub async fn admit(&self, folder_id: i32, person: &Person) {
        let reader = reader::ActiveModel {
            folder_id: Set(folder_id),
            name: Set(person.name.to_owned()),
        };
        reader.insert(&self.db()).await.unwrap();
    }

    pub async fn expel(&self, folder_id: i32, person: &Person) {
        reader::Entity::delete_by_id((folder_id, person.name.to_owned()))
            .exec(&self.db())
            .await
            .unwrap();
    }

    pub async fn insert_secret(&self, id: i32, owner: &Person, folder_id: i32) -> secret::Model {
        let secret = secret::ActiveModel {
            id: Set(id),
            text: Set(format!("secret {id}")),
            owner: Set(owner.name.to_owned()),
            folder_id: Set(folder_id),
        };
        secret.insert(&self.db()).await.unwrap()
    }

    pub async fn insert_note(&self, id: i32, text: &str) -> note::Model {
        let note = note::ActiveModel {
            id: Set(id),
            text: Set(text.to_owned()),
            list_id: Set(1),
        };
        note.insert(&self.db()).await.unwrap()
    }
}

/// Opens a database with the tables.
async fn database() -> DatabaseConnection {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    create(&db, secret::Entity).await;
    create(&db, reader::Entity).await;
    create(&db, note::Entity).await;
    db
}

async fn create<E: EntityTrait>(db: &DatabaseConnection, entity: E) {
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(entity))
        .await
        .unwrap();
}

/// Returns a subscribe request in v1.
pub fn subscribe(id: i32, model: &str, group: Value) -> Value {
    let mut request = json!({"type": "subscribe", "id": id, "model": model});
    request["group"] = group;
    request
}

pub fn folder(id: i32, folder_id: i32) -> Value {
    subscribe(id, "vault.Secret", json!({ "folder_id": folder_id }))
}

/// Sends a subscribe request, and asserts that the server accepts it.
pub async fn expect_subscribed(client: &mut Client<Person>, request: Value) {
    let id = request["id"].clone();
    client.send_json(request).await;
    let answer = client.receive_json().await;
    assert_eq!(
        (&answer["type"], &answer["id"]),
        (&json!("subscribed"), &id)
    );
}

/// Sends a request, asserts that the answer is an error, and returns its code and name.
pub async fn expect_error(client: &mut Client<Person>, request: Value) -> (u64, String) {
    client.send_json(request).await;
    let answer = client.receive_text().await;
    assert!(!answer.contains("swordfish"), "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["type"], "error");
    (
        answer["code"].as_u64().unwrap(),
        answer["error"].as_str().unwrap().to_owned(),
    )
}
