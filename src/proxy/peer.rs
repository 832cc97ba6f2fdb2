//! Where a client comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where a client comes from, as far as it is known and believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    Network(SocketAddr),
    /// This machine, over a Unix socket.
    Local,
}

impl Peer {
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Peer::Network(address) => Some(address.ip()),
            Peer::Local => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Network(address) => address.fmt(f),
            Peer::Local => f.write_str("[local]"),
        }
    }
}
