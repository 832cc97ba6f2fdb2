//! Transactions that several shards take part in: what is left of them when something dies, when
//! something in them can't be done, and when much of both happens at once.

mod bank;
mod failures;
mod kills;
mod notify;
mod outcome;
mod same;
pub mod speaker;
mod stage;
