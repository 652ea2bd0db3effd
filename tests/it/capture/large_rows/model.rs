//! A table with large columns, its serializers, and a log that shows the rows of its events.

use std::sync::{Arc, Mutex};

use futures_util::{future::BoxFuture, stream::BoxStream};
use rest_live::log::{Cursor, Entry, EventLog, LogError, MemoryLog, ReadError, Record, Tail};
use rest_live::subscribable;
use sea_orm::{ActiveValue::Set, Schema, entity::prelude::*};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{Engine, TestDatabase, database_of};

pub const TEXT: &str = "a text that stands for 500 KB";

pub mod page {
    use super::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "page")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub book_id: i32,
        /// A group key that is a text.
        pub key: String,
        pub title: String,
        #[sea_orm(column_type = "Text")]
        pub body: String,
        #[sea_orm(column_name = "the draft", column_type = "Text", nullable)]
        pub draft: Option<String>,
        pub cover: Vec<u8>,
        pub meta: Json,
        pub thumbnail: Option<Vec<u8>>,
        pub extra: Option<Json>,
        pub likes: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

/// Shows none of the large columns.
#[subscribable(model = "it.Page", entity = page::Entity, rank = 1)]
#[subscribable(group_key = "book_id")]
#[subscribable(group_key = "key", public)]
#[derive(Serialize)]
pub struct Titled {
    id: i32,
    title: String,
}

#[subscribable(model = "it.Page", entity = page::Entity, rank = 2, hooks = false)]
#[subscribable(group_key = "book_id")]
#[derive(Serialize)]
pub struct Drafted {
    draft: Option<String>,
}

#[subscribable(model = "it.Page", entity = page::Entity, rank = 3, hooks = false)]
#[subscribable(group_key = "book_id")]
#[derive(Serialize)]
pub struct Whole {
    id: i32,
    title: String,
    body: String,
    draft: Option<String>,
    cover: Vec<u8>,
    meta: Json,
}

#[subscribable(model = "it.Page", entity = page::Entity, rank = 4, hooks = false)]
#[subscribable(group_key = "book_id", check_permission = is_not_hidden)]
#[derive(Serialize)]
pub struct Judged {
    title: String,
}

fn is_not_hidden((): &(), page: &page::Model) -> bool {
    page.body != "hidden"
}

#[subscribable(model = "it.Page", entity = page::Entity, rank = 5, hooks = false)]
#[subscribable(group_key = "book_id", from_model = false)]
#[derive(Serialize)]
pub struct Own {
    letters: usize,
}

impl From<&page::Model> for Own {
    fn from(page: &page::Model) -> Self {
        Self {
            letters: page.body.len(),
        }
    }
}

/// Returns a new page of a book.
pub fn pages(id: i32, book_id: i32) -> page::ActiveModel {
    page::ActiveModel {
        id: Set(id),
        book_id: Set(book_id),
        key: Set(format!("key {id}")),
        title: Set("one".to_owned()),
        body: Set(TEXT.to_owned()),
        draft: Set(Some(TEXT.to_owned())),
        cover: Set(TEXT.as_bytes().to_vec()),
        meta: Set(json!({"a": [TEXT]})),
        thumbnail: Set(Some(TEXT.as_bytes().to_vec())),
        extra: Set(Some(json!(TEXT))),
        likes: Set(7),
    }
}

pub async fn database(engine: Engine) -> (DatabaseConnection, TestDatabase) {
    let (db, database) = database_of(engine).await;
    let schema = Schema::new(db.get_database_backend());
    let table = schema.create_table_from_entity(page::Entity);
    db.execute(&table).await.unwrap();
    (db, database)
}

/// A log in memory that remembers the rows of all events.
#[derive(Clone, Debug, Default)]
pub struct RowLog {
    log: MemoryLog,
    rows: Arc<Mutex<Vec<page::Model>>>,
}

impl RowLog {
    pub fn rows(&self) -> Vec<page::Model> {
        self.rows.lock().unwrap().clone()
    }
}

impl EventLog for RowLog {
    fn append(&self, events: Vec<Record>) -> BoxFuture<'_, Result<(), LogError>> {
        let changes = events.iter().filter_map(|record| record.event().as_row());
        let rows = changes.flat_map(|change| change.old.iter().chain(&change.new));
        let pages = rows.map(|row| row.downcast::<page::Model>().unwrap().clone());
        self.rows.lock().unwrap().extend(pages);
        self.log.append(events)
    }

    fn tail(&self) -> BoxStream<'static, Tail> {
        self.log.tail()
    }

    fn head(&self) -> BoxFuture<'_, Result<Cursor, LogError>> {
        self.log.head()
    }

    fn read(&self, after: Cursor, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        self.log.read(after, limit)
    }

    fn known_head(&self) -> Option<Cursor> {
        self.log.known_head()
    }

    fn set_memory_budget(&self, bytes: usize) {
        self.log.set_memory_budget(bytes);
    }
}

/// Returns what a serializer of `Value` gives, for comparisons.
pub fn value(shown: impl Serialize) -> Value {
    serde_json::to_value(shown).unwrap()
}
