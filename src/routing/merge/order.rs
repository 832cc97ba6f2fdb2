//! The order of rows, as Postgres's btree operators have it.
//!
//! A row's key is a string of bytes, made once; keys compare byte by byte, whatever the types,
//! directions and places of NULL (the *normal form*: `normal.rs`). Rows are equal exactly where
//! their keys are: so keys serve DISTINCT and GROUP BY too.
//!
//! | type | order | in text |
//! |---|---|---|
//! | boolean, smallint, integer, bigint, oid, "char", uuid, bytea | by value | always |
//! | real, double precision | NaN above all and equal to itself, -0 = 0 (`float.h`) | `exact_floats` |
//! | numeric | -Infinity, numbers by value whatever the scale, Infinity, NaN (`numeric.c`) | always |
//! | text, varchar, name, character(n) | by bytes, [`Collation::C`] only; trailing spaces of character(n) don't count (`varlena.c`, `varchar.c`) | always |
//! | date, timestamp, timestamptz | by time, with infinities (`date.c`, `timestamp.c`) | `iso_dates` |
//! | time | by time, 24:00 last | always |
//! | timetz | by UTC, then by zone, west last (`timetz_cmp_internal`) | always |
//! | interval | months of 30 days of 24 hours (`interval_cmp_value`) | `postgres_intervals` |
//!
//! All else is [`NotComparable`].

use crate::wire::frontend::{Format, Values};

use super::error::{Malformed, NotComparable, Obstacle};
use super::{TextForm, normal, oid};

/// Under which collation a column is ordered; types without one don't mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collation {
    /// By bytes: C, POSIX, ucs_basic (in UTF-8), or the database's own where that is one of
    /// them; **and** values come in the server's own encoding, not converted for the client. The
    /// caller knows both.
    C,
    Other,
}

/// How a column of the shards' rows is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// As RowDescription has it: a domain's values come under its base type.
    pub type_oid: u32,
    pub format: Format,
    pub collation: Collation,
}

impl Column {
    /// Of a type without collation, or text in C.
    pub fn new(type_oid: u32, format: Format) -> Column {
        Column { type_oid, format, collation: Collation::C }
    }

    /// What stands in the way of comparing its values.
    pub fn obstacle(&self, text: TextForm) -> Option<Obstacle> {
        let in_text = self.format == Format::Text;
        let unless = |readable: bool, obstacle| (in_text && !readable).then_some(obstacle);
        match self.type_oid {
            oid::BOOL
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::OID
            | oid::CHAR
            | oid::UUID
            | oid::BYTEA
            | oid::NUMERIC => None,
            oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME => {
                (self.collation != Collation::C).then_some(Obstacle::Collation)
            }
            oid::FLOAT4 | oid::FLOAT8 => unless(text.exact_floats, Obstacle::Floats),
            // Written alike under every DateStyle (EncodeTimeOnly).
            oid::TIME | oid::TIMETZ => None,
            oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ => {
                unless(text.iso_dates, Obstacle::DateStyle)
            }
            oid::INTERVAL => unless(text.postgres_intervals, Obstacle::IntervalStyle),
            _ => Some(Obstacle::Type),
        }
    }
}

/// One column of an ORDER BY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortColumn {
    /// Where it stands in the shards' rows, from 0.
    pub index: usize,
    pub column: Column,
    pub descending: bool,
    pub nulls_first: bool,
}

impl SortColumn {
    /// ASC, and NULLs last as is Postgres's default for it.
    pub fn ascending(index: usize, column: Column) -> SortColumn {
        SortColumn { index, column, descending: false, nulls_first: false }
    }

    /// DESC, and NULLs first as is Postgres's default for it.
    pub fn descending(index: usize, column: Column) -> SortColumn {
        SortColumn { index, column, descending: true, nulls_first: true }
    }
}

/// An order that is reproduced exactly. Of no columns: all rows are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    columns: Box<[SortColumn]>,
}

impl Order {
    /// Refuses columns whose order isn't reproduced here, the first of them by name.
    pub fn new(
        columns: impl IntoIterator<Item = SortColumn>,
        text: TextForm,
    ) -> Result<Order, NotComparable> {
        let columns: Box<[SortColumn]> = columns.into_iter().collect();
        for SortColumn { index, column, .. } in &columns {
            if let Some(obstacle) = column.obstacle(text) {
                let type_oid = column.type_oid;
                return Err(NotComparable { column: *index, type_oid, obstacle });
            }
        }
        Ok(Order { columns })
    }

    pub fn columns(&self) -> &[SortColumn] {
        &self.columns
    }

    /// Puts the key of a row in place of what `key` held.
    pub fn key(&self, row: Values<'_>, key: &mut Vec<u8>) -> Result<(), Malformed> {
        key.clear();
        for column in &self.columns {
            append(column, row, key)?;
        }
        Ok(())
    }

    /// The same, and where in the key the first so many columns end.
    pub(super) fn key_with_ends<const N: usize>(
        &self,
        row: Values<'_>,
        prefixes: [usize; N],
        key: &mut Vec<u8>,
    ) -> Result<[usize; N], Malformed> {
        key.clear();
        let mut ends = [0; N];
        for (i, column) in self.columns.iter().enumerate() {
            append(column, row, key)?;
            for (end, prefix) in ends.iter_mut().zip(prefixes) {
                if i < prefix {
                    *end = key.len();
                }
            }
        }
        Ok(ends)
    }
}

/// Before a value stands a byte that puts NULLs where they belong.
const VALUE: u8 = 1;

fn append(sort: &SortColumn, row: Values<'_>, key: &mut Vec<u8>) -> Result<(), Malformed> {
    let Some(cell) = row.get(sort.index) else { return Err(Malformed { type_oid: 0 }) };
    let Some(value) = cell else {
        key.push(if sort.nulls_first { VALUE - 1 } else { VALUE + 1 });
        return Ok(());
    };
    key.push(VALUE);
    let start = key.len();
    let Column { type_oid, format, .. } = sort.column;
    normal::append(type_oid, format, value, key).ok_or(Malformed { type_oid })?;
    if sort.descending {
        key[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(())
}
