//! Where in a text SQL's prepared statements are named. Read when it is executed and not kept
//! with a plan, since a plan is of all texts that differ in white space and literals.

use super::lexer::LexOptions;
use super::tokens::{Token, TokenKind, Tokens};

/// In a `PREPARE name [(types)] AS statement`, the byte at which the statement begins.
pub fn prepared_body(text: &[u8], options: LexOptions) -> Option<usize> {
    let mut depth = 0usize;
    let mut tokens = tokens(text, options);
    // PREPARE, and a name which may be `as` in quotes.
    tokens.next()?;
    tokens.next()?;
    while let Some(token) = tokens.next() {
        match token.kind {
            TokenKind::Punctuation(b'(') => depth += 1,
            TokenKind::Punctuation(b')') => depth = depth.saturating_sub(1),
            TokenKind::Word if depth == 0 && is(text, &token, b"as") => {
                return tokens.next().map(|body| body.start);
            }
            _ => {}
        }
    }
    None
}

/// The name behind an EXECUTE in a statement that isn't understood as a whole, lower case
/// unless in quotes.
pub fn executed_name(text: &[u8], options: LexOptions) -> Option<String> {
    let mut tokens = tokens(text, options);
    tokens.find(|token| token.kind == TokenKind::Word && is(text, token, b"execute"))?;
    let name = tokens.next()?;
    let written = String::from_utf8_lossy(name.of(text));
    match name.kind {
        TokenKind::Word => Some(written.to_ascii_lowercase()),
        TokenKind::QuotedIdent => Some(written.trim_matches('"').replace("\"\"", "\"")),
        _ => None,
    }
}

fn tokens(text: &[u8], options: LexOptions) -> impl Iterator<Item = Token> {
    let mut tokens = Tokens::new(text, 0, options);
    let next = move || tokens.next_token().ok();
    std::iter::from_fn(next).take_while(|token| token.kind != TokenKind::End)
}

fn is(text: &[u8], token: &Token, word: &[u8]) -> bool {
    token.of(text).eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_stands_behind_as() {
        let options = LexOptions { standard_conforming_strings: true };
        for (text, body) in [
            ("PREPARE p AS SELECT 1", "SELECT 1"),
            ("prepare \"as\"(numeric(10, 2), text) /* as */ as\n  VALUES ($1)", "VALUES ($1)"),
            ("PREPARE p AS SELECT 1 AS as_is", "SELECT 1 AS as_is"),
        ] {
            let at = prepared_body(text.as_bytes(), options).unwrap();
            assert_eq!(&text[at..], body);
        }
        for text in ["", "PREPARE p", "PREPARE p (int", "PREPARE p AS"] {
            assert_eq!(prepared_body(text.as_bytes(), options), None, "{text}");
        }
    }

    #[test]
    fn a_name_stands_behind_execute() {
        let options = LexOptions { standard_conforming_strings: true };
        let name = |text: &str| executed_name(text.as_bytes(), options);
        assert_eq!(name("CREATE TABLE t AS EXECUTE Get(1)").as_deref(), Some("get"));
        assert_eq!(name("EXPLAIN EXECUTE \"A \"\"b\"").as_deref(), Some("A \"b"));
        assert_eq!(name("SELECT 'execute x'"), None);
    }
}
