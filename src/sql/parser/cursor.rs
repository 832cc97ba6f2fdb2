//! The parser's place in the tokens: looking, taking, names, bounds.

use super::keywords::{Category, Keyword, lookup};
use super::{MAX_CHAIN, MAX_NESTING};
use crate::sql::error::SqlError;
use crate::sql::literal::{Literals, split_uescape, unescape_unicode};
use crate::sql::statement::{Ident, Name, Tokens, Wording};
use crate::sql::tokens::{Token, TokenKind};

/// Identifiers are cut to this many bytes (NAMEDATALEN - 1).
const IDENT_BYTES: usize = 63;

pub(super) type Result<T> = std::result::Result<T, SqlError>;

/// A token with the keyword that it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub token: Token,
    pub keyword: Option<Keyword>,
}

pub(super) struct Parser<'a> {
    pub text: &'a [u8],
    pub literals: &'a Literals,
    tokens: Vec<Word>,
    at: usize,
    nesting: u32,
    chain: u32,
}

impl<'a> Parser<'a> {
    /// `tokens` are those of one statement; an `End` is put behind them.
    pub fn new(text: &'a [u8], literals: &'a Literals, tokens: Vec<Token>) -> Self {
        let end = tokens.last().map_or(0, |t| t.end);
        let words = tokens.into_iter().chain([Token { kind: TokenKind::End, start: end, end }]);
        let words = words.map(|token| {
            let keyword = match token.kind {
                TokenKind::Word => lookup(token.of(text)),
                _ => None,
            };
            Word { token, keyword }
        });
        Parser { text, literals, tokens: words.collect(), at: 0, nesting: 0, chain: 0 }
    }

    fn word(&self, ahead: usize) -> Word {
        let last = self.tokens.len() - 1;
        self.tokens[(self.at + ahead).min(last)]
    }

    pub fn kind(&self) -> TokenKind {
        self.word(0).token.kind
    }

    pub fn kind_ahead(&self, ahead: usize) -> TokenKind {
        self.word(ahead).token.kind
    }

    pub fn keyword(&self) -> Option<Keyword> {
        self.word(0).keyword
    }

    pub fn keyword_ahead(&self, ahead: usize) -> Option<Keyword> {
        self.word(ahead).keyword
    }

    /// The bytes of the current token.
    pub fn written(&self) -> &'a [u8] {
        self.written_ahead(0)
    }

    pub fn written_ahead(&self, ahead: usize) -> &'a [u8] {
        let token = self.word(ahead).token;
        token.of(self.text)
    }

    /// The keyword at a place that [`position`](Self::position) gave.
    pub fn keyword_at(&self, position: usize) -> Option<Keyword> {
        self.tokens.get(position).and_then(|word| word.keyword)
    }

    /// The bytes of the token at a place that [`position`](Self::position) gave.
    pub fn written_at(&self, position: usize) -> &'a [u8] {
        let token = self.tokens.get(position).map(|word| word.token);
        token.map_or(b"", |token| &self.text[token.start..token.end])
    }

    /// How an expression is written that stands in these places.
    pub fn wording(&self, tokens: &Tokens) -> Wording {
        let words = self.tokens.get(tokens.start as usize..tokens.end as usize)?;
        let mut wording = Vec::new();
        for word in words {
            if matches!(word.token.kind, TokenKind::Literal(_) | TokenKind::LiteralList(_)) {
                return None;
            }
            wording.extend_from_slice(word.token.of(self.text));
            wording.push(b' ');
        }
        Some(wording.into())
    }

    /// The kind of the token at a place that [`position`](Self::position) gave.
    pub fn kind_at(&self, position: usize) -> TokenKind {
        self.tokens.get(position).map_or(TokenKind::End, |word| word.token.kind)
    }

    pub fn position(&self) -> usize {
        self.at
    }

    /// Goes back to a place that [`position`](Self::position) gave.
    pub fn return_to(&mut self, position: usize) {
        self.at = position;
    }

    pub fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    pub fn at_end(&self) -> bool {
        self.kind() == TokenKind::End
    }

    pub fn is(&self, keyword: Keyword) -> bool {
        self.keyword() == Some(keyword)
    }

    pub fn is_punctuation(&self, b: u8) -> bool {
        self.kind() == TokenKind::Punctuation(b)
    }

    pub fn is_operator(&self, operator: &[u8]) -> bool {
        self.kind() == TokenKind::Operator && self.written() == operator
    }

    /// Takes the keyword if it is there.
    pub fn eat(&mut self, keyword: Keyword) -> bool {
        let found = self.is(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Takes the keywords if all are there, one after the other.
    pub fn eat_all(&mut self, keywords: &[Keyword]) -> bool {
        let found = keywords.iter().enumerate().all(|(i, &k)| self.keyword_ahead(i) == Some(k));
        if found {
            self.at += keywords.len();
        }
        found
    }

    pub fn eat_any(&mut self, keywords: &[Keyword]) -> bool {
        let found = self.keyword().is_some_and(|k| keywords.contains(&k));
        if found {
            self.advance();
        }
        found
    }

    /// Takes an unquoted word that is no keyword of Postgres's.
    pub fn eat_word(&mut self, word: &str) -> bool {
        let found =
            self.kind() == TokenKind::Word && self.written().eq_ignore_ascii_case(word.as_bytes());
        if found {
            self.advance();
        }
        found
    }

    pub fn eat_punctuation(&mut self, b: u8) -> bool {
        let found = self.is_punctuation(b);
        if found {
            self.advance();
        }
        found
    }

    pub fn eat_operator(&mut self, operator: &[u8]) -> bool {
        let found = self.is_operator(operator);
        if found {
            self.advance();
        }
        found
    }

    pub fn expect(&mut self, keyword: Keyword) -> Result<()> {
        if self.eat(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_all(&mut self, keywords: &[Keyword]) -> Result<()> {
        if self.eat_all(keywords) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_punctuation(&mut self, b: u8) -> Result<()> {
        if self.eat_punctuation(b) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn expect_operator(&mut self, operator: &[u8]) -> Result<()> {
        if self.eat_operator(operator) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// `syntax error at or near` the current token.
    pub fn unexpected(&self) -> SqlError {
        let token = self.word(0).token;
        SqlError::syntax(self.text, token.start, token.end)
    }

    /// A construct that Postgres may know and pgherd doesn't analyse.
    pub fn unsupported(&self, what: &str) -> SqlError {
        let offset = self.word(0).token.start;
        SqlError::unsupported(format!("{what} is not analysed"), self.text, offset)
    }

    /// Runs `parse` one level deeper. Every recursion of the parser passes here, so that no
    /// text can exhaust the stack, neither when it is parsed nor when the tree is dropped.
    pub fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting >= MAX_NESTING {
            return Err(self.over_bound("nested too deeply"));
        }
        self.nesting += 1;
        let result = parse(self);
        self.nesting -= 1;
        result
    }

    /// Counts one step of a chain that makes the tree higher without a recursion: a join,
    /// a set operation, a cast of a cast.
    pub fn count_chain(&mut self) -> Result<()> {
        if self.chain >= MAX_CHAIN {
            return Err(self.over_bound("too long a chain of joins, set operations or casts"));
        }
        self.chain += 1;
        Ok(())
    }

    fn over_bound(&self, what: &str) -> SqlError {
        let offset = self.word(0).token.start;
        SqlError::at("54001", format!("statement too complex: {what}"), self.text, offset)
            .with_hint("Split the statement, or write long alternatives as = ANY (array).")
    }

    /// One or more of what `parse` reads, apart by commas.
    pub fn comma_list<T>(
        &mut self,
        mut parse: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut list = vec![parse(self)?];
        while self.eat_punctuation(b',') {
            list.push(parse(self)?);
        }
        Ok(list)
    }

    /// A comma list in parentheses.
    pub fn parenthesised<T>(
        &mut self,
        parse: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.expect_punctuation(b'(')?;
        let list = self.comma_list(parse)?;
        self.expect_punctuation(b')')?;
        Ok(list)
    }

    /// Whether the token `ahead` may be a name, if keywords of these kinds may.
    fn is_name(&self, ahead: usize, kinds: &[Category]) -> bool {
        let word = self.word(ahead);
        match word.token.kind {
            TokenKind::QuotedIdent | TokenKind::UnicodeIdent => true,
            TokenKind::Word => word.keyword.is_none_or(|k| kinds.contains(&k.category())),
            _ => false,
        }
    }

    /// The name of a column, table or alias (`ColId`).
    pub fn is_column_id(&self, ahead: usize) -> bool {
        self.is_name(ahead, &[Category::Unreserved, Category::ColumnName])
    }

    /// The name of a function or type (`type_function_name`).
    pub fn is_type_or_function(&self, ahead: usize) -> bool {
        self.is_name(ahead, &[Category::Unreserved, Category::TypeOrFunction])
    }

    /// Any name or keyword (`ColLabel`).
    pub fn is_label(&self, ahead: usize) -> bool {
        matches!(
            self.kind_ahead(ahead),
            TokenKind::Word | TokenKind::QuotedIdent | TokenKind::UnicodeIdent
        )
    }

    /// What may be a label without AS (`BareColLabel`).
    pub fn is_bare_label(&self) -> bool {
        self.is_label(0) && self.keyword().is_none_or(Keyword::is_bare_label)
    }

    pub fn column_id(&mut self) -> Result<Ident> {
        if self.is_column_id(0) { self.take_ident() } else { Err(self.unexpected()) }
    }

    pub fn label(&mut self) -> Result<Ident> {
        if self.is_label(0) { self.take_ident() } else { Err(self.unexpected()) }
    }

    /// A name where keywords of all kinds but reserved ones may stand (`NonReservedWord`).
    pub fn non_reserved(&mut self) -> Result<Ident> {
        let kinds = [Category::Unreserved, Category::ColumnName, Category::TypeOrFunction];
        if self.is_name(0, &kinds) { self.take_ident() } else { Err(self.unexpected()) }
    }

    /// The current token as an identifier, whatever keyword it may be.
    pub fn take_ident(&mut self) -> Result<Ident> {
        let written = self.written();
        let bytes = match self.kind() {
            TokenKind::Word => written.to_ascii_lowercase(),
            TokenKind::QuotedIdent => undouble(&written[1..written.len() - 1]),
            TokenKind::UnicodeIdent => {
                let (body, escape) = split_uescape(written);
                let body = undouble(body.get(3..body.len() - 1).unwrap_or(b""));
                unescape_unicode(&body, escape).map_err(|(sqlstate, what)| {
                    let offset = self.word(0).token.start;
                    SqlError::at(sqlstate, what.to_string(), self.text, offset)
                })?
            }
            _ => return Err(self.unexpected()),
        };
        let Ok(mut ident) = String::from_utf8(bytes) else {
            let offset = self.word(0).token.start;
            let message = "invalid byte sequence for encoding \"UTF8\"".to_string();
            return Err(SqlError::at("22021", message, self.text, offset));
        };
        if ident.len() > IDENT_BYTES {
            let end = (0..=IDENT_BYTES).rev().find(|&i| ident.is_char_boundary(i)).unwrap_or(0);
            ident.truncate(end);
        }
        self.advance();
        Ok(ident.into_boxed_str())
    }

    /// `name`, `schema.name` or `catalog.schema.name` (`qualified_name`, `any_name`).
    pub fn qualified_name(&mut self) -> Result<Name> {
        let mut parts = vec![self.column_id()?];
        while self.is_punctuation(b'.') && parts.len() < 3 {
            self.advance();
            parts.push(self.label()?);
        }
        self.name_of(parts)
    }

    /// The last two parts of a name.
    pub fn name_of(&self, mut parts: Vec<Ident>) -> Result<Name> {
        let Some(name) = parts.pop() else { return Err(self.unexpected()) };
        Ok(Name { schema: parts.pop(), name })
    }

    /// The number of a `$n`.
    pub fn parameter(&mut self) -> Result<u16> {
        let digits = std::str::from_utf8(self.written().get(1..).unwrap_or(b"")).ok();
        match digits.and_then(|d| d.parse().ok()).filter(|&n| n > 0) {
            Some(number) => {
                self.advance();
                Ok(number)
            }
            None => {
                let token = self.word(0).token;
                let written = String::from_utf8_lossy(self.written());
                let message = format!("there is no parameter {written}");
                Err(SqlError::at("42P02", message, self.text, token.start))
            }
        }
    }
}

/// The inside of a quoted identifier, its doubled quotes made one.
fn undouble(inside: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(&b) = bytes.next() {
        if b == b'"' {
            bytes.next();
        }
        out.push(b);
    }
    out
}
