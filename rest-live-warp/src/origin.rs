//! The check of the `Origin` header, which refuses web pages of other origins.

use std::future;

use rest_live_runtime::Live;
use warp::{
    Filter, Rejection,
    http::{
        HeaderMap, StatusCode,
        header::{HOST, ORIGIN},
    },
    reject::{self, Reject},
    reply::Response,
};

use crate::handshake::error_response;

/// A rejection: the page's origin may not open a websocket.
#[derive(Debug)]
struct ForbiddenOrigin;

impl Reject for ForbiddenOrigin {}

/// Returns the filter that accepts requests without an `Origin` and those from an allowed one.
/// Browsers always send the header, pages cannot forge it, and other clients omit it.
pub(crate) fn check<U: Send + Sync + 'static>(
    live: &Live<U>,
) -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static + use<U> {
    let live = live.clone();
    warp::header::headers_cloned()
        .and_then(move |headers: HeaderMap| {
            future::ready(if is_allowed(&live, &headers) {
                Ok(())
            } else {
                Err(reject::custom(ForbiddenOrigin))
            })
        })
        .untuple_one()
}

/// Responds to a request that [`check`] rejected, and passes all other rejections on.
pub(crate) async fn recover(rejection: Rejection) -> Result<Response, Rejection> {
    match rejection.find::<ForbiddenOrigin>() {
        Some(ForbiddenOrigin) => Ok(error_response(
            StatusCode::FORBIDDEN,
            "web pages of this origin may not open a websocket: allow the origin with \
             LiveBuilder::allowed_origins",
        )),
        None => Err(rejection),
    }
}

fn is_allowed<U: Send + Sync + 'static>(live: &Live<U>, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => {
            let host = headers.get(HOST).and_then(|host| host.to_str().ok());
            live.allows_origin(&String::from_utf8_lossy(origin.as_bytes()), host)
        }
        (Some(_), Some(_)) => live.allows_origin("several", None),
    }
}
