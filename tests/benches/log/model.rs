//! The table that the benches write: once as an entity of rest-live, and once as a plain SeaORM
//! entity. Also the requests and the broadcasts of its lists.

macro_rules! model {
    ($name:ident, $($own:item)*) => {
        pub mod $name {
            use sea_orm::{
                ActiveValue::{NotSet, Set},
                Schema, TransactionSession, TransactionTrait,
                entity::prelude::*,
            };

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = "task")]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub text: String,
                pub done: bool,
                pub list_id: i32,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            $($own)*

            /// Creates the table.
            pub async fn create(db: &DatabaseConnection) {
                let schema = Schema::new(db.get_database_backend());
                let mut table = schema.create_table_from_entity(Entity);
                db.execute(table.if_not_exists()).await.unwrap();
            }

            /// Returns a row of a list. Without an id, the database assigns one.
            pub fn row(id: Option<i32>, list_id: i32) -> ActiveModel {
                ActiveModel {
                    id: id.map_or(NotSet, Set),
                    text: Set("a text of ordinary length, such as somebody writes".to_owned()),
                    done: Set(false),
                    list_id: Set(list_id),
                }
            }

            pub async fn insert<C: ConnectionTrait>(db: &C, list_id: i32) -> Result<(), DbErr> {
                row(None, list_id).insert(db).await.map(drop)
            }

            pub async fn update<C: ConnectionTrait>(db: &C, id: i32, n: u32) -> Result<(), DbErr> {
                let changed = ActiveModel {
                    id: Set(id),
                    text: Set(format!("version {n} of a text of ordinary length")),
                    ..Default::default()
                };
                changed.update(db).await.map(drop)
            }

            /// Updates in a transaction.
            pub async fn transact<C>(db: &C, id: i32, n: u32) -> Result<(), DbErr>
            where
                C: ConnectionTrait + TransactionTrait,
            {
                let transaction = db.begin().await?;
                update(&transaction, id, n).await?;
                transaction.commit().await
            }
        }
    };
}

model! { plain,
    impl ActiveModelBehavior for ActiveModel {}
}

model! { live,
    #[rest_live::subscribable(model = "bench.Task", entity = Entity)]
    #[rest_live::subscribable(group_key = "list_id")]
    #[derive(serde::Serialize)]
    pub struct TaskSerializer {
        id: i32,
        text: String,
        done: bool,
    }
}

/// Returns the subscribe request for a list.
pub fn subscribe(id: usize, list: i32, since: Option<&str>) -> String {
    let since = since.map_or(String::new(), |since| format!(r#","since":"{since}""#));
    format!(r#"{{"id":{id},"model":"bench.Task","group":{{"list_id":{list}}}{since}}}"#)
}

/// The beginning of the answer to a subscribe request. The id of the request follows.
pub const SUBSCRIBED: &str = r#"{"type":"subscribed","id":"#;

/// The beginning of the frame that ends a unit.
pub const UNIT_END: &str = r#"{"type":"unit""#;

/// The beginning of each broadcast. The list follows.
pub const BROADCAST: &str = r#"{"type":"broadcast","model":"bench.Task","group":{"list_id":"#;

/// Reads the list and the row of a broadcast with this action. `None`: the text is something else.
pub fn parse_broadcast(text: &str, action: &str) -> Option<(i32, i32)> {
    let (list, rest) = parse_number(text.strip_prefix(BROADCAST)?)?;
    let rest = rest.strip_prefix(r#"},"action":""#)?.strip_prefix(action)?;
    let (id, _) = parse_number(rest.strip_prefix(r#"","payload":{"id":"#)?)?;
    Some((list, id))
}

/// Reads the number at the beginning of a text, and returns it with the text after it.
pub fn parse_number(text: &str) -> Option<(i32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, &text[end..]))
}
