//! Groups that one server finishes: what the shards are asked, and what is finished.

use pgherd::routing::{PlanCache, PlanContext, Several, Values};
use pgherd::sql::{LexOptions, scan};

use crate::fixture;

/// What each shard gets, and what the finishing server does.
fn texts(text: &str) -> Option<(String, String)> {
    let (cache, router) = (PlanCache::new(1 << 20), fixture::router());
    let scanned = scan(text.as_bytes(), LexOptions::default()).expect(text);
    let context = PlanContext { search_path: &["public".into()] };
    let plan = cache.get_or_plan(text.as_bytes(), &scanned[0], &router, &context).expect(text);
    let literals = &scanned[0].literals;
    let values = Values { text: text.as_bytes(), literals, parameters: &[], utf8: true };
    let of = |text: Vec<u8>| {
        let words = String::from_utf8(text).expect("text");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    match plan.several(&router, &values, &scanned[0], 0).expect(text) {
        Several::Finished(finished) => Some((of(finished.asked.text), of(finished.text.text))),
        Several::Merged(_) | Several::Gathered(_) => None,
    }
}

#[test]
fn aggregates_become_columns_of_the_groups() {
    let cases = [
        (
            "SELECT coalesce(sum(age), 0) FROM users WHERE age > 3",
            r#"SELECT pg_catalog.sum(age) AS "pgherd 1" FROM users WHERE age > 3"#,
            r#"SELECT coalesce("pgherd"."pgherd 1", 0) AS "coalesce" FROM ROWS FROM (pg_catalog.unnest($1)) AS "pgherd"("pgherd 1")"#,
        ),
        (
            "SELECT u.country, round(avg(age), 2) AS mean FROM users u GROUP BY u.country HAVING count(*) > 5 ORDER BY u.country LIMIT 3",
            r#"SELECT (u.country) AS "pgherd 1", pg_catalog.avg(age) AS "pgherd 2", pg_catalog.count(*) AS "pgherd 3", pg_catalog.count(age) AS "pgherd 4", pg_catalog.sum(age) AS "pgherd 5" FROM users u GROUP BY 1"#,
            r#"SELECT "pgherd"."pgherd 1" AS "country", round("pgherd"."pgherd 2", 2) AS mean FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) AS "pgherd"("pgherd 1", "pgherd 2", "pgherd 3"), LATERAL (SELECT "pgherd"."pgherd 1" AS "country") AS "u" WHERE "pgherd"."pgherd 3" > 5 ORDER BY "pgherd"."pgherd 1" LIMIT 3"#,
        ),
        (
            "SELECT age % 10, max(likes) - count(DISTINCT age) FROM users JOIN posts ON user_id = users.id GROUP BY 1",
            r#"SELECT (age % 10) AS "pgherd 1", pg_catalog.max(likes) AS "pgherd 2", pg_catalog.count(age) AS "pgherd 3", (age) AS "pgherd 4" FROM users JOIN posts ON user_id = users.id GROUP BY 1, 4"#,
            r#"SELECT "pgherd"."pgherd 1", "pgherd"."pgherd 2" - "pgherd"."pgherd 3" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) AS "pgherd"("pgherd 1", "pgherd 2", "pgherd 3")"#,
        ),
    ];
    for (text, asked, finished) in cases {
        let (own_asked, own_finished) = texts(text).expect(text);
        assert_eq!((own_asked.as_str(), own_finished.as_str()), (asked, finished), "{text}");
    }
}

#[test]
fn what_can_be_merged_or_has_to_be_gathered_is_not_finished() {
    for text in [
        "SELECT sum(age), count(*) FROM users",
        "SELECT country, count(*) FROM users GROUP BY country ORDER BY 2",
        "SELECT id, sum(age) + 1 FROM users GROUP BY id",
        "SELECT string_agg(name, ',') || sum(age) FROM users",
        "SELECT country, sum(age) + 1 FROM users GROUP BY ROLLUP (country)",
        "SELECT email, sum(age) + 1 FROM users GROUP BY country",
        "SELECT sum(u.age) + 1 FROM users u JOIN posts p ON p.likes = u.age",
    ] {
        assert_eq!(texts(text), None, "{text}");
    }
}
