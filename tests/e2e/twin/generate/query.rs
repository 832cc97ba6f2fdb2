//! Queries.

use rand::seq::SliceRandom;

use super::world::Table;
use super::write::shown;
use super::{Generator, Kind, Shown};
use crate::twin::answer::Order;

/// A query without ORDER BY and LIMIT.
struct Body {
    text: String,
    /// Of its columns, which are named c0, c1 and so on.
    kinds: Vec<Kind>,
    /// What ORDER BY may name beside them.
    hidden: Vec<String>,
    /// What ORDER BY has to begin with, and go on with all columns: DISTINCT ON.
    leads: bool,
}

/// FROM, and what it shows.
struct From {
    text: String,
    scope: Vec<Shown>,
    /// Columns that tell its rows from each other; none where nobody knows.
    unique: Option<Vec<String>>,
}

impl Generator<'_> {
    pub(super) fn select(&mut self) -> (String, Order, Option<String>) {
        match self.below(20) {
            0 => {
                let name = self.name("w");
                let inner = self.subquery(1);
                let scope = columns(&name, &inner.kinds);
                let from = From { text: name.clone(), scope, unique: None };
                let outer = self.over(from);
                let materialized = self.word(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
                let with = format!("WITH {name} AS {materialized}({}) ", inner.text);
                let body = Body { text: format!("{with}{}", outer.text), ..outer };
                self.ordered(body)
            }
            1 => {
                let body = self.set_operation();
                self.ordered(body)
            }
            _ => {
                let body = self.body(1);
                self.ordered(body)
            }
        }
    }

    /// With an order, and a limit where the order says which rows come.
    fn ordered(&mut self, body: Body) -> (String, Order, Option<String>) {
        let Body { text, kinds, hidden, leads } = body;
        let mut all: Vec<usize> = (1..=kinds.len()).collect();
        if !leads {
            all.shuffle(&mut self.random);
        }
        let all_directed = |g: &mut Self| {
            let directed: Vec<String> =
                all.iter().map(|at| format!("{at}{}", g.direction())).collect();
            directed.join(", ")
        };
        match if leads { 19 } else { self.below(20) } {
            0..=6 => {
                if self.chance(7) {
                    let limit = self.below(6);
                    return (format!("{text} LIMIT {limit}"), Order::Free, Some(text));
                }
                (text, Order::Free, None)
            }
            7..=9 => {
                let some = 1 + self.below(kinds.len());
                let by: Vec<usize> = all[..some].to_vec();
                let directed: Vec<String> =
                    by.iter().map(|at| format!("{at}{}", self.direction())).collect();
                let ties = match self.chance(20) {
                    true => format!(" FETCH FIRST {} ROWS WITH TIES", 1 + self.below(5)),
                    false => String::new(),
                };
                let order = Order::By(by.iter().map(|at| at - 1).collect());
                (format!("{text} ORDER BY {}{ties}", directed.join(", ")), order, None)
            }
            10 | 11 if !hidden.is_empty() => {
                let first = format!("{}{}", self.pick(&hidden).clone(), self.direction());
                let rest = all_directed(self);
                let limit = self.limit();
                (format!("{text} ORDER BY {first}, {rest}{limit}"), Order::Total, None)
            }
            _ => {
                let by = all_directed(self);
                let limit = self.limit();
                (format!("{text} ORDER BY {by}{limit}"), Order::Total, None)
            }
        }
    }

    fn direction(&mut self) -> &'static str {
        self.word(&["", "", "", " DESC", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
    }

    fn limit(&mut self) -> String {
        match self.below(8) {
            0..=2 => format!(" LIMIT {}", self.below(12)),
            3 => format!(" LIMIT {} OFFSET {}", 1 + self.below(8), self.below(9)),
            4 => format!(" OFFSET {}", self.below(9)),
            _ => String::new(),
        }
    }

    fn set_operation(&mut self) -> Body {
        let operator =
            self.word(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "UNION ALL", "EXCEPT ALL"]);
        let kinds: Vec<Kind> = (0..1 + self.below(2))
            .map(|_| *self.pick(&[Kind::Int, Kind::Text, Kind::Big, Kind::Num]))
            .collect();
        let part = |g: &mut Self| {
            let from = g.from(0);
            let picked: Vec<String> = kinds
                .iter()
                .enumerate()
                .map(|(at, kind)| format!("{} AS c{at}", g.expression(*kind, 0, &from.scope)))
                .collect();
            let narrowed = g.narrow(&from.scope);
            format!("SELECT {} FROM {}{narrowed}", picked.join(", "), from.text)
        };
        let text = format!("{} {operator} {}", part(self), part(self));
        Body { text, kinds, hidden: Vec::new(), leads: false }
    }

    fn body(&mut self, depth: usize) -> Body {
        let from = self.from(depth);
        self.over(from)
    }

    /// One whose rows are determined without an order.
    fn subquery(&mut self, depth: usize) -> Body {
        loop {
            let body = self.body(depth);
            if !body.leads {
                return body;
            }
        }
    }

    /// A query over this FROM.
    fn over(&mut self, from: From) -> Body {
        let narrowed = self.narrow(&from.scope);
        match self.below(40) {
            0..=3 => self.aggregated(&from, &narrowed),
            4..=12 => self.grouped(&from, &narrowed),
            13 | 14 => self.windowed(&from, &narrowed),
            15 => self.first_of_each(&from, &narrowed),
            16 => self.listed(&from, &narrowed),
            17..=19 => Body { hidden: Vec::new(), ..self.rows(&from, &narrowed, "DISTINCT ") },
            _ => self.rows(&from, &narrowed, ""),
        }
    }

    fn rows(&mut self, from: &From, narrowed: &str, distinct: &str) -> Body {
        let mut kinds = Vec::new();
        let picked: Vec<String> = (0..1 + self.below(4))
            .map(|at| {
                let kind = self.kind(&from.scope);
                kinds.push(kind);
                let value = match self.below(40) {
                    0 => {
                        kinds[at] = Kind::Big;
                        self.scalar(&from.scope)
                    }
                    1 => {
                        kinds[at] = Kind::Int;
                        // An error, where it meets that value.
                        format!("10 / ({} - 3)", self.expression(Kind::Int, 0, &from.scope))
                    }
                    _ => {
                        let depth = self.random_depth();
                        self.expression(kind, depth, &from.scope)
                    }
                };
                format!("{value} AS c{at}")
            })
            .collect();
        let hidden = vec![
            self.expression(Kind::Int, 1, &from.scope),
            self.expression(Kind::Text, 1, &from.scope),
        ];
        let text = format!("SELECT {distinct}{} FROM {}{narrowed}", picked.join(", "), from.text);
        Body { text, kinds, hidden, leads: false }
    }

    fn random_depth(&mut self) -> usize {
        usize::from(self.chance(40)) + usize::from(self.chance(15))
    }

    fn aggregated(&mut self, from: &From, narrowed: &str) -> Body {
        let (picked, kinds) = self.aggregates(from, 0, 3);
        let having = match self.chance(10) {
            true => format!(" HAVING count(*) > {}", self.below(20)),
            false => String::new(),
        };
        let text = format!("SELECT {} FROM {}{narrowed}{having}", picked.join(", "), from.text);
        Body { text, kinds, hidden: Vec::new(), leads: false }
    }

    /// Some aggregates, and expressions over them, named from c{first}.
    fn aggregates(&mut self, from: &From, first: usize, most: usize) -> (Vec<String>, Vec<Kind>) {
        let mut kinds = Vec::new();
        let picked = (0..1 + self.below(most))
            .map(|at| {
                let depth = usize::from(self.chance(25));
                let (call, kind) = self.aggregate(depth, &from.scope);
                let number = matches!(kind, Kind::Big | Kind::Num | Kind::Float);
                let value = match self.below(8) {
                    0 if number => format!("coalesce({call}, 0)"),
                    1 if number => format!("{call} + 1"),
                    2 if number => format!("{call} * count(*)"),
                    _ => call,
                };
                kinds.push(kind);
                format!("{value} AS c{}", first + at)
            })
            .collect();
        (picked, kinds)
    }

    fn grouped(&mut self, from: &From, narrowed: &str) -> Body {
        let (mut picked, mut kinds, mut by) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..1 + self.below(2) {
            let kind = self.kind(&from.scope);
            // One that is computed may be equal and look otherwise, as numbers do.
            let depth = usize::from(
                !matches!(kind, Kind::Num | Kind::Loose | Kind::Real | Kind::Float)
                    && self.chance(30),
            );
            let value = self.expression(kind, depth, &from.scope);
            // GROUP BY takes a constant for a column's number.
            let value = if value.contains('.') || value.contains("::") { value } else { continue };
            by.push(value.clone());
            picked.push(format!("{value} AS c{at}"));
            kinds.push(kind);
        }
        if by.is_empty() {
            return self.aggregated(from, narrowed);
        }
        let (more, more_kinds) = self.aggregates(from, picked.len(), 3);
        let having = match self.below(8) {
            0 => format!(" HAVING count(*) > {}", 1 + self.below(3)),
            1 => {
                let (call, _) = self.aggregate(0, &from.scope);
                format!(" HAVING {call} IS NOT NULL")
            }
            _ => String::new(),
        };
        // Some versions of Postgres take a constant that is rolled up for one that isn't.
        let columns = by.iter().all(|value| from.scope.iter().any(|shown| shown.name == *value));
        let by = by.join(", ");
        let by = if columns && self.chance(8) { format!("ROLLUP ({by})") } else { by };
        picked.extend(more);
        kinds.extend(more_kinds);
        let text = format!(
            "SELECT {} FROM {}{narrowed} GROUP BY {by}{having}",
            picked.join(", "),
            from.text
        );
        Body { text, kinds, hidden: vec!["count(*)".into()], leads: false }
    }

    fn windowed(&mut self, from: &From, narrowed: &str) -> Body {
        let Some(unique) = &from.unique else { return self.rows(from, narrowed, "") };
        let order = unique.join(", ");
        let kind = self.kind(&from.scope);
        let part = self.expression(kind, 0, &from.scope);
        let value = self.expression(Kind::Int, 0, &from.scope);
        let window = self
            .word(&[
                "row_number() OVER (PARTITION BY {p} ORDER BY {u})",
                "rank() OVER (PARTITION BY {p} ORDER BY {v})",
                "sum({v}) OVER (PARTITION BY {p} ORDER BY {u})",
                "count(*) OVER (PARTITION BY {p})",
                "row_number() OVER (ORDER BY {u})",
                "lag({v}) OVER (PARTITION BY {p} ORDER BY {u})",
            ])
            .replace("{p}", &part)
            .replace("{v}", &value)
            .replace("{u}", &order);
        let shown = self.pick(&from.scope).clone();
        let text = format!(
            "SELECT {} AS c0, {order_first} AS c1, {window} AS c2 FROM {}{narrowed}",
            shown.name,
            from.text,
            order_first = unique[0],
        );
        let first = from.scope.iter().find(|s| s.name == unique[0]).map_or(Kind::Int, |s| s.kind);
        Body { text, kinds: vec![shown.kind, first, Kind::Big], hidden: Vec::new(), leads: false }
    }

    fn first_of_each(&mut self, from: &From, narrowed: &str) -> Body {
        let mut kinds = Vec::new();
        let picked: Vec<String> = (0..3)
            .map(|_| {
                let shown = self.pick(&from.scope);
                kinds.push(shown.kind);
                shown.name.clone()
            })
            .collect();
        let text = format!(
            "SELECT DISTINCT ON ({first}) {first} AS c0, {} AS c1, {} AS c2 FROM {}{narrowed}",
            picked[1],
            picked[2],
            from.text,
            first = picked[0],
        );
        Body { text, kinds, hidden: Vec::new(), leads: true }
    }

    fn listed(&mut self, from: &From, narrowed: &str) -> Body {
        let kind = self.kind(&from.scope);
        let value = self.expression(kind, 0, &from.scope);
        let call =
            self.word(&["array_agg(V ORDER BY V)", "string_agg(V::text, ',' ORDER BY V::text)"]);
        let call = call.replace('V', &value);
        let text = format!("SELECT {call} AS c0 FROM {}{narrowed}", from.text);
        Body { text, kinds: vec![Kind::Text], hidden: Vec::new(), leads: false }
    }

    /// WHERE, or nothing.
    fn narrow(&mut self, scope: &[Shown]) -> String {
        let mut conditions = Vec::new();
        let keys: Vec<Shown> = scope.iter().filter(|shown| shown.key).cloned().collect();
        if !keys.is_empty() && self.chance(40) {
            let key = self.pick(&keys).clone();
            conditions.push(self.bound(&key));
        }
        if self.chance(40) {
            conditions.push(self.condition(1, scope));
        }
        if self.chance(10) {
            conditions.push(self.subquery_condition(scope));
        }
        if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        }
    }

    fn subquery_condition(&mut self, scope: &[Shown]) -> String {
        let table = self.any_table().clone();
        let name = self.name("q");
        let inner = shown(&table, &name);
        let not = self.word(&["", "", "NOT "]);
        let filter = self.condition(0, &inner);
        let link = scope.iter().find(|s| s.key && inner[0].key && s.kind == inner[0].kind);
        match (self.below(3), link) {
            (0 | 1, Some(link)) => {
                let on = format!("{} = {}", inner[0].name, link.name);
                format!("{not}EXISTS (SELECT FROM {} {name} WHERE {on} AND {filter})", table.name)
            }
            (2, Some(link)) => format!(
                "{} {not}IN (SELECT {} FROM {} {name} WHERE {filter})",
                link.name, inner[0].name, table.name
            ),
            _ => {
                let kind = inner[inner.len() - 1].kind;
                let one = self.expression(kind, 0, scope);
                let column = &inner[inner.len() - 1].name;
                format!("{one} {not}IN (SELECT {column} FROM {} {name} WHERE {filter})", table.name)
            }
        }
    }

    /// A subquery with one bigint.
    fn scalar(&mut self, scope: &[Shown]) -> String {
        let table = self.any_table().clone();
        let name = self.name("q");
        let inner = shown(&table, &name);
        let link = scope.iter().find(|s| s.key && inner[0].key && s.kind == inner[0].kind);
        let filter = match link {
            Some(link) => format!("{} = {}", inner[0].name, link.name),
            None => self.condition(0, &inner),
        };
        format!("(SELECT count(*) FROM {} {name} WHERE {filter})", table.name)
    }

    fn from(&mut self, depth: usize) -> From {
        match self.below(20) {
            0..=10 => {
                let table = self.any_table().clone();
                self.one(&table)
            }
            11 | 12 if !self.tables.views.is_empty() => self.viewed(),
            13 if depth > 0 => {
                let inner = self.subquery(0);
                let name = self.name("s");
                let scope = columns(&name, &inner.kinds);
                From { text: format!("({}) AS {name}", inner.text), scope, unique: None }
            }
            _ => {
                let first = self.any_table().clone();
                let mut from = self.one(&first);
                for _ in 0..1 + usize::from(self.chance(15)) {
                    let table = self.any_table().clone();
                    let other = self.one(&table);
                    from = self.joined(from, other);
                }
                from
            }
        }
    }

    /// A view.
    fn viewed(&mut self) -> From {
        let tables = self.tables;
        let view = self.pick(&tables.views);
        let name = self.name("w");
        let column = |(column, kind): &(String, Kind)| Shown {
            name: format!("{name}.{column}"),
            kind: *kind,
            key: column == "k",
        };
        let scope = view.columns.iter().map(column).collect();
        From { text: format!("{} {name}", view.name), scope, unique: None }
    }

    /// The columns and the definition of a view, and the table that it shows: the first of each
    /// world are simple.
    pub(super) fn view(mut self, number: u64) -> (Vec<(String, Kind)>, String, Option<Table>) {
        let tables = self.tables;
        match number {
            0 | 1 => {
                let table = self.pick(&tables.together);
                let narrowed = self.narrow(&shown(table, &table.name));
                let text = format!("SELECT * FROM {}{narrowed}", table.name);
                (table.columns.clone(), text, Some(table.clone()))
            }
            2 | 3 => {
                let [left, right] = [&tables.together[0], self.pick(&tables.together[1..])];
                let scope = [shown(left, "x"), shown(right, "y")].concat();
                let picked = self.pick(&scope[1..]).clone();
                let narrowed = self.narrow(&scope);
                let text = format!(
                    "SELECT x.k, {} AS c FROM {} x JOIN {} y ON y.k = x.k{narrowed}",
                    picked.name, left.name, right.name
                );
                (vec![left.columns[0].clone(), ("c".into(), picked.kind)], text, None)
            }
            _ => {
                let body = self.subquery(1);
                let column = |(at, kind): (usize, &Kind)| (format!("c{at}"), *kind);
                (body.kinds.iter().enumerate().map(column).collect(), body.text, None)
            }
        }
    }

    fn one(&mut self, table: &Table) -> From {
        let name = self.name("t");
        let unique = table.unique.iter().map(|column| format!("{name}.{column}")).collect();
        let scope = shown(table, &name);
        From { text: format!("{} {name}", table.name), scope, unique: Some(unique) }
    }

    fn joined(&mut self, left: From, right: From) -> From {
        let mut scope = left.scope;
        // On the key where both have one; else, or now and then, on whatever fits.
        let keys = |scope: &[Shown]| scope.iter().filter(|s| s.key).cloned().collect::<Vec<_>>();
        let pairs: Vec<(Shown, Shown)> = keys(&scope)
            .into_iter()
            .flat_map(|l| keys(&right.scope).into_iter().map(move |r| (l.clone(), r)))
            .filter(|(l, r)| l.kind == r.kind)
            .collect();
        let on = if !pairs.is_empty() && self.chance(80) {
            let (l, r) = self.pick(&pairs);
            format!("{} = {}", l.name, r.name)
        } else {
            let r = self.pick(&right.scope).clone();
            format!("{} = {}", self.expression(r.kind, 0, &scope), r.name)
        };
        let join = self.word(&[
            "JOIN",
            "JOIN",
            "JOIN",
            "LEFT JOIN",
            "LEFT JOIN",
            "RIGHT JOIN",
            "FULL JOIN",
        ]);
        scope.extend(right.scope);
        let more = match self.chance(10) && join != "FULL JOIN" {
            true => format!(" AND {}", self.condition(0, &scope)),
            false => String::new(),
        };
        // Where one side is missing, its columns tell nothing.
        let unique = left.unique.zip(right.unique).map(|(l, r)| [l, r].concat());
        From { text: format!("{} {join} {} ON {on}{more}", left.text, right.text), scope, unique }
    }
}

/// What a subquery shows under this name.
fn columns(name: &str, kinds: &[Kind]) -> Vec<Shown> {
    let shown = |(at, kind): (usize, &Kind)| Shown {
        name: format!("{name}.c{at}"),
        kind: *kind,
        key: false,
    };
    kinds.iter().enumerate().map(shown).collect()
}
