//! Routing by data: a statement a line, and where it goes or why it is refused.

mod data;
mod fixture;
