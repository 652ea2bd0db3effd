//! The type-erased description of a serializer, which the registry stores.
//!
//! [`describe`] is the only generic code between a declaration and the registry.

use std::{any::TypeId, sync::Arc};

use sea_orm::{
    ColumnTrait, EntityName, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn,
};
use serde_json::value::RawValue;

use super::{
    columns::ShownFields,
    declaration::{GroupColumn, GroupKey, Subscribable},
    filter::Filter,
    key_column::{WrongKey, column_kind, with_choices},
    permission::{Authorization, Permission},
    row_json::RowCodec,
    table::Table,
};
use crate::data::{
    event::Row,
    key::{KeyKind, KeyValue, PK},
};

/// Reads the value of a key from a row. Returns `None` if a column of the key is NULL.
pub(crate) type ReadKey = Arc<dyn Fn(&Row) -> Option<KeyValue> + Send + Sync>;

/// Serializes a row as a payload.
type SerializeFn = fn(&Row) -> Result<Box<RawValue>, serde_json::Error>;

/// A type-erased serializer.
#[derive(Clone)]
pub(crate) struct Serializer {
    /// The path of the struct, for errors and logs.
    pub(crate) name: Arc<str>,
    pub(crate) rank: i32,
    /// Decides which users may see a row; `None` if all may.
    pub(crate) permission: Option<Permission>,
    /// Decides which rows are shown at all; `None` if all are.
    pub(crate) filter: Option<Filter>,
    pub(crate) serialize: SerializeFn,
}

/// Everything that the registry needs to know about one serializer.
pub(crate) struct SerializerDescription {
    pub(crate) serializer: Serializer,
    /// Identifies the `Subscribable`, because the same one can be linked and also registered.
    pub(crate) type_id: TypeId,
    pub(crate) label: String,
    pub(crate) entity: TypeId,
    /// The kind of the primary key, or why a column of it cannot be a key.
    pub(crate) pk_kind: Result<KeyKind, WrongKey>,
    /// The names of the primary key's columns in JSON, which are those of the model's fields.
    pub(crate) pk_columns: Vec<&'static str>,
    pub(crate) read_pk: ReadKey,
    pub(crate) table: Table,
    pub(crate) codec: RowCodec,
    pub(crate) secret: Vec<&'static str>,
    /// The fields that it shows; `None` if it may show any.
    pub(crate) fields: Option<ShownFields>,
    pub(crate) groups: Vec<GroupDescription>,
}

/// One group key of a serializer.
pub(crate) struct GroupDescription {
    /// The names of its keys, as clients write them; none for the group of all rows.
    pub(crate) names: Arc<[&'static str]>,
    /// The kind of the value: that of the only key, or a composite of the kinds of all keys. An
    /// error says why a column cannot be a key.
    pub(crate) kind: Result<KeyKind, WrongKey>,
    /// The columns whose change moves a row to another group. Those of the primary key are not
    /// among them.
    pub(crate) columns: Vec<&'static str>,
    pub(crate) read: ReadKey,
    pub(crate) authorize: Option<Authorization>,
    pub(crate) public: bool,
}

/// Describes a serializer.
pub(super) fn describe<S: Subscribable>() -> SerializerDescription {
    let declaration = S::DECLARATION;
    let (pk_kind, read_pk) = primary_key::<S::Entity>();
    let groups = declaration.groups.iter().map(|group| {
        let (authorize, public) = (group.authorize.map(|authorize| authorize()), group.public);
        match group.group_key {
            GroupKey::PrimaryKey { choices } => GroupDescription {
                names: [PK].into(),
                kind: pk_kind.clone().map(|kind| with_choices(kind, choices)),
                columns: Vec::new(),
                read: Arc::clone(&read_pk),
                authorize,
                public,
            },
            GroupKey::Columns(columns) => GroupDescription {
                names: columns.iter().map(|column| column.name).collect(),
                kind: group_kind::<S::Entity>(columns),
                columns: columns
                    .iter()
                    .filter(|column| !is_primary_key::<S::Entity>(column.column))
                    .map(|column| column.column.as_str())
                    .collect(),
                read: read_columns::<S::Entity>(columns.iter().map(|c| c.column).collect()),
                authorize,
                public,
            },
        }
    });
    SerializerDescription {
        serializer: Serializer {
            name: format!("{}::{}", declaration.module, declaration.serializer).into(),
            rank: declaration.rank,
            permission: declaration.check_permission.map(|check| check()),
            filter: declaration.filter.map(|filter| filter()),
            serialize: |row| match downcast::<S::Entity>(row) {
                Some(row) => serde_json::value::to_raw_value(&S::from_row(row)),
                None => Err(serde::ser::Error::custom("the row is of another model")),
            },
        },
        type_id: TypeId::of::<S>(),
        label: match declaration.model {
            Some(label) => label.to_owned(),
            None => {
                let application = application(S::PACKAGE, declaration.module);
                default_label(&application, S::Entity::default().table_name())
            }
        },
        entity: TypeId::of::<S::Entity>(),
        fields: S::FIELDS.map(|fields| Arc::new(fields) as ShownFields),
        groups: groups.collect(),
        pk_kind,
        pk_columns: pk_columns::<S::Entity>().map(|c| c.json_key()).collect(),
        read_pk,
        table: Table::of::<S::Entity>(),
        codec: RowCodec::of::<S::Entity>(),
        secret: declaration.secret.iter().map(IdenStatic::as_str).collect(),
    }
}

fn downcast<E: EntityTrait<Model: Sync>>(row: &Row) -> Option<&E::Model> {
    row.downcast()
}

fn pk_columns<E: EntityTrait>() -> impl Iterator<Item = E::Column> {
    E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column)
}

fn is_primary_key<E: EntityTrait>(column: E::Column) -> bool {
    E::PrimaryKey::from_column(column).is_some()
}

fn primary_key<E: EntityTrait<Model: Sync>>() -> (Result<KeyKind, WrongKey>, ReadKey) {
    let columns: Vec<E::Column> = pk_columns::<E>().collect();
    let kinds: Result<_, _> = columns.iter().copied().map(column_kind::<E>).collect();
    (kinds.map(single_or_composite), read_columns::<E>(columns))
}

/// Returns the kind of the value of a group key.
fn group_kind<E: EntityTrait>(columns: &[GroupColumn<E::Column>]) -> Result<KeyKind, WrongKey> {
    let kind = |column: &GroupColumn<E::Column>| {
        column_kind::<E>(column.column).map(|kind| with_choices(kind, column.choices))
    };
    let kinds: Result<_, _> = columns.iter().map(kind).collect();
    kinds.map(single_or_composite)
}

fn single_or_composite(mut kinds: Vec<KeyKind>) -> KeyKind {
    match kinds.len() {
        1 => kinds.remove(0),
        _ => KeyKind::Composite(kinds.into()),
    }
}

/// Returns the function that reads these columns: the value of the only one, or a composite of the
/// values of all.
fn read_columns<E: EntityTrait<Model: Sync>>(columns: Vec<E::Column>) -> ReadKey {
    match columns[..] {
        [] => {
            let value = KeyValue::Composite([].into());
            Arc::new(move |row| downcast::<E>(row).map(|_| value.clone()))
        }
        [column] => Arc::new(move |row| KeyValue::from_column(downcast::<E>(row)?.get(column))),
        _ => Arc::new(move |row| {
            let row = downcast::<E>(row)?;
            columns
                .iter()
                .map(|c| KeyValue::from_column(row.get(*c)))
                .collect::<Option<_>>()
                .map(KeyValue::Composite)
        }),
    }
}

/// Returns the application's part of a default label: the package of a program, or the library.
fn application(package: Option<&str>, module: &str) -> String {
    match package {
        Some(package) => package.replace(|c: char| !c.is_alphanumeric(), "_"),
        None => module.split("::").next().unwrap_or(module).to_owned(),
    }
}

/// Returns the default label of a model: `todolist.Task` for the application `todolist` and the
/// table `task`.
fn default_label(application: &str, table: &str) -> String {
    let mut label = format!("{application}.");
    for word in table.split(|c: char| !c.is_alphanumeric()) {
        let mut chars = word.chars();
        label.extend(
            chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(chars),
        );
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_label_is_application_and_table() {
        assert_eq!(application(None, "todolist::entities::task"), "todolist");
        assert_eq!(application(Some("todo-list"), "worker::task"), "todo_list");
        assert_eq!(default_label("todolist", "task"), "todolist.Task");
        assert_eq!(default_label("shop", "order_line"), "shop.OrderLine");
        assert_eq!(default_label("shop", "OrderLine"), "shop.OrderLine");
    }
}
