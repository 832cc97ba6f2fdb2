//! Writes that several shards run: how they go, and how they end. What they answer is compared with
//! one Postgres in `twin/cases/writes.sql`.

use std::time::Duration;

use pgherd::local::Node;

use crate::proxy::raw::Raw;
use crate::scatter::{How, Seen, answer, ask, seen, until_quiet};
use crate::support::{Proxy, TestHerd, Want};

const RULES: &str = "
keyspaces:
  - name: things
    key: [bigint]
    placement: { ring: { virtual_nodes: 256 } }
    tables: { things: [id] }
reference: [colours, shades, kinds]
";

const SOON: Duration = Duration::from_secs(30);

fn start() -> (TestHerd, Proxy) {
    let herd = TestHerd::start(&Want::sharded(4, 0, RULES));
    let proxy = herd.proxy_with(|text| text);
    let mut client = Raw::connect(proxy.port(), &[]);
    for text in [
        "CREATE TABLE things (id bigint PRIMARY KEY, n int, t text)",
        "CREATE TABLE colours (id int PRIMARY KEY, n int NOT NULL, m int)",
        "CREATE TABLE kinds (id bigserial PRIMARY KEY, name text, made timestamptz DEFAULT \
         clock_timestamp(), token uuid DEFAULT gen_random_uuid(), twice bigint GENERATED ALWAYS AS \
         (id * 2) STORED)",
        "CREATE TABLE shades (id int PRIMARY KEY, n int NOT NULL)",
    ] {
        done(&answer(&mut client, How::Simple, text, &[]));
    }
    (herd, proxy)
}

fn done(seen: &Seen) {
    assert_eq!((seen.error.as_ref(), seen.ready.as_str()), (None, "I"), "{seen:?}");
}

/// One value of each server.
fn on_each(herd: &TestHerd, question: &str) -> Vec<String> {
    let ask = |node: &Node| {
        let rows = node.query(question, SOON).expect("answered");
        rows[0][0].clone().unwrap_or_default()
    };
    herd.nodes().iter().map(ask).collect()
}

fn total(herd: &TestHerd, question: &str) -> i64 {
    on_each(herd, question).iter().map(|n| n.parse::<i64>().expect("a number")).sum()
}

/// One herd for all of it, one after the other.
#[test]
fn several_shards_write_as_one() {
    let (herd, proxy) = start();
    let steps: &[fn(&TestHerd, &Proxy)] = &[
        a_thousand_rows_come_back_in_their_order,
        an_error_tells_its_place_in_the_clients_text,
        the_client_hears_what_one_server_would_say,
        copies_get_what_one_shard_made,
        an_error_on_one_shard_undoes_all,
        a_lost_connection_undoes_all,
        a_vanished_client_undoes_all,
        explain_shows_what_each_shard_gets,
        a_pipeline_is_one_transaction,
        a_driver_may_say_that_it_wants_no_rows,
        copies_stay_equal_whoever_writes_them,
    ];
    for step in steps {
        done(&answer(&mut Raw::connect(proxy.port(), &[]), How::Simple, "TRUNCATE things", &[]));
        step(&herd, &proxy);
        let in_doubt = "SELECT count(*) FROM pg_prepared_xacts";
        assert_eq!(total(&herd, in_doubt), 0);
    }
}

fn a_thousand_rows_come_back_in_their_order(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let order: Vec<i64> = (0..1000).map(|i| i * 7919 % 1009).collect();
    let rows: Vec<String> = order.iter().map(|id| format!("({id}, {id}, 'r{id}')")).collect();
    let text = format!("INSERT INTO things VALUES {} RETURNING id", rows.join(", "));
    let ids = |seen: &Seen| -> Vec<i64> {
        let id = |row: &Vec<Option<Vec<u8>>>| {
            String::from_utf8_lossy(row[0].as_deref().unwrap_or_default()).parse().expect("an id")
        };
        seen.rows.iter().map(id).collect()
    };
    let heard = answer(&mut client, How::Simple, &text, &[]);
    done(&heard);
    assert_eq!(heard.tag.trim_end_matches(char::from(0)), "INSERT 0 1000");
    assert_eq!(ids(&heard), order);
    let counts = on_each(herd, "SELECT count(*) FROM things");
    assert!(counts.iter().all(|n| n.parse::<i64>().expect("a number") > 100), "{counts:?}");

    // By parameters, of which each shard gets its own.
    let upsert: Vec<String> =
        (0..1000).map(|i| format!("(${}, ${}, ${})", 3 * i + 1, 3 * i + 2, 3 * i + 3)).collect();
    let text = format!(
        "INSERT INTO things VALUES {} ON CONFLICT (id) DO UPDATE SET n = excluded.n, t = things.t \
         RETURNING id",
        upsert.join(", ")
    );
    let values: Vec<String> = order
        .iter()
        .flat_map(|id| [id.to_string(), (id * 2).to_string(), format!("second {id}")])
        .collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    for how in [How::Extended(&[]), How::Named(&[])] {
        let heard = answer(&mut client, how, &text, &values);
        done(&heard);
        assert_eq!(
            (ids(&heard), heard.tag.trim_end_matches(char::from(0))),
            (order.clone(), "INSERT 0 1000")
        );
    }
    assert_eq!(total(herd, "SELECT count(*) FROM things WHERE n = 2 * id AND t = 'r' || id"), 1000);
}

fn an_error_tells_its_place_in_the_clients_text(_: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let rows: Vec<String> = (0..40).map(|id| format!("({id}, {id})")).collect();
    let text = format!("INSERT INTO things /* ü */ VALUES {}, (41, nothing)", rows.join(", "));
    let place = text.chars().position(|c| c == 'ü').expect("there")
        + text
            .chars()
            .skip_while(|c| *c != 'ü')
            .collect::<String>()
            .find("nothing")
            .expect("there");
    for how in [How::Simple, How::Extended(&[])] {
        let heard = answer(&mut client, how, &text, &[]);
        let (code, _, position) = heard.error.expect("an error");
        // The byte of the ü is one more than its character.
        assert_eq!((code.as_str(), position), ("42703", place.to_string()), "{how:?}");
        assert_eq!(heard.ready, "I");
    }
}

/// Message by message.
fn the_client_hears_what_one_server_would_say(_: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let mut kinds = |how: How, text: &str| -> String {
        ask(&mut client, how, text, &[]);
        client.until_ready(1).iter().map(|(kind, _)| char::from(*kind)).collect()
    };
    let returning = "INSERT INTO things (id) VALUES (1), (2), (3) RETURNING id";
    assert_eq!(kinds(How::Simple, returning), "TDDDCZ");
    assert_eq!(kinds(How::Simple, "UPDATE things SET n = 1"), "CZ");
    assert_eq!(kinds(How::Extended(&[]), "UPDATE things SET n = 1"), "12nCZ");
    assert_eq!(kinds(How::Extended(&[1]), "DELETE FROM things RETURNING *"), "12TDDDCZ");
    assert_eq!(kinds(How::Simple, "INSERT INTO kinds (name) VALUES ('a')"), "CZ");
    assert_eq!(kinds(How::Extended(&[]), "INSERT INTO kinds (name) VALUES ('b')"), "12nCZ");
    let returning = "INSERT INTO kinds (name) VALUES ('c') RETURNING id, made";
    assert_eq!(kinds(How::Simple, returning), "TDCZ");
    assert_eq!(kinds(How::Extended(&[]), returning), "12TDCZ");
    assert_eq!(kinds(How::Extended(&[1, 0]), returning), "12TDCZ");
}

/// What one server would give a row of its own accord is given once, and to all copies.
fn copies_get_what_one_shard_made(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    for (how, text) in [
        (How::Simple, "INSERT INTO kinds (name) VALUES ('d'), ('e'), (NULL)"),
        (How::Simple, "INSERT INTO kinds DEFAULT VALUES"),
        (
            How::Extended(&[1]),
            "INSERT INTO kinds (name, made) VALUES ('x''y\\', 'now') RETURNING *",
        ),
        (
            How::Extended(&[0, 1, 0, 1, 0]),
            "INSERT INTO kinds VALUES (DEFAULT, random()) RETURNING *",
        ),
        (How::Simple, "INSERT INTO kinds (name, made) SELECT name || '2', now() FROM kinds"),
        (How::Named(&[]), "INSERT INTO kinds AS k (name) SELECT 'none' WHERE false RETURNING k.id"),
    ] {
        let heard = answer(&mut client, how, text, &[]);
        done(&heard);
    }
    // What fails on one that follows is nowhere.
    let third = herd.primary("s3").expect("a primary");
    third.query("INSERT INTO kinds VALUES (100, 'in the way')", SOON).expect("run");
    let heard =
        answer(&mut client, How::Simple, "INSERT INTO kinds (id) VALUES (100), (DEFAULT)", &[]);
    assert_eq!(heard.error.expect("an error").0, "23505");
    third.query("DELETE FROM kinds WHERE id = 100", SOON).expect("run");
    let copies = on_each(herd, "SELECT string_agg(k::text, ' ' ORDER BY id) FROM kinds k");
    assert!(copies.windows(2).all(|pair| pair[0] == pair[1]), "{copies:#?}");
    assert_eq!(total(herd, "SELECT count(*) - 22 FROM kinds"), 0, "{copies:#?}");
}

fn an_error_on_one_shard_undoes_all(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let rows: Vec<String> = (0..100).map(|id| format!("({id}, 0)")).collect();
    let insert = format!("INSERT INTO things (id, n) VALUES {}", rows.join(", "));
    done(&answer(&mut client, How::Simple, &insert, &[]));
    for how in [How::Simple, How::Extended(&[]), How::Named(&[])] {
        for text in
            ["UPDATE things SET n = 1 / (id - 77)", "UPDATE things SET id = id WHERE 1 / id >= 0"]
        {
            let heard = answer(&mut client, how, text, &[]);
            assert_eq!(heard.error.expect("an error").0, "22012", "{how:?}");
            assert_eq!(heard.ready, "I");
        }
    }
    assert_eq!(total(herd, "SELECT count(*) FROM things WHERE n = 0"), 100);
    // In a transaction, back to its savepoint.
    for (text, ready) in [
        ("BEGIN", "T"),
        ("UPDATE things SET n = 1", "T"),
        ("SAVEPOINT s", "T"),
        ("UPDATE things SET n = 1 / (id - 77)", "E"),
        ("SELECT count(*) FROM things", "E"),
        ("ROLLBACK TO s", "T"),
        ("UPDATE things SET n = n + 1 WHERE id < 50", "T"),
        ("COMMIT", "I"),
    ] {
        assert_eq!(answer(&mut client, How::Simple, text, &[]).ready, ready, "{text}");
    }
    assert_eq!(total(herd, "SELECT coalesce(sum(n), 0) FROM things"), 150);
}

fn a_lost_connection_undoes_all(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let rows: Vec<String> = (0..100).map(|id| format!("({id}, 0)")).collect();
    let insert = format!("INSERT INTO things (id, n) VALUES {}", rows.join(", "));
    done(&answer(&mut client, How::Simple, &insert, &[]));
    let slow = "UPDATE things SET n = 1 WHERE pg_sleep(CASE WHEN id = 3 THEN 60 ELSE 0 END) IS NOT \
                NULL /* lost */";
    ask(&mut client, How::Simple, slow, &[]);
    client.send();
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE query LIKE '%/* lost */%' AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'";
    while total(herd, kill) == 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
    let heard = seen(&client.until_ready(1));
    assert_eq!(heard.error.expect("an error").0, "08006");
    assert_eq!(heard.ready, "I");
    assert_eq!(total(herd, "SELECT count(*) FROM things WHERE n = 0"), 100);
    done(&answer(&mut client, How::Simple, "UPDATE things SET n = 2", &[]));
}

fn a_vanished_client_undoes_all(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let rows: Vec<String> = (0..100).map(|id| format!("({id}, 0)")).collect();
    let insert = format!("INSERT INTO things (id, n) VALUES {}", rows.join(", "));
    done(&answer(&mut client, How::Simple, &insert, &[]));
    let slow = "UPDATE things SET n = 1 WHERE pg_sleep(1) IS NOT NULL OR id = 1 /* gone */";
    ask(&mut client, How::Simple, slow, &[]);
    client.send();
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                AND query LIKE '%/* gone */%' AND pid <> pg_backend_pid()";
    while total(herd, busy) < 4 {
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(client);
    until_quiet(herd, "/* gone */");
    assert_eq!(total(herd, "SELECT count(*) FROM things WHERE n = 0"), 100);
}

fn explain_shows_what_each_shard_gets(_: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let text =
        "EXPLAIN INSERT INTO things (id) VALUES (1), (2), (3), (4), (5), (6), (7) RETURNING id";
    let heard = answer(&mut client, How::Simple, text, &[]);
    let lines: Vec<String> = heard
        .rows
        .iter()
        .map(|row| String::from_utf8_lossy(row[0].as_deref().unwrap_or_default()).into_owned())
        .collect();
    let lines = lines.join("\n");
    assert!(lines.starts_with("pgherd: shards s"), "{lines}");
    let shares = lines.matches("gets: EXPLAIN INSERT INTO things (id) VALUES (").count();
    assert!(shares > 1, "{lines}");
    assert!(lines.contains("rows in the order of VALUES"), "{lines}");
    let analyze = "EXPLAIN ANALYZE DELETE FROM things";
    let heard = answer(&mut client, How::Simple, analyze, &[]);
    assert_eq!(heard.error.expect("an error").0, "0A000");
}

fn a_pipeline_is_one_transaction(herd: &TestHerd, proxy: &Proxy) {
    use pgherd::wire::frontend;
    let mut client = Raw::connect(proxy.port(), &[]);
    let run = |client: &mut Raw, texts: &[&str]| {
        for text in texts {
            let out = &mut client.output;
            frontend::parse(out, b"", text.as_bytes(), &[]).expect("written");
            let format = frontend::Format::Text;
            frontend::bind(out, b"", b"", format, &[], format).expect("written");
            frontend::execute(out, b"", 0);
        }
        frontend::sync(&mut client.output);
        seen(&client.until_ready(1))
    };
    let good = [
        "INSERT INTO things (id, n) VALUES (1, 1)",
        "INSERT INTO things (id, n) VALUES (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)",
        "UPDATE things SET n = n * 10",
        "UPDATE things SET n = n + 1 WHERE id = 1",
    ];
    let heard = run(&mut client, &good);
    done(&heard);
    assert_eq!(heard.tag.trim_end_matches(char::from(0)), "UPDATE 1");
    assert_eq!(total(herd, "SELECT coalesce(sum(n), 0) FROM things"), 211);
    let bad = ["UPDATE things SET n = 0", "DELETE FROM things WHERE id > 2", "SELECT 1 / 0"];
    let heard = run(&mut client, &bad);
    assert_eq!(heard.error.expect("an error").0, "22012");
    assert_eq!(total(herd, "SELECT coalesce(sum(n), 0) FROM things"), 211);
}

/// By a limit of one row, as JDBC does.
fn a_driver_may_say_that_it_wants_no_rows(herd: &TestHerd, proxy: &Proxy) {
    use pgherd::wire::frontend;
    let mut client = Raw::connect(proxy.port(), &[]);
    let insert = "INSERT INTO things (id, n) VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)";
    done(&answer(&mut client, How::Simple, insert, &[]));
    let out = &mut client.output;
    frontend::parse(out, b"", b"UPDATE things SET n = 7", &[]).expect("written");
    let format = frontend::Format::Text;
    frontend::bind(out, b"", b"", format, &[], format).expect("written");
    frontend::execute(out, b"", 1);
    frontend::sync(out);
    let heard = seen(&client.until_ready(1));
    done(&heard);
    assert_eq!(heard.tag.trim_end_matches(char::from(0)), "UPDATE 6");
    assert_eq!(total(herd, "SELECT coalesce(sum(n), 0) FROM things"), 42);
}

/// Writers whose results hang on each other's, all at once.
fn copies_stay_equal_whoever_writes_them(herd: &TestHerd, proxy: &Proxy) {
    let mut client = Raw::connect(proxy.port(), &[]);
    let rows: Vec<String> = (0..20).map(|id| format!("({id}, {id})")).collect();
    for table in ["colours (id, n)", "shades"] {
        let text = format!("INSERT INTO {table} VALUES {}", rows.join(", "));
        done(&answer(&mut client, How::Simple, &text, &[]));
    }
    let writers = [
        "UPDATE colours SET n = (n * 3 + 1) % 1000",
        "UPDATE colours SET m = (SELECT max(n) FROM shades), n = n + 7",
        "UPDATE shades SET n = (n + (SELECT max(n) FROM colours)) % 500",
        "UPDATE colours SET n = n * 2 % 999 WHERE n % 2 = 1",
    ];
    std::thread::scope(|scope| {
        for text in writers {
            scope.spawn(move || {
                let mut client = Raw::connect(proxy.port(), &[]);
                for turn in 0..12 {
                    let how = if turn % 2 == 0 { How::Simple } else { How::Extended(&[]) };
                    let heard = answer(&mut client, how, text, &[]);
                    // Two that read what the other writes may wait for each other on one server.
                    let error = heard.error.map(|error| error.0);
                    assert!(error.as_deref().is_none_or(|code| code == "40P01"), "{error:?}");
                    assert_eq!(heard.ready, "I");
                }
            });
        }
    });
    for table in ["colours", "shades"] {
        let all = format!("SELECT string_agg(t::text, ' ' ORDER BY id) FROM {table} t");
        let copies = on_each(herd, &all);
        assert!(copies.windows(2).all(|pair| pair[0] == pair[1]), "{copies:#?}");
    }
    // One that differs is found, and nothing is changed.
    herd.primary("s2")
        .expect("a primary")
        .query("DELETE FROM shades WHERE id = 3", SOON)
        .expect("run");
    let heard = answer(&mut client, How::Simple, "UPDATE shades SET n = 1", &[]);
    assert_eq!(heard.error.expect("an error").0, "XX000");
    assert_eq!(heard.ready, "I");
    let ones = total(herd, "SELECT count(*) FROM shades WHERE n = 1");
    assert!(ones < 8, "{ones} rows are changed");
}
