//! The groups that a client can subscribe to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    clients::Dialect,
    entities::{Table, User, Values, may_open_all, may_open_level},
    writes::Rows,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Row(i32),
    List(i32),
    /// The rows of a list that have a level.
    Level(i32, i32),
    All,
}

impl Group {
    /// Returns whether the row belongs to the group, for a user who may see the row.
    pub fn has(self, id: i32, row: &Values) -> bool {
        match self {
            Self::Row(key) => key == id,
            Self::List(list) => row.list_id == Some(list),
            Self::Level(list, level) => row.list_id == Some(list) && row.level == level,
            Self::All => true,
        }
    }

    /// Returns the keys of the group, and their values.
    pub fn keys(self) -> Value {
        match self {
            Self::Row(id) => json!({"pk": id}),
            Self::List(list) => json!({"list_id": list}),
            Self::Level(list, level) => json!({"list_id": list, "level": level}),
            Self::All => json!({}),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// `null` in the plain dialect.
    pub id: Value,
    pub table: Table,
    pub group: Group,
}

impl Subscription {
    /// Returns whether `authorize` grants the subscription.
    pub fn is_allowed(&self, user: User) -> bool {
        match (self.table, self.group) {
            (Table::Document, Group::Level(_, level)) => may_open_level(user, level),
            (Table::Document, Group::All) => may_open_all(user),
            _ => true,
        }
    }

    pub fn request(&self, dialect: Dialect) -> Value {
        let (id, model, keys) = (&self.id, self.table.label(), self.group.keys());
        match (dialect, self.group) {
            (Dialect::Plain, _) => {
                let mut request = keys;
                request["model"] = model.into();
                request
            }
            (Dialect::V1, _) => json!({"id": id, "model": model, "group": keys}),
            (Dialect::V0_7, Group::Row(pk)) => json!({
                "type": "subscribe", "id": id, "action": "retrieve", "lookup_by": pk, "model": model,
                "view_kwargs": {}, "query_params": {},
            }),
            (Dialect::V0_7, _) => json!({
                "type": "subscribe", "id": id, "action": "list", "model": model,
                "view_kwargs": keys, "query_params": {},
            }),
        }
    }

    /// Returns the part of a frame that names its subscription, as far as the dialect does that.
    pub fn frame_key(&self, dialect: Dialect) -> String {
        let model = json!(self.table.label());
        match dialect {
            Dialect::Plain => model.to_string(),
            Dialect::V1 => format!("{model}{}", self.group.keys()),
            Dialect::V0_7 => format!("{model}{}", self.id),
        }
    }

    /// Returns the rows that a GET for the subscription returns.
    pub fn get(&self, user: User, rows: &Rows) -> BTreeMap<i32, Value> {
        let rows = rows
            .iter()
            .filter(|((table, id), row)| *table == self.table && self.group.has(*id, row));
        let payloads =
            rows.filter_map(|((table, id), row)| Some((*id, table.payload_for(user, *id, row)?)));
        payloads.collect()
    }
}

/// Returns what a frame says about its subscription: see [`Subscription::frame_key`].
pub fn frame_key(frame: &Value, dialect: Dialect) -> String {
    match dialect {
        Dialect::Plain => frame["model"].to_string(),
        Dialect::V1 => format!("{}{}", frame["model"], frame["group"]),
        Dialect::V0_7 => format!("{}{}", frame["model"], frame["id"]),
    }
}
