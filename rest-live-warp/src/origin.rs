//! Web pages of other origins, refused before anything else is asked.

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

/// A page that may not open a websocket here.
#[derive(Debug)]
struct ForbiddenOrigin;

impl Reject for ForbiddenOrigin {}

/// Lets through what comes from no page, or from one that may. Only browsers send an `Origin`, and they
/// always do; pages cannot forge it.
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

/// Answers what [`check`] did not let through; what others rejected is theirs.
pub(crate) async fn recover(rejection: Rejection) -> Result<Response, Rejection> {
    match rejection.find::<ForbiddenOrigin>() {
        Some(ForbiddenOrigin) => Ok(error_response(
            StatusCode::FORBIDDEN,
            "web pages of this origin may not open a websocket here: LiveBuilder::origins lists those that may",
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
