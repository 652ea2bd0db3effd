//! Mistakes in the registered serializers.

use crate::model::key_column::WrongKey;

/// A mistake in the registered serializers, which
/// [`LiveBuilder::build`](crate::LiveBuilder::build) reports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No serializer is registered, so no client could subscribe.
    #[error(
        "no serializer is registered: write #[subscribable] above a serializer. If it is in another crate, the linker may drop \
         that crate: also write Live::builder(..).register::<TheSerializer>()"
    )]
    Empty,
    /// An entity of which no serializer is registered.
    #[error(
        "share_between_scopes::<{entity}>() names an entity of which no serializer is registered: register one, or remove the line"
    )]
    SharedUnknown {
        /// The path of the entity.
        entity: &'static str,
    },
    /// Two entities have the same label.
    #[error(
        "{first} and {second} show two models with the same label `{label}`: write model = \"app.Name\" for one of them"
    )]
    TwoModels {
        /// The label.
        label: String,
        /// A serializer of one model.
        first: String,
        /// A serializer of the other model.
        second: String,
    },
    /// One entity has two labels.
    #[error(
        "{first} gives its model the label `{first_label}`, but {second} gives the same model the label `{second_label}`: \
         use one label"
    )]
    TwoLabels {
        /// One serializer.
        first: String,
        /// Its label.
        first_label: String,
        /// The other serializer.
        second: String,
        /// Its label.
        second_label: String,
    },
    /// Two serializers of one group have the same rank.
    #[error(
        "{first} and {second} show `{label}` by `{group_key}` with the same rank: give one of them a higher rank, or remove one of the keys"
    )]
    DuplicateGroupKey {
        /// The model's label.
        label: String,
        /// The group key; `[a, b]` for several columns, `all` for all rows.
        group_key: String,
        /// One serializer.
        first: String,
        /// The other serializer.
        second: String,
    },
    /// Two serializers of a model declare the same group key in another order.
    #[error(
        "{first} and {second} declare the same group key of `{label}` in another order. Messages name the keys in the order of \
         the declaration, so write group_key = {columns:?} in both"
    )]
    GroupKeyOrder {
        /// The model's label.
        label: String,
        /// The columns, in the order of the first serializer.
        columns: Vec<&'static str>,
        /// One serializer.
        first: String,
        /// The other serializer.
        second: String,
    },
    /// A column has a type that cannot be a key.
    #[error(
        "{serializer} cannot be subscribed to by `{group_key}`: {column}, but a key must be an integer, a string, a boolean, \
         an enumeration or a UUID"
    )]
    NotAKey {
        /// The serializer.
        serializer: String,
        /// The group key.
        group_key: String,
        /// The column and its type.
        column: String,
    },
    /// The entity declares another type for a key column than the model has.
    #[error(
        "{serializer} cannot be subscribed to by `{group_key}`: the entity declares the column `{column}` as {declared}, \
         but the model's field is a {field}, so the value that a client sends could never match a row. Write the \
         `column_type` that fits the field, or remove it"
    )]
    KeyType {
        /// The serializer.
        serializer: String,
        /// The group key.
        group_key: String,
        /// The column.
        column: &'static str,
        /// The declared type.
        declared: String,
        /// The Rust type of the field.
        field: String,
    },
    /// A `check_permission` or an `authorize` takes another user type than the `Live` has.
    #[error(
        "{argument} of {serializer} takes a `&{asked}`, but the users of this Live are `{users}`: \
         write Live::<{asked}>::builder(..), or let the function take a `&{users}`"
    )]
    UserType {
        /// The serializer.
        serializer: String,
        /// `check_permission` or `authorize`.
        argument: &'static str,
        /// The type that the function takes.
        asked: &'static str,
        /// The type of the users.
        users: &'static str,
    },
    /// One key of a model is guarded by `authorize` or `check_permission`, but another key is open.
    #[error(
        "{guarded} guards `{label}` with authorize or check_permission, but every user can see the same rows by \
         `{group_key}` of {serializer}. If this is intended, write public there. Otherwise write authorize there; if no key \
         of the model has authorize, a check_permission on one of that key's serializers is also enough"
    )]
    HalfGuarded {
        /// The model's label.
        label: String,
        /// The open key.
        group_key: String,
        /// The serializer of the open key.
        serializer: String,
        /// A serializer with a guard.
        guarded: String,
    },
    /// An `authorize` takes a type that cannot hold every value of the group key.
    #[error(
        "authorize of {serializer} takes the value of `{group_key}` as `{takes}`, but the value is {kind}: take a type that \
         can hold every such value, or rest_live::auth::KeyValue"
    )]
    AuthorizeValue {
        /// The serializer.
        serializer: String,
        /// The group key.
        group_key: String,
        /// The type that the function takes.
        takes: &'static str,
        /// The kind of the group key's values.
        kind: String,
    },
    /// The type of a secret column has no default.
    #[error(
        "{serializer} declares `{column}` secret, but the type of the column has no default. Servers need the default in place of \
         a secret value. Make the column an Option, or implement Default for its type"
    )]
    NoBlank {
        /// The serializer.
        serializer: String,
        /// The column.
        column: &'static str,
    },
    /// A secret column belongs to a key.
    #[error(
        "`{column}` of `{label}` cannot be secret: it belongs to a key, and every server needs the value to find the row's \
         subscribers"
    )]
    SecretKey {
        /// The model's label.
        label: String,
        /// The column.
        column: &'static str,
    },
    /// Triggers write the events of a table that has several models.
    #[error(
        "`{label}` is one of several models of its table, but the triggers of the table write events for only one model: remove \
         the triggers, or register only one model of the table"
    )]
    CapturedTwice {
        /// The model's label.
        label: String,
    },
    /// An event log that several servers share cannot carry a column.
    #[error(
        "a shared event log cannot carry `{column}` of `{label}`: {why}. Give the column another type, declare it as secret if no \
         server needs its value, or use the log in memory"
    )]
    SharedLogColumn {
        /// The model's label.
        label: String,
        /// The column.
        column: String,
        /// Why it cannot be carried.
        why: &'static str,
    },
    /// A group key has more than 64 serializers.
    #[error("`{label}` by `{group_key}` has more than 64 serializers: remove some")]
    TooManySerializers {
        /// The model's label.
        label: String,
        /// The group key.
        group_key: String,
    },
}

impl RegistryError {
    /// Returns the error for a column that cannot be a key.
    pub(super) fn wrong_key(wrong: WrongKey, serializer: &str, group_key: &str) -> Self {
        let (serializer, group_key) = (serializer.to_owned(), group_key.to_owned());
        match wrong {
            WrongKey::Type(column) => Self::NotAKey {
                serializer,
                group_key,
                column,
            },
            WrongKey::Mismatch {
                column,
                declared,
                field,
            } => Self::KeyType {
                serializer,
                group_key,
                column,
                declared,
                field,
            },
        }
    }
}
