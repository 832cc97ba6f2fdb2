//! The sides of a comparison, and what follows where it is true.

use crate::config::rules::KeyType;
use crate::sql::{Compare, Expr, TypeName};

use super::facts::{Fact, Limit, comparable};
use super::relation::ColId;
use super::value::{ColumnType, Origin, key_type};

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Column(ColId, Option<ColumnType>),
    Constant(Origin),
    Row(Vec<Operand>),
    /// A subquery's output, and what holds of it.
    Query(Vec<Operand>, Vec<Fact>),
    Unknown,
}

/// `left = right` is TRUE.
pub(super) fn equal(left: Operand, right: Operand) -> Fact {
    match (left, right) {
        (Operand::Column(a, Some(ta)), Operand::Column(b, Some(tb))) if comparable(ta, tb) => {
            Fact::Same(a, b)
        }
        (Operand::Column(a, _), Operand::Column(b, _)) => {
            Fact::And(vec![Fact::NotNull(a), Fact::NotNull(b)])
        }
        (Operand::Constant(Origin::Null), _) | (_, Operand::Constant(Origin::Null)) => Fact::Never,
        (Operand::Column(column, Some(column_type)), Operand::Constant(origin))
        | (Operand::Constant(origin), Operand::Column(column, Some(column_type))) => {
            Fact::Is(column, vec![(origin, column_type)])
        }
        (Operand::Row(left), Operand::Row(right)) if left.len() == right.len() => {
            Fact::and(left.into_iter().zip(right).map(|(l, r)| equal(l, r)).collect())
        }
        (Operand::Query(columns, mut exports), other)
        | (other, Operand::Query(columns, mut exports)) => {
            exports.push(match (columns.len(), other) {
                (1, other) => columns
                    .into_iter()
                    .map(|column| equal(column, other.clone()))
                    .next()
                    .unwrap_or(Fact::True),
                (_, other @ Operand::Row(_)) => equal(Operand::Row(columns), other),
                _ => Fact::True,
            });
            Fact::and(exports)
        }
        (Operand::Column(column, _), _) | (_, Operand::Column(column, _)) => Fact::NotNull(column),
        _ => Fact::True,
    }
}

/// `$1` or `$1::bigint[]`.
pub(super) fn array_parameter(array: &Expr) -> Option<Origin> {
    match array {
        Expr::Parameter(index) => Some(Origin::Array { index: *index, element: None }),
        Expr::Cast { expr, to } => {
            let known = matches!(to.name.schema.as_deref(), None | Some("pg_catalog"));
            let element = key_type(&to.name.name);
            match (&**expr, element) {
                (Expr::Parameter(index), Some(_))
                    if known && !to.modified && to.dimensions == 1 =>
                {
                    Some(Origin::Array { index: *index, element })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// `left IN (list)` is TRUE.
pub(super) fn one_of(left: Operand, list: Vec<Operand>) -> Fact {
    let constant = |operand: &Operand| matches!(operand, Operand::Constant(_));
    if let Operand::Column(column, Some(column_type)) = left
        && list.iter().all(constant)
    {
        let values = list.into_iter().filter_map(|operand| match operand {
            Operand::Constant(origin) => Some((origin, column_type)),
            _ => None,
        });
        return Fact::Is(column, values.collect());
    }
    Fact::or(list.into_iter().map(|right| equal(left.clone(), right)).collect())
}

/// `operand` lies between the bounds that are given, each with whether it is one of them.
pub(super) fn between(
    operand: Operand,
    low: Option<(Operand, bool)>,
    high: Option<(Operand, bool)>,
) -> Fact {
    let Operand::Column(column, column_type) = operand else { return Fact::True };
    let limit = |bound: Option<(Operand, bool)>| -> Limit {
        match bound {
            Some((Operand::Constant(origin), inclusive)) => Some((origin, inclusive)),
            _ => None,
        }
    };
    match column_type {
        // The order of text is its collation's, and not that of a range table.
        Some(column_type) if column_type.key_type != KeyType::Text => {
            Fact::Between { column, column_type, low: limit(low), high: limit(high) }
        }
        _ => Fact::NotNull(column),
    }
}

/// `left operator right` is TRUE.
pub(super) fn compare(operator: Compare, left: Operand, right: Operand) -> Fact {
    let (column, other, operator) = match (left, right) {
        (Operand::Column(a, _), Operand::Column(b, _)) => {
            return Fact::And(vec![Fact::NotNull(a), Fact::NotNull(b)]);
        }
        (column @ Operand::Column(..), other) => (column, other, operator),
        (other, column @ Operand::Column(..)) => (column, other, flipped(operator)),
        _ => return Fact::True,
    };
    match operator {
        Compare::Less => between(column, None, Some((other, false))),
        Compare::LessOrEqual => between(column, None, Some((other, true))),
        Compare::Greater => between(column, Some((other, false)), None),
        Compare::GreaterOrEqual => between(column, Some((other, true)), None),
    }
}

fn flipped(operator: Compare) -> Compare {
    match operator {
        Compare::Less => Compare::Greater,
        Compare::LessOrEqual => Compare::GreaterOrEqual,
        Compare::Greater => Compare::Less,
        Compare::GreaterOrEqual => Compare::LessOrEqual,
    }
}

/// `-origin`.
pub(super) fn negated(origin: Origin) -> Option<Origin> {
    match origin {
        Origin::Literal { slot, negative } => Some(Origin::Literal { slot, negative: !negative }),
        Origin::Fixed { kind, value, negative } => {
            Some(Origin::Fixed { kind, value, negative: !negative })
        }
        Origin::Parameter { index, negative, .. } => {
            Some(Origin::Parameter { index, negative: !negative, assume: false })
        }
        Origin::Cast { value, to } => Some(Origin::Cast { value: Box::new(negated(*value)?), to }),
        Origin::Null => Some(Origin::Null),
        Origin::List(_) | Origin::Array { .. } => None,
    }
}

/// A cast that keeps the value, or one that is computed when the statement runs.
pub(super) fn cast(operand: Operand, to: &TypeName) -> Operand {
    let known = matches!(to.name.schema.as_deref(), None | Some("pg_catalog"));
    let Some(to) = key_type(&to.name.name).filter(|_| known && !to.modified && to.dimensions == 0)
    else {
        return Operand::Unknown;
    };
    match operand {
        Operand::Constant(origin) => {
            Operand::Constant(Origin::Cast { value: Box::new(origin), to })
        }
        Operand::Column(column, Some(from)) if from.key_type == to || widens(from.key_type, to) => {
            Operand::Column(column, Some(ColumnType { key_type: to, typmod: -1 }))
        }
        _ => Operand::Unknown,
    }
}

/// A cast of a column to a wider integer. A narrower one fails for some rows, wherever they
/// lie.
fn widens(from: KeyType, to: KeyType) -> bool {
    matches!(
        (from, to),
        (KeyType::Int2, KeyType::Int4 | KeyType::Int8) | (KeyType::Int4, KeyType::Int8)
    )
}
