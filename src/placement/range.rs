//! The range table: sorted bounds → shard, for a key of one column.
//!
//! The order is the server's: integers, numeric, dates and times by value, uuid by bytes,
//! text by bytes (collation "C", whatever the column's own is). NULL sorts last, with the
//! last range, and so does numeric NaN.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::config::rules::{KeyType, RangeRule};

use super::ShardId;
use super::key::{KeyColumn, KeyValue, NotAKey, Purpose, Source};

/// Ranges without gap or overlap from the first value to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeTable {
    key_type: KeyType,
    /// Ascending; bound i begins range i + 1. One fewer than shards.
    bounds: Vec<KeyValue<'static>>,
    shards: Vec<ShardId>,
}

/// One range: inclusive low end (`None` from the start), exclusive high end (`None` to the
/// end, NULL among it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<'a> {
    pub low: Option<&'a KeyValue<'static>>,
    pub high: Option<&'a KeyValue<'static>>,
    pub shard: ShardId,
}

/// What is wrong with ranges; `line` is the rules' line of the range at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RangeError {
    pub line: usize,
    pub message: String,
}

/// Why a change of a range table isn't done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("there is a bound at {0} already")]
    BoundExists(String),
    #[error("there is no bound at {0}")]
    NoBound(String),
    #[error("the ranges on both sides of {0} lie on different shards; move one of them first")]
    TwoShards(String),
    #[error("the range from {low} to {high} is empty")]
    Empty { low: String, high: String },
    #[error("the bound isn't a value of the key's type")]
    OtherType,
}

/// The order of two values of one key type. NULL is last; values of different types, which
/// no caller of this room mixes, are equal.
pub(super) fn compare(a: &KeyValue<'_>, b: &KeyValue<'_>) -> Ordering {
    use KeyValue as K;
    match (a, b) {
        (K::Int(a), K::Int(b)) => a.cmp(b),
        (K::Text(a), K::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (K::Uuid(a), K::Uuid(b)) => a.cmp(b),
        (K::Numeric(a), K::Numeric(b)) => a.cmp(b),
        (K::Date(a), K::Date(b)) => a.cmp(b),
        (K::Time(a), K::Time(b)) | (K::Timestamp(a), K::Timestamp(b)) => a.cmp(b),
        (K::Null, K::Null) => Ordering::Equal,
        (K::Null, _) => Ordering::Greater,
        (_, K::Null) => Ordering::Less,
        _ => Ordering::Equal,
    }
}

impl RangeTable {
    /// The table of ranges as the rules have them, in any order. `shard` finds a shard by name.
    ///
    /// # Errors
    /// With the line at fault: a bound that isn't a value of the key's type, an unknown
    /// shard, an empty range, a gap or an overlap.
    pub fn from_rules(
        key_type: KeyType,
        rules: &[RangeRule],
        shard: impl Fn(&str) -> Option<ShardId>,
    ) -> Result<RangeTable, RangeError> {
        let mut ranges = Vec::with_capacity(rules.len());
        for rule in rules {
            ranges.push(Parsed::new(key_type, rule, &shard)?);
        }
        ranges.sort_by(|a, b| match (&a.low, &b.low) {
            (None, None) => Ordering::Equal,
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(a), Some(b)) => compare(a, b),
        });
        check_cover(key_type, &ranges)?;
        Ok(RangeTable {
            key_type,
            shards: ranges.iter().map(|range| range.shard).collect(),
            bounds: ranges.into_iter().filter_map(|range| range.low).collect(),
        })
    }

    /// The table of sorted bounds and shards, as the catalog keeps it.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn from_parts(
        key_type: KeyType,
        bounds: &[Box<str>],
        shards: Vec<ShardId>,
    ) -> Result<RangeTable, String> {
        if shards.len() != bounds.len() + 1 {
            return Err(format!("{} bounds don't part {} ranges", bounds.len(), shards.len()));
        }
        let bounds: Vec<_> = bounds
            .iter()
            .map(|bound| {
                read_bound(key_type, bound).map_err(|why| format!("the bound {bound:?}: {why}"))
            })
            .collect::<Result<_, _>>()?;
        if bounds.windows(2).any(|pair| compare(&pair[0], &pair[1]) != Ordering::Less) {
            return Err("the bounds don't ascend".to_owned());
        }
        Ok(RangeTable { key_type, bounds, shards })
    }

    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The bounds, ascending; one begins each range but the first.
    pub fn bounds(&self) -> &[KeyValue<'static>] {
        &self.bounds
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = Range<'_>> {
        (0..self.shards.len()).map(|index| self.range(index))
    }

    /// The range that holds a key.
    pub fn range_of(&self, key: &KeyValue<'_>) -> Range<'_> {
        self.range(self.index_of(key))
    }

    fn range(&self, index: usize) -> Range<'_> {
        Range {
            low: index.checked_sub(1).map(|before| &self.bounds[before]),
            high: self.bounds.get(index),
            shard: self.shards[index],
        }
    }

    /// The shards that have a range, in order.
    pub fn shards(&self) -> Vec<ShardId> {
        sorted(self.shards.clone())
    }

    fn index_of(&self, key: &KeyValue<'_>) -> usize {
        self.bounds.partition_point(|bound| compare(bound, key) != Ordering::Greater)
    }

    #[inline]
    pub fn shard_of(&self, key: &KeyValue<'_>) -> ShardId {
        self.shards[self.index_of(key)]
    }

    /// The shards, in order, of the keys between two bounds.
    pub fn shards_for_range(
        &self,
        low: Bound<&KeyValue<'_>>,
        high: Bound<&KeyValue<'_>>,
    ) -> Vec<ShardId> {
        let (Bound::Included(l) | Bound::Excluded(l), Bound::Included(h) | Bound::Excluded(h)) =
            (low, high)
        else {
            return self.shards_between(low, high);
        };
        match compare(l, h) {
            Ordering::Less => self.shards_between(low, high),
            Ordering::Equal if low == Bound::Included(l) && high == Bound::Included(h) => {
                vec![self.shard_of(l)]
            }
            _ => Vec::new(),
        }
    }

    fn shards_between(
        &self,
        low: Bound<&KeyValue<'_>>,
        high: Bound<&KeyValue<'_>>,
    ) -> Vec<ShardId> {
        let first = match low {
            Bound::Unbounded => 0,
            Bound::Included(key) | Bound::Excluded(key) => self.index_of(key),
        };
        let last = match high {
            Bound::Unbounded => self.shards.len() - 1,
            Bound::Included(key) => self.index_of(key),
            // A range that begins at an excluded bound has no part in it.
            Bound::Excluded(key) => {
                self.bounds.partition_point(|bound| compare(bound, key) == Ordering::Less)
            }
        };
        self.shards.get(first..=last).map(|shards| sorted(shards.to_vec())).unwrap_or_default()
    }

    /// Cuts the range that holds `at` in two on the same shard; `at` begins the second.
    ///
    /// # Errors
    /// When a range begins there already, or `at` is of another type.
    pub fn split(&self, at: KeyValue<'static>) -> Result<RangeTable, ChangeError> {
        self.check_type(&at)?;
        let index = self.index_of(&at);
        if index > 0 && compare(&self.bounds[index - 1], &at) == Ordering::Equal {
            return Err(ChangeError::BoundExists(at.to_text(self.key_type)));
        }
        let mut table = self.clone();
        table.shards.insert(index, self.shards[index]);
        table.bounds.insert(index, at);
        Ok(table)
    }

    /// Joins the ranges before and after the bound `at`.
    ///
    /// # Errors
    /// When there is no such bound, or the two lie on different shards.
    pub fn merge(&self, at: &KeyValue<'_>) -> Result<RangeTable, ChangeError> {
        self.check_type(at)?;
        let text = || at.to_text(self.key_type);
        let bound = self.bounds.binary_search_by(|bound| compare(bound, at));
        let index = bound.map_err(|_| ChangeError::NoBound(text()))?;
        if self.shards[index] != self.shards[index + 1] {
            return Err(ChangeError::TwoShards(text()));
        }
        let mut table = self.clone();
        table.bounds.remove(index);
        table.shards.remove(index);
        Ok(table)
    }

    /// Gives the keys from `low` up to `high` (`None`: from the start, to the end) to a
    /// shard, with new bounds where there are none.
    ///
    /// # Errors
    /// When the range is empty, or a bound is of another type.
    pub fn reassign(
        &self,
        low: Option<KeyValue<'static>>,
        high: Option<KeyValue<'static>>,
        to: ShardId,
    ) -> Result<RangeTable, ChangeError> {
        if let (Some(low), Some(high)) = (&low, &high)
            && compare(low, high) != Ordering::Less
        {
            let text = |key: &KeyValue<'_>| key.to_text(self.key_type);
            return Err(ChangeError::Empty { low: text(low), high: text(high) });
        }
        let mut table = self.clone();
        for bound in [&low, &high].into_iter().flatten() {
            table = match table.split(bound.clone()) {
                Ok(table) => table,
                Err(ChangeError::BoundExists(_)) => table,
                Err(error) => return Err(error),
            };
        }
        let first = low.map_or(0, |low| table.index_of(&low));
        let end = high.map_or(table.shards.len(), |high| table.index_of(&high));
        table.shards[first..end].fill(to);
        Ok(table)
    }

    fn check_type(&self, key: &KeyValue<'_>) -> Result<(), ChangeError> {
        use KeyType as T;
        use KeyValue as K;
        let fits = matches!(
            (key, self.key_type),
            (K::Int(_), T::Int2 | T::Int4 | T::Int8)
                | (K::Text(_), T::Text)
                | (K::Uuid(_), T::Uuid)
                | (K::Numeric(_), T::Numeric)
                | (K::Date(_), T::Date)
                | (K::Time(_), T::Time)
                | (K::Timestamp(_), T::Timestamp | T::TimestampTz)
        );
        if fits { Ok(()) } else { Err(ChangeError::OtherType) }
    }
}

fn sorted(mut shards: Vec<ShardId>) -> Vec<ShardId> {
    shards.sort_unstable();
    shards.dedup();
    shards
}

/// Reads a bound in the form that every server version reads alike.
fn read_bound(key_type: KeyType, text: &str) -> Result<KeyValue<'static>, NotAKey> {
    let column = KeyColumn { key_type, typmod: -1, server_major: 14 };
    column.read(Source::Untyped(text.as_bytes()), Purpose::Assign).map(KeyValue::into_owned)
}

/// A rule with its bounds read.
struct Parsed {
    low: Option<KeyValue<'static>>,
    high: Option<KeyValue<'static>>,
    shard: ShardId,
    line: usize,
}

impl Parsed {
    fn new(
        key_type: KeyType,
        rule: &RangeRule,
        shard: impl Fn(&str) -> Option<ShardId>,
    ) -> Result<Parsed, RangeError> {
        let line = rule.line;
        let bound = |text: &Option<Box<str>>| {
            let read = text.as_deref().map(|text| read_bound(key_type, text)).transpose();
            read.map_err(|why| RangeError { line, message: format!("a bound of the range: {why}") })
        };
        let (low, high) = (bound(&rule.from)?, bound(&rule.to)?);
        if let (Some(low), Some(high)) = (&low, &high)
            && compare(low, high) != Ordering::Less
        {
            let (low, high) = (low.to_text(key_type), high.to_text(key_type));
            let message = format!(
                "the range from {low} to {high} is empty: its end is exclusive and has to lie \
                 above its start"
            );
            return Err(RangeError { line, message });
        }
        let name = &rule.shard;
        let shard = shard(name).ok_or_else(|| RangeError {
            line,
            message: format!("the range lies on shard {name:?}, which isn't among the shards"),
        })?;
        Ok(Parsed { low, high, shard, line })
    }
}

/// Refuses gaps and overlaps in ranges sorted by their low ends.
fn check_cover(key_type: KeyType, ranges: &[Parsed]) -> Result<(), RangeError> {
    let text = |key: &Option<KeyValue<'static>>| {
        key.as_ref().map_or_else(String::new, |key| key.to_text(key_type))
    };
    let error = |line, message| Err(RangeError { line, message });
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        return error(0, "there are no ranges; one without from and to holds all keys".to_owned());
    };
    if first.low.is_some() {
        let message =
            format!("no range holds the keys below {}: leave out its from", text(&first.low));
        return error(first.line, message);
    }
    for pair in ranges.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let order = match (&before.high, &after.low) {
            (Some(high), Some(low)) => compare(high, low),
            // An open end in the middle, or a second range from the start.
            _ => Ordering::Greater,
        };
        let (high, low) = (text(&before.high), text(&after.low));
        let other = before.line;
        match order {
            Ordering::Equal => {}
            Ordering::Less => {
                let message = format!(
                    "no range holds the keys from {high} to {low}: there is a gap to the range of line {other}"
                );
                return error(after.line, message);
            }
            Ordering::Greater => {
                let message = format!("the range overlaps the range of line {other}");
                return error(after.line, message);
            }
        }
    }
    if last.high.is_some() {
        let message =
            format!("no range holds the keys from {} up: leave out its to", text(&last.high));
        return error(last.line, message);
    }
    Ok(())
}
