//! Every type of column: the payload that a client receives is, byte for byte, what the serializer
//! makes of the row that SeaORM loads, on every database, through every log and through triggers.

mod mariadb;
mod postgres;
mod refused;
mod sqlite;
mod triggers;
mod undecodable;

use rest_live::{Live, Subscribable, log::EventLog, testing::Client};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ConnectionTrait, DatabaseConnection, EntityTrait,
    IntoActiveModel,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::support::{Engine, Redis, TestDatabase};

/// Declares the only serializer of an entity. It shows the whole model. Its registration is not
/// linked in, because the other tests need not know it.
macro_rules! serializer {
    ($name:ident, $model:literal, $entity:ident $(, $key:literal: $column:ident)?) => {
        #[derive(serde::Serialize)]
        #[serde(transparent)]
        pub struct $name($entity::Model);

        impl rest_live::Subscribable for $name {
            type Entity = $entity::Entity;
            const DECLARATION: rest_live::__private::Declaration<$entity::Column> =
                rest_live::__private::Declaration {
                    serializer: stringify!($name),
                    module: module_path!(),
                    model: Some($model),
                    rank: 0,
                    check_permission: None,
                    filter: None,
                    secret: &[],
                    groups: &[
                        rest_live::__private::GroupDeclaration {
                            group_key: rest_live::__private::GroupKey::PrimaryKey { choices: || None },
                            authorize: None,
                            public: false,
                        },
                        $(rest_live::__private::GroupDeclaration {
                            group_key: rest_live::__private::GroupKey::Columns(&[
                                rest_live::__private::GroupColumn {
                                    name: $key,
                                    column: $entity::Column::$column,
                                    choices: || None,
                                },
                            ]),
                            authorize: None,
                            public: false,
                        },)?
                    ],
                };

            fn from_row(model: &$entity::Model) -> Self {
                Self(model.clone())
            }
        }
    };
}
use serializer;

/// Serializes a type of SeaORM that has no `Serialize`.
fn debug<T: std::fmt::Debug, S: serde::Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:?}"))
}

/// A table with a column of each type. Each column has one or more values, as SQL. The first
/// columns are `id` and `version`.
struct Table {
    definitions: &'static str,
    columns: &'static [(&'static str, &'static [&'static str])],
}

impl Table {
    /// Returns how many rows it takes to try every value.
    fn rows(&self) -> i32 {
        let counts = self.columns.iter().map(|(_, values)| values.len());
        counts.max().unwrap() as i32
    }

    async fn create(&self, db: &DatabaseConnection) {
        for sql in self.definitions.split(";\n") {
            db.execute_unprepared(sql).await.unwrap();
        }
    }

    /// Returns the statement that inserts the row with this id. The row after the last one repeats
    /// the first values.
    fn insert(&self, id: i32) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let values: Vec<&str> = self
            .columns
            .iter()
            .map(|(_, values)| values[(id - 1) as usize % values.len()])
            .collect();
        format!(
            "INSERT INTO sample (id, version, {}) VALUES ({id}, 1, {})",
            names.join(", "),
            values.join(", ")
        )
    }
}

#[derive(Deserialize)]
struct Frame<'a> {
    action: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

/// Returns a client that follows a row.
async fn follow(live: &Live, model: &str, id: i32) -> Client {
    let mut client = Client::connect(live, ());
    client
        .send_json(json!({"id": 1, "model": model, "group": {"pk": id}}))
        .await;
    assert_eq!(client.receive_json().await["type"], "subscribed");
    client
}

/// Asserts that the next frame has this action and exactly this payload.
async fn expect(client: &mut Client, what: &str, action: &str, payload: &str) {
    let text = client.receive_text().await;
    let frame: Frame<'_> = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {text}"));
    assert_eq!(frame.action, action, "{what}");
    if frame.payload.get() != payload {
        let parse = |text| -> serde_json::Map<String, serde_json::Value> {
            serde_json::from_str(text).unwrap()
        };
        let (received, expected) = (parse(frame.payload.get()), parse(payload));
        for (name, value) in &expected {
            let received = received.get(name).unwrap_or(&serde_json::Value::Null);
            assert_eq!(received, value, "{what}: {name}");
        }
        assert_eq!(frame.payload.get(), payload, "{what}");
    }
}

/// Returns what the serializer makes of a row that SeaORM loads now.
async fn loaded<S>(db: &DatabaseConnection, id: i32) -> String
where
    S: Subscribable,
    <S::Entity as EntityTrait>::PrimaryKey:
        sea_orm::PrimaryKeyTrait<ValueType: From<i32> + Send + Sync>,
{
    let model = S::Entity::find_by_id(id).one(db).await.unwrap().unwrap();
    serde_json::to_string(&S::from_row(&model)).unwrap()
}

/// Updates every row through a log, then deletes it, and compares each payload.
async fn compare<S, A>(
    what: &str,
    db: &DatabaseConnection,
    log: impl EventLog,
    table: &Table,
    touch: fn(i32, i32) -> A,
) where
    S: Subscribable<Entity = A::Entity>,
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    <S::Entity as EntityTrait>::PrimaryKey:
        sea_orm::PrimaryKeyTrait<ValueType: From<i32> + Send + Sync>,
{
    let live: Live = Live::builder(db.clone())
        .discover(false)
        .register::<S>()
        .log(log)
        .build()
        .unwrap();
    for id in 1..=table.rows() {
        let what = format!("{what}, row {id}");
        db.execute_unprepared("DELETE FROM sample").await.unwrap();
        db.execute_unprepared(&table.insert(id)).await.unwrap();
        let mut client = follow(&live, "it.Sample", id).await;
        touch(id, 2).update(&live.db()).await.unwrap();
        let payload = loaded::<S>(db, id).await;
        expect(&mut client, &what, "UPDATED", &payload).await;
        S::Entity::delete_by_id(id).exec(&live.db()).await.unwrap();
        expect(&mut client, &what, "DELETED", &payload).await;
    }
    live.shutdown().await;
}

/// Starts a database with the table, and a Redis.
async fn start(engine: Engine, table: &Table) -> (DatabaseConnection, TestDatabase, Redis) {
    let database = TestDatabase::start(engine).await;
    let db = database.connect().await;
    table.create(&db).await;
    (db, database, Redis::start().await)
}
