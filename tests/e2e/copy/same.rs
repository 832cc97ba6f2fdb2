//! What psql says is what it says of one Postgres: results, counts, errors with their context.

use std::fmt::Write;

use super::place;
use crate::proxy::common::psql;

/// A script of one COPY with data; then all rows.
fn script(statement: &str, data: &str) -> String {
    let end = if data.ends_with('\n') || data.is_empty() { "" } else { "\n" };
    format!(
        "{statement};\n{data}{end}\\.\n\
         SELECT * FROM things ORDER BY id;\nSELECT part, thing_id, t, double FROM parts ORDER BY 1;\n\
         SELECT name, rank, warm FROM colours ORDER BY name COLLATE \"C\";\n"
    )
}

/// Lines `id, n, t` with so many rows, of which one is another.
fn rows(count: i64, wrong: i64, row: &str) -> String {
    let mut data = String::new();
    for id in 1..=count {
        match id == wrong {
            true => data.push_str(row),
            false => writeln!(data, "{id}\t{}\tt{id}", id % 7).expect("written"),
        }
    }
    data
}

/// All of it in one test: it works on the same tables.
#[test]
fn psql_sees_one_postgres() {
    let place = place();
    let mut told = String::new();
    for (statement, data) in [
        ("COPY things FROM STDIN", rows(50, 0, "")),
        ("COPY things FROM STDIN", rows(50, 37, "x\t1\tbad key\n")),
        ("COPY things FROM STDIN", rows(50, 37, "37\tx\tbad number\n")),
        ("COPY things FROM STDIN", rows(50, 37, "37\t1\n")),
        ("COPY things FROM STDIN", rows(50, 37, "37\n")),
        ("COPY things FROM STDIN", rows(50, 37, "37\t1\ta\tb\n")),
        ("COPY things FROM STDIN", rows(50, 37, "5\t1\ttwice\n")),
        ("COPY things FROM STDIN", rows(50, 37, "37\t1000\tcheck\n")),
        ("COPY things FROM STDIN", rows(50, 37, "\\N\t1\tnull\n")),
        ("COPY things FROM STDIN", rows(50, 37, "37\t1\tline\r\n")),
        ("COPY things FROM STDIN (HEADER)", format!("id\tn\tt\n{}", rows(50, 37, "37\tx\tt\n"))),
        ("COPY things FROM STDIN (HEADER MATCH)", format!("id\tm\tt\n{}", rows(5, 0, ""))),
        ("COPY things (id, n) FROM STDIN WHERE n > 3", "1\t2\n2\t4\n3\t5\n".into()),
        ("COPY things FROM STDIN CSV", "1,1,\"a\nb\"\n2,2,\"c\nd\ne\"\n3,x,f\n".into()),
        ("COPY things FROM STDIN CSV", "1,1,\"a\nb\"\n2,2,\"c\nd\ne\"\nx,3,\"f\ng\"\n".into()),
        ("COPY things FROM STDIN CSV", "1,1,\"a\nb\"\n2,2,\"c\nd\ne\"\n3,3,\"f\n".into()),
        ("COPY things FROM STDIN CSV HEADER", "\"i\nd\",n,t\n1,1,a\n2,2,\"c\nd\"\n3,x,f\n".into()),
        ("COPY things (n, t, id) FROM STDIN (FORMAT csv, DELIMITER ';')", "1;\"a;b\";7\n".into()),
        ("COPY parts (part) FROM STDIN", "1\n2\n".into()),
        ("COPY parts (part, thing_id) FROM STDIN", "1\t1\n2\t500\n".into()),
        ("COPY parts (part, thing_id, double) FROM STDIN", "1\t1\t2\n".into()),
        ("COPY colours (name, rank, seen) FROM STDIN", "red\t1\t2024-01-01\nblue\tx\t\\N\n".into()),
        ("COPY colours (name, rank, seen) FROM STDIN", "red\t1\t2024-01-01\nblue\t2\t\\N\n".into()),
        ("COPY nowhere FROM STDIN", String::new()),
        ("COPY things FROM STDIN (FORMAT nonsense)", String::new()),
        ("COPY things (id, m) FROM STDIN", String::new()),
        ("COPY things FROM STDIN WHERE m > 1", String::new()),
    ] {
        // What isn't in a COPY is a statement to psql.
        let fails_at_once = data.is_empty();
        let begun = "TRUNCATE things, parts, colours;\n";
        prepare(begun);
        let script = match fails_at_once {
            true => format!("{statement};\n"),
            false => script(statement, &data),
        };
        told.push_str(&place.both(&script));
    }
    for said in [
        "CONTEXT:  COPY things, line 37, column id: \"x\"",
        "CONTEXT:  COPY things, line 37, column n: \"x\"",
        "missing data for column \"t\"\nCONTEXT:  COPY things, line 37: \"37\t1\"",
        "extra data after last expected column",
        "duplicate key value violates unique constraint",
        "violates check constraint",
        "CONTEXT:  COPY things, line 38, column n: \"x\"",
        "unterminated CSV quoted field",
        "literal carriage return found in data",
        "CONTEXT:  COPY things, line 6, column id: \"x\"",
        "violates foreign key constraint",
        "is a generated column",
    ] {
        assert!(told.contains(said), "nothing says {said}: {told}");
    }
    prepare("TRUNCATE things, parts, colours;\n");
    streams_of_both_kinds();
    transactions();
    refusals();
}

/// Empties the tables on both sides.
fn prepare(text: &str) {
    let place = place();
    psql(&place.plain, text);
    for shard in ["s1", "s2", "s3"] {
        let node = place.herd.primary(shard).expect("a primary").dsn();
        assert_eq!(psql(&node, text).1, "");
    }
}

/// Out of the one and into the other, by files, in all formats.
fn streams_of_both_kinds() {
    let place = place();
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).to_string_lossy().into_owned();
    let count = 20_000;
    let fill = format!(
        "INSERT INTO things SELECT g, g % 1000, CASE g % 5 WHEN 0 THEN NULL WHEN 1 THEN \
         E'tab\\t, \"quote\" and\\nline \\\\ ' || g ELSE repeat('é', g % 50) END \
         FROM generate_series(1, {count}) g;\n"
    );
    assert_eq!(psql(&place.plain, &fill).1, "");
    let sums = "SELECT count(*), sum(id), sum(n), count(t), sum(length(t)) FROM things;\n";
    let sorted = |path: &str| {
        let text = std::fs::read(path).expect("written");
        let mut lines: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    for (name, options) in [
        ("text", ""),
        ("csv", "(FORMAT csv, HEADER)"),
        ("odd", "(FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\\', NULL 'none')"),
        ("binary", "(FORMAT binary)"),
    ] {
        let (from, to) = (file(name), file(&format!("{name}.back")));
        let forced = options.replace("HEADER", "HEADER, FORCE_QUOTE (t)");
        let out = format!("\\copy things TO '{from}' {forced}\n");
        assert_eq!(psql(&place.plain, &out), Default::default());
        let into = format!(
            "\\copy things FROM '{from}' {options}\n{sums}\\copy things TO '{to}' {forced}\n"
        );
        let said = psql(&place.dsn(), &into);
        assert_eq!(said, psql(&place.plain, sums), "{name}");
        let counts = place.on_shards("SELECT count(*) FROM things");
        assert_eq!(counts.iter().sum::<i64>(), count);
        assert!(counts.iter().all(|count| *count > 4000), "{counts:?}");
        if name == "binary" {
            let length = |path: &str| std::fs::metadata(path).expect("written").len();
            assert_eq!(length(&from), length(&to));
            // And in again: it is what Postgres takes.
            let again =
                format!("TRUNCATE things, parts;\n\\copy things FROM '{to}' {options}\n{sums}");
            assert_eq!(psql(&place.plain, &again), said);
        } else {
            assert_eq!(sorted(&from), sorted(&to), "{name}");
        }
        for shard in ["s1", "s2", "s3"] {
            let node = place.herd.primary(shard).expect("a primary").dsn();
            psql(&node, "TRUNCATE things, parts");
        }
    }
    prepare("TRUNCATE things, parts;\n");
}

/// A COPY goes with the transaction that it is in.
fn transactions() {
    let place = place();
    let good = "COPY things FROM STDIN;\n1\t1\ta\n2\t2\tb\n3\t3\tc\n\\.\n";
    let bad = "COPY things FROM STDIN;\n4\t1\ta\n5\tx\tb\n6\t3\tc\n\\.\n";
    let all = "SELECT * FROM things ORDER BY id;\n";
    for script in [
        format!("BEGIN;\n{good}{all}ROLLBACK;\n{all}"),
        format!("BEGIN;\n{good}SAVEPOINT a;\n{bad}{all}ROLLBACK TO a;\n{all}COMMIT;\n{all}"),
        format!("BEGIN;\nDELETE FROM things WHERE id = 2;\n{bad}COMMIT;\n{all}"),
        format!(
            "BEGIN;\nDELETE FROM things WHERE id = 1;\nDELETE FROM things WHERE id = 2;\nCOPY things FROM STDIN;\n1\t5\ta\n2\t6\tb\n\\.\nCOMMIT;\n{all}"
        ),
    ] {
        place.both(&script);
    }
    let prepared = place.on_shards("SELECT count(*) FROM pg_prepared_xacts");
    assert_eq!(prepared, [0, 0, 0]);
    prepare("TRUNCATE things, parts;\n");
}

/// What can't be exact is refused before anything is done, or leaves nothing.
fn refusals() {
    let place = place();
    for (script, words) in [
        (
            "COPY colours (name, rank) FROM STDIN;\n",
            "default of public.colours.seen may be another",
        ),
        ("COPY colours FROM STDIN;\nred\t1\tf\tnow\n\\.\n", "would read from its own clock"),
        ("COPY things FROM STDIN (ENCODING 'SJIS');\n", "in the encoding SJIS"),
        ("COPY things (n) FROM STDIN;\n1\n\\.\n", "null value in column \"id\""),
    ] {
        let (_, errors) = psql(&place.dsn(), script);
        assert!(errors.contains(words), "{script}: {errors}");
    }
    // Identities of other columns are each server's own.
    let script =
        "COPY stamped (id) FROM STDIN;\n1\n2\n3\n4\n5\n\\.\nSELECT count(*) FROM stamped;\n";
    assert_eq!(psql(&place.dsn(), script), ("5\n".into(), String::new()));
    assert_eq!(place.on_shards("SELECT count(*) FROM things"), [0, 0, 0]);
}
