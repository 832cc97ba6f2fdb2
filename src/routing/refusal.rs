//! Each refusal of routing, its words in one place.
//!
//! A refusal names what stands in the way and what to do instead; it never holds a value.

use std::fmt::Display;

use crate::config::rules::TableName;
use crate::sql::SqlError;

/// Why a statement is not answered. Becomes an ErrorResponse as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Five characters, e.g. `0A000`.
    pub sqlstate: &'static str,
    pub message: String,
    pub detail: Option<String>,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where in the text, in characters from 1.
    pub position: Option<u32>,
}

const SHARD_HINT: &str = "say the shard with /* pgherd: shard=NAME */";

impl Refusal {
    /// Without detail, hint or position.
    pub(super) fn new(sqlstate: &'static str, message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal { sqlstate, message, detail: None, hint: None, position: None }
    }

    /// `0A000` without detail or hint.
    pub(super) fn unsupported(message: impl Into<String>) -> Refusal {
        Refusal::new("0A000", message)
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Refusal {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }

    /// Names what keeps it from being merged from several shards.
    pub(super) fn not_merged(mut self, reason: &str) -> Refusal {
        if reason.is_empty() {
            return self;
        }
        let why = format!("It isn't merged from several shards: {reason}.");
        self.detail = Some(match self.detail {
            Some(detail) => format!("{detail} {why}"),
            None => why,
        });
        self
    }

    /// Names what keeps it from being run on several shards, each for its own rows.
    pub(super) fn not_written(mut self, reason: &str) -> Refusal {
        if reason.is_empty() {
            return self;
        }
        let why = format!("Several shards don't run it, each for its own rows: {reason}.");
        self.detail = Some(match self.detail {
            Some(detail) => format!("{detail} {why}"),
            None => why,
        });
        self
    }

    /// Names what keeps its rows from being moved to other shards.
    pub(super) fn not_moved(self, reason: &str) -> Refusal {
        let why = format!("Rows aren't moved to other shards: {reason}.");
        let detail = match &self.detail {
            Some(detail) => format!("{detail} {why}"),
            None => why,
        };
        self.detail(detail)
    }

    /// Names what keeps it from being finished by one server over the rows of several shards.
    pub(super) fn not_gathered(mut self, reason: &str) -> Refusal {
        if reason.is_empty() {
            return self;
        }
        let why = format!("It isn't gathered from several shards: {reason}.");
        self.detail = Some(match self.detail {
            Some(detail) => format!("{detail} {why}"),
            None => why,
        });
        self
    }

    pub(super) fn unlisted(table: &TableName) -> Refusal {
        Refusal::unsupported(format!("table {table} is in no sharding rule"))
            .hint("add it to the rules (a keyspace, reference or home), or set `unlisted: home`")
    }

    pub(super) fn shares_rows(table: &TableName) -> Refusal {
        Refusal::unsupported(format!("rows of {table} are rows of a sharded table, too"))
            .detail("One of them is a part of the other, by PARTITION OF or INHERITS.")
            .hint("name the sharded table, with its key")
    }

    pub(super) fn view(view: &TableName) -> Refusal {
        Refusal::unsupported(format!("view {view} may read sharded tables"))
            .detail(
                "Its definition isn't known: a rule names the view, it is too long, or a table that \
                 it reads is locked now.",
            )
            .hint("read the tables themselves, or list the view under `home` if it reads home and reference tables only")
    }

    pub(super) fn view_write(view: &TableName) -> Refusal {
        Refusal::unsupported(format!("view {view} isn't written through on several shards"))
            .detail(
                "It isn't a view of one sharded table, without subqueries, that shows its shard key \
                 by its own name.",
            )
            .hint("write to the table itself")
    }

    pub(super) fn reference_write(table: &TableName) -> Refusal {
        Refusal::unsupported(format!("{table} is a reference table: a write must reach all shards"))
            .hint("run it on each shard in turn with /* pgherd: shard=NAME */")
    }

    pub(super) fn whole_table(verb: &str, table: &TableName) -> Refusal {
        Refusal::unsupported(format!("{verb} of {table} concerns all shards"))
            .hint(format!("run it on each shard in turn: {SHARD_HINT}"))
    }

    pub(super) fn copy(table: &TableName) -> Refusal {
        Refusal::unsupported(format!("COPY of {table} concerns all shards"))
            .hint(format!("send it by itself, outside of other statements, or {SHARD_HINT}"))
    }

    pub(super) fn copy_option(name: &str) -> Refusal {
        Refusal::unsupported(format!(
            "COPY with this value of the option \"{name}\" concerns several shards"
        ))
        .hint(format!("leave the option out, or {SHARD_HINT}"))
    }

    pub(super) fn copy_options() -> Refusal {
        Refusal::unsupported("COPY of several shards with options that pgherd doesn't know")
            .hint(format!("leave them out, or {SHARD_HINT}"))
    }

    pub(super) fn copy_encoding(name: &str) -> Refusal {
        Refusal::unsupported(format!("COPY of several shards in the encoding {name}"))
            .detail("A part of a character may look like a delimiter in it.")
            .hint("convert the data to UTF-8 first")
    }

    /// The key of a row can't be read here.
    pub(super) fn copy_key(table: &TableName, why: &str) -> Refusal {
        Refusal::unsupported(format!("the key of a row for {table} can't be used: {why}"))
            .hint("write the key in its type's usual form (a date as 2024-12-31)")
    }

    /// What becomes of the rows may be something else on each shard.
    pub(super) fn copy_differs(table: &TableName, why: &str) -> Refusal {
        Refusal::unsupported(format!("COPY of {table} concerns all shards: {why}"))
            .hint(format!("use INSERT, or {SHARD_HINT}"))
    }

    /// A value that each server reads from its clock.
    pub(super) fn copy_clock(table: &TableName) -> Refusal {
        Refusal::unsupported(format!(
            "a time for {table}, a reference table, that each shard would read from its own clock"
        ))
        .hint("write the time itself")
    }

    /// The copies of a reference table would differ.
    pub(super) fn copy_default(table: &TableName, column: &str) -> Refusal {
        Refusal::unsupported(format!(
            "the default of {table}.{column} may be another value on each shard"
        ))
        .hint("have the column among the data, and in the list of columns")
    }

    pub(super) fn key_default(table: &TableName, column: &str) -> Refusal {
        Refusal::unsupported(format!(
            "the default of {table}.{column}, a shard key, is computed by the server"
        ))
        .hint("give the key's value in the statement")
    }

    pub(super) fn key_not_given(table: &TableName, column: &str) -> Refusal {
        Refusal::unsupported(format!("the row's key {table}.{column} isn't known"))
            .hint("give the key as a literal or a parameter")
    }

    pub(super) fn columns_unknown(table: &TableName) -> Refusal {
        Refusal::unsupported(format!("the columns of {table} aren't known"))
            .hint("write the column list after the table's name")
    }

    pub(super) fn key_change(table: &TableName, column: &str) -> Refusal {
        Refusal::unsupported(format!(
            "UPDATE changes {table}.{column}, a shard key, to a value that isn't known"
        ))
        .detail("The row may have to move to another shard.")
        .hint("set the key to a literal or parameter, or delete the row and insert it anew")
    }

    pub(super) fn conflict_target(table: &TableName, key: &str) -> Refusal {
        Refusal::unsupported(format!(
            "ON CONFLICT on {table}: a conflicting row may lie on another shard"
        ))
        .detail(format!("The unique index that decides doesn't hold the shard key ({key})."))
        .hint("name a conflict target that contains the shard key")
    }

    pub(super) fn function(name: &str) -> Refusal {
        Refusal::unsupported(format!("function {name} may read or write tables"))
            .hint("list it under `functions` in the rules if it touches no sharded table but rows of the statement's own shard")
    }

    pub(super) fn function_reads(name: &str) -> Refusal {
        Refusal::unsupported(format!(
            "function {name} reads tables that are named in its arguments"
        ))
        .hint("write the query itself")
    }

    pub(super) fn sequence_value(name: &str) -> Refusal {
        Refusal::unsupported(format!(
            "{name} tells what a session did before, and sessions share servers"
        ))
        .hint("use INSERT … RETURNING, or call it in the transaction that called nextval")
    }

    pub(super) fn nextval_sharded(name: &str) -> Refusal {
        Refusal::unsupported(format!("{name} in a statement on a sharded table"))
            .detail("The sequence lies on the home shard, the rows on another.")
            .hint("call it in a statement of its own and pass its value")
    }

    /// Of a statement of which only its words are known.
    pub fn not_analysed() -> Refusal {
        Refusal::unsupported("a statement that isn't understood on several shards")
    }

    /// A setting that pgherd couldn't follow from connection to connection.
    pub fn session_setting() -> Refusal {
        Refusal::unsupported("set_config for the session isn't seen by pgherd").hint("use SET")
    }

    pub(super) fn temporary() -> Refusal {
        Refusal::unsupported(
            "temporary tables live in one server's session, and sessions share servers",
        )
        .hint(format!(
            "use a CTE, or a table of its own; or {SHARD_HINT} here and wherever it is used"
        ))
    }

    pub(super) fn create_as(what: &str) -> Refusal {
        Refusal::unsupported(format!("{what} fills a new table from a query"))
            .hint("create the table first, add it to the rules, then INSERT … SELECT")
    }

    pub(super) fn hold_cursor() -> Refusal {
        Refusal::unsupported(
            "a WITH HOLD cursor needs a server's session of its own, and sessions share servers",
        )
        .hint(format!("declare it WITHOUT HOLD in a transaction, or {SHARD_HINT}"))
    }

    pub(super) fn cursors() -> Refusal {
        Refusal::unsupported(
            "pg_cursors shows the cursors of one server, and those of pgherd's own",
        )
        .hint(SHARD_HINT)
    }

    pub(super) fn two_phase(what: &str) -> Refusal {
        Refusal::unsupported(format!("{what} by a client isn't supported")).hint("use COMMIT")
    }

    pub(super) fn opaque_body(what: &str) -> Refusal {
        Refusal::unsupported(format!("what {what} does can't be known from its text"))
            .hint(SHARD_HINT)
    }

    pub(super) fn current_of() -> Refusal {
        Refusal::unsupported("WHERE CURRENT OF outside the cursor's transaction")
            .hint("use it in the transaction that declared the cursor")
    }

    pub(super) fn not_understood(words: &str) -> Refusal {
        Refusal::unsupported(format!("{words} isn't supported"))
    }

    pub(super) fn server_file() -> Refusal {
        Refusal::unsupported("COPY with a server's file or program")
            .hint("use COPY … FROM STDIN or TO STDOUT (psql: \\copy)")
    }

    pub(super) fn too_complex(bound: usize) -> Refusal {
        Refusal::new("54001", "statement too complex to route")
            .detail(format!(
                "Its common table expressions, written out, have more than {bound} parts."
            ))
            .hint("reference each common table expression once, or split the statement")
    }

    pub(super) fn too_deep() -> Refusal {
        Refusal::new("54001", "statement too deep to route").hint(
            "nest fewer queries, joins, set operations and common table expressions in each other",
        )
    }

    pub(super) fn too_much_work() -> Refusal {
        Refusal::new("54001", "statement too complex to route")
            .detail("It joins or nests too many tables with too many conditions.")
            .hint("split the statement, or say the shard: the limit is on conditions times tables")
    }

    pub(super) fn unknown_shard(name: &str, shards: &[Box<str>]) -> Refusal {
        Refusal::new("42704", format!("shard \"{name}\" does not exist"))
            .hint(format!("the shards are {}", shards.join(", ")))
    }

    pub(super) fn bad_hint(what: impl Display, hint: impl Into<String>) -> Refusal {
        Refusal::new("22023", format!("invalid routing hint: {what}")).hint(hint)
    }

    pub(super) fn several_statements(first: &str, second: &str) -> Refusal {
        Refusal::unsupported("the statements of the text belong to different shards")
            .detail(format!("One goes to {first}, another to {second}."))
            .hint("send them one by one")
    }

    pub(super) fn rules_changed() -> Refusal {
        Refusal::new("40001", "the sharding rules changed while the statement was on its way")
            .hint("send it again")
    }

    pub(super) fn encoding() -> Refusal {
        Refusal::unsupported(
            "a text key with other than ASCII characters under this client_encoding",
        )
        .hint("SET client_encoding = 'UTF8'")
    }
}

impl From<SqlError> for Refusal {
    fn from(error: SqlError) -> Refusal {
        let told = error.told();
        let detail = None;
        let (sqlstate, position) = (told.sqlstate, told.position);
        Refusal { sqlstate, message: told.message, detail, hint: told.hint, position }
    }
}
