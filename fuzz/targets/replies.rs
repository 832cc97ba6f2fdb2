//! Which reply belongs to which message: a server that keeps to the protocol is understood,
//! whatever was sent, and one that doesn't is noticed or at least harms nobody.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use pgherd::proxy::replies::{Replies, Request, Seen};

use super::pieces::Pieces;

/// What each message gets, and then what is made of it.
pub fn run(data: &[u8]) {
    keeps_to_the_protocol(&mut Pieces::new(data));
    says_anything(&mut Pieces::new(data));
}

fn request(choice: u8) -> Request {
    match choice % 11 {
        0 => Request::Parse,
        1 => Request::Bind,
        2 => Request::DescribeStatement,
        3 => Request::DescribePortal,
        4 => Request::Execute,
        5 => Request::Close,
        6 => Request::Query,
        7 => Request::Sync,
        8 => Request::FunctionCall,
        9 => Request::Plain,
        _ => Request::Answer(Bytes::from_static(b"a")),
    }
}

/// Messages and their fates, in order: each message is numbered.
fn keeps_to_the_protocol(pieces: &mut Pieces<'_>) {
    let (mut replies, mut expected) = (Replies::<usize>::default(), BytesMut::new());
    let (mut sent, mut frames) = (0, VecDeque::new());
    let (mut skipping, mut unsynced) = (false, false);
    while !pieces.is_empty() && sent < 200 {
        let (choice, fate) = (pieces.byte(), pieces.byte());
        let request = match request(choice) {
            // The session sends neither before the answers to what had no Sync.
            Request::Query | Request::FunctionCall | Request::Plain if unsynced => Request::Sync,
            request => request,
        };
        unsynced = !matches!(
            request,
            Request::Query | Request::FunctionCall | Request::Plain | Request::Sync
        );
        let shown = choice & 0x80 == 0;
        let fails = fate & 1 == 1;
        let mut gets: Vec<u8> = Vec::new();
        match &request {
            Request::Sync => {
                skipping = false;
                gets.push(b'Z');
            }
            Request::Query => {
                for _ in 0..fate >> 6 {
                    gets.extend_from_slice(b"TDDC");
                }
                gets.extend_from_slice(if fails { b"EZ" } else { b"IZ" });
            }
            Request::Plain => {
                let all: &[u8] = if fails { b"12TDEZ" } else { b"12TDDCZ" };
                gets.extend_from_slice(&all[usize::from(fate >> 6)..]);
            }
            // Its result passes unseen, as rows do.
            Request::FunctionCall => gets.extend_from_slice(if fails { b"EZ" } else { b"Z" }),
            _ if skipping => {}
            Request::Answer(_) => gets.push(b'a'),
            _ if fails => {
                skipping = true;
                gets.push(b'E');
            }
            Request::Parse => gets.push(b'1'),
            Request::Bind => gets.push(b'2'),
            Request::Close => gets.push(b'3'),
            Request::DescribeStatement => gets.extend_from_slice(b"tT"),
            Request::DescribePortal => gets.push(b'n'),
            Request::Execute => {
                gets.extend_from_slice(b"DDDD".get(..usize::from(fate >> 6)).unwrap_or_default());
                gets.push(if fate & 2 == 0 { b'C' } else { b's' });
            }
        }
        if shown {
            expected.extend_from_slice(&gets);
        }
        frames.extend(gets.into_iter().filter(|tag| *tag != b'a'));
        replies.push(request, shown, sent);
        sent += 1;
    }
    let (mut told, mut done) = (BytesMut::new(), Vec::new());
    for tag in frames {
        replies.take_answers(&mut told, |note| done.push(note));
        let shown = match replies.see(tag) {
            Seen::Part { shown } | Seen::Command { shown, .. } | Seen::Failed { shown } => shown,
            Seen::Done { shown, awaited } => {
                done.push(awaited.note);
                shown
            }
            Seen::Ready { awaited, .. } => {
                done.push(awaited.note);
                awaited.ready
            }
            Seen::Unexpected => panic!("{} came in its place", tag as char),
        };
        done.extend(replies.take_skipped());
        if shown {
            told.extend_from_slice(&[tag]);
        }
    }
    replies.take_answers(&mut told, |note| done.push(note));
    done.extend(replies.take_all());
    assert_eq!(told, expected);
    assert_eq!(done, (0..sent).collect::<Vec<_>>(), "each once, in order");
}

/// Messages and frames in any order.
fn says_anything(pieces: &mut Pieces<'_>) {
    let mut replies = Replies::<usize>::default();
    let (mut sent, mut done) = (0, Vec::new());
    while !pieces.is_empty() {
        let choice = pieces.byte();
        if choice & 1 == 0 {
            replies.push(request(choice >> 1), choice & 0x80 == 0, sent);
            sent += 1;
        } else {
            match replies.see(pieces.byte()) {
                Seen::Done { awaited, .. } | Seen::Ready { awaited, .. } => done.push(awaited.note),
                _ => {}
            }
            done.extend(replies.take_skipped());
        }
        if choice & 2 == 0 {
            replies.take_answers(&mut BytesMut::new(), |note| done.push(note));
        }
    }
    assert_eq!(done.len() + replies.iter().count(), sent);
    done.extend(replies.take_all());
    assert_eq!(done, (0..sent).collect::<Vec<_>>(), "each once, in order");
    assert!(replies.is_empty());
}
