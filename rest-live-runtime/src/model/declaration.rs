//! What `#[subscribable]` says of a serializer, in types: the macro emits data, and the generic
//! code here turns it into the erased form that the registry keeps.

use std::{any::TypeId, fmt, sync::Arc};

use sea_orm::{
    ColumnTrait, EntityName, EntityTrait, IdenStatic, Iterable, ModelTrait, PrimaryKeyToColumn,
    TryIntoModel,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    permission::{Authorization, Permission},
    row_json::Columns,
    table::Table,
};
use crate::data::{
    event::Row,
    key::{KeyKind, KeyValue, PK},
};

/// A serializer whose model clients can subscribe to. Implemented by `#[subscribable]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not subscribable",
    note = "write `#[subscribable]` above the serializer struct"
)]
pub trait Subscribable: Serialize + Sized + 'static {
    /// The entity whose rows it shows.
    type Entity: EntityTrait<Model: Sync, ActiveModel: TryIntoModel<<Self::Entity as EntityTrait>::Model>>;

    /// What the attributes say.
    const DECLARATION: Declaration<<Self::Entity as EntityTrait>::Column>;

    /// Returns the serializer of a row.
    fn from_row(row: &<Self::Entity as EntityTrait>::Model) -> Self;
}

/// A model whose saves and deletes are captured: its `ActiveModelBehavior` has rest-live's hooks.
/// Implemented by `#[subscribable]` and by `#[live]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no live hooks: its changes would reach nobody",
    label = "this model is not captured",
    note = "leave `hooks = false` out, or write `#[rest_live::live] impl ActiveModelBehavior for ActiveModel {{}}` where the entity is"
)]
pub trait LiveModel {}

/// Compiles only for an entity with live hooks.
#[doc(hidden)]
pub const fn assert_live<E: EntityTrait>()
where
    E::ActiveModel: LiveModel,
{
}

/// The stacked `#[subscribable]` attributes of one serializer.
#[derive(Debug)]
pub struct Declaration<C: 'static> {
    /// Name of the serializer struct.
    pub serializer: &'static str,
    /// `module_path!()` of the struct; its first segment is the application's label.
    pub module: &'static str,
    /// The model's label, where it was given.
    pub model: Option<&'static str>,
    /// Which of several serializers of one group is taken: the highest whose permission passes.
    pub rank: i32,
    /// `check_permission`, where it was given.
    pub check_permission: Option<fn() -> Permission>,
    /// The columns that stay in this process.
    pub secret: &'static [C],
    /// One for each attribute.
    pub groups: &'static [GroupDeclaration<C>],
}

/// One `#[subscribable]` attribute.
#[derive(Debug)]
pub struct GroupDeclaration<C: 'static> {
    /// The group key as written and its column; `None` is the primary key.
    pub group_key: Option<(&'static str, C)>,
    /// `authorize`, where it was given.
    pub authorize: Option<fn() -> Authorization>,
    /// Whether `public` was given.
    pub public: bool,
}

/// A serializer in the erased form, linked into the program by the macro or given to
/// [`LiveBuilder::register`](crate::LiveBuilder::register).
#[derive(Clone, Copy)]
pub struct Registration(fn() -> Described);

inventory::collect!(Registration);

impl Registration {
    /// Returns the registration of a serializer.
    pub const fn of<S: Subscribable>() -> Self {
        Self(describe::<S>)
    }

    pub(crate) fn describe(self) -> Described {
        (self.0)()
    }

    /// Returns the registrations that are linked into this program, in no order.
    pub(crate) fn linked() -> impl Iterator<Item = Self> {
        inventory::iter::<Self>().copied()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.describe().serializer.name)
    }
}

/// Reads a group's value from a row: `None` where the column is NULL.
pub(crate) type ReadKey = Arc<dyn Fn(&Row) -> Option<KeyValue> + Send + Sync>;

/// Turns a row into its payload.
type Serialise = fn(&Row) -> Result<Box<RawValue>, serde_json::Error>;

/// A serializer, erased.
#[derive(Clone)]
pub(crate) struct Serializer {
    /// The struct, with its module, for errors and logs.
    pub(crate) name: Arc<str>,
    pub(crate) rank: i32,
    /// Who may see a row by it; everybody where there is none.
    pub(crate) permission: Option<Permission>,
    pub(crate) serialise: Serialise,
}

/// All that the registry needs to know of one serializer.
pub(crate) struct Described {
    pub(crate) serializer: Serializer,
    /// Which `Subscribable` it is: the same one may be linked and registered.
    pub(crate) type_id: TypeId,
    pub(crate) label: String,
    pub(crate) entity: TypeId,
    /// What the primary key can hold; `Err` with its type where it cannot be a key.
    pub(crate) pk_kind: Result<KeyKind, String>,
    /// The names of its columns in JSON, which are the model's fields'.
    pub(crate) pk_columns: Vec<&'static str>,
    pub(crate) read_pk: ReadKey,
    pub(crate) table: Table,
    pub(crate) columns: Columns,
    pub(crate) secret: Vec<&'static str>,
    pub(crate) groups: Vec<DescribedGroup>,
}

/// One group key of a serializer.
pub(crate) struct DescribedGroup {
    pub(crate) key: &'static str,
    /// What the column can hold; `Err` with its type where it cannot be a key.
    pub(crate) kind: Result<KeyKind, String>,
    /// The name of the column whose change moves a row to another group: none of the primary key.
    pub(crate) column: Option<&'static str>,
    pub(crate) read: ReadKey,
    pub(crate) authorize: Option<Authorization>,
    pub(crate) public: bool,
}

fn describe<S: Subscribable>() -> Described {
    let declaration = S::DECLARATION;
    let (pk_kind, read_pk) = primary_key::<S::Entity>();
    let groups = declaration.groups.iter().map(|group| {
        let (authorize, public) = (group.authorize.map(|authorize| authorize()), group.public);
        match group.group_key {
            None => DescribedGroup {
                key: PK,
                kind: pk_kind.clone(),
                column: None,
                read: Arc::clone(&read_pk),
                authorize,
                public,
            },
            Some((key, column)) => DescribedGroup {
                key,
                kind: column_kind(&column),
                column: match <S::Entity as EntityTrait>::PrimaryKey::from_column(column) {
                    None => Some(column.as_str()),
                    Some(_) => None,
                },
                read: Arc::new(move |row| {
                    KeyValue::from_column(row_of::<S::Entity>(row)?.get(column))
                }),
                authorize,
                public,
            },
        }
    });
    Described {
        serializer: Serializer {
            name: format!("{}::{}", declaration.module, declaration.serializer).into(),
            rank: declaration.rank,
            permission: declaration.check_permission.map(|check| check()),
            serialise: |row| match row_of::<S::Entity>(row) {
                Some(row) => serde_json::value::to_raw_value(&S::from_row(row)),
                None => Err(serde::ser::Error::custom("the row is of another model")),
            },
        },
        type_id: TypeId::of::<S>(),
        label: match declaration.model {
            Some(label) => label.to_owned(),
            None => default_label(declaration.module, S::Entity::default().table_name()),
        },
        entity: TypeId::of::<S::Entity>(),
        groups: groups.collect(),
        pk_kind,
        pk_columns: pk_columns::<S::Entity>().map(|c| c.json_key()).collect(),
        read_pk,
        table: Table::of::<S::Entity>(),
        columns: Columns::of::<S::Entity>(),
        secret: declaration.secret.iter().map(IdenStatic::as_str).collect(),
    }
}

fn row_of<E: EntityTrait<Model: Sync>>(row: &Row) -> Option<&E::Model> {
    row.downcast()
}

fn column_kind<C: ColumnTrait>(column: &C) -> Result<KeyKind, String> {
    let def = column.def();
    let column_type = def.get_column_type();
    KeyKind::of(column_type).ok_or_else(|| format!("`{}` is {column_type:?}", column.as_str()))
}

fn pk_columns<E: EntityTrait>() -> impl Iterator<Item = E::Column> {
    E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column)
}

fn primary_key<E: EntityTrait<Model: Sync>>() -> (Result<KeyKind, String>, ReadKey) {
    let columns: Vec<E::Column> = pk_columns::<E>().collect();
    let kinds: Result<Vec<_>, _> = columns.iter().map(column_kind).collect();
    match columns[..] {
        [column] => (
            kinds.map(|mut kinds| kinds.remove(0)),
            Arc::new(move |row| KeyValue::from_column(row_of::<E>(row)?.get(column))),
        ),
        _ => (
            kinds.map(|kinds| KeyKind::Composite(kinds.into())),
            Arc::new(move |row| {
                let row = row_of::<E>(row)?;
                columns
                    .iter()
                    .map(|c| KeyValue::from_column(row.get(*c)))
                    .collect::<Option<_>>()
                    .map(KeyValue::Composite)
            }),
        ),
    }
}

/// `todolist::task` and `task` give `todolist.Task`.
fn default_label(module: &str, table: &str) -> String {
    let application = module.split("::").next().unwrap_or(module);
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
    fn a_label_is_the_crate_and_the_table_in_pascal_case() {
        assert_eq!(
            default_label("todolist::entities::task", "task"),
            "todolist.Task"
        );
        assert_eq!(default_label("shop", "order_line"), "shop.OrderLine");
        assert_eq!(default_label("shop", "OrderLine"), "shop.OrderLine");
    }
}
