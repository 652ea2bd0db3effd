//! [`SignInError`]: how a user filter rejects a client.

use std::fmt;

use rest_live_runtime::CloseCode;
use warp::{
    Rejection, Reply,
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
    reject::Reject,
    reply::Response,
};

use crate::handshake::error_response;

/// Why the application does not accept the user of a request.
///
/// If the user filter of [`subscriptions_as`](crate::subscriptions_as) rejects a request with this
/// error, the page can read why: the server opens the websocket, and closes it at once with code
/// 4401 or 4403. Browsers show every other rejection to the page as code 1006, like a server that
/// cannot be reached.
///
/// The error is also a [`Reply`], so the REST routes of the application can use the same filter:
///
/// ```no_run
/// use std::convert::Infallible;
/// use rest_live_warp::{SignInError, bearer_token};
/// use warp::{Filter, Rejection, Reply};
///
/// # #[derive(Clone)] struct User;
/// # async fn user_of(token: &str) -> Option<User> { None }
/// async fn sign_in(token: Option<String>) -> Result<User, Rejection> {
///     let token = token.ok_or(SignInError::Unauthenticated)?;
///     let user = user_of(&token).await; // your check
///     Ok(user.ok_or(SignInError::Unauthenticated)?)
/// }
///
/// async fn explain(rejection: Rejection) -> Result<impl Reply, Rejection> {
///     match rejection.find::<SignInError>() {
///         Some(error) => Ok(error.into_response()), // status 401 or 403
///         None => Err(rejection),
///     }
/// }
///
/// # async fn run(live: rest_live_runtime::Live<User>) {
/// let user = bearer_token().and_then(sign_in);
/// let ws = warp::path!("ws").and(rest_live_warp::subscriptions_as(&live, user));
/// let api = warp::path!("api" / "me").and(user).map(|user: User| "hello");
/// warp::serve(ws.or(api).recover(explain)).run(([127, 0, 0, 1], 3030)).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignInError {
    /// The client has no credentials, or wrong or expired ones: status 401, close code 4401. The
    /// client should get new credentials, then try again.
    Unauthenticated,
    /// The credentials are right, but the user may not use this route: status 403, close code 4403.
    /// The client should not try again.
    Forbidden,
}

impl SignInError {
    /// Returns the status of the response to a request that is not for a websocket.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the code with which the server closes a websocket.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::Unauthenticated => CloseCode::Unauthenticated,
            Self::Forbidden => CloseCode::Forbidden,
        }
    }
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthenticated => "the credentials are missing, wrong or expired",
            Self::Forbidden => "this user may not use this route",
        })
    }
}

impl std::error::Error for SignInError {}

impl Reject for SignInError {}

impl Reply for SignInError {
    fn into_response(self) -> Response {
        let mut response = error_response(self.status(), self.to_string());
        if self == Self::Unauthenticated {
            // RFC 9110, section 15.5.2: a response with 401 must name a way to authenticate.
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Separates a sign-in that the application rejected from other rejections, which pass on.
pub(crate) async fn rejected<U>(
    rejection: Rejection,
) -> Result<(Result<U, SignInError>,), Rejection> {
    match rejection.find::<SignInError>() {
        Some(error) => Ok((Err(*error),)),
        None => Err(rejection),
    }
}
