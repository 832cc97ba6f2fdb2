//! Starts real Postgres clusters on this machine, for the demo, tests, drills and benchmarks.
//!
//! A herd is a directory: its nodes' data, their logs, `local.json`, and the `pgherd.toml` and
//! `rules.yaml` that fit. Whatever happened to the program that started it, [`down`] finds every
//! server process by where it works, so nothing is left running. It is meant for development:
//! the superuser's password is known to all.
//!
//! All calls block. They may be made from within a runtime; a task that has others to serve
//! puts them on a blocking thread.

pub mod demo;
mod error;
mod files;
mod herd;
mod identity;
mod node;
mod postgres;
mod process;
mod raise;
mod server;
mod sql;
mod state;
mod status;
mod template;
mod up;

pub use error::Error;
pub use herd::{Herd, down, remove};
pub use node::{Node, Role};
pub use process::Stop;
pub use state::{Asked, MAX_REPLICAS, MAX_SHARDS, Member, Shape};
pub use status::{NodeState, NodeStatus, ShardStatus, Status};
pub use up::{Event, Options, up};

/// The superuser of every node.
pub const USER: &str = "pgherd";
/// The superuser's password.
pub const PASSWORD: &str = "pgherd";
