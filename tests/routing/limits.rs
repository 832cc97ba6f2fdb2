//! What a statement may cost: stack and time of the largest that the parser lets through.

use std::time::{Duration, Instant};

use pgherd::routing::{PlanCache, PlanContext};
use pgherd::sql::{LexOptions, scan};

use crate::fixture;

/// Plans a text on a thread with the stack of a runtime's worker.
fn plan(text: String) -> Result<(), String> {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let (cache, router) = (PlanCache::new(1 << 20), fixture::router());
        let path: Vec<Box<str>> = vec!["public".into()];
        let scanned = scan(text.as_bytes(), LexOptions::default()).expect("scans");
        let context = PlanContext { search_path: &path };
        cache
            .get_or_plan(text.as_bytes(), &scanned[0], &router, &context)
            .map(|_| ())
            .map_err(|refusal| refusal.sqlstate.to_owned())
    });
    thread.expect("a thread").join().expect("no panic")
}

fn in_time(what: &str, text: String) {
    let start = Instant::now();
    let planned = plan(text);
    let took = start.elapsed();
    eprintln!("{what}: {planned:?} in {took:?}");
    assert!(took < Duration::from_secs(5), "{what} took {took:?}");
    if let Err(code) = planned {
        assert!(["54001", "0A000"].contains(&code.as_str()), "{what}: {code}");
    }
}

fn repeated(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

#[test]
fn the_largest_statements_are_planned_or_refused_in_bounded_time_and_stack() {
    for count in [100, 1000, 1990] {
        let unions = repeated(count, |n| format!(" UNION SELECT id FROM users WHERE id = {n}"));
        in_time("unions", format!("SELECT 1{unions}"));
        let joins = repeated(count, |n| format!(" JOIN posts p{n} ON p{n}.user_id = u.id"));
        in_time("joins", format!("SELECT 1 FROM users u{joins} WHERE u.id = 1"));
        let joins = repeated(count, |n| format!(" LEFT JOIN posts p{n} ON p{n}.user_id = u.id"));
        in_time("left joins", format!("SELECT 1 FROM users u{joins} WHERE u.id = 1"));
        let joins = repeated(count, |n| format!(" FULL JOIN posts p{n} USING (user_id)"));
        in_time("full joins", format!("SELECT 1 FROM likes u{joins} WHERE u.user_id = 1"));
        let commas = repeated(count, |n| format!(", posts p{n}"));
        let facts = repeated(count, |n| format!(" AND p{n}.user_id = u.id"));
        in_time("commas", format!("SELECT 1 FROM users u{commas} WHERE u.id = 1{facts}"));
        let ors = repeated(count, |n| format!(" OR (id = {n} AND name = 'x')"));
        in_time("ors", format!("SELECT 1 FROM users WHERE id = 0{ors}"));
        let exists = repeated(count, |n| {
            format!(" AND EXISTS (SELECT 1 FROM posts p{n} WHERE p{n}.user_id = u.id)")
        });
        in_time("exists", format!("SELECT 1 FROM users u WHERE u.id = 1{exists}"));
        let rows = repeated(count, |n| format!(", ({n}, 'x', 'y')"));
        in_time("rows", format!("INSERT INTO users (id, name, email) VALUES (0, 'x', 'y'){rows}"));
        let ctes = repeated(count, |n| {
            format!(", c{} AS (SELECT a.* FROM c{n} a JOIN c{n} b ON a.id = b.id)", n + 1)
        });
        in_time(
            "ctes",
            format!("WITH c0 AS (SELECT * FROM users){ctes} SELECT * FROM c{count} WHERE id = 1"),
        );
        let casts = repeated(count, |_| "::bigint".into());
        in_time("casts", format!("SELECT 1 FROM users WHERE id = 1{casts}"));
    }
    for depth in [50, 190] {
        let derived = repeated(depth / 2, |_| "SELECT * FROM (".into());
        let close = repeated(depth / 2, |n| format!(") d{n}"));
        in_time("derived", format!("{derived}SELECT * FROM users{close} WHERE id = 1"));
        let nested = repeated(depth / 2, |n| format!("SELECT 1 FROM users u{n} WHERE EXISTS ("));
        let close = repeated(depth / 2, |_| ")".into());
        in_time("nested exists", format!("{nested}SELECT 1{close}"));
        let ors = repeated(depth, |n| format!("(id = {n} AND (name = 'x' OR "));
        let close = repeated(depth, |_| "))".into());
        in_time("nested ors", format!("SELECT 1 FROM users WHERE {}id = 1{}", &ors, close));
    }
}
