//! The HTTP side of the websocket handshake: RFC 6455, section 4.2.

use std::net::IpAddr;

use headers::{
    Connection, HeaderMapExt, SecWebsocketAccept, SecWebsocketKey, SecWebsocketVersion, Upgrade,
};
use hyper::upgrade::OnUpgrade;
use rest_live_runtime::{Handshake, Live};
use warp::{
    http::{HeaderMap, HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
    reply::Response,
};

use crate::upgrade::accept;

/// A request to open a websocket, without its user.
pub(crate) struct UpgradeRequest<'r> {
    pub(crate) headers: &'r HeaderMap,
    pub(crate) address: Option<IpAddr>,
    pub(crate) upgrade: Option<OnUpgrade>,
}

/// Responds to a request to open a websocket, and serves the connection if the handshake is valid.
pub(crate) fn respond<U: Send + Sync + 'static>(
    live: &Live<U>,
    handshake: Handshake<U>,
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
    let v1 = offers(headers, Handshake::<U>::SUBPROTOCOL);
    accept(live, handshake.address(address).v1(v1), upgrade);

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

/// Returns whether the client offers this subprotocol, in one header or in several.
fn offers(headers: &HeaderMap, subprotocol: &str) -> bool {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offered| offered.trim() == subprotocol)
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

pub(crate) fn error_response(status: StatusCode, message: &'static str) -> Response {
    let mut response = Response::new(message.to_owned().into());
    *response.status_mut() = status;
    response
}
