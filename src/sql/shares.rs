//! An INSERT of many rows cut into several of fewer rows each: the text as it came, without the
//! rows that belong elsewhere. Parameters are numbered anew, so that none is named that nobody
//! gives, and shares of equal shape have equal texts.

use std::collections::HashMap;

use super::edit::Edited;
use super::error::SqlError;
use super::scan::Scanned;
use super::statement::Tokens as Place;
use super::tokens::{Token, TokenKind, Tokens};

/// One share of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Share {
    pub text: Edited,
    /// What `$1`, `$2` and so on of the share were before, in order.
    pub parameters: Vec<u16>,
}

/// Cuts a statement: `rows` are the places of its rows, in order, with a comma between each two;
/// `owners` says which share each row belongs to, of as many as `count`. What isn't a row stands
/// in every share.
///
/// # Errors
/// The text isn't the one that was scanned.
pub fn share(
    text: &[u8],
    scanned: &Scanned,
    rows: &[Place],
    owners: &[u16],
    count: usize,
) -> Result<Vec<Share>, SqlError> {
    let tokens = tokens(text, scanned)?;
    let lost = || SqlError::syntax(text, text.len(), text.len());
    let (first, last) = rows.first().zip(rows.last()).ok_or_else(lost)?;
    let before = tokens.get(..first.start as usize).ok_or_else(lost)?;
    let behind = tokens.get(last.end as usize..).ok_or_else(lost)?;
    let mut shares: Vec<Writer<'_>> =
        (0..count).map(|_| Writer::new(text, scanned.range.start)).collect();
    for writer in &mut shares {
        writer.tokens(before);
    }
    for (row, owner) in rows.iter().zip(owners) {
        let writer = shares.get_mut(usize::from(*owner)).ok_or_else(lost)?;
        let place = row.start as usize..row.end as usize;
        writer.row(tokens.get(place).ok_or_else(lost)?);
    }
    let finish = |mut writer: Writer<'_>| {
        // As after a row that was left out: what stood before the next word stays with it.
        if let Some(end) = tokens.get((last.end as usize).wrapping_sub(1)) {
            writer.skip_to(end.end);
        }
        writer.tokens(behind);
        writer.end(scanned.range.end)
    };
    Ok(shares.into_iter().map(finish).collect())
}

/// Writes one share.
struct Writer<'a> {
    before: &'a [u8],
    /// Up to where the text before was copied or skipped.
    at: usize,
    rows: usize,
    share: Share,
    /// The new number of each parameter that it has, by the old one.
    numbers: HashMap<u16, usize>,
}

impl<'a> Writer<'a> {
    fn new(before: &'a [u8], at: usize) -> Writer<'a> {
        Writer { before, at, rows: 0, share: Share::default(), numbers: HashMap::new() }
    }

    /// A row, behind those that the share has.
    fn row(&mut self, tokens: &[Token]) {
        let Some(first) = tokens.first() else { return };
        if self.rows > 0 {
            self.share.text.text.extend_from_slice(b", ");
            self.at = first.start;
        } else {
            // The space behind VALUES is kept, what stood there of other rows isn't.
            self.share.text.text.extend_from_slice(b" ");
            self.at = first.start;
        }
        self.rows += 1;
        self.tokens(tokens);
    }

    /// Tokens, with what stands between them and before the first.
    fn tokens(&mut self, tokens: &[Token]) {
        for token in tokens.iter().filter(|token| token.kind == TokenKind::Parameter) {
            let Some(number) = number(token.of(self.before)) else { continue };
            self.copy_to(token.start);
            let parameters = &mut self.share.parameters;
            let own = *self.numbers.entry(number).or_insert_with(|| {
                parameters.push(number);
                parameters.len()
            });
            self.share.text.text.extend_from_slice(format!("${own}").as_bytes());
            self.at = token.end;
        }
        if let Some(last) = tokens.last() {
            self.copy_to(last.end);
        }
    }

    fn copy_to(&mut self, end: usize) {
        self.share.text.copy(self.before, self.at, end);
        self.at = end;
    }

    fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    fn end(mut self, end: usize) -> Share {
        self.copy_to(end);
        self.share
    }
}

/// The number of a `$n`.
fn number(written: &[u8]) -> Option<u16> {
    std::str::from_utf8(written.get(1..)?).ok()?.parse().ok()
}

pub(super) fn tokens(text: &[u8], scanned: &Scanned) -> Result<Vec<Token>, SqlError> {
    let text = text.get(..scanned.range.end).unwrap_or(text);
    let mut reader = Tokens::new(text, scanned.range.start, scanned.options);
    let mut tokens = Vec::with_capacity(scanned.tokens as usize);
    loop {
        let token = reader.next_token()?;
        if token.kind == TokenKind::End {
            return Ok(tokens);
        }
        tokens.push(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Insert, LexOptions, Statement, parse, scan};

    fn insert(text: &str) -> (Scanned, Box<Insert>) {
        let scanned = scan(text.as_bytes(), LexOptions::default()).unwrap().remove(0);
        match parse(text.as_bytes(), &scanned).unwrap() {
            Statement::Insert(insert) => (scanned, insert),
            other => panic!("{other:?}"),
        }
    }

    fn cut(text: &str, owners: &[u16], count: usize) -> Vec<(String, Vec<u16>)> {
        let (scanned, insert) = insert(text);
        let shares = share(text.as_bytes(), &scanned, &insert.rows, owners, count).unwrap();
        let shown = |share: Share| (String::from_utf8(share.text.text).unwrap(), share.parameters);
        shares.into_iter().map(shown).collect()
    }

    #[test]
    fn each_row_goes_to_its_share() {
        let text = "WITH c AS (SELECT 1) INSERT INTO t (a, b) VALUES  (1, 'x'), (2, f(3, (4))) \
                    /* c */ , ($2, ARRAY[1,2]) ON CONFLICT (a) DO UPDATE SET b = $3 RETURNING *; ";
        let begin = "WITH c AS (SELECT 1) INSERT INTO t (a, b) VALUES ";
        let end = " ON CONFLICT (a) DO UPDATE SET b = $1 RETURNING *";
        let both = " ON CONFLICT (a) DO UPDATE SET b = $2 RETURNING *";
        assert_eq!(
            cut(text, &[0, 1, 0], 2),
            [
                (format!("{begin}(1, 'x'), ($1, ARRAY[1,2]){both}"), vec![2, 3]),
                (format!("{begin}(2, f(3, (4))){end}"), vec![3]),
            ]
        );
    }

    #[test]
    fn a_place_in_a_share_is_found_in_the_text() {
        let text = "INSERT INTO t VALUES ($1, 'é'), ($2, oops), ($1, 2)";
        let (scanned, insert) = insert(text);
        let shares = share(text.as_bytes(), &scanned, &insert.rows, &[0, 1, 1], 2).unwrap();
        let second = String::from_utf8(shares[1].text.text.clone()).unwrap();
        assert_eq!(second, "INSERT INTO t VALUES ($1, oops), ($2, 2)");
        assert_eq!(shares[1].parameters, [2, 1]);
        let character =
            |text: &str, word: &str| text[..text.find(word).unwrap()].chars().count() + 1;
        let before = shares[1].text.place_before(text.as_bytes(), character(&second, "oops"));
        assert_eq!(before, Some(character(text, "oops")));
    }

    /// Rows at random, cut at random: put together again in their order they are the statement.
    #[test]
    fn the_shares_are_the_statement() {
        let mut state = 7u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..300 {
            let values = ["1", "'a,(b'", "$1", "$7", "(SELECT 1)", "DEFAULT", "f(1, ',')", "$$)$$"];
            let rows: Vec<String> = (0..1 + random(12))
                .map(|_| {
                    let cells: Vec<&str> =
                        (0..1 + random(4)).map(|_| values[random(8) as usize]).collect();
                    format!("({})", cells.join(", "))
                })
                .collect();
            let count = 1 + random(4) as usize;
            let owners: Vec<u16> = rows.iter().map(|_| random(count as u64) as u16).collect();
            let text = format!("INSERT INTO t VALUES {} RETURNING $3", rows.join(", "));
            for (at, (shared, parameters)) in cut(&text, &owners, count).into_iter().enumerate() {
                let own = rows.iter().zip(&owners).filter(|(_, owner)| usize::from(**owner) == at);
                let own: Vec<&str> = own.map(|(row, _)| row.as_str()).collect();
                // The old numbers, for comparison.
                let mut named = shared;
                for (new, old) in parameters.iter().enumerate().rev() {
                    named = named.replace(&format!("${}", new + 1), &format!("%{old}"));
                }
                let expected = if own.is_empty() {
                    "INSERT INTO t VALUES RETURNING $3".to_owned()
                } else {
                    format!("INSERT INTO t VALUES {} RETURNING $3", own.join(", "))
                };
                let digits = ["$1", "$3", "$7"].into_iter();
                let expected =
                    digits.fold(expected, |text, d| text.replace(d, &d.replace('$', "%")));
                assert_eq!(named, expected, "{text}");
            }
        }
    }
}
