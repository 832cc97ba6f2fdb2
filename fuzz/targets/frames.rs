//! A stream of frames, read in pieces that are cut anywhere: what passes and what is looked at
//! is the same however it was cut.

use bytes::{Buf, BytesMut};
use pgherd::wire::ProtocolError;
use pgherd::wire::frame::{self, Header, TagSet, Then, Walk};

use super::pieces::Pieces;

const MAX: usize = 1000;

/// What became of a stream.
#[derive(Debug, Default, PartialEq)]
struct Walked {
    /// The bytes that passed, those that were looked at left out.
    passed: Vec<u8>,
    looked: Vec<Vec<u8>>,
    /// Bytes that came before each look.
    at: Vec<usize>,
    broken: Option<ProtocolError>,
}

/// A set of types to look at, then the cuts, then the stream.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let look = TagSet::of(pieces.piece());
    let cuts = pieces.piece();
    let stream = pieces.rest();
    let whole = walk(stream, &look, &[]);
    assert_eq!(whole, walk(stream, &look, cuts), "cut at {cuts:?}");
    assert_eq!(whole, walk(stream, &look, &[1]), "cut everywhere");
    let kept = whole.passed.len() + whole.looked.iter().map(Vec::len).sum::<usize>();
    assert!(kept <= stream.len());
    take_all(stream, cuts);
}

/// Walks over a stream of which so many bytes come at a time; all at once at the end.
fn walk(stream: &[u8], look: &TagSet, cuts: &[u8]) -> Walked {
    let (mut walk, mut walked) = (Walk::default(), Walked::default());
    let (mut buffer, mut rest) = (BytesMut::new(), stream);
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let here = cuts.next().map_or(rest.len(), |cut| usize::from(*cut).clamp(1, rest.len()));
        buffer.extend_from_slice(&rest[..here]);
        rest = &rest[here..];
        loop {
            let run = match walk.run(&buffer, look, MAX, "a test") {
                Ok(run) => run,
                Err(error) => {
                    walked.broken = Some(error);
                    // What stands before the broken header may or may not have been taken.
                    walked.passed.clear();
                    return walked;
                }
            };
            walked.passed.extend_from_slice(&buffer[..run.pass]);
            buffer.advance(run.pass);
            match run.then {
                Then::Look(header) => {
                    assert!(look.contains(header.tag) && header.len <= MAX);
                    walked.at.push(walked.passed.len());
                    walked.looked.push(buffer.split_to(header.len).to_vec());
                }
                Then::Read { at_least } => {
                    assert!(at_least > buffer.len(), "{at_least} of {}", buffer.len());
                    break;
                }
            }
        }
    }
    walked
}

/// Takes whole frames off a stream that comes in pieces, and holds that they are its own.
fn take_all(stream: &[u8], cuts: &[u8]) {
    let (mut buffer, mut rest, mut at) = (BytesMut::new(), stream, 0);
    let mut cuts = cuts.iter().cycle();
    loop {
        match frame::take(&mut buffer, MAX, "a test") {
            Ok(Some((tag, body))) => {
                let header = Header::peek(&stream[at..]).expect("taken").expect("whole");
                assert_eq!((header.tag, header.body_len()), (tag, body.len()));
                assert_eq!(&stream[at + frame::HEADER_LEN..at + header.len], &body[..]);
                at += header.len;
            }
            Ok(None) if rest.is_empty() => return,
            Ok(None) => {
                let cut = cuts.next().map_or(rest.len(), |cut| usize::from(*cut));
                let here = cut.clamp(1, rest.len());
                buffer.extend_from_slice(&rest[..here]);
                rest = &rest[here..];
            }
            Err(error) => return assert!(error.fatal && error.sqlstate == "08P01"),
        }
    }
}
