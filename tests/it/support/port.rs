//! The port of a server of a test's own.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// Finds a port that nobody listens on. Below those that Linux gives to clients (32768 and up), since a
/// client that asks such a port again and again while the server is dead may be given that very port, and
/// then hears itself.
pub fn free_port() -> u16 {
    loop {
        let port = 20_000 + (RandomState::new().hash_one(()) % 12_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
