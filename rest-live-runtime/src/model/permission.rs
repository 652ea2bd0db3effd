//! The application's permission functions and the user that they are called with, type-erased.
//!
//! A [`Permission`] is a pure function of user and row, called for every change. An
//! [`Authorization`] may query the database, and is called once for each subscription.

mod from_key;

use std::{
    any::{Any, TypeId, type_name},
    error::Error,
    fmt,
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{DatabaseConnection, ModelTrait};

pub use self::from_key::FromKey;
use crate::{
    data::{
        event::Row,
        key::{KeyKind, KeyValue},
    },
    user_code::{self, UserPanic},
};

/// The user of a session, type-erased: a `U` of the `Live<U>` that the session belongs to.
#[derive(Clone)]
pub(crate) struct Identity(Arc<dyn Any + Send + Sync>);

impl Identity {
    pub(crate) fn new<U: Send + Sync + 'static>(user: U) -> Self {
        Self(Arc::new(user))
    }

    /// Reads a word next to the user, so that the user is in the CPU's cache when a permission is
    /// called. The caller must use the result, or the compiler removes the read.
    pub(crate) fn prefetch(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub(crate) fn downcast<U: 'static>(&self) -> Option<&U> {
        self.0.downcast_ref()
    }

    pub(crate) fn downcast_arc<U: Send + Sync + 'static>(&self) -> Option<Arc<U>> {
        Arc::clone(&self.0).downcast().ok()
    }
}

impl fmt::Debug for Identity {
    // Without the user, who must not be named in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// The type of the users, for comparisons and messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserType {
    id: TypeId,
    pub(crate) name: &'static str,
}

impl UserType {
    pub(crate) fn of<U: 'static>() -> Self {
        Self {
            id: TypeId::of::<U>(),
            name: type_name::<U>(),
        }
    }
}

impl PartialEq for UserType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

type CheckFn = dyn Fn(&Identity, &Row) -> bool + Send + Sync;

/// A `check_permission` function, type-erased.
#[derive(Clone)]
pub struct Permission {
    pub(crate) user: UserType,
    check: Arc<CheckFn>,
}

impl Permission {
    /// Erases the types of a `check_permission` function.
    pub fn of<M, U>(check: fn(&U, &M) -> bool) -> Self
    where
        M: ModelTrait + Sync + 'static,
        U: 'static,
    {
        Self {
            user: UserType::of::<U>(),
            check: Arc::new(
                move |identity, row| match (identity.downcast(), row.downcast()) {
                    (Some(user), Some(row)) => check(user, row),
                    _ => false,
                },
            ),
        }
    }

    /// Returns whether the user may see the row.
    ///
    /// # Errors
    /// The function panicked.
    pub(crate) fn check(&self, identity: &Identity, row: &Row) -> Result<bool, UserPanic> {
        user_code::call(|| (self.check)(identity, row))
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission(of {})", self.user.name)
    }
}

/// The decision of an `authorize` function, or why it could not decide.
type Decision = Result<bool, Box<dyn Error + Send + Sync>>;

type AuthorizeFn = dyn for<'a> Fn(&'a Identity, &KeyValue, &'a DatabaseConnection) -> BoxFuture<'a, Decision>
    + Send
    + Sync;

/// An `authorize` function, type-erased.
#[derive(Clone)]
pub struct Authorization {
    pub(crate) user: UserType,
    /// The name of the type in which the function takes the value of the group.
    pub(crate) value: &'static str,
    /// Returns whether that type can hold every value of a kind.
    pub(crate) takes: fn(&KeyKind) -> bool,
    /// Identifies the function, so that it is called once even if several serializers share it.
    pub(crate) function: TypeId,
    authorize: Arc<AuthorizeFn>,
}

impl Authorization {
    /// Erases the types of an `authorize` function. `_function` is the function itself, whose type
    /// identifies it; `authorize` calls it.
    pub fn of<U, V, R, F: 'static>(
        _function: &F,
        authorize: for<'a> fn(&'a U, V, &'a DatabaseConnection) -> BoxFuture<'a, R>,
    ) -> Self
    where
        U: 'static,
        V: FromKey + 'static,
        R: IntoDecision + 'static,
    {
        Self {
            user: UserType::of::<U>(),
            value: type_name::<V>(),
            takes: V::takes,
            function: TypeId::of::<F>(),
            authorize: Arc::new(move |identity, value, db| {
                match (identity.downcast(), V::from_key(value)) {
                    (Some(user), Some(value)) => authorize(user, value, db)
                        .map(IntoDecision::into_decision)
                        .boxed(),
                    _ => futures_util::future::ready(Ok(false)).boxed(),
                }
            }),
        }
    }

    /// Decides whether a user may subscribe to a group.
    ///
    /// # Errors
    /// The application's own error, or a [`UserPanic`].
    pub(crate) async fn decide(
        &self,
        identity: &Identity,
        value: &KeyValue,
        db: &DatabaseConnection,
    ) -> Decision {
        user_code::call_async(async { (self.authorize)(identity, value, db).await })
            .await
            .unwrap_or_else(|panic| Err(panic.into()))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization(of {} for {})", self.user.name, self.value)
    }
}

/// A type that an `authorize` function can return: `bool`, or `Result<bool, E>` with any error.
#[diagnostic::on_unimplemented(
    message = "`authorize` must return `bool` or `Result<bool, E>`, not `{Self}`",
    note = "`E` is any error, such as `DbErr`"
)]
pub trait IntoDecision {
    /// Returns whether the user may subscribe.
    ///
    /// # Errors
    /// The error because of which the function could not decide. The client receives error 500
    /// without this error, and may try again.
    fn into_decision(self) -> Result<bool, Box<dyn Error + Send + Sync>>;
}

impl IntoDecision for bool {
    fn into_decision(self) -> Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(self)
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> IntoDecision for Result<bool, E> {
    fn into_decision(self) -> Result<bool, Box<dyn Error + Send + Sync>> {
        self.map_err(Into::into)
    }
}
