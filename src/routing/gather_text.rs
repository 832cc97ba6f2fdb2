//! One execution of a gather: what is pulled from which shards, and the text that is finished.

use crate::config::rules::TableName;
use crate::placement::ShardId;
use crate::sql::{self, Edit, Edited, Ident, Piece, Scanned};

use super::gather::{Gather, Pulled, Site};
use super::gather_types::Carried;
use super::places::ShardSet;
use super::plan::{Follow, Occurrence, Place, Plan};
use super::router::Router;
use super::value::Values;
use super::{Refusal, RouteError};

/// One execution of a SELECT that one server finishes.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    /// Whose server finishes it.
    pub finisher: ShardId,
    pub pulls: Vec<Pull>,
    /// The client's text with the pulled rows in the place of tables. They are parameters, whose
    /// numbers come behind the client's own: those of each pull's columns, in order.
    pub text: Edited,
    /// The same, with the rows in tables of the finishing server's session: see [`Pull::table`].
    pub stored: Edited,
    /// The finishing server reads tables of its own, too.
    pub reads: bool,
    /// Asked of the finishing server before anything is pulled: pulls without a row, each of a view
    /// whose definition stands in the text, by which it says whether the view may be read.
    pub probes: Vec<Pull>,
    /// The views among them that read with the rights of their owners, where what is pulled is read
    /// with the client's.
    pub of_owners: Vec<TableName>,
}

/// Rows of one table that are needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Pull {
    pub table: TableName,
    /// At least one, in order: a table that no row is needed of may still be one that its user may
    /// not read.
    pub shards: Vec<ShardId>,
    /// What they get; it has the client's parameters.
    pub text: Edited,
    pub columns: Vec<PulledColumn>,
}

/// A column of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledColumn {
    pub name: Ident,
    /// Its type on the home shard.
    pub type_oid: u32,
    pub carried: Carried,
}

/// What is pulled, before it has a text.
struct Pulling<'a> {
    site: &'a Site,
    filters: Vec<&'a sql::Tokens>,
    shards: Vec<ShardId>,
    columns: Vec<&'a Pulled>,
}

impl Plan {
    /// How one server finishes the statement, where [`Plan::route`] has said that several have its
    /// rows. `scanned` is of the text in `values`. Where any shard's server can, `prefer` decides
    /// which.
    ///
    /// # Errors
    /// As of [`Plan::route`]; and it has too many columns.
    pub fn gather(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
        prefer: usize,
    ) -> Result<Gathered, RouteError> {
        let gather = match &self.gather {
            Ok(gather) if self.follow == Follow::No => gather,
            _ => return Err(Refusal::unsupported("the statement can't be gathered").into()),
        };
        let Some((first, rest)) = gather.expansions.split_first() else {
            return self.gather_from(gather, router, values, scanned, prefer);
        };
        let (mut edited, mut scanned) = first.apply(values.text, scanned)?;
        for expansion in rest {
            let (next, of_next) = expansion.apply(&edited.text, &scanned)?;
            (edited, scanned) = (next.over(&edited), of_next);
        }
        let values = Values { text: &edited.text, literals: &scanned.literals, ..*values };
        let gathered = self.gather_from(gather, router, &values, &scanned, prefer)?;
        let views = gather.expansions.iter().flat_map(|expansion| &expansion.views);
        let (mut probes, mut of_owners) = (Vec::new(), Vec::new());
        for view in views {
            probes.push(probe(&view.view, &view.probe, gathered.finisher));
            of_owners.extend(view.of_owner.then(|| view.view.clone()));
        }
        let (text, stored) = (gathered.text.over(&edited), gathered.stored.over(&edited));
        Ok(Gathered { text, stored, probes, of_owners, ..gathered })
    }

    /// The same of a text in which all views are pulled by their names.
    fn gather_from(
        &self,
        gather: &Gather,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
        prefer: usize,
    ) -> Result<Gathered, RouteError> {
        let mut sets = Vec::with_capacity(gather.sites.len());
        for site in &gather.sites {
            sets.push(self.shards_of(site, router, values)?);
        }
        let finisher = if gather.home {
            router.home
        } else {
            let mut all: Vec<ShardId> = sets.iter().flatten().copied().collect();
            all.sort_unstable();
            all.dedup();
            all.get(prefer % all.len().max(1)).copied().unwrap_or(router.home)
        };
        let mut pulls: Vec<Pulling<'_>> = Vec::new();
        let mut pull_of = Vec::with_capacity(sets.len());
        for (site, mut shards) in gather.sites.iter().zip(sets) {
            if shards.is_empty() {
                shards.push(finisher);
            }
            pull_of.push(join(&mut pulls, pulling(site, shards, values)));
        }
        let columns: usize = pulls.iter().map(|pull| pull.columns.len()).sum();
        let first = values.parameters.len() + 1;
        if first + columns > usize::from(u16::MAX) {
            return Err(Refusal::unsupported("more columns to gather than parameters").into());
        }
        let text = |stored: bool| {
            let edits = edits(gather, &pulls, &pull_of, (first, stored));
            sql::edit(values.text, scanned, &edits).map_err(Refusal::from)
        };
        let (text, stored) = (text(false)?, text(true)?);
        let pulls = pulls.iter().map(|pull| pull.finish(values, scanned)).collect::<Result<_, _>>();
        Ok(Gathered {
            finisher,
            pulls: pulls?,
            text,
            stored,
            reads: gather.reads,
            probes: Vec::new(),
            of_owners: Vec::new(),
        })
    }

    fn shards_of(
        &self,
        site: &Site,
        router: &Router,
        values: &Values<'_>,
    ) -> Result<Vec<ShardId>, RouteError> {
        let place = Place::Keys { keyspace: site.keyspace, tree: site.tree.clone() };
        let occurrence = Occurrence { table: Some(site.table.clone()), alias: None, place };
        Ok(match self.evaluate(&occurrence, router, values)?.shards {
            ShardSet::None => Vec::new(),
            ShardSet::One(shard) => vec![shard],
            ShardSet::Several(shards) => shards,
            ShardSet::All => (0..router.shards.len()).map(|at| ShardId(at as u16)).collect(),
        })
    }
}

fn probe(view: &TableName, text: &str, finisher: ShardId) -> Pull {
    let text = Edited::of_its_own(text);
    Pull { table: view.clone(), shards: vec![finisher], text, columns: Vec::new() }
}

fn pulling<'a>(site: &'a Site, shards: Vec<ShardId>, values: &Values<'_>) -> Pulling<'a> {
    let filters = site.filters.iter().filter(|filter| filter.holds(values));
    let filters = filters.map(|filter| &filter.tokens).collect();
    Pulling { site, filters, shards, columns: site.columns.iter().collect() }
}

/// Adds a pull, or its columns to one of the same rows: its number.
fn join<'a>(pulls: &mut Vec<Pulling<'a>>, new: Pulling<'a>) -> usize {
    let same = |known: &Pulling<'_>| {
        known.site.table == new.site.table
            && known.shards == new.shards
            && known.filters.is_empty()
            && new.filters.is_empty()
            && !known.site.is_only
            && !new.site.is_only
    };
    let Some(at) = pulls.iter().position(same) else {
        pulls.push(new);
        return pulls.len() - 1;
    };
    for column in new.columns {
        if !pulls[at].columns.contains(&column) {
            pulls[at].columns.push(column);
        }
    }
    at
}

/// Puts the pulled rows in the place of the tables, and columns into GROUP BY. The rows are parameters,
/// from a number on, or `stored` in tables.
fn edits(
    gather: &Gather,
    pulls: &[Pulling<'_>],
    pull_of: &[usize],
    (first, stored): (usize, bool),
) -> Vec<Edit> {
    let mut starts = Vec::with_capacity(pulls.len());
    let mut next = first;
    for pull in pulls {
        starts.push(next);
        next += pull.columns.len();
    }
    let mut edits: Vec<Edit> = Vec::new();
    for (site, pull) in gather.sites.iter().zip(pull_of) {
        let rows = match stored {
            true => Pull::table(*pull),
            false => pulls[*pull].parameters(starts[*pull]),
        };
        let text = site.relation(&pulls[*pull], &rows);
        edits.push(Edit { at: site.tokens.clone(), pieces: vec![Piece::Text(text.into())] });
        let Some((at, columns)) = &site.grouped else { continue };
        let added: String = columns
            .iter()
            .map(|column| format!(", {}.{}", quoted(&site.name), quoted(column)))
            .collect();
        let pieces = vec![Piece::Text(added.into())];
        match edits.iter_mut().find(|edit| edit.at == (*at..*at)) {
            Some(edit) => edit.pieces.extend(pieces),
            None => edits.push(Edit { at: *at..*at, pieces }),
        }
    }
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    edits
}

impl Site {
    /// What stands for the table in the finished text; `rows` are those of the pull.
    fn relation(&self, pull: &Pulling<'_>, rows: &str) -> String {
        let names: Vec<String> = (0..pull.columns.len()).map(|at| format!("c{}", at + 1)).collect();
        let mut outputs = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let Some(at) = pull.columns.iter().position(|known| *known == column) else { continue };
            let collate = match &column.collation {
                Some(collation) => format!(" COLLATE {collation}"),
                None => String::new(),
            };
            let name = quoted(&column.name);
            outputs.push(format!("g.c{}::{}{collate} AS {name}", at + 1, column.written));
        }
        let rows =
            format!("(SELECT {} FROM {rows} AS g({}))", outputs.join(", "), names.join(", "));
        let named = match self.is_named {
            true => rows,
            false => format!("{rows} AS {}", quoted(&self.name)),
        };
        if self.is_command { format!("SELECT * FROM {named}") } else { named }
    }
}

impl Pull {
    /// The table that rows of the pull of this number are stored in, if they are.
    pub fn table(number: usize) -> String {
        format!("pg_temp.\"pgherd rows {}\"", number + 1)
    }

    /// Makes that table; it has the pull's parameters. A column has the type that its values travel
    /// as.
    pub fn make_table(&self, number: usize) -> Vec<u8> {
        let names: Vec<String> = (1..=self.columns.len()).map(|at| format!("c{at}")).collect();
        let column = |(name, column): (&String, &PulledColumn)| match column.carried {
            Carried::Binary { .. } => format!("q.{name}"),
            Carried::Text { .. } => format!("pg_catalog.format('%s', q.{name}) AS {name}"),
        };
        let columns: Vec<String> = names.iter().zip(&self.columns).map(column).collect();
        let table = Pull::table(number);
        let mut text = format!(
            "CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS SELECT {} FROM (",
            columns.join(", ")
        )
        .into_bytes();
        text.extend_from_slice(&self.text.text);
        text.extend_from_slice(format!("\n) AS q({}) WITH NO DATA", names.join(", ")).as_bytes());
        text
    }

    /// Adds rows to that table: arrays, as parameters from `$1` on.
    pub fn add_rows(&self, number: usize) -> String {
        let columns = self.columns.len();
        let names: Vec<String> = (1..=columns).map(|at| format!("g.c{at}")).collect();
        let arrays: Vec<String> =
            (1..=columns).map(|at| format!("pg_catalog.unnest(${at})")).collect();
        let aliases: Vec<String> = (1..=columns).map(|at| format!("c{at}")).collect();
        format!(
            "INSERT INTO {} SELECT {} FROM ROWS FROM ({}) AS g({})",
            Pull::table(number),
            names.join(", "),
            arrays.join(", "),
            aliases.join(", ")
        )
    }
}

impl Pulling<'_> {
    /// The rows as parameters, of which this is the first.
    fn parameters(&self, first: usize) -> String {
        let arrays: Vec<String> = (0..self.columns.len())
            .map(|at| format!("pg_catalog.unnest(${})", first + at))
            .collect();
        format!("ROWS FROM ({})", arrays.join(", "))
    }

    fn finish(&self, values: &Values<'_>, scanned: &Scanned) -> Result<Pull, Refusal> {
        let site = self.site;
        let name = quoted(&site.name);
        let columns: Vec<String> =
            self.columns.iter().map(|column| format!("{name}.{}", quoted(&column.name))).collect();
        let relation = site.tokens.start + u32::from(site.is_command)..site.tokens.end;
        let mut pieces = vec![
            Piece::Text(format!("SELECT {} FROM ", columns.join(", ")).into()),
            Piece::Copy(relation),
            Piece::Text(format!(" AS {name}").into()),
        ];
        for (at, tokens) in self.filters.iter().enumerate() {
            let word = if at == 0 { " WHERE (" } else { " AND (" };
            pieces.push(Piece::Text(word.into()));
            pieces.push(Piece::Copy((*tokens).clone()));
            pieces.push(Piece::Text(")".into()));
        }
        let edit = Edit { at: 0..scanned.tokens, pieces };
        let text = sql::edit(values.text, scanned, &[edit])?;
        let column = |column: &&Pulled| PulledColumn {
            name: column.name.clone(),
            type_oid: column.type_oid,
            carried: column.carried,
        };
        Ok(Pull {
            table: site.table.clone(),
            shards: self.shards.clone(),
            text,
            columns: self.columns.iter().map(column).collect(),
        })
    }
}

/// A name in SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Gathered {
    /// The shards that are asked for anything, in order.
    pub fn shards(&self) -> Vec<ShardId> {
        let pulled = self.pulls.iter().flat_map(|pull| pull.shards.iter().copied());
        let mut shards: Vec<ShardId> = pulled.chain([self.finisher]).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// In words, a line a step: for EXPLAIN.
    pub fn words(&self, router: &Router) -> Vec<String> {
        let mut lines = vec![format!("gathered on shard {}", router.shard_name(self.finisher))];
        for probe in &self.probes {
            lines.push(format!("asked there first: {}", String::from_utf8_lossy(&probe.text.text)));
        }
        for pull in &self.pulls {
            let names: Vec<String> =
                pull.shards.iter().map(|shard| router.shard_name(*shard)).collect();
            let text = String::from_utf8_lossy(&pull.text.text);
            lines.push(format!("pulled from {}: {text}", names.join(", ")));
        }
        lines.push(format!("finished there: {}", String::from_utf8_lossy(&self.text.text)));
        lines
    }
}
