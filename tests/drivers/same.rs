//! A test for each driver.

use std::path::Path;

use crate::program::{On, can_not_be_had, same, sources, target};

fn python(on: On, script: &str) {
    let python = target("venv/bin/python");
    assert!(python.exists(), "no {}: `tools/test drivers` makes it", python.display());
    same(on, &python, &[script]);
}

#[test]
fn psycopg() {
    python(On::Unsharded, "with_psycopg.py");
}

#[test]
fn psycopg_on_shards() {
    python(On::Sharded, "with_psycopg.py");
}

#[test]
fn asyncpg() {
    python(On::Unsharded, "with_asyncpg.py");
}

#[test]
fn asyncpg_on_shards() {
    python(On::Sharded, "with_asyncpg.py");
}

#[test]
fn sqlalchemy() {
    python(On::Unsharded, "with_sqlalchemy.py");
}

#[test]
fn psql() {
    // What it says of errors too, in order.
    let script =
        "psql -X -a -q -f with_psql.sql 2>&1 | sed 's/process with PID [0-9]*/some process/'";
    same(On::Unsharded, Path::new("sh"), &["-c", script]);
}

#[test]
fn pgbench() {
    same(On::Unsharded, &sources().join("with_pgbench.sh"), &[]);
}

#[test]
fn jdbc() {
    if can_not_be_had("jdbc") {
        return;
    }
    let arguments =
        ["-XX:TieredStopAtLevel=1", "-cp", "/usr/share/java/postgresql.jar", "WithJdbc.java"];
    same(On::Unsharded, Path::new("java"), &arguments);
}

#[test]
fn node() {
    if can_not_be_had("node") {
        return;
    }
    let modules = format!("NODE_PATH={}", target("node/node_modules").display());
    same(On::Unsharded, Path::new("env"), &[&modules, "node", "with_node.cjs"]);
}

#[test]
fn pgx() {
    if can_not_be_had("pgx") {
        return;
    }
    same(On::Unsharded, &target("drivers-pgx"), &[]);
}

#[test]
fn tokio_postgres() {
    same(On::Unsharded, &target("drivers-rust/debug/with_tokio_postgres"), &[]);
}

#[test]
fn sqlx() {
    same(On::Unsharded, &target("drivers-rust/debug/with_sqlx"), &[]);
}
