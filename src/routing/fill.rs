//! INSERT of rows whose shard key only a server can compute: the default of a column that isn't
//! given, or an expression. A server is asked for the values first, and they are put into the
//! statement, which is then routed by them (`docs/decisions/014-moved-rows.md`).

use crate::config::rules::TableName;
use crate::sql::{
    self, Edit, Edited, Expr, FromItem, Insert, InsertSource, Node, Piece, Scanned, SetExpr,
    Statement, Tokens, visit_expr,
};

use super::Refusal;
use super::bind::Analysis;
use super::router::TableRule;
use super::schema::{Column, Table};

/// Expressions of one statement that are asked for at most: a server's row has 1664 columns.
const EXPRESSIONS: usize = 500;

/// What is asked for, and where it is put. Known before the statement has values.
#[derive(Debug, Clone, PartialEq)]
pub struct Fill {
    table: TableName,
    /// Columns whose defaults are asked for: the name, the expression, how many values.
    defaults: Vec<(Box<str>, Box<str>, usize)>,
    /// Expressions of the statement that are asked for.
    expressions: Vec<Tokens>,
    /// There are parameters in them.
    binds: bool,
    puts: Vec<Put>,
}

/// A change of the text, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
struct Put {
    at: Tokens,
    bits: Vec<Bit>,
}

#[derive(Debug, Clone, PartialEq)]
enum Bit {
    Text(Box<str>),
    /// The value with this number of the defaults of the column with that one.
    Default(usize, usize),
    /// The value of the expression with this number.
    Expression(usize),
}

/// Rows of texts that a server answered with, by command.
pub type Answers = [Vec<Vec<Option<String>>>];

/// A statement with the values in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    pub text: Edited,
    /// Values of parameters that were added, as texts.
    pub values: Vec<Option<String>>,
}

/// Whether a statement has an INSERT whose keys can be asked for, by itself or in its WITH: that is
/// all that stands in its way.
pub(super) fn of(analysis: &Analysis<'_>, statement: &Statement) -> Option<Box<Fill>> {
    let with = match statement {
        Statement::Query(query) => &query.with,
        Statement::Insert(insert) => &insert.with,
        Statement::Update(update) => &update.with,
        Statement::Delete(delete) => &delete.with,
        _ => return None,
    };
    let inside = with.iter().map(|cte| &cte.statement);
    let mut found = inside.chain([statement]).filter_map(|statement| match statement {
        Statement::Insert(insert) => of_insert(analysis, insert),
        _ => None,
    });
    let first = found.next();
    if found.next().is_some() { None } else { first }
}

fn of_insert(analysis: &Analysis<'_>, insert: &Insert) -> Option<Box<Fill>> {
    // The same once more where what WITH returns is named more than once.
    let refusal = analysis.refusals.first()?;
    if analysis.refusals.iter().any(|other| other != refusal) {
        return None;
    }
    let (table, rule) = analysis.router.table(insert.table.as_ref()?, analysis.search_path);
    let Some(TableRule::Sharded { columns, .. }) = rule else { return None };
    let mut names = columns.iter();
    let of_key = names.any(|column| {
        *refusal == Refusal::key_default(&table, column)
            || *refusal == Refusal::key_not_given(&table, column)
    });
    let effects = &analysis.effects;
    let asks = effects.ask_home || effects.need_home.is_some() || effects.session_state.is_some();
    if !of_key || asks || effects.sequence.is_some() {
        return None;
    }
    // In a default, names of pg_catalog stand alone.
    let path = analysis.search_path;
    if insert.overriding_user || path.iter().skip(1).any(|schema| &**schema == "pg_catalog") {
        return None;
    }
    let facts = analysis.router.schema.tables.get(&table)?;
    let cells = match &insert.source {
        InsertSource::DefaultValues if insert.columns.is_empty() => Vec::new(),
        InsertSource::DefaultValues => return None,
        InsertSource::Query(_) => sql::cells(analysis.text, analysis.scanned, &insert.rows).ok()?,
    };
    let mut filling = Filling {
        insert,
        facts,
        cells,
        fill: Fill {
            table,
            defaults: Vec::new(),
            expressions: Vec::new(),
            binds: false,
            puts: Vec::new(),
        },
    };
    filling.fill(&columns)?;
    let fill = filling.fill;
    let any = !fill.defaults.is_empty() || !fill.expressions.is_empty();
    (any && fill.expressions.len() <= EXPRESSIONS).then(|| Box::new(fill))
}

struct Filling<'a> {
    insert: &'a Insert,
    facts: &'a Table,
    /// Where the values of each row stand.
    cells: Vec<Vec<Tokens>>,
    fill: Fill,
}

impl Filling<'_> {
    fn fill(&mut self, keys: &[Box<str>]) -> Option<()> {
        let mut columns = Vec::with_capacity(keys.len());
        for key in keys {
            let at = self.facts.columns.iter().position(|column| column.name == *key)?;
            columns.push((at, &self.facts.columns[at]));
        }
        // In the order of the table, in which a row without a list of columns goes on.
        columns.sort_unstable_by_key(|(at, _)| *at);
        match &self.insert.source {
            InsertSource::DefaultValues => self.default_values(&columns),
            InsertSource::Query(query) => {
                let SetExpr::Values(rows) = &query.body else { return None };
                (rows.len() == self.cells.len()).then_some(())?;
                self.names(&columns)?;
                let rows: Vec<&[Expr]> = rows.iter().map(Vec::as_slice).collect();
                rows.into_iter().enumerate().try_for_each(|(n, row)| self.row(n, row, &columns))
            }
        }
    }

    fn default_values(&mut self, columns: &[(usize, &Column)]) -> Option<()> {
        let asked: Vec<&Column> = columns
            .iter()
            .map(|(_, column)| *column)
            .filter(|column| has_default(column))
            .collect();
        let names: Vec<String> = asked.iter().map(|column| quoted(&column.name)).collect();
        let overriding = if asked.iter().any(|column| column.always_identity) {
            "OVERRIDING SYSTEM VALUE "
        } else {
            ""
        };
        let mut bits = vec![text(format!("({}) {overriding}VALUES (", names.join(", ")))];
        for (at, column) in asked.into_iter().enumerate() {
            if at > 0 {
                bits.push(text(", "));
            }
            bits.push(self.ask_default(column)?);
        }
        bits.push(text(")"));
        let at = self.insert.rows.first()?.clone();
        self.fill.puts.push(Put { at, bits });
        Some(())
    }

    /// What is added before VALUES.
    fn names(&mut self, columns: &[(usize, &Column)]) -> Option<()> {
        let values = self.insert.rows.first()?.start.checked_sub(1)?;
        let named = &self.insert.columns;
        if !named.is_empty() {
            let left_out =
                columns.iter().filter(|(_, c)| has_default(c) && !named.contains(&c.name));
            let added: String = left_out.map(|(_, c)| format!(", {}", quoted(&c.name))).collect();
            let overriding = if self.insert.overriding_system { 3 } else { 0 };
            let close = values.checked_sub(1 + overriding)?;
            if !added.is_empty() {
                self.fill.puts.push(Put { at: close..close, bits: vec![text(added)] });
            }
        }
        let always = columns.iter().any(|(_, column)| column.always_identity);
        if always && !self.insert.overriding_system {
            if self.gives_identity() {
                return None;
            }
            let bits = vec![text(" OVERRIDING SYSTEM VALUE")];
            self.fill.puts.push(Put { at: values..values, bits });
        }
        Some(())
    }

    /// A value is given where only the server may give one: it says so, and would not any more.
    fn gives_identity(&self) -> bool {
        let InsertSource::Query(query) = &self.insert.source else { return false };
        let SetExpr::Values(rows) = &query.body else { return true };
        let identities =
            self.facts.columns.iter().enumerate().filter(|(_, column)| column.always_identity);
        let mut places = identities.filter_map(|(at, column)| self.place(at, column));
        places
            .any(|at| rows.iter().any(|row| row.get(at).is_some_and(|cell| *cell != Expr::Default)))
    }

    /// Where a column's values stand in a row, if they may.
    fn place(&self, at: usize, column: &Column) -> Option<usize> {
        if self.insert.columns.is_empty() {
            return Some(at);
        }
        self.insert.columns.iter().position(|named| *named == column.name)
    }

    fn row(&mut self, number: usize, row: &[Expr], columns: &[(usize, &Column)]) -> Option<()> {
        let mut behind = Vec::new();
        let mut len = row.len();
        let mut within = Vec::new();
        for (at, column) in columns {
            let place = self.place(*at, column);
            match place.and_then(|place| Some((place, row.get(place)?))) {
                Some((place, cell)) => {
                    let at = self.cells.get(number)?.get(place)?.clone();
                    within.extend(self.cell(cell, column, &at)?.map(|bit| (at, bit)));
                }
                None if has_default(column) => {
                    // The columns between have their defaults, too.
                    for _ in len..place.unwrap_or(len) {
                        behind.push(text(", DEFAULT"));
                    }
                    len = place.unwrap_or(len) + 1;
                    behind.push(text(", "));
                    behind.push(self.ask_default(column)?);
                }
                None => {}
            }
        }
        within.sort_unstable_by_key(|(at, _)| at.start);
        self.fill.puts.extend(within.into_iter().map(|(at, bit)| Put { at, bits: vec![bit] }));
        let close = self.insert.rows.get(number)?.end.checked_sub(1)?;
        if !behind.is_empty() {
            self.fill.puts.push(Put { at: close..close, bits: behind });
        }
        Some(())
    }

    /// What is put in the place of a value; nothing where the value will do.
    fn cell(&mut self, cell: &Expr, column: &Column, at: &Tokens) -> Option<Option<Bit>> {
        if *cell == Expr::Default {
            return match has_default(column) {
                true => self.ask_default(column).map(Some),
                false => Some(None),
            };
        }
        if is_plain(cell, true) {
            return Some(None);
        }
        let (mut asks_more, mut binds) = (false, false);
        visit_expr(cell, &mut |node| {
            binds |= matches!(node, Node::Expr(Expr::Parameter(_)));
            asks_more |= match node {
                Node::Expr(Expr::Default | Expr::Column(_)) => true,
                Node::From(item) => !matches!(item, FromItem::Function { .. }),
                _ => false,
            };
        });
        if asks_more {
            return None;
        }
        self.fill.binds |= binds;
        self.fill.expressions.push(at.clone());
        Some(Some(Bit::Expression(self.fill.expressions.len() - 1)))
    }

    fn ask_default(&mut self, column: &Column) -> Option<Bit> {
        let expression = column.default.as_ref()?;
        let defaults = &mut self.fill.defaults;
        let at = match defaults.iter().position(|(name, ..)| *name == column.name) {
            Some(at) => at,
            None => {
                defaults.push((column.name.clone(), expression.clone(), 0));
                defaults.len() - 1
            }
        };
        let count = &mut defaults[at].2;
        *count += 1;
        Some(Bit::Default(at, *count - 1))
    }
}

fn has_default(column: &Column) -> bool {
    column.has_default || column.from_sequence
}

/// A value that is read without a server.
fn is_plain(expr: &Expr, casts: bool) -> bool {
    match expr {
        Expr::Literal(_) | Expr::Parameter(_) | Expr::Null => true,
        Expr::Negate(inner) => matches!(**inner, Expr::Literal(_) | Expr::Parameter(_)),
        Expr::Cast { expr, .. } => casts && is_plain(expr, false),
        _ => false,
    }
}

fn text(text: impl Into<Box<str>>) -> Bit {
    Bit::Text(text.into())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Fill {
    /// What a server is asked for defaults: a command for each column, which may be none.
    pub fn defaults(&self) -> Vec<String> {
        let command = |(_, expression, count): &(Box<str>, Box<str>, usize)| {
            format!("SELECT {expression} FROM pg_catalog.generate_series(1, {count})")
        };
        self.defaults.iter().map(command).collect()
    }

    /// There are parameters in what a server is asked for expressions.
    pub fn binds(&self) -> bool {
        self.binds
    }

    /// What a server is asked for expressions, if there are any.
    ///
    /// # Errors
    /// The text isn't that of the plan.
    pub fn question(&self, text: &[u8], scanned: &Scanned) -> Result<Option<Vec<u8>>, Refusal> {
        if self.expressions.is_empty() {
            return Ok(None);
        }
        let typed = |n: usize| format!("v{n}, pg_catalog.pg_typeof(v{n})");
        let shown: Vec<String> = (0..self.expressions.len()).map(typed).collect();
        let mut question = format!("SELECT {} FROM (SELECT ", shown.join(", ")).into_bytes();
        for (n, words) in sql::words(text, scanned, &self.expressions)?.into_iter().enumerate() {
            question.extend_from_slice(if n > 0 { b", (" } else { b"(" });
            question.extend_from_slice(words);
            // Behind a comment in them.
            question.extend_from_slice(format!("\n) AS v{n}").as_bytes());
        }
        // So that each is computed once.
        question.extend_from_slice(b" OFFSET 0) q");
        Ok(Some(question))
    }

    /// The statement with the values in it, as literals, or as parameters behind so many of the
    /// client's.
    ///
    /// # Errors
    /// A value is of a type that no key has; the answers aren't such.
    pub fn put(
        &self,
        text: &[u8],
        scanned: &Scanned,
        answers: &Answers,
        parameters: Option<usize>,
    ) -> Result<Filled, Refusal> {
        let mut values = Vec::new();
        let mut edits = Vec::with_capacity(self.puts.len());
        for put in &self.puts {
            let mut words = String::new();
            for bit in &put.bits {
                let (value, cast) = match bit {
                    Bit::Text(text) => {
                        words.push_str(text);
                        continue;
                    }
                    bit => self.answer(bit, answers)?,
                };
                match (parameters, &value) {
                    (Some(before), _) => {
                        values.push(value);
                        words.push_str(&format!("${}", before + values.len()));
                    }
                    (None, None) => words.push_str("NULL"),
                    (None, Some(value)) => words.push_str(&literal(value)),
                }
                words.push_str(&cast);
            }
            edits.push(Edit { at: put.at.clone(), pieces: vec![Piece::Text(words.into())] });
        }
        Ok(Filled { text: sql::edit(text, scanned, &edits)?, values })
    }

    /// A value that was asked for, and the cast that it needs.
    fn answer(&self, bit: &Bit, answers: &Answers) -> Result<(Option<String>, String), Refusal> {
        let lost = || Refusal::new("XX000", "a server didn't answer what it was asked");
        let readable = |value: &Option<String>| match value {
            // Not in UTF-8, so that nobody knows what it was.
            Some(value) if value.contains(char::REPLACEMENT_CHARACTER) => Err(Refusal::encoding()),
            value => Ok(value.clone()),
        };
        match bit {
            Bit::Default(column, number) => {
                let row = answers.get(*column).and_then(|rows| rows.get(*number));
                let value = row.and_then(|row| row.first()).ok_or_else(lost)?;
                Ok((readable(value)?, String::new()))
            }
            Bit::Expression(number) => {
                let row = answers.get(self.defaults.len()).and_then(|rows| rows.first());
                let cells = row.and_then(|row| row.get(2 * number..2 * number + 2));
                let Some([value, Some(type_name)]) = cells else { return Err(lost()) };
                if !KEY_TYPES.contains(&type_name.as_str()) {
                    let said = format!("a key of {} that is a {type_name}", self.table);
                    return Err(Refusal::unsupported(said).hint("cast it to the key's type"));
                }
                Ok((readable(value)?, format!("::{type_name}")))
            }
            Bit::Text(_) => Err(lost()),
        }
    }

    /// What is asked, in words: for EXPLAIN.
    pub fn words(&self) -> String {
        let default = |(name, expression, _): &(Box<str>, Box<str>, usize)| {
            format!("the default of {}.{name}: {expression}", self.table)
        };
        let mut asked: Vec<String> = self.defaults.iter().map(default).collect();
        if !self.expressions.is_empty() {
            asked.push("the expressions for its shard key".to_owned());
        }
        format!("any shard is asked first for {}; then by these values", asked.join(" and for "))
    }

    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let bits: usize = self.puts.iter().map(|put| put.bits.len()).sum();
        size_of::<Fill>() + self.puts.len() * size_of::<Put>() + bits * size_of::<Bit>()
    }
}

/// What a key can be of, as `pg_typeof` says it.
const KEY_TYPES: &[&str] = &[
    "bigint",
    "character varying",
    "date",
    "integer",
    "numeric",
    "smallint",
    "text",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
    "uuid",
];

/// A string literal that says the same under every setting.
fn literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    match value.contains('\\') {
        true => format!(" E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}
