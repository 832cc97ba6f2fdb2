//! Proofs of who a peer is: exchanges as state machines over messages, without a socket.
//!
//! [`server`] asks our clients, [`client`] answers the servers, [`scram`] holds the keys and the
//! arithmetic that both share, [`end_point`] what a proof over TLS is bound to.

pub mod client;
pub mod end_point;
mod saslprep;
pub mod scram;
mod scram_client;
pub mod server;
pub mod subject;

#[cfg(test)]
mod tests;
