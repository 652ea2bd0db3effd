//! A model whose entity names its schema: all tenants find the same table.

use rest_live::subscribable;
use sea_orm::{ActiveValue::Set, entity::prelude::*};
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "country", schema_name = "public")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub text: String,
    pub list_id: i32,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

#[subscribable(entity = Entity, model = "tenants.Country")]
#[subscribable(group_key = "list_id")]
#[derive(Serialize)]
pub struct CountrySerializer {
    id: i32,
    text: String,
}

/// Returns a country of list 1.
pub fn country(id: i32, text: &str) -> ActiveModel {
    ActiveModel {
        id: Set(id),
        text: Set(text.to_owned()),
        list_id: Set(1),
    }
}
