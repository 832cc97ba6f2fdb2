//! COPYs that don't come to their end, or take long: nothing of them stays, and memory is flat.

use std::io::Write;
use std::time::{Duration, Instant};

use pgherd::wire::frontend;

use super::Place;
use crate::proxy::raw::{Raw, shown, tcp};

/// With one connection to each shard: one that isn't given back shows.
#[test]
fn nothing_stays_of_what_does_not_end() {
    let place =
        Place::new("[pool]\nsize = 1\n[limits]\nqueue_timeout = \"30s\"\ncopy_row = \"1MB\"");
    for step in [
        a_client_that_vanishes,
        a_client_that_gives_up,
        a_message_that_does_not_belong_there,
        a_row_that_is_too_long,
        clients_that_all_want_all_shards,
        a_stream_takes_no_memory,
        a_slow_shard_stops_the_client,
        a_client_that_is_silent_for_too_long,
        a_shard_that_dies,
    ] {
        step(&place);
        assert_eq!(settled(&place), [0, 0, 0]);
    }
}

/// Rows on the shards when nothing is under way any more.
fn settled(place: &Place) -> Vec<i64> {
    let until = Instant::now() + Duration::from_secs(60);
    let question = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND (state <> 'idle' AND pid <> pg_backend_pid())";
    while place.on_shards(question) != [0, 0, 0] {
        assert!(Instant::now() < until, "a server is still busy");
        std::thread::sleep(Duration::from_millis(50));
    }
    place.on_shards("SELECT count(*) FROM things")
}

fn begun(client: &mut Raw, text: &str) {
    frontend::write_query(&mut client.output, text.as_bytes());
    client.send();
    let (kind, body) = client.message();
    assert_eq!(kind, b'G', "{}", body.escape_ascii());
}

/// Rows for all shards, of so many bytes together at least.
fn rows(first: i64, bytes: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(bytes + 200);
    let mut id = first;
    while data.len() < bytes {
        writeln!(data, "{id}\t{}\t{}", id % 100, "x".repeat(80)).expect("written");
        id += 1;
    }
    data
}

fn a_client_that_vanishes(place: &Place) {
    for bytes in [10, 100_000, 3_000_000] {
        for half in [false, true] {
            let mut client = Raw::connect(place.proxy.port(), &[]);
            begun(&mut client, "COPY things FROM STDIN");
            let data = rows(1, bytes);
            frontend::copy_data(&mut client.output, &data);
            if half {
                let whole = client.output.len();
                client.output.truncate(whole - 5);
            }
            client.send();
            drop(client);
            assert_eq!(settled(place), [0, 0, 0]);
        }
    }
}

fn a_client_that_gives_up(place: &Place) {
    let mut client = Raw::connect(place.proxy.port(), &[]);
    begun(&mut client, "COPY things FROM STDIN");
    frontend::copy_data(&mut client.output, b"1\t1\ta\n2\t2\tb\n3\t3\tc\n4\t4\td\n");
    frontend::copy_fail(&mut client.output, b"no more");
    let said = shown(&client.until_ready(1));
    assert!(said[0].starts_with("E 57014 COPY from stdin failed: no more"), "{said:?}");
    assert_eq!(said[1], "Z I");
    assert_eq!(client.query(b"SELECT 1 FROM things WHERE id = 1").last().unwrap(), "Z I");
}

fn a_message_that_does_not_belong_there(place: &Place) {
    let mut client = Raw::connect(place.proxy.port(), &[]);
    begun(&mut client, "COPY things FROM STDIN");
    frontend::copy_data(&mut client.output, b"1\t1\ta\n");
    frontend::write_query(&mut client.output, b"SELECT 1");
    let said = shown(&client.until_ready(1));
    assert!(said[0].starts_with("E 08P01"), "{said:?}");
}

fn a_row_that_is_too_long(place: &Place) {
    let mut client = Raw::connect(place.proxy.port(), &[]);
    for at_the_end in [false, true] {
        begun(&mut client, "COPY things FROM STDIN");
        frontend::copy_data(&mut client.output, b"1\t1\ta\n2\t2\tb\n");
        let mut long = b"3\t1\t".to_vec();
        long.resize(2 << 20, b'x');
        if at_the_end {
            long.push(b'\n');
        }
        long.chunks(100_000).for_each(|piece| frontend::copy_data(&mut client.output, piece));
        frontend::copy_done(&mut client.output);
        let said = shown(&client.until_ready(1));
        assert!(said[0].starts_with("E 54000 a row of COPY is longer than 1048576"), "{said:?}");
    }
}

/// Nobody waits for himself, nor two for each other.
fn clients_that_all_want_all_shards(place: &Place) {
    std::thread::scope(|scope| {
        for number in 0..6i64 {
            scope.spawn(move || {
                let mut client = Raw::connect(place.proxy.port(), &[]);
                for round in 0..3 {
                    begun(&mut client, "COPY things FROM STDIN WHERE n < 0");
                    let data = rows(number * 1_000_000 + round * 100_000, 300_000);
                    frontend::copy_data(&mut client.output, &data);
                    frontend::copy_done(&mut client.output);
                    assert_eq!(shown(&client.until_ready(1)), ["C COPY 0", "Z I"]);
                }
            });
        }
    });
}

/// The most that it has taken so far, in kB.
fn memory(place: &Place) -> u64 {
    let path = format!("/proc/{}/status", place.proxy.pid());
    let status = std::fs::read_to_string(path).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}

/// What is loaded isn't kept anywhere: WHERE takes none of it.
fn a_stream_takes_no_memory(place: &Place) {
    let before = memory(place);
    let data = rows(1, 1 << 20);
    for statement in [
        "COPY things FROM STDIN WHERE n < 0",
        "COPY things FROM STDIN CSV DELIMITER E'\\t' WHERE n < 0",
    ] {
        let mut client = Raw::connect(place.proxy.port(), &[]);
        begun(&mut client, statement);
        for _ in 0..200 {
            // In pieces that end within rows.
            data.chunks(65_521).for_each(|piece| frontend::copy_data(&mut client.output, piece));
            client.send();
        }
        frontend::copy_done(&mut client.output);
        assert_eq!(shown(&client.until_ready(1)), ["C COPY 0", "Z I"]);
    }
    let more = memory(place).saturating_sub(before);
    assert!(more < 16 * 1024, "{more} kB more at its peak for two streams of 200 MB");
}

fn a_slow_shard_stops_the_client(place: &Place) {
    let before = memory(place);
    let node = place.herd.primary("s2").expect("a primary");
    // A trigger that waits: nothing is read of that shard's rows meanwhile.
    node.query(
        "CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN NULL; END'; \
         CREATE TRIGGER waits BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION waits()",
        Duration::from_secs(30),
    )
    .expect("made");
    let mut locker = Raw::over(tcp(node.member().port));
    locker.log_in(&[]);
    assert_eq!(locker.query(b"SELECT pg_advisory_lock(77)").last().unwrap(), "Z I");
    let port = place.proxy.port();
    let total = 60;
    let (sent, seen) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let mut client = Raw::connect(port, &[]);
        begun(&mut client, "COPY things FROM STDIN");
        for number in 0..total {
            // Nobody listens when the test has failed.
            let _ = sent.send(number);
            frontend::copy_data(&mut client.output, &rows(number * 100_000, 1 << 20));
            client.send();
        }
        frontend::copy_fail(&mut client.output, b"enough");
        shown(&client.until_ready(1))
    });
    // It comes to a stop long before its end.
    let mut last = 0;
    while let Ok(number) = seen.recv_timeout(Duration::from_secs(5)) {
        last = number;
    }
    assert!(last < total - 1, "a shard that reads nothing didn't stop the client");
    assert_eq!(locker.query(b"SELECT pg_advisory_unlock(77)").last().unwrap(), "Z I");
    let said = writer.join().expect("it ends");
    assert!(said[0].starts_with("E 57014 COPY from stdin failed: enough"), "{said:?}");
    node.query("DROP FUNCTION waits() CASCADE", Duration::from_secs(30)).expect("dropped");
    let more = memory(place).saturating_sub(before);
    assert!(more < 32 * 1024, "{more} kB more at its peak");
}

fn a_client_that_is_silent_for_too_long(place: &Place) {
    let limits = "\n[pool]\nsize = 1\n[limits]\nstatement_timeout = \"2s\"\n";
    let proxy = place.herd.proxy_with(|text| text + limits);
    let mut client = Raw::connect(proxy.port(), &[]);
    begun(&mut client, "COPY things FROM STDIN");
    frontend::copy_data(&mut client.output, &rows(1, 200_000));
    let said = shown(&client.until_ready(1));
    assert!(
        said[0].starts_with("E 57014 canceling statement due to statement timeout"),
        "{said:?}"
    );
    assert_eq!(client.query(b"SELECT 1 FROM things WHERE id = 1").last().unwrap(), "Z I");
}

fn a_shard_that_dies(place: &Place) {
    let mut client = Raw::connect(place.proxy.port(), &[]);
    begun(&mut client, "COPY things FROM STDIN");
    frontend::copy_data(&mut client.output, &rows(1, 500_000));
    client.send();
    let node = place.herd.primary("s2").expect("a primary");
    assert!(node.stop(pgherd::local::Stop::Kill).expect("killed"));
    frontend::copy_data(&mut client.output, &rows(1_000_000, 500_000));
    frontend::copy_done(&mut client.output);
    let said = shown(&client.until_ready(1));
    assert!(said[0].starts_with("E 08006"), "{said:?}");
    assert_eq!(said.last().unwrap(), "Z I");
    node.start().expect("started");
    let until = Instant::now() + Duration::from_secs(90);
    while client.query(b"SELECT count(*) FROM things")[0].starts_with("E ") {
        assert!(Instant::now() < until, "it isn't served again");
        std::thread::sleep(Duration::from_millis(200));
    }
}
