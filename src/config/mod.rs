//! What a person writes: settings and sharding rules; checked, with the line at fault named.

pub mod rules;
