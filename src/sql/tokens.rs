//! The tokens of a text with its literals lifted out: what the fingerprint and the parser
//! both read, so that they can't differ.

use std::ops::Range;

use super::error::SqlError;
use super::lexer::{LexKind, LexLiteral, LexOptions, LexToken, Lexer};
use super::literal::{Literal, Literals};
use super::statement::LiteralSlot;

/// What one token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or an unquoted identifier.
    Word,
    /// `"…"`
    QuotedIdent,
    /// `U&"…"` with its UESCAPE, if it has one.
    UnicodeIdent,
    /// One literal, by slot.
    Literal(LiteralSlot),
    /// What stands between the brackets of `IN (…)` or `ARRAY[…]` when it is literals only.
    LiteralList(LiteralSlot),
    /// `$n`
    Parameter,
    /// A run of operator characters, also `=`, `<`, `=>` and the like.
    Operator,
    /// `::`
    Cast,
    /// `:=`
    ColonEquals,
    /// `..`
    DotDot,
    /// One of `, ( ) [ ] . ; :`
    Punctuation(u8),
    /// Behind the last token of the statement.
    End,
}

/// One token: its kind and the bytes it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: TokenKind,
    pub start: u32,
    pub end: u32,
}

/// Reads tokens and collects literals.
pub(super) struct Tokens<'a> {
    lexer: Lexer<'a>,
    options: LexOptions,
    /// A token that was read ahead.
    ahead: Option<Option<LexToken>>,
    /// `IN` or `ARRAY` came just now.
    list: ListState,
    pub literals: Literals,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ListState {
    No,
    AfterIn,
    AfterArray,
    /// Behind the bracket: what comes may be a list of literals, up to this closing bracket.
    Inside(u8),
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a [u8], start: usize, options: LexOptions) -> Self {
        Tokens {
            lexer: Lexer::starting_at(text, start, options),
            options,
            ahead: None,
            list: ListState::No,
            literals: Literals::default(),
        }
    }

    pub fn take_comments(&mut self) -> Vec<Range<usize>> {
        self.lexer.take_comments()
    }

    fn lex(&mut self) -> Result<Option<LexToken>, SqlError> {
        match self.ahead.take() {
            Some(token) => Ok(token),
            None => self.lexer.next_token(),
        }
    }

    /// The next token; `None` at the end of the text.
    pub fn next_token(&mut self) -> Result<Option<Token>, SqlError> {
        if let ListState::Inside(close) = self.list {
            self.list = ListState::No;
            if let Some(token) = self.list_of_literals(close)? {
                return Ok(Some(token));
            }
        }
        let Some(token) = self.lex()? else { return Ok(None) };
        let LexToken { kind, start, mut end } = token;
        let before = std::mem::replace(&mut self.list, ListState::No);
        let text = self.lexer.text();
        let kind = match kind {
            LexKind::Word => {
                self.list = match &text[start..end] {
                    w if w.eq_ignore_ascii_case(b"in") => ListState::AfterIn,
                    w if w.eq_ignore_ascii_case(b"array") => ListState::AfterArray,
                    _ => ListState::No,
                };
                TokenKind::Word
            }
            LexKind::Literal(form) => {
                end = self.behind_uescape(form == LexLiteral::Unicode, end)?;
                let literal = Literal::new(text, token, form, end, false, self.options)?;
                self.literals.push(literal);
                TokenKind::Literal(self.literals.close_slot())
            }
            LexKind::UnicodeIdent => {
                end = self.behind_uescape(true, end)?;
                TokenKind::UnicodeIdent
            }
            LexKind::QuotedIdent => TokenKind::QuotedIdent,
            LexKind::Parameter => TokenKind::Parameter,
            LexKind::Operator => TokenKind::Operator,
            LexKind::Cast => TokenKind::Cast,
            LexKind::ColonEquals => TokenKind::ColonEquals,
            LexKind::DotDot => TokenKind::DotDot,
            LexKind::Punctuation(b) => {
                self.list = match (before, b) {
                    (ListState::AfterIn, b'(') => ListState::Inside(b')'),
                    (ListState::AfterArray, b'[') => ListState::Inside(b']'),
                    _ => ListState::No,
                };
                TokenKind::Punctuation(b)
            }
        };
        Ok(Some(Token { kind, start: start as u32, end: end as u32 }))
    }

    /// Behind `UESCAPE '!'`, if that follows.
    fn behind_uescape(&mut self, unicode: bool, end: usize) -> Result<usize, SqlError> {
        if !unicode {
            return Ok(end);
        }
        let text = self.lexer.text();
        let Some(word) = self.lex()? else { return Ok(end) };
        if word.kind != LexKind::Word
            || !text[word.start..word.end].eq_ignore_ascii_case(b"uescape")
        {
            self.ahead = Some(Some(word));
            return Ok(end);
        }
        // `UESCAPE` is reserved: nothing else can follow it.
        let apart = text[end..word.start].iter().all(|b| b.is_ascii_whitespace());
        match self.lex()? {
            Some(LexToken { kind: LexKind::Literal(LexLiteral::String), start, end: behind })
                if behind == start + 3
                    && text[word.end..start].iter().all(|b| b.is_ascii_whitespace())
                    && apart
                    && is_escape_character(text[start + 1]) =>
            {
                Ok(behind)
            }
            Some(token) => Err(SqlError::near(
                "invalid Unicode escape character",
                text,
                token.start,
                token.end,
            )),
            None => Err(SqlError::syntax(text, text.len(), text.len())),
        }
    }

    /// Literals apart by commas up to the closing bracket, or nothing and nothing read.
    /// A token is looked at once here at most, and once again if this isn't such a list.
    fn list_of_literals(&mut self, close: u8) -> Result<Option<Token>, SqlError> {
        if self.ahead.is_some() {
            return Ok(None);
        }
        let retry = self.lexer.clone();
        let had = self.literals.len();
        let text = self.lexer.text();
        let mut range: Option<(usize, usize)> = None;
        loop {
            let mut token = self.lexer.next_token()?;
            let mut negative = None;
            if let Some(LexToken { kind: LexKind::Operator, start, end }) = token
                && &text[start..end] == b"-"
            {
                negative = Some(start);
                token = self.lexer.next_token()?;
            }
            let Some(LexToken { kind: LexKind::Literal(form), start, end }) = token else { break };
            let number = matches!(form, LexLiteral::Integer | LexLiteral::Decimal);
            if negative.is_some() && !number {
                break;
            }
            let behind = self.lexer.next_token()?;
            if form == LexLiteral::Unicode && matches!(behind, Some(t) if t.kind == LexKind::Word) {
                // Its UESCAPE: read as a single literal.
                break;
            }
            let lexed = LexToken { kind: LexKind::Literal(form), start, end };
            let literal = Literal::new(text, lexed, form, end, negative.is_some(), self.options)?;
            self.literals.push(literal);
            range = Some((range.map_or(negative.unwrap_or(start), |r| r.0), end));
            match behind {
                Some(LexToken { kind: LexKind::Punctuation(b','), .. }) => {}
                Some(token) if token.kind == LexKind::Punctuation(close) => {
                    self.ahead = Some(Some(token));
                    let Some((start, end)) = range else { break };
                    let slot = self.literals.close_slot();
                    let kind = TokenKind::LiteralList(slot);
                    return Ok(Some(Token { kind, start: start as u32, end: end as u32 }));
                }
                _ => break,
            }
        }
        self.literals.truncate(had);
        self.lexer = retry;
        Ok(None)
    }
}

/// Not a hex digit, a plus sign, a quote or white space.
fn is_escape_character(b: u8) -> bool {
    b.is_ascii() && !b.is_ascii_hexdigit() && !matches!(b, b'+' | b'\'' | b'"') && b > b' '
}
