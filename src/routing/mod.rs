//! Statement + parameters + placement → route. No I/O.

pub mod schema;

use crate::sql;

/// Index of a shard within its database, in the catalog's order.
pub use crate::placement::ShardId;

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
}

/// What the session does with a statement. The route is for those that run on a shard.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send it to the routed shard, as it came.
    Run,
    /// Answered by EXPLAIN on the routed shard, with the route shown.
    Explain {
        analyze: bool,
        format: sql::ExplainFormat,
    },
    /// All shards, one after the other.
    Ddl {
        outside_transaction: bool,
    },
    Transaction(sql::Transaction),
    Set(sql::Set),
    /// SHOW of a server setting runs anywhere; of `pgherd.*` is answered by the session.
    Show(sql::Ident),
    Discard(sql::Discard),
    Prepare {
        name: sql::Ident,
    },
    Execute {
        name: sql::Ident,
    },
    Deallocate(Option<sql::Ident>),
    Empty,
}

/// Where one statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// No table, or reference tables only, or a key that no row can have: any shard does.
    Any,
    One(ShardId),
    /// Every shard (DDL).
    All,
}

/// A parameter of Bind, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Parameter<'a> {
    /// As given in Parse or learned from the server; 0 is unknown.
    pub type_oid: u32,
    pub value: ParameterValue<'a>,
}

#[derive(Debug, Clone, Copy)]
pub enum ParameterValue<'a> {
    Null,
    Text(&'a [u8]),
    Binary(&'a [u8]),
}
