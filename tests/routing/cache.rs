//! The plan cache, joined routes and descriptions.

use std::sync::Arc;

use pgherd::routing::{
    Plan, PlanCache, PlanContext, Refusal, Route, RouteError, Router, RoutingHint, ShardId, Values,
    describe, join_routes,
};
use pgherd::sql::{LexOptions, scan};

use crate::fixture;

fn path(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|name| (*name).into()).collect()
}

fn get(
    cache: &PlanCache,
    router: &Router,
    path: &[Box<str>],
    text: &str,
) -> Result<Arc<Plan>, Refusal> {
    let scanned = scan(text.as_bytes(), LexOptions::default()).expect(text);
    cache.get_or_plan(text.as_bytes(), &scanned[0], router, &PlanContext { search_path: path })
}

fn route(router: &Router, plan: &Plan, text: &str) -> Result<Route, RouteError> {
    let scanned = scan(text.as_bytes(), LexOptions::default()).expect(text);
    let values = Values {
        text: text.as_bytes(),
        literals: &scanned[0].literals,
        parameters: &[],
        utf8: true,
    };
    plan.route(router, &values, None, None)
}

#[test]
fn texts_that_differ_in_literals_share_a_plan() {
    let (cache, router, public) = (PlanCache::new(1 << 20), fixture::router(), path(&["public"]));
    let texts: Vec<String> =
        (0..100).map(|id| format!("SELECT * FROM users WHERE id = {id}")).collect();
    let mut shards = Vec::new();
    for text in &texts {
        let plan = get(&cache, &router, &public, text).expect(text);
        shards.push(route(&router, &plan, text).expect(text));
    }
    assert_eq!(cache.stats().misses, 1);
    // One plan, and still each its own shard.
    for shard in 0..3 {
        let count = shards.iter().filter(|route| **route == Route::One(ShardId(shard))).count();
        assert!(count > 15, "{count} of 100 on shard {shard}");
    }
}

#[test]
fn a_plan_that_read_a_literal_is_of_its_text_only() {
    let (cache, router, public) = (PlanCache::new(1 << 20), fixture::router(), path(&["public"]));
    for _ in 0..2 {
        for text in ["SET timezone = 'UTC'", "SET timezone = 'Asia/Tokyo'"] {
            assert!(get(&cache, &router, &public, text).expect(text).exact_text);
        }
    }
    assert_eq!(cache.stats().misses, 2);
}

#[test]
fn refusals_are_remembered_too() {
    let (cache, router, public) = (PlanCache::new(1 << 20), fixture::router(), path(&["public"]));
    for _ in 0..3 {
        let refusal = get(&cache, &router, &public, "COMMIT PREPARED 'x'").expect_err("refused");
        assert_eq!(refusal.sqlstate, "0A000");
    }
    assert_eq!(cache.stats().misses, 1);
}

#[test]
fn another_search_path_is_another_plan() {
    let (cache, router) = (PlanCache::new(1 << 20), fixture::router());
    let text = "SELECT * FROM sessions WHERE user_id = 1";
    let in_app = get(&cache, &router, &path(&["app", "public"]), text).expect(text);
    let in_public = get(&cache, &router, &path(&["public"]), text).expect(text);
    // Without `app` on the path nobody knows the table: the server says so.
    assert_eq!(route(&router, &in_public, text), Ok(Route::One(router.home())));
    assert_ne!(in_app, in_public);
}

#[test]
fn another_router_is_another_plan() {
    let (cache, public) = (PlanCache::new(1 << 20), path(&["public"]));
    let text = "SELECT * FROM users WHERE id = 1";
    let (one, two) = (fixture::router(), fixture::router_of(2));
    assert_ne!(one.validity(), two.validity());
    get(&cache, &one, &public, text).expect(text);
    get(&cache, &two, &public, text).expect(text);
    get(&cache, &one, &public, text).expect(text);
    assert_eq!(cache.stats().misses, 2);
}

#[test]
fn a_plan_of_other_rules_gives_no_route() {
    let (cache, public) = (PlanCache::new(1 << 20), path(&["public"]));
    let text = "SELECT * FROM users WHERE id = 1";
    let plan = get(&cache, &fixture::router(), &public, text).expect(text);
    assert!(route(&fixture::router_of(2), &plan, text).is_ok(), "another epoch, the same rules");
    let Err(RouteError::Refused(refusal)) = route(&fixture::router_without_orders(), &plan, text)
    else {
        panic!("a route");
    };
    assert_eq!(refusal.sqlstate, "40001");
}

#[test]
fn the_cache_keeps_to_its_bytes() {
    let (cache, router, public) = (PlanCache::new(100_000), fixture::router(), path(&["public"]));
    for n in 0..2000 {
        let text = format!("SELECT c{n} FROM users WHERE id = 1");
        get(&cache, &router, &public, &text).expect(&text);
    }
    let stats = cache.stats();
    assert!(stats.bytes <= 100_000, "{stats:?}");
    assert!(stats.plans > 20, "{stats:?}");
}

#[test]
fn many_threads_plan_at_once() {
    let (cache, router, public) = (PlanCache::new(1 << 20), fixture::router(), path(&["public"]));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..500 {
                    let text = format!("SELECT c{} FROM users WHERE id = 7", n % 50);
                    let plan = get(&cache, &router, &public, &text).expect(&text);
                    assert!(matches!(route(&router, &plan, &text), Ok(Route::One(_))));
                }
            });
        }
    });
    assert!(cache.stats().misses <= 200, "{:?}", cache.stats());
}

#[test]
fn statements_of_one_text_go_together_or_not_at_all() {
    let router = fixture::router();
    let (one, two) = (Route::One(ShardId(0)), Route::One(ShardId(1)));
    assert_eq!(join_routes([Route::Any, one, Route::Any, one], &router), Ok(one));
    assert_eq!(join_routes([], &router), Ok(Route::Any));
    let refusal = join_routes([one, Route::Any, two], &router).expect_err("two shards");
    assert_eq!(refusal.sqlstate, "0A000");
    assert_eq!(refusal.detail.as_deref(), Some("One goes to s1, another to s2."));
    assert!(join_routes([one, Route::All], &router).is_err());
}

fn described(text: &str) -> Vec<String> {
    let (cache, router, public) = (PlanCache::new(1 << 20), fixture::router(), path(&["public"]));
    let plan = get(&cache, &router, &public, text).expect(text);
    let scanned = scan(text.as_bytes(), LexOptions::default()).expect(text);
    let values = Values {
        text: text.as_bytes(),
        literals: &scanned[0].literals,
        parameters: &[],
        utf8: true,
    };
    describe(&plan, &router, &values, &plan.route(&router, &values, None, None))
}

#[test]
fn a_description_names_each_table_and_what_binds_it() {
    assert_eq!(
        described("SELECT * FROM users u, posts p, countries WHERE u.id = 42 AND p.user_id = u.id"),
        [
            "public.users as u: u.id is bound: shard s3",
            "public.posts as p: p.user_id is bound: shard s3",
            "public.countries: reference table, on every shard",
            "route: shard s3",
        ]
    );
    assert_eq!(
        described("SELECT * FROM users u, posts p WHERE u.id = 42"),
        [
            "public.users as u: u.id is bound: shard s3",
            "public.posts as p: p.user_id isn't bound: all shards",
            "route: several shards, gathered on one",
        ]
    );
}

#[test]
fn a_refusal_says_what_would_help() {
    let (cache, router, public) = (PlanCache::new(1 << 20), fixture::router(), path(&["public"]));
    let text = "SELECT p.ctid FROM users u JOIN posts p ON p.id = u.id WHERE u.id = 42";
    let plan = get(&cache, &router, &public, text).expect(text);
    let Err(RouteError::Refused(refusal)) = route(&router, &plan, text) else {
        panic!("not refused");
    };
    assert_eq!(
        refusal.detail.as_deref(),
        Some(
            "No condition binds p.user_id. It isn't gathered from several shards: it asks for a \
             system column, which each server fills in by itself."
        )
    );
    assert!(refusal.hint.expect("a hint").starts_with("add p.user_id = "));
}

#[test]
fn what_a_transaction_left_on_its_shard_is_followed() {
    let (cache, router, public) = (PlanCache::new(1 << 20), fixture::router(), path(&["public"]));
    let literals = scan(b"SELECT 1", LexOptions::default()).expect("scans");
    let values =
        Values { text: b"SELECT 1", literals: &literals[0].literals, parameters: &[], utf8: true };
    let here = Some(ShardId(1));
    for text in ["SELECT currval('posts_id_seq')", "FETCH 5 FROM c"] {
        let plan = get(&cache, &router, &public, text).expect(text);
        assert_eq!(plan.route(&router, &values, None, here), Ok(Route::One(ShardId(1))), "{text}");
    }
    let text = "UPDATE users SET name = 'x' WHERE CURRENT OF c";
    let plan = get(&cache, &router, &public, text).expect(text);
    assert_eq!(plan.route(&router, &values, None, here), Ok(Route::One(ShardId(1))));
    let hint = RoutingHint::Shard("s3".into());
    assert_eq!(plan.route(&router, &values, Some(&hint), None), Ok(Route::One(ShardId(2))));
}
