//! The [warp] side of [rest-live](https://docs.rs/rest-live): HTTP upgrade to session, and no more.
//! What is said on the socket is the runtime's.

mod handshake;
mod upgrade;

use rest_live_runtime::Live;
use warp::{Filter, Rejection, http::HeaderMap, reply::Response};

/// Returns the filter that serves the websocket. It composes with any routes, at any path.
///
/// It takes `GET` requests that ask for a websocket and rejects all others, so that a route that
/// comes after it by [`or`](warp::Filter::or) can have them. A websocket handshake that is not RFC
/// 6455's is answered with 400, one of another version with 426; after
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
    let live = live.clone();
    warp::get()
        .and(warp::header::exact_ignore_case("upgrade", "websocket"))
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional())
        .map(move |headers: HeaderMap, upgrade| handshake::respond(&live, &headers, upgrade))
}
