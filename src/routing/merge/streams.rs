//! Sorted streams of rows into one.
//!
//! A tournament of the streams' first rows: the winner is taken, and its stream's next row plays
//! against the losers on its way up, log2 k comparisons a row. Nothing is held but one row and
//! two keys a stream, whatever the streams' lengths.

use crate::wire::frontend::Values;

use super::cut::{Cut, Fate};
use super::error::Unmerged;
use super::order::Order;
use super::sieve::{Ends, Sieve};

/// A k-way merge. `R` is what the caller wants back for a row: its bytes, or where they are.
///
/// ```text
/// loop {
///     match merge.pull() {
///         Pulled::Needs(input) => push that stream's next row, or `finish(input)`
///         Pulled::Row(row)     => send it
///         Pulled::Done         => the streams' rests don't matter
///     }
/// }
/// ```
///
/// Rows that the order calls equal come by the index of their input, then as the input has
/// them: one server promises no order among them. Of rows that DISTINCT calls equal the first
/// of these comes out; where they look different (1.0 and 1.00) one server promises neither.
#[derive(Debug)]
pub struct Merge<R> {
    order: Order,
    sieve: Sieve,
    inputs: Vec<Input<R>>,
    /// At 0 the winner, at 1.. the loser of each game: node n plays what comes from nodes 2n and
    /// 2n + 1, and input i of k enters as node k + i.
    games: Vec<usize>,
    vacant: Vacant,
}

/// Which input has to bring a row before the next can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vacant {
    /// This one and those behind it haven't brought their first.
    From(usize),
    /// The one whose row was taken.
    Winner,
    None,
}

#[derive(Debug)]
struct Input<R> {
    row: Option<R>,
    key: Vec<u8>,
    ends: Ends,
    /// The key of the row before: an input that isn't sorted is found out.
    before: Vec<u8>,
    began: bool,
}

/// What [`Merge::pull`] gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Pulled<R> {
    Row(R),
    /// This input's next row has to be known first: `push` it, or `finish` the input.
    Needs(usize),
    /// There are no more, or LIMIT is reached.
    Done,
}

impl<R> Merge<R> {
    /// Of so many inputs, each sorted by `order`. `cut` says which of the merged rows come out.
    pub fn new(order: Order, cut: Cut, inputs: usize) -> Merge<R> {
        let input = || Input {
            row: None,
            key: Vec::new(),
            ends: Ends::default(),
            before: Vec::new(),
            began: false,
        };
        Merge {
            order,
            sieve: Sieve::new(cut),
            inputs: (0..inputs).map(|_| input()).collect(),
            games: vec![0; inputs.max(1)],
            vacant: Vacant::From(0),
        }
    }

    /// The next row of the input that [`Pulled::Needs`] named. `row` is what comes back for it.
    pub fn push(&mut self, input: usize, values: Values<'_>, row: R) -> Result<(), Unmerged> {
        let Some(slot) = self.inputs.get_mut(input) else { return Ok(()) };
        std::mem::swap(&mut slot.key, &mut slot.before);
        let ends = self.sieve.key(&self.order, values, &mut slot.key)?;
        if slot.began && slot.key < slot.before {
            return Err(Unmerged::Unsorted);
        }
        slot.ends = ends;
        slot.began = true;
        slot.row = Some(row);
        self.filled();
        Ok(())
    }

    /// The input that [`Pulled::Needs`] named has no more rows.
    pub fn finish(&mut self, input: usize) {
        if let Some(slot) = self.inputs.get_mut(input) {
            slot.row = None;
        }
        self.filled();
    }

    /// The next row in order, or what is needed to know it.
    pub fn pull(&mut self) -> Pulled<R> {
        loop {
            if self.sieve.is_over() {
                return Pulled::Done;
            }
            match self.vacant {
                Vacant::From(input) if input < self.inputs.len() => return Pulled::Needs(input),
                Vacant::Winner => return Pulled::Needs(self.games[0]),
                Vacant::From(_) | Vacant::None => {}
            }
            let winner = self.games[0];
            let row = self.inputs.get_mut(winner).and_then(|input| input.row.take());
            let Some(row) = row else { return Pulled::Done };
            self.vacant = Vacant::Winner;
            let Input { key, ends, .. } = &self.inputs[winner];
            match self.sieve.fate(key, *ends) {
                Fate::Take => return Pulled::Row(row),
                Fate::Skip => {}
                Fate::Stop => return Pulled::Done,
            }
        }
    }

    /// The input that had to bring a row has done so, or has no more.
    fn filled(&mut self) {
        match self.vacant {
            Vacant::From(input) if input + 1 < self.inputs.len() => {
                self.vacant = Vacant::From(input + 1);
            }
            Vacant::From(_) => {
                self.games[0] = self.play(1);
                self.vacant = Vacant::None;
            }
            Vacant::Winner => {
                self.replay(self.games[0]);
                self.vacant = Vacant::None;
            }
            Vacant::None => {}
        }
    }

    /// Plays all games at and below a node; gives the winner.
    fn play(&mut self, node: usize) -> usize {
        let Some(game) = node.checked_sub(self.inputs.len()) else {
            let (left, right) = (self.play(2 * node), self.play(2 * node + 1));
            let (winner, loser) =
                if self.beats(right, left) { (right, left) } else { (left, right) };
            self.games[node] = loser;
            return winner;
        };
        game
    }

    /// Plays an input's new row against the losers on its way up.
    fn replay(&mut self, input: usize) {
        let mut winner = input;
        let mut node = (self.inputs.len() + input) / 2;
        while node > 0 {
            if self.beats(self.games[node], winner) {
                std::mem::swap(&mut self.games[node], &mut winner);
            }
            node /= 2;
        }
        self.games[0] = winner;
    }

    /// An input without rows loses against all; of equal rows, the earlier input's wins.
    fn beats(&self, one: usize, other: usize) -> bool {
        let (a, b) = (&self.inputs[one], &self.inputs[other]);
        match (&a.row, &b.row) {
            (None, _) => false,
            (_, None) => true,
            _ => (&a.key, one) < (&b.key, other),
        }
    }
}
