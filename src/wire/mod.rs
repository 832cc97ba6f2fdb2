//! Bytes ⇄ frames ⇄ messages; startup, authentication, cancel. No SQL.
//!
//! Everything here but [`stream`], its socket and [`tls`] is a codec: it works on buffers and never awaits a
//! socket.
//! What a peer sends is looked at with every length checked first; a malformed message is an
//! error with SQLSTATE 08P01, never a panic, and nothing is allocated by a length that a peer
//! claims.

pub mod auth;
pub mod backend;
pub mod copy;
pub mod encoding;
pub mod error;
pub mod frame;
pub mod frontend;
pub mod proxy_protocol;
pub mod read;
mod socket;
pub mod startup;
pub mod stream;
pub mod tls;
pub mod write;

pub use error::ProtocolError;

#[cfg(test)]
mod tests;
