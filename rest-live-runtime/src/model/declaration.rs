//! The data that `#[subscribable]` and `#[live]` generate: what a serializer declares, and which
//! models have hooks.
//!
//! The macros emit only data and one-line calls. [`description`](super::description) turns a
//! declaration into the type-erased form for the registry.

use sea_orm::{EntityTrait, TryIntoModel, Value};
use serde::Serialize;

use super::{
    filter::Filter,
    permission::{Authorization, Permission},
};

/// A serializer whose model clients can subscribe to. `#[subscribable]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not subscribable",
    note = "write `#[subscribable]` above the serializer struct"
)]
pub trait Subscribable: Serialize + Sized + 'static {
    /// The entity whose rows the serializer shows.
    type Entity: EntityTrait<Model: Sync, ActiveModel: TryIntoModel<<Self::Entity as EntityTrait>::Model>>;

    /// The package of the program that contains the serializer; `None` in a library. The name of a
    /// program is not part of a label, so that the programs of a package share their labels.
    #[doc(hidden)]
    const PACKAGE: Option<&'static str> = None;

    /// The arguments of the attributes.
    const DECLARATION: Declaration<<Self::Entity as EntityTrait>::Column>;

    /// The fields of the model that [`from_row`](Self::from_row) reads, or `None` if it may read
    /// all of them. rest-live drops large columns that nothing reads.
    const FIELDS: Option<&'static [ShownField<<Self::Entity as EntityTrait>::Model>]> = None;

    /// Creates the serializer of a row.
    fn from_row(row: &<Self::Entity as EntityTrait>::Model) -> Self;
}

/// A model whose saves and deletes are captured, because its `ActiveModelBehavior` has rest-live's
/// hooks. `#[subscribable]` and `#[live]` implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no live hooks: no client would receive its changes",
    label = "this model is not captured",
    note = "remove `hooks = false`, or write `#[rest_live::live] impl ActiveModelBehavior for ActiveModel {{}}` next to the entity"
)]
pub trait LiveModel {}

/// A field of a model that a serializer reads.
#[derive(Debug)]
pub struct ShownField<M: 'static> {
    /// The name of the field.
    pub name: &'static str,
    /// Returns how many bytes its value takes on the heap, `None` if its type is not known.
    pub heap_bytes: fn(&M) -> Option<usize>,
}

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
    /// The name of the serializer struct.
    pub serializer: &'static str,
    /// The `module_path!()` of the struct. In a library, its first segment is the application's
    /// part of the label.
    pub module: &'static str,
    /// The model's label, if it is given.
    pub model: Option<&'static str>,
    /// The priority among the serializers of one group: the highest whose filter and permission
    /// pass is used.
    pub rank: i32,
    /// `check_permission`, if it is given.
    pub check_permission: Option<fn() -> Permission>,
    /// `filter`, if it is given.
    pub filter: Option<fn() -> Filter>,
    /// The columns that must not leave this process.
    pub secret: &'static [C],
    /// The groups, one for each attribute.
    pub groups: &'static [GroupDeclaration<C>],
}

/// One `#[subscribable]` attribute.
#[derive(Debug)]
pub struct GroupDeclaration<C: 'static> {
    /// What a client selects a group by.
    pub group_key: GroupKey<C>,
    /// `authorize`, if it is given.
    pub authorize: Option<fn() -> Authorization>,
    /// Whether `public` is given.
    pub public: bool,
}

/// What a client selects a group of rows by.
#[derive(Debug)]
pub enum GroupKey<C: 'static> {
    /// The primary key.
    PrimaryKey {
        /// Returns the values of the key, if its type is an enumeration.
        choices: fn() -> Option<Vec<Value>>,
    },
    /// The columns of a `group_key`, in the order in which they are written. No column stands for
    /// `all`: one group of all rows.
    Columns(&'static [GroupColumn<C>]),
}

/// A column of a group key.
#[derive(Debug)]
pub struct GroupColumn<C: 'static> {
    /// The name of the column's field in the model, which clients write.
    pub name: &'static str,
    /// The column.
    pub column: C,
    /// Returns the values of the column, if its type in the model is an enumeration.
    pub choices: fn() -> Option<Vec<Value>>,
}
