//! One scanned statement → a [`Statement`], by Postgres's own grammar.
//!
//! Recursive descent with the precedences of `gram.y`. What isn't understood is an error,
//! never left out: the statement is then refused. No value of a literal is read, so the
//! tree depends on nothing but the fingerprint.

mod copy;
mod cursor;
mod ddl;
mod declare;
mod dml;
mod expr;
mod from;
mod function;
mod json;
mod keywords;
mod names;
mod primary;
mod select;
mod types;
mod utility;

pub use names::{NamePlace, names};

use super::error::SqlError;
use super::scan::Scanned;
use super::statement::Statement;
use super::tokens::{Token, TokenKind, Tokens};
use cursor::Parser;
use keywords::Keyword as K;

/// How deep parentheses, calls, subqueries and the like may nest. Bounds the stack: the
/// deepest tree is parsed and dropped in the 2 MB of a runtime's worker, also in a debug build.
pub const MAX_NESTING: u32 = 160;

/// How many joins, set operations and casts of casts one statement may chain: they make
/// the tree higher without nesting.
pub const MAX_CHAIN: u32 = 2_000;

/// How many tokens are parsed, folded lists counted once. Bounds the memory and time of one
/// parse: a tree takes about 100 bytes a token.
pub const MAX_TOKENS: u32 = 500_000;

/// What the statement is. `text` is the text that it was scanned from.
pub fn parse(text: &[u8], scanned: &Scanned) -> Result<Statement, SqlError> {
    let mut parser = reader(text, scanned)?;
    let statement = parser.statement()?;
    if parser.at_end() { Ok(statement) } else { Err(parser.unexpected()) }
}

/// A parser before the first token of a statement.
fn reader<'a>(text: &'a [u8], scanned: &'a Scanned) -> Result<Parser<'a>, SqlError> {
    if scanned.tokens > MAX_TOKENS {
        let message = format!("statement has more than {MAX_TOKENS} words");
        return Err(SqlError::at("54001", message, text, scanned.range.start)
            .with_hint("Split the statement, or pass long lists as one array parameter."));
    }
    let Some(text) = text.get(..scanned.range.end) else {
        return Err(SqlError::syntax(text, text.len(), text.len()));
    };
    let mut reader = Tokens::new(text, scanned.range.start, scanned.options);
    let mut tokens = Vec::with_capacity(scanned.tokens as usize + 1);
    loop {
        match reader.next_token()? {
            Token { kind: TokenKind::End, .. } => break,
            token => tokens.push(token),
        }
    }
    Ok(Parser::new(text, &scanned.literals, tokens))
}

impl Parser<'_> {
    /// Any statement, by its first word.
    fn statement(&mut self) -> cursor::Result<Statement> {
        self.nested(|p| match p.keyword() {
            _ if p.at_end() => Ok(Statement::Empty),
            Some(K::Copy) => p.copy(),
            _ if p.starts_plannable() => p.plannable(),
            Some(k) => p.utility(k),
            None => Err(p.unexpected()),
        })
    }

    /// Whether a query or data-modifying statement starts here (`PreparableStmt`).
    fn starts_plannable(&self) -> bool {
        self.starts_query()
            || matches!(self.keyword(), Some(K::Insert | K::Update | K::Delete | K::Merge))
    }
}
