//! A statement as routing sees it: names resolved, conditions turned into facts.

use std::ops::Range;

use crate::config::rules::TableName;
use crate::sql::{Ident, JoinKind, SetOperator};

use super::facts::{Fact, Pool, add, comparable};
use super::places::Tree;
use super::relation::{ColId, Visible};
use super::value::{ColumnType, Origin};

#[derive(Debug)]
pub(super) struct QueryNode {
    /// The relations that were made for it and for all in it.
    pub relations: Range<u32>,
    pub body: Body,
    /// A condition on its output may as well be applied to the rows that it reads: no LIMIT,
    /// no window, nothing volatile.
    pub open: bool,
    pub outputs: Vec<Output>,
    /// `outputs` are all there are, each at its position.
    pub complete: bool,
    /// Subqueries of LIMIT and OFFSET.
    pub tail: Vec<Sub>,
    /// It has LIMIT, OFFSET or FETCH.
    pub limited: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Output {
    pub name: Ident,
    pub value: Value,
    pub column_type: Option<ColumnType>,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Column(ColId),
    Constant(Origin),
    Unknown,
}

#[derive(Debug)]
pub(super) enum Body {
    Select(Box<SelectNode>),
    Values {
        rows: Vec<Vec<Output>>,
        subs: Vec<Sub>,
    },
    /// `target` is the table unless it is sharded: then the rows have places of their own.
    Insert {
        source: Option<Box<QueryNode>>,
        target: Option<TableNode>,
        rows: Vec<NewRows>,
        subs: Vec<Sub>,
    },
    Nested(Box<QueryNode>),
    SetOperation {
        operator: SetOperator,
        all: bool,
        left: Box<QueryNode>,
        right: Box<QueryNode>,
    },
    /// A reference to itself of a recursive common table expression, or rows that a
    /// data-modifying one returns in a way that isn't followed.
    Opaque,
    /// A recursive query: its tables are placed, nothing follows for its rows.
    Sealed(Box<QueryNode>),
}

/// A SELECT, or an UPDATE or DELETE with its RETURNING.
#[derive(Debug)]
pub(super) struct SelectNode {
    pub from: FromNode,
    /// WHERE, and of a grouped query HAVING.
    pub filter: Vec<Fact>,
    pub subs: Vec<Sub>,
    /// It has an output row even where no row passes the filter, or rows of several
    /// grouping sets: what holds for its rows says nothing of its output.
    pub sealed: bool,
    /// What an UPDATE or MERGE makes of keys.
    pub rows: Vec<NewRows>,
    pub shape: Shape,
    /// What FROM shows to expressions.
    pub visible: Visible,
}

/// What a SELECT makes of the rows that pass its filter, beyond showing them.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// It has aggregates of its own level, or what may be one, or HAVING.
    pub aggregates: bool,
    /// The columns among what it is grouped by.
    pub groups: Vec<ColId>,
    /// It has GROUP BY.
    pub grouped: bool,
    pub grouping_sets: bool,
    pub distinct: Uniqueness,
    pub windows: bool,
    /// What it yields may hang on the order in which it meets rows.
    pub loose: bool,
}

/// Which rows DISTINCT takes for the same.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Uniqueness {
    #[default]
    No,
    /// Those that are equal in all outputs.
    Rows,
    /// Those that are equal in expressions, of which these are columns.
    On(Vec<ColId>),
}

/// Rows of a sharded table that a statement makes.
#[derive(Debug)]
pub(super) struct NewRows {
    pub table: TableName,
    pub keyspace: usize,
    pub keys: RowKeys,
}

#[derive(Debug)]
pub(super) enum RowKeys {
    Tree(Tree),
    /// Columns whose values they are, and trees of those that are constant. `pool` is what
    /// holds of the columns; `None` is what holds for the statement's own rows.
    Derived {
        keys: Vec<Option<(ColId, ColumnType)>>,
        constants: Vec<Tree>,
        pool: Option<Pool>,
    },
}

#[derive(Debug)]
pub(super) enum FromNode {
    Table(TableNode),
    Derived {
        relation: u32,
        query: Box<QueryNode>,
    },
    /// The rows that a data-modifying common table expression returns; its tables are
    /// placed where it stands.
    Returned {
        relation: u32,
        query: Box<QueryNode>,
    },
    Function {
        subs: Vec<Sub>,
    },
    Join(Box<JoinNode>),
    /// The comma.
    Cross(Vec<FromNode>),
}

#[derive(Debug)]
pub(super) struct TableNode {
    pub table: TableName,
    pub alias: Option<Ident>,
    pub target: Target,
    /// The token at which its name begins, in FROM.
    pub at: Option<u32>,
}

/// What the rules say of a table.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Sharded {
        keyspace: usize,
        /// The key's columns in the keyspace's order.
        keys: Vec<Option<(ColId, ColumnType)>>,
    },
    Reference,
    /// A reference table that is written to.
    Everywhere,
    Home,
    Refused(super::Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Read,
    Write,
}

#[derive(Debug)]
pub(super) struct JoinNode {
    pub kind: JoinKind,
    pub left: FromNode,
    pub right: FromNode,
    pub left_relations: Range<u32>,
    pub right_relations: Range<u32>,
    pub on: Vec<Fact>,
    pub subs: Vec<Sub>,
}

/// A subquery in an expression.
#[derive(Debug)]
pub(super) struct Sub {
    pub query: QueryNode,
    /// Of `x IN (subquery)` that must be true: the relation of its output and what of the
    /// outside its columns are equal to, so that other rows of it don't matter.
    pub wanted: Option<(u32, Vec<Fact>)>,
}

impl QueryNode {
    pub fn opaque(at: u32) -> QueryNode {
        QueryNode {
            relations: at..at,
            body: Body::Opaque,
            open: false,
            outputs: Vec::new(),
            complete: false,
            tail: Vec::new(),
            limited: false,
        }
    }

    /// What holds for each row that it yields, `out` being the relation of its output.
    pub fn exports(&self, out: u32) -> Pool {
        let mut pool = Pool::new();
        let types: Vec<_> = self.outputs.iter().map(|output| output.column_type).collect();
        self.export(out, &types, &mut pool);
        pool
    }

    fn export(&self, out: u32, types: &[Option<ColumnType>], pool: &mut Pool) {
        match &self.body {
            Body::Select(select) => {
                if select.sealed {
                    return;
                }
                select.from.export(pool);
                select.filter.iter().for_each(|fact| add(pool, fact.clone()));
                links(&self.outputs, out, types).into_iter().for_each(|fact| add(pool, fact));
            }
            Body::Values { rows, .. } => {
                let rows = rows.iter().map(|row| Fact::and(links(row, out, types)));
                add(pool, Fact::or(rows.collect()));
            }
            Body::Nested(query) => query.export(out, types, pool),
            Body::SetOperation { operator: SetOperator::Union, left, right, .. } => {
                let side = |query: &QueryNode| {
                    let mut pool = Pool::new();
                    query.export(out, types, &mut pool);
                    Fact::and(pool.iter().map(|fact| (**fact).clone()).collect())
                };
                add(pool, Fact::or(vec![side(left), side(right)]));
            }
            // Of INTERSECT the left side is enough: were both used, a NULL would meet a NULL.
            Body::SetOperation { left, .. } => left.export(out, types, pool),
            // What its rows are made of, as far as that is what was written.
            Body::Insert { .. } => {
                let links = links(&self.outputs, out, types).into_iter();
                let constants = links.filter(|fact| matches!(fact, Fact::Constant(..)));
                constants.for_each(|fact| add(pool, fact));
            }
            Body::Opaque | Body::Sealed(_) => {}
        }
    }
}

/// Each output column is what it was computed from.
pub(super) fn links(outputs: &[Output], out: u32, types: &[Option<ColumnType>]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (at, (output, column_type)) in outputs.iter().zip(types).enumerate() {
        let (Some(own), Some(column_type)) = (output.column_type, *column_type) else { continue };
        let column = ColId { relation: out, column: at as u32 };
        match &output.value {
            Value::Column(source) if comparable(own, column_type) => {
                facts.push(Fact::Link(column, *source));
            }
            Value::Constant(origin) if comparable(own, column_type) => {
                facts.push(Fact::Constant(column, origin.clone()));
            }
            Value::Column(_) | Value::Constant(_) | Value::Unknown => {}
        }
    }
    facts
}

impl FromNode {
    /// What holds for each row that it yields.
    pub fn export(&self, pool: &mut Pool) {
        match self {
            FromNode::Table(_) | FromNode::Function { .. } => {}
            FromNode::Derived { relation, query } | FromNode::Returned { relation, query } => {
                pool.extend(query.exports(*relation));
            }
            FromNode::Cross(items) => items.iter().for_each(|item| item.export(pool)),
            FromNode::Join(join) => match join.kind {
                JoinKind::Inner => {
                    join.left.export(pool);
                    join.right.export(pool);
                    join.on.iter().for_each(|fact| add(pool, fact.clone()));
                }
                JoinKind::Left => join.left.export(pool),
                JoinKind::Right => join.right.export(pool),
                JoinKind::Full => {}
            },
        }
    }
}
