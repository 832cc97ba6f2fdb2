//! Where each value of VALUES stands, and what the words at a place are.

use super::error::SqlError;
use super::scan::Scanned;
use super::shares::tokens;
use super::statement::Tokens as Place;
use super::tokens::{Token, TokenKind};

/// The places of the values in each row: `rows` are the rows' own, with their parentheses.
///
/// # Errors
/// The text isn't the one that was scanned.
pub fn cells(text: &[u8], scanned: &Scanned, rows: &[Place]) -> Result<Vec<Vec<Place>>, SqlError> {
    let tokens = tokens(text, scanned)?;
    let lost = || SqlError::syntax(text, text.len(), text.len());
    let cut = |row: &Place| {
        let inside = row.start as usize + 1..(row.end as usize).saturating_sub(1);
        Ok(cells_of(tokens.get(inside).ok_or_else(lost)?, row.start + 1))
    };
    rows.iter().map(cut).collect()
}

/// Cuts at the commas that stand in no parentheses. `first` is the first token's number.
fn cells_of(tokens: &[Token], first: u32) -> Vec<Place> {
    let (mut cells, mut start, mut depth) = (Vec::new(), first, 0);
    for (number, token) in (first..).zip(tokens) {
        match token.kind {
            TokenKind::Punctuation(b'(' | b'[') => depth += 1,
            TokenKind::Punctuation(b')' | b']') => depth -= 1,
            TokenKind::Punctuation(b',') if depth == 0 => {
                cells.push(start..number);
                start = number + 1;
            }
            _ => {}
        }
    }
    cells.push(start..first + tokens.len() as u32);
    cells
}

/// What stands at these places.
///
/// # Errors
/// The text isn't the one that was scanned.
pub fn words<'t>(
    text: &'t [u8],
    scanned: &Scanned,
    places: &[Place],
) -> Result<Vec<&'t [u8]>, SqlError> {
    let tokens = tokens(text, scanned)?;
    let lost = || SqlError::syntax(text, text.len(), text.len());
    let of = |place: &Place| {
        let first = tokens.get(place.start as usize)?;
        let last = tokens.get((place.end as usize).checked_sub(1)?)?;
        text.get(first.start..last.end)
    };
    places.iter().map(|place| of(place).ok_or_else(lost)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{LexOptions, Statement, parse, scan};

    #[test]
    fn values_are_found_between_commas_of_their_own() {
        let text = "INSERT INTO t VALUES (1, f(2, ARRAY[3, 4]), 'a,(' || $1), (DEFAULT, (5), \
                    (SELECT x, y FROM z))";
        let scanned = scan(text.as_bytes(), LexOptions::default()).unwrap().remove(0);
        let Statement::Insert(insert) = parse(text.as_bytes(), &scanned).unwrap() else { panic!() };
        let rows = cells(text.as_bytes(), &scanned, &insert.rows).unwrap();
        let shown: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let words = words(text.as_bytes(), &scanned, row).unwrap();
                words.iter().map(|words| String::from_utf8_lossy(words).into_owned()).collect()
            })
            .collect();
        assert_eq!(
            shown,
            [
                vec!["1", "f(2, ARRAY[3, 4])", "'a,(' || $1"],
                vec!["DEFAULT", "(5)", "(SELECT x, y FROM z)"]
            ]
        );
    }
}
