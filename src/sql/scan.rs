//! A text → its statements, each with fingerprint, literals and hints.
//!
//! This is the one pass over the text that every statement costs; the parser runs only
//! when a fingerprint is new.

use std::ops::Range;

use super::error::SqlError;
use super::fingerprint::{Fingerprint, Normal};
use super::lexer::LexOptions;
use super::literal::Literals;
use super::tokens::{Token, TokenKind, Tokens};

/// `/* pgherd: name=value */` before the first or behind the last token of a statement,
/// before its semicolon. Elsewhere, and within a literal or another comment, it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Lower case.
    pub name: Box<str>,
    /// As written, without its quotes.
    pub value: Box<str>,
}

/// One statement of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Scanned {
    /// Its bytes in the text, from its first token to its last, without the semicolon.
    pub range: Range<usize>,
    pub fingerprint: Fingerprint,
    pub literals: Literals,
    pub hints: Vec<Hint>,
    /// The number of tokens, a folded list counted once.
    pub tokens: u32,
    /// How the text was read; the parser reads it the same way.
    pub options: LexOptions,
}

/// The statements of a text, in order. Empty ones (`;;`, white space, comments) are left
/// out: a text without any yields none.
pub fn scan(text: &[u8], options: LexOptions) -> Result<Vec<Scanned>, SqlError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(SqlError::at("54000", "statement too long".into(), text, 0));
    }
    let mut scanner = Scanner::new(text, options);
    let mut statements = Vec::new();
    while let Some(scanned) = scanner.statement()? {
        statements.push(scanned);
    }
    Ok(statements)
}

/// The statement of a text that has exactly one; `None` where it has none or several.
pub fn scan_single(text: &[u8], options: LexOptions) -> Result<Option<Scanned>, SqlError> {
    if text.len() > MAX_TEXT_BYTES {
        return Ok(None);
    }
    let mut scanner = Scanner::new(text, options);
    let mut single = scanner.statement();
    if matches!(single, Ok(Some(_))) && !scanner.tokens.at_end() {
        match scanner.statement() {
            Ok(None) => {}
            Ok(Some(_)) => single = Ok(None),
            Err(error) => single = Err(error),
        }
    }
    single
}

/// Positions of literals are 32-bit. (A message of the protocol is at most 1 GB.)
const MAX_TEXT_BYTES: usize = 1 << 30;

/// Goes through a text, statement by statement.
struct Scanner<'a> {
    text: &'a [u8],
    tokens: Tokens<'a>,
    options: LexOptions,
}

impl<'a> Scanner<'a> {
    #[inline(always)]
    fn new(text: &'a [u8], options: LexOptions) -> Self {
        let tokens = Tokens::new(text, 0, options);
        Scanner { text, tokens, options }
    }

    /// The next statement that isn't empty; `None` at the end of the text.
    fn statement(&mut self) -> Result<Option<Scanned>, SqlError> {
        let mut nesting = Nesting::default();
        let mut normal = Normal::default();
        let (mut start, mut end) = (0, 0);
        let mut count = 0;
        loop {
            let token = self.tokens.next_token()?;
            let at_end = token.kind == TokenKind::End;
            if at_end || token.kind == TokenKind::Punctuation(b';') && !nesting.is_inside() {
                if count > 0 {
                    return Ok(Some(self.scanned(start..end, normal.finish(), count)));
                } else if at_end {
                    return Ok(None);
                }
                self.tokens.take_comments();
                continue;
            }
            if count == 0 {
                start = token.start;
                nesting.begin(self.text, &token);
            } else {
                nesting.follow(self.text, &token);
            }
            end = token.end;
            normal.push(self.text, &token, self.tokens.kinds);
            count += 1;
        }
    }

    /// The statement that ended, with what was collected of it.
    #[inline(always)]
    fn scanned(&mut self, range: Range<usize>, fingerprint: Fingerprint, tokens: u32) -> Scanned {
        let comments = self.tokens.take_comments();
        Scanned {
            fingerprint,
            literals: std::mem::take(&mut self.tokens.literals),
            hints: hints(self.text, &comments, &range),
            range,
            tokens,
            options: self.options,
        }
    }
}

/// Follows a statement to know which semicolon ends it.
#[derive(Default)]
struct Nesting {
    /// How many brackets are open.
    depth: i64,
    body: Body,
}

/// Where a semicolon may be inside the body of `CREATE FUNCTION … BEGIN ATOMIC …; …; END`.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Body {
    /// Not a CREATE.
    #[default]
    No,
    /// CREATE so far: a function or procedure may follow.
    Create,
    /// CREATE FUNCTION or PROCEDURE.
    Routine,
    /// BEGIN came in it.
    Begin,
    /// Inside the body, this many CASE or BEGIN deep.
    Inside(u32),
}

impl Nesting {
    /// Whether a semicolon is a part of the statement here.
    #[inline(always)]
    fn is_inside(&self) -> bool {
        self.depth > 0 || matches!(self.body, Body::Inside(_))
    }

    /// The first token of the statement.
    #[inline(always)]
    fn begin(&mut self, text: &[u8], token: &Token) {
        if token.kind == TokenKind::Word && token.of(text).eq_ignore_ascii_case(b"create") {
            self.body = Body::Create;
        }
        self.bracket(token.kind);
    }

    /// Any other.
    #[inline(always)]
    fn follow(&mut self, text: &[u8], token: &Token) {
        self.bracket(token.kind);
        if self.body != Body::No {
            self.body = self.body.after(token.kind, token.of(text));
        }
    }

    #[inline(always)]
    fn bracket(&mut self, token: TokenKind) {
        match token {
            TokenKind::Punctuation(b'(' | b'[') => self.depth += 1,
            TokenKind::Punctuation(b')' | b']') => self.depth -= 1,
            _ => {}
        }
    }
}

impl Body {
    fn after(self, kind: TokenKind, word: &[u8]) -> Body {
        let is = |w: &[u8]| word.eq_ignore_ascii_case(w);
        match (self, kind) {
            (body, TokenKind::Punctuation(b'(' | b'[' | b')' | b']')) => body,
            (Body::Begin, TokenKind::Word) if is(b"atomic") => Body::Inside(1),
            (Body::Begin, _) => Body::Routine,
            (body, TokenKind::Word) => match body {
                Body::Create if is(b"or") || is(b"replace") => Body::Create,
                Body::Create if is(b"function") || is(b"procedure") => Body::Routine,
                Body::Create => Body::No,
                Body::Routine if is(b"begin") => Body::Begin,
                Body::Inside(n) if is(b"case") => Body::Inside(n + 1),
                Body::Inside(1) if is(b"end") => Body::Routine,
                Body::Inside(n) if is(b"end") => Body::Inside(n - 1),
                body => body,
            },
            (body, _) => body,
        }
    }
}

/// The hints of the comments that stand before or behind a statement. One between two tokens
/// is a comment like any other.
fn hints(text: &[u8], comments: &[Range<usize>], statement: &Range<usize>) -> Vec<Hint> {
    let mut hints = Vec::new();
    for comment in comments {
        let outside = comment.end <= statement.start || statement.end <= comment.start;
        if outside && let Some(comment) = text.get(comment.clone()) {
            read_hints(comment, &mut hints);
        }
    }
    hints
}

/// Reads `/* pgherd: shard=s1, key='4 2' */`. Anything else is a comment.
fn read_hints(comment: &[u8], hints: &mut Vec<Hint>) {
    let Ok(comment) = std::str::from_utf8(comment) else { return };
    let inner = comment.trim_start_matches("/*").trim_end_matches("*/").trim();
    let Some(mut rest) = inner.strip_prefix("pgherd:") else { return };
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
        let Some((name, value)) = rest.split_once('=') else { break };
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('\'').and_then(|v| v.split_once('\'')) {
            Some((value, behind)) => (value, behind),
            None => value.split_at(value.find([' ', ',', '\n', '\t']).unwrap_or(value.len())),
        };
        let name = name.trim().to_ascii_lowercase().into_boxed_str();
        hints.push(Hint { name, value: value.into() });
        rest = behind;
    }
    if !rest.is_empty() {
        // Kept, so that a hint that is misspelt can be refused and isn't ignored.
        hints.push(Hint { name: rest.trim().to_ascii_lowercase().into(), value: "".into() });
    }
}
