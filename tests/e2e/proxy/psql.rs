//! psql, as a person uses it.

use super::common::{herd, proxy, psql, psql_with};
use crate::support::{TestHerd, Want};

#[test]
fn psql_works_on_a_sharded_database() {
    let dsn = proxy().dsn("app");
    let (_, errors) = psql(
        &dsn,
        "CREATE TABLE psql_rows (id bigint PRIMARY KEY, name text);\n\
         CREATE TABLE countries (code text PRIMARY KEY, name text);\n\
         CREATE TABLE notes (id bigint PRIMARY KEY, body text);",
    );
    assert_eq!(errors, "");
    let script: String =
        (1..=30).map(|i| format!("INSERT INTO psql_rows VALUES ({i}, 'n{i}');\n")).collect();
    assert_eq!(psql(&dsn, &script), (String::new(), String::new()));
    let script: String =
        (1..=30).map(|i| format!("SELECT name FROM psql_rows WHERE id = {i};\n")).collect();
    let expected: String = (1..=30).map(|i| format!("n{i}\n")).collect();
    assert_eq!(psql(&dsn, &script), (expected, String::new()));

    // Several statements in one text, on one shard and on several.
    let (out, errors) = psql(
        &dsn,
        "BEGIN \\; INSERT INTO psql_rows VALUES (31, 'x') \\; COMMIT;\n\
         SELECT name FROM psql_rows WHERE id = 31 \\; SELECT 'two';\n\
         DELETE FROM psql_rows WHERE id = 31;\n\
         SELECT 1 FROM psql_rows WHERE id = 1 \\; SELECT 1 FROM psql_rows WHERE id = 2 \\; \
         SELECT 1 FROM psql_rows WHERE id = 3;\n;\n",
    );
    assert_eq!(out, "x\ntwo\n1\n1\n1\n");
    assert_eq!(errors, "");

    // What completion and \d ask for.
    let (out, errors) =
        psql(&dsn, "\\d psql_rows\n\\dt+\n\\di\n\\df pgherd.*\n\\dn\n\\du\n\\l\n\\dT\n");
    assert_eq!(errors, "");
    assert!(out.contains("psql_rows_pkey") && out.contains("countries"), "{out}");

    // COPY, in and out, with an error in the middle.
    let (out, errors) = psql(
        &dsn,
        "SET pgherd.key = '7';\n\
         COPY psql_rows FROM STDIN;\n1\tnot here\n7\ttwice\n\\.\n\
         DELETE FROM psql_rows WHERE id = 7;\n\
         COPY psql_rows FROM STDIN;\n7\tcopied\n\\.\n\
         COPY (SELECT * FROM psql_rows WHERE id = 7) TO STDOUT;\n\
         SHOW pgherd.key;\nRESET pgherd.key;\nSHOW pgherd.key;\n",
    );
    assert_eq!(out, "7\tcopied\n7\n\n");
    assert!(errors.contains("duplicate key value"), "{errors}");
    assert_eq!(errors.matches("ERROR").count(), 1, "{errors}");
}

#[test]
fn errors_are_those_of_one_postgres() {
    let dsn = proxy().dsn("app");
    let (_, errors) = psql(
        &dsn,
        "\\set VERBOSITY sqlstate\n\
         SELECT 1/0;\nSELECT * FROM nosuch_table;\nSELEC 1;\nSELECT nosuch();\n\
         BEGIN;\nSELECT 1/0;\nSELECT 1;\nROLLBACK;\nROLLBACK;\nBEGIN;\nBEGIN;\nCOMMIT;\n\
         SAVEPOINT a;\nBEGIN;\nROLLBACK TO nosuch;\nSELECT 1;\nCOMMIT;\n",
    );
    let codes: Vec<&str> = errors.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(
        codes,
        [
            "22012", "42P01", "42601", "42883", "22012", "25P02", "25P01", "25001", "25P01",
            "3B001", "25P02"
        ],
        "{errors}"
    );
    // Where the mistake is, too: psql shows the line and a caret.
    let node = herd().primary("s1").expect("a primary").dsn();
    for mistake in ["SELECT 1,\n  'ü' FORM users;\n", "SELECT (1;\n", "SELECT 'open\n;\n"] {
        assert_eq!(psql(&dsn, mistake), psql(&node, mistake));
    }
}

#[test]
fn an_unsharded_database_is_served_whole() {
    let herd = TestHerd::start(&Want::unsharded(0));
    let proxy = herd.proxy();
    let dsn = proxy.dsn("app");
    let (out, errors) = psql(
        &dsn,
        "CREATE TABLE a (id serial PRIMARY KEY, x text);\n\
         BEGIN;\nCREATE TABLE b AS SELECT g FROM generate_series(1, 10) g;\nCOMMIT;\n\
         INSERT INTO a (x) SELECT 'x' || g FROM b;\n\
         SELECT count(*), max(x) FROM a JOIN b ON a.id = b.g;\n\
         DO $$ BEGIN PERFORM count(*) FROM a; END $$;\n\
         CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM a';\n\
         SELECT f();\nTRUNCATE a;\nSELECT f();\n\
         COPY a (x) FROM STDIN;\none\ntwo\n\\.\nSELECT x FROM a ORDER BY id;\n\
         UPDATE a SET x = 'both';\nVACUUM a;\nCREATE INDEX CONCURRENTLY ON a (x);\n\
         WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t;\n",
    );
    assert_eq!(errors, "");
    assert_eq!(out, "10|x9\n10\n0\none\ntwo\n15\n");
    // What stays in a server's session is this client's alone.
    let (out, errors) = psql(
        &dsn,
        "CREATE TEMP TABLE mine (x int);\nINSERT INTO mine VALUES (1);\n\
         SELECT count(*) FROM mine;\nSELECT pg_advisory_lock(1);\n\
         SELECT set_config('work_mem', '3MB', false);\nSHOW work_mem;\n\
         PREPARE p (int) AS SELECT $1 + 1;\nEXECUTE p (1);\nBEGIN;\nEXECUTE p (2);\nCOMMIT;\n\
         BEGIN;\nDECLARE c CURSOR WITH HOLD FOR SELECT 7;\nCOMMIT;\nFETCH c;\nDEALLOCATE p;\n",
    );
    assert_eq!((&*out, &*errors), ("1\n\n3MB\n3MB\n2\n3\n7\n", ""));
    let (out, errors) = psql(
        &dsn,
        "SELECT pg_try_advisory_xact_lock(1);\nSHOW work_mem;\nSELECT to_regclass('mine') IS NULL;\n\
         EXECUTE p (1);\nLISTEN x;\nSELECT lastval();\n",
    );
    assert_eq!(out, "t\n4MB\nt\n");
    assert_eq!(errors.matches("ERROR").count(), 2, "{errors}");
    let listed = psql_with(&dsn, &["-X", "-c", "\\dt+"], "");
    assert!(String::from_utf8_lossy(&listed.stdout).contains(" a "), "{listed:?}");
}
