//! Constraints that no server can keep over all shards.

use super::{ALL, NONE, have};
use crate::proxy::common::{code, connect};
use crate::support::{Proxy, TestHerd, Want};

const RULES: &str = "
keyspaces:
  - name: users
    key: [bigint]
    tables: { users: [id], posts: [user_id], notes: [user_id] }
  - name: days
    key: [date]
    tables: { days: [day] }
reference: [countries, cities]
home: [settings]
";

const TABLES: &str = "
CREATE TABLE countries (code text PRIMARY KEY);
CREATE TABLE settings (name text PRIMARY KEY);
CREATE TABLE users (id bigint PRIMARY KEY, email text, country text REFERENCES countries);
CREATE TABLE posts (id bigserial PRIMARY KEY, user_id bigint REFERENCES users, slug text, u uuid UNIQUE, UNIQUE (user_id, id));
CREATE TABLE days (day date PRIMARY KEY, n int)";

/// Statements that the servers take, and why no shard has them then.
const REFUSED: &[(&str, &str)] = &[
    ("ALTER TABLE users ADD UNIQUE (email)", "unique on each shard only"),
    ("CREATE UNIQUE INDEX one_email ON users (lower(email))", "unique on each shard only"),
    ("CREATE UNIQUE INDEX one_email ON users (email) WHERE id > 0", "unique on each shard only"),
    ("ALTER TABLE posts ADD CONSTRAINT one_slug EXCLUDE (slug WITH =)", "unique on each shard"),
    ("CREATE TABLE notes (n int PRIMARY KEY, user_id bigint)", "unique on each shard only"),
    ("CREATE TABLE notes (user_id bigint, parent bigint REFERENCES users)", "from shard key to"),
    ("CREATE TABLE notes (user_id bigint, post bigint REFERENCES posts (id))", "from shard key to"),
    ("CREATE TABLE notes (user_id bigint, day date REFERENCES days)", "split by another key"),
    ("CREATE TABLE notes (user_id bigint, s text REFERENCES settings)", "on the home shard only"),
    ("CREATE TABLE cities (c text, u bigint REFERENCES users)", "is split over the shards"),
    ("CREATE TABLE cities (c text REFERENCES settings)", "on the home shard only"),
];

const TAKEN: &[&str] = &[
    "CREATE UNIQUE INDEX ON users (email, id)",
    "CREATE INDEX ON users (email)",
    "CREATE TABLE notes (user_id bigint, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, post bigint, \
     FOREIGN KEY (user_id, post) REFERENCES posts (user_id, id), FOREIGN KEY (user_id) REFERENCES users)",
    "CREATE TABLE cities (c text UNIQUE, country text REFERENCES countries)",
    "ALTER TABLE settings ADD value text UNIQUE",
    "CREATE TABLE nowhere (a int UNIQUE REFERENCES notes (id))",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_no_shard_can_keep_for_all_is_refused() {
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    let proxy = herd.proxy();
    let mut client = connect(&proxy.dsn("app")).await;
    client.batch_execute(TABLES).await.expect("tables");
    for (sql, why) in REFUSED {
        let error = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(code(&error), "0A000", "{sql}: {error:?}");
        let said = error.as_db_error().expect("the server's words");
        assert!(said.message().contains(why), "{sql}: {}", said.message());
        assert!(said.hint().unwrap_or_default().contains("split_constraints"), "{sql}");
    }
    for nothing in ["one_email", "notes", "cities", "one_slug"] {
        assert_eq!(have(&herd, nothing), NONE, "{nothing}");
    }
    // In a block it is the block that fails.
    let block = client.transaction().await.expect("begun");
    block.batch_execute("CREATE TABLE notes (user_id bigint)").await.expect("made");
    block.batch_execute("ALTER TABLE notes ADD n int UNIQUE").await.expect_err("refused");
    let error = block.batch_execute("SELECT 1").await.expect_err("failed");
    assert_eq!(code(&error), "25P02");
    block.rollback().await.expect("rolled back");
    assert_eq!(have(&herd, "notes"), NONE);
    for sql in TAKEN {
        client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
    assert_eq!(have(&herd, "notes"), ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_may_say_that_each_shard_keeps_its_own() {
    let herd =
        TestHerd::start(&Want::sharded(2, 0, &format!("{RULES}split_constraints: accept\n")));
    let proxy: Proxy = herd.proxy();
    let client = connect(&proxy.dsn("app")).await;
    client.batch_execute(TABLES).await.expect("tables");
    client.batch_execute("ALTER TABLE users ADD UNIQUE (email)").await.expect("taken");
    client
        .batch_execute("CREATE TABLE notes (user_id bigint, day date REFERENCES days)")
        .await
        .expect("taken");
}
