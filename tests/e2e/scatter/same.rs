//! What several shards answer is what one Postgres answers.

use std::sync::OnceLock;

use super::{How, Seen, answer, fill, herd};
use crate::proxy::raw::Raw;
use crate::support::{Proxy, TestHerd, Want};

/// All of the answer is the same, in any order of rows.
const ANY_ORDER: &[&str] = &[
    "SELECT * FROM things",
    "SELECT id, n, t FROM things WHERE n > 3",
    "SELECT id FROM things WHERE id IN (1, 2, 3, 4, 5, 6, 1000)",
    "SELECT id, d FROM things WHERE id = ANY (ARRAY[1, 5, 9, 14])",
    "SELECT id FROM things WHERE id = 3 OR id = 4 OR id = 5 OR id = 6 OR id = 7",
    "SELECT id /* a comment */, upper(d) AS \"Upper\", n + 1 -- another\n FROM things WHERE t IS NULL",
    "SELECT t.*, 'x'::varchar(3) FROM things t WHERE b",
    "SELECT things FROM things WHERE id < 3",
    "SELECT FROM things",
    "TABLE few",
    "SELECT * FROM nothing",
    "SELECT n, t FROM nothing WHERE n = 5",
    "SELECT * FROM few",
    "SELECT * FROM aged WHERE age BETWEEN 50 AND 160",
    "SELECT * FROM aged WHERE age < 150",
    "SELECT t.id, c.warm FROM things t JOIN colours c ON c.name = t.colour",
    "SELECT t.id, c.warm FROM things t LEFT JOIN colours c ON c.name = t.colour",
    "SELECT t.id, c.name FROM colours c RIGHT JOIN things t ON c.name = t.colour WHERE t.n = 2",
    "SELECT id, g FROM things, generate_series(1, 2) g WHERE id < 5",
    "SELECT id, generate_series(1, 2) FROM things WHERE id < 5",
    "SELECT id FROM things WHERE at > '2024-03-01' AND at < now()",
    "SELECT id, CASE WHEN n > 2 THEN 'many' ELSE 'few' END, coalesce(t, '-'), a[1] FROM things",
    "SELECT id FROM things WHERE d LIKE 'a%' AND NOT b",
    "SELECT thing_id, part, price * 2 FROM parts WHERE price > 100",
    "SELECT id FROM things LIMIT ALL",
    "SELECT id FROM things OFFSET 0",
    "SELECT id FROM things LIMIT 0",
    "SELECT id FROM things LIMIT 1000 OFFSET 0",
    "SELECT id FROM things OFFSET 10000",
    "SELECT id FROM things ORDER BY 1 LIMIT 0 OFFSET 5",
    "SELECT count(*) FROM things",
    "SELECT count(*), count(n), count(t), sum(n), sum(id), sum(small), sum(num) FROM things WHERE num < 1e10",
    "SELECT avg(n), avg(id), avg(small), avg ( id + n ) FROM things",
    "SELECT avg(price), sum(price), min(price), max(price) FROM parts",
    "SELECT min(n), max(n), min(t), max(t), min(num), max(f), min(at), max(day), min(i) FROM things",
    "SELECT bool_and(b), bool_or(b), every(n > -100), bit_and(n), bit_or(n), bit_xor(id) FROM things",
    "SELECT count(*), sum(n), max(n), avg(n), bool_or(n > 1) FROM nothing",
    "SELECT count(*), sum(n), avg(n) FROM few",
    "SELECT count(*), 5, 'x' FROM things WHERE n IN (1, 2)",
    "SELECT n, count(*) FROM things GROUP BY n",
    "SELECT colour, b, count(*), sum(n), avg(n), max(id) FROM things GROUP BY colour, b",
    "SELECT count(*), sum(id) FROM things GROUP BY n",
    "SELECT d, count(*) FROM things GROUP BY d",
    "SELECT t, count(*) AS c FROM things GROUP BY 1",
    "SELECT n % 3 AS m, count(*), min(id) FROM things GROUP BY n % 3",
    "SELECT upper(colour) AS up, count(*) FROM things GROUP BY up",
    "SELECT day, u, count(*) FROM things GROUP BY u, day",
    "SELECT lower(colour), count(*) FROM things GROUP BY 1",
    "SELECT n, n + 1, count(*) FROM things GROUP BY n",
    "SELECT generate_series(1, 2), count(*) FROM things GROUP BY 1",
    "SELECT n, count(*) FROM nothing GROUP BY n",
    "SELECT thing_id, sum(price), avg(part) FROM parts GROUP BY thing_id",
    "SELECT c.warm, count(*), sum(t.n) FROM things t LEFT JOIN colours c ON c.name = t.colour GROUP BY c.warm",
    "SELECT count(*) FROM things LIMIT 1",
    "SELECT count(*) FROM things OFFSET 1",
    "SELECT DISTINCT n FROM things",
    "SELECT DISTINCT colour, b FROM things",
    "SELECT DISTINCT * FROM few",
    "SELECT DISTINCT d FROM things WHERE n > 2",
];

/// Also in the order of rows, which the statement gives wholly.
const IN_ORDER: &[&str] = &[
    "SELECT id FROM things ORDER BY id",
    "SELECT * FROM things ORDER BY id DESC",
    "SELECT id, n FROM things ORDER BY n, id",
    "SELECT id, n FROM things ORDER BY n DESC, id DESC",
    "SELECT id, n FROM things ORDER BY n NULLS FIRST, id",
    "SELECT id, n FROM things ORDER BY n DESC NULLS LAST, id",
    "SELECT id, t FROM things ORDER BY t, id",
    "SELECT id, t FROM things ORDER BY t DESC, 1",
    "SELECT id FROM things ORDER BY t, id",
    "SELECT d FROM things ORDER BY things.t DESC NULLS LAST, things.id",
    "SELECT id FROM things ORDER BY d COLLATE \"C\", id",
    "SELECT id, f FROM things ORDER BY f, id",
    "SELECT id FROM things ORDER BY f DESC, r, id",
    "SELECT id, num FROM things ORDER BY num, id",
    "SELECT id, num FROM things ORDER BY num DESC, id",
    "SELECT id FROM things ORDER BY at, id",
    "SELECT id FROM things ORDER BY ts DESC, id",
    "SELECT id FROM things ORDER BY day, id",
    "SELECT id FROM things ORDER BY u, id",
    "SELECT id FROM things ORDER BY b DESC, id",
    "SELECT id FROM things ORDER BY by, id",
    "SELECT id FROM things ORDER BY i, id",
    "SELECT id FROM things ORDER BY c, id",
    "SELECT id FROM things ORDER BY small DESC, id LIMIT 10",
    "SELECT id, n FROM things ORDER BY 2, 1 LIMIT 7 OFFSET 3",
    "SELECT id, n FROM things ORDER BY n, id OFFSET 190",
    "SELECT id, n FROM things ORDER BY n, id OFFSET 5 ROWS FETCH NEXT 3 ROWS ONLY",
    "SELECT id FROM things ORDER BY id DESC FETCH FIRST ROW ONLY",
    "SELECT id AS n FROM things ORDER BY n LIMIT 5",
    "SELECT n AS id, id AS n FROM things ORDER BY id, n LIMIT 50",
    "SELECT n + 1 AS m, id FROM things ORDER BY m, id LIMIT 50",
    "SELECT *, n * -1 AS neg FROM things ORDER BY neg, id LIMIT 50",
    "SELECT * FROM things ORDER BY n * -1, abs(id), id LIMIT 50",
    "SELECT id FROM things WHERE id IN (4, 3, 2, 1, 9, 8, 7) ORDER BY id",
    "SELECT FROM things ORDER BY id LIMIT 3",
    "SELECT t.id FROM things t JOIN colours c ON c.name = t.colour ORDER BY c.warm, t.id",
    "SELECT t.*, c.* FROM things t LEFT JOIN colours c ON c.name = t.colour ORDER BY t.id",
    "SELECT thing_id, part FROM parts ORDER BY price DESC, thing_id, part LIMIT 20",
    "SELECT thing_id FROM parts ORDER BY (price / 3)::numeric(6,1), part, thing_id",
    "SELECT * FROM nothing ORDER BY n, t",
    "SELECT * FROM few ORDER BY n DESC",
    "SELECT age, name FROM aged ORDER BY age DESC LIMIT 4",
    "SELECT id FROM things WHERE d = 'ä' ORDER BY id -- the end",
    "SELECT n, count(*) FROM things GROUP BY n ORDER BY n",
    "SELECT n, count(*) FROM things GROUP BY n ORDER BY n DESC NULLS LAST LIMIT 3",
    "SELECT n, count(*) AS c FROM things GROUP BY n ORDER BY c DESC, 1 LIMIT 4 OFFSET 2",
    "SELECT t, sum(n), count(*) FROM things GROUP BY t ORDER BY count(*) DESC, t",
    "SELECT colour, avg(n) FROM things GROUP BY colour ORDER BY avg(n) DESC LIMIT 1",
    "SELECT thing_id, count(*) FROM parts GROUP BY thing_id HAVING count(*) > 1 ORDER BY thing_id",
    "SELECT thing_id, sum(price) / count(*), array_agg(part ORDER BY part), count(DISTINCT part) FROM parts GROUP BY thing_id ORDER BY count(*) DESC, parts.thing_id LIMIT 20 OFFSET 2",
    "SELECT p.thing_id + 1, string_agg(part::text, ',' ORDER BY part) FROM parts p GROUP BY p.thing_id, p.part % 2 ORDER BY p.thing_id, p.part % 2",
    "SELECT DISTINCT n FROM things ORDER BY n LIMIT 4 OFFSET 1",
    "SELECT DISTINCT n, b FROM things ORDER BY n DESC, b",
    "SELECT max(id) FROM things ORDER BY 1",
    "(SELECT id FROM things ORDER BY id LIMIT 3)",
    "(SELECT id FROM things) ORDER BY id LIMIT 3",
];

/// Only the first column is ordered; ties come as they like.
const TIES: &[&str] = &[
    "SELECT n, id FROM things ORDER BY n",
    "SELECT t, id FROM things ORDER BY t DESC NULLS LAST",
    "SELECT f, id FROM things ORDER BY 1 DESC",
];

/// With parameters.
const BOUND: &[(&str, &[&str])] = &[
    ("SELECT id, n FROM things WHERE n = $1 ORDER BY id", &["3"]),
    ("SELECT id FROM things WHERE id = ANY ($1::bigint[]) ORDER BY id", &["{1,2,3,4,5,77}"]),
    ("SELECT id FROM things ORDER BY id LIMIT $1", &["5"]),
    ("SELECT id FROM things ORDER BY id LIMIT $1 OFFSET $2", &["5", "7"]),
    ("SELECT id FROM things ORDER BY id OFFSET $1", &["195"]),
    ("SELECT id FROM things ORDER BY id LIMIT 4 OFFSET $1", &["2"]),
    ("SELECT id FROM things ORDER BY id LIMIT $1 OFFSET 3", &["0"]),
    ("SELECT id FROM things ORDER BY n + $1, id LIMIT 9", &["1"]),
    (
        "SELECT n, count(*), avg(id + $1) FROM things GROUP BY n ORDER BY n LIMIT $2 OFFSET $3",
        &["5", "3", "1"],
    ),
    ("SELECT count(*) FROM things WHERE n = $1 LIMIT $2", &["3", "1"]),
    ("SELECT DISTINCT n FROM things ORDER BY 1 LIMIT $1 OFFSET $2", &["3", "2"]),
    ("SELECT id, $1::text FROM things WHERE t > $2 ORDER BY t, id", &["x", "a"]),
];

/// Errors, of any place in the text; `None`: the position may differ.
const ERRORS: &[&str] = &[
    "SELECT nosuch FROM things",
    "SELECT id FROM things ORDER BY nosuch",
    "SELECT id FROM things ORDER BY id, n + nosuch LIMIT 3 OFFSET 2",
    "SELECT id FROM things WHERE 1 / (id - id) = 1",
    "SELECT id FROM things WHERE nosuch(id) = 1",
    "SELECT id FROM things ORDER BY 5",
    "SELECT id, count(*) FROM things",
    "SELECT sum(t) FROM things",
    "SELECT avg(nosuch) FROM things",
    "SELECT n, count(*) FROM things GROUP BY nosuch",
    "SELECT id FROM things ORDER BY 2, n",
    "SELECT id FROM things WHERE t = 5 ORDER BY n",
    "SELECT ('x' || n * 0)::date FROM things WHERE n IS NOT NULL ORDER BY id",
];

fn proxy() -> &'static Proxy {
    static PROXY: OnceLock<Proxy> = OnceLock::new();
    PROXY.get_or_init(|| herd().proxy())
}

/// Both sides, with the same rows.
fn sides() -> [Raw; 2] {
    static FILLED: OnceLock<(u16, u16)> = OnceLock::new();
    let (sharded, plain) = FILLED.get_or_init(|| {
        let plain = TestHerd::shared(&Want::unsharded(0));
        let plain = plain.primary("s1").expect("a node").member().port;
        let ports = (proxy().port(), plain);
        fill(&mut Raw::connect(ports.0, &[]), true);
        fill(&mut Raw::connect(ports.1, &[]), false);
        ports
    });
    [*sharded, *plain].map(|port| Raw::connect(port, &[]))
}

const TEXT: &[u16] = &[];
const BINARY: &[u16] = &[1];
const ALL: &[How] = &[
    How::Simple,
    How::Extended(TEXT),
    How::Extended(BINARY),
    How::Named(TEXT),
    How::Named(BINARY),
];

/// OIDs that users' types have on a server of its own aren't compared.
fn alike(seen: &mut Seen) {
    for column in &mut seen.columns {
        let mut words: Vec<String> = column.split(' ').map(str::to_owned).collect();
        let at = words.len() - 3;
        if words[at].parse::<u32>().is_ok_and(|oid| oid >= 16384) {
            words[at] = "user's".into();
        }
        *column = words.join(" ");
    }
}

/// Asks both sides; `arrange` takes out of the answers what isn't promised.
fn compare(statements: &[(&str, &[&str])], hows: &[How], arrange: impl Fn(&mut Seen)) {
    let [mut ours, mut plain] = sides();
    let mut wrong = Vec::new();
    for (text, parameters) in statements {
        for how in hows {
            let mut answers =
                [&mut ours, &mut plain].map(|side| answer(side, *how, text, parameters));
            answers.iter_mut().for_each(|seen| {
                alike(seen);
                arrange(seen);
            });
            let [a, b] = answers;
            if a != b {
                let diff = |a: &Seen, b: &Seen| {
                    let at = a.rows.iter().zip(&b.rows).position(|(a, b)| a != b);
                    let row = |seen: &Seen| at.map(|at| shown(&seen.rows[at]));
                    let rest = Seen { rows: Vec::new(), ..a.clone() };
                    format!(
                        "{} rows, first that differs {at:?} {:?}, {rest:?}",
                        a.rows.len(),
                        row(a)
                    )
                };
                wrong.push(format!(
                    "{how:?} {text}\n  pgherd {}\n  plain  {}",
                    diff(&a, &b),
                    diff(&b, &a)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn shown(row: &[Option<Vec<u8>>]) -> String {
    let value =
        |v: &Option<Vec<u8>>| v.as_ref().map_or("NULL".into(), |v| v.escape_ascii().to_string());
    row.iter().map(value).collect::<Vec<_>>().join("|")
}

fn plain<'a>(texts: &'a [&'a str]) -> Vec<(&'a str, &'a [&'a str])> {
    texts.iter().map(|text| (*text, &[][..])).collect()
}

#[test]
fn rows_come_from_all_shards() {
    compare(&plain(ANY_ORDER), &ALL[..2], |seen| seen.rows.sort());
    // Of a row as one value the OID of its type can't be given in binary.
    let binary: Vec<_> = plain(ANY_ORDER)
        .into_iter()
        .filter(|(text, _)| !text.starts_with("SELECT things "))
        .collect();
    compare(&binary, &ALL[2..], |seen| seen.rows.sort());
}

#[test]
fn rows_come_in_order() {
    compare(&plain(IN_ORDER), ALL, |_| ());
}

#[test]
fn ties_come_in_any_order() {
    for text in TIES {
        let [mut ours, mut plain] = sides();
        let answers = [&mut ours, &mut plain].map(|side| answer(side, How::Simple, text, &[]));
        let keys = answers
            .each_ref()
            .map(|seen| seen.rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>());
        // 0 and -0, 1.0 and 1.00 are equal.
        let zero = |key: &Option<Vec<u8>>| {
            key.as_deref().map(|k| if k == b"-0" { b"0".to_vec() } else { k.to_vec() })
        };
        let keys = keys.map(|keys| keys.iter().map(zero).collect::<Vec<_>>());
        assert_eq!(keys[0], keys[1], "{text}");
        let sorted = answers.map(|mut seen| {
            seen.rows.sort();
            seen.rows
        });
        assert_eq!(sorted[0], sorted[1], "{text}");
    }
}

#[test]
fn parameters_decide() {
    compare(BOUND, &ALL[1..], |_| ());
}

#[test]
fn each_column_may_have_its_own_format() {
    const MIXED: &[u16] = &[1, 0];
    let texts = [
        "SELECT id, num FROM things ORDER BY id",
        "SELECT id, num FROM things ORDER BY at, f, id LIMIT 30 OFFSET 3",
        "SELECT num, id FROM things ORDER BY num, id",
    ];
    compare(&plain(&texts), &[How::Extended(MIXED), How::Named(MIXED)], |_| ());
}

#[test]
fn errors_are_the_servers_own() {
    let hows = [How::Simple, How::Extended(TEXT), How::Named(BINARY)];
    // Rows may have come before it on one side and not on the other; what they look like, too.
    compare(&plain(ERRORS), &hows, |seen| {
        assert!(seen.error.is_some(), "{seen:?}");
        seen.rows.clear();
        seen.columns.clear();
    });
}

#[test]
fn limits_without_an_order_give_as_many_rows() {
    let [mut ours, _] = sides();
    for (text, count) in [
        ("SELECT id FROM things LIMIT 10", 10),
        ("SELECT id FROM things OFFSET 195", 5),
        ("SELECT id, t FROM things LIMIT 20 OFFSET 190", 10),
        ("SELECT id FROM few LIMIT 1", 1),
    ] {
        for how in ALL {
            let seen = answer(&mut ours, *how, text, &[]);
            assert_eq!(
                (seen.rows.len(), &*seen.tag),
                (count, &*format!("SELECT {count}\0")),
                "{text}"
            );
            let mut ids: Vec<_> = seen.rows.iter().map(|row| row[0].clone()).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), count, "{text}");
        }
    }
}

/// What one server finishes over rows pulled from all, by types and kinds.
const GATHERED: &[&str] = &[
    "SELECT id FROM things ORDER BY d, id",
    "SELECT id FROM things ORDER BY a, id",
    "SELECT max(d), min(a) FROM things",
    "SELECT a, count(*) FROM things GROUP BY a ORDER BY a",
    "SELECT n, unnest(ARRAY[1, 2]) AS x, count(*) FROM things GROUP BY n ORDER BY n, x",
    "SELECT t COLLATE \"C\", count(*) FROM things GROUP BY 1 ORDER BY 1",
    "SELECT array_agg(n ORDER BY id) FROM things",
    "SELECT count(DISTINCT n), sum(n) / count(*) FROM things",
    "SELECT n, count(*) FROM things GROUP BY n HAVING count(*) > 1 ORDER BY n",
    "SELECT c.name, t.id FROM colours c LEFT JOIN things t ON t.colour = c.name ORDER BY 1, 2",
    "SELECT id, row_number() OVER (ORDER BY id) FROM things ORDER BY id",
    "SELECT * FROM things WHERE id IN (SELECT thing_id FROM parts WHERE price > 3) ORDER BY id",
    "SELECT id FROM things WHERE 'now'::timestamptz > '2000-01-01' AND now() = now() ORDER BY d, id",
    "SELECT id, (SELECT count(*) FROM nothing) FROM few ORDER BY id",
    "SELECT id FROM things UNION ALL SELECT thing_id FROM parts ORDER BY 1 LIMIT 30 OFFSET 10",
    "TABLE nothing UNION TABLE nothing ORDER BY 1",
    "SELECT t.* FROM things t GROUP BY t.id ORDER BY t.id",
];

#[test]
fn what_isnt_merged_is_gathered() {
    compare(&plain(GATHERED), ALL, |_| ());
}

#[test]
fn what_no_one_server_could_say_is_refused() {
    let [mut ours, _] = sides();
    for (text, words) in [
        ("SELECT ctid FROM things", "not bound"),
        ("SELECT id FROM things TABLESAMPLE SYSTEM (50)", "not bound"),
        ("SELECT pg_column_size(d) FROM things ORDER BY a", "ordered by"),
        ("SELECT array_agg(f) FROM few f", "whole rows"),
    ] {
        let said = answer(&mut ours, How::Simple, text, &[]);
        let (code, message, _) = said.error.expect(text);
        assert!(code == "0A000" && message.contains(words), "{text}: {code} {message}");
        assert!(said.rows.is_empty() && said.ready == "I", "{text}");
    }
    let text = "SELECT id FROM things ORDER BY id LIMIT $1";
    let (code, ..) = answer(&mut ours, How::Extended(TEXT), text, &["-1"]).error.expect(text);
    assert_eq!(code, "2201W");
}

#[test]
fn in_a_transaction_it_sees_what_the_transaction_wrote() {
    let [mut ours, _] = sides();
    for how in [How::Simple, How::Extended(TEXT)] {
        let count = |ours: &mut Raw, text: &str| {
            let said = answer(ours, how, text, &[]);
            assert!(said.error.is_none(), "{text}: {:?}", said.error);
            said.rows.len()
        };
        let all = count(&mut ours, "SELECT id FROM things");
        ours.query(b"BEGIN");
        for id in 1..=5 {
            ours.query(format!("DELETE FROM things WHERE id = {id}").as_bytes());
        }
        assert_eq!(count(&mut ours, "SELECT id FROM things"), all - 5);
        // A LIMIT that has enough doesn't make the transaction fail.
        assert_eq!(count(&mut ours, "SELECT DISTINCT id FROM things LIMIT 3"), 3);
        assert_eq!(count(&mut ours, "SELECT id FROM things ORDER BY id LIMIT 3"), 3);
        let said = answer(&mut ours, how, "SELECT id / (n - n) FROM things", &[]);
        assert_eq!(said.error.map(|e| e.0).as_deref(), Some("22012"));
        assert_eq!(said.ready, "E");
        let said = answer(&mut ours, how, "SELECT id FROM things", &[]);
        assert_eq!(said.error.map(|e| e.0).as_deref(), Some("25P02"));
        assert_eq!(ours.query(b"ROLLBACK").last().map(|s| &**s), Some("Z I"));
        assert_eq!(count(&mut ours, "SELECT id FROM things"), all);
    }
}

#[test]
fn explain_shows_what_is_done() {
    let [mut ours, _] = sides();
    let text = "EXPLAIN SELECT id FROM things WHERE id IN (1, 2, 3, 4, 5, 6, 7) ORDER BY n DESC, id LIMIT 5 OFFSET 2";
    let lines = ours.query(text.as_bytes()).join("\n");
    for wanted in [
        "pgherd: shards s1, s2, s3",
        "SELECT id, (n) AS \\\"pgherd 1\\\" FROM things",
        "LIMIT 7",
        "merged: by added column 1 descending, output 1",
        "then: the first 2 rows left out",
        "then: at most 5 rows",
        "Sort Key",
    ] {
        assert!(lines.contains(wanted), "no {wanted} in {lines}");
    }
}
