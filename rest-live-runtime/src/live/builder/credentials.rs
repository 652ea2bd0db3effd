//! The settings of a builder about users: who a token belongs to, and how a user is counted.

use std::{error::Error, time::SystemTime};

use futures_util::FutureExt;

use super::LiveBuilder;
use crate::{model::permission::Identity, session::users::Tokens};

impl<U: Send + Sync + 'static> LiveBuilder<U> {
    /// Sets the function that returns the user of a token. Default: none, so that clients cannot
    /// authenticate by the message `auth`.
    ///
    /// With this function a client can send a token on its open connection, and a new token before
    /// the old one expires. Use [`Handshake::without_user`](crate::Handshake::without_user) for
    /// connections that have no user until then.
    ///
    /// The function receives the token, and returns the user and when the token expires: the `exp`
    /// of a JWT, or `None` if it does not expire. At this time the server closes the connection
    /// with 4401, unless the client has sent another token.
    ///
    /// A new user replaces the user of the connection:
    ///
    /// * Every `authorize` is called again for the subscriptions of the connection. Those that are
    ///   now denied end with code 403. The others continue without a gap.
    /// * If the new user differs from the old one (`PartialEq`), the rows that a `check_permission`
    ///   decides are reset: the client must fetch them again. So compare everything that a
    ///   `check_permission` looks at.
    /// * A user of another [`scope`](Self::scope) than that of the connection is refused with error
    ///   403.
    ///
    /// # Errors of the function
    /// Every error means that the token is wrong: the client receives error 401, and the connection
    /// keeps its user. There are these exceptions:
    ///
    /// * If the error is a [`DbErr`](sea_orm::DbErr) or is caused by one, the client receives error
    ///   500 and may try again. The application log contains the `DbErr`. (`DbErr::RecordNotFound`
    ///   is an ordinary error: there is no such token.)
    /// * If the function panics, the client also receives error 500.
    /// * If it takes longer than [`Limits::authorize_timeout`](crate::Limits::authorize_timeout),
    ///   the client receives error 503.
    ///
    /// rest-live never logs the token, nor other texts of the function. The function also counts as
    /// an `authorize` for
    /// [`Limits::max_concurrent_authorize`](crate::Limits::max_concurrent_authorize).
    ///
    /// # Example
    /// An `async fn` fits, and also a closure that returns a future:
    ///
    /// ```no_run
    /// # use rest_live_runtime as rest_live;
    /// # #[derive(PartialEq)] pub struct User { id: i32 }
    /// # pub struct Claims { sub: i32, exp: u64 }
    /// # #[derive(Clone)] pub struct Keys;
    /// # #[derive(Debug)] pub struct Wrong;
    /// # impl std::fmt::Display for Wrong {
    /// #     fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) }
    /// # }
    /// # impl std::error::Error for Wrong {}
    /// # impl Keys { fn verify(&self, _: &str) -> Result<Claims, Wrong> { Err(Wrong) } }
    /// # use sea_orm::DatabaseConnection;
    /// # fn build(db: DatabaseConnection, keys: Keys) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::{Duration, SystemTime};
    ///
    /// use rest_live::Live;
    ///
    /// async fn user_of(token: String, keys: Keys) -> Result<(User, Option<SystemTime>), Wrong> {
    ///     let claims = keys.verify(&token)?; // your check of the signature and the expiry
    ///     let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(claims.exp);
    ///     Ok((User { id: claims.sub }, Some(expires_at)))
    /// }
    ///
    /// let live = Live::<User>::builder(db)
    ///     .authenticate(move |token| user_of(token, keys.clone()))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn authenticate<F, R, E>(mut self, authenticate: F) -> Self
    where
        U: PartialEq,
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(U, Option<SystemTime>), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.users.tokens = Some(Tokens {
            authenticate: Box::new(move |token| {
                let authenticated = authenticate(token);
                async move {
                    let (user, expires_at) = authenticated.await.map_err(Into::into)?;
                    Ok((Identity::new(user), expires_at))
                }
                .boxed()
            }),
            is_same: Box::new(|one, other| one.downcast::<U>() == other.downcast::<U>()),
        });
        self
    }

    /// Sets the function that returns a user's key, such as an id. Default: none. For
    /// [`Limits::max_connections_per_user`](crate::Limits::max_connections_per_user), connections
    /// with the same key belong to one user. A connection whose key is `None` is not counted.
    pub fn user_key(mut self, key: impl Fn(&U) -> Option<String> + Send + Sync + 'static) -> Self {
        self.users.key = Some(Box::new(move |user: &Identity| {
            user.downcast().and_then(&key)
        }));
        self
    }
}
