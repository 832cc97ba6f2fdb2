//! One database as the data files think of it: three shards, a social network by user,
//! orders by tenant and region, events by range, a reference and a home table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pgherd::config::rules::{
    KeyType, Keyspace, PlacementRule, RangeRule, Rules, SplitConstraints, TableName, Unlisted,
};
use pgherd::placement::{Placement, RangeTable, ShardId, SlotTable};
use pgherd::routing::schema::{
    Column, Definition, FunctionFact, Schema, Table, TableKind, UniqueIndex, View, Volatility,
};
use pgherd::routing::{Bounds, Parts, Router};

pub const SHARDS: [&str; 3] = ["s1", "s2", "s3"];

pub fn table(name: &str) -> TableName {
    match name.split_once('.') {
        Some((schema, name)) => TableName { schema: schema.into(), name: name.into() },
        None => TableName { schema: "public".into(), name: name.into() },
    }
}

fn keyspace(name: &str, key: &[KeyType], tables: &[(&str, &[&str])]) -> Keyspace {
    let tables = tables.iter().map(|(name, columns)| {
        (table(name), columns.iter().map(|column| (*column).into()).collect())
    });
    Keyspace {
        name: name.into(),
        key: key.to_vec(),
        placement: PlacementRule::Ring { virtual_nodes: 256, weights: BTreeMap::new() },
        tables: tables.collect(),
        line: 1,
    }
}

pub fn rules() -> Rules {
    let users = keyspace(
        "user",
        &[KeyType::Int8],
        &[
            ("users", &["id"]),
            ("posts", &["user_id"]),
            ("follows", &["follower_id"]),
            ("likes", &["user_id"]),
            ("timelines", &["user_id"]),
            ("app.sessions", &["user_id"]),
            ("letters", &["owner"]),
        ],
    );
    let orders = keyspace(
        "order",
        &[KeyType::Int4, KeyType::Text],
        &[("orders", &["tenant_id", "region"]), ("order_items", &["tenant_id", "region"])],
    );
    let range = |from: Option<&str>, to: Option<&str>, shard: &str| RangeRule {
        from: from.map(Into::into),
        to: to.map(Into::into),
        shard: shard.into(),
        line: 1,
    };
    let mut events = keyspace("event", &[KeyType::Int8], &[("events", &["seq"])]);
    events.placement = PlacementRule::Ranges(vec![
        range(None, Some("1000"), "s1"),
        range(Some("1000"), Some("2000"), "s2"),
        range(Some("2000"), None, "s3"),
    ]);
    let mut days = keyspace("day", &[KeyType::Date], &[("visits", &["day"])]);
    days.placement = PlacementRule::Ranges(vec![
        range(None, Some("2025-01-01"), "s1"),
        range(Some("2025-01-01"), Some("2026-01-01"), "s2"),
        range(Some("2026-01-01"), None, "s3"),
    ]);
    let names = keyspace("name", &[KeyType::Text], &[("accounts", &["login"])]);
    let things = keyspace("thing", &[KeyType::Uuid], &[("things", &["id"])]);
    let amounts = keyspace("amount", &[KeyType::Numeric], &[("amounts", &["n"])]);
    Rules {
        keyspaces: vec![users, orders, events, days, names, things, amounts],
        reference: vec![table("countries"), table("rates"), table("units"), table("watched")],
        home: vec![table("settings"), table("jobs"), table("old_posts")],
        home_shard: Some("s2".into()),
        unlisted: Unlisted::Refuse,
        split_constraints: SplitConstraints::Refuse,
        functions: vec!["safe_fn".into(), "app.own_rows".into()],
    }
}

fn column(name: &str, type_name: &str) -> Column {
    let (type_name, type_modifier) = match type_name.split_once(':') {
        Some((name, modifier)) => (name, modifier.parse().expect("a number")),
        None => (type_name, -1),
    };
    Column {
        name: name.into(),
        type_oid: 0,
        type_name: type_name.into(),
        type_modifier,
        not_null: false,
        has_default: false,
        default_varies: false,
        from_sequence: false,
        nondeterministic: false,
        bytewise: false,
        default: None,
        always_identity: false,
        generated: false,
        written: type_name.into(),
        collation: None,
        is_enum: false,
    }
}

/// `name type, name type!` where `!` is NOT NULL, `=` a default, `#` a sequence's, `~` generated.
fn described(columns: &str, unique: &[(&str, &[&str])]) -> Table {
    let columns = columns.split(',').map(|described| {
        let mut words = described.split_whitespace();
        let name = words.next().expect("a name");
        let kind = words.next().expect("a type");
        let flags = kind.trim_start_matches(|c: char| c.is_alphanumeric() || c == ':');
        let mut column = column(name, kind.trim_end_matches(['!', '=', '#', '~']));
        column.not_null = flags.contains('!');
        column.has_default = flags.contains(['=', '#', '~']);
        column.default_varies = flags.contains('#');
        column.generated = flags.contains('~');
        column.from_sequence = flags.contains('#');
        column.default = match flags {
            flags if flags.contains('#') => Some("nextval('s')".into()),
            flags if flags.contains('=') => Some("7".into()),
            _ => None,
        };
        column
    });
    let index = |(name, columns): &(&str, &[&str])| UniqueIndex {
        name: (*name).into(),
        columns: columns.iter().map(|column| (*column).into()).collect(),
        primary: name.ends_with("_pkey"),
        partial: false,
    };
    Table {
        kind: TableKind::Table,
        columns: columns.collect(),
        unique: unique.iter().map(index).collect(),
        ..Table::default()
    }
}

pub fn schema() -> Schema {
    let mut tables = HashMap::new();
    let mut add = |name: &str, columns: &str, unique: &[(&str, &[&str])]| {
        tables.insert(table(name), described(columns, unique));
    };
    add(
        "users",
        "id int8!, name text, email text, country text, age int4, created timestamptz=",
        &[("users_pkey", &["id"])],
    );
    add(
        "posts",
        "id int8!#, user_id int8!, body text, likes int4=, created timestamptz=",
        &[("posts_pkey", &["user_id", "id"])],
    );
    add(
        "follows",
        "follower_id int8!, followee_id int8!, since date",
        &[("follows_pkey", &["follower_id", "followee_id"])],
    );
    add(
        "likes",
        "user_id int8!, post_id int8!, author_id int8",
        &[("likes_pkey", &["user_id", "post_id"]), ("likes_post_key", &["post_id"])],
    );
    add(
        "timelines",
        "user_id int8!, post_id int8!, author_id int8, seen bool",
        &[("timelines_pkey", &["user_id", "post_id"])],
    );
    add("app.sessions", "token uuid!, user_id int8!, data jsonb", &[]);
    add(
        "orders",
        "id int8!#, tenant_id int4!, region text!, total numeric, placed timestamptz=",
        &[("orders_pkey", &["tenant_id", "region", "id"])],
    );
    add(
        "order_items",
        "order_id int8!, tenant_id int4!, region text!, line int4!, price numeric",
        &[("order_items_pkey", &["tenant_id", "region", "order_id", "line"])],
    );
    add("events", "seq int8!, kind text, payload jsonb", &[("events_pkey", &["seq"])]);
    add("visits", "day date!, page text!, hits int4", &[("visits_pkey", &["day", "page"])]);
    add("accounts", "login varchar:24!, secret text", &[("accounts_pkey", &["login"])]);
    add("things", "id uuid!=, label text", &[("things_pkey", &["id"])]);
    add("amounts", "n numeric!, note text", &[]);
    add("countries", "code text!, name text", &[("countries_pkey", &["code"])]);
    add(
        "rates",
        "code text!, since date!, rate numeric=, noted timestamptz=#",
        &[("rates_pkey", &["code", "since"])],
    );
    add("units", "id int8!#, name text", &[("units_pkey", &["id"])]);
    add("watched", "name text!", &[("watched_pkey", &["name"])]);
    add("settings", "name text!, value text", &[("settings_pkey", &["name"])]);
    add("jobs", "id int8!#, state text, user_id int8", &[("jobs_pkey", &["id"])]);
    add("letters", "seal int8, owner int8~, text text", &[]);
    add("stray", "id int8!, user_id int8", &[]);
    if let Some(watched) = tables.get_mut(&table("watched")) {
        watched.triggers = vec!["watch".into()];
    }
    if let Some(accounts) = tables.get_mut(&table("accounts")) {
        accounts.triggers = vec!["once".into()];
        accounts.per_statement = true;
    }
    let part = Table { family: vec![table("posts")], ..described("id int8!", &[]) };
    tables.insert(table("old_posts"), part);
    let mut defined = |name: &str, columns: &str, reads: &[&str], text: &str| {
        let definition = Definition::read(text);
        assert!(definition.is_some(), "{text}");
        let view = Some(View { invoker: false, definition });
        let reads = reads.iter().map(|name| table(name)).collect();
        let facts = Table { kind: TableKind::View, reads, view, ..described(columns, &[]) };
        tables.insert(table(name), facts);
    };
    defined(
        "grown",
        "id int8, name text",
        &["users"],
        " SELECT users.id, users.name\n   FROM public.users\n  WHERE users.age >= 18;",
    );
    defined(
        "grown_posts",
        "author int8, post int8",
        &["grown", "posts"],
        "SELECT g.id AS author, p.id FROM (public.grown g JOIN public.posts p ON ((p.user_id = g.id)))",
    );
    defined(
        "by_country",
        "country text, n int8",
        &["users"],
        "SELECT users.country, count(*) AS n FROM public.users GROUP BY users.country",
    );
    defined(
        "everybody",
        "id int8, name text",
        &["users", "posts"],
        "SELECT users.id, users.name FROM public.users UNION ALL SELECT posts.user_id, posts.body FROM public.posts",
    );
    defined(
        "tenant_7",
        "id int8, total numeric",
        &["orders"],
        "SELECT orders.id, orders.total FROM public.orders WHERE ((orders.tenant_id = 7) AND (orders.region = 'eu'::text))",
    );
    defined(
        "two_users",
        "id int8",
        &["users"],
        "SELECT users.id FROM public.users WHERE (users.id = ANY (ARRAY[(1)::bigint, (4)::bigint]))",
    );
    defined(
        "recent_posts",
        "id int8, user_id int8",
        &["posts"],
        "SELECT posts.id, posts.user_id FROM public.posts",
    );
    defined(
        "job_list",
        "id int8, user_id int8",
        &["jobs", "settings"],
        "SELECT jobs.id, jobs.user_id FROM public.jobs, public.settings",
    );
    defined("named", "code text", &["countries"], "SELECT countries.code FROM public.countries");
    defined("works", "id int8", &["jobs"], "SELECT jobs.id FROM public.jobs");
    defined("of_one", "id int8", &["of_two"], "SELECT of_two.id FROM public.of_two");
    defined("of_two", "id int8", &["of_one"], "SELECT of_one.id FROM public.of_one");
    defined(
        "vouched",
        "id int8, x text",
        &["users"],
        "SELECT users.id, public.safe_fn(users.name) AS x FROM public.users",
    );
    defined("listless", "id int8", &["stray"], "SELECT stray.id FROM public.stray");
    let sequence = Table { kind: TableKind::Sequence, ..Table::default() };
    tables.insert(table("posts_id_seq"), sequence);
    let function = |schema: &str, volatility| {
        vec![FunctionFact { schema: schema.into(), volatility, sets: false }]
    };
    let mut series = function("pg_catalog", Volatility::Immutable);
    series[0].sets = true;
    let functions = HashMap::from([
        ("generate_series".into(), series),
        ("lower".into(), function("pg_catalog", Volatility::Immutable)),
        ("to_char".into(), function("pg_catalog", Volatility::Stable)),
        ("random".into(), function("pg_catalog", Volatility::Volatile)),
        ("slug".into(), function("public", Volatility::Immutable)),
        ("user_rank".into(), function("public", Volatility::Stable)),
        ("do_things".into(), function("public", Volatility::Volatile)),
        ("safe_fn".into(), function("public", Volatility::Volatile)),
        ("own_rows".into(), function("app", Volatility::Stable)),
    ]);
    Schema { version: 1, server_major: 15, tables, functions, ..Schema::default() }
}

/// Every third slot to each shard: fixed, so that the files may name shards.
fn ring() -> Placement {
    Placement::Ring(SlotTable::from_fn(|slot| ShardId(slot % 3)))
}

pub fn router() -> Router {
    router_of(1)
}

/// The same under another epoch.
pub fn router_of(epoch: u64) -> Router {
    router_from(rules(), epoch)
}

/// Under rules without the second keyspace, so that keyspaces have other numbers.
pub fn router_without_orders() -> Router {
    let mut rules = rules();
    rules.keyspaces.remove(1);
    router_from(rules, 1)
}

fn router_from(rules: Rules, epoch: u64) -> Router {
    let shards: Vec<Box<str>> = SHARDS.iter().map(|name| (*name).into()).collect();
    let shard =
        |name: &str| SHARDS.iter().position(|known| *known == name).map(|at| ShardId(at as u16));
    let placements = rules
        .keyspaces
        .iter()
        .map(|keyspace| match &keyspace.placement {
            PlacementRule::Ring { .. } => ring(),
            PlacementRule::Ranges(ranges) => Placement::Ranges(
                RangeTable::from_rules(keyspace.key[0], ranges, shard).expect("ranges fit"),
            ),
        })
        .collect();
    Router::new(Parts {
        rules: Arc::new(rules),
        placements,
        epoch,
        shards,
        schema: Arc::new(schema()),
        bounds: Bounds::default(),
    })
    .expect("parts fit")
}
