//! A text → its statements, each with fingerprint, literals and hints.
//!
//! This is the one pass over the text that every statement costs; the parser runs only
//! when a fingerprint is new.

use std::fmt;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::error::SqlError;
use super::lexer::LexOptions;
use super::literal::{LiteralKind, Literals};
use super::tokens::{Token, TokenKind, Tokens};

/// Says which statements are the same but for their literals.
///
/// Half of a SHA-256 over the tokens: words folded to lower case, white space and comments
/// left out, literals as their kind only, `IN (1, 2, 3)` and `ARRAY[…]` of literals as one
/// list. A cryptographic hash, since two statements that collide would share a plan, and a
/// client could choose them so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u128);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

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
    let mut statements = Vec::new();
    let mut from = 0;
    while from < text.len() {
        let mut scanner = Scanner::new(text, from, options);
        let (scanned, next) = scanner.statement()?;
        statements.extend(scanned);
        from = next;
    }
    Ok(statements)
}

/// The statement of a text that has exactly one; `None` where it has none or several.
pub fn scan_single(text: &[u8], options: LexOptions) -> Result<Option<Scanned>, SqlError> {
    if text.len() > MAX_TEXT_BYTES {
        return Ok(None);
    }
    let (mut single, mut from) = Scanner::new(text, 0, options).statement()?;
    while from < text.len() {
        let (more, next) = Scanner::new(text, from, options).statement()?;
        if more.is_some() && single.is_some() {
            return Ok(None);
        }
        single = single.or(more);
        from = next;
    }
    Ok(single)
}

/// Token positions are 32-bit. (A message of the protocol is at most 1 GB.)
const MAX_TEXT_BYTES: usize = 1 << 30;

struct Scanner<'a> {
    text: &'a [u8],
    tokens: Tokens<'a>,
    options: LexOptions,
    normal: Normal,
    depth: i64,
    body: Body,
}

/// Follows a statement to know when a semicolon is inside the body of
/// `CREATE FUNCTION … BEGIN ATOMIC …; …; END`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    /// Not a CREATE.
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

impl<'a> Scanner<'a> {
    fn new(text: &'a [u8], from: usize, options: LexOptions) -> Self {
        Scanner {
            text,
            tokens: Tokens::new(text, from, options),
            options,
            normal: Normal::default(),
            depth: 0,
            body: Body::No,
        }
    }

    /// One statement, and where the next one may start.
    fn statement(&mut self) -> Result<(Option<Scanned>, usize), SqlError> {
        let mut hints = Vec::new();
        let mut range: Option<Range<usize>> = None;
        let mut count = 0u32;
        let next = loop {
            let token = self.tokens.next_token()?;
            let comments = self.tokens.take_comments();
            let last = match token {
                None => Some(self.text.len()),
                Some(t) if self.ends_statement(&t) => Some(t.end as usize),
                Some(_) => None,
            };
            // Between two tokens it is a comment like any other.
            if range.is_none() || last.is_some() {
                let texts = comments.into_iter().filter_map(|range| self.text.get(range));
                texts.for_each(|comment| read_hints(comment, &mut hints));
            }
            if let Some(next) = last {
                break next;
            }
            if let Some(token) = token {
                let (start, end) = (token.start as usize, token.end as usize);
                range = Some(range.map_or(start, |r| r.start)..end);
                self.follow(&token, count);
                self.normal.push(self.text, &token, &self.tokens.literals);
                count += 1;
            }
        };
        let scanned = range.map(|range| Scanned {
            range,
            fingerprint: self.normal.finish(),
            literals: std::mem::take(&mut self.tokens.literals),
            hints,
            tokens: count,
            options: self.options,
        });
        Ok((scanned, next))
    }

    fn ends_statement(&self, token: &Token) -> bool {
        token.kind == TokenKind::Punctuation(b';')
            && self.depth <= 0
            && !matches!(self.body, Body::Inside(_))
    }

    fn follow(&mut self, token: &Token, index: u32) {
        match token.kind {
            TokenKind::Punctuation(b'(' | b'[') => self.depth += 1,
            TokenKind::Punctuation(b')' | b']') => self.depth -= 1,
            TokenKind::Word if index == 0 || self.body != Body::No => {
                let word = &self.text[token.start as usize..token.end as usize];
                self.body = self.body.after(word, index);
            }
            _ if self.body == Body::Begin => self.body = Body::Routine,
            _ => {}
        }
    }
}

impl Body {
    fn after(self, word: &[u8], index: u32) -> Body {
        let is = |w: &[u8]| word.eq_ignore_ascii_case(w);
        match self {
            Body::No if index == 0 && is(b"create") => Body::Create,
            Body::Create if is(b"or") || is(b"replace") => Body::Create,
            Body::Create if is(b"function") || is(b"procedure") => Body::Routine,
            Body::Routine if is(b"begin") => Body::Begin,
            Body::Begin if is(b"atomic") => Body::Inside(1),
            Body::Begin => Body::Routine,
            Body::Routine => Body::Routine,
            Body::Inside(n) if is(b"case") => Body::Inside(n + 1),
            Body::Inside(1) if is(b"end") => Body::Routine,
            Body::Inside(n) if is(b"end") => Body::Inside(n - 1),
            Body::Inside(n) => Body::Inside(n),
            Body::No | Body::Create => Body::No,
        }
    }
}

/// The normal form of a statement, hashed in pieces.
///
/// Each token begins with a tag below 0x10, which no word or operator holds; quoted names
/// carry their length. So two different sequences of tokens never have the same form.
struct Normal {
    hash: Option<Sha256>,
    buffer: [u8; 256],
    used: usize,
}

impl Default for Normal {
    fn default() -> Self {
        Normal { hash: None, buffer: [0; 256], used: 0 }
    }
}

impl Normal {
    fn push(&mut self, text: &[u8], token: &Token, literals: &Literals) {
        let written = &text[token.start as usize..token.end as usize];
        match token.kind {
            TokenKind::Word => {
                self.byte(1);
                self.lower(written);
            }
            TokenKind::QuotedIdent | TokenKind::UnicodeIdent => {
                self.byte(if token.kind == TokenKind::QuotedIdent { 2 } else { 3 });
                self.bytes(&(written.len() as u32).to_le_bytes());
                self.bytes(written);
            }
            TokenKind::Literal(slot) | TokenKind::LiteralList(slot) => {
                let list = matches!(token.kind, TokenKind::LiteralList(_));
                self.byte(if list { 5 } else { 4 });
                let kinds = literals.slot(slot).iter().fold(0, |set, l| set | l.kind as u8);
                self.byte(kinds | KIND_MARK);
            }
            TokenKind::Parameter => {
                self.byte(6);
                let digits = written.get(1..).unwrap_or(b"");
                let zeros = digits.iter().take_while(|&&b| b == b'0').count();
                self.bytes(&digits[zeros..]);
            }
            TokenKind::Operator => {
                self.byte(7);
                self.bytes(if written == b"!=" { b"<>" } else { written });
            }
            TokenKind::Cast => self.byte(8),
            TokenKind::ColonEquals => self.byte(9),
            TokenKind::DotDot => self.byte(10),
            TokenKind::Punctuation(b) => {
                self.byte(11);
                self.byte(b);
            }
            TokenKind::End => {}
        }
    }

    /// The next `wanted` bytes of the buffer, if it still has as many.
    fn room(&mut self, wanted: usize) -> Option<&mut [u8]> {
        let start = self.used;
        let room = self.buffer.get_mut(start..start + wanted)?;
        self.used += wanted;
        Some(room)
    }

    fn bytes(&mut self, written: &[u8]) {
        match self.room(written.len()) {
            Some(room) => room.copy_from_slice(written),
            None => written.iter().for_each(|&b| self.byte(b)),
        }
    }

    fn lower(&mut self, written: &[u8]) {
        match self.room(written.len()) {
            Some(room) => {
                room.copy_from_slice(written);
                room.make_ascii_lowercase();
            }
            None => written.iter().for_each(|b| self.byte(b.to_ascii_lowercase())),
        }
    }

    fn byte(&mut self, b: u8) {
        if self.used == self.buffer.len() {
            self.hash.get_or_insert_with(Sha256::new).update(self.buffer);
            self.used = 0;
        }
        self.buffer[self.used] = b;
        self.used += 1;
    }

    fn finish(&mut self) -> Fingerprint {
        let mut hash = self.hash.take().unwrap_or_default();
        hash.update(&self.buffer[..self.used]);
        self.used = 0;
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finalize()[..16]);
        Fingerprint(u128::from_le_bytes(half))
    }
}

/// Lifts a set of kinds above the tags. [`LiteralKind`] uses the bits below.
const KIND_MARK: u8 = 0x40;
const _: () = assert!((LiteralKind::Decimal as u8) < KIND_MARK);

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
