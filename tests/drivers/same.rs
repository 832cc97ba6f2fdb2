//! A test for each driver.

use std::path::Path;

use crate::program::{On, can_not_be_had, same, sources, target};

fn python(on: On, script: &str) {
    let python = target("venv/bin/python");
    assert!(python.exists(), "no {}: `tools/test drivers` makes it", python.display());
    same(on, &python, &[script]);
}

fn with_psql(on: On) {
    // What it says of errors too, in order.
    let sharded = matches!(on, On::Sharded);
    let script = format!(
        "psql -X -a -q -v sharded={sharded} -f with_psql.sql 2>&1 \
         | sed 's/process with PID [0-9]*/some process/'"
    );
    same(on, Path::new("sh"), &["-c", &script]);
}

fn with_pgbench(on: On) {
    same(on, &sources().join("with_pgbench.sh"), &[]);
}

fn with_jdbc(on: On) {
    if can_not_be_had("jdbc") {
        return;
    }
    let arguments =
        ["-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/postgresql.jar", "WithJdbc.java"];
    same(on, Path::new("java"), &arguments);
}

fn with_node(on: On) {
    if can_not_be_had("node") {
        return;
    }
    let modules = format!("NODE_PATH={}", target("node/node_modules").display());
    same(on, Path::new("env"), &[&modules, "node", "with_node.cjs"]);
}

fn with_pgx(on: On) {
    if can_not_be_had("pgx") {
        return;
    }
    same(on, &target("drivers-pgx"), &[]);
}

fn with_rust(on: On, program: &str) {
    same(on, &target("drivers-rust/debug").join(program), &[]);
}

/// A program as two tests.
macro_rules! on_both {
    ($($name:ident, $on_shards:ident: $run:expr;)*) => {$(
        #[test]
        fn $name() {
            $run(On::Unsharded);
        }

        #[test]
        fn $on_shards() {
            $run(On::Sharded);
        }
    )*};
}

on_both! {
    psycopg, psycopg_on_shards: |on| python(on, "with_psycopg.py");
    asyncpg, asyncpg_on_shards: |on| python(on, "with_asyncpg.py");
    psql, psql_on_shards: with_psql;
    jdbc, jdbc_on_shards: with_jdbc;
    sqlalchemy, sqlalchemy_on_shards: |on| python(on, "with_sqlalchemy.py");
    pgbench, pgbench_on_shards: with_pgbench;
    node, node_on_shards: with_node;
    pgx, pgx_on_shards: with_pgx;
    tokio_postgres, tokio_postgres_on_shards: |on| with_rust(on, "with_tokio_postgres");
    sqlx, sqlx_on_shards: |on| with_rust(on, "with_sqlx");
}
