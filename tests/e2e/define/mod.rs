//! Statements that define: on all shards or on none, whatever happens in between.

mod constraints;
mod crash;

use std::collections::BTreeSet;
use std::time::Duration;

use pgherd::local::Node;
use tokio_postgres::SimpleQueryMessage;

use crate::proxy::common::{code, connect, psql, psql_with};
use crate::support::{Proxy, TestHerd, Want};

const LIMIT: Duration = Duration::from_secs(30);

/// Tables of the tests that share a herd, each named after its test.
const RULES: &str = "
keyspaces:
  - name: users
    key: [bigint]
    tables: { block_users: [id], order_users: [id], lone_users: [id], ids: [k], ids_late: [k], ids_own: [k] }
home: [block_notes]
";

fn herd() -> &'static TestHerd {
    TestHerd::shared(&Want::sharded(3, 0, RULES))
}

fn proxy() -> &'static Proxy {
    static PROXY: std::sync::OnceLock<Proxy> = std::sync::OnceLock::new();
    PROXY.get_or_init(|| herd().proxy())
}

fn primaries(herd: &TestHerd) -> Vec<Node> {
    herd.shape().shard_names().map(|shard| herd.primary(&shard).expect("a primary")).collect()
}

/// What each shard answers, the first row's first value.
fn on_each(herd: &TestHerd, question: &str) -> Vec<String> {
    let ask = |node: &Node| {
        let rows = node.query(question, LIMIT).unwrap_or_else(|e| panic!("{question}: {e}"));
        rows.first().and_then(|row| row.first().cloned().flatten()).unwrap_or_default()
    };
    primaries(herd).iter().map(ask).collect()
}

/// Which shards have a relation of this name.
fn have(herd: &TestHerd, relation: &str) -> Vec<bool> {
    let question = format!("SELECT to_regclass('{relation}') IS NOT NULL");
    on_each(herd, &question).iter().map(|answer| answer == "t").collect()
}

fn is_prepared(herd: &TestHerd) -> bool {
    on_each(herd, "SELECT count(*) FROM pg_prepared_xacts").iter().any(|n| n != "0")
}

const ALL: [bool; 3] = [true; 3];
const NONE: [bool; 3] = [false; 3];

#[tokio::test(flavor = "multi_thread")]
async fn what_one_shard_refuses_no_shard_has() {
    let client = connect(&proxy().dsn("app")).await;
    primaries(herd())[1].query("CREATE TABLE odd_one (a int)", LIMIT).expect("made");
    let error = client.batch_execute("CREATE TABLE odd_one (a int)").await.expect_err("refused");
    assert_eq!(code(&error), "42P07");
    let detail = error.as_db_error().and_then(|e| e.detail()).unwrap_or_default();
    assert!(detail.contains("On shard s2"), "{detail}");
    assert_eq!(have(herd(), "odd_one"), [false, true, false]);
    let error = client.execute("CREATE TABLE odd_one (a int)", &[]).await.expect_err("refused");
    assert_eq!(code(&error), "42P07");
    assert_eq!(have(herd(), "odd_one"), [false, true, false]);
    // The client goes on, and so do the connections.
    assert!(!proxy().log().contains("in doubt"), "{}", proxy().log());
    client.batch_execute("CREATE TABLE even_one (a int)").await.expect("made");
    assert_eq!(have(herd(), "even_one"), ALL);
    assert!(!is_prepared(herd()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_has_it_committed_or_rolled_back_with_the_rest() {
    let mut client = connect(&proxy().dsn("app")).await;
    let count = "SELECT count(*) FROM block_users";
    for commit in [false, true] {
        let block = client.transaction().await.expect("begun");
        block
            .batch_execute("CREATE TABLE block_users (id bigint PRIMARY KEY)")
            .await
            .expect("made");
        block.execute("CREATE INDEX block_index ON block_users (id)", &[]).await.expect("made");
        block.batch_execute("SAVEPOINT s; CREATE VIEW block_view AS SELECT 1").await.expect("made");
        block.batch_execute("ROLLBACK TO s").await.expect("rolled back");
        if commit {
            block.commit().await.expect("committed");
        } else {
            block.rollback().await.expect("rolled back");
        }
        let there = if commit { ALL } else { NONE };
        assert_eq!(have(herd(), "block_users"), there);
        assert_eq!(have(herd(), "block_index"), there);
        assert_eq!(have(herd(), "block_view"), NONE);
    }
    // What was committed is known when the client hears of it.
    client.batch_execute("INSERT INTO block_users VALUES (1), (1000)").await.ok();
    client.query_one(count, &[]).await.expect("counted");
    let block = client.transaction().await.expect("begun");
    block.batch_execute("DROP TABLE block_users").await.expect("dropped");
    let error = block.batch_execute("VACUUM").await.expect_err("not in a block");
    assert_eq!(code(&error), "25001");
    block.rollback().await.expect("rolled back");
    assert_eq!(have(herd(), "block_users"), ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_one_transaction_unless_it_says_otherwise() {
    let dsn = proxy().dsn("app");
    let client = connect(&dsn).await;
    let error = client
        .batch_execute("CREATE TABLE text_a (a int); CREATE TABLE text_b (b int); SELECT 1 / 0")
        .await
        .expect_err("divided by zero");
    assert_eq!(code(&error), "22012");
    assert_eq!(have(herd(), "text_a"), NONE);
    let said = client
        .simple_query(
            "CREATE TABLE text_a (a int); BEGIN; CREATE TABLE text_b (b int); COMMIT; \
                       SELECT 1; DROP TABLE text_a",
        )
        .await
        .expect("run");
    let commands = said.iter().filter(|m| matches!(m, SimpleQueryMessage::CommandComplete(_)));
    assert_eq!(commands.count(), 6);
    assert_eq!(have(herd(), "text_a"), NONE);
    assert_eq!(have(herd(), "text_b"), ALL);
    let error = client
        .batch_execute("BEGIN; CREATE TABLE text_c (a int); SELECT 1 / 0; COMMIT")
        .await
        .expect_err("divided by zero");
    assert_eq!(code(&error), "22012");
    client.batch_execute("ROLLBACK").await.expect("the block was still open");
    assert_eq!(have(herd(), "text_c"), NONE);
    let output =
        psql_with(&dsn, &["-X", "-1", "-v", "ON_ERROR_STOP=1"], "CREATE TABLE text_d (a int);\n");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(have(herd(), "text_d"), ALL);
    // Each statement's hint is its own.
    let hinted = "/* pgherd: shard=s2 */ CREATE TABLE text_on (a int); CREATE TABLE text_all (a int); \
                  /* pgherd: shard=s3 */ ALTER TABLE text_all ADD b int";
    client.batch_execute(hinted).await.expect("run");
    assert_eq!(have(herd(), "text_on"), [false, true, false]);
    assert_eq!(have(herd(), "text_all"), ALL);
    let columns =
        "SELECT count(*) FROM pg_attribute WHERE attrelid = 'text_all'::regclass AND attnum > 0";
    assert_eq!(on_each(herd(), columns), ["1", "1", "2"]);
    // Up to a COMMIT all is done, whatever becomes of the rest.
    let text = "CREATE TABLE text_e (a int); COMMIT; CREATE TABLE text_f (a int); ROLLBACK; \
                CREATE TABLE text_g (a int); VACUUM";
    let error = client.batch_execute(text).await.expect_err("VACUUM can't be among others");
    assert_eq!(code(&error), "25001");
    assert_eq!(have(herd(), "text_e"), ALL);
    assert_eq!(have(herd(), "text_f"), NONE);
    assert_eq!(have(herd(), "text_g"), NONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_define_the_same_wait_for_each_other() {
    let dsn = proxy().dsn("app");
    let clients = [connect(&dsn).await, connect(&dsn).await, connect(&dsn).await];
    for round in 0..8 {
        let sql = format!(
            "CREATE TABLE race_{round} (a int PRIMARY KEY); ALTER TABLE race_{round} ADD b int"
        );
        let all = clients.iter().map(|client| client.batch_execute(&sql));
        let done = futures_util::future::join_all(all).await;
        let won = done.iter().filter(|done| done.is_ok()).count();
        assert_eq!(won, 1, "{done:?}");
        for error in done.into_iter().filter_map(Result::err) {
            assert!(["42P07", "23505"].contains(&code(&error)), "{error:?}");
        }
        assert_eq!(have(herd(), &format!("race_{round}")), ALL);
    }
    assert!(!is_prepared(herd()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_transaction_says_how_far_it_came() {
    let client = connect(&proxy().dsn("app")).await;
    client.batch_execute("CREATE TABLE far (a int)").await.expect("made");
    primaries(herd())[1].query("INSERT INTO far VALUES (1), (1)", LIMIT).expect("inserted");
    let sql = "CREATE UNIQUE INDEX CONCURRENTLY far_a ON far (a)";
    let error = client.batch_execute(sql).await.expect_err("twice");
    assert_eq!(code(&error), "23505");
    let error = error.as_db_error().expect("a server's");
    let detail = error.detail().unwrap_or_default();
    assert!(detail.contains("Done on s1; failed on s2; not tried on s3."), "{detail}");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("invalid index"), "{hint}");
    assert!(hint.contains(&format!("/* pgherd: shard=s2 */ {sql};")), "{hint}");
    primaries(herd())[1].query("DELETE FROM far", LIMIT).expect("mended");
    client.batch_execute("/* pgherd: shard=s2 */ DROP INDEX far_a").await.expect("mended");
    let again = hint.lines().filter(|line| line.starts_with("/* pgherd"));
    for again in again {
        client.batch_execute(again.trim_end_matches(';')).await.expect("again");
    }
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'far_a'::regclass";
    assert_eq!(on_each(herd(), valid), ["t", "t", "t"]);
    for sql in ["VACUUM far", "ANALYZE far", "REINDEX INDEX far_a", "DROP INDEX CONCURRENTLY far_a"]
    {
        client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
    assert_eq!(have(herd(), "far_a"), NONE);
}

/// Notices, and objects of all kinds.
#[tokio::test(flavor = "multi_thread")]
async fn all_kinds_of_objects_are_made_and_dropped_on_all() {
    let dsn = proxy().dsn("app");
    let (out, errors) = psql(
        &dsn,
        "CREATE SCHEMA kinds;
         CREATE TYPE kinds.mood AS ENUM ('good', 'bad');
         ALTER TYPE kinds.mood ADD VALUE 'so so' AFTER 'good';
         CREATE DOMAIN kinds.small AS int CHECK (VALUE < 10);
         CREATE TABLE kinds.t (a kinds.small, m kinds.mood);
         CREATE FUNCTION kinds.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER g BEFORE INSERT ON kinds.t FOR EACH ROW EXECUTE FUNCTION kinds.f();
         CREATE VIEW kinds.v AS SELECT a FROM kinds.t;
         CREATE RULE r AS ON DELETE TO kinds.v DO INSTEAD NOTHING;
         ALTER TABLE kinds.t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY p ON kinds.t USING (a < 5);
         COMMENT ON TABLE kinds.t IS 'a table';
         CREATE SEQUENCE kinds.s;
         GRANT SELECT ON kinds.t TO PUBLIC;
         CREATE STATISTICS kinds.st ON a, m FROM kinds.t;
         DROP TABLE IF EXISTS kinds.nothing;",
    );
    assert_eq!(out, "");
    assert_eq!(errors.matches("skipping").count(), 1, "{errors}");
    let what = "SELECT string_agg(x, ' ' ORDER BY x) FROM (
        SELECT relname::text x FROM pg_class WHERE relnamespace = 'kinds'::regnamespace
        UNION ALL SELECT enumlabel FROM pg_enum
        UNION ALL SELECT polname FROM pg_policy
        UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT description FROM pg_description WHERE objoid = 'kinds.t'::regclass) y";
    let there: BTreeSet<String> = on_each(herd(), what).into_iter().collect();
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(there.first().map(String::as_str), Some("a table bad g good p s so so t v"));
    let (_, errors) = psql(&dsn, "DROP SCHEMA kinds CASCADE;");
    assert!(errors.contains("drop cascades to"), "{errors}");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'kinds'";
    assert_eq!(on_each(herd(), schemas), ["0", "0", "0"]);
}

/// Statements behind one that defines go where what it has made says.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_routed_by_what_it_has_defined() {
    let client = connect(&proxy().dsn("app")).await;
    client
        .batch_execute("CREATE TABLE order_users (other bigint, id bigint PRIMARY KEY)")
        .await
        .expect("made");
    let insert = async |block: &str| {
        let done = client.batch_execute(block).await;
        done.unwrap_or_else(|error| panic!("{block}: {error:?}\n{}", proxy().log()));
    };
    // Twenty keys, so that they lie on all shards.
    let keys = |from: i64, row: &dyn Fn(i64) -> String| {
        (from..from + 20)
            .map(|id| format!("INSERT INTO order_users VALUES ({})", row(id)))
            .collect::<Vec<_>>()
    };
    insert("BEGIN; ALTER TABLE order_users DROP COLUMN other; ALTER TABLE order_users ADD later bigint").await;
    for sql in keys(0, &|id| format!("{id}, {}", id + 7)) {
        client.execute(&sql, &[]).await.expect("inserted");
    }
    insert("SAVEPOINT s; ALTER TABLE order_users DROP COLUMN id; ALTER TABLE order_users ADD id bigint").await;
    for sql in keys(100, &|id| format!("{}, {id}", id + 7)) {
        client.batch_execute(&sql).await.expect("inserted");
    }
    insert("ROLLBACK TO s").await;
    for sql in keys(200, &|id| format!("{id}, {}", id + 7)) {
        client.batch_execute(&sql).await.expect("inserted");
    }
    insert("CREATE VIEW order_view AS SELECT later FROM order_users WHERE id = 5").await;
    let found = client.query("SELECT later FROM order_view", &[]).await.expect("known as a view");
    assert_eq!(found.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [12]);
    insert("ROLLBACK TO s").await;
    insert("COMMIT").await;
    for id in 0..20 {
        let found = client
            .query("SELECT later FROM order_users WHERE id = $1", &[&id])
            .await
            .expect("asked");
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!(found[0].get::<_, i64>(0), id + 7);
    }
    let text = "CREATE TABLE lone_users (id bigint PRIMARY KEY, t text); \
                INSERT INTO lone_users VALUES (1, 'a'); INSERT INTO lone_users VALUES (2, 'b'); \
                INSERT INTO lone_users VALUES (3, 'c'); SELECT count(*) FROM lone_users";
    client.batch_execute(text).await.expect("a migration");
    let rows = client.query_one("SELECT count(*) FROM lone_users", &[]).await.expect("counted");
    assert_eq!(rows.get::<_, i64>(0), 3);
}

/// Sequences of sharded tables give each shard its own ids, whatever statement makes them.
#[tokio::test(flavor = "multi_thread")]
async fn ids_of_two_shards_never_meet() {
    let client = connect(&proxy().dsn("app")).await;
    client
        .batch_execute(
            "CREATE TABLE ids (k bigint, id bigserial, other bigint GENERATED BY DEFAULT AS IDENTITY,
                               PRIMARY KEY (k, id));
             CREATE SEQUENCE ids_free;
             CREATE TABLE ids_late (k bigint PRIMARY KEY);
             INSERT INTO ids_late SELECT 1 WHERE false;
             ALTER TABLE ids_late ADD id bigint DEFAULT nextval('ids_free');
             CREATE TABLE ids_own (k bigint PRIMARY KEY, id bigint GENERATED ALWAYS AS IDENTITY
                                   (START 100 INCREMENT 5 MAXVALUE 1000));
             CREATE SEQUENCE ids_plain",
        )
        .await
        .expect("made");
    let bounds = |sequence: &str| {
        let question = format!(
            "SELECT min_value || '..' || max_value || ' from ' || start_value
             FROM pg_sequences WHERE sequencename = '{sequence}'"
        );
        on_each(herd(), &question)
    };
    let own = [
        "1..8796093022207 from 1",
        "8796093022209..17592186044415 from 8796093022209",
        "17592186044417..26388279066623 from 17592186044417",
    ];
    for sequence in ["ids_id_seq", "ids_other_seq", "ids_free"] {
        assert_eq!(bounds(sequence), own, "{sequence}");
    }
    let few = [
        "1..1000 from 100",
        "8796093022209..8796093023208 from 8796093022308",
        "17592186044417..17592186045416 from 17592186044516",
    ];
    assert_eq!(bounds("ids_own_id_seq"), few);
    assert_eq!(bounds("ids_plain"), vec![format!("1..{} from 1", i64::MAX); 3]);
    let mut seen = BTreeSet::new();
    for k in 0..40_i64 {
        let row = client
            .query_one("INSERT INTO ids (k) VALUES ($1) RETURNING id, other", &[&k])
            .await
            .expect("inserted");
        assert!(seen.insert(row.get::<_, i64>(0)), "an id twice");
        let read = row.get::<_, i64>(1) as f64 as i64;
        assert_eq!(read, row.get::<_, i64>(1));
    }
    // A sequence starts anew where it began on each shard.
    client.batch_execute("ALTER SEQUENCE ids_other_seq RESTART").await.expect("restarted");
    assert_eq!(bounds("ids_other_seq"), own);
    for narrow in [
        "ALTER TABLE ids ADD small serial",
        "ALTER TABLE ids ADD small int GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE ids ADD small smallint DEFAULT nextval('ids_plain')",
        "ALTER SEQUENCE ids_id_seq AS integer MAXVALUE 100 MINVALUE 1 START 1 RESTART",
    ] {
        let error = client.batch_execute(narrow).await.expect_err(narrow);
        assert_eq!(code(&error), "0A000", "{narrow}: {error:?}");
    }
    assert_eq!(bounds("ids_id_seq"), own);
    // What isn't about ids isn't refused for what was made elsewhere.
    for node in primaries(herd()) {
        node.query("ALTER TABLE ids ADD old serial", LIMIT).expect("made");
    }
    client.batch_execute("ALTER TABLE ids ADD note text").await.expect("added");
}
