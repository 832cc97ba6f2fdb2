//! What holds for any text.

use pgherd::sql::{LexOptions, LiteralKind, Scanned, parse, scan};
use proptest::prelude::*;

use crate::corpora;

fn options(conforming: bool) -> LexOptions {
    LexOptions { standard_conforming_strings: conforming }
}

/// Scans and parses all of a text, and reads all of its literals.
fn read(text: &[u8], options: LexOptions) {
    let Ok(scanned) = scan(text, options) else { return };
    let mut end = 0;
    for one in &scanned {
        assert!(one.range.start >= end && one.range.end <= text.len());
        end = one.range.end;
        let _ = parse(text, one);
        for literal in one.literals.all() {
            let _ = literal.value(text);
        }
    }
}

/// Pieces that a lexer or parser may stumble over.
const PIECES: &[&str] = &[
    "select",
    "from",
    "where",
    "insert into",
    "values",
    "update",
    "set",
    "delete",
    "with",
    "as",
    "in",
    "array",
    "any",
    "case",
    "when",
    "then",
    "end",
    "not",
    "and",
    "or",
    "is",
    "null",
    "like",
    "between",
    "union",
    "order by",
    "limit",
    "join",
    "on",
    "using",
    "create table",
    "begin",
    "atomic",
    "create function",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ".",
    "..",
    "::",
    ":=",
    "=>",
    "*",
    "+",
    "-",
    "--",
    "/*",
    "*/",
    "/",
    "<",
    ">=",
    "<>",
    "!=",
    "||",
    "@>",
    "?",
    "'",
    "''",
    "\"",
    "\"\"",
    "\\",
    "$1",
    "$",
    "$$",
    "$a$",
    "e'",
    "E'\\",
    "b'1",
    "x'f'",
    "n'a'",
    "u&'",
    "u&\"a\"",
    "uescape '!'",
    "1",
    "1.5",
    "1e5",
    ".5",
    "1..2",
    "0x1f",
    "1_0",
    "'a'",
    "'a'\n'b'",
    "t",
    "a.b",
    "\u{e9}",
    "\n",
    " ",
    "/* pgherd: key=1 */",
    "int",
    "interval",
    "'1' day",
    "double precision",
    "cast(",
    "extract(",
    "json_object(",
    "xmlelement(name a",
    "over (",
    "filter (where",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..200), c: bool) {
        read(&text, options(c));
    }

    #[test]
    fn any_pieces_are_read_without_a_panic(
        pieces in prop::collection::vec((prop::sample::select(PIECES), any::<bool>()), 0..40),
        c: bool,
    ) {
        let text: String = pieces.iter().flat_map(|(p, space)| [*p, if *space { " " } else { "" }]).collect();
        read(text.as_bytes(), options(c));
        read(format!("select {text}").as_bytes(), options(c));
    }

    #[test]
    fn integers_say_what_they_are(n: i64) {
        let text = format!("SELECT {}", n.unsigned_abs());
        let one = &scan(text.as_bytes(), LexOptions::default()).expect("scans")[0];
        let literal = &one.literals.slot(0)[0];
        let value = literal.value(text.as_bytes()).expect("a value").into_owned();
        prop_assert_eq!(value, n.unsigned_abs().to_string().into_bytes());
        let fits = i64::try_from(n.unsigned_abs()).is_ok();
        let kind = if fits { LiteralKind::Integer } else { LiteralKind::Decimal };
        prop_assert_eq!(literal.kind, kind);
    }

    /// Whatever a string says, quoting it as a client library does and reading it gives it back.
    #[test]
    fn strings_say_what_was_quoted(content in any::<String>()) {
        prop_assume!(!content.contains('\0'));
        let plain = format!("'{}'", content.replace('\'', "''"));
        let escaped = format!("E'{}'", content.replace('\\', "\\\\").replace('\'', "\\'"));
        let tagged = format!("$q1q${content}$q1q$");
        for text in [plain, escaped, tagged] {
            prop_assume!(!content.contains("$q1q"));
            let text = format!("SELECT {text}, 1");
            let one = &scan(text.as_bytes(), LexOptions::default()).expect("scans")[0];
            let value = one.literals.slot(0)[0].value(text.as_bytes()).expect("a value");
            prop_assert_eq!(value.as_ref(), content.as_bytes());
        }
    }
}

/// The text with every literal replaced by another one of its kind.
fn with_other_literals(text: &str, one: &Scanned) -> String {
    let mut out = String::new();
    let mut from = 0;
    for literal in one.literals.all() {
        let (start, end) = (literal.range.start as usize, literal.range.end as usize);
        out.push_str(&text[from..start]);
        out.push_str(match literal.kind {
            LiteralKind::String => " 'other''s -- /* $1'",
            LiteralKind::EscapeString => " E'\\'\\\\'",
            LiteralKind::National => " N'o'",
            LiteralKind::Bits => " B'0'",
            LiteralKind::Integer => " 77 ",
            LiteralKind::Decimal => " 7.7e7 ",
        });
        from = end;
    }
    out + &text[from..]
}

#[test]
fn literals_change_neither_fingerprint_nor_tree() {
    let mut compared = 0;
    for sample in corpora::all() {
        let text = &sample.text;
        let Ok(scanned) = scan(text.as_bytes(), LexOptions::default()) else { continue };
        let [one] = &scanned[..] else { continue };
        let other = with_other_literals(text, one);
        let again = scan(other.as_bytes(), LexOptions::default()).expect("scans");
        let [again] = &again[..] else { panic!("{other} is {} statements", again.len()) };
        assert_eq!(one.fingerprint, again.fingerprint, "{text}\n{other}");
        let (a, b) = (parse(text.as_bytes(), one), parse(other.as_bytes(), again));
        assert_eq!(a.ok(), b.ok(), "{text}\n{other}");
        compared += 1;
    }
    assert!(compared > 400);
}

#[test]
fn letters_and_white_space_change_no_fingerprint() {
    for sample in corpora::own() {
        let text = &sample.text;
        let plain = scan(text.as_bytes(), LexOptions::default()).expect("scans");
        let spaced = format!(" /* x */\n{text} -- y\n ; ");
        let spaced = scan(spaced.as_bytes(), LexOptions::default()).expect("scans");
        let prints = |s: &[Scanned]| s.iter().map(|s| s.fingerprint).collect::<Vec<_>>();
        assert_eq!(prints(&plain), prints(&spaced), "{text}");
        // Case says nothing outside of quotes.
        if !text.contains(['\'', '"', '$']) {
            let upper = scan(text.to_uppercase().as_bytes(), LexOptions::default()).expect("scans");
            assert_eq!(prints(&plain), prints(&upper), "{text}");
        }
    }
}

#[test]
fn cut_off_anywhere_nothing_panics() {
    for sample in corpora::own() {
        let text = sample.text.as_bytes();
        for end in (0..text.len()).step_by(1 + text.len() / 60) {
            read(&text[..end], LexOptions::default());
            read(&text[end..], LexOptions::default());
        }
    }
}

#[test]
fn every_corpus_is_read_without_a_panic() {
    let mut analysed = 0;
    let mut refused = 0;
    for sample in corpora::all() {
        for conforming in [true, false] {
            read(sample.text.as_bytes(), options(conforming));
        }
        let text = sample.text.as_bytes();
        let ok = scan(text, LexOptions::default())
            .is_ok_and(|s| s.iter().all(|one| parse(text, one).is_ok()));
        if ok {
            analysed += 1
        } else {
            refused += 1
        }
        assert!(ok || sample.corpus != "own", "{}", sample.text);
    }
    println!(
        "{analysed} analysed, {refused} refused (psql variables and syntax errors among them)"
    );
    assert!(analysed > 450);
}
