//! Why a text is not analysed.

use std::ops::Deref;

/// An error of the lexer or parser, as Postgres would report it.
///
/// One word: each token goes by way of a result that holds a token or this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.message)]
pub struct SqlError(Box<Told>);

/// What an error says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `42601` for a syntax error, `0A000` for what pgherd can't analyse, `54001` for a
    /// text that is over a bound, `22xxx` for a literal that can't be read.
    pub sqlstate: &'static str,
    pub message: String,
    pub hint: Option<String>,
    /// Where in the text, in characters from 1, as in ErrorResponse's field `P`.
    pub position: Option<u32>,
}

impl SqlError {
    /// An error at byte `offset` of `text`.
    pub(super) fn at(sqlstate: &'static str, message: String, text: &[u8], offset: usize) -> Self {
        let position = Some(character(text, offset));
        SqlError(Box::new(Told { sqlstate, message, hint: None, position }))
    }

    /// `syntax error at or near "…"`, in Postgres's words.
    pub(super) fn syntax(text: &[u8], start: usize, end: usize) -> Self {
        Self::near("syntax error", text, start, end)
    }

    /// `what at or near "…"`.
    pub(super) fn near(what: &str, text: &[u8], start: usize, end: usize) -> Self {
        let message = match text.get(start..end) {
            Some(near) if !near.is_empty() => {
                format!("{what} at or near \"{}\"", String::from_utf8_lossy(near))
            }
            _ => format!("{what} at end of input"),
        };
        Self::at("42601", message, text, start)
    }

    /// A construct that is known and not analysed.
    pub(super) fn unsupported(message: String, text: &[u8], offset: usize) -> Self {
        Self::at("0A000", message, text, offset)
    }

    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        self.0.hint = Some(hint.to_string());
        self
    }

    /// What it says, to keep.
    pub fn told(self) -> Told {
        *self.0
    }
}

impl Deref for SqlError {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}

/// The number of the character at byte `offset`, from 1. Bytes that are not UTF-8 count one each.
fn character(text: &[u8], offset: usize) -> u32 {
    let before = &text[..offset.min(text.len())];
    let count = before.iter().filter(|&&b| b & 0xC0 != 0x80).count();
    u32::try_from(count).unwrap_or(u32::MAX - 1) + 1
}
