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
    pub start: usize,
    pub end: usize,
}

impl Token {
    /// The token's bytes in its text.
    #[inline(always)]
    pub fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start..self.end]
    }
}

/// Reads tokens and collects literals.
pub(super) struct Tokens<'a> {
    lexer: Lexer<'a>,
    options: LexOptions,
    list: ListState,
    pub literals: Literals,
    /// The kinds of the literals in the slot that was read last, as a set.
    pub kinds: u8,
}

/// How far the beginning of a list that may be folded has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListState {
    No,
    AfterIn,
    AfterArray,
    /// Behind `IN (`
    InParens,
    /// Behind `ARRAY [`
    InBrackets,
}

impl ListState {
    #[inline(always)]
    fn after_word(text: &[u8], word: &LexToken) -> ListState {
        match word.end - word.start {
            2 if word.of(text).eq_ignore_ascii_case(b"in") => ListState::AfterIn,
            5 if word.of(text).eq_ignore_ascii_case(b"array") => ListState::AfterArray,
            _ => ListState::No,
        }
    }

    #[inline(always)]
    fn after_punctuation(self, b: u8) -> ListState {
        match (self, b) {
            (ListState::AfterIn, b'(') => ListState::InParens,
            (ListState::AfterArray, b'[') => ListState::InBrackets,
            _ => ListState::No,
        }
    }

    /// The bracket that closes a list of literals, where one may begin.
    #[inline(always)]
    fn closing(self) -> Option<u8> {
        match self {
            ListState::InParens => Some(b')'),
            ListState::InBrackets => Some(b']'),
            _ => None,
        }
    }
}

impl<'a> Tokens<'a> {
    #[inline(always)]
    pub fn new(text: &'a [u8], start: usize, options: LexOptions) -> Self {
        Tokens {
            lexer: Lexer::new(text, start, options),
            options,
            list: ListState::No,
            literals: Literals::default(),
            kinds: 0,
        }
    }

    /// The comments for pgherd that were passed since they were last taken.
    pub fn take_comments(&mut self) -> Vec<Range<usize>> {
        self.lexer.take_comments()
    }

    /// Whether nothing is left of the text, not even white space.
    pub fn at_end(&self) -> bool {
        self.lexer.at_end()
    }

    /// The next token; [`TokenKind::End`] at the end of the text, however often it is asked.
    #[inline(always)]
    pub fn next_token(&mut self) -> Result<Token, SqlError> {
        let list = std::mem::replace(&mut self.list, ListState::No);
        let token = self.lexer.next_token()?;
        let LexToken { kind, start, mut end } = token;
        let kind = match kind {
            LexKind::Word => {
                self.list = ListState::after_word(self.lexer.text(), &token);
                TokenKind::Word
            }
            LexKind::Literal(_) | LexKind::Operator
                if let Some(close) = list.closing()
                    && let Some(list) = self.list_of_literals(token, close)? =>
            {
                return Ok(list);
            }
            LexKind::Literal(form) => {
                if form == LexLiteral::Unicode {
                    end = self.behind_uescape(end)?;
                }
                self.literal(Literal::new(self.lexer.text(), token, form, end, self.options)?)
            }
            LexKind::UnicodeIdent => {
                end = self.behind_uescape(end)?;
                TokenKind::UnicodeIdent
            }
            LexKind::Punctuation(b) => {
                self.list = list.after_punctuation(b);
                TokenKind::Punctuation(b)
            }
            LexKind::QuotedIdent => TokenKind::QuotedIdent,
            LexKind::Parameter => TokenKind::Parameter,
            LexKind::Operator => TokenKind::Operator,
            LexKind::Cast => TokenKind::Cast,
            LexKind::ColonEquals => TokenKind::ColonEquals,
            LexKind::DotDot => TokenKind::DotDot,
            LexKind::End => TokenKind::End,
        };
        Ok(Token { kind, start, end })
    }

    #[inline(always)]
    fn literal(&mut self, literal: Literal) -> TokenKind {
        self.kinds = literal.kind as u8;
        self.literals.push(literal);
        TokenKind::Literal(self.literals.close_slot())
    }

    /// The next lexical token, where tokens are looked at ahead: not inlined there, too.
    fn lex(&mut self) -> Result<LexToken, SqlError> {
        self.lexer.next_token()
    }

    /// Behind `UESCAPE '!'` if that follows, else `end`.
    fn behind_uescape(&mut self, end: usize) -> Result<usize, SqlError> {
        let text = self.lexer.text();
        let behind = self.lexer.mark();
        let word = self.lex()?;
        if word.kind != LexKind::Word || !word.of(text).eq_ignore_ascii_case(b"uescape") {
            self.lexer.back_to(behind);
            return Ok(end);
        }
        // `UESCAPE` is reserved: nothing else can follow it.
        let escape = self.lex()?;
        let only_space =
            |from: usize, to: usize| text[from..to].iter().all(|b| b.is_ascii_whitespace());
        match escape.kind {
            LexKind::Literal(LexLiteral::String)
                if matches!(escape.of(text), [_, b, _] if is_escape_character(*b))
                    && only_space(end, word.start)
                    && only_space(word.end, escape.start) =>
            {
                Ok(escape.end)
            }
            LexKind::End => Err(SqlError::syntax(text, text.len(), text.len())),
            _ => {
                let what = "invalid Unicode escape character";
                Err(SqlError::near(what, text, escape.start, escape.end))
            }
        }
    }

    /// Literals apart by commas from `first` up to the closing bracket, or nothing and nothing
    /// read. A token is looked at once here at most, and once again if this isn't such a list.
    fn list_of_literals(&mut self, first: LexToken, close: u8) -> Result<Option<Token>, SqlError> {
        let (behind, had) = (self.lexer.mark(), self.literals.len());
        let list = self.literals_up_to(close, first)?;
        if list.is_none() {
            self.literals.truncate(had);
            self.lexer.back_to(behind);
        }
        Ok(list)
    }

    fn literals_up_to(&mut self, close: u8, first: LexToken) -> Result<Option<Token>, SqlError> {
        let text = self.lexer.text();
        let mut kinds = 0;
        let mut token = first;
        loop {
            let negative = token.kind == LexKind::Operator && token.of(text) == b"-";
            if negative {
                token = self.lex()?;
            }
            let LexKind::Literal(form) = token.kind else { return Ok(None) };
            if negative && !matches!(form, LexLiteral::Integer | LexLiteral::Decimal) {
                return Ok(None);
            }
            let before = self.lexer.mark();
            let comma = self.lexer.take_byte(b',');
            let behind = if comma { LexKind::Punctuation(b',') } else { self.lex()?.kind };
            if form == LexLiteral::Unicode && behind == LexKind::Word {
                // Its UESCAPE: read as a single literal.
                return Ok(None);
            }
            let mut literal = Literal::new(text, token, form, token.end, self.options)?;
            literal.negative = negative;
            kinds |= literal.kind as u8;
            self.literals.push(literal);
            match behind {
                LexKind::Punctuation(b',') => token = self.lexer.next_token()?,
                LexKind::Punctuation(b) if b == close => {
                    self.lexer.back_to(before);
                    self.kinds = kinds;
                    let kind = TokenKind::LiteralList(self.literals.close_slot());
                    return Ok(Some(Token { kind, start: first.start, end: token.end }));
                }
                _ => return Ok(None),
            }
        }
    }
}

/// Not a hex digit, a plus sign, a quote or white space.
fn is_escape_character(b: u8) -> bool {
    b.is_ascii() && !b.is_ascii_hexdigit() && !matches!(b, b'+' | b'\'' | b'"') && b > b' '
}
