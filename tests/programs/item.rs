//! What two programs of this package share by `mod`: a model, its serializer and a `Live`.

use std::env;

use rest_live::{Live, subscribable};
use rest_live_redis::RedisLog;
use sea_orm::{ConnectionTrait, Database, Schema, entity::prelude::*};
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "shared_item")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

#[subscribable(entity = Entity)]
#[derive(Serialize)]
pub(crate) struct ItemSerializer {
    id: i32,
}

/// Opens the database and the log that the test names.
pub(crate) async fn live() -> Live {
    let db = Database::connect(env::var("DATABASE_URL").expect("a database")).await;
    let db = db.expect("a database");
    let schema = Schema::new(db.get_database_backend());
    let mut table = schema.create_table_from_entity(Entity);
    db.execute(table.if_not_exists()).await.expect("a table");
    let log = RedisLog::connect(&env::var("REDIS_URL").expect("a log")).await;
    let live = Live::builder(db).log(log.expect("a log"));
    live.build().expect("a live application")
}
