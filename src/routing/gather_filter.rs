//! Conditions that a shard may apply to the rows that are pulled from it.
//!
//! The server that finishes the statement applies all of them again, so that none has to be
//! applied here. One that is must not leave out a row that matters, and must not fail where it
//! wouldn't there: a conjunct of the WHERE of the table's own SELECT, of the table's columns,
//! literals and parameters alone, compared in ways that can't fail.

use std::collections::{HashMap, HashSet};

use crate::sql::{
    Conjunct, Expr, FromItem, Ident, LiteralKind, LiteralSlot, Select, Tokens, TypeName,
};

use super::ParameterValue;
use super::bind::Analysis;
use super::schema::Table;
use super::value::Values;

/// A condition that is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub tokens: Tokens,
    slots: Vec<LiteralSlot>,
    parameters: Vec<u16>,
    /// Parameters under a cast, and the type that they are cast to: if that isn't their own, it
    /// might fail.
    casts: Vec<(u16, u32)>,
    /// It is about times, so that a value may be `now`, which each server has its own of.
    times: bool,
}

/// Types that compare without an error, and alike on all servers.
const COMPARED: &[(&str, u32)] = &[
    ("bool", 16),
    ("bpchar", 1042),
    ("date", 1082),
    ("float4", 700),
    ("float8", 701),
    ("int2", 21),
    ("int4", 23),
    ("int8", 20),
    ("name", 19),
    ("numeric", 1700),
    ("text", 25),
    ("time", 1083),
    ("timestamp", 1114),
    ("timestamptz", 1184),
    ("uuid", 2950),
    ("varchar", 1043),
];

/// The conditions that hold for a table's rows in this SELECT, by the name that it has there. `bare`
/// are the columns that may be named without it.
pub(super) fn filters(
    select: &Select,
    name: &Ident,
    facts: &Table,
    bare: &HashSet<Ident>,
) -> Vec<Filter> {
    let Some(condition) = &select.filter else { return Vec::new() };
    let count: usize = select.conjuncts.iter().map(|conjunct| conjunct.terms).sum();
    let terms = match condition {
        Expr::And(terms) if terms.len() == count => terms,
        other => std::slice::from_ref(other),
    };
    let mut filters = Vec::new();
    let mut at = 0;
    for Conjunct { tokens, terms: count } in &select.conjuncts {
        let Some(own) = terms.get(at..at + count) else { return Vec::new() };
        at += count;
        let mut looking = Looking { name, facts, bare, found: Filter::of(tokens.clone()) };
        if own.iter().all(|term| looking.condition(term)) {
            filters.push(looking.found);
        }
    }
    filters
}

/// Of each SELECT, the columns that just one table of its FROM has; none where it isn't known what
/// else may be there.
#[derive(Default)]
pub(super) struct Bare(HashMap<*const Select, HashSet<Ident>>);

impl Bare {
    pub fn of(&mut self, analysis: &Analysis<'_>, select: &Select) -> &HashSet<Ident> {
        self.0.entry(std::ptr::from_ref(select)).or_insert_with(|| owned_once(analysis, select))
    }
}

fn owned_once(analysis: &Analysis<'_>, select: &Select) -> HashSet<Ident> {
    let placed: HashSet<u32> = analysis.sites.iter().map(|site| site.at).collect();
    let mut counts: HashMap<&Ident, usize> = HashMap::new();
    let mut known = true;
    for item in &select.from {
        tables(item, &mut |item| {
            let facts = match item {
                // The name of a common table expression hides a table's.
                FromItem::Table { name, alias, tokens, .. }
                    if alias.columns.is_empty() && placed.contains(&tokens.start) =>
                {
                    let (table, _) = analysis.router.table(name, analysis.search_path);
                    analysis.router.schema.tables.get(&table)
                }
                _ => None,
            };
            match facts {
                Some(facts) => {
                    facts.columns.iter().for_each(|c| *counts.entry(&c.name).or_default() += 1);
                }
                None => known = false,
            }
        });
    }
    let once = counts.into_iter().filter(|(_, count)| known && *count == 1);
    once.map(|(name, _)| name.clone()).collect()
}

fn tables(item: &FromItem, see: &mut dyn FnMut(&FromItem)) {
    match item {
        FromItem::Join { left, right, .. } => {
            tables(left, see);
            tables(right, see);
        }
        item => see(item),
    }
}

struct Looking<'a> {
    name: &'a Ident,
    facts: &'a Table,
    bare: &'a HashSet<Ident>,
    found: Filter,
}

impl Looking<'_> {
    fn condition(&mut self, expr: &Expr) -> bool {
        match expr {
            Expr::And(terms) | Expr::Or(terms) => terms.iter().all(|term| self.condition(term)),
            Expr::Not(inner) => self.condition(inner),
            Expr::Equal(left, right) => {
                let known = self.literals(left, right);
                known && self.operand(left, false) && self.operand(right, false)
            }
            Expr::Compare { left, right, .. } => {
                let known = self.literals(left, right);
                known && self.operand(left, true) && self.operand(right, true)
            }
            Expr::Between { expr, low, high, .. } => {
                self.column(expr, true).is_some()
                    && self.operand(low, true)
                    && self.operand(high, true)
            }
            Expr::IsNull { expr, .. } => self.column(expr, false).is_some(),
            Expr::InList { expr, list, .. } => {
                self.column(expr, false).is_some()
                    && list.iter().all(|item| self.operand(item, false))
            }
            Expr::EqualAny { expr, array } => {
                self.column(expr, false).is_some()
                    && match &**array {
                        Expr::Array(items) => items.iter().all(|item| self.operand(item, false)),
                        Expr::LiteralList(_) | Expr::Parameter(_) => self.operand(array, false),
                        _ => false,
                    }
            }
            _ => false,
        }
    }

    /// Whether one side is a column, so that the other is read by its type.
    fn literals(&mut self, left: &Expr, right: &Expr) -> bool {
        [left, right].into_iter().any(|side| matches!(side, Expr::Column(_)))
    }

    fn operand(&mut self, expr: &Expr, ordered: bool) -> bool {
        match expr {
            Expr::Column(_) => self.column(expr, ordered).is_some(),
            Expr::Literal(slot) | Expr::LiteralList(slot) => {
                self.found.slots.push(*slot);
                true
            }
            Expr::Negate(inner) => match &**inner {
                Expr::Literal(slot) => {
                    self.found.slots.push(*slot);
                    true
                }
                _ => false,
            },
            Expr::Parameter(number) => {
                self.found.parameters.push(*number);
                true
            }
            Expr::Null | Expr::Bool(_) => true,
            Expr::Cast { expr, to } => self.cast(expr, to),
            _ => false,
        }
    }

    /// A string is read when the statement is, and a parameter has the type that it is cast to, or
    /// none of this is handed on.
    fn cast(&mut self, expr: &Expr, to: &TypeName) -> bool {
        let plain = matches!(to.name.schema.as_deref(), None | Some("pg_catalog"));
        let known = COMPARED.iter().find(|(name, _)| *name == &*to.name.name);
        let Some((name, oid)) = known.filter(|_| plain && !to.modified && to.dimensions == 0)
        else {
            return false;
        };
        self.found.times |= is_time(name);
        match expr {
            Expr::Literal(slot) => {
                self.found.slots.push(*slot);
                true
            }
            Expr::Parameter(number) => {
                self.found.casts.push((*number, *oid));
                true
            }
            _ => false,
        }
    }

    /// The table's column, if it can be compared so.
    fn column(&mut self, expr: &Expr, ordered: bool) -> Option<()> {
        let Expr::Column(parts) = expr else { return None };
        let (own, name) = match parts.as_slice() {
            [column] => (self.bare.contains(column), column),
            [table, column] => (table == self.name, column),
            _ => return None,
        };
        let column = self.facts.columns.iter().find(|known| own && known.name == *name)?;
        let known = COMPARED.iter().any(|(_, oid)| *oid == column.type_oid);
        let is_text = matches!(&*column.type_name, "text" | "varchar" | "bpchar");
        let fits = match ordered {
            _ if column.nondeterministic => false,
            false => known || column.is_enum,
            // A collation's order may be another on another machine.
            true => known && (!is_text || column.bytewise),
        };
        self.found.times |= is_time(&column.type_name);
        fits.then_some(())
    }
}

fn is_time(name: &str) -> bool {
    matches!(name, "date" | "time" | "timetz" | "timestamp" | "timestamptz")
}

impl Filter {
    fn of(tokens: Tokens) -> Filter {
        Filter {
            tokens,
            slots: Vec::new(),
            parameters: Vec::new(),
            casts: Vec::new(),
            times: false,
        }
    }

    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let numbers = self.slots.len() + self.parameters.len() + 2 * self.casts.len();
        size_of::<Filter>() + 4 * numbers
    }

    /// Whether it may be handed on with these values.
    pub fn holds(&self, values: &Values<'_>) -> bool {
        let parameter = |number: &u16| {
            usize::from(*number).checked_sub(1).and_then(|at| values.parameters.get(at))
        };
        let own_type = |(number, oid): &(u16, u32)| {
            parameter(number).is_some_and(|p| p.type_oid == 0 || p.type_oid == *oid)
        };
        if !self.casts.iter().all(own_type) {
            return false;
        }
        if !self.times {
            return true;
        }
        let of_literal = |slot: &LiteralSlot| {
            values.literals.slot(*slot).iter().any(|literal| {
                let string =
                    matches!(literal.kind, LiteralKind::String | LiteralKind::EscapeString);
                string && literal.value(values.text).map_or(true, |value| names_now(&value))
            })
        };
        let of_parameter = |number: &u16| match parameter(number).map(|p| p.value) {
            Some(ParameterValue::Text(text)) => names_now(text),
            Some(ParameterValue::Null | ParameterValue::Binary(_)) => false,
            Some(ParameterValue::Unknown) | None => true,
        };
        let cast = self.casts.iter().map(|(number, _)| number);
        !self.slots.iter().any(of_literal) && !self.parameters.iter().chain(cast).any(of_parameter)
    }
}

/// Whether a text may be a time that each server reads from its own clock.
pub(super) fn names_now(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 4] = [b"now", b"today", b"tomorrow", b"yesterday"];
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|word| text.windows(word.len()).any(|part| part == *word))
}
