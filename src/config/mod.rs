//! What a person writes: settings and sharding rules; checked, with the line at fault named.

mod address;
mod auth;
mod document;
mod load;
mod mistake;
pub mod rules;
mod rules_file;
mod secret;
mod section;
pub mod settings;
pub mod tls;
pub mod units;
mod yaml;

pub use document::Described;
pub use load::{FILE_SIZE_MAX, Overrides, load, load_described};
pub use mistake::{Mistake, Mistakes, Place};
pub use rules_file::{parse_rules, read_rules};
pub use secret::Secret;
pub use settings::Settings;

#[cfg(test)]
mod tests;
