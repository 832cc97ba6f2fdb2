//! Rows that no shard could sort: their order depends on values that were put together here, as
//! in `SELECT k, sum(x) … GROUP BY k ORDER BY sum(x) DESC LIMIT 10`.

use crate::wire::frontend::Values;

use super::cut::{Cut, Fate};
use super::error::CombineError;
use super::order::Order;
use super::sieve::{Ends, Sieve};

/// Rows in memory, up to a bound, that come out in order. `R` is what the caller wants back for
/// a row.
#[derive(Debug)]
pub struct Pile<R> {
    order: Order,
    sieve: Sieve,
    rows: Vec<Held<R>>,
    /// Bytes that rows and keys take, about.
    bytes: usize,
    limit: usize,
}

#[derive(Debug)]
struct Held<R> {
    key: Box<[u8]>,
    ends: Ends,
    row: R,
}

impl<R> Pile<R> {
    /// `cut` says which of the sorted rows come out; `limit` in bytes.
    pub fn new(order: Order, cut: Cut, limit: usize) -> Pile<R> {
        Pile { order, sieve: Sieve::new(cut), rows: Vec::new(), bytes: 0, limit }
    }

    /// Adds a row, which takes so many bytes beside its key.
    pub fn push(&mut self, values: Values<'_>, row: R, bytes: usize) -> Result<(), CombineError> {
        let mut key = Vec::new();
        let ends = self.sieve.key(&self.order, values, &mut key)?;
        self.bytes += size_of::<Held<R>>() + key.len() + bytes;
        let limit = self.limit;
        if self.bytes > limit {
            return Err(CombineError::Full { limit });
        }
        self.rows.push(Held { key: key.into_boxed_slice(), ends, row });
        Ok(())
    }

    /// The rows in order. Equal rows come as they were pushed.
    pub fn finish(self) -> impl Iterator<Item = R> {
        let Pile { mut sieve, mut rows, .. } = self;
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        let fates = rows.into_iter().map(move |held| (sieve.fate(&held.key, held.ends), held.row));
        let taken = fates.take_while(|(fate, _)| *fate != Fate::Stop);
        taken.filter_map(|(fate, row)| (fate == Fate::Take).then_some(row))
    }
}
