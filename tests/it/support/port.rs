//! A port for a server that a test starts.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// Finds a port without a listener. It is below the ports that Linux assigns to clients (32768 and
/// up): a client that reconnects to such a port while the server is down may be assigned that same
/// port, and then connects to itself.
pub fn free_port() -> u16 {
    loop {
        let port = 20_000 + (RandomState::new().hash_one(()) % 12_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
