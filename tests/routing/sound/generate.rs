//! Random statements with a meaning: deterministic but for the order of rows, over tables
//! whose columns are all bigint.

use rand::Rng;
use rand::rngs::StdRng;

/// Name and columns; `a` and `b` by `k`, `c` by `m`, `d` by `(p, q)`; `r` is on all shards,
/// `h` on one.
pub const TABLES: [(&str, &[&str]); 6] = [
    ("a", &["k", "x", "y"]),
    ("b", &["k", "x", "y"]),
    ("c", &["m", "k", "x"]),
    ("d", &["p", "q", "x"]),
    ("r", &["x", "y"]),
    ("h", &["x", "y"]),
];

pub struct Generator {
    pub random: StdRng,
    /// The value that this statement likes.
    favourite: i64,
    names: usize,
    /// Common table expressions that can be named here: name and number of columns.
    ctes: Vec<(String, usize)>,
}

/// What a FROM clause or query shows: qualified columns.
type Columns = Vec<String>;

impl Generator {
    pub fn new(random: StdRng) -> Generator {
        Generator { random, favourite: 0, names: 0, ctes: Vec::new() }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.random.random_range(0..from.len())]
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    fn value(&mut self) -> String {
        match self.below(20) {
            0..=11 => self.favourite.to_string(),
            12 => "NULL".into(),
            13 => format!("'{}'", self.favourite),
            14 => format!("{}::int", self.favourite),
            _ => self.below(5).to_string(),
        }
    }

    fn column(&mut self, columns: &Columns) -> String {
        // Keys come first in their tables: they are what it is about.
        let keys: Vec<&String> = columns
            .iter()
            .filter(|c| ["k", "m", "p", "q", "c0"].contains(&c.rsplit('.').next().unwrap_or("")))
            .collect();
        if !keys.is_empty() && self.chance(60) {
            let at = self.below(keys.len());
            return keys[at].clone();
        }
        if columns.is_empty() { self.value() } else { self.pick(columns).clone() }
    }

    pub fn statement(&mut self) -> String {
        self.favourite = self.random.random_range(0..5);
        self.names = 0;
        self.ctes.clear();
        match self.below(100) {
            0..=21 => self.write(),
            22..=44 => self.query(3, &Columns::new()).0,
            _ => self.focused(),
        }
    }

    /// Small statements around one construct each, bound to the favourite as a whole.
    fn focused(&mut self) -> String {
        let favourite = self.favourite;
        let none = Columns::new();
        match self.below(14) {
            9..=13 => self.barrier(),
            0 | 1 => {
                let inner = match self.below(4) {
                    0 => self.set_operation(1, &none, 2),
                    _ => self.select(1, &none, 2),
                };
                let limit = match self.below(5) {
                    0 => format!(" ORDER BY 1, 2 LIMIT {}", 1 + self.below(4)),
                    _ => String::new(),
                };
                let column = self.below(2);
                format!(
                    "SELECT d.c0, d.c1 FROM ({inner}{limit}) AS d WHERE d.c{column} = {favourite}"
                )
            }
            2 | 3 => {
                let (left, mut columns) = self.item(1, &none);
                let first = self.column(&columns);
                let (right, shown) = self.item(1, &none);
                let (l, r) = (self.column(&columns), self.column(&shown));
                columns.extend(shown);
                let kind =
                    *self.pick(&["JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                let more = match (kind, self.below(3)) {
                    ("FULL JOIN", _) | (_, 0) => String::new(),
                    _ => format!(" AND {}", self.condition(1, &columns)),
                };
                let also = match self.below(2) {
                    0 => String::new(),
                    _ => format!(" AND {}", self.condition(1, &columns)),
                };
                let output =
                    format!("{} AS c0, {} AS c1", self.column(&columns), self.column(&columns));
                format!(
                    "SELECT {output} FROM {left} {kind} {right} ON {l} = {r}{more} WHERE {first} = {favourite}{also}"
                )
            }
            4 => {
                let (inner, width) = self.query(1, &none);
                let (l, r) = (self.below(width), self.below(width));
                let kind = *self.pick(&["JOIN", "LEFT JOIN"]);
                let column = self.below(width);
                let side = *self.pick(&["e", "f"]);
                format!(
                    "WITH w AS ({inner}) SELECT e.c0 AS c0, f.c0 AS c1 FROM w AS e {kind} w AS f ON e.c{l} = f.c{r} WHERE {side}.c{column} = {favourite}"
                )
            }
            5 | 6 => {
                let (from, columns) = self.table();
                let (key, tested) = (columns[0].clone(), self.column(&columns));
                let not = if self.chance(50) { "NOT " } else { "" };
                let inner = match self.below(3) {
                    0 => self.plain(1, &columns),
                    _ => self.select(1, &columns, 1),
                };
                let test = match self.below(3) {
                    0 => format!("{not}EXISTS ({inner})"),
                    1 => format!("{tested} = ({})", self.scalar(1, &columns)),
                    _ => format!("{tested} {not}IN ({inner})"),
                };
                let join = *self.pick(&["AND", "AND", "AND", "OR"]);
                format!(
                    "SELECT {} AS c0 FROM {from} WHERE {key} = {favourite} {join} {test}",
                    columns[0]
                )
            }
            7 => {
                let (from, mut columns) = self.table();
                let key = columns[0].clone();
                let (lateral, shown) = self.derived(1, &columns.clone(), "LATERAL ");
                columns.extend(shown);
                let kind = *self.pick(&["JOIN", "LEFT JOIN"]);
                let (on, output) = (self.condition(0, &columns), self.column(&columns));
                format!(
                    "SELECT {output} AS c0, {key} AS c1 FROM {from} {kind} {lateral} ON {on} WHERE {key} = {favourite}"
                )
            }
            _ => {
                let (from, columns) = self.table();
                let key = columns[0].clone();
                format!(
                    "SELECT {key} AS c0, ({}) AS c1 FROM {from} WHERE {key} = {favourite}",
                    self.scalar(2, &columns)
                )
            }
        }
    }

    /// A condition from outside meets what it must not pass: a window, DISTINCT ON, grouping
    /// sets, an aggregate, a full join, a recursive query.
    fn barrier(&mut self) -> String {
        let favourite = self.favourite;
        let (from, columns) = self.table();
        let (key, other) = (columns[0].clone(), self.pick(&columns).clone());
        let ordered = columns.join(", ");
        let filter = match self.below(4) {
            0 => format!(" WHERE {}", self.condition(0, &columns)),
            _ => String::new(),
        };
        let column = self.below(2);
        let outside = match self.below(4) {
            0 => format!("d.c{column} IS NULL"),
            1 => format!("d.c{column} = {favourite} AND d.c0 = {favourite}"),
            _ => format!("d.c0 = {favourite}"),
        };
        let inner = match self.below(10) {
            8 => {
                let operator = *self.pick(&["INTERSECT", "EXCEPT", "UNION"]);
                let value = *self.pick(&["NULL", "3"]);
                let (l, r) = (
                    format!("SELECT {value}::int8 AS c0"),
                    format!("SELECT {key} FROM {from}{filter}"),
                );
                let (l, r) = if self.chance(60) { (l, r) } else { (r, l) };
                return format!("SELECT d.c0 FROM ({l} {operator} {r}) AS d(c0)");
            }
            0 => format!(
                "SELECT {key} AS c0, rank() OVER (ORDER BY {other}) AS c1 FROM {from}{filter}"
            ),
            1 => format!(
                "SELECT {key} AS c0, count(*) OVER (PARTITION BY {other}) AS c1 FROM {from}{filter}"
            ),
            2 => format!(
                "SELECT DISTINCT ON ({other}) {key} AS c0, {other} AS c1 FROM {from}{filter} ORDER BY {other}, {ordered}"
            ),
            3 => format!(
                "SELECT {key} AS c0, count(*) AS c1 FROM {from}{filter} GROUP BY ROLLUP ({key})"
            ),
            4 => format!("SELECT {favourite}::int8 AS c0, count(*) AS c1 FROM {from}{filter}"),
            5 => {
                let (more, shown) = self.table();
                let joined = self.column(&shown);
                let name = self.name("w");
                return format!(
                    "WITH RECURSIVE {name}(c0, c1) AS (SELECT {key}, {other} FROM {from} WHERE {key} = {favourite} \
                     UNION SELECT {joined}, {} FROM {more} JOIN {name} ON {name}.c{column} = {}) \
                     SELECT d.c0, d.c1 FROM {name} AS d WHERE {outside}",
                    self.column(&shown),
                    self.column(&shown)
                );
            }
            7 => format!(
                "SELECT {key} AS c0, {other} AS c1 FROM {from}{filter} ORDER BY {other}, {key} LIMIT {}",
                1 + self.below(4)
            ),
            6 => {
                let (more, shown) = self.table();
                let joined = self.column(&shown);
                return format!(
                    "SELECT d.c0, d.c1, {joined} AS c2 FROM (SELECT {key} AS c0, {other} AS c1 FROM {from} WHERE {key} = {favourite}) AS d \
                     FULL JOIN {more} ON d.c{column} = {joined}"
                );
            }
            _ => {
                let (more, shown) = self.table();
                let (aggregate, joined) = (self.aggregate(&shown), self.column(&shown));
                let not = if self.chance(30) { "NOT " } else { "" };
                let having = if self.chance(40) { " HAVING count(*) = 0" } else { "" };
                return format!(
                    "SELECT {ordered} FROM {from} WHERE {not}EXISTS \
                     (SELECT {aggregate} FROM {more} WHERE {joined} = {favourite} AND {joined} = {key}{having})"
                );
            }
        };
        format!("SELECT d.c0, d.c1 FROM ({inner}) AS d WHERE {outside}")
    }

    /// A query and the number of its columns, named c0, c1, …
    fn query(&mut self, depth: usize, outer: &Columns) -> (String, usize) {
        let before = self.ctes.len();
        let with =
            if depth > 1 && self.chance(22) { self.with(depth, outer) } else { String::new() };
        let width = 1 + self.below(2);
        let body = match self.below(10) {
            0 | 1 if depth > 0 => self.set_operation(depth - 1, outer, width),
            _ => self.select(depth, outer, width),
        };
        self.ctes.truncate(before);
        let all: Vec<String> = (1..=width).map(|n| n.to_string()).collect();
        let limit = if self.chance(12) {
            let offset = if self.chance(30) { " OFFSET 1" } else { "" };
            format!(" ORDER BY {} LIMIT {}{offset}", all.join(", "), self.below(4))
        } else {
            String::new()
        };
        (format!("{with}{body}{limit}"), width)
    }

    fn with(&mut self, depth: usize, outer: &Columns) -> String {
        let name = self.name("w");
        if self.chance(25) {
            let (base, width) = self.columns_query(depth - 1, outer, 1);
            let (from, columns) = self.table();
            let (join, own) = (self.column(&columns), self.column(&columns));
            let filter = if self.chance(60) {
                format!(" WHERE {}", self.condition(0, &columns))
            } else {
                String::new()
            };
            let text = format!(
                "WITH RECURSIVE {name}(c0) AS (({base}) UNION SELECT {own} FROM {from} JOIN {name} ON {name}.c0 = {join}{filter}) "
            );
            self.ctes.push((name, width));
            return text;
        }
        let (query, width) = self.query(depth - 1, outer);
        let materialized = *self.pick(&["", "", "MATERIALIZED ", "NOT MATERIALIZED "]);
        self.ctes.push((name.clone(), width));
        format!("WITH {name} AS {materialized}({query}) ")
    }

    fn columns_query(&mut self, depth: usize, outer: &Columns, width: usize) -> (String, usize) {
        (self.select(depth, outer, width), width)
    }

    fn set_operation(&mut self, depth: usize, outer: &Columns, width: usize) -> String {
        let operator = *self.pick(&[
            "UNION",
            "UNION ALL",
            "INTERSECT",
            "EXCEPT",
            "EXCEPT ALL",
            "INTERSECT ALL",
        ]);
        let left = self.branch(depth, outer, width);
        let right = self.branch(depth, outer, width);
        format!("({left}) {operator} ({right})")
    }

    fn branch(&mut self, depth: usize, outer: &Columns, width: usize) -> String {
        match self.below(12) {
            0 => {
                let row: Vec<String> = (0..width).map(|_| self.value()).collect();
                let row: Vec<String> =
                    row.iter().enumerate().map(|(n, v)| format!("{v}::int8 AS c{n}")).collect();
                format!("SELECT {}", row.join(", "))
            }
            1 if depth > 0 => self.set_operation(depth - 1, outer, width),
            _ => self.select(depth, outer, width),
        }
    }

    fn select(&mut self, depth: usize, outer: &Columns, width: usize) -> String {
        let (from, mut columns) = self.from(depth, outer);
        let own = columns.clone();
        columns.extend(outer.iter().cloned());
        let filter = match self.below(10) {
            0 => String::new(),
            _ => format!(" WHERE {}", self.condition(depth, &columns)),
        };
        match self.below(20) {
            0 | 1 => {
                let outputs: Vec<String> =
                    (0..width).map(|n| format!("{} AS c{n}", self.aggregate(&own))).collect();
                format!("SELECT {} FROM {from}{filter}", outputs.join(", "))
            }
            2..=4 => self.grouped(&own, &from, &filter, width),
            5 => {
                let key = self.column(&own);
                let mut outputs = vec![format!("{key} AS c0")];
                for n in 1..width {
                    outputs.push(format!(
                        "rank() OVER (PARTITION BY {key} ORDER BY {}) AS c{n}",
                        self.column(&own)
                    ));
                }
                format!("SELECT {} FROM {from}{filter}", outputs.join(", "))
            }
            6 => {
                let key = self.column(&own);
                let outputs: Vec<String> =
                    (0..width).map(|n| format!("{} AS c{n}", self.column(&own))).collect();
                let all: Vec<String> = outputs
                    .iter()
                    .map(|o| o.split(" AS ").next().unwrap_or("1").to_string())
                    .collect();
                format!(
                    "(SELECT DISTINCT ON ({key}) {} FROM {from}{filter} ORDER BY {key}, {})",
                    outputs.join(", "),
                    all.join(", ")
                )
            }
            _ => {
                let distinct = if self.chance(10) { "DISTINCT " } else { "" };
                let mut all = own;
                if self.chance(10) {
                    all.extend(outer.iter().cloned());
                }
                let outputs: Vec<String> =
                    (0..width).map(|n| self.output(depth, &all, n)).collect();
                format!("SELECT {distinct}{} FROM {from}{filter}", outputs.join(", "))
            }
        }
    }

    fn output(&mut self, depth: usize, columns: &Columns, number: usize) -> String {
        let value = match self.below(14) {
            0 if depth > 0 => format!("({})", self.scalar(depth - 1, columns)),
            1 => format!("{}::int8", self.value()),
            2 => format!("coalesce({}, {})", self.column(columns), self.below(5)),
            3 if depth > 0 => {
                format!("CASE WHEN {} THEN 1::int8 ELSE 0 END", self.condition(depth - 1, columns))
            }
            4 => format!("{}::bigint", self.column(columns)),
            _ => self.column(columns),
        };
        format!("{value} AS c{number}")
    }

    fn aggregate(&mut self, columns: &Columns) -> String {
        match self.below(5) {
            0 => "count(*)".into(),
            1 => format!("count({})", self.column(columns)),
            2 => format!("max({})::int8", self.column(columns)),
            3 => format!("sum({})::int8", self.column(columns)),
            _ => format!("count(*) FILTER (WHERE {})", self.condition(0, columns)),
        }
    }

    fn grouped(&mut self, columns: &Columns, from: &str, filter: &str, width: usize) -> String {
        let key = self.column(columns);
        let mut outputs = vec![format!("{key} AS c0")];
        for n in 1..width {
            outputs.push(format!("{} AS c{n}", self.aggregate(columns)));
        }
        if width == 1 && self.chance(30) {
            outputs[0] = format!("{} AS c0", self.aggregate(columns));
        }
        let group = match self.below(10) {
            0 => format!("ROLLUP ({key})"),
            _ => key.clone(),
        };
        let having = match self.below(6) {
            0 => format!(" HAVING {key} = {}", self.value()),
            1 => " HAVING count(*) > 1".into(),
            _ => String::new(),
        };
        format!("SELECT {} FROM {from}{filter} GROUP BY {group}{having}", outputs.join(", "))
    }

    fn scalar(&mut self, depth: usize, outer: &Columns) -> String {
        match self.below(3) {
            0 => self.select(depth, outer, 1),
            1 => {
                let (from, mut columns) = self.from(depth, outer);
                let aggregate = self.aggregate(&columns);
                columns.extend(outer.iter().cloned());
                format!("SELECT {aggregate} FROM {from} WHERE {}", self.condition(depth, &columns))
            }
            _ => format!("{} ORDER BY 1 LIMIT 1", self.plain(depth, outer)),
        }
    }

    fn plain(&mut self, depth: usize, outer: &Columns) -> String {
        let (from, mut columns) = self.from(depth.min(1), outer);
        let value = self.column(&columns);
        columns.extend(outer.iter().cloned());
        format!("SELECT {value} FROM {from} WHERE {}", self.condition(depth.min(1), &columns))
    }

    fn table(&mut self) -> (String, Columns) {
        let weights = [0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 4, 5];
        let (table, names) = TABLES[*self.pick(&weights)];
        let alias = self.name("t");
        let columns = names.iter().map(|column| format!("{alias}.{column}")).collect();
        (format!("{table} AS {alias}"), columns)
    }

    fn from(&mut self, depth: usize, outer: &Columns) -> (String, Columns) {
        let (mut text, mut columns) = self.item(depth, outer);
        if self.chance(12) {
            let lateral: Columns = columns.iter().chain(outer).cloned().collect();
            let (more, shown) = match self.chance(25) && depth > 0 {
                true => self.derived(depth - 1, &lateral, "LATERAL "),
                false => self.item(depth.saturating_sub(1), outer),
            };
            text = format!("{text}, {more}");
            columns.extend(shown);
        }
        (text, columns)
    }

    fn derived(&mut self, depth: usize, outer: &Columns, lateral: &str) -> (String, Columns) {
        let alias = self.name("d");
        let (query, width) = self.query(depth, outer);
        if self.chance(25) {
            let names: Vec<String> = (0..width).map(|n| format!("z{n}")).collect();
            let columns = names.iter().map(|name| format!("{alias}.{name}")).collect();
            return (format!("{lateral}({query}) AS {alias}({})", names.join(", ")), columns);
        }
        let columns = (0..width).map(|n| format!("{alias}.c{n}")).collect();
        (format!("{lateral}({query}) AS {alias}"), columns)
    }

    fn item(&mut self, depth: usize, outer: &Columns) -> (String, Columns) {
        match self.below(20) {
            0..=2 if depth > 0 => self.derived(depth - 1, outer, ""),
            3 | 4 if !self.ctes.is_empty() => {
                let at = self.below(self.ctes.len());
                let (name, width) = self.ctes[at].clone();
                let alias = self.name("e");
                let columns = (0..width).map(|n| format!("{alias}.c{n}")).collect();
                (format!("{name} AS {alias}"), columns)
            }
            5..=11 if depth > 0 => self.join(depth - 1, outer),
            12 => {
                let alias = self.name("v");
                let rows: Vec<String> = (0..1 + self.below(2))
                    .map(|_| format!("({}::int8, {}::int8)", self.value(), self.value()))
                    .collect();
                let columns = vec![format!("{alias}.c0"), format!("{alias}.c1")];
                (format!("(VALUES {}) AS {alias}(c0, c1)", rows.join(", ")), columns)
            }
            _ => self.table(),
        }
    }

    fn join(&mut self, depth: usize, outer: &Columns) -> (String, Columns) {
        let (left, left_columns) = self.item(depth, outer);
        let lateral = depth > 0 && self.chance(12);
        let kind = match self.below(12) {
            0..=4 => "JOIN",
            5..=8 => "LEFT JOIN",
            9 | 10 if !lateral => "RIGHT JOIN",
            11 if !lateral => "FULL JOIN",
            _ => "LEFT JOIN",
        };
        let beside: Columns = left_columns.iter().chain(outer).cloned().collect();
        let (right, right_columns) = match lateral {
            true => self.derived(depth - 1, &beside, "LATERAL "),
            false => self.item(depth, outer),
        };
        let common: Vec<String> = bare(&left_columns)
            .into_iter()
            .filter(|name| bare(&right_columns).iter().filter(|other| *other == name).count() == 1)
            .filter(|name| bare(&left_columns).iter().filter(|other| *other == name).count() == 1)
            .collect();
        let mut columns: Columns = left_columns.iter().chain(&right_columns).cloned().collect();
        let on = if !common.is_empty() && !lateral && self.chance(20) {
            let column = self.pick(&common).clone();
            if self.chance(50) && bare(&columns).iter().filter(|name| **name == column).count() == 2
            {
                columns.push(column.clone());
            }
            format!("USING ({column})")
        } else if kind == "FULL JOIN" {
            let (l, r) = (self.column(&left_columns), self.column(&right_columns));
            format!("ON {l} = {r}")
        } else {
            let (l, r) = (self.column(&left_columns), self.column(&right_columns));
            match self.below(4) {
                0 => format!("ON {}", self.condition(depth, &columns)),
                1 => format!("ON {l} = {r} AND {}", self.condition(depth, &columns)),
                _ => format!("ON {l} = {r}"),
            }
        };
        (format!("({left} {kind} {right} {on})"), columns)
    }

    fn condition(&mut self, depth: usize, columns: &Columns) -> String {
        let column = self.column(columns);
        let favourite = self.favourite;
        match self.below(40) {
            0..=8 => format!("{column} = {}", self.value()),
            9..=12 => {
                format!(
                    "{column} = {} AND {}",
                    self.value(),
                    self.condition(depth.saturating_sub(1), columns)
                )
            }
            13..=16 => format!("{column} = {}", self.column(columns)),
            17 => format!("{column} IN ({}, {})", self.value(), self.value()),
            18 => format!("{column} IN ({})", self.value()),
            19 => format!("{column} IS NULL"),
            20 => format!("{column} IS NOT NULL"),
            21 => format!("{column} > {}", self.value()),
            22 => format!(
                "({column}, {}) = ({}, {})",
                self.column(columns),
                self.value(),
                self.value()
            ),
            23 => format!("coalesce({column}, {}) = {}", self.below(5), self.value()),
            24 => format!("{column} IS NOT DISTINCT FROM {}", self.value()),
            25 => format!("{column} = ANY (ARRAY[{favourite}, {}])", self.below(5)),
            26 => format!("{column} <> {}", self.value()),
            27..=29 if depth > 0 => {
                let (l, r) =
                    (self.condition(depth - 1, columns), self.condition(depth - 1, columns));
                format!("({l} OR {r})")
            }
            30 if depth > 0 => format!("NOT ({})", self.condition(depth - 1, columns)),
            31 | 32 if depth > 0 => {
                let not = if self.chance(35) { "NOT " } else { "" };
                format!("{not}EXISTS ({})", self.query(depth - 1, columns).0)
            }
            33..=35 if depth > 0 => {
                let not = if self.chance(25) { "NOT " } else { "" };
                let query = match self.below(3) {
                    0 => format!("{} ORDER BY 1 LIMIT 2", self.plain(depth - 1, columns)),
                    _ => self.select(depth - 1, columns, 1),
                };
                format!("{column} {not}IN ({query})")
            }
            36 if depth > 0 => format!("{column} = ({})", self.scalar(depth - 1, columns)),
            37 => format!(
                "({column}, {}) IN (({favourite}, {favourite}), ({favourite}, {}))",
                self.column(columns),
                self.below(5)
            ),
            38 => format!("({column} = {favourite} OR {} = {favourite})", self.column(columns)),
            _ => {
                let (l, r) = (self.column(columns), self.column(columns));
                format!("{column} = {favourite} AND {l} = {r}")
            }
        }
    }

    fn sharded(&mut self) -> (&'static str, &'static [&'static str]) {
        TABLES[*self.pick(&[0, 0, 1, 1, 2, 3, 5])]
    }

    fn write(&mut self) -> String {
        match self.below(10) {
            0..=2 => self.update(),
            3 | 4 => self.delete(),
            5 => {
                let (query, width) = self.data_modifying();
                let columns: Columns = (0..width).map(|n| format!("w0.c{n}")).collect();
                let (more, shown) = self.item(1, &Columns::new());
                let all: Columns = columns.iter().chain(&shown).cloned().collect();
                let filter = self.condition(1, &all);
                format!(
                    "WITH w0 AS ({query}) SELECT {} AS c0 FROM w0 JOIN {more} ON {filter}",
                    self.column(&all)
                )
            }
            6 => self.merge(),
            _ => self.insert(),
        }
    }

    /// A statement with RETURNING of as many columns as it says.
    fn data_modifying(&mut self) -> (String, usize) {
        let (table, columns) = self.sharded();
        let columns: Columns = columns.iter().map(|column| format!("t.{column}")).collect();
        let filter = self.condition(1, &columns);
        let returned = format!("{} AS c0, {} AS c1", self.column(&columns), self.column(&columns));
        match self.below(2) {
            0 => (format!("DELETE FROM {table} AS t WHERE {filter} RETURNING {returned}"), 2),
            _ => {
                let set = if self.chance(30) {
                    columns[0].clone()
                } else {
                    columns[2.min(columns.len() - 1)].clone()
                };
                let set = set.trim_start_matches("t.").to_string();
                let value = self.value();
                (
                    format!(
                        "UPDATE {table} AS t SET {set} = {value} WHERE {filter} RETURNING {returned}"
                    ),
                    2,
                )
            }
        }
    }

    fn update(&mut self) -> String {
        let (table, names) = self.sharded();
        let columns: Columns = names.iter().map(|column| format!("t.{column}")).collect();
        let mut all = columns.clone();
        let from = if self.chance(40) {
            let (from, shown) = self.item(1, &Columns::new());
            all.extend(shown);
            format!(" FROM {from}")
        } else {
            String::new()
        };
        let set = if self.chance(35) { names[0] } else { *self.pick(names) };
        let value = match self.below(4) {
            0 => self.column(&columns),
            1 => format!("{} + 1", self.column(&columns)),
            _ => self.value(),
        };
        let filter = self.condition(2, &all);
        format!(
            "UPDATE {table} AS t SET {set} = {value}{from} WHERE {filter} RETURNING {}",
            columns.join(", ")
        )
    }

    fn delete(&mut self) -> String {
        let (table, names) = self.sharded();
        let columns: Columns = names.iter().map(|column| format!("t.{column}")).collect();
        let mut all = columns.clone();
        let from = if self.chance(40) {
            let (from, shown) = self.item(1, &Columns::new());
            all.extend(shown);
            format!(" USING {from}")
        } else {
            String::new()
        };
        format!(
            "DELETE FROM {table} AS t{from} WHERE {} RETURNING {}",
            self.condition(2, &all),
            columns.join(", ")
        )
    }

    fn insert(&mut self) -> String {
        let (table, names) = self.sharded();
        let source = match self.below(3) {
            0 => {
                let rows: Vec<String> = (0..1 + self.below(2))
                    .map(|_| {
                        let row: Vec<String> = names.iter().map(|_| self.value()).collect();
                        format!("({})", row.join(", "))
                    })
                    .collect();
                format!("VALUES {}", rows.join(", "))
            }
            1 => {
                let (from, mut columns) = self.from(1, &Columns::new());
                let outputs: Vec<String> = names.iter().map(|_| self.column(&columns)).collect();
                columns.truncate(20);
                format!(
                    "SELECT {} FROM {from} WHERE {}",
                    outputs.join(", "),
                    self.condition(1, &columns)
                )
            }
            _ => {
                let inner = self.select(2, &Columns::new(), names.len());
                if self.chance(50) { inner } else { format!("SELECT * FROM ({inner}) AS s") }
            }
        };
        let conflict = match (table, self.below(6)) {
            ("b", 0 | 1) => " ON CONFLICT (k, x) DO NOTHING".to_string(),
            ("b", 2) => {
                format!(" ON CONFLICT (k, x) DO UPDATE SET y = excluded.y + {}", self.below(3))
            }
            (_, 3) => " ON CONFLICT DO NOTHING".to_string(),
            _ => String::new(),
        };
        let list = if self.chance(50) { format!(" ({})", names.join(", ")) } else { String::new() };
        format!("INSERT INTO {table}{list} {source}{conflict} RETURNING *")
    }

    fn merge(&mut self) -> String {
        let (table, names) = self.sharded();
        let (source, shown) = match self.below(3) {
            0 => {
                let row: Vec<String> = (0..2).map(|_| format!("{}::int8", self.value())).collect();
                (
                    format!("(VALUES ({})) AS s(c0, c1)", row.join(", ")),
                    vec!["s.c0".to_string(), "s.c1".to_string()],
                )
            }
            1 => {
                let (query, width) = self.query(1, &Columns::new());
                (format!("({query}) AS s"), (0..width).map(|n| format!("s.c{n}")).collect())
            }
            _ => self.table(),
        };
        let target: Columns = names.iter().map(|column| format!("t.{column}")).collect();
        let all: Columns = target.iter().chain(&shown).cloned().collect();
        let on = match self.below(3) {
            0 => self.condition(1, &all),
            _ => format!(
                "{} = {} AND {}",
                self.column(&target),
                self.column(&shown),
                self.condition(0, &all)
            ),
        };
        let set = if self.chance(20) { names[0] } else { names[names.len() - 1] };
        let mut clauses = String::new();
        match self.below(3) {
            0 => clauses.push_str(" WHEN MATCHED THEN DELETE"),
            1 => {
                let value = self.value();
                clauses.push_str(&format!(" WHEN MATCHED THEN UPDATE SET {set} = {value}"));
            }
            _ => {}
        }
        if clauses.is_empty() || self.chance(50) {
            let values: Vec<String> = names
                .iter()
                .map(|_| if self.chance(70) { self.column(&shown) } else { self.value() })
                .collect();
            clauses
                .push_str(&format!(" WHEN NOT MATCHED THEN INSERT VALUES ({})", values.join(", ")));
        }
        format!("MERGE INTO {table} AS t USING {source} ON {on}{clauses}")
    }
}

fn bare(columns: &Columns) -> Vec<String> {
    columns.iter().map(|column| column.rsplit('.').next().unwrap_or("").to_string()).collect()
}
