//! What the application says about its users: who a token belongs to, how a user is counted, and
//! in which scope.

use std::{fmt, time::SystemTime};

use futures_util::future::BoxFuture;

use crate::{data::scope::Scope, model::permission::Identity};

/// Any error of the application.
pub(crate) type AuthError = Box<dyn std::error::Error + Send + Sync>;

/// A user, and when its token expires.
pub(crate) type Authenticated = (Identity, Option<SystemTime>);

type Authenticate =
    dyn Fn(String) -> BoxFuture<'static, Result<Authenticated, AuthError>> + Send + Sync;

type KeyOfUser = dyn Fn(&Identity) -> Option<String> + Send + Sync;

type ScopeOfUser = dyn Fn(&Identity) -> Option<Scope> + Send + Sync;

type CompareUsers = dyn Fn(&Identity, &Identity) -> bool + Send + Sync;

/// The functions of the builder about users, type-erased.
#[derive(Default)]
pub(crate) struct Users {
    /// Returns what identifies a user when connections per user are counted.
    pub(crate) key: Option<Box<KeyOfUser>>,
    /// Returns the scope of a user's sessions.
    pub(crate) scope: Option<Box<ScopeOfUser>>,
    pub(crate) tokens: Option<Tokens>,
}

/// The functions about the users of tokens.
pub(crate) struct Tokens {
    /// Returns the user of a token.
    pub(crate) authenticate: Box<Authenticate>,
    /// Returns whether two users are equal, so that the second one may see the same rows.
    pub(crate) is_same: Box<CompareUsers>,
}

impl Users {
    pub(crate) fn key_of(&self, user: &Identity) -> Option<String> {
        self.key.as_ref().and_then(|key| key(user))
    }

    pub(crate) fn scope_of(&self, user: &Identity) -> Option<Scope> {
        self.scope.as_ref().and_then(|scope| scope(user))
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Users")
    }
}
