//! pgherd: one Postgres endpoint in front of a herd.
//!
//! The rooms, from the top of the house to its ground floor. Imports run down this list,
//! never up; `tests/house.rs` reads the sources and holds that.

pub mod cli;

pub mod proxy;

pub mod cluster;

pub mod catalog;

pub mod routing;

pub mod sql;

pub mod placement;

pub mod wire;

pub mod config;

pub mod local;
