//! The [warp] filters of [rest-live](https://docs.rs/rest-live). They upgrade an HTTP request to a
//! websocket. The runtime implements the protocol on the websocket.

mod cursor;
mod handshake;
mod origin;
mod sign_in;
mod token;
mod upgrade;

use std::net::SocketAddr;

use rest_live_runtime::{Handshake, Live};
use warp::{Filter, Rejection, http::HeaderMap, reply::Response};

use self::handshake::UpgradeRequest;
pub use self::{
    cursor::{with_cursor, with_stored_cursor, without_cursor},
    sign_in::SignInError,
    token::bearer_token,
};

/// Returns the filter that serves the websocket. It composes with any routes, at any path.
///
/// It accepts `GET` requests that ask for a websocket. It rejects all other requests, so that
/// another route can handle them: see [`or`](warp::Filter::or). If it cannot upgrade a request, it
/// responds with an error:
/// - 400 if the handshake violates RFC 6455;
/// - 426 if the client speaks another version of the websocket protocol;
/// - 403 if the web page has another origin (see
///   [`LiveBuilder::allowed_origins`](rest_live_runtime::LiveBuilder::allowed_origins));
/// - 503 after [`Live::shutdown`].
///
/// ```no_run
/// # async fn run(live: rest_live_runtime::Live) {
/// use warp::Filter;
///
/// let ws = warp::path!("ws" / "subscribe").and(rest_live_warp::subscriptions(&live));
/// warp::serve(ws).run(([127, 0, 0, 1], 3030)).await;
/// # }
/// ```
pub fn subscriptions(
    live: &Live,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<> {
    subscriptions_as(live, warp::any().map(|| ()))
}

/// Returns the filter that serves the websocket in an application with users. It is like
/// [`subscriptions`], but the filter `user` identifies the user of each request.
///
/// `user` is any filter that extracts a `U`, for example from a cookie, a header or a token in the
/// query. It runs only for requests that ask for a websocket and come from an allowed origin.
/// [`bearer_token`] extracts a token that a page can send.
///
/// If the filter rejects a request with [`SignInError`], the websocket is closed with code 4401 or
/// 4403, which the page can read. For any other rejection, no websocket is opened, and warp tries
/// the other routes.
///
/// ```no_run
/// # #[derive(Clone)] struct User;
/// # async fn sign_in(cookie: Option<String>) -> Result<Option<User>, warp::Rejection> { Ok(None) }
/// # async fn run(live: rest_live_runtime::Live<Option<User>>) {
/// use warp::Filter;
///
/// let user = warp::cookie::optional("session").and_then(sign_in); // an Option<User>
/// let ws = warp::path!("ws" / "subscribe").and(rest_live_warp::subscriptions_as(&live, user));
/// warp::serve(ws).run(([127, 0, 0, 1], 3030)).await;
/// # }
/// ```
pub fn subscriptions_as<U, F>(
    live: &Live<U>,
    user: F,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<U, F>
where
    U: Send + Sync + 'static,
    F: Filter<Extract = (U,)> + Clone + Send + Sync + 'static,
    F::Error: Into<Rejection>,
{
    subscriptions_from(live, user.map(Handshake::new))
}

/// Returns the filter that serves the websocket in an application whose clients authenticate by the
/// message `auth`. It is like [`subscriptions`], but a connection has no user until then, so the
/// route needs no filter that identifies a user.
///
/// [`LiveBuilder::authenticate`](rest_live_runtime::LiveBuilder::authenticate) sets the function
/// that returns the user of a token. With [`subscriptions_as`], a connection begins with the user
/// of its request, and a client may also authenticate as another user.
///
/// ```no_run
/// # #[derive(PartialEq)] struct User;
/// # use std::{error::Error, fmt, time::SystemTime};
/// # async fn user_of(token: String) -> Result<(User, Option<SystemTime>), fmt::Error> {
/// #     Ok((User, None))
/// # }
/// # async fn run(builder: rest_live_runtime::LiveBuilder<User>) -> Result<(), Box<dyn Error>> {
/// use warp::Filter;
///
/// let live = builder.authenticate(user_of).build()?;
/// let ws = warp::path!("ws" / "subscribe").and(rest_live_warp::subscriptions_by_token(&live));
/// warp::serve(ws).run(([127, 0, 0, 1], 3030)).await;
/// # Ok(())
/// # }
/// ```
pub fn subscriptions_by_token<U: Send + Sync + 'static>(
    live: &Live<U>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<U>
{
    subscriptions_from(live, warp::any().map(Handshake::without_user))
}

/// Returns the filter that serves the websocket in an application whose requests say more than the
/// user. It is like [`subscriptions_as`], but the filter `handshake` extracts a [`Handshake`], for
/// example with the scope of a tenant that the request names:
///
/// ```no_run
/// # async fn run(live: rest_live_runtime::Live) {
/// use rest_live_runtime::{Handshake, Scope};
/// use warp::Filter;
///
/// let handshake = warp::header("x-tenant")
///     .map(|tenant: String| Handshake::new(()).scope(Some(Scope::from(tenant))));
/// let ws = warp::path!("ws" / "subscribe")
///     .and(rest_live_warp::subscriptions_from(&live, handshake));
/// warp::serve(ws).run(([127, 0, 0, 1], 3030)).await;
/// # }
/// ```
pub fn subscriptions_from<U, F>(
    live: &Live<U>,
    handshake: F,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<U, F>
where
    U: Send + Sync + 'static,
    F: Filter<Extract = (Handshake<U>,)> + Clone + Send + Sync + 'static,
    F::Error: Into<Rejection>,
{
    let live = live.clone();
    warp::get()
        .and(warp::header::exact_ignore_case("upgrade", "websocket"))
        // Before the user is identified: a page of another origin must not learn who is signed in.
        .and(origin::check(&live))
        .and(handshake.boxed().map(Ok).or_else(sign_in::rejected))
        .and(warp::header::headers_cloned())
        .and(warp::addr::remote())
        .and(warp::ext::optional())
        .map(
            move |handshake: Result<Handshake<U>, SignInError>,
                  headers: HeaderMap,
                  address: Option<SocketAddr>,
                  upgrade| {
                let request = UpgradeRequest {
                    headers: &headers,
                    address: address.map(|address| address.ip()),
                    upgrade,
                };
                handshake::respond(&live, handshake, request)
            },
        )
        .recover(origin::recover)
        .unify()
}
