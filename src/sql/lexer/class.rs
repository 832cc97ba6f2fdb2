//! What each byte of a text can begin, or be a part of: one look into a table a byte.

/// What a byte begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Space,
    /// A word; or the prefix of a string or a name, which is one letter.
    Word,
    Digit,
    /// One of `, ( ) [ ] ;`
    Punctuation,
    Dot,
    Colon,
    /// An operator, or a comment.
    Operator,
    Quote,
    DoubleQuote,
    Dollar,
    /// Nothing.
    Stray,
}

const SPACE: u8 = 1;
const IDENT_START: u8 = 2;
const IDENT_PART: u8 = 4;
const OPERATOR: u8 = 8;

static CLASSES: [Class; 256] = tables().0;
static PARTS: [u8; 256] = tables().1;

const fn tables() -> ([Class; 256], [u8; 256]) {
    let (mut classes, mut parts) = ([Class::Stray; 256], [0; 256]);
    let mut b = 0;
    while b < 256 {
        (classes[b], parts[b]) = match b as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C => (Class::Space, SPACE),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => (Class::Word, IDENT_START | IDENT_PART),
            b'0'..=b'9' => (Class::Digit, IDENT_PART),
            b',' | b'(' | b')' | b'[' | b']' | b';' => (Class::Punctuation, 0),
            b'.' => (Class::Dot, 0),
            b':' => (Class::Colon, 0),
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*'
            | b'/' | b'%' | b'<' | b'>' | b'=' => (Class::Operator, OPERATOR),
            b'\'' => (Class::Quote, 0),
            b'"' => (Class::DoubleQuote, 0),
            b'$' => (Class::Dollar, IDENT_PART),
            _ => (Class::Stray, 0),
        };
        b += 1;
    }
    (classes, parts)
}

#[inline(always)]
pub(super) fn class(b: u8) -> Class {
    CLASSES[b as usize]
}

#[inline(always)]
pub(super) fn is_space(b: u8) -> bool {
    PARTS[b as usize] & SPACE != 0
}

#[inline(always)]
pub(super) fn is_ident_start(b: u8) -> bool {
    PARTS[b as usize] & IDENT_START != 0
}

#[inline(always)]
pub(super) fn is_ident_part(b: u8) -> bool {
    PARTS[b as usize] & IDENT_PART != 0
}

#[inline(always)]
pub(super) fn is_operator(b: u8) -> bool {
    PARTS[b as usize] & OPERATOR != 0
}

#[inline(always)]
pub(super) fn is_digit(b: u8) -> bool {
    b.is_ascii_digit()
}

/// How many bytes of `rest`, from its first on, are `part` of something.
///
/// Eight at a time, so that the end of the text is looked for once in eight bytes.
#[inline(always)]
pub(super) fn run(rest: &[u8], part: impl Fn(u8) -> bool) -> usize {
    let (chunks, tail) = rest.as_chunks::<8>();
    let mut len = 0;
    for chunk in chunks {
        if let Some(end) = chunk.iter().position(|&b| !part(b)) {
            return len + end;
        }
        len += 8;
    }
    len + tail.iter().position(|&b| !part(b)).unwrap_or(tail.len())
}
