//! Statement + parameters + placement → route. No I/O.
//!
//! [`Router::plan`] looks at a statement once: for each occurrence of a table it finds what
//! its key must be for a row to matter, as an expression over literals and parameters.
//! [`Plan::route`] puts the values of one execution in, and yields the shard. A statement
//! belongs to one shard if that holds for all its occurrences; else it is refused.
//!
//! The way of a statement through the files: `statements` (its kind) → `bind*` (names
//! resolved, conditions turned into `facts` by their `operand`s) → `settle` (which facts apply
//! to which occurrence) → `places` (their algebra and evaluation). `local` says what each shard can
//! answer for its own rows, `scatter*` how a SELECT over several shards is merged, `gather*` how one
//! server finishes what can't be, `spread*` how a write is split among them, `copy*` where the rows
//! of a COPY go.

mod array;
mod bind;
mod bind_copy;
mod bind_expr;
mod bind_from;
mod bind_insert;
mod bind_merge;
mod bind_query;
mod bind_through;
mod bind_view;
mod bind_write;
pub mod cache;
mod clock;
mod collations;
mod copy;
mod copy_options;
mod cursor;
mod definition;
mod describe;
mod facts;
mod feeding;
mod fill;
mod functions;
mod gather;
mod gather_filter;
mod gather_group;
mod gather_text;
mod gather_types;
mod gather_views;
mod given;
pub mod hint;
mod leaves;
mod local;
pub mod merge;
mod moving;
mod nodes;
mod operand;
mod partial;
mod partial_text;
mod places;
pub mod plan;
mod refusal;
mod relation;
pub mod router;
mod scatter;
mod scatter_check;
mod scatter_groups;
mod scatter_keys;
mod scatter_text;
pub mod schema;
mod setting;
mod settle;
mod spread;
mod spread_check;
mod spread_copies;
mod spread_tie;
mod statements;
mod value;

use crate::sql;

/// Index of a shard within its database, in the catalog's order.
pub use crate::placement::ShardId;
pub use cache::PlanCache;
pub use clock::Timed;
pub use copy::{Copied, CopiedQuery, CopyKeys, CopyTask, NoShard};
pub use cursor::{CursorUse, Declared, Fetches};
pub use describe::describe;
pub use feeding::{Fed, Feeding};
pub use fill::{Fill, Filled};
pub use functions::is_of_large_objects;
pub use gather_text::{Gathered, Pull, PulledColumn};
pub use gather_types::Carried;
pub use given::{Carry, Given};
pub use hint::RoutingHint;
pub use leaves::Leaves;
pub use moving::{Moving, NewKey};
pub use partial_text::Finished;
pub use plan::{Plan, PlanContext, join_routes};
pub use refusal::Refusal;
pub use router::{Bounds, Parts, PartsError, Router};
pub use scatter::{Grouping, Scattered, SortKey, SortPlace, Steps};
pub use scatter_groups::Aggregated;
pub use setting::{SettingCall, SettingValue};
pub use spread::{Answer, Led, Lock, Share, Shares};
pub use value::Values;

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
    /// On all shards.
    Ddl {
        /// Each for itself: Postgres doesn't have it in a transaction, or nothing is gained by one.
        outside_transaction: bool,
        /// It may make sequences or have a table use one, or give a table constraints.
        shapes: bool,
    },
    /// LISTEN or UNLISTEN, on all shards: who listens hears what each of them is told.
    Listen {
        /// LISTEN.
        on: bool,
    },
    Transaction(sql::Transaction),
    Set(sql::Set),
    /// SHOW of a server setting runs anywhere; of `pgherd.*` is answered by the session.
    Show(sql::Ident),
    Discard(sql::Discard),
    /// The plan of what is prepared is in [`Plan::prepared`].
    Prepare {
        name: sql::Ident,
    },
    Execute {
        name: sql::Ident,
        arguments: Box<[Argument]>,
    },
    Deallocate(Option<sql::Ident>),
    Empty,
}

/// An argument of EXECUTE, as far as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    Literal(sql::LiteralSlot),
    /// With a minus before it.
    Negative(sql::LiteralSlot),
    Null,
    Other,
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

/// How several shards answer a SELECT.
#[derive(Debug, Clone, PartialEq)]
pub enum Several {
    /// Each for its own rows, which are merged.
    Merged(Scattered),
    /// One of them finishes it over the rows of all.
    Gathered(Gathered),
    /// Their groups are put together, and one of them finishes it over these.
    Finished(Finished),
}

/// Why a plan gives no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// To be answered as it is; nothing is sent.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Several shards have its rows, and can answer it together: see [`Plan::several`]. In it what is
    /// said where that can't be done.
    #[error(transparent)]
    Several(Refusal),
    /// It writes rows of several shards, and each can write its own: see [`Plan::spread`]. In it
    /// what is said where that can't be done.
    #[error(transparent)]
    Spread(Refusal),
    /// It changes shard keys, so that rows may have to go to other shards: see [`Plan::moving`]. In it
    /// what is said where that can't be done.
    #[error(transparent)]
    Moved(Refusal),
    /// It inserts the rows of a query, which has to be answered first: see [`Plan::feeding`]. In it
    /// what is said where that can't be done.
    #[error(transparent)]
    Fed(Refusal),
    /// It inserts rows whose shard key a server is to be asked for: see [`Plan::fill`]. In it what is
    /// said where that can't be done.
    #[error(transparent)]
    Unfilled(Refusal),
    /// A parameter without a type decides, and its type isn't sure: ask a server by
    /// Describe, and route again with the types.
    #[error("the types of the parameters aren't known")]
    NeedsParameterTypes,
}

impl RouteError {
    /// What is said where nobody takes another way; `None` where types are to be asked for.
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            RouteError::Refused(refusal)
            | RouteError::Several(refusal)
            | RouteError::Spread(refusal)
            | RouteError::Moved(refusal)
            | RouteError::Fed(refusal)
            | RouteError::Unfilled(refusal) => Some(refusal),
            RouteError::NeedsParameterTypes => None,
        }
    }
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
    /// It has one, that only a server can compute.
    Unknown,
    Text(&'a [u8]),
    Binary(&'a [u8]),
}
