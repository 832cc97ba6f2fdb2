//! Text → what the statement is.
//!
//! [`scan`](scan::scan) cuts a text into statements in one pass of a lexer that follows
//! Postgres's own lexical rules, lifts the literals out and computes a fingerprint.
//! [`parse`](parser::parse) turns one scanned statement into a [`Statement`].
//! Nothing here knows shards, placement or a socket.

pub mod cells;
pub mod edit;
pub mod error;
pub mod fingerprint;
pub mod form;
pub mod lexer;
pub mod literal;
pub mod parser;
pub mod prepared;
pub mod scan;
pub mod shares;
pub mod statement;
mod tokens;
pub mod visit;

pub use cells::{cells, words};
pub use edit::{Edit, Edited, Piece, edit};
pub use error::SqlError;
pub use fingerprint::Fingerprint;
pub use form::{Blank, Form};
pub use lexer::LexOptions;
pub use literal::{Literal, LiteralKind, Literals};
pub use parser::{NamePlace, names, parse};
pub use prepared::{executed_name, prepared_body};
pub use scan::{Hint, Scanned, scan, scan_single};
pub use shares::{Share, share};
pub use statement::*;
pub use visit::{Node, visit, visit_expr, visit_level, visit_outside, visit_query};
