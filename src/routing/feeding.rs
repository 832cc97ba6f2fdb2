//! INSERT … SELECT whose rows belong to other shards than those that they are made of: the query is
//! answered as any query is, and its rows are given to the shards of their keys
//! (`docs/decisions/014-moved-rows.md`).

use crate::config::rules::TableName;
use crate::sql::{
    self, Expr, Ident, Insert, InsertSource, Node, Scanned, SetExpr, Statement, Tokens, visit,
    visit_query,
};

use super::bind::Analysis;
use super::given::{Given, Item, TEXT, is_text, quoted};
use super::moving::{Words, key_columns, place};
use super::plan::Plan;
use super::router::{Router, TableRule};
use super::scatter::Reason;
use super::scatter_check::{ASKS_SERVER, OF_SERVER};
use super::schema::{Column, TableKind};
use super::value::{ColumnType, Values};
use super::{NewKey, Refusal, RouteError, spread_check};

/// What is known of such an INSERT before it has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Feeds {
    table: TableName,
    /// Where it lies: a keyspace, and the key's columns; or the home shard.
    keys: Option<(usize, Vec<(Column, ColumnType)>)>,
    columns: Vec<Column>,
    named: Vec<Ident>,
    /// The table's name in the statement, quoted.
    own: Box<str>,
    overriding: bool,
    /// WITH before INSERT; empty where there is none.
    with_at: Tokens,
    source_at: Tokens,
    returns: bool,
}

/// One execution of an INSERT that is fed with the rows of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Feeding {
    pub table: TableName,
    pub select: Vec<u8>,
    /// It has RETURNING.
    pub returns: bool,
    feeds: Box<Feeds>,
    tail: Vec<u8>,
}

/// The INSERT, once it is known what the query's rows look like.
#[derive(Debug, Clone, PartialEq)]
pub struct Fed {
    pub given: Given,
    /// Types of the values, of the query's columns and then of defaults.
    pub types: Vec<u32>,
    /// Of the key's columns that the query doesn't give: a server is asked for them, once a row.
    pub defaults: Vec<Box<str>>,
    keys: Option<(usize, Vec<(ColumnType, From)>)>,
}

/// Where a column of the key comes from.
#[derive(Debug, Clone, PartialEq)]
enum From {
    /// The value with this number.
    Value(usize),
    Null,
}

/// Whether an INSERT … SELECT can be fed.
pub(super) fn of(
    analysis: &Analysis<'_>,
    statement: &Statement,
) -> Result<Option<Box<Feeds>>, Reason> {
    let Statement::Insert(insert) = statement else { return Ok(None) };
    let InsertSource::Query(query) = &insert.source else { return Ok(None) };
    if matches!(query.body, SetExpr::Values(_)) && !insert.rows.is_empty() {
        return Ok(None);
    }
    let Some(name) = &insert.table else { return Ok(None) };
    let router = analysis.router;
    let (table, rule) = router.table(name, analysis.search_path);
    let facts = router.schema.tables.get(&table).ok_or("the servers' schema hasn't its table")?;
    let keys = match rule {
        Some(TableRule::Sharded { keyspace, columns, types }) => {
            Some((keyspace, key_columns(facts, &columns, &types)?))
        }
        Some(TableRule::Home) => None,
        _ => return Ok(None),
    };
    let of_key = |refusal: &Refusal| {
        let keys = keys.iter().flat_map(|(_, keys)| keys);
        keys.map(|(column, _)| &column.name).any(|column| {
            *refusal == Refusal::key_default(&table, column)
                || *refusal == Refusal::key_not_given(&table, column)
        })
    };
    if !analysis.refusals.iter().all(of_key) {
        return Ok(None);
    }
    check(analysis, insert)?;
    if facts.per_statement {
        return Err("a trigger or rule of its table runs once a statement");
    }
    if facts.kind != TableKind::Table && facts.kind != TableKind::Partitioned {
        return Err("it isn't a table that it inserts into");
    }
    let path = analysis.search_path;
    if path.iter().skip(1).any(|schema| &**schema == "pg_catalog") {
        return Err("the search path has pg_catalog behind another schema");
    }
    let with_at = match insert.with.is_empty() {
        true => 0..0,
        false if query.with.is_empty() && begins_with(analysis) => 0..insert.begins,
        false => return Err("it has more than one WITH, or stands in EXPLAIN"),
    };
    Ok(Some(Box::new(Feeds {
        own: quoted(insert.alias.as_ref().unwrap_or(&table.name)).into(),
        table,
        keys,
        columns: facts.columns.clone(),
        named: insert.columns.clone(),
        overriding: insert.overriding_system,
        with_at,
        source_at: insert.source_at.clone(),
        returns: !insert.returning.is_empty(),
    })))
}

/// The statement's first word is WITH.
fn begins_with(analysis: &Analysis<'_>) -> bool {
    let first = std::slice::from_ref(&(0..1));
    let words = sql::words(analysis.text, analysis.scanned, first);
    words.is_ok_and(|words| words.iter().all(|word| word.eq_ignore_ascii_case(b"WITH")))
}

/// What stands beside the query must be each shard's own matter.
fn check(analysis: &Analysis<'_>, insert: &Insert) -> Result<(), Reason> {
    if insert.overriding_user {
        return Err("OVERRIDING USER VALUE leaves its keys to a server");
    }
    if insert.with.iter().any(|cte| !matches!(cte.statement, Statement::Query(_))) {
        return Err("its WITH writes, too");
    }
    if !analysis.effects.leaves.is_nothing() || analysis.effects.session_state.is_some() {
        return Err("it asks of a server's session");
    }
    let mut writes = false;
    if let InsertSource::Query(query) = &insert.source {
        visit_query(query, &mut |node| writes |= matches!(node, Node::Statement(_)));
    }
    if writes {
        return Err("a query in it writes");
    }
    if !spread_check::shown(&insert.returning)?.is_empty() {
        return Err("it shows a text that is read as a time");
    }
    // The same without its query, so that only that is seen which isn't the query's.
    let tail = Statement::Insert(Box::new(Insert {
        table: insert.table.clone(),
        on_conflict: insert.on_conflict.clone(),
        returning: insert.returning.clone(),
        ..Insert::default()
    }));
    let mut wrong = None;
    visit(&tail, &mut |node| {
        let reason = match node {
            Node::Query(_) => Some("a query stands in its ON CONFLICT or RETURNING"),
            Node::Expr(Expr::Column(parts)) => {
                let own = parts.last().is_some_and(|name| OF_SERVER.contains(&&**name));
                own.then_some("it asks for a system column, which each server fills in by itself")
            }
            Node::Expr(Expr::Function(call)) => {
                let name = call.name.as_ref().map_or("", |name| &*name.name);
                ASKS_SERVER.contains(&name).then_some("it asks of the server that it runs on")
            }
            _ => None,
        };
        wrong = wrong.or(reason);
    });
    wrong.map_or(Ok(()), Err)
}

impl Plan {
    /// How an INSERT is fed, after [`Plan::route`] has said that it can be. `scanned` is of the text
    /// in `values`.
    ///
    /// # Errors
    /// As of [`Plan::route`].
    pub fn feeding(&self, values: &Values<'_>, scanned: &Scanned) -> Result<Feeding, RouteError> {
        let not = || Refusal::unsupported("the statement doesn't insert the rows of a query");
        let feeds = self.feeds.as_ref().ok_or_else(not)?;
        let text = Words { text: values.text, scanned };
        let mut select = text.of(&feeds.with_at)?.to_vec();
        if !select.is_empty() {
            select.push(b'\n');
        }
        select.extend_from_slice(text.of(&feeds.source_at)?);
        let mut tail = b" ".to_vec();
        tail.extend_from_slice(text.of(&(feeds.source_at.end..scanned.tokens))?);
        Ok(Feeding {
            table: feeds.table.clone(),
            select,
            returns: feeds.returns,
            feeds: feeds.clone(),
            tail,
        })
    }
}

impl Feeding {
    /// The INSERT of rows of these types, as the home shard tells them.
    ///
    /// # Errors
    /// A key's default can't be asked for.
    pub fn fed(&self, types: &[u32]) -> Result<Fed, Refusal> {
        let feeds = &self.feeds;
        let named: Vec<&Column> = match feeds.named.is_empty() {
            true => feeds.columns.iter().take(types.len()).collect(),
            false => {
                let column = |name: &Ident| feeds.columns.iter().find(|c| c.name == *name);
                feeds.named.iter().filter_map(column).collect()
            }
        };
        if named.len() != types.len() {
            return Err(Refusal::columns_unknown(&self.table));
        }
        let (mut columns, mut types) = (named.clone(), types.to_vec());
        let mut defaults = Vec::new();
        let mut overriding = feeds.overriding;
        let mut keys = Vec::new();
        for (column, kind) in feeds.keys.iter().flat_map(|(_, keys)| keys) {
            let from = match named.iter().position(|own| own.name == column.name) {
                Some(at) => From::Value(at),
                None if !column.has_default && !column.from_sequence => From::Null,
                None => {
                    let asked = column.default.as_ref();
                    let asked =
                        asked.ok_or_else(|| Refusal::key_default(&self.table, &column.name))?;
                    if column.always_identity && named.iter().any(|own| own.always_identity) {
                        return Err(Refusal::key_default(&self.table, &column.name));
                    }
                    overriding |= column.always_identity;
                    defaults.push(asked.clone());
                    columns.push(column);
                    types.push(TEXT);
                    From::Value(columns.len() - 1)
                }
            };
            keys.push((*kind, from));
        }
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        let head = format!(
            "INSERT INTO {}.{} AS {} ({}){}",
            quoted(&self.table.schema),
            quoted(&self.table.name),
            feeds.own,
            names.join(", "),
            if overriding { " OVERRIDING SYSTEM VALUE" } else { "" }
        );
        // A text that is a literal is read by the key's type.
        for (column, type_oid) in columns.iter().zip(&mut types) {
            if *type_oid == TEXT && !is_text(column) {
                *type_oid = UNTYPED;
            }
        }
        let items = columns.into_iter().map(|column| Item::Value(Box::new(column.clone())));
        let given =
            Given { head: head.into_bytes(), items: items.collect(), tail: self.tail.clone() };
        let keyspace = feeds.keys.as_ref().map(|(keyspace, _)| *keyspace);
        Ok(Fed { given, types, defaults, keys: keyspace.map(|keyspace| (keyspace, keys)) })
    }

    /// In words, a line a step: for EXPLAIN.
    pub fn words(&self) -> Vec<String> {
        let said = |text: &[u8]| String::from_utf8_lossy(text).replace('\n', " ");
        vec![
            format!("first the query, as by itself: {}", said(&self.select)),
            match &self.feeds.keys {
                Some(_) => format!("each shard gets its rows of it: INSERT INTO {}", self.table),
                None => format!("the home shard gets its rows: INSERT INTO {}", self.table),
            },
            "answered: counts added, rows as they come".into(),
        ]
    }
}

/// A text whose type nobody has said.
const UNTYPED: u32 = 0;

impl Fed {
    /// Where a row lies, of which these are the values, in binary where they travel so; `None` is the
    /// home shard.
    ///
    /// # Errors
    /// It isn't surely known; or the key can't be assigned, as a server says, too.
    pub fn place(
        &self,
        router: &Router,
        row: &[Option<&[u8]>],
        utf8: bool,
    ) -> Result<Option<NewKey>, Refusal> {
        let Some((keyspace, keys)) = &self.keys else { return Ok(None) };
        let value = |(_, from): &(ColumnType, From)| match from {
            From::Value(at) => {
                let type_oid = self.types.get(*at).copied().unwrap_or(UNTYPED);
                (type_oid, row.get(*at).copied().flatten())
            }
            From::Null => (UNTYPED, None),
        };
        let key: Vec<_> = keys.iter().map(value).collect();
        let columns: Vec<ColumnType> = keys.iter().map(|(kind, _)| *kind).collect();
        place(router, *keyspace, &columns, &key, utf8).map(Some)
    }
}

impl Feeds {
    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Feeds>() + self.columns.len() * 300 + self.named.len() * 30
    }
}
