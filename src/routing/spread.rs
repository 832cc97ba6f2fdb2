//! A write on several shards: whether each of them can change its own rows, or its own copy, as
//! one Postgres with all rows would, and what each of them gets.
//! `docs/decisions/009-spread.md` has the argument.

use crate::config::rules::TableName;
use crate::placement::{ShardId, hash::hash_bytes};
use crate::sql::{
    self, Cte, Edit, Edited, Insert, InsertSource, LiteralKind, LiteralSlot, Name, Piece, Query,
    Scanned, SelectItem, SetExpr, Statement, Tokens,
};

use super::bind::Analysis;
use super::nodes::QueryNode;
use super::places::{ShardSet, Tree};
use super::plan::{Follow, Occurrence, Place, Plan};
use super::router::{Router, TableRule};
use super::schema::Table;
use super::value::{UNKNOWN_OID, Values};
use super::{ParameterValue, Refusal, RouteError, spread_check, spread_copies};

/// Why several shards don't run a statement, each for its own rows: goes on after that.
pub(super) use super::scatter::Reason;

/// Nobody expects anything else of a statement that writes nothing.
pub(super) const NO_WRITE: Reason = "";

/// What is known of a write before its statement has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread {
    kind: Kind,
    /// Literals that RETURNING reads as a time.
    times: Vec<LiteralSlot>,
    returns: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// Each shard runs it for its own rows.
    Own,
    /// Each shard gets its own rows of VALUES.
    Rows {
        table: TableName,
        rows: Vec<Tokens>,
        /// Each of them returns one row.
        returns_each: bool,
    },
    /// Each shard has the same copy and does the same with it. `times`: texts in the statement may
    /// be read as times.
    Copies { times: bool },
    /// One shard computes the rows that an INSERT into a reference table makes, and all others get
    /// those.
    Led { led: LedPlan, times: bool },
    /// LOCK and TRUNCATE: each shard's part of the tables.
    Whole { locks: bool },
}

/// One execution of a write on several shards.
#[derive(Debug, Clone, PartialEq)]
pub struct Shares {
    /// At least two, in the catalog's order; where one leads, it is the first.
    pub each: Vec<Share>,
    /// The first returns the rows that it makes, and the others get these.
    pub led: Option<Led>,
    pub answer: Answer,
    /// The first of them is done before the others begin, so that whoever does the same at the
    /// same time waits there, and nobody has what another waits for elsewhere.
    pub first_alone: bool,
    /// To be taken on every shard before anything is done there, for the transaction.
    pub locks: Vec<Lock>,
    /// It has RETURNING.
    pub returns: bool,
    /// It changes something that has to be committed.
    pub writes: bool,
    /// It is for a transaction block only.
    pub in_block: bool,
}

/// What one shard gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    pub shard: ShardId,
    /// `None` is the statement as it came.
    pub text: Option<Edited>,
    /// Which of the client's parameters are `$1`, `$2` and so on of the text, from 1.
    pub parameters: Vec<u16>,
    /// How many rows of VALUES it has.
    pub rows: usize,
}

/// What follows the shard that leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Led {
    /// Columns at the end of its rows that the client doesn't get: all that the table stores.
    pub columns: usize,
    /// Inserts one such row: `$1` is the first of these columns.
    pub insert: String,
}

/// The same before its statement has values.
#[derive(Debug, Clone, PartialEq)]
struct LedPlan {
    led: Led,
    /// What RETURNING has to say, too.
    returned: String,
    /// It has RETURNING, so that this goes on after it.
    returns: bool,
}

impl LedPlan {
    fn of(analysis: &Analysis<'_>, insert: &Insert, facts: &Table) -> Option<LedPlan> {
        let name = insert.table.as_ref()?;
        let (table, _) = analysis.router.table(name, analysis.search_path);
        let columns: Vec<String> = facts
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| quoted(&column.name))
            .collect();
        let own = quoted(insert.alias.as_ref().unwrap_or(&table.name));
        let returned: Vec<String> = columns.iter().map(|c| format!("{own}.{c}")).collect();
        let values: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
        let insert_text = format!(
            "INSERT INTO {}.{} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
            quoted(&table.schema),
            quoted(&table.name),
            columns.join(", "),
            values.join(", ")
        );
        (!columns.is_empty()).then(|| LedPlan {
            led: Led { columns: columns.len(), insert: insert_text },
            returned: returned.join(", "),
            returns: !insert.returning.is_empty(),
        })
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How the answers of several shards become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Counts are added, rows come in any order.
    Sum,
    /// The same, but each shard returns a row for each that it got, and these come in this
    /// order: of the share with this number each.
    Interleaved(Vec<u16>),
    /// All say the same, and one is heard.
    Same,
}

/// A lock by which writers of a reference table come one after the other, on each shard in the
/// same order, so that the copies stay equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lock {
    /// The second number of an advisory lock; the first is [`Lock::CLASS`].
    pub key: i32,
    /// Its table is read.
    pub shared: bool,
}

impl Lock {
    /// The first number of all such locks.
    pub const CLASS: i32 = 0x7067_6864;

    /// The lock of a reference table.
    pub fn of(table: &TableName, shared: bool) -> Lock {
        let name = format!("{}.{}", table.schema, table.name);
        Lock { key: hash_bytes(name.as_bytes(), 0) as i32, shared }
    }
}

/// The parts that all writes of rows have.
struct Parts<'a> {
    table: &'a Name,
    with: &'a [Cte],
    returning: &'a [SelectItem],
}

impl<'a> Parts<'a> {
    fn of(statement: &'a Statement) -> Option<Parts<'a>> {
        Some(match statement {
            Statement::Insert(s) => {
                Parts { table: s.table.as_ref()?, with: &s.with, returning: &s.returning }
            }
            Statement::Update(s) => {
                Parts { table: s.table.as_ref()?, with: &s.with, returning: &s.returning }
            }
            Statement::Delete(s) => {
                Parts { table: s.table.as_ref()?, with: &s.with, returning: &s.returning }
            }
            Statement::Merge(s) => {
                Parts { table: &s.table, with: &s.with, returning: &s.returning }
            }
            _ => return None,
        })
    }
}

/// Whether and how an analysed statement can be split. `early` of its occurrences were found
/// before the conditions around it were.
pub(super) fn of(
    analysis: &mut Analysis<'_>,
    statement: &Statement,
    node: &QueryNode,
    early: usize,
) -> Result<Box<Spread>, Reason> {
    let Some(parts) = Parts::of(statement) else { return Err(NO_WRITE) };
    leaves_nothing(analysis)?;
    if parts.with.iter().any(|cte| !matches!(cte.statement, Statement::Query(_))) {
        return Err("its WITH writes, too");
    }
    let whole = |occurrence: &Occurrence| occurrence.place == Place::Anywhere;
    if !analysis.occurrences.iter().take(early).all(whole) {
        return Err("its WITH reads rows of several shards");
    }
    let router = analysis.router;
    let (table, rule) = analysis.written_to(parts.table);
    let facts = router.schema.tables.get(&table).ok_or("the servers' schema hasn't its table")?;
    let values = values_of(statement);
    spread_check::check(analysis, statement, parts.with, values)?;
    spread_check::check_views(analysis)?;
    let times = match rule {
        // One of them is heard.
        Some(TableRule::Reference) => Vec::new(),
        _ => spread_check::shown(parts.returning)?,
    };
    let kind = match rule {
        Some(TableRule::Sharded { .. }) if facts.per_statement => {
            return Err("a trigger or rule of its table runs once a statement");
        }
        Some(TableRule::Sharded { .. }) => match statement {
            Statement::Insert(insert) if let Some(values) = values => {
                rows(analysis, insert, values, table)?
            }
            Statement::Insert(_) => own(analysis.tie_insert(node))?,
            Statement::Merge(merge) => own(analysis.tie_merge(merge, node))?,
            _ => own(analysis.tie_change(node))?,
        },
        Some(TableRule::Reference) => {
            let copy = |place: &Place| matches!(place, Place::Anywhere | Place::Everywhere);
            if !analysis.occurrences.iter().all(|occurrence| copy(&occurrence.place)) {
                return Err("it reads tables that aren't the same on every shard");
            }
            copies(analysis, statement, facts)?
        }
        _ => return Err("its table lies on the home shard"),
    };
    Ok(Box::new(Spread { kind, times, returns: !parts.returning.is_empty() }))
}

/// Where all shards can't do the same, one may lead in an INSERT of new rows.
fn copies(analysis: &Analysis<'_>, statement: &Statement, facts: &Table) -> Result<Kind, Reason> {
    let same = spread_copies::check(analysis, statement, facts);
    if let Statement::Insert(insert) = statement
        && insert.on_conflict.is_none()
        && facts.triggers.is_empty()
        && let Some(led) = LedPlan::of(analysis, insert, facts)
        && same != Ok(false)
        && !spread_check::may_write_elsewhere(analysis, statement)
    {
        return Ok(Kind::Led { led, times: same.is_ok() });
    }
    same.map(|times| Kind::Copies { times })
}

fn own(tied: Result<(), Reason>) -> Result<Kind, Reason> {
    tied.map(|()| Kind::Own)
}

/// The same of LOCK and TRUNCATE.
pub(super) fn of_tables(
    analysis: &Analysis<'_>,
    verb: &str,
    tables: &[Name],
) -> Result<Box<Spread>, Reason> {
    for name in tables {
        let (table, rule) = analysis.router.table(name, analysis.search_path);
        if !matches!(rule, Some(TableRule::Sharded { .. } | TableRule::Reference)) {
            return Err("it names tables of the home shard, too");
        }
        let facts = analysis.router.schema.tables.get(&table);
        let facts = facts.ok_or("the servers' schema hasn't its table")?;
        if verb == "TRUNCATE" && facts.per_statement {
            return Err("a trigger of its table runs once a statement");
        }
    }
    let kind = Kind::Whole { locks: verb == "LOCK" };
    Ok(Box::new(Spread { kind, times: Vec::new(), returns: false }))
}

/// It does nothing beside reading and writing tables.
fn leaves_nothing(analysis: &Analysis<'_>) -> Result<(), Reason> {
    let effects = &analysis.effects;
    let asks = effects.ask_home || effects.need_home.is_some() || effects.session_state.is_some();
    if asks || effects.sequence.is_some() || !effects.leaves.is_nothing() {
        return Err("it asks of a server's catalogs, sequences or session");
    }
    if effects.current_of {
        return Err("its row is where a cursor is");
    }
    if analysis.refusals.is_empty() { Ok(()) } else { Err(NO_WRITE) }
}

/// The VALUES of an INSERT, where they are all of its source.
fn values_of(statement: &Statement) -> Option<&Query> {
    let Statement::Insert(insert) = statement else { return None };
    let Insert { source: InsertSource::Query(query), rows, .. } = &**insert else { return None };
    let plain = query.with.is_empty() && query.order_by.is_empty() && query.limits.is_empty();
    let SetExpr::Values(written) = &query.body else { return None };
    (plain && !query.locks_rows && rows.len() == written.len()).then_some(query)
}

fn rows(
    analysis: &Analysis<'_>,
    insert: &Insert,
    values: &Query,
    table: TableName,
) -> Result<Kind, Reason> {
    let sharded = |occurrence: &&Occurrence| matches!(occurrence.place, Place::Keys { .. });
    let elsewhere =
        |occurrence: &Occurrence| !matches!(occurrence.place, Place::Keys { .. } | Place::Anywhere);
    if analysis.occurrences.iter().any(elsewhere)
        || analysis.occurrences.iter().filter(sharded).count() != 1
    {
        return Err("its values are read from tables that aren't on every shard");
    }
    spread_check::values_are_single(analysis, values)?;
    let returns_each = match &insert.on_conflict {
        None => true,
        Some(conflict) => conflict.update.as_ref().is_some_and(|update| update.filter.is_none()),
    };
    let returns_each = returns_each && !insert.returning.is_empty();
    Ok(Kind::Rows { table, rows: insert.rows.clone(), returns_each })
}

impl Plan {
    /// What each of several shards gets of a write, after [`Plan::route`] has said that it can be
    /// split. `scanned` is of the text in `values`.
    ///
    /// # Errors
    /// As of [`Plan::route`].
    pub fn spread(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
    ) -> Result<Shares, RouteError> {
        let not = || Refusal::unsupported("the statement can't be split among several shards");
        let Ok(spread) = &self.spread else { return Err(not().into()) };
        if self.follow != Follow::No {
            return Err(not().into());
        }
        spread.times_are_given(values)?;
        if let Kind::Rows { table, rows, returns_each } = &spread.kind {
            let owners = self.owners(router, values, table, rows.len())?;
            let shares = self.shares_of_rows(values, scanned, rows, &owners, *returns_each)?;
            return Ok(Shares { returns: spread.returns, ..shares });
        }
        let mut set = ShardSet::None;
        for occurrence in &self.occurrences {
            set = set.union(self.evaluate(occurrence, router, values)?.shards);
        }
        let mut shards: Vec<ShardId> = match set {
            ShardSet::Several(shards) => shards,
            ShardSet::All => (0..router.shards.len()).map(|i| ShardId(i as u16)).collect(),
            ShardSet::None | ShardSet::One(_) => return Err(not().into()),
        };
        let led = match &spread.kind {
            // Without words for the time, all do the same at once.
            Kind::Led { times: true, .. } if !tells_time(values) => None,
            Kind::Led { led, .. } => Some(led),
            _ => None,
        };
        let copies = matches!(spread.kind, Kind::Copies { .. } | Kind::Led { .. });
        let first_alone = copies || matches!(spread.kind, Kind::Whole { .. });
        if first_alone {
            // There the sequences are of which everybody takes, and locks of copies' rows.
            shards.sort_by_key(|shard| (*shard != router.home, *shard));
        }
        let as_it_came =
            |shard: ShardId| Share { shard, text: None, parameters: Vec::new(), rows: 0 };
        let mut each: Vec<Share> = shards.into_iter().map(as_it_came).collect();
        if let (Some(led), Some(first)) = (led, each.first_mut()) {
            let before = if led.returns { ", " } else { " RETURNING " };
            let text = format!("{before}{}", led.returned);
            let edit =
                Edit { at: scanned.tokens..scanned.tokens, pieces: vec![Piece::Text(text.into())] };
            let edited = sql::edit(values.text, scanned, &[edit]).map_err(Refusal::from)?;
            first.text = Some(edited);
            first.parameters = (1..=values.parameters.len() as u16).collect();
        }
        Ok(Shares {
            each,
            led: led.map(|plan| plan.led.clone()),
            answer: if copies { Answer::Same } else { Answer::Sum },
            first_alone,
            locks: if copies { self.locks() } else { Vec::new() },
            returns: spread.returns,
            writes: spread.kind != Kind::Whole { locks: true },
            in_block: spread.kind == Kind::Whole { locks: true },
        })
    }

    /// The shard of each row of VALUES.
    fn owners(
        &self,
        router: &Router,
        values: &Values<'_>,
        table: &TableName,
        rows: usize,
    ) -> Result<Vec<ShardId>, RouteError> {
        let trees = self.occurrences.iter().find_map(|occurrence| match &occurrence.place {
            Place::Keys { keyspace, tree: Tree::Or(trees) } if trees.len() == rows => {
                Some((*keyspace, trees))
            }
            _ => None,
        });
        let unknown = || {
            Refusal::unsupported(format!("a row's key in {table} isn't known"))
                .hint("give the keys as literals or parameters")
        };
        let (keyspace, trees) = trees.ok_or_else(unknown)?;
        let mut owners = Vec::with_capacity(rows);
        for tree in trees {
            match self.evaluate_tree(keyspace, tree, router, values)?.shards {
                ShardSet::One(shard) => owners.push(shard),
                // Bind has too few parameters, of which a server tells best.
                ShardSet::None => owners.push(router.home),
                ShardSet::Several(_) | ShardSet::All => return Err(unknown().into()),
            }
        }
        Ok(owners)
    }

    fn shares_of_rows(
        &self,
        values: &Values<'_>,
        scanned: &Scanned,
        rows: &[Tokens],
        owners: &[ShardId],
        returns_each: bool,
    ) -> Result<Shares, RouteError> {
        // A server that gets one of two rows that a parameter stands in could give it another type
        // than one that gets both.
        let ambiguous = |(at, parameter): (usize, &super::Parameter<'_>)| {
            let untyped = matches!(parameter.type_oid, 0 | UNKNOWN_OID);
            untyped && self.parameter_uses.get(at).is_some_and(|uses| *uses > 1)
        };
        if values.parameters.iter().enumerate().any(ambiguous) {
            return Err(RouteError::NeedsParameterTypes);
        }
        let mut shards = owners.to_vec();
        shards.sort_unstable();
        shards.dedup();
        let place = |owner: &ShardId| shards.binary_search(owner).map_or(0, |at| at as u16);
        let order: Vec<u16> = owners.iter().map(place).collect();
        let texts = sql::share(values.text, scanned, rows, &order, shards.len());
        let texts = texts.map_err(Refusal::from)?;
        let share = |(at, (shard, cut)): (usize, (ShardId, sql::Share))| Share {
            shard,
            text: Some(cut.text),
            parameters: cut.parameters,
            rows: order.iter().filter(|owner| usize::from(**owner) == at).count(),
        };
        let each: Vec<Share> = shards.into_iter().zip(texts).enumerate().map(share).collect();
        let answer = if returns_each { Answer::Interleaved(order) } else { Answer::Sum };
        Ok(Shares {
            each,
            led: None,
            answer,
            first_alone: false,
            locks: Vec::new(),
            returns: returns_each,
            writes: true,
            in_block: false,
        })
    }

    fn locks(&self) -> Vec<Lock> {
        let lock = |occurrence: &Occurrence| {
            let shared = occurrence.place == Place::Anywhere;
            occurrence.table.as_ref().map(|table| Lock::of(table, shared))
        };
        let mut locks: Vec<Lock> = self.occurrences.iter().filter_map(lock).collect();
        // Of two of one table that which isn't shared comes first, and is enough.
        locks.sort_unstable();
        locks.dedup_by_key(|lock| lock.key);
        locks
    }
}

impl Spread {
    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let rows = match &self.kind {
            Kind::Rows { rows, .. } => rows.len() * size_of::<Tokens>(),
            _ => 0,
        };
        size_of::<Spread>() + rows + self.times.len() * size_of::<LiteralSlot>()
    }

    /// Each server would read its own clock for `'now'`.
    fn times_are_given(&self, values: &Values<'_>) -> Result<(), Refusal> {
        let mut shown = self.times.iter().flat_map(|slot| values.literals.slot(*slot));
        let copied = self.kind == Kind::Copies { times: true };
        if shown.any(|shown| names_time(shown, values)) || copied && tells_time(values) {
            return Err(Refusal::unsupported("a word for the time that each shard's clock tells")
                .hint("give the time itself"));
        }
        Ok(())
    }
}

fn names_time(literal: &sql::Literal, values: &Values<'_>) -> bool {
    matches!(literal.kind, LiteralKind::String | LiteralKind::EscapeString)
        && literal.value(values.text).is_ok_and(|text| spread_copies::tells_clock(&text))
}

/// Whether a text among the values may be read as a time that the server's clock tells.
fn tells_time(values: &Values<'_>) -> bool {
    let parameter = |parameter: &super::Parameter<'_>| match parameter.value {
        ParameterValue::Text(text) => spread_copies::tells_clock(text),
        _ => false,
    };
    values.literals.all().iter().any(|literal| names_time(literal, values))
        || values.parameters.iter().any(parameter)
}

impl Shares {
    /// In words, a line a step: for EXPLAIN. `text` is the client's.
    pub fn words(&self, router: &Router) -> Vec<String> {
        let names: Vec<String> =
            self.each.iter().map(|share| router.shard_name(share.shard)).collect();
        let mut lines = vec![format!("shards {}", names.join(", "))];
        for (share, name) in self.each.iter().zip(&names) {
            if let Some(edited) = &share.text {
                lines.push(format!("{name} gets: {}", String::from_utf8_lossy(&edited.text)));
            }
        }
        if let Some(Led { insert, .. }) = &self.led {
            lines.push(format!("the others get its rows: {insert}"));
        }
        if self.first_alone {
            lines.push(format!("{} first, then the others", names.first().map_or("", |n| n)));
        }
        lines.push(match &self.answer {
            Answer::Sum => "answered: counts added, rows as they come".into(),
            Answer::Interleaved(_) => "answered: counts added, rows in the order of VALUES".into(),
            Answer::Same => "answered: as one of them does, which all must agree with".into(),
        });
        lines
    }
}
