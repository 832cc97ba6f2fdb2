//! Client encodings, byte for byte, beside a connection to the server itself.

use std::sync::OnceLock;
use std::time::Duration;

use pgherd::wire::frontend::{self, Format};
use pgherd::wire::startup::write_startup;

use super::common::proxy as sharded;
use super::raw::{Raw, shown, tcp};
use crate::support::{Proxy, TestHerd, Want};

fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::unsharded(0))
}

/// A proxy that also serves databases in other encodings.
fn proxy() -> &'static Proxy {
    static PROXY: OnceLock<Proxy> = OnceLock::new();
    PROXY.get_or_init(|| {
        let node = herd().nodes().remove(0);
        let mut more = String::new();
        for name in ["latin1", "sql_ascii", "euc_jp"] {
            let made = format!(
                "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{name}'
                 LC_COLLATE 'C' LC_CTYPE 'C'"
            );
            node.query(&made, Duration::from_secs(120)).expect("made");
            more += &format!(
                "\n[database.{name}]\ncatalog = \"{name}.json\"\n
                 [[database.{name}.user]]\nname = \"pgherd\"\npassword = \"pgherd\"\n
                 [[database.{name}.shard]]\nname = \"s1\"\nnodes = [\"127.0.0.1:{}\"]\n",
                node.member().port
            );
        }
        herd().proxy_with(|text| text + &more)
    })
}

fn connect(port: u16, database: &str, encoding: &str) -> Raw {
    let mut raw = Raw::over(tcp(port));
    let mut parameters = vec![("user", "pgherd"), ("database", database)];
    if !encoding.is_empty() {
        parameters.push(("client_encoding", encoding));
    }
    write_startup(&mut raw.output, parameters);
    raw.prove("pgherd", Some("pgherd")).expect("let in");
    raw
}

/// Through pgherd, and to the server itself.
fn both(database: &str, encoding: &str) -> [Raw; 2] {
    let direct = herd().nodes().remove(0).member().port;
    [proxy().port(), direct].map(|port| connect(port, database, encoding))
}

/// Encodings and a few characters in each: where there are such, with a second byte that is a
/// backslash, a letter, a digit or a bar.
const SAMPLES: &[(&str, &[u8])] = &[
    ("UTF8", "\u{e9}\u{8868}\u{1f418}".as_bytes()),
    ("LATIN1", b"\xe9\xdf"),
    ("LATIN9", b"\xa4\xe9"),
    ("WIN1252", b"\x80\xe9"),
    ("WIN1251", b"\xc6\xf8"),
    ("KOI8R", b"\xc6\xd8"),
    ("EUC_JP", b"\xc9\xbd\xbc\xa8\x8e\xb1"),
    ("EUC_CN", b"\xb1\xed"),
    ("EUC_KR", b"\xc7\xa5"),
    ("EUC_TW", b"\xc5\xe9"),
    ("SJIS", b"\x95\\\x94\\\xb1\x83|\x83@"),
    ("SHIFT_JIS_2004", b"\x95\\\x83|"),
    ("BIG5", b"\xa5\\\xb3\\\xa7A"),
    ("GBK", b"\xd5\\\x81|"),
    ("UHC", b"\x8ca\xb0\xa1"),
    ("GB18030", b"\x810\x848\xd5\\\x81|"),
    ("JOHAB", b"\xa1\xa1\xa1\xa2"),
];

fn text(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn every_encoding_is_passed_on_byte_for_byte() {
    for (encoding, sample) in SAMPLES {
        let s = *sample;
        // Where a backslash hides, so that a reader who doesn't know would see no end, or another.
        let statements = [
            text(&[b"SELECT '", s, b"', length('", s, b"'), '", s, b"'::text AS \"", s, b"\""]),
            text(&[b"SELECT E'", s, b"', E'\\\\", s, b"\\'' /* ", s, b" */ -- ", s]),
            text(&[b"SELECT '", s, b"' \\; SELECT $a$", s, b"$a$"]).replace(b"\\;", b";"),
            text(&[b"SET app.word = E'", s, b"'"]),
            b"SHOW app.word".to_vec(),
            text(&[b"BEGIN; SET LOCAL app.word = '", s, b"-'; SELECT '", s, b"'"]),
            b"SHOW app.word".to_vec(),
            b"ROLLBACK".to_vec(),
            b"SHOW app.word".to_vec(),
            text(&[b"SELECT 1 AS ", s]),
            text(&[b"SELECT '", s, b"' FROM \"", s, b" not there\""]),
            b"SHOW client_encoding".to_vec(),
            text(&[b"SELECT convert_to('", s, b"', 'UTF8')"]),
        ];
        let [mut ours, mut theirs] = both("app", encoding);
        for statement in &statements {
            // Others use the same connections in other encodings.
            let mut other = connect(proxy().port(), "app", "UTF8");
            assert_eq!(other.query("SELECT 'é', length('é')".as_bytes())[1], "D \\xc3\\xa9|1");
            assert_eq!(
                ours.query(statement),
                theirs.query(statement),
                "{encoding}: {}",
                statement.escape_ascii()
            );
        }
        // Prepared, and with parameters.
        let parsed = text(&[b"SELECT $1::text, '", s, b"', E'", s, b"'"]);
        let mut answers = [&mut ours, &mut theirs].map(|raw| {
            for _ in 0..2 {
                frontend::parse(&mut raw.output, b"", &parsed, &[]).expect("short");
                let values = [Some(s)];
                frontend::bind(&mut raw.output, b"", b"", Format::Text, &values, Format::Text)
                    .expect("short");
                frontend::execute(&mut raw.output, b"", 0);
            }
            frontend::sync(&mut raw.output);
            shown(&raw.until_ready(1))
        });
        assert_eq!(answers[0], answers[1], "{encoding}");
        assert!(answers[0].remove(2).starts_with("D "), "{encoding}");
    }
}

trait Replace {
    fn replace(self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace(self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = self.windows(from.len()).position(|w| w == from).expect("it is there");
        [&self[..at], to, &self[at + from.len()..]].concat()
    }
}

#[test]
fn what_hides_in_a_character_is_no_statement() {
    // The server sees a string and a SET; who takes the second byte for a backslash sees
    // nothing but a string without an end.
    let set: &[u8] = b"SELECT E'\x95\\'; SET app.hidden = 'seen'";
    let [mut ours, mut theirs] = both("app", "SJIS");
    assert_eq!(ours.query(set), theirs.query(set));
    for _ in 0..5 {
        // It follows its client, and nobody else.
        assert_eq!(ours.query(b"SHOW app.hidden")[1], "D seen");
        let mut other = connect(proxy().port(), "app", "");
        let hidden = b"SELECT current_setting('app.hidden', true) IS NOT DISTINCT FROM 'seen'";
        assert_eq!(other.query(hidden)[1], "D f");
    }
    // A transaction in one text, which is as long as it seems.
    let begin: &[u8] = b"SELECT E'\x95\\'; BEGIN; SELECT E'\x95\\'";
    assert_eq!(ours.query(begin).last().map(String::as_str), Some("Z T"));
    assert_eq!(ours.query(b"COMMIT"), ["C COMMIT", "Z I"]);
}

#[test]
fn a_client_may_change_its_encoding() {
    let [mut ours, mut theirs] = both("app", "");
    let mut same = |statement: &[u8]| {
        let answer = ours.query(statement);
        assert_eq!(answer, theirs.query(statement), "{}", statement.escape_ascii());
        answer
    };
    same(b"SHOW client_encoding");
    same(b"SET client_encoding = 'SJIS'");
    assert_eq!(same(b"SELECT E'\x95\\'")[1], "D \\x95\\\\");
    same(b"SET NAMES 'LATIN1'");
    same(b"SELECT '\xe9', length('\xe9')");
    same(b"BEGIN");
    same(b"SET LOCAL client_encoding = 'UTF8'");
    same("SELECT 'é', length('é')".as_bytes());
    same(b"ROLLBACK");
    same(b"SELECT '\xe9', length('\xe9')");
    same(b"SET app.word = '\xe9'");
    same(b"SHOW app.word");
    same(b"SELECT 1 / 0 AS \"\xe9\"");
    // It is kept in the encoding that it was said in.
    let refused = ours.query(b"SET client_encoding = 'UTF8'");
    assert!(refused[0].contains("be changed after a setting"), "{refused:?}");
    ours.query(b"RESET app.word");
    assert_eq!(
        ours.query(b"RESET client_encoding"),
        ["C RESET", "S client_encoding\\x00UTF8\\x00", "Z I"]
    );
    // In one pipeline, too: what follows is read anew.
    let [mut ours, mut theirs] = both("app", "");
    let answers = [&mut ours, &mut theirs].map(|raw| {
        for text in
            [&b"SET client_encoding = 'SJIS'"[..], b"SELECT E'\x95\\'", b"SHOW client_encoding"]
        {
            frontend::parse(&mut raw.output, b"", text, &[]).expect("short");
            frontend::bind(&mut raw.output, b"", b"", Format::Text, &[], Format::Text)
                .expect("short");
            frontend::execute(&mut raw.output, b"", 0);
        }
        frontend::sync(&mut raw.output);
        shown(&raw.until_ready(1))
    });
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn one_text_is_another_in_another_encoding() {
    // The same bytes, prepared by clients of two encodings.
    let text = "SELECT 'é'::text, length('é')".as_bytes();
    for _ in 0..2 {
        for (encoding, length) in [("UTF8", "1"), ("LATIN1", "2"), ("UTF8", "1")] {
            let mut raw = connect(proxy().port(), "app", encoding);
            frontend::parse(&mut raw.output, b"named", text, &[]).expect("short");
            frontend::bind(&mut raw.output, b"", b"named", Format::Text, &[], Format::Text)
                .expect("short");
            frontend::execute(&mut raw.output, b"", 0);
            frontend::sync(&mut raw.output);
            let answer = shown(&raw.until_ready(1));
            assert_eq!(answer[2], format!("D \\xc3\\xa9|{length}"), "{encoding}");
        }
    }
}

#[test]
fn names_that_can_not_be_read_are_refused_where_they_decide() {
    let [mut ours, _] = both("app", "SJIS");
    ours.query(b"BEGIN");
    let refused = ours.query(b"SAVEPOINT \x95\\");
    assert!(refused[0].starts_with("E 0A000 a name outside ASCII"), "{refused:?}");
    ours.query(b"ROLLBACK");
    assert_eq!(ours.query(b"SELECT '\x95\\' AS \x95\\")[0], "T");

    let mut on_three = connect(sharded().port(), "app", "LATIN1");
    let refused = on_three.query("SELECT * FROM é".as_bytes());
    assert!(refused[0].starts_with("E 0A000 a name outside ASCII"), "{refused:?}");
    assert_eq!(on_three.query(b"SELECT '\xe9', length('\xe9')")[1], "D \\xe9|1");
    let refused = on_three.query(b"SET client_encoding = 'BIG5'");
    assert!(refused[0].starts_with("E 0A000"), "{refused:?}");
    let mut raw = Raw::over(tcp(sharded().port()));
    write_startup(
        &mut raw.output,
        [("user", "pgherd"), ("database", "app"), ("client_encoding", "gb18030")],
    );
    let refused = raw.prove("pgherd", Some("pgherd")).expect_err("refused");
    assert!(refused.starts_with("E 0A000"), "{refused}");
}

#[test]
fn databases_in_other_encodings() {
    for (database, encoding, sample) in [
        ("latin1", "", &b"\xe9"[..]),
        ("latin1", "UTF8", "é".as_bytes()),
        ("sql_ascii", "", b"\xe9\xff"),
        ("sql_ascii", "SQL_ASCII", b"\x95"),
        ("euc_jp", "", b"\xc9\xbd"),
        ("euc_jp", "SJIS", b"\x95\\"),
        ("euc_jp", "UTF8", "表".as_bytes()),
    ] {
        let [mut ours, mut theirs] = both(database, encoding);
        for statement in [
            b"SHOW client_encoding".to_vec(),
            b"SHOW server_encoding".to_vec(),
            text(&[b"SELECT '", sample, b"', length('", sample, b"')"]),
            text(&[b"SET app.word = '", sample, b"'"]),
            b"SHOW app.word".to_vec(),
            text(&[b"SELECT 1 AS \"", sample, b"\""]),
            text(&[b"SELECT '", sample, b"' FROM \"", sample, b"\""]),
            b"SELECT '\xff\xff\xff'".to_vec(),
        ] {
            let shown = statement.escape_ascii();
            assert_eq!(
                ours.query(&statement),
                theirs.query(&statement),
                "{database} {encoding}: {shown}"
            );
        }
    }
}
