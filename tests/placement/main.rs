//! Where keys lie: by property, and against a real server.

#[path = "../support/mod.rs"]
mod support;

mod catalog;
mod conversions;
mod installed;
mod live;
mod properties;
mod ring;
mod server;
mod values;
