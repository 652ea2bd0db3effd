//! [`bearer_token`]: the token with which a client signs in.

use std::convert::Infallible;

use headers::{Authorization, HeaderMapExt, authorization::Bearer};
use warp::{
    Filter,
    http::{HeaderMap, header::SEC_WEBSOCKET_PROTOCOL},
};

/// What comes before the token in the name of a subprotocol.
const PREFIX: &str = "bearer.";

/// Returns the filter that extracts the token with which a client signs in, if it sends one.
///
/// The token is in one of two headers. The first one counts if a request has both:
/// * `Authorization: Bearer <token>`, from a client that is not a browser, or from `fetch`;
/// * `Sec-WebSocket-Protocol: rest-live.v1, bearer.<token>`, from a page. A page cannot set other
///   headers of a websocket: `new WebSocket(url, ["rest-live.v1", "bearer." + token])`.
///
/// So one filter identifies the user of REST routes and of the websocket. rest-live does not check
/// the token, never logs it, and never sends it back: the server selects `rest-live.v1`. A page
/// must therefore offer `rest-live.v1` also, or its browser closes the connection.
///
/// The name of a subprotocol may contain ASCII letters, digits and ``!#$%&'*+-.^_`|~`` (RFC 9110,
/// section 5.6.2). A JWT does. Encode other tokens in base64url without padding.
///
/// [`SignInError`](crate::SignInError) shows how to reject a token.
pub fn bearer_token()
-> impl Filter<Extract = (Option<String>,), Error = Infallible> + Copy + Send + Sync + 'static {
    warp::header::headers_cloned().map(|headers: HeaderMap| token(&headers))
}

fn token(headers: &HeaderMap) -> Option<String> {
    let authorization = headers.typed_get::<Authorization<Bearer>>();
    let authorization = authorization.map(|bearer| bearer.token().to_owned());
    authorization
        .or_else(|| {
            offered(headers).find_map(|offer| offer.strip_prefix(PREFIX).map(str::to_owned))
        })
        .filter(|token| !token.is_empty())
}

/// Returns the subprotocols that a client offers, in one header or in several.
pub(crate) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use warp::http::HeaderName;

    use super::*;

    #[test]
    fn token_is_read_from_either_header() {
        for (lines, expected) in [
            (&[][..], None),
            (&["sec-websocket-protocol: rest-live.v1"], None),
            (
                &["sec-websocket-protocol: rest-live.v1, bearer.a.b-c_d"],
                Some("a.b-c_d"),
            ),
            (
                &["sec-websocket-protocol: bearer.abc,rest-live.v1"],
                Some("abc"),
            ),
            (
                &[
                    "sec-websocket-protocol: rest-live.v1",
                    "sec-websocket-protocol: bearer.abc",
                ],
                Some("abc"),
            ),
            (&["sec-websocket-protocol: bearer."], None),
            (&["authorization: Bearer abc"], Some("abc")),
            (&["authorization: Basic YTpi"], None),
            (
                &[
                    "authorization: Basic YTpi",
                    "sec-websocket-protocol: bearer.abc",
                ],
                Some("abc"),
            ),
            (
                &[
                    "authorization: Bearer one",
                    "sec-websocket-protocol: bearer.two",
                ],
                Some("one"),
            ),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let (name, value) = line.split_once(": ").expect("a header");
                let name = name.parse::<HeaderName>().expect("a name");
                headers.append(name, value.parse().expect("a value"));
            }
            assert_eq!(token(&headers).as_deref(), expected, "{lines:?}");
        }
    }
}
