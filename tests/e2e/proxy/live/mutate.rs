//! Sessions with something wrong in them.

use std::time::Duration;

use bytes::BytesMut;
use pgherd::wire::startup::{write_cancel, write_startup, write_tls_request};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngCore};

use super::capture::Session;

/// What a client does, from its first byte (or the first after logging in) to its end.
#[derive(Debug)]
pub struct Mutant {
    pub logged_in: bool,
    pub bytes: Vec<u8>,
    /// Where the bytes are cut, and the pause after each piece.
    cuts: Vec<(usize, Duration)>,
    pub ending: Ending,
}

/// How a client ends its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It listens for a while, and closes.
    Closed,
    /// It says that no more will come, and listens.
    HalfClosed,
    /// It reads nothing.
    Deaf,
    /// Its connection is reset.
    Abrupt,
}

impl Mutant {
    /// The bytes in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = (&[u8], Duration)> {
        let mut from = 0;
        self.cuts.iter().map(move |(to, pause)| {
            let piece = &self.bytes[from..*to];
            from = *to;
            (piece, *pause)
        })
    }
}

pub fn mutant(sessions: &[Session], random: &mut StdRng) -> Mutant {
    let logged_in = random.random_bool(0.9);
    let mut bytes = if logged_in { said(sessions, random) } else { opening(random) };
    if random.random_bool(0.3) {
        flip(&mut bytes, random);
    }
    if random.random_bool(0.3) && !bytes.is_empty() {
        bytes.truncate(random.random_range(0..bytes.len()));
    }
    let ending = *[
        Ending::Closed,
        Ending::Closed,
        Ending::HalfClosed,
        Ending::HalfClosed,
        Ending::Deaf,
        Ending::Abrupt,
    ]
    .choose(random)
    .expect("some");
    let cuts = cuts(bytes.len(), random);
    Mutant { logged_in, bytes, cuts, ending }
}

/// A session's frames, changed.
fn said(sessions: &[Session], random: &mut StdRng) -> Vec<u8> {
    let mut frames = sessions.choose(random).expect("some").clone();
    // Long ones from anywhere in the middle.
    if frames.len() > 40 {
        let from = random.random_range(0..frames.len() - 20);
        frames = frames[from..frames.len().min(from + random.random_range(5..60))].to_vec();
    }
    for _ in 0..random.random_range(0..5) {
        if frames.is_empty() {
            break;
        }
        let at = random.random_range(0..frames.len());
        match random.random_range(0..9) {
            0 => drop(frames.remove(at)),
            1 => frames.insert(at, frames[at].clone()),
            2 => {
                let other = random.random_range(0..frames.len());
                frames.swap(at, other);
            }
            3 => {
                let other = sessions.choose(random).expect("some");
                frames.insert(at, other.choose(random).expect("not empty").clone());
            }
            4 => {
                let to = frames.len().min(at + 6);
                frames[at..to].shuffle(random);
            }
            5 => frames[at][0] = *b"QPBDECHSFdcfXp?".choose(random).expect("some"),
            6 => lie_about_length(&mut frames[at], random),
            7 => mend(&mut frames[at], random),
            _ => {
                let copy = frames[at].clone();
                let times = random.random_range(2..200);
                frames.splice(at..at, std::iter::repeat_n(copy, times));
            }
        }
    }
    frames.concat()
}

/// Another length than the frame has.
fn lie_about_length(frame: &mut [u8], random: &mut StdRng) {
    let Some(length) = frame.get_mut(1..5) else { return };
    let own = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    let lies = [0, 3, 4, 5, -1, i32::MIN, i32::MAX, 1 << 20].into_iter();
    let near = [-1, 1, 100].map(|by| own.wrapping_add(by));
    let lies: Vec<i32> = lies.chain(near).collect();
    length.copy_from_slice(&lies.choose(random).expect("some").to_be_bytes());
}

/// Another body, of the length that the frame then says.
fn mend(frame: &mut Vec<u8>, random: &mut StdRng) {
    let mut body = frame.split_off(5.min(frame.len()));
    match random.random_range(0..5) {
        0 => body.truncate(random.random_range(0..=body.len())),
        1 => flip(&mut body, random),
        2 => body.extend((0..random.random_range(1..50)).map(|_| random.random::<u8>())),
        3 => body.iter_mut().filter(|_| random.random_bool(0.1)).for_each(|byte| *byte = 0),
        _ => {
            let at = random.random_range(0..=body.len());
            let piece = *PIECES.choose(random).expect("some");
            body.splice(at..at, piece.iter().copied());
        }
    }
    let len = body.len() as i32 + 4;
    frame.truncate(1);
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(&body);
}

/// What may turn one statement into another.
const PIECES: &[&[u8]] = &[
    b"'",
    b"\"",
    b";",
    b"\0",
    b"--",
    b"/*",
    b"$1",
    b"$$",
    b"; COMMIT; ",
    b"; BEGIN; ",
    b"; ROLLBACK; ",
    b" AND ",
    b" OR true ",
    b"\xff",
    b"E'\\",
    b"(",
    b")",
    b" COMMIT AND CHAIN ",
    b"; SET work_mem = '9MB'; ",
    b"/* pgherd: shard=s2 */",
];

fn flip(bytes: &mut [u8], random: &mut StdRng) {
    if bytes.is_empty() {
        return;
    }
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..bytes.len());
        bytes[at] = match random.random_range(0..3) {
            0 => random.random(),
            1 => bytes[at] ^ (1 << random.random_range(0..8)),
            _ => *[0, 1, 4, 0x7f, 0x80, 0xff].choose(random).expect("some"),
        };
    }
}

/// The first bytes of a connection.
fn opening(random: &mut StdRng) -> Vec<u8> {
    let mut out = BytesMut::new();
    for _ in 0..random.random_range(1..4) {
        match random.random_range(0..6) {
            0 => write_tls_request(&mut out),
            1 => out.extend_from_slice(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30]),
            2 => write_cancel(&mut out, random.random_range(0..1000), &random.random::<[u8; 4]>()),
            3 => {
                let options = "-c work_mem=1MB --search_path=a";
                let parameters = [("user", "pgherd"), ("database", "app"), ("options", options)];
                write_startup(&mut out, parameters);
                pgherd::wire::frontend::write_sasl_initial(&mut out, "SCRAM-SHA-256", b"n,,n=,r=x");
                pgherd::wire::frontend::write_sasl_response(&mut out, b"c=biws,r=x,p=AAAA");
            }
            4 => {
                let mut noise = vec![0; random.random_range(0..200)];
                random.fill_bytes(&mut noise);
                out.extend_from_slice(&noise);
            }
            _ => write_startup(&mut out, [("user", "nobody"), ("database", "nothing")]),
        }
    }
    out.to_vec()
}

/// Where the bytes are cut: mostly nowhere.
fn cuts(len: usize, random: &mut StdRng) -> Vec<(usize, Duration)> {
    let pieces = match random.random_range(0..10) {
        0..6 => 1,
        6..9 => random.random_range(2..6),
        _ => len.min(60),
    };
    let mut ends: Vec<usize> = (1..pieces).map(|_| random.random_range(0..=len)).collect();
    ends.push(len);
    ends.sort_unstable();
    ends.into_iter().map(|end| (end, Duration::from_millis(random.random_range(0..3)))).collect()
}
