//! What stands in the way of a merge, and what goes wrong in one.

use std::fmt;

use super::oid;

/// A type's name for messages.
struct TypeName(u32);

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match oid::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "a type with oid {}", self.0),
        }
    }
}

/// Rows can't be put in order by a column. Known when the statement is planned: to be refused
/// (0A000) or gathered, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("rows of several shards can't be ordered by column {}: {} {obstacle}", .column + 1, TypeName(*.type_oid))]
pub struct NotComparable {
    /// Index of the column in the shards' rows.
    pub column: usize,
    pub type_oid: u32,
    pub obstacle: Obstacle,
}

impl NotComparable {
    /// The same column in binary format would be comparable.
    pub fn in_binary(&self) -> bool {
        self.obstacle.in_binary()
    }
}

/// Why values don't compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Its order isn't reproduced here: enums (the order is in each server's catalog), arrays,
    /// records, ranges, jsonb, network addresses, types of extensions.
    Type,
    /// Text under a collation of the C library or of ICU.
    Collation,
    /// In text, and `DateStyle` isn't ISO.
    DateStyle,
    /// In text, and `IntervalStyle` isn't postgres.
    IntervalStyle,
    /// In text, and `extra_float_digits` is below 1.
    Floats,
}

impl Obstacle {
    /// Values in binary format don't have it.
    pub fn in_binary(self) -> bool {
        matches!(self, Obstacle::DateStyle | Obstacle::IntervalStyle | Obstacle::Floats)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::Type => "has an order that only a server knows",
            Obstacle::Collation => "has a collation whose order only a server knows",
            Obstacle::DateStyle => "in text is read only under DateStyle ISO",
            Obstacle::IntervalStyle => "in text is read only under IntervalStyle postgres",
            Obstacle::Floats => "in text is exact only with extra_float_digits of 1 or more",
        })
    }
}

/// An aggregate can't be put together from partial results. Known when the statement is
/// planned: to be refused (0A000) or gathered, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCombinable {
    /// There is no such aggregate here for arguments of this type.
    #[error("{}({}) isn't put together from several shards", .function, TypeName(*.type_oid))]
    Unknown { function: super::Function, type_oid: u32 },
    /// `sum`, `avg`, variance of real and double precision: each addition rounds, so the result
    /// depends on their order, which is the rows' own order on one server.
    #[error(
        "{}({}) depends on the order in which the numbers are added",
        .function,
        TypeName(*.type_oid)
    )]
    OrderOfAddition { function: super::Function, type_oid: u32 },
    /// Its partial results can't be read or compared.
    #[error("{}({}) isn't put together from several shards: the type {obstacle}", .function, TypeName(*.type_oid))]
    Obstacle { function: super::Function, type_oid: u32, obstacle: Obstacle },
}

impl NotCombinable {
    /// With the result in binary format it could be put together.
    pub fn in_binary(&self) -> bool {
        matches!(self, NotCombinable::Obstacle { obstacle, .. } if obstacle.in_binary())
    }
}

/// A shard's value isn't of the form that its type has. Holds no data of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a shard sent a value of {} that can't be read", TypeName(*.type_oid))]
pub struct Malformed {
    /// 0 when the row lacks the column.
    pub type_oid: u32,
}

/// Why a row of a shard can't be merged. SQLSTATE XX000: neither the client nor its statement is
/// at fault, and going on would give a wrong answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmerged {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A shard's rows don't come in the order that it was asked for, as we understand it.
    #[error("a shard's rows don't come in the order that they were asked for")]
    Unsorted,
}

/// Why partial results don't give a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The error that one server would give.
    #[error("{message}")]
    Server { sqlstate: &'static str, message: &'static str },
    /// Groups take more memory than they may; SQLSTATE 53200.
    #[error("the groups of this statement take more than {limit} bytes")]
    Full {
        /// In bytes.
        limit: usize,
    },
}

impl CombineError {
    /// Five characters.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            CombineError::Malformed(_) => "XX000",
            CombineError::Server { sqlstate, .. } => sqlstate,
            CombineError::Full { .. } => "53200",
        }
    }

    pub(super) const BIGINT: CombineError =
        CombineError::Server { sqlstate: "22003", message: "bigint out of range" };
}
