//! Which of the rows that come in order come out: a [`Cut`], with the keys that tell which rows
//! are equal.

use crate::wire::frontend::Values;

use super::cut::{Cut, Fate};
use super::error::Malformed;
use super::order::Order;

/// Decides row by row.
#[derive(Debug)]
pub(super) struct Sieve {
    cut: Cut,
    /// The last row that DISTINCT let through.
    last: Option<Last>,
    /// LIMIT took its last row; only ties may follow.
    ties_only: bool,
}

/// Where in a key the columns end that DISTINCT and WITH TIES compare. No form of a value is
/// the beginning of another, so a key that begins with the same bytes has the same values.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    distinct: usize,
    ties: usize,
}

#[derive(Debug, Default)]
struct Last {
    key: Vec<u8>,
    ends: Ends,
}

impl Sieve {
    pub fn new(cut: Cut) -> Sieve {
        Sieve { cut, last: None, ties_only: false }
    }

    /// No row comes out any more.
    pub fn is_over(&self) -> bool {
        self.cut.is_over()
    }

    /// Puts a row's key in place of what `key` held.
    pub fn key(
        &self,
        order: &Order,
        row: Values<'_>,
        key: &mut Vec<u8>,
    ) -> Result<Ends, Malformed> {
        let prefixes = [self.cut.distinct.unwrap_or(0), self.cut.ties.unwrap_or(0)];
        let [distinct, ties] = order.key_with_ends(row, prefixes, key)?;
        Ok(Ends { distinct, ties })
    }

    /// The fate of the row that is next in order.
    pub fn fate(&mut self, key: &[u8], ends: Ends) -> Fate {
        let fate = self.decide(key, ends);
        if fate == Fate::Stop {
            self.cut = Cut::window(0, Some(0));
        }
        fate
    }

    fn decide(&mut self, key: &[u8], ends: Ends) -> Fate {
        let Cut { distinct, ties, .. } = self.cut;
        if distinct.is_none() && ties.is_none() {
            return self.cut.decide();
        }
        if let Some(last) = &self.last {
            let equal = |end: usize| key.get(..end) == last.key.get(..end);
            if distinct.is_some() && equal(last.ends.distinct) {
                return Fate::Skip;
            }
            if self.ties_only && !equal(last.ends.ties) {
                return Fate::Stop;
            }
        }
        let last = self.last.get_or_insert_default();
        last.key.clear();
        last.key.extend_from_slice(key);
        last.ends = ends;
        if self.ties_only {
            return Fate::Take;
        }
        let fate = self.cut.decide();
        self.ties_only = ties.is_some() && self.cut.limit == Some(0);
        fate
    }
}
