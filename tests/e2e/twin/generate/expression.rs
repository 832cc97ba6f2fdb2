//! Expressions and conditions.

use super::world::{literal, type_name, value};
use super::{Generator, Kind, Shown, world};

const KINDS: [Kind; 14] = [
    Kind::Small,
    Kind::Int,
    Kind::Big,
    Kind::Num,
    Kind::Loose,
    Kind::Real,
    Kind::Float,
    Kind::Text,
    Kind::Name,
    Kind::Bool,
    Kind::Date,
    Kind::Stamp,
    Kind::Span,
    Kind::Uuid,
];
/// What can be added up, and what can be the least.
const SUMMED: [Kind; 7] =
    [Kind::Small, Kind::Int, Kind::Big, Kind::Num, Kind::Loose, Kind::Float, Kind::Span];
const RANKED: [Kind; 10] = [
    Kind::Small,
    Kind::Int,
    Kind::Big,
    Kind::Num,
    Kind::Real,
    Kind::Float,
    Kind::Text,
    Kind::Date,
    Kind::Stamp,
    Kind::Span,
];

impl Generator<'_> {
    /// One that there is a column of, mostly.
    pub(super) fn kind(&mut self, scope: &[Shown]) -> Kind {
        if scope.is_empty() || self.chance(10) { *self.pick(&KINDS) } else { self.pick(scope).kind }
    }

    /// A value: a column mostly.
    pub(super) fn expression(&mut self, kind: Kind, depth: usize, scope: &[Shown]) -> String {
        if depth > 0 && self.chance(45) {
            return self.computed(kind, depth - 1, scope);
        }
        let fitting: Vec<&Shown> = scope.iter().filter(|shown| shown.kind == kind).collect();
        if fitting.is_empty() || self.chance(12) {
            return self.constant(kind);
        }
        self.pick(&fitting).name.clone()
    }

    /// A literal that says its type.
    pub(super) fn constant(&mut self, kind: Kind) -> String {
        let value = value(&mut self.random, kind);
        let value = if value.starts_with('-') { format!("({value})") } else { value };
        format!("{value}::{}", type_name(kind).trim_end_matches("(10,2)"))
    }

    fn computed(&mut self, kind: Kind, depth: usize, scope: &[Shown]) -> String {
        let same = |g: &mut Self| g.expression(kind, depth, scope);
        match self.below(6) {
            0 => {
                let (yes, no) = (same(self), same(self));
                let condition = self.condition(depth, scope);
                return format!("CASE WHEN {condition} THEN {yes} ELSE {no} END");
            }
            1 => return format!("coalesce({}, {})", same(self), same(self)),
            _ => {}
        }
        match kind {
            Kind::Int => {
                let one = same(self);
                match self.below(6) {
                    0 => format!("length({})", self.expression(Kind::Text, depth, scope)),
                    1 => format!("abs({one})"),
                    2 => format!("({one} % 3)"),
                    3 => format!("(- {one})"),
                    4 => format!("({one} * 2)"),
                    _ => format!("({one} + {})", self.expression(Kind::Int, depth, scope)),
                }
            }
            Kind::Big => {
                let int = self.expression(Kind::Int, depth, scope);
                let one = self.expression(Kind::Big, depth, scope);
                self.word(&["{i}::bigint", "({n} + {i})", "({n} % 5)", "(- {n})"])
                    .replace("{n}", &one)
                    .replace("{i}", &int)
            }
            Kind::Num => {
                let int = self.expression(Kind::Int, depth, scope);
                let one = self.expression(Kind::Num, depth, scope);
                self.word(&[
                    "({n} * 2)",
                    "({n} + {i})",
                    "round({n}, 1)",
                    "({n} / 4)",
                    "{i}::numeric",
                    "abs({n})",
                ])
                .replace("{n}", &one)
                .replace("{i}", &int)
            }
            Kind::Float => {
                let one = same(self);
                let int = self.expression(Kind::Int, depth, scope);
                match self.below(3) {
                    0 => format!("({one} + {int})"),
                    1 => format!("({one} * 0.5)"),
                    _ => format!("{int}::float8"),
                }
            }
            Kind::Text => {
                let one = same(self);
                let int = self.expression(Kind::Int, depth, scope);
                match self.below(5) {
                    0 => format!("lower({one})"),
                    1 => format!("upper({one})"),
                    2 => format!("({one} || 'x')"),
                    3 => format!("substr({one}, 1, 1)"),
                    _ => format!("{int}::text"),
                }
            }
            Kind::Bool => format!("({})", self.condition(depth, scope)),
            Kind::Date => {
                let one = same(self);
                format!("({one} + {})", self.expression(Kind::Int, depth, scope))
            }
            _ => format!("nullif({}, {})", same(self), same(self)),
        }
    }

    /// A key, as a literal or as a parameter.
    pub(super) fn key(&mut self, kind: Kind) -> String {
        let number = match self.below(4) {
            0 => world::key(&mut self.random),
            n => self.favourites[n % 2],
        };
        let written = literal(kind, number);
        if self.chance(50)
            && let Some(parameters) = &mut self.parameters
        {
            parameters.push(Some(written.trim_matches('\'').to_owned()));
            return format!("${}", parameters.len());
        }
        written
    }

    /// A condition on a shard key that says where its rows lie, more or less.
    pub(super) fn bound(&mut self, key: &Shown) -> String {
        let (name, kind) = (&key.name, key.kind);
        match self.below(12) {
            0..=3 => format!("{name} = {}", self.key(kind)),
            4..=6 => {
                let keys: Vec<String> = (0..1 + self.below(4)).map(|_| self.key(kind)).collect();
                format!("{name} IN ({})", keys.join(", "))
            }
            7 => {
                let keys: Vec<String> = (0..2).map(|_| self.key(kind)).collect();
                format!("{name} = ANY (ARRAY[{}]::{}[])", keys.join(", "), type_name(kind))
            }
            8 => format!("{name} BETWEEN {} AND {}", self.key(kind), self.key(kind)),
            9 => format!("({name} = {} OR {name} = {})", self.key(kind), self.key(kind)),
            10 => format!("{name} IS NULL"),
            _ => {
                let operator = self.word(&["<", ">", "<=", ">=", "<>"]);
                format!("{name} {operator} {}", self.key(kind))
            }
        }
    }

    pub(super) fn condition(&mut self, depth: usize, scope: &[Shown]) -> String {
        if depth > 0 && self.chance(30) {
            let (one, other) = (self.condition(depth - 1, scope), self.condition(depth - 1, scope));
            return match self.below(5) {
                0 => format!("NOT ({one})"),
                1 | 2 => format!("({one} OR {other})"),
                _ => format!("({one} AND {other})"),
            };
        }
        let kind = self.kind(scope);
        let one = self.expression(kind, depth.min(1), scope);
        match (self.below(10), kind) {
            (0, _) => {
                let not = self.word(&["", " NOT"]);
                format!("{one} IS{not} NULL")
            }
            (1, _) => {
                let values: Vec<String> = (0..3).map(|_| self.constant(kind)).collect();
                let not = self.word(&["", "", "NOT "]);
                format!("{one} {not}IN ({})", values.join(", "))
            }
            (2, Kind::Text) => format!("{one} LIKE '{}'", self.word(&["a%", "%b%", "_", "%0"])),
            (2, Kind::Bool) => one,
            (3, kind) if kind != Kind::Bool => {
                format!("{one} BETWEEN {} AND {}", self.constant(kind), self.constant(kind))
            }
            (4, _) => {
                let not = self.word(&["", "NOT "]);
                format!("{one} IS {not}DISTINCT FROM {}", self.constant(kind))
            }
            _ => {
                let operator = self.word(&["=", "=", "<>", "<", ">", "<=", ">="]);
                format!("{one} {operator} {}", self.expression(kind, depth.min(1), scope))
            }
        }
    }

    /// An aggregate whose value doesn't depend on the order of rows, and its kind.
    pub(super) fn aggregate(&mut self, depth: usize, scope: &[Shown]) -> (String, Kind) {
        let filter = match self.chance(10) {
            true => format!(" FILTER (WHERE {})", self.condition(0, scope)),
            false => String::new(),
        };
        let number = |g: &mut Self, among: &[Kind]| {
            let kind = *g.pick(among);
            (g.expression(kind, depth, scope), kind)
        };
        let (call, kind) = match self.below(20) {
            0..=4 => ("count(*)".into(), Kind::Big),
            5 => {
                let kind = self.kind(scope);
                (format!("count({})", self.expression(kind, depth, scope)), Kind::Big)
            }
            6 => {
                let kind = self.kind(scope);
                (format!("count(DISTINCT {})", self.expression(kind, depth, scope)), Kind::Big)
            }
            7..=10 => {
                let (value, kind) = number(self, &SUMMED);
                let sum = match kind {
                    Kind::Small | Kind::Int => Kind::Big,
                    Kind::Float | Kind::Span => kind,
                    _ => Kind::Num,
                };
                (format!("sum({value})"), sum)
            }
            11 | 12 => {
                let (value, kind) = number(self, &SUMMED);
                let exact = !matches!(kind, Kind::Float | Kind::Span);
                let kind = if exact { Kind::Num } else { kind };
                (format!("avg({value})"), kind)
            }
            13..=16 => {
                let (value, kind) = number(self, &RANKED);
                (format!("{}({value})", self.word(&["min", "max"])), kind)
            }
            17 => {
                let value = self.expression(Kind::Bool, depth, scope);
                (format!("{}({value})", self.word(&["bool_and", "bool_or"])), Kind::Bool)
            }
            18 => {
                let value = self.expression(Kind::Int, depth, scope);
                let call = self.word(&["bit_and", "bit_or", "bit_xor"]);
                (format!("{call}({value})"), Kind::Int)
            }
            _ => {
                let value = self.expression(Kind::Int, depth, scope);
                let call = self.word(&["stddev", "variance", "var_pop", "stddev_pop"]);
                (format!("{call}({value})"), Kind::Num)
            }
        };
        (format!("{call}{filter}"), kind)
    }
}
