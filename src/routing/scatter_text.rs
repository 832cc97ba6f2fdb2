//! The text that each shard gets, and what LIMIT and OFFSET say.

use crate::sql::{self, Edit, Expr, LiteralSlot, Piece};

use super::merge::oid;
use super::scatter::{Reason, Scatter, SortKey, SortPlace, Steps};
use super::scatter_groups::Keys;
use super::value::Values;
use super::{ParameterValue, Refusal};

/// The type of a number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntegerType {
    Int2,
    Int4,
    Int8,
}

impl IntegerType {
    const ALL: [IntegerType; 3] = [IntegerType::Int2, IntegerType::Int4, IntegerType::Int8];

    fn name(self) -> &'static str {
        match self {
            IntegerType::Int2 => "int2",
            IntegerType::Int4 => "int4",
            IntegerType::Int8 => "int8",
        }
    }

    fn named(name: &str) -> Option<IntegerType> {
        IntegerType::ALL.into_iter().find(|integer| integer.name() == name)
    }

    fn of(type_oid: u32) -> Option<IntegerType> {
        match type_oid {
            oid::INT2 => Some(IntegerType::Int2),
            oid::INT4 => Some(IntegerType::Int4),
            oid::INT8 => Some(IntegerType::Int8),
            _ => None,
        }
    }

    fn read(self, bytes: &[u8]) -> Option<i64> {
        Some(match self {
            IntegerType::Int2 => i16::from_be_bytes(bytes.try_into().ok()?).into(),
            IntegerType::Int4 => i32::from_be_bytes(bytes.try_into().ok()?).into(),
            IntegerType::Int8 => i64::from_be_bytes(bytes.try_into().ok()?),
        })
    }
}

/// What LIMIT or OFFSET says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Literal(LiteralSlot),
    /// One of this type, as the statement has it: what is bound is written in it.
    Parameter(u16, IntegerType),
    /// `FETCH FIRST ROW`
    One,
    /// `LIMIT ALL`, and NULL.
    All,
}

impl Count {
    /// # Errors
    /// It is an expression.
    pub fn of(expr: &Expr) -> Result<Count, Reason> {
        const OTHER: Reason = "its LIMIT or OFFSET is neither a number nor a parameter";
        match expr {
            Expr::Literal(slot) => Ok(Count::Literal(*slot)),
            Expr::Parameter(number) => Ok(Count::Parameter(*number, IntegerType::Int8)),
            Expr::Null => Ok(Count::All),
            Expr::Other(operands) if operands.is_empty() => Ok(Count::One),
            Expr::Cast { expr, to } if to.dimensions == 0 => {
                let to = IntegerType::named(&to.name.name).ok_or(OTHER)?;
                Ok(match (&**expr, Count::of(expr)?) {
                    (Expr::Parameter(number), _) => Count::Parameter(*number, to),
                    (_, count) => count,
                })
            }
            _ => Err(OTHER),
        }
    }

    fn is_parameter(self) -> bool {
        matches!(self, Count::Parameter(..))
    }
}

impl Scatter {
    /// What is changed in the client's text.
    pub fn edits(&self, values: &Values<'_>, steps: &Steps) -> Result<Vec<Edit>, Refusal> {
        let mut edits = Vec::new();
        let beyond = |key: &SortKey| match (&key.column, self.outputs) {
            (SortPlace::Output(at), Some(outputs)) => *at >= outputs,
            _ => false,
        };
        if steps.order.iter().any(beyond) {
            // An error, which any server says best of the text as it came.
            return Ok(edits);
        }
        self.add_columns(&mut edits);
        self.group_by_values(&mut edits);
        let limits = match &self.groups {
            Some(groups) if groups.keys != Keys::Outputs => self.no_limits(values),
            _ => self.limits_of_each(values, steps)?,
        };
        if let Some(limits) = limits {
            let pieces = vec![Piece::Text(limits.into())];
            edits.push(Edit { at: self.limits.clone(), pieces });
        }
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        Ok(edits)
    }

    fn add_columns(&self, edits: &mut Vec<Edit>) {
        let (Some(at), false) = (self.items_end, self.added.is_empty()) else { return };
        let mut pieces = Vec::new();
        for (i, column) in self.added.iter().enumerate() {
            let comma = i > 0 || self.outputs != Some(0);
            pieces.push(Piece::Text(if comma { ", " } else { " " }.into()));
            pieces.extend(column.pieces());
            // A name that nothing in the statement can mean.
            pieces.push(Piece::Text(format!(" AS \"pgherd {}\"", i + 1).into()));
        }
        edits.push(Edit { at: at..at, pieces });
    }

    /// Aggregates with DISTINCT become aggregates of the values that there are, which each shard
    /// groups by.
    fn group_by_values(&self, edits: &mut Vec<Edit>) {
        let Some(groups) = &self.groups else { return };
        let of = &groups.values;
        if of.columns.is_empty() {
            return;
        }
        edits.extend(of.words.iter().map(|at| Edit { at: at.clone(), pieces: Vec::new() }));
        let alone = matches!(&groups.keys, Keys::Columns(keys) if keys.is_empty());
        let mut pieces = Vec::new();
        for (i, column) in of.columns.iter().enumerate() {
            let before = if i == 0 && alone { " GROUP BY " } else { ", " };
            pieces.push(Piece::Text(before.into()));
            pieces.extend(self.added.get(*column).iter().flat_map(|column| column.pieces()));
        }
        pieces.push(Piece::Text(" ".into()));
        edits.push(Edit { at: of.at..of.at, pieces });
    }

    /// Of groups that aren't whole none can be left out. What is bound stays in the text.
    fn no_limits(&self, values: &Values<'_>) -> Option<String> {
        if self.limits.is_empty() {
            return None;
        }
        let counts = [self.limit, self.offset].into_iter().flatten();
        let mut none = String::from("LIMIT NULL::pg_catalog.int8");
        let bound = counts.filter(|count| count.is_parameter());
        bound.for_each(|count| none += &format!(" + {}", written(count, values)));
        Some(none)
    }

    /// Where there is an OFFSET, the rows that it skips may come from any shard.
    fn limits_of_each(
        &self,
        values: &Values<'_>,
        steps: &Steps,
    ) -> Result<Option<String>, Refusal> {
        let Some(offset) = self.offset else { return Ok(None) };
        let limit = self.limit.unwrap_or(Count::All);
        let bound = limit.is_parameter() || offset.is_parameter();
        if steps.limit.is_none() && !bound {
            return Ok(Some(String::new()));
        }
        let sum = steps.limit.unwrap_or(0).saturating_add(steps.offset);
        if i64::try_from(sum).is_err() {
            return Err(Refusal::unsupported("LIMIT and OFFSET together are too large"));
        }
        let sum = match bound {
            false => sum.to_string(),
            // One text for all values, so that it can be prepared.
            true => {
                format!("({} + coalesce({}, 0))", written(limit, values), written(offset, values))
            }
        };
        Ok(Some(match self.ties {
            true => format!("FETCH FIRST {sum} ROWS WITH TIES"),
            false => format!("LIMIT {sum}"),
        }))
    }
}

/// The value of a literal that is an integer.
fn integer(slot: LiteralSlot, values: &Values<'_>) -> Option<i64> {
    let [literal] = values.literals.slot(slot) else { return None };
    let value = literal.value(values.text).ok()?;
    let integer = literal.kind == sql::LiteralKind::Integer;
    std::str::from_utf8(&value).ok().filter(|_| integer)?.parse().ok()
}

/// The place, from 0, of the output that an integer means.
pub(super) fn ordinal(slot: LiteralSlot, values: &Values<'_>) -> Option<usize> {
    usize::try_from(integer(slot, values)?).ok()?.checked_sub(1)
}

/// A count's value; `None` is NULL.
pub(super) fn number(
    count: Count,
    values: &Values<'_>,
    clause: &str,
    negative: &'static str,
) -> Result<Option<u64>, Refusal> {
    let value = match count {
        Count::One => return Ok(Some(1)),
        Count::All => return Ok(None),
        Count::Literal(slot) => integer(slot, values),
        Count::Parameter(at, integer) => {
            let parameter = usize::from(at).checked_sub(1).and_then(|at| values.parameters.get(at));
            match parameter.map(|parameter| (parameter.type_oid, parameter.value)) {
                Some((_, ParameterValue::Null)) => return Ok(None),
                Some((_, ParameterValue::Text(text))) => {
                    std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok())
                }
                Some((0, ParameterValue::Binary(bytes))) => integer.read(bytes),
                Some((type_oid, ParameterValue::Binary(bytes))) => {
                    IntegerType::of(type_oid).and_then(|integer| integer.read(bytes))
                }
                Some((_, ParameterValue::Unknown)) | None => None,
            }
        }
    };
    let value = value.ok_or_else(|| {
        Refusal::unsupported(format!("{clause} over several shards that isn't an integer"))
            .hint("give it as a number, or as a parameter of type bigint")
    })?;
    match u64::try_from(value) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(Refusal::new(negative, format!("{clause} must not be negative"))),
    }
}

/// A count in the text that a shard gets.
fn written(count: Count, values: &Values<'_>) -> String {
    match count {
        Count::Parameter(number, IntegerType::Int8) => format!("(${number})::pg_catalog.int8"),
        Count::Parameter(number, integer) => {
            let name = integer.name();
            format!("(${number}::pg_catalog.{name})::pg_catalog.int8")
        }
        Count::Literal(slot) => integer(slot, values).unwrap_or(0).to_string(),
        Count::One => "1".into(),
        Count::All => "NULL".into(),
    }
}
