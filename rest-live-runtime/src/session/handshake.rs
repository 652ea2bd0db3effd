//! What a transport knows about a client before its session begins.

use std::{net::IpAddr, time::SystemTime};

use crate::data::scope::Scope;

/// The user who connects, the address, the requested dialect, the scope, and the expiry.
///
/// Any user converts into a handshake without the rest.
#[derive(Clone, Debug)]
pub struct Handshake<U> {
    /// `None` until the client authenticates.
    pub(crate) user: Option<U>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) v1: bool,
    pub(crate) scope: Option<Scope>,
}

impl<U> Handshake<U> {
    /// The websocket subprotocol with which a client requests v1. If the client offers it, the
    /// transport must name it in the response. Otherwise the response must not contain it (RFC
    /// 6455, section 4.2.2).
    pub const SUBPROTOCOL: &'static str = crate::protocol::v1::SUBPROTOCOL;

    /// Creates the handshake of a user, without an address or subprotocol.
    pub fn new(user: U) -> Self {
        Self {
            user: Some(user),
            ..Self::without_user()
        }
    }

    /// Creates the handshake of a client that has no user until it authenticates by the message
    /// `auth`: see [`LiveBuilder::authenticate`](crate::LiveBuilder::authenticate). Its
    /// subscribe requests are refused with error 401. If it does not authenticate within
    /// [`Limits::auth_timeout`](crate::Limits::auth_timeout), the connection is closed with 4401.
    pub fn without_user() -> Self {
        Self {
            user: None,
            expires_at: None,
            address: None,
            v1: false,
            scope: None,
        }
    }

    /// Sets when the credentials of the user expire, such as the cookie or the token of the
    /// request. At this time the connection is closed with 4401, unless the client has
    /// authenticated again. `None` means that they do not expire.
    #[must_use]
    pub fn expires_at(mut self, expires_at: Option<SystemTime>) -> Self {
        self.expires_at = expires_at;
        self
    }

    /// Sets the IP address of the client. `None` is not counted by
    /// [`Limits::max_connections_per_address`](crate::Limits::max_connections_per_address).
    #[must_use]
    pub fn address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Sets whether the client requested [`SUBPROTOCOL`](Self::SUBPROTOCOL).
    #[must_use]
    pub fn v1(mut self, v1: bool) -> Self {
        self.v1 = v1;
        self
    }

    /// Sets the scope of the session: the tenant whose changes it receives. `None` leaves it to
    /// [`LiveBuilder::scope`](crate::LiveBuilder::scope).
    #[must_use]
    pub fn scope(mut self, scope: Option<Scope>) -> Self {
        self.scope = scope;
        self
    }

    pub(crate) fn map<V>(self, map: impl FnOnce(U) -> V) -> Handshake<V> {
        Handshake {
            user: self.user.map(map),
            expires_at: self.expires_at,
            address: self.address,
            v1: self.v1,
            scope: self.scope,
        }
    }
}

impl<U> From<U> for Handshake<U> {
    fn from(user: U) -> Self {
        Self::new(user)
    }
}
