//! What clients leave behind on the servers of the shared herd.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use pgherd::wire::frontend;

use super::common::herd;
use crate::support::TestHerd;

/// How long a server may take to notice on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Sends a text by the simple protocol.
pub fn query(stream: &mut TcpStream, text: &str) {
    let mut out = BytesMut::new();
    frontend::write_query(&mut out, text.as_bytes());
    stream.write_all(&out).expect("sent");
}

/// What runs or is open on a shard's server of the statements marked with this word.
pub fn left(word: &str) -> usize {
    left_at(herd(), word)
}

/// As `left`, on the servers of another herd.
pub fn left_at(herd: &TestHerd, word: &str) -> usize {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND query LIKE '%{word}%' \
         AND pid <> pg_backend_pid()"
    );
    herd.nodes()
        .iter()
        .map(|node| {
            let rows = node.query(&count, SOON).expect("asked");
            rows[0][0].as_deref().expect("a number").parse::<usize>().expect("a number")
        })
        .sum()
}

pub fn until_nothing_is_left(word: &str) {
    until_nothing_is_left_at(herd(), word);
}

/// As `until_nothing_is_left`, on the servers of another herd.
pub fn until_nothing_is_left_at(herd: &TestHerd, word: &str) {
    let end = Instant::now() + SOON;
    while left_at(herd, word) > 0 {
        assert!(Instant::now() < end, "still there: {word}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
