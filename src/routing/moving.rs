//! UPDATE of a shard key: rows whose new key lies elsewhere go there, the others are changed where
//! they are (`docs/decisions/014-moved-rows.md`).
//!
//! In one transaction: each shard finds its rows, locks them and computes their new keys; those that
//! stay are updated by the client's own SET, those that go are deleted, with what becomes of them
//! computed where they were, and inserted where they belong.

use crate::config::rules::{KeyType, TableName};
use crate::placement::{KeyColumn, KeyValue, NotAKey, Purpose, ShardId, Source};
use crate::sql::{self, Assignment, Edit, Expr, Piece, Scanned, Statement, Tokens, Update};

use super::bind::Analysis;
use super::given::{Given, Item, quoted};
use super::nodes::{Body, QueryNode};
use super::places::ShardSet;
use super::plan::{Occurrence, Plan};
use super::router::{Router, TableRule};
use super::scatter::Reason;
use super::schema::{Column, Table, TableKind};
use super::value::{ColumnType, Values};
use super::{Refusal, RouteError, spread_check};

/// What is known of such an UPDATE before it has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moves {
    table: TableName,
    keyspace: usize,
    /// Where its rows are, and what else it reads.
    occurrences: Vec<Occurrence>,
    /// The table's name in the statement, quoted.
    own: Box<str>,
    table_at: Tokens,
    filter_at: Tokens,
    filters: bool,
    returning_at: Tokens,
    /// The key's columns, in its order.
    keys: Vec<(Column, ColumnType)>,
    /// What the columns get that a row stores, in the table's order.
    columns: Vec<(Column, Set)>,
    unique: bool,
}

/// What a column gets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    /// Nothing new.
    Kept,
    /// What doesn't hang on the row: a literal, a parameter, NULL.
    Plain(Tokens),
    Computed(Tokens),
    Default,
}

/// One execution of an UPDATE that may move rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Moving {
    pub table: TableName,
    /// On which its rows are, in the catalog's order.
    pub shards: Vec<ShardId>,
    /// Finds rows and locks them: their places, the key's columns, and their new values.
    pub find: Vec<u8>,
    /// Changes those that stay, whose places are the parameter behind the client's.
    pub update: Vec<u8>,
    /// Deletes those that go, in the same way, and says what becomes of them behind their places.
    pub delete: Vec<u8>,
    /// Inserts them.
    pub given: Given,
    /// It has RETURNING.
    pub returns: bool,
    /// Two rows can't have the same key, or not beside other columns.
    pub unique: bool,
    keyspace: usize,
    keys: Vec<ColumnType>,
}

/// The old and the new key of a row, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    pub shard: ShardId,
    /// The key in words, equal for equal keys.
    pub said: String,
}

/// Whether an UPDATE that changes its table's shard key can move rows, and how.
pub(super) fn of(
    analysis: &mut Analysis<'_>,
    statement: &Statement,
    node: &mut QueryNode,
) -> Result<Option<Box<Moves>>, Reason> {
    let Statement::Update(update) = statement else { return Ok(None) };
    let Some(name) = &update.table else { return Ok(None) };
    let (table, rule) = analysis.router.table(name, analysis.search_path);
    let Some(TableRule::Sharded { keyspace, columns: keys, types }) = rule else { return Ok(None) };
    let sets = |assignment: &Assignment| assignment.columns.iter().any(|c| keys.contains(c));
    if !update.assignments.iter().any(sets) {
        return Ok(None);
    }
    let changes =
        |refusal: &Refusal| keys.iter().any(|k| *refusal == Refusal::key_change(&table, k));
    if !analysis.refusals.iter().all(changes) {
        return Ok(None);
    }
    let router = analysis.router;
    let facts = router.schema.tables.get(&table).ok_or("the servers' schema hasn't its table")?;
    check(analysis, statement, update, facts)?;
    if router
        .schema
        .tables
        .values()
        .any(|other| other.foreign_keys.iter().any(|key| key.references == table))
    {
        return Err("foreign keys refer to its table, which would take the row for deleted");
    }
    let set = sets_of(update, facts)?;
    let known = key_columns(facts, &keys, &types)?;
    if known.iter().any(|(column, _)| column.generated) {
        return Err("its shard key is computed from other columns");
    }
    let defaulted =
        |(column, set): &(Column, Set)| *set == Set::Default && keys.contains(&column.name);
    if set.iter().any(defaulted) {
        return Err("its shard key is set to its DEFAULT");
    }
    let occurrences = rows_as_they_are(analysis, node)?;
    Ok(Some(Box::new(Moves {
        own: quoted(update.alias.as_ref().unwrap_or(&table.name)).into(),
        table,
        keyspace,
        occurrences,
        table_at: update.table_at.clone(),
        filter_at: update.filter_at.clone(),
        filters: update.filter.is_some(),
        returning_at: update.returning_at.clone(),
        keys: known,
        columns: set,
        unique: !facts.unique.is_empty(),
    })))
}

/// What is known of the columns of a shard key.
pub(super) fn key_columns(
    facts: &Table,
    names: &[Box<str>],
    types: &[KeyType],
) -> Result<Vec<(Column, ColumnType)>, Reason> {
    let mut columns = Vec::with_capacity(names.len());
    for (name, key_type) in names.iter().zip(types) {
        let known = facts.columns.iter().find(|column| column.name == *name);
        let column = known.ok_or("the columns of its shard key aren't known")?;
        let kind = ColumnType { key_type: *key_type, typmod: column.type_modifier };
        columns.push((column.clone(), kind));
    }
    Ok(columns)
}

fn check(
    analysis: &Analysis<'_>,
    statement: &Statement,
    update: &Update,
    facts: &Table,
) -> Result<(), Reason> {
    let effects = &analysis.effects;
    if !update.from.is_empty() || !update.with.is_empty() || effects.current_of {
        return Err("it changes a shard key, and has FROM, WITH or CURRENT OF");
    }
    if effects.volatile > 0 {
        return Err(
            "it changes a shard key, and calls a function that may give another value each time",
        );
    }
    let asks = effects.ask_home || effects.need_home.is_some() || effects.session_state.is_some();
    if asks || effects.sequence.is_some() || !effects.leaves.is_nothing() {
        return Err("it asks of a server's catalogs, sequences or session");
    }
    if facts.per_statement || !facts.triggers.is_empty() {
        return Err("its table has triggers or rules, which would see a row deleted and inserted");
    }
    if facts.secured {
        return Err(
            "its table has row security policies, which tell UPDATE from INSERT and DELETE",
        );
    }
    if facts.kind != TableKind::Table || !facts.family.is_empty() {
        return Err("its table has parts, or is one");
    }
    spread_check::check(analysis, statement, &[], None)?;
    match spread_check::shown(&update.returning)?.is_empty() {
        true => Ok(()),
        false => Err("it shows a text that is read as a time"),
    }
}

/// What each stored column gets.
fn sets_of(update: &Update, facts: &Table) -> Result<Vec<(Column, Set)>, Reason> {
    let plain = |assignment: &Assignment| assignment.columns.len() == 1 && !assignment.partial;
    if !update.assignments.iter().all(plain) {
        return Err("it sets a part of a column, or several columns to one value");
    }
    let of = |column: &Column| {
        let mut own = update.assignments.iter().filter(|a| a.columns.contains(&column.name));
        let Some(set) = own.next() else { return Ok(Set::Kept) };
        // A server says that.
        if own.next().is_some() {
            return Err("it sets a column twice");
        }
        Ok(match &set.value {
            Expr::Default => Set::Default,
            Expr::Literal(_) | Expr::Parameter(_) | Expr::Null => Set::Plain(set.value_at.clone()),
            _ => Set::Computed(set.value_at.clone()),
        })
    };
    let stored = facts.columns.iter().filter(|column| !column.generated);
    stored.map(|column| Ok((column.clone(), of(column)?))).collect()
}

/// The places of all but the new rows, each of which must hang on its own shard only.
fn rows_as_they_are(
    analysis: &mut Analysis<'_>,
    node: &mut QueryNode,
) -> Result<Vec<Occurrence>, Reason> {
    let Body::Select(select) = &mut node.body else {
        return Err("it isn't one statement on one sharded table");
    };
    let rows = std::mem::take(&mut select.rows);
    let tied = analysis.tie_change(node);
    let kept = std::mem::take(&mut analysis.occurrences);
    analysis.settle(node, &Vec::new(), None);
    let found = std::mem::replace(&mut analysis.occurrences, kept);
    if let Body::Select(select) = &mut node.body {
        select.rows = rows;
    }
    tied.map(|()| found)
}

impl Plan {
    /// How an UPDATE moves rows, after [`Plan::route`] has said that it may. `scanned` is of the
    /// text in `values`.
    ///
    /// # Errors
    /// As of [`Plan::route`].
    pub fn moving(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
    ) -> Result<Moving, RouteError> {
        let not = || Refusal::unsupported("the statement doesn't move rows");
        let Some(moves) = &self.moves else { return Err(not().into()) };
        let mut set = ShardSet::None;
        for occurrence in &moves.occurrences {
            set = set.union(self.evaluate(occurrence, router, values)?.shards);
        }
        let shards = match set {
            ShardSet::Several(shards) => shards,
            ShardSet::All => (0..router.shards.len()).map(|i| ShardId(i as u16)).collect(),
            ShardSet::One(shard) => vec![shard],
            // No row is meant, and any server says so.
            ShardSet::None => vec![router.home],
        };
        Ok(moves.moving(shards, values, scanned)?)
    }
}

impl Moves {
    fn moving(
        &self,
        shards: Vec<ShardId>,
        values: &Values<'_>,
        scanned: &Scanned,
    ) -> Result<Moving, Refusal> {
        let text = Words { text: values.text, scanned };
        let place =
            format!("{}.ctid = ANY (${}::pg_catalog.tid[])", self.own, values.parameters.len() + 1);
        let found = if self.filters { place.clone() } else { format!(" WHERE {place} ") };
        let edit = Edit { at: self.filter_at.clone(), pieces: vec![Piece::Text(found.into())] };
        let returns = !self.returning_at.is_empty();
        Ok(Moving {
            table: self.table.clone(),
            shards,
            find: self.find(&text)?,
            update: sql::edit(values.text, scanned, &[edit])?.text,
            delete: self.delete(&text, &place)?,
            given: self.given(&text)?,
            returns,
            unique: self.unique,
            keyspace: self.keyspace,
            keys: self.keys.iter().map(|(_, kind)| *kind).collect(),
        })
    }

    fn find(&self, text: &Words<'_>) -> Result<Vec<u8>, Refusal> {
        let mut find = format!("SELECT {}.ctid", self.own).into_bytes();
        for (column, _) in &self.keys {
            find.extend_from_slice(format!(", {}.{}", self.own, quoted(&column.name)).as_bytes());
        }
        for (column, _) in &self.keys {
            find.extend_from_slice(b", ");
            match self.columns.iter().find(|(own, _)| own.name == column.name) {
                // As it is read where it is assigned, but for a length.
                Some((_, Set::Plain(at))) => {
                    find.extend_from_slice(b"CAST(");
                    find.extend_from_slice(text.of(at)?);
                    find.extend_from_slice(
                        format!("\nAS pg_catalog.{})", column.type_name).as_bytes(),
                    );
                }
                Some((_, Set::Computed(at))) => text.parenthesised(&mut find, at)?,
                _ => find
                    .extend_from_slice(format!("{}.{}", self.own, quoted(&column.name)).as_bytes()),
            }
        }
        find.extend_from_slice(b" FROM ");
        find.extend_from_slice(text.of(&self.table_at)?);
        if self.filters {
            find.extend_from_slice(b"\nWHERE ");
            find.extend_from_slice(text.of(&self.filter_at)?);
        }
        find.extend_from_slice(format!("\nFOR UPDATE OF {}", self.own).as_bytes());
        Ok(find)
    }

    fn delete(&self, text: &Words<'_>, place: &str) -> Result<Vec<u8>, Refusal> {
        let mut delete = b"DELETE FROM ".to_vec();
        delete.extend_from_slice(text.of(&self.table_at)?);
        delete.extend_from_slice(format!("\nWHERE {place} RETURNING {}.ctid", self.own).as_bytes());
        for (column, set) in &self.columns {
            match set {
                Set::Kept => {
                    let name = quoted(&column.name);
                    delete.extend_from_slice(format!(", {}.{name}", self.own).as_bytes());
                }
                Set::Computed(at) => {
                    delete.extend_from_slice(b", ");
                    text.parenthesised(&mut delete, at)?;
                }
                Set::Plain(_) | Set::Default => {}
            }
        }
        Ok(delete)
    }

    fn given(&self, text: &Words<'_>) -> Result<Given, Refusal> {
        let stored: Vec<_> = self.columns.iter().filter(|(_, set)| *set != Set::Default).collect();
        let names: Vec<String> = stored.iter().map(|(column, _)| quoted(&column.name)).collect();
        let item = |(column, set): &&(Column, Set)| {
            Ok(match set {
                Set::Plain(at) => Item::Words(text.of(at)?.to_vec()),
                _ => Item::Value(Box::new(column.clone())),
            })
        };
        let items: Result<Vec<Item>, Refusal> = stored.iter().map(item).collect();
        let (schema, table) = (quoted(&self.table.schema), quoted(&self.table.name));
        let head = format!(
            "INSERT INTO {schema}.{table} AS {} ({}) OVERRIDING SYSTEM VALUE",
            self.own,
            names.join(", ")
        );
        let mut tail = Vec::new();
        if !self.returning_at.is_empty() {
            tail.extend_from_slice(b" RETURNING ");
            tail.extend_from_slice(text.of(&self.returning_at)?);
        }
        Ok(Given { head: head.into_bytes(), items: items?, tail })
    }

    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Moves>() + (self.keys.len() + self.columns.len()) * 300
    }
}

/// A text, whose words are taken from it.
pub(super) struct Words<'a> {
    pub text: &'a [u8],
    pub scanned: &'a Scanned,
}

impl Words<'_> {
    /// What stands there, which may be nothing.
    pub fn of(&self, at: &Tokens) -> Result<&[u8], Refusal> {
        if at.is_empty() {
            return Ok(b"");
        }
        let words = sql::words(self.text, self.scanned, std::slice::from_ref(at))?;
        Ok(words.first().copied().unwrap_or_default())
    }

    /// Also behind a comment.
    fn parenthesised(&self, out: &mut Vec<u8>, at: &Tokens) -> Result<(), Refusal> {
        out.push(b'(');
        out.extend_from_slice(self.of(at)?);
        out.extend_from_slice(b"\n)");
        Ok(())
    }
}

impl Moving {
    /// How many columns a key has.
    pub fn key_len(&self) -> usize {
        self.keys.len()
    }

    /// Where a key lies: its columns' values in binary, with the types that they have. `utf8`: texts
    /// in it are such.
    ///
    /// # Errors
    /// It isn't surely known; or it can't be assigned, as a server says, too.
    pub fn place(
        &self,
        router: &Router,
        key: &[(u32, Option<&[u8]>)],
        utf8: bool,
    ) -> Result<NewKey, Refusal> {
        place(router, self.keyspace, &self.keys, key, utf8)
    }

    /// In words, a line a step: for EXPLAIN.
    pub fn words(&self, router: &Router) -> Vec<String> {
        let names: Vec<String> =
            self.shards.iter().map(|shard| router.shard_name(*shard)).collect();
        let said = |text: &[u8]| String::from_utf8_lossy(text).replace('\n', " ");
        vec![
            format!("shards {}", names.join(", ")),
            format!("each finds its rows, and their new keys: {}", said(&self.find)),
            format!("rows that stay: {}", said(&self.update)),
            format!("rows that go to another shard: {}", said(&self.delete)),
            format!("and there: {}", said(&self.given.head)),
            "answered: counts added, rows as they come".into(),
        ]
    }
}

/// Where a key lies: its columns' values in binary, with their types; without a type, texts.
pub(super) fn place(
    router: &Router,
    keyspace: usize,
    columns: &[ColumnType],
    key: &[(u32, Option<&[u8]>)],
    utf8: bool,
) -> Result<NewKey, Refusal> {
    let mut values = Vec::with_capacity(key.len());
    for (column, (type_oid, value)) in columns.iter().zip(key) {
        let column = KeyColumn {
            key_type: column.key_type,
            typmod: column.typmod,
            server_major: router.schema.server_major,
        };
        let Some(value) = value else {
            values.push(KeyValue::Null);
            continue;
        };
        if column.key_type == KeyType::Text && !utf8 && !value.is_ascii() {
            return Err(Refusal::encoding());
        }
        let source = match *type_oid {
            0 => Source::Untyped(value),
            type_oid => Source::Binary { type_oid, value },
        };
        values.push(column.read(source, Purpose::Assign).map_err(|error| {
            match error {
                NotAKey::Invalid { sqlstate, message }
                | NotAKey::Mismatch { sqlstate, message } => Refusal::new(sqlstate, message),
                other => {
                    Refusal::unsupported(format!("a row's new shard key can't be used: {other}"))
                        .hint("cast it to the key's type")
                }
            }
        })?);
    }
    let not = || Refusal::rules_changed();
    let shard = router.placements.get(keyspace).ok_or_else(not)?.shard_of(&values);
    Ok(NewKey { shard, said: format!("{values:?}") })
}
