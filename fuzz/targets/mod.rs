//! What is fuzzed: each target takes any bytes, and panics when something is wrong.
//!
//! Included by the fuzzer and by `tests/corpus.rs`, which runs each target over its corpus in
//! every test run.

mod auth;
mod copy;
mod frames;
mod messages;
mod pieces;
mod plan;
mod proxy_header;
mod replies;
mod scan;
mod startup;

/// A database for [`plan`].
#[path = "../../tests/routing/fixture.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fixture;

/// A target's name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: &[Target] = &[
    ("auth", auth::run),
    ("copy", copy::run),
    ("frames", frames::run),
    ("messages", messages::run),
    ("plan", plan::run),
    ("proxy_header", proxy_header::run),
    ("replies", replies::run),
    ("scan", scan::run),
    ("startup", startup::run),
];
