//! Routing by data: a statement a line, and where it goes or why it is refused; and by
//! random statements on a real server.

mod cache;
mod copy;
mod data;
mod finished;
mod fixture;

mod limits;
mod merge;
mod sound;
#[path = "../support/mod.rs"]
mod support;
