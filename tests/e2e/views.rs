//! Views over sharded tables: with whose rights they are read, what is known of them when somebody
//! else changes them, and what isn't known while their tables are locked.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{TestHerd, Want};
use crate::wide::speaker::Speaker;

const SOON: Duration = Duration::from_secs(60);
const RULES: &str = "keyspaces:
  - name: users
    key: [bigint]
    tables:
      users: [id]
      posts: [user_id]
      secrets: [id]
reference: [countries]
";
const SHARDS: [&str; 3] = ["s1", "s2", "s3"];
const USERS: &str = "[cluster]\nschema_poll = \"200ms\"
[[database.app.user]]\nname = \"reader\"\npassword = \"reader\"
[[database.app.user]]\nname = \"owner\"\npassword = \"owner\"\n";

const MADE: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, name text, country text);
    CREATE TABLE posts (user_id bigint, id bigint, body text, PRIMARY KEY (user_id, id));
    CREATE TABLE secrets (id bigint PRIMARY KEY, whose text);
    CREATE TABLE countries (code text PRIMARY KEY);
    ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON secrets USING (whose = current_user);
    CREATE VIEW shared AS SELECT id, name FROM users WHERE id > 3;
    CREATE VIEW counted AS SELECT country, count(*) AS n FROM users GROUP BY country;
    CREATE VIEW invoked WITH (security_invoker) AS SELECT country, count(*) AS n FROM users GROUP BY country;
    CREATE VIEW told AS SELECT id, whose FROM secrets;
    CREATE VIEW all_told AS SELECT whose, count(*) AS n FROM secrets GROUP BY whose;
    CREATE VIEW own_told WITH (security_invoker = on) AS SELECT whose, count(*) AS n FROM secrets GROUP BY whose;
    CREATE VIEW hidden AS SELECT country, count(*) AS n FROM users GROUP BY country;
    CREATE VIEW whole AS SELECT code FROM countries;
    CREATE VIEW unowned AS SELECT country, count(*) AS n FROM users GROUP BY country;
    ALTER VIEW unowned OWNER TO owner;
    GRANT SELECT ON shared, counted, invoked, told, all_told, own_told, unowned TO reader, owner;
    GRANT SELECT ON secrets TO reader, owner;";
const ROWS: &str = "
    INSERT INTO users SELECT n, 'u' || n, (ARRAY['de', 'fr'])[1 + n % 2] FROM generate_series(1, 12) n;
    INSERT INTO secrets SELECT n, (ARRAY['reader', 'owner', 'pgherd'])[1 + n % 3] FROM generate_series(1, 12) n;";

fn herd() -> (TestHerd, crate::support::Proxy) {
    let herd = TestHerd::start(&Want::sharded(3, 0, RULES));
    for shard in SHARDS {
        let node = herd.primary(shard).expect("a primary");
        for role in ["reader", "owner"] {
            let made = format!("CREATE ROLE {role} LOGIN PASSWORD '{role}'");
            node.query(&made, SOON).expect("made");
        }
    }
    let proxy = herd.proxy_with(|own| own + USERS);
    let mut maker = Speaker::connect(proxy.port()).expect("it lets us in");
    maker.must(MADE);
    for shard in SHARDS {
        // Each row on its own shard.
        let node = herd.primary(shard).expect("a primary");
        node.query(ROWS, SOON).expect("filled");
        for table in ["users", "secrets"] {
            let text =
                format!("DELETE FROM {table} WHERE pgherd.shard_of('users', id) <> '{shard}'");
            node.query(&text, SOON).expect("its own are left");
        }
    }
    (herd, proxy)
}

fn rows(speaker: &mut Speaker, text: &str) -> Vec<String> {
    speaker.must(text).rows()
}

#[test]
fn a_view_is_read_with_the_rights_that_it_has() {
    let (_herd, proxy) = herd();
    let mut maker = Speaker::connect(proxy.port()).expect("it lets us in");
    let mut reader = Speaker::connect_as(proxy.port(), "reader").expect("it lets us in");
    let mut owner = Speaker::connect_as(proxy.port(), "owner").expect("it lets us in");

    // Sent by its name: whoever may read the view gets its rows, without any right on the table.
    reader.fails("SELECT count(*) FROM users", "42501");
    assert_eq!(rows(&mut reader, "SELECT count(*) FROM shared"), ["9"]);
    assert_eq!(rows(&mut reader, "SELECT name FROM shared WHERE id = 7"), ["u7"]);
    let ranked = "SELECT max(rank) FROM (SELECT rank() OVER (ORDER BY name) FROM shared) s";
    assert_eq!(rows(&mut reader, ranked), ["9"]);
    let mut told = rows(&mut reader, "SELECT DISTINCT whose FROM told");
    told.sort();
    // The view's owner owns the table, and sees all of it.
    assert_eq!(told, ["owner", "pgherd", "reader"]);
    assert_eq!(rows(&mut reader, "SELECT count(*) FROM secrets"), ["4"]);

    // Sent as its definition: with rights on the table only, or not at all.
    assert_eq!(rows(&mut maker, "SELECT sum(n) FROM counted"), ["12"]);
    let refused = reader.fails("SELECT sum(n) FROM counted", "0A000");
    assert!(refused.words().contains("view public.counted"), "{}", refused.words());
    // Nothing of it is left.
    reader.must("BEGIN");
    assert_eq!(rows(&mut reader, "SELECT count(*) FROM shared"), ["9"]);
    reader.must("COMMIT");
    // Postgres says the same: it reads with the client's own rights.
    reader.fails("SELECT sum(n) FROM invoked", "42501");
    // Its owner may not read the table.
    maker.must("GRANT SELECT ON users TO reader");
    reader.fails("SELECT sum(n) FROM unowned", "42501");
    assert_eq!(rows(&mut reader, "SELECT sum(n) FROM counted"), ["12"]);
    assert_eq!(rows(&mut reader, "SELECT sum(n) FROM invoked"), ["12"]);
    // Who may read the table may still not read the view.
    let denied = reader.fails("SELECT sum(n) FROM hidden", "42501");
    assert!(denied.words().contains("permission denied for view hidden"), "{}", denied.words());
    // Rows that others may see are none of his.
    for speaker in [&mut maker, &mut reader, &mut owner] {
        speaker.fails("SELECT * FROM all_told", "0A000");
    }
    assert_eq!(rows(&mut reader, "SELECT whose FROM own_told"), ["reader"]);
    assert_eq!(rows(&mut owner, "SELECT whose FROM own_told"), ["owner"]);
    // A reference table that is written through a view would differ from its other copies.
    maker.fails("INSERT INTO whole VALUES ('xx')", "0A000");
}

#[test]
fn a_view_is_known_as_it_is() {
    let (herd, proxy) = herd();
    let mut maker = Speaker::connect(proxy.port()).expect("it lets us in");
    let mut other = Speaker::connect(proxy.port()).expect("it lets us in");
    let asked = "SELECT sum(n) FROM counted";
    assert_eq!(rows(&mut other, asked), ["12"]);
    // Others see it once it is committed, and at once.
    maker.must("BEGIN");
    maker.must(
        "CREATE OR REPLACE VIEW counted AS SELECT country, count(*) AS n FROM users WHERE id < 6 \
         GROUP BY country",
    );
    assert_eq!(rows(&mut maker, asked), ["5"]);
    maker.must("COMMIT");
    assert_eq!(rows(&mut other, asked), ["5"]);
    // What is renamed beneath it is called so in its definition.
    maker.must("ALTER TABLE users RENAME country TO land");
    assert_eq!(rows(&mut other, asked), ["5"]);
    maker.must("DROP VIEW counted");
    other.fails(asked, "42P01");
    maker.must("CREATE VIEW counted AS SELECT 1 AS n FROM users WHERE id > 11");
    assert_eq!(rows(&mut other, asked), ["1"]);

    // While somebody has a table for himself, other tables and views are known all the same.
    let home = herd.primary("s1").expect("a primary");
    let mut holder = Speaker::connect_to(home.member().port, "pgherd", "app").expect("let in");
    holder.must("BEGIN");
    holder.must("LOCK TABLE ONLY users IN ACCESS EXCLUSIVE MODE");
    maker.must("CREATE VIEW bodies AS SELECT body, count(*) AS n FROM posts GROUP BY body");
    assert_eq!(rows(&mut other, "SELECT count(*) FROM bodies"), ["0"]);
    other.fails("SELECT sum(n) FROM hidden", "0A000");
    holder.must("ROLLBACK");
    let until = Instant::now() + SOON;
    while other.query("SELECT sum(n) FROM hidden").expect("an answer").code().is_some() {
        assert!(Instant::now() < until, "its definition is never read");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(rows(&mut other, "SELECT sum(n) FROM hidden"), ["12"]);
}
