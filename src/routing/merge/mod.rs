//! Merging what several shards answered into what one server would have answered. No I/O.
//!
//! It stands in `routing`, and not where the bytes arrive, for two reasons. Whether an answer
//! can be merged decides whether a statement is planned or refused, before anything is sent, so
//! the plan names these types. And like the rest of `routing` it has neither sockets nor a clock,
//! which `tests/house.rs` holds.
//!
//! - [`Order`]: rows have sort keys, strings of bytes that compare as Postgres's btree
//!   operators do. A type whose order we don't reproduce exactly is [`NotComparable`], before
//!   anything is sent.
//! - [`Merge`]: sorted streams into one, row by row, with DISTINCT and, through [`Cut`], OFFSET,
//!   LIMIT and WITH TIES.
//! - [`Pile`]: the same for rows that no shard could sort, in memory.
//! - [`Aggregate`]: what to ask of each shard ([`Part`]) and how its partial results are put
//!   together; [`Groups`] and [`SortedGroups`] do that by
//!   key.
//! - [`Numeric`]: numbers with Postgres's own digits after the point.
//!
//! # Which forms can be read
//!
//! A shard answers in text or in binary ([`Format`]). In binary every type named in [`order`]
//! is comparable. In text the form of some depends on settings of the session that asked, which
//! the caller says by [`TextForm`]; where a setting hides what is needed, the answer is
//! [`NotComparable`] with `in_binary`: the same column in binary would do. Whoever plans then asks
//! the shards for the sort column a second time, in binary, behind the columns that the client
//! sees.

mod aggregate;
mod combine;
mod cut;
mod datetime;
mod error;
mod groups;
mod normal;
mod numeric;
pub mod oid;
pub mod order;
mod pile;
mod sieve;
mod streams;
mod text_form;
mod value;

pub use aggregate::{Aggregate, Function, Part, PartKind};
pub use combine::State;
pub use cut::{Cut, Fate};
pub use datetime::Interval;
pub use error::{CombineError, Malformed, NotCombinable, NotComparable, Obstacle, Unmerged};
pub use groups::{Group, Groups, SortedGroups, Want};
pub use numeric::{Decimal, Numeric};
pub use order::{Collation, Column, Order, SortColumn};
pub use pile::Pile;
pub use streams::{Merge, Pulled};
pub use text_form::TextForm;
pub use value::Value;

pub use crate::wire::frontend::Format;

#[cfg(test)]
mod tests;
