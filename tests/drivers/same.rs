//! A test for each driver.

use crate::program::{On, same, target};

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
