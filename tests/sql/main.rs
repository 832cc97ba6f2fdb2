//! What the sql room says of texts.

mod corpora;
#[cfg(feature = "referee")]
mod referee;
mod render;

use pgherd::sql::{LexOptions, Statement, parse, scan};

fn statements(text: &str) -> Vec<Statement> {
    let scanned = scan(text.as_bytes(), LexOptions::default()).expect("scans");
    scanned.iter().map(|s| parse(text.as_bytes(), s).expect(text)).collect()
}

#[test]
fn ordinary_statements() {
    for text in [
        "SELECT 1",
        "select a, b as c, t.* from s.t as t where id = $1 and x in (1, 2, -3) order by 1 limit 5",
        "insert into t (a, b) values (1, 'x'), ($1, default) on conflict (a) do update set b = excluded.b returning *",
        "update t set a = a + 1, (b, c) = (1, 2) where id = any($1::int[])",
        "with x as (delete from t returning *) select * from x join y using (id) for update",
        "begin isolation level serializable read only deferrable",
        "set search_path to a, 'b'",
        "create table if not exists t (id int primary key, o int references o (id))",
        "create temp table t as select * from u with no data",
        "copy t (a, b) from stdin with (format csv)",
        "explain (analyze, format json) select 1",
        "select count(*) filter (where a > 1) over (partition by b order by c rows between 1 preceding and current row exclude ties) from t",
    ] {
        assert_eq!(statements(text).len(), 1, "{text}");
    }
    assert_eq!(statements("SELECT 1; ;SELECT 2").len(), 2);
}
