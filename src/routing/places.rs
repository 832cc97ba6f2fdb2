//! The algebra of places: which shards can hold rows of a table that matter.
//!
//! A [`Tree`] says what is known of a table's key when a statement is planned; with the
//! values of one execution it becomes a set of keys, and with a placement a set of shards.
//! Every step yields a superset of the truth: what isn't understood is [`Tree::Any`].

use std::ops::Bound;

use crate::placement::{KeyValue, Placement, ShardId};

use super::RouteError;
use super::value::{Meeting, Met, Reader};

/// Conditions on the key columns of one table, in null-rejecting form.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// Nothing is known.
    Any,
    /// No row passes.
    Never,
    /// The key's column (by its number) has one of the values.
    Is {
        column: usize,
        values: Vec<Meeting>,
    },
    /// The key's column lies between; a bound is inclusive or not.
    Between {
        column: usize,
        low: Option<(Meeting, bool)>,
        high: Option<(Meeting, bool)>,
    },
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

impl Tree {
    pub fn and(trees: Vec<Tree>) -> Tree {
        let mut kept: Vec<Tree> = Vec::new();
        for tree in trees {
            match tree {
                Tree::Any => {}
                Tree::Never => return Tree::Never,
                Tree::And(inner) => kept.extend(inner),
                other if kept.contains(&other) => {}
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Tree::Any,
            1 => kept.swap_remove(0),
            _ => Tree::And(kept),
        }
    }

    pub fn or(trees: Vec<Tree>) -> Tree {
        let mut kept: Vec<Tree> = Vec::new();
        for tree in trees {
            match tree {
                Tree::Any => return Tree::Any,
                Tree::Never => {}
                Tree::Or(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Tree::Never,
            1 => kept.swap_remove(0),
            _ => Tree::Or(kept),
        }
    }

    /// Roughly what the tree takes in memory.
    pub fn bytes(&self) -> usize {
        let meetings = |count: usize| count * (size_of::<Meeting>() + 16);
        size_of::<Tree>()
            + match self {
                Tree::Any | Tree::Never => 0,
                Tree::Is { values, .. } => meetings(values.len()),
                Tree::Between { .. } => meetings(2),
                Tree::And(trees) | Tree::Or(trees) => trees.iter().map(Tree::bytes).sum(),
            }
    }
}

/// Shards, without an allocation for the common cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShardSet {
    None,
    One(ShardId),
    /// At least two, in order.
    Several(Vec<ShardId>),
    /// Every shard, because nothing is known.
    All,
}

impl ShardSet {
    pub fn union(self, other: ShardSet) -> ShardSet {
        match (self, other) {
            (ShardSet::None, set) | (set, ShardSet::None) => set,
            (ShardSet::All, _) | (_, ShardSet::All) => ShardSet::All,
            (ShardSet::One(a), ShardSet::One(b)) if a == b => ShardSet::One(a),
            (a, b) => {
                let mut all = a.into_vec();
                all.extend(b.into_vec());
                ShardSet::from(all)
            }
        }
    }

    fn into_vec(self) -> Vec<ShardId> {
        match self {
            ShardSet::None | ShardSet::All => Vec::new(),
            ShardSet::One(shard) => vec![shard],
            ShardSet::Several(shards) => shards,
        }
    }
}

impl From<Vec<ShardId>> for ShardSet {
    fn from(mut shards: Vec<ShardId>) -> ShardSet {
        shards.sort_unstable();
        shards.dedup();
        match shards.as_slice() {
            [] => ShardSet::None,
            [one] => ShardSet::One(*one),
            _ => ShardSet::Several(shards),
        }
    }
}

/// What is known of one key column.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Any,
    Value(KeyValue<'static>),
    Range(Bound<KeyValue<'static>>, Bound<KeyValue<'static>>),
}

type Key = Vec<Cell>;

/// Evaluates trees of one keyspace with the values of one execution.
pub(super) struct Evaluation<'a> {
    pub reader: Reader<'a>,
    pub placement: &'a Placement,
    /// Columns of the key.
    pub arity: usize,
    /// Keys that one statement may name; beyond it, the shards aren't told apart.
    pub most_keys: usize,
    /// Why a value couldn't be used, for the refusal.
    pub unknown: Option<&'static str>,
}

impl Evaluation<'_> {
    pub fn shards(&mut self, tree: &Tree) -> Result<ShardSet, RouteError> {
        if self.arity == 1
            && let Tree::Is { values, .. } = tree
        {
            return self.shards_of_values(values);
        }
        let Some(keys) = self.keys(tree)? else { return Ok(ShardSet::All) };
        let mut set = ShardSet::None;
        for key in keys {
            set = set.union(self.shards_of_key(key));
        }
        Ok(set)
    }

    /// The common case, straight through.
    fn shards_of_values(&mut self, values: &[Meeting]) -> Result<ShardSet, RouteError> {
        let mut set = ShardSet::None;
        let mut unknown = None;
        for meeting in values {
            let placement = self.placement;
            self.reader.read(meeting, |met| match met {
                Met::Key(key) => {
                    let shard = placement.shard_of(&[key]);
                    let before = std::mem::replace(&mut set, ShardSet::None);
                    set = before.union(ShardSet::One(shard));
                }
                Met::Nothing => {}
                Met::Unknown(why) => unknown = Some(why),
            })?;
        }
        if unknown.is_some() {
            self.unknown = unknown;
            return Ok(ShardSet::All);
        }
        Ok(set)
    }

    fn shards_of_key(&self, key: Key) -> ShardSet {
        if let [Cell::Range(low, high)] = key.as_slice() {
            return self.placement.shards_for_range(low.as_ref(), high.as_ref()).into();
        }
        let mut values = Vec::with_capacity(key.len());
        for cell in key {
            match cell {
                Cell::Value(value) => values.push(value),
                Cell::Any | Cell::Range(..) => return ShardSet::All,
            }
        }
        ShardSet::One(self.placement.shard_of(&values))
    }

    /// The keys that pass; `None` where they can be any.
    fn keys(&mut self, tree: &Tree) -> Result<Option<Vec<Key>>, RouteError> {
        match tree {
            Tree::Any => Ok(None),
            Tree::Never => Ok(Some(Vec::new())),
            Tree::Is { column, values } => self.values(*column, values),
            Tree::Between { column, low, high } => self.between(*column, low, high),
            Tree::Or(trees) => {
                let mut all = Vec::new();
                for tree in trees {
                    let Some(keys) = self.keys(tree)? else { return Ok(None) };
                    all.extend(keys);
                    if all.len() > self.most_keys {
                        self.unknown = Some("the statement names too many keys");
                        return Ok(None);
                    }
                }
                Ok(Some(all))
            }
            Tree::And(trees) => {
                let mut all: Option<Vec<Key>> = None;
                for tree in trees {
                    let Some(keys) = self.keys(tree)? else { continue };
                    all = match all {
                        None => Some(keys),
                        // Either side alone is a superset of both.
                        Some(before) if before.len() * keys.len() > self.most_keys => Some(before),
                        Some(before) => Some(meet_all(&before, &keys)),
                    };
                }
                Ok(all)
            }
        }
    }

    fn values(
        &mut self,
        column: usize,
        values: &[Meeting],
    ) -> Result<Option<Vec<Key>>, RouteError> {
        let arity = self.arity;
        let mut keys = Vec::new();
        let mut unknown = None;
        for meeting in values {
            self.reader.read(meeting, |met| match met {
                Met::Key(value) => keys.push(only(arity, column, Cell::Value(value))),
                Met::Nothing => {}
                Met::Unknown(why) => unknown = Some(why),
            })?;
        }
        if keys.len() > self.most_keys {
            unknown = Some("the statement names too many keys");
        }
        if unknown.is_some() {
            self.unknown = unknown;
            return Ok(None);
        }
        Ok(Some(keys))
    }

    fn between(
        &mut self,
        column: usize,
        low: &Option<(Meeting, bool)>,
        high: &Option<(Meeting, bool)>,
    ) -> Result<Option<Vec<Key>>, RouteError> {
        let (Some(low), Some(high)) = (self.bound(low)?, self.bound(high)?) else {
            return Ok(Some(Vec::new()));
        };
        if matches!((&low, &high), (Bound::Unbounded, Bound::Unbounded)) {
            return Ok(None);
        }
        Ok(Some(vec![only(self.arity, column, Cell::Range(low, high))]))
    }

    /// A bound of a range; `None` where the comparison is with NULL.
    fn bound(
        &mut self,
        bound: &Option<(Meeting, bool)>,
    ) -> Result<Option<Bound<KeyValue<'static>>>, RouteError> {
        let Some((meeting, inclusive)) = bound else { return Ok(Some(Bound::Unbounded)) };
        let mut result = Some(Bound::Unbounded);
        let (mut null, mut unknown) = (false, None);
        self.reader.read(meeting, |met| match met {
            Met::Key(value) if *inclusive => result = Some(Bound::Included(value)),
            Met::Key(value) => result = Some(Bound::Excluded(value)),
            Met::Nothing => null = true,
            Met::Unknown(why) => unknown = Some(why),
        })?;
        if unknown.is_some() {
            self.unknown = unknown;
        }
        // "No row is equal to it" (42.5 of a bigint) doesn't mean that none is below it.
        Ok(if null && self.reader.is_null(meeting) { None } else { result })
    }
}

fn only(arity: usize, column: usize, cell: Cell) -> Key {
    let mut key = vec![Cell::Any; arity];
    if let Some(place) = key.get_mut(column) {
        *place = cell;
    }
    key
}

fn meet_all(left: &[Key], right: &[Key]) -> Vec<Key> {
    let mut met = Vec::new();
    for a in left {
        for b in right {
            let cells: Option<Key> = a.iter().zip(b).map(|(a, b)| meet(a, b)).collect();
            met.extend(cells);
        }
    }
    met
}

/// Both hold; `None` where that can't be.
fn meet(a: &Cell, b: &Cell) -> Option<Cell> {
    match (a, b) {
        (Cell::Any, cell) | (cell, Cell::Any) => Some(cell.clone()),
        (Cell::Value(a), Cell::Value(b)) => (a == b).then(|| Cell::Value(a.clone())),
        // Whether the value lies in the range isn't asked: either alone is a superset.
        (Cell::Value(value), _) | (_, Cell::Value(value)) => Some(Cell::Value(value.clone())),
        (Cell::Range(low_a, high_a), Cell::Range(low_b, high_b)) => {
            let low = if matches!(low_a, Bound::Unbounded) { low_b } else { low_a };
            let high = if matches!(high_a, Bound::Unbounded) { high_b } else { high_a };
            Some(Cell::Range(low.clone(), high.clone()))
        }
    }
}
