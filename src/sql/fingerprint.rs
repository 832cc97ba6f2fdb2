//! Which statements are the same but for their literals.

use std::fmt;

use sha2::{Digest, Sha256};

use super::literal::LiteralKind;
use super::tokens::{Token, TokenKind};

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

/// The normal form of a statement, hashed in pieces.
///
/// Each token begins with a tag below 0x10, which no word or operator holds; quoted names
/// carry their length. So two different sequences of tokens never have the same form.
pub(super) struct Normal {
    /// What came before the buffer, once it was full.
    hash: Option<Sha256>,
    buffer: [u8; BUFFER_BYTES],
    used: usize,
}

/// Holds most statements whole.
const BUFFER_BYTES: usize = 256;

/// Most words are not longer.
const BLOCK: usize = 16;

/// The tag of a word.
const WORD: u8 = 1;

impl Default for Normal {
    #[inline(always)]
    fn default() -> Self {
        Normal { hash: None, buffer: [0; BUFFER_BYTES], used: 0 }
    }
}

impl Normal {
    /// Adds the next token of the statement; `kinds` is the set of kinds of a literal's slot.
    #[inline(always)]
    pub fn push(&mut self, text: &[u8], token: &Token, kinds: u8) {
        match token.kind {
            TokenKind::Word => self.word(text, token.start, token.end),
            TokenKind::QuotedIdent | TokenKind::UnicodeIdent => {
                let written = token.of(text);
                self.bytes(&[if token.kind == TokenKind::QuotedIdent { 2 } else { 3 }]);
                self.bytes(&(written.len() as u32).to_le_bytes());
                self.bytes(written);
            }
            TokenKind::Literal(_) => self.bytes(&[4, kinds | KIND_MARK]),
            TokenKind::LiteralList(_) => self.bytes(&[5, kinds | KIND_MARK]),
            TokenKind::Parameter => {
                let digits = token.of(text).get(1..).unwrap_or_default();
                let zeros = digits.iter().take_while(|&&b| b == b'0').count();
                self.bytes(&[6]);
                self.bytes(&digits[zeros..]);
            }
            TokenKind::Operator => match token.of(text) {
                [b] => self.bytes(&[7, *b]),
                b"!=" => self.bytes(b"\x07<>"),
                written => {
                    self.bytes(&[7]);
                    self.bytes(written);
                }
            },
            TokenKind::Cast => self.bytes(&[8]),
            TokenKind::ColonEquals => self.bytes(&[9]),
            TokenKind::DotDot => self.bytes(&[10]),
            TokenKind::Punctuation(b) => self.bytes(&[11, b]),
            TokenKind::End => {}
        }
    }

    #[inline(always)]
    fn bytes(&mut self, written: &[u8]) {
        match self.room(written.len()) {
            Some(room) => room.copy_from_slice(written),
            None => self.spill(written),
        }
    }

    /// The word from `start` to `end` of `text` in lower case, behind its tag.
    ///
    /// A block at once where the text has one: what is behind the word is written, too, and
    /// then overwritten by what follows.
    #[inline(always)]
    fn word(&mut self, text: &[u8], start: usize, end: usize) {
        let len = end - start;
        if len <= BLOCK
            && self.used < BUFFER_BYTES - BLOCK
            && let Some(block) = text.get(start..start + BLOCK)
        {
            self.buffer[self.used] = WORD;
            let room = &mut self.buffer[self.used + 1..][..BLOCK];
            room.copy_from_slice(block);
            room.make_ascii_lowercase();
            self.used += 1 + len;
        } else {
            self.any_word(text.get(start..end).unwrap_or_default());
        }
    }

    fn any_word(&mut self, word: &[u8]) {
        self.bytes(&[WORD]);
        match self.room(word.len()) {
            Some(room) => {
                room.iter_mut().zip(word).for_each(|(to, from)| *to = from.to_ascii_lowercase());
            }
            None => self.spill(&word.to_ascii_lowercase()),
        }
    }

    /// The next `wanted` bytes of the buffer, if it still has as many.
    #[inline(always)]
    fn room(&mut self, wanted: usize) -> Option<&mut [u8]> {
        let room = self.buffer.get_mut(self.used..)?.get_mut(..wanted)?;
        self.used += wanted;
        Some(room)
    }

    /// Hashes what the buffer has, and then `written`.
    #[cold]
    fn spill(&mut self, written: &[u8]) {
        let hash = self.hash.get_or_insert_default();
        hash.update(&self.buffer[..self.used]);
        hash.update(written);
        self.used = 0;
    }

    /// The fingerprint of what was pushed.
    pub fn finish(&mut self) -> Fingerprint {
        let rest = &self.buffer[..self.used];
        let hash = match &mut self.hash {
            None => finish(&mut Sha256::new(), rest),
            Some(hash) => finish(hash, rest),
        };
        Fingerprint(u128::from_le_bytes(hash))
    }
}

/// The first half of the hash.
fn finish(hash: &mut Sha256, rest: &[u8]) -> [u8; 16] {
    hash.update(rest);
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize_reset()[..16]);
    half
}

/// Lifts a set of kinds above the tags. [`LiteralKind`] uses the bits below.
const KIND_MARK: u8 = 0x40;
const _: () = assert!((LiteralKind::Decimal as u8) < KIND_MARK);
