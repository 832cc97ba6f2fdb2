//! Line numbers: a server counts the rows that it got, and a client those that it sent.

use std::collections::VecDeque;

use crate::wire::copy::{Breaks, LineEnd};

/// Bytes that are kept of one shard's lines: about as many rows. A server is asked of rows that it
/// is still to read, or keeps back a thousand at a time.
const KEPT: usize = 1 << 20;
/// In place of a step that doesn't fit a byte.
const LARGE: u8 = u8::MAX;

/// The lines that one shard got, and which they were of the client's.
#[derive(Debug, Default)]
pub struct Lines {
    /// Behind the last one.
    own: u64,
    of_client: u64,
    /// Before the first step that is kept.
    first: (u64, u64),
    /// For each row: by how many lines of the client's it is behind the one before, where it is
    /// one line; else [`LARGE`], that number and its own lines.
    steps: VecDeque<u8>,
}

impl Lines {
    /// A row has gone to the shard, of so many lines to it; behind it the client is at this line.
    pub fn push(&mut self, own: u64, of_client: u64) {
        let step = of_client - self.of_client;
        match u8::try_from(step) {
            Ok(step) if step < LARGE && own == 1 => self.steps.push_back(step),
            _ => {
                self.steps.push_back(LARGE);
                self.steps.extend(step.to_le_bytes());
                self.steps.extend(own.to_le_bytes());
            }
        }
        self.own += own;
        self.of_client = of_client;
        while self.steps.len() > KEPT {
            let Some((step, own)) = take(&mut self.steps) else { break };
            self.first = (self.first.0 + own, self.first.1 + step);
        }
    }

    /// Whether the shard has got any.
    pub fn is_empty(&self) -> bool {
        self.own == 0
    }

    /// The client's number of a line that the shard counts so; behind its last one they go on from
    /// `at`, the client's line now. `None` where that isn't known any more.
    pub fn of_client(&self, own: u64, at: u64) -> Option<u64> {
        if own > self.own {
            return Some(at + (own - self.own));
        }
        if own <= self.first.0 {
            return None;
        }
        let mut steps = self.steps.clone();
        let (mut here, mut there) = self.first;
        while here < own {
            let (step, lines) = take(&mut steps)?;
            here += lines;
            there += step;
        }
        Some(there.saturating_sub(here - own))
    }
}

fn take(steps: &mut VecDeque<u8>) -> Option<(u64, u64)> {
    match steps.pop_front()? {
        LARGE => {
            let mut number = || {
                let mut bytes = [0; 8];
                for byte in &mut bytes {
                    *byte = steps.pop_front()?;
                }
                Some(u64::from_le_bytes(bytes))
            };
            Some((number()?, number()?))
        }
        step => Some((u64::from(step), 1)),
    }
}

/// How many lines a server counts for a row or header, by what ended the lines before it.
pub fn counted(breaks: Breaks, line_end: LineEnd) -> u64 {
    let within = if line_end == LineEnd::Newline { breaks.newlines } else { breaks.returns };
    1 + u64::from(within)
}

/// The line that a server's CONTEXT of COPY names, whatever language it speaks: the first number
/// behind the table's name, in the last line with both. Where it stands, and the number.
pub fn line_of(context: &[u8], table: &str) -> Option<(std::ops::Range<usize>, u64)> {
    let mut end = context.len();
    while end > 0 {
        let start = memchr::memrchr(b'\n', &context[..end]).map_or(0, |at| at + 1);
        let line = &context[start..end];
        let named = memchr::memmem::find(line, table.as_bytes());
        if let (Some(named), true) = (named, memchr::memmem::find(line, b"COPY").is_some()) {
            let behind = named + table.len();
            let from = line[behind..].iter().position(u8::is_ascii_digit)? + behind;
            let digits = line[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let number = std::str::from_utf8(&line[from..from + digits]).ok()?.parse().ok()?;
            return Some((start + from..start + from + digits, number));
        }
        end = start.saturating_sub(1);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_shard_are_found_among_the_clients() {
        let mut lines = Lines::default();
        // Header, then rows at 3, 7, 1000 and one of three lines that ends at 1010.
        for (own, of_client) in [(1, 1), (1, 3), (1, 7), (1, 1000), (3, 1010)] {
            lines.push(own, of_client);
        }
        let found = |own| lines.of_client(own, 2000);
        let all: Vec<_> = (1..=9).map(found).collect();
        let expected = [1, 3, 7, 1000, 1008, 1009, 1010, 2001, 2002].map(Some);
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut lines = Lines::default();
        let rows = 3 * KEPT as u64;
        for row in 1..=rows {
            lines.push(1, 2 * row);
        }
        assert!(lines.steps.len() <= KEPT);
        assert_eq!(lines.of_client(1, 0), None);
        assert_eq!(lines.of_client(rows, 0), Some(2 * rows));
        assert_eq!(lines.of_client(rows - 1000, 0), Some(2 * (rows - 1000)));
    }

    #[test]
    fn contexts_are_read_in_any_language() {
        let found = |context: &str, table: &str| {
            line_of(context.as_bytes(), table).map(|(at, line)| (context[at].to_owned(), line))
        };
        let is = |line: u64| Some((line.to_string(), line));
        assert_eq!(found("COPY t, line 12, column id: \"7\"", "t"), is(12));
        assert_eq!(found("COPY t2, Zeile 3: \"COPY\"", "t2"), is(3));
        assert_eq!(found("tのCOPY、行 4", "t"), is(4));
        assert_eq!(
            found("PL/pgSQL function f() line 3 at RAISE\nCOPY t, line 9: \"x\"", "t"),
            is(9)
        );
        assert_eq!(found("SQL statement \"SELECT 1\"", "t"), None);
    }
}
