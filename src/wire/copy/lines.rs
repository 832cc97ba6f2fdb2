//! Lines of text and CSV: where each ends.

use memchr::memchr3;

use super::{Breaks, Dialect, Form, LineEnd, Part, Quotes, Splitter};

/// Within a line.
#[derive(Debug, Default)]
pub(super) struct State {
    quoted: bool,
    /// The byte before is an escape, which isn't a quote.
    escaped: bool,
    breaks: Breaks,
    /// There is a backslash in it (text).
    escapes: bool,
}

/// Where a line ends.
enum Found {
    More,
    /// Of so many bytes, of which so many aren't its end.
    Line {
        len: usize,
        data: usize,
    },
    /// What is before the mark of the end is the last line, if it is any.
    Marker {
        before: usize,
    },
    Refused,
}

impl Splitter {
    pub(super) fn line(&mut self, input: &[u8], ended: bool) -> Option<Part> {
        if self.over {
            return Some(Part::Ignored(input.len()));
        }
        let Form::Lines(dialect) = &self.form else { return None };
        let mut scan = Scan {
            input,
            ended,
            dialect,
            line_end: &mut self.line_end,
            scanned: &mut self.scanned,
            state: &mut self.lines,
        };
        let found = match dialect.csv {
            None => scan.text(),
            Some(quotes) => scan.csv(quotes),
        };
        let (len, data) = match found {
            Found::More => return None,
            Found::Refused => return Some(Part::Refused(input.len())),
            Found::Marker { before } => {
                self.over = true;
                if before == 0 {
                    return Some(Part::Ignored(input.len()));
                }
                (before, before)
            }
            Found::Line { len, data } => (len, data),
        };
        let State { breaks, escapes, .. } = std::mem::take(&mut self.lines);
        if std::mem::take(&mut self.head) {
            return Some(Part::Head(len, breaks));
        }
        self.fields(input.get(..data).unwrap_or(input), escapes);
        Some(Part::Row(len, breaks))
    }
}

/// A search for the end of the line at the front of `input`.
struct Scan<'a> {
    input: &'a [u8],
    ended: bool,
    dialect: &'a Dialect,
    line_end: &'a mut LineEnd,
    scanned: &'a mut usize,
    state: &'a mut State,
}

impl Scan<'_> {
    /// In text a backslash takes the byte behind it with it, whatever that is.
    fn text(&mut self) -> Found {
        let input = self.input;
        let mut at = *self.scanned;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let Some(next) = memchr3(b'\n', b'\r', b'\\', rest) else {
                return self.at_end(input.len());
            };
            let here = at + next;
            if input[here] != b'\\' {
                return self.line_break(here);
            }
            self.state.escapes = true;
            match input.get(here + 1) {
                None => return self.at_end(here),
                Some(b'.') => return self.marker(here),
                Some(_) => at = here + 2,
            }
        }
    }

    /// In CSV a line goes on in quotes. As the server does, a quote is a toggle here, unless an
    /// escape of another kind stands before it in quotes.
    fn csv(&mut self, quotes: Quotes) -> Found {
        let input = self.input;
        let mut at = *self.scanned;
        if at == 0 && self.dialect.marker && input.first() == Some(&b'\\') {
            match self.csv_marker() {
                Some(found) => return found,
                None => at = 1,
            }
        }
        loop {
            let found = self.next_in_csv(quotes, at);
            if found.unwrap_or(input.len()) > at {
                self.state.escaped = false;
            }
            let Some(here) = found else {
                return match self.ended && self.state.quoted {
                    true => Found::Refused,
                    false => self.at_end(input.len()),
                };
            };
            let byte = input[here];
            let quoted = self.state.quoted;
            if !quoted && matches!(byte, b'\n' | b'\r') {
                return self.line_break(here);
            }
            let other = quotes.escape != quotes.quote;
            if other && quoted && byte == quotes.escape {
                self.state.escaped = !self.state.escaped;
            } else {
                if byte == quotes.quote && !self.state.escaped {
                    self.state.quoted = !quoted;
                }
                self.state.escaped = false;
            }
            if quoted {
                self.state.breaks.newlines += u32::from(byte == b'\n');
                self.state.breaks.returns += u32::from(byte == b'\r');
            }
            at = here + 1;
        }
    }

    /// The next byte that counts.
    fn next_in_csv(&self, quotes: Quotes, from: usize) -> Option<usize> {
        let rest = self.input.get(from..)?;
        let found = if self.state.quoted && quotes.escape != quotes.quote {
            let counts = [quotes.quote, quotes.escape, b'\n', b'\r'];
            rest.iter().position(|byte| counts.contains(byte))
        } else {
            memchr3(quotes.quote, b'\n', b'\r', rest)
        };
        found.map(|found| from + found)
    }

    /// No line break up to here, and none behind it yet.
    fn at_end(&mut self, here: usize) -> Found {
        *self.scanned = here;
        let len = self.input.len();
        if self.ended { Found::Line { len, data: len } } else { Found::More }
    }

    /// A line break outside quotes: all lines end alike, or the data are refused.
    fn line_break(&mut self, here: usize) -> Found {
        let one = Found::Line { len: here + 1, data: here };
        if self.input[here] == b'\n' {
            return match *self.line_end {
                LineEnd::Return | LineEnd::Both => Found::Refused,
                LineEnd::Unknown | LineEnd::Newline => {
                    *self.line_end = LineEnd::Newline;
                    one
                }
            };
        }
        match (*self.line_end, self.input.get(here + 1)) {
            (LineEnd::Newline, _) => Found::Refused,
            (LineEnd::Return, _) => one,
            (_, None) if !self.ended => {
                *self.scanned = here;
                Found::More
            }
            (_, Some(b'\n')) => {
                *self.line_end = LineEnd::Both;
                Found::Line { len: here + 2, data: here }
            }
            (LineEnd::Both, _) => Found::Refused,
            (LineEnd::Unknown, _) => {
                *self.line_end = LineEnd::Return;
                one
            }
        }
    }

    /// `\.` in text: it stands before the end of its line, or the data are refused.
    fn marker(&mut self, here: usize) -> Found {
        let mut behind = here + 2;
        if *self.line_end == LineEnd::Both {
            match self.input.get(behind) {
                None => return self.unless_more(here, Found::Refused),
                Some(b'\r') => behind += 1,
                Some(_) => return Found::Refused,
            }
        }
        let Some(last) = self.input.get(behind) else {
            return self.unless_more(here, Found::Refused);
        };
        if !self.ends_marker(*last) || (here > 0 && !self.dialect.marker_inside) {
            return Found::Refused;
        }
        Found::Marker { before: here }
    }

    /// `\.` in CSV: alone in its line, or it is data.
    fn csv_marker(&mut self) -> Option<Found> {
        let more = |scan: &Self| (!scan.ended).then_some(Found::More);
        let Some(second) = self.input.get(1) else { return more(self) };
        if *second != b'.' {
            return None;
        }
        let mut behind = 2;
        if *self.line_end == LineEnd::Both {
            match self.input.get(behind) {
                None => return more(self),
                Some(b'\r') => behind += 1,
                Some(_) => return None,
            }
        }
        match self.input.get(behind) {
            None => more(self),
            Some(last) if !matches!(last, b'\n' | b'\r') => None,
            Some(last) if self.ends_marker(*last) => Some(Found::Marker { before: 0 }),
            Some(_) => Some(Found::Refused),
        }
    }

    fn ends_marker(&self, last: u8) -> bool {
        match *self.line_end {
            LineEnd::Unknown => matches!(last, b'\n' | b'\r'),
            LineEnd::Newline | LineEnd::Both => last == b'\n',
            LineEnd::Return => last == b'\r',
        }
    }

    fn unless_more(&mut self, here: usize, found: Found) -> Found {
        if self.ended {
            return found;
        }
        *self.scanned = here;
        Found::More
    }
}
