//! Random writes, applied to the database and to a model of it in memory.

use std::collections::BTreeMap;

use proptest::{option, prelude::*};
use sea_orm::ConnectionTrait;

use crate::entities::{Patch, Table, Values, document, notice, task};

/// All rows of all tables.
pub type Rows = BTreeMap<(Table, i32), Values>;

/// One write to one row.
#[derive(Clone, Debug)]
pub struct Write {
    pub table: Table,
    pub id: i32,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Insert(Values),
    Update(Patch),
    Delete,
}

/// The change that a write made to a row.
#[derive(Clone, Debug)]
pub struct Change {
    pub table: Table,
    pub id: i32,
    pub old: Option<Values>,
    pub new: Option<Values>,
}

impl Write {
    /// Returns the write with a mark at the start of the text that it sets.
    pub fn with_mark(&self, mark: &str) -> Self {
        let mut write = self.clone();
        let text = match &mut write.kind {
            Kind::Insert(row) => Some(&mut row.text),
            Kind::Update(patch) => patch.text.as_mut(),
            Kind::Delete => None,
        };
        if let Some(text) = text {
            text.insert_str(0, mark);
        }
        write
    }

    /// Applies the write to the database and to the rows in memory. Returns the change, if any.
    pub async fn apply(&self, db: &impl ConnectionTrait, rows: &mut Rows) -> Option<Change> {
        macro_rules! on_table {
            ($function:ident($($argument:expr),*)) => {
                match self.table {
                    Table::Notice => notice::$function(db, self.id, $($argument),*).await,
                    Table::Document => document::$function(db, self.id, $($argument),*).await,
                    Table::Task => task::$function(db, self.id, $($argument),*).await,
                }
            };
        }
        let key = (self.table, self.id);
        let old = rows.get(&key).cloned();
        let new = match (&self.kind, &old) {
            (Kind::Insert(row), None) => {
                on_table!(insert(row));
                Some(row.clone())
            }
            (Kind::Update(patch), Some(old)) => {
                on_table!(update(patch));
                if patch.sets_nothing() {
                    return None;
                }
                Some(patch.applied_to(old))
            }
            (Kind::Delete, _) => {
                // Also deletes a row that does not exist.
                on_table!(delete());
                None
            }
            _ => return None,
        };
        match &new {
            Some(row) => _ = rows.insert(key, row.clone()),
            None => _ = rows.remove(&key),
        }
        (old.is_some() || new.is_some()).then_some(Change {
            table: self.table,
            id: self.id,
            old,
            new,
        })
    }
}

impl Patch {
    fn sets_nothing(&self) -> bool {
        matches!(
            self,
            Self {
                text: None,
                list_id: None,
                owner: None,
                level: None
            }
        )
    }

    fn applied_to(&self, row: &Values) -> Values {
        Values {
            text: self.text.clone().unwrap_or_else(|| row.text.clone()),
            list_id: self.list_id.unwrap_or(row.list_id),
            owner: self.owner.unwrap_or(row.owner),
            level: self.level.unwrap_or(row.level),
        }
    }
}

pub fn tables() -> impl Strategy<Value = Table> {
    prop::sample::select(&Table::ALL[..])
}

/// Few rows and few groups, so that writes and subscriptions often concern the same ones.
pub fn ids() -> impl Strategy<Value = i32> {
    1..=3
}

pub fn lists() -> impl Strategy<Value = i32> {
    1..=2
}

pub fn levels() -> impl Strategy<Value = i32> {
    0..=3
}

pub fn writes() -> impl Strategy<Value = Write> {
    let texts = || "[a-z]{0,4}";
    let owners = || 1..=2;
    let values = (texts(), option::of(lists()), owners(), levels());
    let values = values.prop_map(|(text, list_id, owner, level)| Values {
        text,
        list_id,
        owner,
        level,
    });
    let patches = (
        option::of(texts()),
        option::of(option::of(lists())),
        option::of(owners()),
        option::of(levels()),
    );
    let patches = patches.prop_map(|(text, list_id, owner, level)| Patch {
        text,
        list_id,
        owner,
        level,
    });
    let kinds = prop_oneof![
        3 => values.prop_map(Kind::Insert),
        5 => patches.prop_map(Kind::Update),
        2 => Just(Kind::Delete),
    ];
    (tables(), ids(), kinds).prop_map(|(table, id, kind)| Write { table, id, kind })
}
