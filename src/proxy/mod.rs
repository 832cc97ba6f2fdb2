//! A client's session: read → route → run → reply.

pub mod client;
pub mod explain;
pub mod failure;
pub mod relay;
pub mod replies;
pub mod settings;
pub mod state;
pub mod statements;
pub mod unsent;
