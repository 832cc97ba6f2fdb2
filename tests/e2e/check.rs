//! `pgherd check` on a real herd: a healthy one has no error, and each fault is found.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use std::{fs, thread};

use pgherd::local::{Node, Stop};
use serde_json::Value;

use crate::support::{PGHERD, TestHerd, Want};

const LIMIT: Duration = Duration::from_secs(20);

const RULES: &str = "
keyspaces:
  - name: users
    key: [bigint]
    tables: { users: [id], posts: [user_id] }
  - name: words
    key: [text]
    tables: { words: [word] }
reference: [countries]
home: [settings]
";

const SCHEMA: &str = "
CREATE TABLE countries (code text PRIMARY KEY);
CREATE TABLE settings (name text PRIMARY KEY, value text);
CREATE TABLE users (id bigint PRIMARY KEY, country text REFERENCES countries);
CREATE TABLE posts (user_id bigint NOT NULL REFERENCES users, id bigint, body text,
                    PRIMARY KEY (user_id, id));
CREATE TABLE words (word text PRIMARY KEY);
CREATE INDEX posts_body ON posts (body);
INSERT INTO countries VALUES ('DE'), ('FR');
";

fn check(config: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(PGHERD);
    command.arg("check").arg("-c").arg(config).args(more).output().expect("pgherd runs")
}

/// The findings as `severity code where: message`, and the exit code.
fn findings(config: &Path) -> (Vec<String>, Option<i32>) {
    let output = check(config, &["--json", "--set", "pool.connect_timeout=2s"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let shown = |finding: &Value| {
        let place = &finding["where"];
        assert!(!text(&finding["mend"]).is_empty());
        format!(
            "{} {} {}/{}/{}: {}",
            text(&finding["severity"]),
            text(&finding["code"]),
            text(&place["shard"]),
            text(&place["node"]),
            text(&place["table"]),
            text(&finding["message"]),
        )
    };
    let findings = report["findings"].as_array().expect("findings").iter().map(shown).collect();
    (findings, output.status.code())
}

fn run(node: &Node, statement: &str) {
    node.query(statement, LIMIT).unwrap_or_else(|error| panic!("{statement}: {error}"));
}

fn primaries(herd: &TestHerd) -> Vec<Node> {
    herd.shape().shard_names().map(|shard| herd.primary(&shard).expect("a primary")).collect()
}

fn healthy(shards: u16, replicas: u16) -> TestHerd {
    let herd = TestHerd::start(&Want::sharded(shards, replicas, RULES));
    for node in primaries(&herd) {
        for statement in SCHEMA.split_terminator(";\n") {
            run(&node, statement);
        }
    }
    // A replica that has only just started may not stream yet.
    let until = Instant::now() + LIMIT;
    while findings(&herd.config()).0.iter().any(|f| f.contains(" refused ") || f.contains("stream"))
    {
        assert!(Instant::now() < until, "{:?}", findings(&herd.config()));
        thread::sleep(Duration::from_millis(100));
    }
    herd
}

/// A fault on one shard or on all, the start of its finding, and how it is taken back.
struct Fault {
    on_all: bool,
    break_it: &'static [&'static str],
    finding: &'static str,
    mend_it: &'static [&'static str],
}

/// Compares what differs between the shards: broken on s2 only.
const DIFFERENCES: &[Fault] = &[
    Fault {
        on_all: false,
        break_it: &["ALTER TABLE posts DROP COLUMN body"],
        finding: "error schema s2/-/public.posts: column body of public.posts differs: missing on s2; \
                  no. 3, text on s1, s3",
        mend_it: &["ALTER TABLE posts ADD body text", "CREATE INDEX posts_body ON posts (body)"],
    },
    Fault {
        on_all: false,
        break_it: &["ALTER TABLE posts ALTER body TYPE varchar(10)"],
        finding: "error schema s2/-/public.posts: column body of public.posts differs: \
                  no. 3, character varying(10) on s2; no. 3, text on s1, s3",
        mend_it: &["ALTER TABLE posts ALTER body TYPE text"],
    },
    Fault {
        on_all: false,
        break_it: &["DROP INDEX posts_body"],
        finding: "error schema s2/-/public.posts: index public.posts_body of public.posts differs",
        mend_it: &["CREATE INDEX posts_body ON posts (body)"],
    },
    Fault {
        on_all: false,
        break_it: &["ALTER TABLE words ADD CONSTRAINT short CHECK (length(word) < 9)"],
        finding: "error schema s2/-/public.words: constraint short of public.words differs: \
                  missing on s1, s3; CHECK ((length(word) < 9)) on s2",
        mend_it: &["ALTER TABLE words DROP CONSTRAINT short"],
    },
    Fault {
        on_all: false,
        break_it: &["DROP TABLE words"],
        finding: "error schema s2/-/public.words: public.words differs: missing on s2; table on s1, s3",
        mend_it: &["CREATE TABLE words (word text PRIMARY KEY)"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE TYPE mood AS ENUM ('good')"],
        finding: "error schema s2/-/-: type public.mood differs: missing on s1, s3; enum 'good' on s2",
        mend_it: &["DROP TYPE mood"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE SCHEMA odd"],
        finding: "error schema s2/-/-: schema odd differs: missing on s1, s3; there on s2",
        mend_it: &["DROP SCHEMA odd"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE ROLE odd NOLOGIN"],
        finding: "warning schema s2/-/-: role odd differs: missing on s1, s3; NOLOGIN on s2",
        mend_it: &["DROP ROLE odd"],
    },
    Fault {
        on_all: false,
        break_it: &["GRANT SELECT ON words TO PUBLIC"],
        finding: "error schema s2/-/public.words: privileges of public.words differs",
        mend_it: &["REVOKE SELECT ON words FROM PUBLIC"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE RULE r AS ON DELETE TO words DO INSTEAD NOTHING"],
        finding: "error schema s2/-/public.words: rule r of public.words differs: missing on s1, s3",
        mend_it: &["DROP RULE r ON words"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE STATISTICS st ON id, country FROM users"],
        finding: "error schema s2/-/public.users: statistics st of public.users differs",
        mend_it: &["DROP STATISTICS st"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE TYPE pair AS (a int, b text)"],
        finding: "error schema s2/-/-: type public.pair differs: missing on s1, s3; row of a \
                  integer, b text on s2",
        mend_it: &["DROP TYPE pair"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE COLLATION odd FROM \"C\""],
        finding: "error schema s2/-/-: collation public.odd differs: missing on s1, s3",
        mend_it: &["DROP COLLATION odd"],
    },
    Fault {
        on_all: false,
        break_it: &["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'"],
        finding: "error schema s2/-/-: function public.f() differs",
        mend_it: &["DROP FUNCTION f()"],
    },
    Fault {
        on_all: false,
        break_it: &["INSERT INTO countries VALUES ('IT')"],
        finding: "error reference-rows -/-/public.countries: reference table public.countries has \
                  not the same rows everywhere: 2 on s1, 3 on s2, 2 on s3",
        mend_it: &["DELETE FROM countries WHERE code = 'IT'"],
    },
    Fault {
        on_all: false,
        break_it: &["ALTER ROLE pgherd SET TimeZone = 'Asia/Tokyo'"],
        finding: "error answers-differ -/-/-: TimeZone is not the same everywhere",
        mend_it: &["ALTER ROLE pgherd RESET TimeZone"],
    },
];

/// What the rules don't allow: broken on all shards.
const AGAINST_THE_RULES: &[Fault] = &[
    Fault {
        on_all: true,
        break_it: &["DROP TABLE words"],
        finding: "warning no-table -/-/public.words: the rules name public.words, which does not exist",
        mend_it: &["CREATE TABLE words (word text PRIMARY KEY)"],
    },
    Fault {
        on_all: true,
        break_it: &["DROP TABLE words", "CREATE TABLE words (word numeric PRIMARY KEY)"],
        finding: "error key-type -/-/public.words: key column word of public.words is numeric; \
                  the rules say text",
        mend_it: &["DROP TABLE words", "CREATE TABLE words (word text PRIMARY KEY)"],
    },
    Fault {
        on_all: true,
        break_it: &["ALTER TABLE words RENAME word TO term"],
        finding: "error no-key-column -/-/public.words: key column word of public.words does not exist",
        mend_it: &["ALTER TABLE words RENAME term TO word"],
    },
    Fault {
        on_all: true,
        break_it: &[
            "ALTER TABLE words DROP CONSTRAINT words_pkey",
            "ALTER TABLE words ALTER word DROP NOT NULL",
        ],
        finding: "error key-null -/-/public.words: key column word of public.words may be NULL",
        mend_it: &["ALTER TABLE words ADD PRIMARY KEY (word)"],
    },
    Fault {
        on_all: true,
        break_it: &[
            "CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', \
             deterministic = false)",
            "ALTER TABLE words ALTER word TYPE text COLLATE folded",
        ],
        finding: "error key-collation -/-/public.words: key column word of public.words has a \
                  nondeterministic collation",
        mend_it: &[
            "ALTER TABLE words ALTER word TYPE text COLLATE \"default\"",
            "DROP COLLATION folded",
        ],
    },
    Fault {
        on_all: true,
        break_it: &["ALTER TABLE posts ADD CONSTRAINT once UNIQUE (body)"],
        finding: "warning unique -/-/public.posts: once of public.posts is unique on each shard only",
        mend_it: &["ALTER TABLE posts DROP CONSTRAINT once"],
    },
    Fault {
        on_all: true,
        break_it: &["ALTER TABLE posts ADD CONSTRAINT said FOREIGN KEY (body) REFERENCES words"],
        finding: "error foreign-key -/-/public.posts: foreign key said of public.posts can't be kept: \
                  public.words is split by another key (keyspace words)",
        mend_it: &["ALTER TABLE posts DROP CONSTRAINT said"],
    },
    Fault {
        on_all: true,
        break_it: &["ALTER TABLE posts ADD CONSTRAINT other FOREIGN KEY (id) REFERENCES users"],
        finding: "error foreign-key -/-/public.posts: foreign key other of public.posts can't be kept: \
                  it does not lead from shard key to shard key",
        mend_it: &["ALTER TABLE posts DROP CONSTRAINT other"],
    },
    Fault {
        on_all: true,
        break_it: &["ALTER TABLE settings ADD CONSTRAINT u FOREIGN KEY (name) REFERENCES words"],
        finding: "error foreign-key -/-/public.settings: foreign key u of public.settings can't be \
                  kept: public.words is split over the shards",
        mend_it: &["ALTER TABLE settings DROP CONSTRAINT u"],
    },
    Fault {
        on_all: true,
        break_it: &["ALTER TABLE posts ALTER id ADD GENERATED ALWAYS AS IDENTITY"],
        finding: "warning sequence -/-/public.posts: the ids that column id of public.posts takes \
                  from public.posts_id_seq can meet: 1 to 9223372036854775807 on s1, ",
        mend_it: &["ALTER TABLE posts ALTER id DROP IDENTITY"],
    },
    Fault {
        on_all: true,
        break_it: &[
            "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER watch BEFORE INSERT ON posts FOR EACH ROW EXECUTE FUNCTION t()",
        ],
        finding: "note trigger -/-/public.posts: trigger watch on public.posts",
        mend_it: &["DROP TRIGGER watch ON posts", "DROP FUNCTION t()"],
    },
    Fault {
        on_all: true,
        break_it: &[
            "DO $$ BEGIN EXECUTE format('CREATE VIEW all_users AS SELECT id, %L AS t FROM \
                     users', repeat('x', 300000)); END $$",
        ],
        finding: "note view -/-/public.all_users: view public.all_users reads public.users, and \
                  its definition can't be read",
        mend_it: &["DROP VIEW all_users"],
    },
    Fault {
        on_all: true,
        break_it: &["CREATE MATERIALIZED VIEW all_users AS SELECT id FROM users"],
        finding: "warning view -/-/public.all_users: materialized view public.all_users reads \
                  public.users: on each shard it keeps that shard's rows only",
        mend_it: &["DROP MATERIALIZED VIEW all_users"],
    },
    Fault {
        on_all: true,
        break_it: &["CREATE TABLE stray (id int)"],
        finding: "note unlisted -/-/public.stray: no rule names public.stray",
        mend_it: &["DROP TABLE stray"],
    },
    Fault {
        on_all: true,
        break_it: &[
            "ALTER TABLE users RENAME TO people",
            "CREATE VIEW users AS SELECT * FROM people",
        ],
        finding: "error not-a-table -/-/public.users: public.users is a view, not a table",
        mend_it: &["DROP VIEW users", "ALTER TABLE people RENAME TO users"],
    },
];

#[test]
fn a_healthy_herd_has_no_error_and_each_fault_of_the_schema_is_found() {
    // Of three shards, the one that differs is the odd one.
    let herd = healthy(3, 0);
    let (found, code) = findings(&herd.config());
    let errors: Vec<_> = found.iter().filter(|f| f.starts_with("error")).collect();
    assert_eq!((errors.len(), code), (0, Some(0)), "{errors:?}");
    // Herds for tests write without fsync, which is worth a warning and no more.
    let others: Vec<_> = found.iter().filter(|f| !f.starts_with("warning fsync")).collect();
    assert!(others.is_empty(), "{others:?}");

    let nodes = primaries(&herd);
    for fault in DIFFERENCES.iter().chain(AGAINST_THE_RULES) {
        let on = if fault.on_all { &nodes[..] } else { &nodes[1..2] };
        on.iter().for_each(|node| fault.break_it.iter().for_each(|text| run(node, text)));
        let (found, code) = findings(&herd.config());
        on.iter().for_each(|node| fault.mend_it.iter().for_each(|text| run(node, text)));
        assert!(
            found.iter().any(|finding| finding.starts_with(fault.finding)),
            "{:?}: no {:?} in {found:#?}",
            fault.break_it,
            fault.finding
        );
        assert_eq!(code, Some(i32::from(found.iter().any(|f| f.starts_with("error")))));
    }
    let (found, code) = findings(&herd.config());
    let left: Vec<_> = found.iter().filter(|f| !f.starts_with("warning fsync")).collect();
    assert_eq!((left.len(), code), (0, Some(0)), "{left:?}");
}

/// What is broken on s2 only: the SQL that is said to mend it does, through the proxy.
#[test]
fn the_sql_of_a_finding_mends_it() {
    let herd = healthy(3, 0);
    let proxy = herd.proxy();
    let s2 = &primaries(&herd)[1];
    let breaks = [
        "ALTER TABLE posts DROP COLUMN body",
        "DROP INDEX posts_body",
        "ALTER TABLE users ALTER country TYPE varchar(10), ALTER country SET DEFAULT 'DE'",
        "ALTER TABLE words ADD CONSTRAINT short CHECK (length(word) < 9)",
        "ALTER TABLE posts DROP CONSTRAINT posts_user_id_fkey",
        "CREATE TYPE mood AS ENUM ('good')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW v AS SELECT 1 AS one",
        "CREATE SCHEMA odd",
        "CREATE ROLE odd NOLOGIN",
    ];
    for sql in breaks {
        run(s2, sql);
        mend(&herd, &proxy, &[sql]);
    }
    // An enum that has one label more elsewhere, and a view and a trigger that s2 lacks.
    let nodes = primaries(&herd);
    for node in &nodes {
        run(node, "CREATE TYPE mood AS ENUM ('good', 'bad')");
        run(
            node,
            "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        );
    }
    for node in [&nodes[0], &nodes[2]] {
        run(node, "ALTER TYPE mood ADD VALUE 'so so' AFTER 'good'");
        run(node, "CREATE VIEW v AS SELECT code FROM countries");
        run(node, "CREATE TRIGGER w BEFORE INSERT ON words FOR EACH ROW EXECUTE FUNCTION t()");
    }
    mend(&herd, &proxy, &["a label", "a view", "a trigger"]);
    for node in &nodes {
        run(node, "ALTER TABLE posts ALTER id ADD GENERATED ALWAYS AS IDENTITY");
    }
    mend(&herd, &proxy, &["ids"]);
}

/// Runs the SQL of all findings that have some, and checks that no such finding is left.
fn mend(herd: &TestHerd, proxy: &crate::support::Proxy, what: &[&str]) {
    let found = || {
        let output = check(&herd.config(), &["--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        let mends = report["findings"].as_array().expect("findings").iter().filter_map(|finding| {
            let coded = ["schema", "sequence"].contains(&finding["code"].as_str()?);
            coded.then(|| finding["mend"].as_str().unwrap_or_default().to_owned())
        });
        mends.collect::<Vec<String>>()
    };
    let mends = found();
    assert!(!mends.is_empty(), "{what:?}: nothing was found");
    for sql in mends.iter().flat_map(|mend| mend.split(";")) {
        if !sql.trim().is_empty() {
            let (_, errors) = crate::proxy::common::psql(&proxy.dsn("app"), &format!("{sql};"));
            assert_eq!(errors, "", "{what:?}: {sql}");
        }
    }
    assert_eq!(found(), [""; 0], "{what:?}: after {mends:?}");
}

#[test]
fn faults_of_nodes_are_found() {
    let herd = healthy(2, 1);
    let config = herd.config();
    let has = |found: &[String], start: &str| found.iter().any(|f| f.starts_with(start));
    let replica = herd.replicas("s1").expect("replicas").remove(0);
    let (s1, s2) = (herd.primary("s1").expect("s1"), herd.primary("s2").expect("s2"));
    let address = |node: &Node| format!("127.0.0.1:{}", node.member().port);

    replica.stop(Stop::Immediate).expect("it stops");
    let (found, code) = findings(&config);
    assert!(has(&found, &format!("warning unreachable s1/{}", address(&replica))), "{found:?}");
    assert_eq!(code, Some(0), "a shard without a replica answers");
    replica.start().expect("it starts");

    s2.stop(Stop::Immediate).expect("it stops");
    let (found, code) = findings(&config);
    assert!(has(&found, &format!("error unreachable s2/{}", address(&s2))), "{found:?}");
    assert!(has(&found, "error no-primary s2/-"), "{found:?}");
    assert_eq!(code, Some(1));
    s2.start().expect("it starts");

    let text = fs::read_to_string(&config).expect("settings");
    let changed = |name: &str, from: &str, to: &str| {
        assert!(text.contains(from), "no {from} in {text}");
        let file = herd.dir().join(name);
        fs::write(&file, text.replace(from, to)).expect("settings are written");
        let found = findings(&file);
        fs::remove_file(&file).expect("settings are removed");
        found
    };
    let (found, code) = changed(
        "a.toml",
        "password = \"pgherd\"",
        "password = \"pgherd\"\nserver_password = \"no\"",
    );
    assert!(has(&found, &format!("error refused s1/{}", address(&s1))), "{found:?}");
    assert!(!found.iter().any(|f| f.contains("\"no\"")), "a password is shown: {found:?}");
    assert_eq!(code, Some(1));

    let one = "password = \"pgherd\"\n";
    let two = format!("{one}[[database.app.user]]\nname = \"nobody\"\npassword = \"p\"\n");
    let (found, code) = changed("e.toml", one, &two);
    assert!(has(&found, &format!("error user-refused s1/{}", address(&s1))), "{found:?}");
    assert!(!has(&found, "error refused"), "{found:?}");
    assert_eq!(code, Some(1));

    let (s1_address, replica_address) = (address(&s1), address(&replica));
    let nodes = format!("\"{s1_address}\", \"{replica_address}\"");
    let turned = format!("\"{replica_address}\", \"{s1_address}\"");
    let (found, _) = changed("b.toml", &nodes, &turned);
    assert!(has(&found, &format!("warning first-node s1/{s1_address}")), "{found:?}");

    let s2_replica = address(&herd.replicas("s2").expect("replicas")[0]);
    let swapped = format!("\"{s1_address}\", \"{s2_replica}\"");
    let text_of_s2 = format!("\"{}\", \"{s2_replica}\"", address(&s2));
    let (found, _) = changed("c.toml", &text_of_s2, &format!("\"{}\"", address(&s2)));
    assert!(!has(&found, "error"), "{found:?}");
    let without = text.replace(&text_of_s2, &format!("\"{}\"", address(&s2)));
    let file = herd.dir().join("d.toml");
    fs::write(&file, without.replace(&nodes, &swapped)).expect("settings are written");
    let (found, _) = findings(&file);
    assert!(has(&found, &format!("error foreign-replica s1/{s2_replica}")), "{found:?}");

    let catalog = herd.dir().join("catalog.json");
    let installed = Command::new(PGHERD).args(["install", "-c"]).arg(&config).output();
    assert!(installed.expect("pgherd runs").status.success());
    assert_eq!(findings(&config).1, Some(0));
    let kept = fs::read(&catalog).expect("a catalog");
    fs::remove_file(&catalog).expect("it is removed");
    assert!(has(&findings(&config).0, "error misplaced s1/-"), "{:?}", findings(&config));
    fs::write(&catalog, &kept[..kept.len() / 2]).expect("it is cut");
    let output = check(&config, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("catalog.json") && output.status.code() == Some(2), "{said}");
    fs::write(&catalog, &kept).expect("it is restored");

    replica.promote().expect("it is promoted");
    let (found, code) = findings(&config);
    assert!(has(&found, "error two-primaries s1/-"), "{found:?}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_wrong_file_is_a_usage_error_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("pgherd.toml");
    fs::write(&config, "[pool]\nsise = 3\n").expect("settings are written");
    let output = check(&config, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let expected =
        format!("{}:2: pool.sise is not a setting; did you mean \"size\"?", config.display());
    assert!(said.contains(&expected), "{said}");
    let output = check(&config, &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["mistakes"][0]["line"], 2, "{report}");
}

#[test]
fn ranges_with_a_gap_are_a_mistake_of_the_rules() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("pgherd.toml");
    let shard = |n: u16| format!("[[database.app.shard]]\nname = \"s{n}\"\nnodes = [\"h:{n}\"]\n");
    let text = format!(
        "[database.app]\nrules = \"r.yaml\"\n[[database.app.user]]\nname = \"u\"\npassword = \"p\"\n{}{}",
        shard(1),
        shard(2)
    );
    fs::write(&config, text).expect("settings are written");
    let rules = "keyspaces:\n  - name: k\n    key: [bigint]\n    placement:\n      ranges:\n        \
                 - { to: 10, shard: s1 }\n        - { from: 20, shard: s2 }\n    tables: { t: [id] }\n";
    fs::write(directory.path().join("r.yaml"), rules).expect("rules are written");
    let output = check(&config, &["--offline"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("r.yaml:7"), "{said}");
}
