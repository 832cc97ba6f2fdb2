//! The names that stand in a statement, whatever they name.

use super::cursor::Result;
use super::reader;
use crate::sql::scan::Scanned;
use crate::sql::statement::Ident;
use crate::sql::tokens::TokenKind;

/// A word or an identifier of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePlace {
    pub name: Ident,
    /// Which token it is.
    pub at: u32,
    /// A dot follows, and then a name.
    pub qualifies: bool,
}

/// All names of a statement in their order, keywords among them: any of them may name a column.
///
/// # Errors
/// As of [`parse`](super::parse).
pub fn names(text: &[u8], scanned: &Scanned) -> Result<Vec<NamePlace>> {
    let mut parser = reader(text, scanned)?;
    let mut names = Vec::new();
    while !parser.at_end() {
        if !parser.is_label(0) {
            parser.advance();
            continue;
        }
        let at = parser.position() as u32;
        let qualifies = parser.kind_ahead(1) == TokenKind::Punctuation(b'.') && parser.is_label(2);
        names.push(NamePlace { name: parser.take_ident()?, at, qualifies });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{LexOptions, scan};

    #[test]
    fn names_are_as_the_server_reads_them() {
        let text = "SELECT A.\"B\"\"c\", U&\"d\\0065\", f(x.*) FROM t -- no\n WHERE 'not' <> $1";
        let scanned = scan(text.as_bytes(), LexOptions::default()).unwrap();
        let found = names(text.as_bytes(), &scanned[0]).unwrap();
        let read: Vec<(&str, bool)> = found.iter().map(|n| (&*n.name, n.qualifies)).collect();
        let expected = [
            ("select", false),
            ("a", true),
            ("B\"c", false),
            ("de", false),
            ("f", false),
            ("x", false),
            ("from", false),
            ("t", false),
            ("where", false),
        ];
        assert_eq!(read, expected);
        assert_eq!(found[2].at, 3);
    }
}
