//! Where keys lie: by property, and against a real server.

mod catalog;
mod live;
mod ring;
mod server;
mod values;
