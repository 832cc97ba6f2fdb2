//! One execution of groups that a server finishes: what the shards are asked, and the text that is
//! finished over what was put together.

use crate::placement::ShardId;
use crate::sql::{self, Edit, Edited, Piece, Scanned, Tokens};

use super::partial::{Key, Partial, Shown};
use super::plan::{Follow, Plan};
use super::router::Router;
use super::scatter::{Grouping, SortPlace, Steps, times_are_given};
use super::scatter_keys::Added;
use super::scatter_text::ordinal;
use super::value::Values;
use super::{Refusal, RouteError};

/// One execution of a SELECT whose groups are put together, and then finished by one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// At least two, in order.
    pub shards: Vec<ShardId>,
    /// Whose server finishes it: one of them.
    pub finisher: ShardId,
    /// What each of them gets.
    pub asked: Edited,
    /// What becomes of their rows.
    pub steps: Steps,
    /// The columns of the groups.
    pub columns: usize,
    /// The client's text over the groups, each column of which is an array behind the client's own
    /// parameters.
    pub text: Edited,
}

impl Plan {
    /// How groups of several shards are put together and finished, where [`Plan::route`] has said
    /// that several have the rows. `scanned` and `prefer` are as for [`Plan::gather`].
    ///
    /// # Errors
    /// As of [`Plan::route`]; and it isn't possible with these values.
    pub fn finish(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
        prefer: usize,
    ) -> Result<Finished, RouteError> {
        let partial = match &self.partial {
            Ok(partial) if self.follow == Follow::No => partial,
            _ => return Err(Refusal::unsupported("the statement has no groups to finish").into()),
        };
        let shards = self.shards_of_all(router, values)?;
        times_are_given(&partial.times, values)?;
        let keys = partial.keys(values)?;
        let columns = keys.len() + partial.calls.len();
        let first = values.parameters.len() + 1;
        if first + columns > usize::from(u16::MAX) {
            return Err(Refusal::unsupported("more groups to finish than parameters").into());
        }
        let asked = Edit { at: 0..scanned.tokens, pieces: partial.asked(&keys) };
        let asked = sql::edit(values.text, scanned, &[asked]).map_err(Refusal::from)?;
        let edits = partial.edits(&keys, first);
        let text = sql::edit(values.text, scanned, &edits).map_err(Refusal::from)?;
        let grouping = Grouping {
            keys: Some((0..keys.len()).map(SortPlace::Output).collect()),
            aggregates: partial.aggregates.clone(),
            by_bytes: partial.by_bytes,
        };
        let (groups, hidden) = (Some(grouping), partial.added.len());
        let steps = Steps { groups, hidden, ..Steps::default() };
        let finisher = shards.get(prefer % shards.len().max(1)).copied().unwrap_or(router.home);
        Ok(Finished { shards, finisher, asked, steps, columns, text })
    }
}

/// A key of one execution: where it stands, and which output it is by its number.
struct KeyAt {
    tokens: Tokens,
    output: Option<usize>,
}

impl Partial {
    fn keys(&self, values: &Values<'_>) -> Result<Vec<KeyAt>, Refusal> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            keys.push(match key {
                Key::At(tokens) => KeyAt { tokens: tokens.clone(), output: None },
                Key::Ordinal(slot) => {
                    let at = ordinal(*slot, values);
                    let shown = at.and_then(|at| self.outputs.get(at)).ok_or_else(|| {
                        Refusal::unsupported("a GROUP BY by a constant over several shards")
                    })?;
                    KeyAt { tokens: shown.tokens.clone(), output: at }
                }
            });
        }
        let is_key = |at: usize| keys.iter().any(|key| key.output == Some(at));
        let covered = |(at, shown): (usize, &Shown)| !shown.needs_key || is_key(at);
        match self.outputs.iter().enumerate().all(covered) {
            true => Ok(keys),
            false => Err(Refusal::unsupported("an output that isn't grouped by")),
        }
    }

    /// The text that each shard gets: its keys, its aggregates, and what they are put together from.
    fn asked(&self, keys: &[KeyAt]) -> Vec<Piece> {
        let text = |text: &str| Piece::Text(text.into());
        let clauses = &self.clauses;
        let with = self.has_with.then_some(Piece::Copy(0..clauses.select));
        let mut pieces: Vec<Piece> = with.into_iter().chain([text(" SELECT ")]).collect();
        let mut columns: Vec<Vec<Piece>> = Vec::new();
        for key in keys {
            columns.push(vec![text("("), Piece::Copy(key.tokens.clone()), text(")")]);
        }
        columns.extend(self.calls.iter().map(|call| Added::Part(call.own.clone()).pieces()));
        columns.extend(self.added.iter().map(Added::pieces));
        for (at, column) in columns.into_iter().enumerate() {
            pieces.extend((at > 0).then(|| text(", ")));
            pieces.extend(column);
            pieces.push(text(&format!(" AS \"pgherd {}\"", at + 1)));
        }
        pieces.push(text(" "));
        pieces.push(Piece::Copy(clauses.from..clauses.groups));
        let behind = keys.len() + self.calls.len();
        let values = self.values.iter().map(|at| behind + at);
        let by: Vec<String> =
            (0..keys.len()).chain(values).map(|at| (at + 1).to_string()).collect();
        if !by.is_empty() {
            pieces.push(text(&format!(" GROUP BY {}", by.join(", "))));
        }
        pieces
    }

    /// What is changed in the client's text, so that it is one over the groups.
    fn edits(&self, keys: &[KeyAt], first: usize) -> Vec<Edit> {
        let mut edits = Vec::new();
        let text = |at: Tokens, text: String| Edit { at, pieces: vec![Piece::Text(text.into())] };
        let mut covered: Vec<Tokens> = Vec::new();
        for (at, shown) in self.outputs.iter().enumerate() {
            let by_number = keys.iter().position(|key| key.output == Some(at));
            let label = shown.label.as_ref();
            let label = label.map(|name| format!(" AS {}", quoted(name))).unwrap_or_default();
            match by_number.or(shown.key) {
                Some(key) => {
                    edits.push(text(shown.tokens.clone(), format!("{}{label}", column(key))));
                    covered.push(shown.tokens.clone());
                }
                None if label.is_empty() => {}
                None => edits.push(text(shown.tokens.end..shown.tokens.end, label)),
            }
        }
        for (tokens, key) in &self.ordered {
            edits.push(text(tokens.clone(), column(*key)));
        }
        for (at, call) in self.calls.iter().enumerate() {
            let within =
                |outer: &Tokens| outer.start <= call.tokens.start && call.tokens.end <= outer.end;
            if !covered.iter().any(within) {
                edits.push(text(call.tokens.clone(), column(keys.len() + at)));
            }
        }
        let Partial { clauses, .. } = self;
        edits.push(text(clauses.from..clauses.having, self.relations(keys.len(), first)));
        if self.has_having {
            edits.push(text(clauses.having..clauses.having + 1, "WHERE".into()));
        }
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        edits
    }

    /// The groups in the place of FROM … GROUP BY.
    fn relations(&self, keys: usize, first: usize) -> String {
        let columns = 0..keys + self.calls.len();
        let arrays: Vec<String> =
            columns.clone().map(|at| format!("pg_catalog.unnest(${})", first + at)).collect();
        let names: Vec<String> = columns.map(|at| format!("\"pgherd {}\"", at + 1)).collect();
        let mut from =
            format!(" FROM ROWS FROM ({}) AS \"pgherd\"({})", arrays.join(", "), names.join(", "));
        for table in &self.tables {
            let columns = table.columns.iter();
            let columns: Vec<String> = columns
                .map(|(name, key)| format!("{} AS {}", column(*key), quoted(name)))
                .collect();
            from +=
                &format!(", LATERAL (SELECT {}) AS {}", columns.join(", "), quoted(&table.name));
        }
        from + " "
    }

    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let tables: usize = self.tables.iter().map(|table| 64 + 48 * table.columns.len()).sum();
        size_of::<Partial>()
            + tables
            + 32 * self.keys.len()
            + 64 * (self.calls.len() + self.aggregates.len() + self.added.len())
            + 80 * self.outputs.len()
            + 32 * self.ordered.len()
            + 4 * self.times.len()
    }
}

/// A column of the groups.
fn column(at: usize) -> String {
    format!("\"pgherd\".\"pgherd {}\"", at + 1)
}

/// A name in SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Finished {
    /// In words, a line a step: for EXPLAIN.
    pub fn words(&self, router: &Router) -> Vec<String> {
        let names: Vec<String> = self.shards.iter().map(|id| router.shard_name(*id)).collect();
        vec![
            format!("shards {}", names.join(", ")),
            format!("each gets: {}", String::from_utf8_lossy(&self.asked.text)),
            "merged: groups".into(),
            format!(
                "finished on shard {}: {}",
                router.shard_name(self.finisher),
                String::from_utf8_lossy(&self.text.text)
            ),
        ]
    }
}
