//! Text → what the statement is.
//!
//! [`scan`](scan::scan) cuts a text into statements in one pass of a lexer that follows
//! Postgres's own lexical rules, lifts the literals out and computes a fingerprint.
//! [`parse`](parser::parse) turns one scanned statement into a [`Statement`].
//! Nothing here knows shards, placement or a socket.

pub mod statement;
pub use statement::*;
