//! The [warp] side of [rest-live](https://docs.rs/rest-live): HTTP upgrade to session, and no more.
//! What is said on the socket is the runtime's.

mod cursor;
mod handshake;
mod origin;
mod upgrade;

use std::net::SocketAddr;

use rest_live_runtime::Live;
use warp::{Filter, Rejection, http::HeaderMap, reply::Response};

pub use self::cursor::with_cursor;
use self::handshake::UpgradeRequest;

/// Returns the filter that serves the websocket. It composes with any routes, at any path.
///
/// It takes `GET` requests that ask for a websocket and rejects all others, so that a route that
/// comes after it by [`or`](warp::Filter::or) can have them. A websocket handshake that is not RFC
/// 6455's is answered with 400, one of another version with 426, one from a web page of another origin
/// with 403 (see [`LiveBuilder::origins`](rest_live_runtime::LiveBuilder::origins)); after
/// [`Live::shutdown`] all are answered with 503.
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

/// Returns the filter that serves the websocket to users: as [`subscriptions`], where `user` says who it
/// is.
///
/// `user` is any filter that extracts a `U`, from a cookie, a header, a token in the query. It runs for
/// requests that ask for a websocket, from no page of another origin, and whom it rejects is not served.
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
    let live = live.clone();
    warp::get()
        .and(warp::header::exact_ignore_case("upgrade", "websocket"))
        // First: a foreign page has no business with who is signed in.
        .and(origin::check(&live))
        .and(user.boxed())
        .and(warp::header::headers_cloned())
        .and(warp::addr::remote())
        .and(warp::ext::optional())
        .map(
            move |user: U, headers: HeaderMap, address: Option<SocketAddr>, upgrade| {
                let request = UpgradeRequest {
                    headers: &headers,
                    address: address.map(|address| address.ip()),
                    upgrade,
                };
                handshake::respond(&live, user, request)
            },
        )
        .recover(origin::recover)
        .unify()
}
