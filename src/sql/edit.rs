//! A text changed between its tokens, and left as it came elsewhere.

use super::error::SqlError;
use super::scan::Scanned;
use super::statement::Tokens as Place;
use super::tokens::{TokenKind, Tokens};

/// One change: what stands at these tokens is replaced; an empty place is behind the token
/// before it, and something is put in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub at: Place,
    pub pieces: Vec<Piece>,
}

/// What is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(Box<str>),
    /// The same words once more.
    Copy(Place),
}

/// A changed text that knows where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edited {
    pub text: Vec<u8>,
    /// Runs of it that stand in the text before: where, where there, and how long.
    runs: Vec<(usize, usize, usize)>,
}

impl Edited {
    /// A text of which nothing stands in another one.
    pub fn of_its_own(text: impl Into<Vec<u8>>) -> Edited {
        Edited { text: text.into(), runs: Vec::new() }
    }

    /// Appends what stands there in the text before.
    pub(super) fn copy(&mut self, before: &[u8], from: usize, to: usize) {
        if let Some(run) = before.get(from..to) {
            self.runs.push((self.text.len(), from, run.len()));
            self.text.extend_from_slice(run);
        }
    }

    /// The same, where the text `before` it is itself what an edit made of another one.
    pub fn over(mut self, before: &Edited) -> Edited {
        let mut runs = Vec::with_capacity(self.runs.len());
        for (new, old, len) in &self.runs {
            for (middle, first, whole) in &before.runs {
                let (start, end) = (*old.max(middle), (old + len).min(middle + whole));
                if start < end {
                    runs.push((new + (start - old), first + (start - middle), end - start));
                }
            }
        }
        self.runs = runs;
        self
    }

    /// Where these bytes stand in what was put in.
    pub fn put_in(&self, wanted: &[u8]) -> Vec<usize> {
        let ends = self.runs.iter().map(|(new, _, len)| new + len);
        let gaps = std::iter::once(0)
            .chain(ends)
            .zip(self.runs.iter().map(|(new, ..)| *new).chain(std::iter::once(self.text.len())));
        let mut places = Vec::new();
        for (from, to) in gaps.filter(|(from, to)| from < to) {
            let gap = self.text.get(from..to).unwrap_or_default();
            let all = gap.windows(wanted.len().max(1)).enumerate();
            places.extend(all.filter(|(_, bytes)| *bytes == wanted).map(|(at, _)| from + at));
        }
        places
    }

    /// Where a place of the changed text is in the one `before`: both counted in characters from
    /// 1, as servers do in their errors. `None` within what was put in; where it begins right
    /// behind what stands in both, that has its end there.
    pub fn place_before(&self, before: &[u8], character: usize) -> Option<usize> {
        let starts = |b: &&u8| (**b & 0xc0) != 0x80;
        let wanted = character.checked_sub(1)?;
        let mut characters = self.text.iter().enumerate().filter(|(_, b)| starts(b));
        // An error at the end of the text.
        let at = characters.nth(wanted).map_or(self.text.len(), |(at, _)| at);
        let within = |&&(new, _, len): &&(usize, usize, usize)| new <= at && at <= new + len;
        let (new, old, _) = self.runs.iter().rev().find(within)?;
        let byte = old + (at - new);
        Some(before.get(..byte)?.iter().filter(starts).count() + 1)
    }
}

/// Applies edits, which must be in order and apart, to one statement of a text.
///
/// # Errors
/// The text isn't the one that was scanned.
pub fn edit(text: &[u8], scanned: &Scanned, edits: &[Edit]) -> Result<Edited, SqlError> {
    let places = places(text, scanned)?;
    let start = |token: u32| places.get(token as usize).map(|place| place.0);
    let end = |token: u32| match token.checked_sub(1) {
        Some(before) => places.get(before as usize).map(|place| place.1),
        None => Some(scanned.range.start),
    };
    let lost = || SqlError::syntax(text, text.len(), text.len());
    let mut edited = Edited::default();
    let mut at = scanned.range.start;
    for Edit { at: place, pieces } in edits {
        let (from, to) = if place.is_empty() {
            let here = end(place.start).ok_or_else(lost)?;
            (here, here)
        } else {
            (start(place.start).ok_or_else(lost)?, end(place.end).ok_or_else(lost)?)
        };
        edited.copy(text, at, from);
        for piece in pieces {
            match piece {
                Piece::Text(words) => edited.text.extend_from_slice(words.as_bytes()),
                Piece::Copy(place) => {
                    let (from, to) = (start(place.start), end(place.end));
                    edited.copy(text, from.ok_or_else(lost)?, to.ok_or_else(lost)?);
                }
            }
        }
        at = to;
    }
    edited.copy(text, at, scanned.range.end);
    Ok(edited)
}

/// Where each token begins and ends.
fn places(text: &[u8], scanned: &Scanned) -> Result<Vec<(usize, usize)>, SqlError> {
    let text = text.get(..scanned.range.end).unwrap_or(text);
    let mut reader = Tokens::new(text, scanned.range.start, scanned.options);
    let mut places = Vec::with_capacity(scanned.tokens as usize);
    loop {
        let token = reader.next_token()?;
        if token.kind == TokenKind::End {
            return Ok(places);
        }
        places.push((token.start, token.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{LexOptions, Statement, parse, scan};

    fn changed(text: &str, edits: &[Edit]) -> Edited {
        let scanned = scan(text.as_bytes(), LexOptions::default()).unwrap();
        edit(text.as_bytes(), &scanned[0], edits).unwrap()
    }

    fn query(text: &str) -> Box<crate::sql::Query> {
        let scanned = scan(text.as_bytes(), LexOptions::default()).unwrap();
        match parse(text.as_bytes(), &scanned[0]).unwrap() {
            Statement::Query(query) => query,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_isnt_edited_stays_as_it_came() {
        let text = "/* a */ SELECT  'é' ::text, -- b\n x /* c */ FROM t -- d\n ORDER BY y ; ";
        let query = query(text);
        let crate::sql::SetExpr::Select(select) = &query.body else { panic!() };
        let at = select.items_end.unwrap();
        let copied = Piece::Copy(query.order[0].tokens.clone());
        let pieces = vec![Piece::Text(", (".into()), copied, Piece::Text(")".into())];
        let edited = changed(text, &[Edit { at: at..at, pieces }]);
        assert_eq!(
            String::from_utf8_lossy(&edited.text),
            "SELECT  'é' ::text, -- b\n x, (y) /* c */ FROM t -- d\n ORDER BY y"
        );
        // `y` is copied, so that it has one place before; what was put in has none.
        let new = String::from_utf8_lossy(&edited.text).into_owned();
        let character = |text: &str, byte: usize| text[..byte].chars().count() + 1;
        let place = |byte| edited.place_before(text.as_bytes(), character(&new, byte));
        let old = |byte| Some(character(text, byte));
        assert_eq!(place(new.find("y)").unwrap()), old(text.find("y ;").unwrap()));
        assert_eq!(place(new.find("FROM").unwrap()), old(text.find("FROM").unwrap()));
        assert_eq!(place(new.find("(y").unwrap()), None);
        assert_eq!(place(new.len()), old(text.find(" ;").unwrap()));
    }

    #[test]
    fn an_edit_of_an_edited_text_knows_the_first() {
        let text = "SELECT a, b FROM é, t";
        let once = changed(
            text,
            &[Edit { at: 5..6, pieces: vec![Piece::Text("(SELECT * FROM x)".into())] }],
        );
        assert_eq!(String::from_utf8_lossy(&once.text), "SELECT a, b FROM (SELECT * FROM x), t");
        let again = String::from_utf8(once.text.clone()).unwrap();
        let pieces = vec![Piece::Text("yy".into())];
        let twice = changed(&again, &[Edit { at: 1..2, pieces }]).over(&once);
        let new = String::from_utf8_lossy(&twice.text).into_owned();
        assert_eq!(new, "SELECT yy, b FROM (SELECT * FROM x), t");
        let place = |word: &str| {
            let byte = new.rfind(word).unwrap();
            twice.place_before(text.as_bytes(), new[..byte].chars().count() + 1)
        };
        let old = |word: &str| Some(text[..text.rfind(word).unwrap()].chars().count() + 1);
        assert_eq!(place(" b"), old(" b"));
        assert_eq!(place(", t"), old(", t"));
        assert_eq!(place("x)"), None);
        // What replaces a word begins where the word did.
        assert_eq!(place("yy"), old("a,"));
    }

    #[test]
    fn clauses_are_found_by_their_tokens() {
        for (text, without) in [
            ("SELECT a FROM t LIMIT 5 OFFSET 3", "SELECT a FROM t"),
            ("SELECT a FROM t OFFSET 3 ROWS FETCH NEXT 2 ROWS ONLY", "SELECT a FROM t"),
            (
                "SELECT a FROM t WHERE b IN (1,2) LIMIT ALL FOR READ ONLY",
                "SELECT a FROM t WHERE b IN (1,2) FOR READ ONLY",
            ),
            (
                "SELECT a FROM t ORDER BY a DESC NULLS LAST LIMIT $1",
                "SELECT a FROM t ORDER BY a DESC NULLS LAST",
            ),
        ] {
            let edit = Edit { at: query(text).limits.clone(), pieces: Vec::new() };
            let edited = String::from_utf8(changed(text, &[edit]).text).unwrap();
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words(&edited), without);
        }
    }

    #[test]
    fn orderings_are_read() {
        let text = "SELECT 1 FROM t ORDER BY a, b DESC, c ASC NULLS FIRST, d || e COLLATE \"C\", f USING >";
        let read: Vec<_> = query(text)
            .order
            .iter()
            .map(|o| (o.descending, o.nulls_first, o.bytewise, o.using))
            .collect();
        assert_eq!(
            read,
            [
                (false, None, false, false),
                (true, None, false, false),
                (false, Some(true), false, false),
                (false, None, true, false),
                (false, None, false, true)
            ]
        );
    }
}
