//! The form of a text: the text with its integers left blank.
//!
//! Clients send the same statement again and again with other numbers in it. Two texts of one
//! form have the same tokens but for the values of integers and what is within strings, so what
//! is known of one ([`Scanned`]) holds for the other, without a look at its tokens: only the
//! literals stand elsewhere. That takes one look at each byte and one comparison.

use std::hash::{Hash, Hasher};

use super::scan::Scanned;

/// Longest text that has a form.
const LONGEST: usize = 1024;
/// Most integers of a text that has a form.
const MOST: usize = 16;
/// Digits that fit a `bigint` whatever they are: of integers that may not, the kind depends on
/// the value.
const DIGITS: usize = 18;

/// A text's form.
#[derive(Debug)]
pub struct Form<'t> {
    text: &'t [u8],
    blanks: [Blank; MOST],
    count: usize,
}

/// An integer's place in a text, and how long it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blank {
    start: u16,
    len: u16,
}

impl Blank {
    fn start(&self) -> usize {
        usize::from(self.start)
    }

    fn end(&self) -> usize {
        usize::from(self.start) + usize::from(self.len)
    }
}

/// What a byte is to a form.
const KINDS: [u8; 256] = kinds();

/// Beside it digits aren't an integer, or not one alone: letters, `_`, `$`, a point.
const BINDS: u8 = 1;
/// What is looked at closer begins here.
const DIGIT: u8 = 2;
/// `"` and `\`: what is behind them can't be told without a lexer. A zero byte: no text has one.
const HIDES: u8 = 3;
/// `-`, `*` and `&`: with what is before them they may begin a comment, or a string with escapes.
const JOINS: u8 = 4;

const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut b = 0;
    while b < 256 {
        kinds[b] = match b as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | b'.' | 0x80.. => BINDS,
            b'"' | b'\\' | 0 => HIDES,
            b'-' | b'*' | b'&' => JOINS,
            _ => 0,
        };
        b += 1;
    }
    kinds
}

fn kind(byte: u8) -> u8 {
    KINDS[usize::from(byte)]
}

impl<'t> Form<'t> {
    /// The form of a text, if it has one: not of a long one, nor of one with comments, quoted
    /// names, backslashes or zero bytes in it.
    pub fn of(text: &'t [u8]) -> Option<Form<'t>> {
        if text.len() > LONGEST {
            return None;
        }
        let mut form = Form { text, blanks: [Blank::default(); MOST], count: 0 };
        let mut at = 0;
        while let Some(plain) = text[at..].iter().position(|byte| kind(*byte) >= DIGIT) {
            at += plain;
            let before = if at > 0 { text[at - 1] } else { b' ' };
            match kind(text[at]) {
                DIGIT => {
                    let start = at;
                    at += digits(&text[at..]);
                    let behind = text.get(at).map_or(0, |byte| kind(*byte));
                    if kind(before) != BINDS && behind != BINDS && at - start <= DIGITS {
                        let blank = form.blanks.get_mut(form.count)?;
                        *blank = Blank { start: start as u16, len: (at - start) as u16 };
                        form.count += 1;
                    }
                }
                HIDES => return None,
                _ if matches!(before, b'-' | b'/' | b'u' | b'U') => return None,
                _ => at += 1,
            }
        }
        Some(form)
    }

    /// The integers that are left blank.
    pub fn blanks(&self) -> &[Blank] {
        &self.blanks[..self.count]
    }

    /// The form in bytes: each integer that is left blank is one `0`. It can't be taken for
    /// digits that are kept, which have one of the binding bytes beside them, or are more.
    pub fn bytes(&self) -> Vec<u8> {
        self.kept().collect::<Vec<_>>().join(&b"0"[..])
    }

    /// Whether it is the form with these [bytes](Form::bytes).
    pub fn is(&self, bytes: &[u8]) -> bool {
        let mut rest = Some(bytes);
        for (i, kept) in self.kept().enumerate() {
            let behind_blank = match i {
                0 => rest,
                _ => rest.and_then(|rest| rest.strip_prefix(b"0")),
            };
            rest = behind_blank.and_then(|rest| rest.strip_prefix(kept));
        }
        rest == Some(b"")
    }

    /// What stands between the blanks: one piece more than there are.
    fn kept(&self) -> impl Iterator<Item = &'t [u8]> {
        let ends = self.blanks().iter().map(Blank::start).chain([self.text.len()]);
        let starts = [0].into_iter().chain(self.blanks().iter().map(Blank::end));
        starts.zip(ends).map(|(start, end)| &self.text[start..end])
    }
}

/// Equal for equal forms.
impl Hash for Form<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.kept().for_each(|kept| hasher.write(kept));
    }
}

/// How many digits come first.
fn digits(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())
}

impl Scanned {
    /// The same statement in another text of the same form; the blanks of this text and of that.
    pub fn moved(&self, from: &[Blank], to: &[Blank]) -> Scanned {
        // No border of a token or a literal is within a blank.
        let place = |at: u32| {
            let before = from.iter().zip(to).take_while(|(blank, _)| u32::from(blank.start) < at);
            before.fold(at, |at, (from, to)| at + u32::from(to.len) - u32::from(from.len))
        };
        let mut literals = self.literals.clone();
        literals.move_by(place);
        let (start, end) = (place(self.range.start as u32), place(self.range.end as u32));
        Scanned {
            range: start as usize..end as usize,
            literals,
            hints: self.hints.clone(),
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{LexOptions, scan_single};

    fn form(text: &str) -> Option<String> {
        Form::of(text.as_bytes()).map(|form| String::from_utf8(form.bytes()).unwrap())
    }

    #[test]
    fn integers_are_left_blank_and_nothing_else_is() {
        let texts = [
            (
                "select a1 from t2 where id=123 and x in (4,-56)",
                "select a1 from t2 where id=0 and x in (0,-0)",
            ),
            (
                "select 1.5, 1e5, 0x1F, 1_000, .5, 1..10, $1, a[2:33]",
                "select 1.5, 1e5, 0x1F, 1_000, .5, 1..10, $1, a[0:0]",
            ),
            ("values ('2024-01-02', 'a 17')", "values ('0-0-0', 'a 0')"),
            ("select 123456789012345678, 1234567890123456789", "select 0, 1234567890123456789"),
        ];
        for (text, expected) in texts {
            assert_eq!(form(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_a_lexer_must_see_has_no_form() {
        for text in [
            "select \"a 1\"",
            "select 1 -- 2",
            "select /* 1 */ 2",
            "select E'\\1'",
            "select U&'!1' uescape '!'",
        ] {
            assert_eq!(form(text), None, "{text}");
        }
        let many = format!("select {}", ["1"; MOST + 1].join(","));
        assert_eq!(form(&many), None);
        assert!(form(&format!("select {}", ["1"; MOST].join(","))).is_some());
        assert_eq!(form(&format!("select '{}'", "a".repeat(LONGEST))), None);
    }

    #[test]
    fn forms_differ_where_texts_differ_in_more_than_integers() {
        let texts = [
            "select 1",
            "select 1 ",
            "select 1,2",
            "select 11111111111111111111",
            "select a1",
            "select -1",
            "",
        ];
        for (i, one) in texts.iter().enumerate() {
            for (j, other) in texts.iter().enumerate() {
                let is = Form::of(one.as_bytes())
                    .unwrap()
                    .is(&Form::of(other.as_bytes()).unwrap().bytes());
                assert_eq!(is, i == j, "{one} {other}");
            }
        }
    }

    #[test]
    fn what_is_known_of_one_text_holds_for_another_of_its_form() {
        let pairs = [
            ("select * from t where id = 7;", "select * from t where id = 123456;"),
            (
                "  insert into t values (1, 'a 2', -3)  ",
                "  insert into t values (1000, 'a 22222', -0)  ",
            ),
            (
                "select f(1) + 22 in (1, 2, 333), array[1,2]",
                "select f(111) + 2 in (11, 22, 3), array[0,9999]",
            ),
            (
                "select date '2024-01-02' + 1, n'1', $1, 1.5",
                "select date '1-2-3' + 10, n'12345', $1, 1.5",
            ),
            ("select 1", "select 1"),
        ];
        let scan =
            |text: &str| scan_single(text.as_bytes(), LexOptions::default()).unwrap().unwrap();
        for (one, other) in pairs {
            let (from, to) =
                (Form::of(one.as_bytes()).unwrap(), Form::of(other.as_bytes()).unwrap());
            assert!(from.is(&to.bytes()) && to.is(&from.bytes()));
            assert_eq!(scan(one).moved(from.blanks(), to.blanks()), scan(other), "{other}");
            assert_eq!(scan(other).moved(to.blanks(), from.blanks()), scan(one), "{one}");
        }
    }
}
