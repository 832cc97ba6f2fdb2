//! COPY of a table whose rows lie on several shards: where each row goes, and what the shards are
//! sent.

use smallvec::SmallVec;

use crate::config::rules::TableName;
use crate::placement::{KeyColumn, KeyValue, NotAKey, Placement, Purpose, ShardId, Source};
use crate::sql::{self, CopyOption, Edit, Edited, Ident, Piece, Scanned, Tokens};
use crate::wire::copy::{Field, Forced, Form, Splitter, Wanted};

use super::RouteError;
use super::copy_options::{NotRead, Options};
use super::plan::Plan;
use super::refusal::Refusal;
use super::router::Router;
use super::spread_copies::tells_clock;
use super::value::{ColumnType, Values};

/// What is known of a COPY before it has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CopyPlan {
    pub from: bool,
    pub table: TableName,
    /// The columns that its data have; empty where that isn't known.
    pub columns: Vec<Ident>,
    /// Where the list of columns is put in, which must be the same one on all shards.
    pub list_at: Option<u32>,
    /// The key's columns; `None` is a reference table, whose rows are on all shards.
    pub keys: Option<(usize, Vec<CopyKey>)>,
    /// Of a reference table, columns in which a text may be read as a time.
    pub clocks: Vec<(usize, Ident)>,
    pub options: Vec<CopyOption>,
}

/// Where the value of a key's column comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum CopyKey {
    /// A field of each row, with the column's name.
    Field { field: usize, name: Ident, column: ColumnType },
    /// The column isn't among the data, and has no default.
    Null,
}

/// A COPY as it is executed.
#[derive(Debug)]
pub struct Copied {
    /// FROM STDIN, and else TO STDOUT.
    pub from: bool,
    pub table: TableName,
    /// What each shard gets, where that isn't the text as it came.
    pub text: Option<Edited>,
    /// How the data are written; `None` where a server refuses the options.
    pub form: Option<Form>,
    /// The key of each row; `None`: all shards get all rows.
    pub keys: Option<CopyKeys>,
    /// Fields in which rows for all shards mustn't have a word for the time.
    pub clocks: Vec<Wanted>,
}

impl Copied {
    /// What is wrong with the row for all shards that the splitter has found at the front of
    /// `input`.
    pub fn wrong_time(&self, splitter: &Splitter, input: &[u8]) -> Option<Refusal> {
        let tells = |place: usize| match splitter.field(input, place) {
            Field::Value(value) => tells_clock(value),
            Field::Missing | Field::Null | Field::Default => false,
        };
        (0..self.clocks.len()).any(tells).then(|| Refusal::copy_clock(&self.table))
    }
}

/// COPY of a query, before it has values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CopyQuery {
    /// Where the query stands.
    pub inner: Tokens,
    pub options: Vec<CopyOption>,
}

/// COPY of a query that several shards answer: their rows are written as COPY does.
#[derive(Debug)]
pub struct CopiedQuery {
    /// The query alone.
    pub query: Edited,
    pub form: Form,
    pub forced: Forced,
}

/// What several shards are to do for a COPY.
#[derive(Debug)]
pub enum CopyTask {
    Table(Box<Copied>),
    Query(Box<CopiedQuery>),
}

/// How the shard of a row is found.
#[derive(Debug)]
pub struct CopyKeys {
    /// Of its fields these are read.
    pub wanted: Vec<Wanted>,
    table: TableName,
    placement: Placement,
    /// In the keyspace's order; a column whose value is NULL in all rows has no number among the
    /// wanted fields.
    columns: SmallVec<[(Option<usize>, KeyColumn); 2]>,
    binary: bool,
    utf8: bool,
}

/// Why a row has no shard.
#[derive(Debug, PartialEq, Eq)]
pub enum NoShard {
    /// A server refuses the row.
    Refused,
    /// Only a server can tell its key.
    Unknown(Refusal),
}

impl Plan {
    /// COPY as several shards are to run it; `None` where it is another statement, or concerns
    /// one shard.
    ///
    /// # Errors
    /// It can't be cut into rows, or written by us.
    pub fn copied(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
    ) -> Result<Option<CopyTask>, RouteError> {
        if let Some(copy) = &self.copy {
            let copied = copy.copied(router, values, scanned)?;
            return Ok(Some(CopyTask::Table(Box::new(copied))));
        }
        let Some(query) = &self.copy_query else { return Ok(None) };
        let options = Options::read(&query.options, values);
        let (form, forced) =
            options.and_then(|options| options.writing(values.utf8)).map_err(|not| match not {
                NotRead::Wrong => Refusal::copy_options(),
                NotRead::Refused(refusal) => refusal,
            })?;
        let cut = |at: Tokens| Edit { at, pieces: Vec::new() };
        let others = [cut(0..query.inner.start), cut(query.inner.end..scanned.tokens)];
        let query = sql::edit(values.text, scanned, &others).map_err(Refusal::from)?;
        Ok(Some(CopyTask::Query(Box::new(CopiedQuery { query, form, forced }))))
    }
}

impl CopyPlan {
    /// Puts the values of one execution in.
    ///
    /// # Errors
    /// It can't be cut into rows.
    pub(super) fn copied(
        &self,
        router: &Router,
        values: &Values<'_>,
        scanned: &Scanned,
    ) -> Result<Copied, Refusal> {
        let text = match self.list_at {
            None => None,
            Some(at) => {
                let names: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
                let list = Piece::Text(format!(" ({})", names.join(", ")).into());
                let edit = Edit { at: at..at, pieces: vec![list] };
                Some(sql::edit(values.text, scanned, &[edit]).map_err(Refusal::from)?)
            }
        };
        let copied = Copied {
            from: self.from,
            table: self.table.clone(),
            text,
            form: None,
            keys: None,
            clocks: Vec::new(),
        };
        let major = router.schema.server_major;
        let read = Options::read(&self.options, values)
            .and_then(|options| Ok((options.form(self.columns.len(), major)?, options)));
        let (form, options) = match read {
            Ok(read) => read,
            Err(NotRead::Wrong) => return Ok(copied),
            Err(NotRead::Refused(refusal)) => return Err(refusal),
        };
        let utf8 = options.is_utf8(values.utf8)?;
        let keys = match &self.keys {
            Some((keyspace, keys)) if self.from => {
                let lost = Refusal::rules_changed;
                let placement = router.placements.get(*keyspace).ok_or_else(lost)?;
                Some(self.keys(keys, placement.clone(), &options, (major, utf8)))
            }
            _ => None,
        };
        let clocks = match form {
            // A time in binary is one.
            Form::Binary { .. } => Vec::new(),
            Form::Lines(_) => {
                self.clocks.iter().map(|(at, name)| options.wanted(*at, name)).collect()
            }
        };
        Ok(Copied { form: Some(form), keys, clocks, ..copied })
    }

    fn keys(
        &self,
        keys: &[CopyKey],
        placement: Placement,
        options: &Options<'_>,
        (server_major, utf8): (u32, bool),
    ) -> CopyKeys {
        let mut wanted = Vec::with_capacity(keys.len());
        let columns = keys.iter().map(|key| match key {
            CopyKey::Null => {
                let key_type = crate::config::rules::KeyType::Int8;
                (None, KeyColumn { key_type, typmod: -1, server_major })
            }
            CopyKey::Field { field, name, column } => {
                wanted.push(options.wanted(*field, name));
                let ColumnType { key_type, typmod } = *column;
                (Some(wanted.len() - 1), KeyColumn { key_type, typmod, server_major })
            }
        });
        let columns = columns.collect();
        let binary = options.is_binary();
        CopyKeys { wanted, table: self.table.clone(), placement, columns, binary, utf8 }
    }

    /// Roughly what it takes in memory.
    pub fn bytes(&self) -> usize {
        let names: usize = self.columns.iter().map(|name| size_of::<Ident>() + name.len()).sum();
        size_of::<CopyPlan>() + names + 64 * self.options.len() + 160
    }
}

impl CopyKeys {
    /// The shard of the row that the splitter has found at the front of `input`.
    ///
    /// # Errors
    /// It has none.
    #[inline]
    pub fn shard_of(&self, splitter: &Splitter, input: &[u8]) -> Result<ShardId, NoShard> {
        if let [(Some(place), column)] = &self.columns[..] {
            let value = self.value(splitter.field(input, *place), column)?;
            return Ok(self.placement.shard_of(&[value]));
        }
        let mut key: SmallVec<[KeyValue<'_>; 4]> = SmallVec::new();
        for (place, column) in &self.columns {
            key.push(match place {
                Some(place) => self.value(splitter.field(input, *place), column)?,
                None => KeyValue::Null,
            });
        }
        Ok(self.placement.shard_of(&key))
    }

    #[inline]
    fn value<'a>(&self, field: Field<'a>, column: &KeyColumn) -> Result<KeyValue<'a>, NoShard> {
        let value = match field {
            Field::Value(value) => value,
            Field::Null => return Ok(KeyValue::Null),
            Field::Missing => return Err(NoShard::Refused),
            Field::Default => {
                return Err(NoShard::Unknown(Refusal::copy_key(
                    &self.table,
                    "a default is computed by the server",
                )));
            }
        };
        if !self.utf8 && column.key_type == crate::config::rules::KeyType::Text && !value.is_ascii()
        {
            return Err(NoShard::Unknown(Refusal::encoding()));
        }
        let source =
            if self.binary { Source::UntypedBinary(value) } else { Source::Untyped(value) };
        column.read(source, Purpose::Assign).map_err(|not| match not {
            NotAKey::Unsure(why) => NoShard::Unknown(Refusal::copy_key(&self.table, why)),
            NotAKey::NoKey | NotAKey::Invalid { .. } | NotAKey::Mismatch { .. } => NoShard::Refused,
        })
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
