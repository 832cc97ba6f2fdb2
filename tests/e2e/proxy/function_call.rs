//! The function call protocol, and large objects over it.

use bytes::{BufMut, BytesMut};
use pgherd::wire::{frontend, write};

use super::common::{herd, proxy, psql};
use super::raw::{Raw, shown};
use crate::support::{TestHerd, Want};

const LO_CREAT: u32 = 957;
const LO_OPEN: u32 = 952;
const LO_READ: u32 = 954;
const LO_WRITE: u32 = 955;
const LO_SEEK: u32 = 956;
const LO_UNLINK: u32 = 964;

/// INV_READ and INV_WRITE.
const BOTH: i32 = 0x20000 | 0x40000;

fn call(out: &mut BytesMut, function: u32, arguments: &[&[u8]]) {
    write::frame(out, frontend::tag::FUNCTION_CALL, |b| {
        b.put_u32(function);
        b.put_u16(1);
        b.put_u16(1);
        b.put_u16(u16::try_from(arguments.len()).expect("few"));
        arguments.iter().for_each(|a| write::value(b, Some(a)));
        b.put_u16(1);
    });
}

fn int(value: i32) -> [u8; 4] {
    value.to_be_bytes()
}

/// What a call gives; its ReadyForQuery follows at once.
fn result(raw: &mut Raw, function: u32, arguments: &[&[u8]], status: &str) -> Vec<u8> {
    call(&mut raw.output, function, arguments);
    let answer = raw.until_ready(1);
    let [(b'V', body), (b'Z', ready)] = answer.as_slice() else {
        panic!("{:?}", shown(&answer));
    };
    assert_eq!(&ready[..], status.as_bytes());
    body[4..].to_vec()
}

fn object_is_written_and_read(port: u16) {
    let mut raw = Raw::connect(port, &[]);
    let object = result(&mut raw, LO_CREAT, &[&int(BOTH)], "I");
    assert_eq!(raw.query(b"BEGIN"), ["C BEGIN", "Z T"]);
    let fd = result(&mut raw, LO_OPEN, &[&object, &int(BOTH)], "T");
    // As libpq does it: pieces, one after the other.
    let data: Vec<u8> = (0..200_000u32).map(|i| (i / 7) as u8).collect();
    for piece in data.chunks(60_000) {
        let written = result(&mut raw, LO_WRITE, &[&fd, piece], "T");
        assert_eq!(written, (piece.len() as i32).to_be_bytes());
    }
    assert_eq!(result(&mut raw, LO_SEEK, &[&fd, &int(0), &int(0)], "T"), int(0));
    assert_eq!(result(&mut raw, LO_READ, &[&fd, &int(1_000_000)], "T"), data);
    assert_eq!(raw.query(b"COMMIT"), ["C COMMIT", "Z I"]);

    // A pipeline of calls among other messages; an error of one is its own.
    frontend::parse(&mut raw.output, b"", b"SELECT 'before'", &[]).expect("short");
    frontend::bind(&mut raw.output, b"", b"", frontend::Format::Text, &[], frontend::Format::Text)
        .expect("short");
    frontend::execute(&mut raw.output, b"", 0);
    call(&mut raw.output, LO_UNLINK, &[&object]);
    call(&mut raw.output, LO_UNLINK, &[&object]);
    frontend::write_query(&mut raw.output, b"SELECT 'after'");
    let answers = shown(&raw.until_ready(3));
    let [object] = object.as_chunks::<4>().0 else { panic!("{object:?}") };
    let gone = format!("E 42704 large object {} does not exist", u32::from_be_bytes(*object));
    assert_eq!(
        answers,
        [
            "1",
            "2",
            "D before",
            "C SELECT 1",
            "V \\x00\\x00\\x00\\x04\\x00\\x00\\x00\\x01",
            "Z I",
            &gone,
            "Z I",
            "T",
            "D after",
            "C SELECT 1",
            "Z I",
        ]
    );

    // In a transaction an error fails it, and calls are refused until its end.
    raw.query(b"BEGIN");
    call(&mut raw.output, LO_OPEN, &[&int(1), &int(BOTH)]);
    assert_eq!(shown(&raw.until_ready(1))[1], "Z E");
    call(&mut raw.output, LO_CREAT, &[&int(BOTH)]);
    let refused = shown(&raw.until_ready(1));
    assert!(refused[0].starts_with("E 25P02") && refused[1] == "Z E", "{refused:?}");
    assert_eq!(raw.query(b"ROLLBACK"), ["C ROLLBACK", "Z I"]);
}

#[test]
fn large_objects_by_number_on_one_shard_and_on_several() {
    let unsharded = TestHerd::shared(&Want::unsharded(0));
    object_is_written_and_read(unsharded.proxy_with(|settings| settings).port());
    object_is_written_and_read(proxy().port());
}

#[test]
fn a_transaction_that_failed_before_it_had_a_shard_stays_failed() {
    let mut raw = Raw::connect(proxy().port(), &[]);
    raw.query(b"BEGIN");
    let refused = raw.query(b"PREPARE TRANSACTION 'mine'");
    assert!(refused[0].starts_with("E 0A000"), "{refused:?}");
    call(&mut raw.output, LO_CREAT, &[&int(BOTH)]);
    let refused = shown(&raw.until_ready(1));
    assert!(refused[0].starts_with("E 25P02") && refused[1] == "Z E", "{refused:?}");
    assert_eq!(raw.query(b"ROLLBACK"), ["C ROLLBACK", "Z I"]);
}

#[test]
fn the_numbers_are_those_of_a_server() {
    let (said, errors) = psql(
        &proxy().dsn("app"),
        "SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
          AND (proname LIKE 'lo\\_%' OR proname IN ('loread', 'lowrite')) ORDER BY oid",
    );
    assert_eq!(errors, "");
    let theirs: Vec<u32> = said.lines().map(|line| line.parse().expect("a number")).collect();
    let ours: Vec<u32> =
        (1..10_000).filter(|oid| pgherd::routing::is_of_large_objects(*oid)).collect();
    assert_eq!(ours, theirs);
}

#[test]
fn a_number_alone_says_no_shard() {
    let mut raw = Raw::connect(proxy().port(), &[]);
    // now()
    call(&mut raw.output, 1299, &[]);
    let refused = shown(&raw.until_ready(1));
    assert!(refused[0].starts_with("E 0A000"), "{refused:?}");
    assert_eq!(refused[1], "Z I");
    // Large objects lie at home, unless the session says otherwise.
    let home = result(&mut raw, LO_CREAT, &[&int(BOTH)], "I");
    assert_eq!(raw.query(b"SET pgherd.shard = 's3'"), ["C SET", "Z I"]);
    let there = result(&mut raw, LO_CREAT, &[&int(BOTH)], "I");
    for (shard, object) in [(0, &home), (2, &there)] {
        let node = herd().nodes().remove(shard);
        let number = u32::from_be_bytes(object[..].try_into().expect("four bytes"));
        let count = format!("SELECT count(*) FROM pg_largeobject_metadata WHERE oid = {number}");
        let rows = node.query(&count, std::time::Duration::from_secs(30)).expect("asked");
        assert_eq!(rows[0][0].as_deref(), Some("1"), "shard {shard}");
    }
    result(&mut raw, LO_UNLINK, &[&there], "I");
    raw.query(b"BEGIN");
    raw.query(b"RESET pgherd.shard");
    result(&mut raw, LO_OPEN, &[&home, &int(BOTH)], "T");
    raw.query(b"SET LOCAL pgherd.shard = 's2'");
    // It takes part in the transaction.
    let second = result(&mut raw, LO_CREAT, &[&int(BOTH)], "T");
    assert_eq!(raw.query(b"ROLLBACK"), ["C ROLLBACK", "Z I"]);
    let number = u32::from_be_bytes(second[..].try_into().expect("four bytes"));
    let count = format!("SELECT count(*) FROM pg_largeobject_metadata WHERE oid = {number}");
    let rows = herd().nodes().remove(1).query(&count, std::time::Duration::from_secs(30));
    assert_eq!(rows.expect("asked")[0][0].as_deref(), Some("0"));
    raw.query(b"RESET pgherd.shard");
    result(&mut raw, LO_UNLINK, &[&home], "I");
}

#[test]
fn other_functions_keep_their_connection_on_one_shard() {
    let unsharded = TestHerd::shared(&Want::unsharded(0));
    let proxy = unsharded.proxy_with(|settings| settings);
    let mut raw = Raw::connect(proxy.port(), &[]);
    // pg_advisory_lock(bigint): its lock is the session's, and must not go to another client.
    call(&mut raw.output, 2880, &[&7_700_077i64.to_be_bytes()]);
    assert_eq!(shown(&raw.until_ready(1)).last().map(String::as_str), Some("Z I"));
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7700077
                 AND pid = pg_backend_pid()";
    assert_eq!(raw.query(held.as_bytes())[1], "D 1");
    for _ in 0..3 {
        let mut other = Raw::connect(proxy.port(), &[]);
        assert_eq!(other.query(held.as_bytes())[1], "D 0");
    }
    let pid = raw.query(b"SELECT pg_backend_pid()")[1].clone();
    assert_eq!(raw.query(b"SELECT pg_backend_pid()")[1], pid);
}

#[test]
fn psql_keeps_large_objects() {
    let unsharded = TestHerd::shared(&Want::unsharded(0));
    let proxy = unsharded.proxy_with(|settings| settings);
    let dir = tempfile::tempdir().expect("a directory");
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let data: Vec<u8> =
        (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
    std::fs::write(&from, &data).expect("written");
    let (from, to) = (from.display(), to.display());
    // On several shards the note (COMMENT) is a statement for all of them.
    for (dsn, note) in [(proxy.dsn("app"), "'a note'"), (super::common::proxy().dsn("app"), "")] {
        let script = format!(
            "\\lo_import {from} {note}\n\\set kept :LASTOID\n\\lo_list\n\\lo_export :LASTOID {to}\n\
             BEGIN;\n\\lo_import {from}\nROLLBACK;\n\\lo_export :LASTOID {to}.none\n\
             \\lo_unlink :kept\n"
        );
        let (said, errors) = psql(&dsn, &script);
        assert_eq!(said.matches("a note").count(), usize::from(!note.is_empty()), "{said}{errors}");
        assert!(std::fs::read(dir.path().join("to")).expect("exported") == data);
        std::fs::remove_file(dir.path().join("to")).expect("it was there");
        let once = errors.contains("does not exist") && errors.matches("ERROR").count() == 1;
        assert!(once, "{errors}");
    }
}
