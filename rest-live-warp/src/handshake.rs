//! The HTTP side of the websocket handshake: RFC 6455, section 4.2.

use std::net::IpAddr;

use headers::{
    Connection, HeaderMapExt, SecWebsocketAccept, SecWebsocketKey, SecWebsocketVersion, Upgrade,
};
use hyper::upgrade::OnUpgrade;
use rest_live_runtime::{Handshake, Live};
use warp::{
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL},
    },
    reply::Response,
};

use crate::{
    sign_in::SignInError,
    token::offered,
    upgrade::{accept, refuse},
};

/// A request to open a websocket, without its user.
pub(crate) struct UpgradeRequest<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) address: Option<IpAddr>,
    pub(crate) upgrade: Option<OnUpgrade>,
}

/// Responds to a request to open a websocket. If the handshake is valid, serves the connection, or
/// closes it if the user could not sign in.
pub(crate) fn respond<U: Send + Sync + 'static>(
    live: &Live<U>,
    user: Result<U, SignInError>,
    request: UpgradeRequest<'_>,
) -> Response {
    let UpgradeRequest {
        headers,
        address,
        upgrade,
    } = request;
    if !headers
        .typed_get::<Connection>()
        .is_some_and(|connection| connection.contains("upgrade"))
    {
        return error_response(
            StatusCode::BAD_REQUEST,
            "a websocket handshake needs the header `Connection: Upgrade`",
        );
    }
    if headers.typed_get::<SecWebsocketVersion>() != Some(SecWebsocketVersion::V13) {
        let mut response = error_response(
            StatusCode::UPGRADE_REQUIRED,
            "this server supports version 13 of the websocket protocol only",
        );
        response
            .headers_mut()
            .typed_insert(SecWebsocketVersion::V13);
        return response;
    }
    let Some(key) = headers
        .typed_get::<SecWebsocketKey>()
        .filter(|_| has_valid_key(headers))
    else {
        return error_response(
            StatusCode::BAD_REQUEST,
            "a websocket handshake needs one header `Sec-WebSocket-Key`: 16 bytes in base64",
        );
    };
    let Some(upgrade) = upgrade else {
        return error_response(
            StatusCode::BAD_REQUEST,
            "this connection cannot be upgraded: open the websocket over HTTP/1.1",
        );
    };
    if live.is_closed() {
        return error_response(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is shutting down",
        );
    }
    let v1 = offered(headers).any(|offer| offer == Handshake::<U>::SUBPROTOCOL);
    match user {
        Ok(user) => accept(live, Handshake::new(user).address(address).v1(v1), upgrade),
        Err(error) => refuse(live, error.close_code(), address, upgrade),
    }

    let mut response = Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().typed_insert(Connection::upgrade());
    response.headers_mut().typed_insert(Upgrade::websocket());
    response
        .headers_mut()
        .typed_insert(SecWebsocketAccept::from(key));
    // Only if the client offered it: otherwise a browser fails the connection.
    if v1 {
        let chosen = HeaderValue::from_static(Handshake::<U>::SUBPROTOCOL);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, chosen);
    }
    response
}

/// Returns whether there is exactly one key, and it is 16 bytes in base64 (RFC 6455, section 4.1).
fn has_valid_key(headers: &HeaderMap) -> bool {
    let mut keys = headers.get_all("sec-websocket-key").iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return false;
    };
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.as_bytes()
        .strip_suffix(b"==")
        .is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_base64))
}

/// Responds with a text, which may contain headers of the request.
pub(crate) fn error_response(status: StatusCode, message: impl Into<String>) -> Response {
    let mut response = Response::new(message.into().into());
    *response.status_mut() = status;
    // Without it, a browser could take the text for HTML.
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
