//! A client's session: read → route → run → reply.
//!
//! The way of a client through the files: `door` → `listener` → `startup` → `session`, which reads
//! messages. What most send goes by `express`, which knows a text again by `forms`. Else a text
//! goes through `query` (and `block`), a function call through `function_call`, messages of the extended
//! protocol through `extended`, `bound` and `leg`; `planner` says what each statement is and where it goes,
//! `control` what of it the session answers by itself and what it does to the session, `define` what
//! goes to all shards, `copy` COPY of several of them, `scatter` what
//! several of them answer at once, `gather` what one of them
//! finishes over the rows of all, `cursor` what of both is taken in portions, `share` what several of
//! them write, `fill` asks for the keys of rows before it is known where they go, `named` has SQL's prepared
//! statements. `held` is the connection that serves a transaction, `transaction` what becomes of it
//! where several do (and `deadlock` where they wait for each other, `clock` where they are to have
//! one time), `kept` those that stay a client's between its transactions (and `notify` what comes by
//! them unasked), `relay` carries bytes
//! to it and back, `replies` knows which reply belongs to which message, and `edited` where an error in
//! a text of ours is in the client's. What a session is, apart from connections, is in `state`,
//! `settings`, `statements` and `journal`. In session mode where there is one shard, none of it is
//! needed: `tunnel`.

pub mod admission;
mod alarm;
mod arrays;
mod block;
mod bound;
mod cancel;
pub mod client;
mod clock;
mod control;
mod copy;
mod cursor;
pub mod database;
mod deadlock;
mod define;
mod door;
mod edited;
pub mod explain;
mod express;
mod extended;
pub mod failure;
mod fill;
mod flood;
mod forms;
mod function_call;
mod gather;
mod held;
pub mod journal;
mod kept;
mod leg;
pub mod listener;
mod named;
mod notify;
pub mod patience;
mod peer;
mod planner;
mod portals;
mod query;
mod reading;
mod relay;
pub mod replies;
mod scatter;
pub mod session;
mod setting_call;
pub mod settings;
mod share;
mod socket_file;
pub mod startup;
pub mod state;
pub mod statements;
mod transaction;
mod tunnel;
mod users;
mod vigil;
mod workers;

pub use database::Database;
pub use listener::{Listener, Stop};
pub use users::Served;
