//! The entity of the rows that the writers contend for. It is written without the usual derive
//! macro, because two of its columns are saved as expressions: see [`Column::save_as`].

use rest_live::subscribable;
use sea_orm::{
    DerivePartialModel, Value,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait},
};
use serde::{Deserialize, Serialize};

/// A value that stands for a number that only the database knows.
pub const BY_DATABASE: i64 = -1;

#[derive(Clone, Copy, Debug, Default, DeriveEntity)]
pub struct Entity;

impl EntityName for Entity {
    fn table_name(&self) -> &'static str {
        "card"
    }
}

#[derive(Clone, Debug, PartialEq, Eq, DeriveModel, DeriveActiveModel, Deserialize)]
pub struct Model {
    pub id: i32,
    pub list_id: i32,
    pub text: String,
    /// Grows with each insert of the key: a deleted row may be inserted again.
    pub born: i64,
    /// Grows with each update, until the row is deleted.
    pub version: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveColumn)]
pub enum Column {
    Id,
    ListId,
    Text,
    Born,
    Version,
}

#[derive(Clone, Copy, Debug, EnumIter, DerivePrimaryKey)]
pub enum PrimaryKey {
    Id,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl PrimaryKeyTrait for PrimaryKey {
    type ValueType = i32;

    fn auto_increment() -> bool {
        true
    }
}

impl ColumnTrait for Column {
    type EntityName = Entity;

    fn def(&self) -> ColumnDef {
        match self {
            Self::Id | Self::ListId => ColumnType::Integer.def(),
            Self::Text => ColumnType::String(StringLen::N(60)).def(),
            Self::Born | Self::Version => ColumnType::BigInteger.def().default(0),
        }
    }

    /// Writes an expression in place of [`BY_DATABASE`], because SeaORM's models can only hold
    /// values.
    fn save_as(&self, value: Expr) -> Expr {
        match (self, &value) {
            (Self::Born, Expr::Value(Value::BigInt(Some(BY_DATABASE)))) => {
                Expr::cust("(SELECT n + 1 FROM births)")
            }
            (Self::Version, Expr::Value(Value::BigInt(Some(BY_DATABASE)))) => {
                Expr::col(Self::Version).add(1)
            }
            _ => value,
        }
    }
}

impl Model {
    /// Returns numbers that grow in the order in which the writes of a key took effect.
    pub fn age(&self) -> (i64, i64) {
        (self.born, self.version)
    }
}

#[subscribable(model = "converge.Card")]
#[subscribable(group_key = "list_id")]
#[derive(Clone, Debug, Serialize, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub struct CardSerializer {
    pub id: i32,
    pub list_id: i32,
    pub text: String,
    pub born: i64,
    pub version: i64,
}
