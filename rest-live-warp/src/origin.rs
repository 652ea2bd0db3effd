//! The check of the `Origin` header, which refuses web pages of other origins.

use std::future;

use rest_live_runtime::{ForbiddenOrigin, Live};
use warp::{
    Filter, Rejection,
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{HOST, ORIGIN},
    },
    reject::{self, Reject},
    reply::Response,
};

use crate::handshake::error_response;

/// The host that the browser used, if a proxy changed `Host`.
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A rejection: the page's origin may not open a websocket.
#[derive(Debug)]
struct Forbidden(ForbiddenOrigin);

impl Reject for Forbidden {}

/// Returns the filter that accepts requests without an `Origin` and those from an allowed one.
/// Browsers always send the header, pages cannot forge it, and other clients omit it.
pub(crate) fn check<U: Send + Sync + 'static>(
    live: &Live<U>,
) -> impl Filter<Extract = (), Error = Rejection> + Clone + Send + Sync + 'static + use<U> {
    let live = live.clone();
    warp::header::headers_cloned()
        .and_then(move |headers: HeaderMap| {
            let checked = check_headers(&live, &headers);
            future::ready(checked.map_err(|error| reject::custom(Forbidden(error))))
        })
        .untuple_one()
}

/// Responds to a request that [`check`] rejected, and passes all other rejections on.
pub(crate) async fn recover(rejection: Rejection) -> Result<Response, Rejection> {
    match rejection.find::<Forbidden>() {
        Some(Forbidden(error)) => Ok(error_response(StatusCode::FORBIDDEN, error.to_string())),
        None => Err(rejection),
    }
}

fn check_headers<U: Send + Sync + 'static>(
    live: &Live<U>,
    headers: &HeaderMap,
) -> Result<(), ForbiddenOrigin> {
    let origins = headers.get_all(ORIGIN).iter();
    let origins = origins.map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    // Several origins are together not an origin.
    let Some(origin) = origins.reduce(|all, origin| (all + ", ") + origin) else {
        return Ok(());
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    live.check_origin(&origin, text(HOST), text(X_FORWARDED_HOST))
}
