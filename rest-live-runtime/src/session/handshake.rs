//! What a transport learned of a client before its session begins.

use std::net::IpAddr;

/// Who connects, from where, and which dialect they ask for.
#[derive(Clone, Debug)]
pub struct Handshake<U> {
    pub(crate) user: U,
    pub(crate) address: Option<IpAddr>,
    pub(crate) v1: bool,
}

impl<U> Handshake<U> {
    /// The websocket subprotocol by which a client asks for v1. A transport that accepts it names it
    /// in its answer, and never otherwise (RFC 6455, section 4.2.2).
    pub const SUBPROTOCOL: &'static str = crate::protocol::v1::SUBPROTOCOL;

    /// Returns the handshake of a user.
    pub fn new(user: U) -> Self {
        Self {
            user,
            address: None,
            v1: false,
        }
    }

    /// Sets the address that the connection comes from.
    #[must_use]
    pub fn address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Sets whether the subprotocol was asked for.
    #[must_use]
    pub fn v1(mut self, v1: bool) -> Self {
        self.v1 = v1;
        self
    }

    pub(crate) fn map<V>(self, map: impl FnOnce(U) -> V) -> Handshake<V> {
        Handshake {
            user: map(self.user),
            address: self.address,
            v1: self.v1,
        }
    }
}

impl<U> From<U> for Handshake<U> {
    fn from(user: U) -> Self {
        Self::new(user)
    }
}
