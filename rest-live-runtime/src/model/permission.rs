//! Who may see what: the application's functions, erased, and the user that they are asked about.
//!
//! A [`Permission`] is a pure function of user and row, asked for every change; an
//! [`Authorization`] may query, and is asked once a subscription.

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

/// The user of a session, erased: a `U` of the `Live<U>` that it belongs to.
#[derive(Clone)]
pub(crate) struct Identity(Arc<dyn Any + Send + Sync>);

impl Identity {
    pub(crate) fn new<U: Send + Sync + 'static>(user: U) -> Self {
        Self(Arc::new(user))
    }

    /// Reads a word beside the user.
    pub(crate) fn touch(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub(crate) fn downcast<U: 'static>(&self) -> Option<&U> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Identity {
    // Who it is does not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// A type of users, for comparing and for messages.
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

type Check = dyn Fn(&Identity, &Row) -> bool + Send + Sync;

/// `check_permission`, erased.
#[derive(Clone)]
pub struct Permission {
    pub(crate) user: UserType,
    check: Arc<Check>,
}

impl Permission {
    /// Erases a `check_permission`.
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

    /// Returns whether a user may see a row.
    pub(crate) fn check(&self, identity: &Identity, row: &Row) -> Result<bool, UserPanic> {
        user_code::call(|| (self.check)(identity, row))
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission(of {})", self.user.name)
    }
}

/// What an `authorize` answers: whether it may be, or why nobody knows.
type Answer = Result<bool, Box<dyn Error + Send + Sync>>;

type Ask = dyn for<'a> Fn(&'a Identity, &KeyValue, &'a DatabaseConnection) -> BoxFuture<'a, Answer>
    + Send
    + Sync;

/// `authorize`, erased.
#[derive(Clone)]
pub struct Authorization {
    pub(crate) user: UserType,
    /// The type that it takes for the group's value.
    pub(crate) value: &'static str,
    pub(crate) takes: fn(&KeyKind) -> bool,
    /// Which function it is.
    pub(crate) function: TypeId,
    ask: Arc<Ask>,
}

impl Authorization {
    /// Erases an `authorize`. `function` is itself; `authorize` calls it.
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
            ask: Arc::new(move |identity, value, db| {
                match (identity.downcast(), V::from_key(value)) {
                    (Some(user), Some(value)) => authorize(user, value, db)
                        .map(IntoDecision::into_decision)
                        .boxed(),
                    _ => futures_util::future::ready(Ok(false)).boxed(),
                }
            }),
        }
    }

    /// Asks whether a user may subscribe to a group.
    ///
    /// # Errors
    /// The application's own, and that it panicked.
    pub(crate) async fn ask(
        &self,
        identity: &Identity,
        value: &KeyValue,
        db: &DatabaseConnection,
    ) -> Answer {
        user_code::call_async(async { (self.ask)(identity, value, db).await })
            .await
            .unwrap_or_else(|panicked| Err(panicked.into()))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorization(of {} for {})", self.user.name, self.value)
    }
}

/// What an `authorize` may return: `bool`, or `Result<bool, E>` of any error.
#[diagnostic::on_unimplemented(
    message = "`authorize` returns `{Self}`, and should say yes or no",
    note = "return `bool`, or `Result<bool, E>` where `E` is an error, such as `DbErr`"
)]
pub trait IntoDecision {
    /// Returns whether the user may subscribe.
    ///
    /// # Errors
    /// Why nobody knows. The client is told that it may try again, and not why.
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
