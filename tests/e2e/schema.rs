//! The schema as it is read from a real server, and that changes are noticed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pgherd::cluster::{Cluster, ServerBudgets};
use pgherd::config::rules::TableName;
use pgherd::config::{Overrides, load};
use pgherd::local::Stop;
use pgherd::routing::schema::{
    Column, ForeignKey, Schema, Table, TableKind, UniqueIndex, Volatility,
};
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::pool::caught_up;
use crate::support::{TestHerd, Want};

const SOON: Duration = Duration::from_secs(10);

async fn start(herd: &TestHerd) -> Arc<Cluster> {
    let mut settings = load(&herd.config(), &Overrides::default()).expect("the herd's own");
    settings.cluster.schema_poll = Duration::from_millis(100);
    settings.pool.connect_timeout = Duration::from_secs(1);
    let cluster = Cluster::start(
        &settings,
        &settings.databases[0],
        &ServerBudgets::default(),
        Handle::current(),
    );
    let deadline = tokio::time::Instant::now() + SOON;
    cluster.schema().loaded(deadline).await.expect("loaded");
    cluster
}

async fn until(what: &str, cluster: &Cluster, holds: impl Fn(&Schema) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds(&cluster.schema().current()) {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn name(schema: &str, name: &str) -> TableName {
    TableName { schema: schema.into(), name: name.into() }
}

fn names(list: &[&str]) -> Vec<Box<str>> {
    list.iter().map(|n| Box::from(*n)).collect()
}

const MADE: &str = r#"
    CREATE SCHEMA "Odd";
    CREATE DOMAIN schema_code AS varchar(7) NOT NULL;
    CREATE DOMAIN schema_part AS schema_code;
    CREATE COLLATION schema_ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE "Odd"."T 1" (
        id bigserial PRIMARY KEY, gone int, code schema_part, ci text COLLATE schema_ci,
        at timestamptz DEFAULT now(), size bigint DEFAULT (1 + 2), n int GENERATED ALWAYS AS IDENTITY, price numeric(10, 2),
        UNIQUE (code, n) INCLUDE (at));
    ALTER TABLE "Odd"."T 1" DROP COLUMN gone;
    CREATE UNIQUE INDEX part ON "Odd"."T 1" (lower(ci), id) WHERE id > 3;
    CREATE TABLE schema_child (a bigint, b bigint, t_id bigint NOT NULL REFERENCES "Odd"."T 1",
        FOREIGN KEY (b, a) REFERENCES schema_child (b, a), UNIQUE (b, a)) PARTITION BY HASH (b);
    CREATE VIEW schema_view AS SELECT c.a FROM schema_child c JOIN "Odd"."T 1" t ON t.id = c.t_id;
    CREATE MATERIALIZED VIEW schema_mv AS SELECT a FROM schema_view;
    CREATE FUNCTION schema_f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION schema_f(text) RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION "Odd".schema_f(text) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION schema_tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER schema_t BEFORE INSERT ON "Odd"."T 1"
        FOR EACH ROW EXECUTE FUNCTION schema_tf();
    CREATE RULE schema_r AS ON DELETE TO "Odd"."T 1" DO NOTHING;
    SELECT 1"#;

fn column(name: &str, type_oid: u32, type_name: &str) -> Column {
    Column {
        name: name.into(),
        type_oid,
        type_name: type_name.into(),
        type_modifier: -1,
        not_null: false,
        has_default: false,
        from_sequence: false,
        nondeterministic: false,
        bytewise: false,
        default: None,
        always_identity: false,
        generated: false,
        default_varies: false,
        written: type_name.into(),
        collation: None,
        is_enum: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_and_functions_are_read_as_they_are() {
    let herd = TestHerd::start(&Want::sharded(1, 0, ""));
    herd.primary("s1").expect("a primary").query(MADE, SOON).expect("made");
    let cluster = start(&herd).await;
    let schema = cluster.schema().current();
    assert_eq!(schema.version, 1);
    assert!((14..=18).contains(&schema.server_major), "{}", schema.server_major);

    let odd = name("Odd", "T 1");
    let serial = Column {
        not_null: true,
        has_default: true,
        from_sequence: true,
        default_varies: true,
        default: Some("nextval('\"Odd\".\"T 1_id_seq\"'::regclass)".into()),
        written: "bigint".into(),
        ..column("id", 20, "int8")
    };
    let expected = Table {
        kind: TableKind::Table,
        columns: vec![
            serial,
            Column {
                type_modifier: 7 + 4,
                not_null: true,
                written: "public.schema_part".into(),
                ..column("code", 1043, "varchar")
            },
            Column {
                nondeterministic: true,
                collation: Some("public.schema_ci".into()),
                ..column("ci", 25, "text")
            },
            Column {
                has_default: true,
                default_varies: true,
                default: Some("now()".into()),
                written: "timestamp with time zone".into(),
                ..column("at", 1184, "timestamptz")
            },
            Column {
                has_default: true,
                default: Some("(1 + 2)".into()),
                written: "bigint".into(),
                ..column("size", 20, "int8")
            },
            Column {
                not_null: true,
                has_default: true,
                from_sequence: true,
                default_varies: true,
                default: Some(
                    r#"pg_catalog.nextval('"Odd"."T 1_n_seq"'::pg_catalog.regclass)"#.into(),
                ),
                always_identity: true,
                written: "integer".into(),
                ..column("n", 23, "int4")
            },
            Column {
                type_modifier: (10 << 16 | 2) + 4,
                written: "numeric(10,2)".into(),
                ..column("price", 1700, "numeric")
            },
        ],
        unique: vec![
            UniqueIndex {
                name: "T 1_code_n_at_key".into(),
                columns: names(&["code", "n"]),
                primary: false,
                partial: false,
            },
            UniqueIndex {
                name: "T 1_pkey".into(),
                columns: names(&["id"]),
                primary: true,
                partial: false,
            },
            UniqueIndex {
                name: "part".into(),
                columns: names(&["", "id"]),
                primary: false,
                partial: true,
            },
        ],
        foreign_keys: vec![],
        triggers: names(&["schema_r", "schema_t"]),
        per_statement: true,
        // It has a rule.
        may_notify: true,
        reads: vec![],
        family: vec![],
        view: None,
        secured: false,
    };
    assert_eq!(schema.tables.get(&odd), Some(&expected));

    let child = &schema.tables[&name("public", "schema_child")];
    assert_eq!(child.kind, TableKind::Partitioned);
    assert_eq!(
        child.foreign_keys,
        [
            ForeignKey {
                name: "schema_child_b_a_fkey".into(),
                columns: names(&["b", "a"]),
                references: name("public", "schema_child"),
                referenced_columns: names(&["b", "a"]),
            },
            ForeignKey {
                name: "schema_child_t_id_fkey".into(),
                columns: names(&["t_id"]),
                references: odd.clone(),
                referenced_columns: names(&["id"]),
            },
        ]
    );
    let view = &schema.tables[&name("public", "schema_view")];
    assert_eq!(
        (view.kind, &view.reads),
        (TableKind::View, &vec![odd, name("public", "schema_child")])
    );
    let stored = &schema.tables[&name("public", "schema_mv")];
    assert_eq!(stored.kind, TableKind::MaterializedView);
    assert_eq!(schema.tables[&name("Odd", "T 1_id_seq")].kind, TableKind::Sequence);
    assert!(!schema.tables.keys().any(|t| t.schema.starts_with("pg_")));

    let volatilities = |function: &str| -> Vec<(String, Volatility)> {
        let facts = &schema.functions[function];
        facts.iter().map(|f| (f.schema.to_string(), f.volatility)).collect()
    };
    assert_eq!(
        volatilities("schema_f"),
        [("Odd".to_owned(), Volatility::Volatile), ("public".to_owned(), Volatility::Stable)]
    );
    let system = |volatility| vec![("pg_catalog".to_owned(), volatility)];
    assert_eq!(volatilities("lower"), system(Volatility::Immutable));
    assert_eq!(volatilities("now"), system(Volatility::Stable));
    assert_eq!(volatilities("nextval"), system(Volatility::Volatile));
    let sets = |function: &str| schema.functions[function].iter().any(|fact| fact.sets);
    assert!(sets("generate_series") && sets("unnest") && !sets("lower") && !sets("schema_f"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_grows_when_something_changed_and_only_then() {
    let herd = TestHerd::start(&Want::sharded(1, 1, ""));
    let node = herd.primary("s1").expect("a primary");
    let run = |statement: &str| drop(node.query(statement, SOON).expect("run"));
    let cluster = start(&herd).await;
    let watch = cluster.schema();
    let known =
        |table: &'static str| move |s: &Schema| s.tables.contains_key(&name("public", table));

    // Noticed by itself, and at once when asked.
    run("CREATE TABLE noticed (a int, b text)");
    until("a new table", &cluster, known("noticed")).await;
    let mut version = watch.version();
    for ddl in [
        "ALTER TABLE noticed ADD c int",
        "ALTER TABLE noticed ALTER a SET DEFAULT 7",
        "ALTER TABLE noticed ALTER a SET NOT NULL",
        "ALTER TABLE noticed ALTER b TYPE varchar(9)",
        "CREATE UNIQUE INDEX noticed_a ON noticed (a)",
        "DROP INDEX noticed_a",
        "ALTER TABLE noticed RENAME c TO d",
        "ALTER TABLE noticed DROP d",
        "CREATE FUNCTION noticed() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION noticed() VOLATILE",
        "CREATE VIEW noticed_view AS SELECT a FROM noticed",
        "CREATE OR REPLACE VIEW noticed_view AS SELECT noticed.a FROM noticed, pg_class",
        "CREATE SCHEMA aside",
        "ALTER TABLE noticed SET SCHEMA aside",
        "ALTER SCHEMA aside RENAME TO beside",
        "DROP SCHEMA beside CASCADE",
    ] {
        run(ddl);
        watch.refresh().await.expect("read");
        let grown = watch.version();
        let no_difference = ddl == "CREATE SCHEMA aside";
        assert_eq!(grown > version, !no_difference, "{ddl}");
        version = grown;
    }

    // What changes no table leaves it alone, however often it is looked at.
    run("CREATE TABLE filled AS SELECT generate_series(1, 1000) AS i");
    watch.refresh().await.expect("read");
    let version = watch.version();
    run("ANALYZE filled");
    run("VACUUM filled");
    run("INSERT INTO filled VALUES (7)");
    run("CREATE TEMP TABLE passing (a int UNIQUE)");
    run("CREATE ROLE nobody_in_particular");
    for _ in 0..3 {
        assert_eq!(watch.refresh().await, Ok(false));
    }
    assert_eq!(watch.version(), version);

    // The old schema is kept while the home shard is away; the new primary is asked after.
    caught_up(&node, &herd.nodes()[1]).await;
    node.stop(Stop::Immediate).expect("stopped");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(watch.refresh().await.expect_err("away").sqlstate, "57P03");
    assert_eq!(watch.version(), version);
    let promoted = &herd.nodes()[1];
    promoted.promote().expect("promoted");
    promoted.query("CREATE TABLE after_promotion (a int)", SOON).expect("made");
    until("the new primary's table", &cluster, known("after_promotion")).await;
}
