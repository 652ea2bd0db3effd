//! Mistakes in what is registered.

/// A mistake in what is registered, found by [`LiveBuilder::build`](crate::LiveBuilder::build).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nothing is registered, so no change would reach anybody.
    #[error(
        "no serializer is registered: put #[subscribable] on one; if it is in another crate, that crate is only \
         linked when something of it is named, so write Live::builder(..).register::<TheSerializer>()"
    )]
    Empty,
    /// Two entities have the same label.
    #[error(
        "{first} and {second} are serializers of two models, both called `{label}`: give one of them model = \"app.Name\""
    )]
    TwoModels {
        /// The label.
        label: String,
        /// A serializer of the one model.
        first: String,
        /// A serializer of the other.
        second: String,
    },
    /// One entity has two labels.
    #[error(
        "{first} calls its model `{first_label}`, {second} calls the same model `{second_label}`: a model has one label"
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
    /// Two serializers want to show the same group.
    #[error(
        "{first} and {second} both show `{label}` by `{group_key}`: give one of them a higher rank, or drop one of the keys"
    )]
    DuplicateGroupKey {
        /// The model's label.
        label: String,
        /// The group key.
        group_key: &'static str,
        /// One serializer.
        first: String,
        /// The other.
        second: String,
    },
    /// A column that clients cannot subscribe by.
    #[error(
        "{serializer} cannot be subscribed to by `{group_key}`: {column}, and a key is an integer, a string, a boolean, an enumeration or a UUID"
    )]
    NotAKey {
        /// The serializer.
        serializer: String,
        /// The group key.
        group_key: &'static str,
        /// What the column is.
        column: String,
    },
    /// A permission or an `authorize` of another type of users.
    #[error(
        "{argument} of {serializer} is asked about a `{asked}`, but the users of this Live are `{users}`: \
         write Live::<{asked}>::builder(..), or let it take a `&{users}`"
    )]
    UserType {
        /// The serializer.
        serializer: String,
        /// `check_permission` or `authorize`.
        argument: &'static str,
        /// The type that it takes.
        asked: &'static str,
        /// The type that the `Live` has.
        users: &'static str,
    },
    /// One key of a model is guarded by `authorize` or `check_permission`, another is open.
    #[error(
        "{guarded} guards `{label}` by authorize or check_permission, and by `{group_key}` of {serializer} the same rows are open: \
         if everybody may subscribe by that key, say public there. Else give it authorize; or, where no key of the model has authorize, \
         give one of its serializers check_permission"
    )]
    HalfGuarded {
        /// The model's label.
        label: String,
        /// The open key.
        group_key: &'static str,
        /// The serializer of the open key.
        serializer: String,
        /// A serializer that is guarded.
        guarded: String,
    },
    /// An `authorize` that cannot take every value of the group.
    #[error(
        "authorize of {serializer} takes `{takes}` for the value of `{group_key}`, which is {kind}: take that, or rest_live::auth::KeyValue"
    )]
    AuthorizeValue {
        /// The serializer.
        serializer: String,
        /// The group key.
        group_key: &'static str,
        /// The type that it takes.
        takes: &'static str,
        /// What the group's values are.
        kind: String,
    },
    /// A secret column whose type has no blank.
    #[error(
        "`{column}` cannot be secret, as {serializer} says: its type has no default, which other servers would see in its place. \
         Make it an Option, or implement Default for it"
    )]
    NoBlank {
        /// The serializer.
        serializer: String,
        /// The column.
        column: &'static str,
    },
    /// A secret column that rows are found by.
    #[error("`{column}` of `{label}` cannot be secret: rows are found by it, on every server")]
    SecretKey {
        /// The model's label.
        label: String,
        /// The column.
        column: &'static str,
    },
    /// Triggers write the events of a model whose rows not everybody may see.
    #[error(
        "`{label}` has check_permission, and triggers write its events: they write each statement's, and what a transaction showed \
         in between, which was never committed, nobody may see. Take its triggers away, so that what live.db() writes is told; or guard it \
         by authorize"
    )]
    CapturedPermission {
        /// The model's label.
        label: String,
    },
    /// Triggers write the events of a table that several models look at.
    #[error(
        "`{label}` is one of several models of its table, and triggers write the events of one of them: take the triggers away, or let the \
         table have one model"
    )]
    CapturedTwice {
        /// The model's label.
        label: String,
    },
    /// More serializers of one group than can be told apart.
    #[error("`{label}` by `{group_key}` has more than 64 serializers")]
    TooManySerializers {
        /// The model's label.
        label: String,
        /// The group key.
        group_key: &'static str,
    },
}
