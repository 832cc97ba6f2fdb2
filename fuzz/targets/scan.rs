//! Texts: what the scan says of a text lies within it, and what it says of a statement it says
//! of the statement alone, too.

use pgherd::sql::{LexOptions, Scanned, parse, scan};

use super::pieces::Pieces;

/// A byte of options, then the text.
pub fn run(data: &[u8]) {
    let mut pieces = Pieces::new(data);
    let conforming = pieces.byte() & 1 == 0;
    let options = LexOptions { standard_conforming_strings: conforming };
    let text = pieces.rest();
    let Ok(scanned) = scan(text, options) else { return };
    let mut end = 0;
    for one in &scanned {
        assert!(one.range.start >= end && one.range.start < one.range.end);
        end = one.range.end;
        let statement = text.get(one.range.clone()).expect("within the text");
        literals(text, one);
        alone(statement, one);
        let _ = parse(text, one);
    }
    // Nothing follows from what stands behind a text but comments and white space.
    let longer = [text, b"\n/* more */ \n-- x"].concat();
    let again = scan(&longer, options).expect("a text that is longer by nothing");
    let prints = |all: &[Scanned]| all.iter().map(|one| one.fingerprint).collect::<Vec<_>>();
    assert_eq!(prints(&scanned), prints(&again));
}

fn literals(text: &[u8], one: &Scanned) {
    let mut count = 0;
    for slot in 0..one.literals.slots() {
        count += one.literals.slot(slot as u32).len();
    }
    assert_eq!(count, one.literals.all().len());
    for literal in one.literals.all() {
        let range = literal.range.start as usize..literal.range.end as usize;
        assert!(one.range.start <= range.start && range.end <= one.range.end);
        assert!(text.get(range).is_some_and(|written| !written.is_empty()));
        let _ = literal.value(text);
    }
}

/// A statement cut out of its text is the same statement.
fn alone(statement: &[u8], one: &Scanned) {
    let again = scan(statement, one.options).expect("it was a statement");
    let [again] = again.as_slice() else { panic!("{} statements of one", again.len()) };
    assert_eq!(again.fingerprint, one.fingerprint);
    assert_eq!(again.range, 0..statement.len());
    assert_eq!(again.tokens, one.tokens);
    let ranges = |all: &Scanned| {
        let start = all.range.start;
        let relative = |at: u32| at as usize - start;
        let literals = all.literals.all().iter();
        literals.map(|l| (relative(l.range.start), relative(l.range.end))).collect::<Vec<_>>()
    };
    assert_eq!(ranges(again), ranges(one));
}
