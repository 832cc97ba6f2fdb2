//! What must be true for a row to matter, and what follows from it for a key.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::places::Tree;
use super::relation::ColId;
use super::value::{ColumnType, Meeting, Origin, is_integer};

/// One condition. A fact is known to be TRUE (not NULL) of the rows that it is about; only
/// [`Fact::Link`] and [`Fact::Constant`] hold where both sides are NULL, too.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    /// Nothing is known.
    True,
    /// FALSE or NULL: no row passes.
    Never,
    /// `column = column`
    Same(ColId, ColId),
    /// A column is the other one, under another name: the output of a derived table.
    Link(ColId, ColId),
    /// `column = value`, or `IN (values)`.
    Is(ColId, Vec<(Origin, ColumnType)>),
    /// A column's value is this constant, or NULL where the constant is.
    Constant(ColId, Origin),
    /// `low <[=] column <[=] high`
    Between {
        column: ColId,
        column_type: ColumnType,
        low: Limit,
        high: Limit,
    },
    NotNull(ColId),
    And(Vec<Fact>),
    Or(Vec<Fact>),
}

/// The bound of a range, and whether it belongs to it.
pub(super) type Limit = Option<(Origin, bool)>;

/// Facts that hold together.
pub(super) type Pool = Vec<Rc<Fact>>;

impl Fact {
    pub fn and(facts: Vec<Fact>) -> Fact {
        let mut kept = Vec::new();
        for fact in facts {
            match fact {
                Fact::True => {}
                Fact::Never => return Fact::Never,
                Fact::And(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Fact::True,
            1 => kept.swap_remove(0),
            _ => Fact::And(kept),
        }
    }

    pub fn or(facts: Vec<Fact>) -> Fact {
        let mut kept = Vec::new();
        for fact in facts {
            match fact {
                Fact::True => return Fact::True,
                Fact::Never => {}
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Fact::Never,
            1 => kept.swap_remove(0),
            _ => Fact::Or(kept),
        }
    }

    /// Whether some column of these relations stands in it.
    pub fn mentions(&self, relations: &Range<u32>) -> bool {
        let within = |column: &ColId| relations.contains(&column.relation);
        match self {
            Fact::True | Fact::Never => false,
            Fact::Same(a, b) | Fact::Link(a, b) => within(a) || within(b),
            Fact::Is(column, _) | Fact::Constant(column, _) | Fact::NotNull(column) => {
                within(column)
            }
            Fact::Between { column, .. } => within(column),
            Fact::And(facts) | Fact::Or(facts) => facts.iter().any(|fact| fact.mentions(relations)),
        }
    }

    /// Whether it can't be true where all columns of these relations are NULL.
    pub fn rejects_null(&self, relations: &Range<u32>) -> bool {
        let within = |column: &ColId| relations.contains(&column.relation);
        match self {
            Fact::True | Fact::Link(..) | Fact::Constant(..) => false,
            Fact::Never => true,
            Fact::Same(a, b) => within(a) || within(b),
            Fact::Is(column, _) | Fact::NotNull(column) | Fact::Between { column, .. } => {
                within(column)
            }
            Fact::And(facts) => facts.iter().any(|fact| fact.rejects_null(relations)),
            Fact::Or(facts) => facts.iter().all(|fact| fact.rejects_null(relations)),
        }
    }
}

/// Adds a fact's conjuncts to a pool.
pub(super) fn add(pool: &mut Pool, fact: Fact) {
    match fact {
        Fact::True => {}
        Fact::And(facts) => facts.into_iter().for_each(|fact| add(pool, fact)),
        fact => pool.push(Rc::new(fact)),
    }
}

/// The facts that say nothing of these relations.
pub(super) fn without(pool: &Pool, relations: &Range<u32>) -> Pool {
    pool.iter().filter(|fact| !fact.mentions(relations)).cloned().collect()
}

pub(super) fn rejects_null(pool: &Pool, relations: &Range<u32>) -> bool {
    pool.iter().any(|fact| fact.rejects_null(relations))
}

/// Whether equal values of two columns are the same key.
pub(super) fn comparable(a: ColumnType, b: ColumnType) -> bool {
    a.key_type == b.key_type || is_integer(a.key_type) && is_integer(b.key_type)
}

/// What a pool says of the key columns of one occurrence of a table. `stored`: the columns'
/// values are keys of new rows, which may be NULL where a constant is.
pub(super) fn tree(pool: &Pool, keys: &[Option<(ColId, ColumnType)>], stored: bool) -> Tree {
    let facts: Vec<&Fact> = pool.iter().map(|fact| &**fact).collect();
    Derivation { keys, stored }.tree(&Classes::of(pool), &facts, &[])
}

struct Derivation<'a> {
    keys: &'a [Option<(ColId, ColumnType)>],
    stored: bool,
}

impl Derivation<'_> {
    /// `facts` hold together; `around` are facts that hold too, and were looked at before.
    fn tree(&self, classes: &Classes, facts: &[&Fact], around: &[&Fact]) -> Tree {
        let simple: Vec<&Fact> = facts
            .iter()
            .chain(around)
            .copied()
            .filter(|fact| !matches!(fact, Fact::Or(_)))
            .collect();
        let mut trees = Vec::new();
        for fact in facts {
            match fact {
                Fact::Never => return Tree::Never,
                Fact::Is(column, values) => trees.extend(self.is(classes, *column, values)),
                Fact::Constant(column, origin) => {
                    trees.extend(self.constant(classes, *column, origin));
                }
                Fact::Between { column, column_type, low, high } => {
                    trees.extend(self.between(classes, *column, *column_type, low, high));
                }
                Fact::And(inner) => {
                    let inner: Vec<&Fact> = inner.iter().collect();
                    trees.push(self.tree(classes, &inner, &simple));
                }
                Fact::Or(branches) => {
                    let branches = branches.iter().map(|fact| self.branch(classes, fact, &simple));
                    trees.push(Tree::or(branches.collect()));
                }
                Fact::True | Fact::Same(..) | Fact::Link(..) | Fact::NotNull(_) => {}
            }
        }
        Tree::and(trees)
    }

    /// A branch of an OR: its own equalities hold in it, with all that holds around it.
    fn branch(&self, classes: &Classes, fact: &Fact, around: &[&Fact]) -> Tree {
        let own: Vec<&Fact> = match fact {
            Fact::And(facts) => facts.iter().collect(),
            fact => vec![fact],
        };
        let joins = own.iter().any(|fact| matches!(fact, Fact::Same(..) | Fact::Link(..)));
        if !joins {
            return self.tree(classes, &own, around);
        }
        let mut inner = classes.clone();
        inner.learn(&own);
        let all: Vec<&Fact> = own.iter().chain(around).copied().collect();
        self.tree(&inner, &all, &[])
    }

    /// The key's columns that are equal to a column.
    fn equal(&self, classes: &Classes, column: ColId) -> impl Iterator<Item = (usize, ColumnType)> {
        self.keys.iter().enumerate().filter_map(move |(number, key)| {
            let (key, column_type) = (*key)?;
            classes.same(key, column).then_some((number, column_type))
        })
    }

    fn is(&self, classes: &Classes, column: ColId, values: &[(Origin, ColumnType)]) -> Vec<Tree> {
        let meet = |(origin, column): &(Origin, ColumnType)| Meeting {
            origin: origin.clone(),
            column: *column,
            assign: false,
            null_is_key: false,
        };
        self.equal(classes, column)
            .map(|(number, _)| Tree::Is {
                column: number,
                values: values.iter().map(meet).collect(),
            })
            .collect()
    }

    /// A constant that reached the key by equality alone is read as the key's type. On the
    /// way there may be no comparison but that of INTERSECT and EXCEPT, for which NULLs are
    /// equal.
    fn constant(&self, classes: &Classes, column: ColId, origin: &Origin) -> Vec<Tree> {
        self.equal(classes, column)
            .map(|(number, key)| Tree::Is {
                column: number,
                values: vec![Meeting {
                    origin: origin.clone(),
                    column: key,
                    assign: self.stored,
                    null_is_key: true,
                }],
            })
            .collect()
    }

    fn between(
        &self,
        classes: &Classes,
        column: ColId,
        column_type: ColumnType,
        low: &Limit,
        high: &Limit,
    ) -> Vec<Tree> {
        let meet = |limit: &Limit| {
            limit.as_ref().map(|(origin, inclusive)| {
                let meeting = Meeting {
                    origin: origin.clone(),
                    column: column_type,
                    assign: false,
                    null_is_key: false,
                };
                (meeting, *inclusive)
            })
        };
        self.equal(classes, column)
            .map(|(number, _)| Tree::Between { column: number, low: meet(low), high: meet(high) })
            .collect()
    }
}

/// Columns that are equal to each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Classes {
    parent: HashMap<ColId, ColId>,
}

impl Classes {
    /// What a pool says.
    pub fn of(pool: &Pool) -> Classes {
        let facts: Vec<&Fact> = pool.iter().map(|fact| &**fact).collect();
        let mut classes = Classes::default();
        classes.learn(&facts);
        classes
    }

    fn learn(&mut self, facts: &[&Fact]) {
        for fact in facts {
            match fact {
                Fact::Same(a, b) | Fact::Link(a, b) => self.unite(*a, *b),
                Fact::And(inner) => self.learn(&inner.iter().collect::<Vec<_>>()),
                _ => {}
            }
        }
    }

    fn root(&self, mut column: ColId) -> ColId {
        while let Some(&parent) = self.parent.get(&column) {
            column = parent;
        }
        column
    }

    fn unite(&mut self, a: ColId, b: ColId) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.parent.insert(a, b);
        }
    }

    /// Whether both are equal, or both NULL.
    pub fn same(&self, a: ColId, b: ColId) -> bool {
        a == b || self.root(a) == self.root(b)
    }
}
