//! A statement's way from its text to its route, with any values.

use pgherd::routing::{
    Parameter, ParameterValue, PlanCache, PlanContext, Route, RoutingHint, ShardId, Values,
    describe, join_routes,
};
use pgherd::sql::{LexOptions, scan};

use super::fixture;
use super::pieces::Pieces;

/// Types that keys have, and others.
const TYPES: &[u32] = &[
    0, 16, 20, 21, 23, 25, 26, 700, 701, 1007, 1009, 1014, 1015, 1016, 1042, 1043, 1082, 1083,
    1114, 1115, 1184, 1231, 1700, 2950, 2951, 90_000,
];

thread_local! {
    /// Made once: a ring has 65,536 slots. Texts come and go; their plans do here, too.
    static DATABASE: (pgherd::routing::Router, PlanCache) =
        (fixture::router(), PlanCache::new(1 << 20));
}

/// The text, a zero byte, then options and the values: a byte for the type, one for the
/// format, the value.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let text = pieces.until(0);
    let choice = pieces.byte();
    let mut parameters = Vec::new();
    while !pieces.is_empty() && parameters.len() < 20 {
        let type_oid = TYPES[usize::from(pieces.byte()) % TYPES.len()];
        let (format, value) = (pieces.byte(), pieces.piece());
        let value = match format % 4 {
            0 => ParameterValue::Null,
            1 => ParameterValue::Binary(value),
            _ => ParameterValue::Text(value),
        };
        parameters.push(Parameter { type_oid, value });
    }
    let options = LexOptions { standard_conforming_strings: choice & 1 == 0 };
    let path: &[Box<str>] =
        if choice & 2 == 0 { &["public".into()] } else { &["app".into(), "public".into()] };
    DATABASE.with(|(router, plans)| {
        let Ok(scanned) = scan(text, options) else { return };
        let context = PlanContext { search_path: path };
        let mut routes = Vec::new();
        for one in &scanned {
            let planned = plans.get_or_plan(text, one, router, &context);
            let again = plans.get_or_plan(text, one, router, &context);
            assert_eq!(planned, again, "a text has one plan");
            let Ok(plan) = planned else { continue };
            let utf8 = choice & 4 == 0;
            let values = Values { text, literals: &one.literals, parameters: &parameters, utf8 };
            let Ok(hint) = RoutingHint::of(&one.hints) else { continue };
            let current = (choice & 8 != 0).then_some(ShardId(1));
            let route = plan.route(router, &values, hint.as_ref(), current);
            if let Ok(Route::One(shard)) = route {
                assert!(usize::from(shard.0) < fixture::SHARDS.len());
            }
            assert!(!describe(&plan, router, &values, &route).is_empty());
            routes.extend(route);
        }
        let _ = join_routes(routes, router);
    });
}
