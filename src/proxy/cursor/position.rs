//! Where a cursor stands, and which steps a FETCH takes from there: as `DoPortalRunFetch` and
//! `PortalRunSelect` of Postgres have it.

use crate::sql::FetchWay;

/// Where a cursor stands: before its first row, on a row, or behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    at_start: bool,
    at_end: bool,
    /// How many rows it has passed; on a row, that is the last of them.
    passed: u64,
}

/// A part of a FETCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Rewind,
    /// So many rows, or all.
    Forward {
        count: Option<u64>,
        shown: bool,
    },
    Backward {
        count: Option<u64>,
        shown: bool,
    },
}

/// What a FETCH does.
#[derive(Debug, PartialEq, Eq)]
pub struct Walk {
    pub steps: Vec<Step>,
    /// How many rows it says that it has passed, where that isn't what its last step has.
    pub says: Option<u64>,
}

impl Default for Position {
    fn default() -> Position {
        Position { at_start: true, at_end: false, passed: 0 }
    }
}

impl Position {
    /// The steps of a FETCH, or of a MOVE: `count` is `None` for ALL.
    pub fn walk(&self, way: FetchWay, count: Option<i64>, moves: bool) -> Walk {
        let steps = |steps: &[Step]| Walk { steps: steps.to_vec(), says: None };
        let rows = |number: i64| number.unsigned_abs();
        let (forward, count) = match (way, count) {
            (FetchWay::Forward, Some(count)) if count < 0 => (false, Some(rows(count))),
            (FetchWay::Backward, Some(count)) if count < 0 => (true, Some(rows(count))),
            (FetchWay::Forward, count) => (true, count.map(rows)),
            (FetchWay::Backward, count) => (false, count.map(rows)),
            (FetchWay::Absolute, count) => return steps(&self.absolute(count.unwrap_or(1))),
            (FetchWay::Relative, Some(0)) => (true, Some(0)),
            (FetchWay::Relative, count) => {
                let (count, number) = (count.unwrap_or(1), rows(count.unwrap_or(1)));
                let step = if count > 0 { forward_by } else { backward_by };
                let skipped = (number > 1).then(|| step(Some(number - 1), false));
                let all: Vec<Step> = skipped.into_iter().chain([step(Some(1), true)]).collect();
                return steps(&all);
            }
        };
        match (forward, count) {
            (_, Some(0)) => self.again(moves),
            (false, None) if moves => {
                let on_row = self.passed > 0 && !self.at_end;
                Walk { steps: vec![Step::Rewind], says: Some(self.passed - u64::from(on_row)) }
            }
            (true, count) => steps(&[forward_by(count, true)]),
            (false, count) => steps(&[backward_by(count, true)]),
        }
    }

    /// FETCH 0: the row that it stands on.
    fn again(&self, moves: bool) -> Walk {
        let on_row = !self.at_start && !self.at_end;
        if moves {
            return Walk { steps: Vec::new(), says: Some(u64::from(on_row)) };
        }
        let steps = match on_row {
            true => vec![backward_by(Some(1), false), forward_by(Some(1), true)],
            false => vec![forward_by(Some(0), true)],
        };
        Walk { steps, says: None }
    }

    fn absolute(&self, count: i64) -> Vec<Step> {
        let number = count.unsigned_abs();
        if count == 0 {
            return vec![Step::Rewind, forward_by(Some(0), true)];
        }
        let skip = |step: fn(Option<u64>, bool) -> Step, rows: u64| {
            (rows > 0).then(|| step(Some(rows), false))
        };
        if count < 0 {
            let first = [forward_by(None, false)].into_iter();
            let rest =
                skip(backward_by, number - 1).into_iter().chain([backward_by(Some(1), true)]);
            return first.chain(rest).collect();
        }
        let here = self.passed + u64::from(self.at_end);
        let (rewound, skipped) = if number - 1 <= self.passed / 2 {
            (Some(Step::Rewind), skip(forward_by, number - 1))
        } else if number <= here {
            (None, skip(backward_by, here - number + 1))
        } else {
            (None, skip(forward_by, number - here - 1))
        };
        rewound.into_iter().chain(skipped).chain([forward_by(Some(1), true)]).collect()
    }

    /// Whether a step is one of those that only go with SCROLL.
    pub fn needs_scroll(&self, step: Step) -> bool {
        match step {
            Step::Rewind => !self.at_start || self.at_end,
            Step::Backward { .. } => true,
            Step::Forward { .. } => false,
        }
    }

    /// How many rows a step forward of so many may give; the first of them is the one behind so
    /// many.
    pub fn ahead(&self, count: Option<u64>) -> Option<(u64, Option<u64>)> {
        let moves = !self.at_end && count != Some(0);
        moves.then_some((self.passed, count))
    }

    /// How many rows there are behind it, the last of which is the next one backward.
    pub fn behind(&self, count: Option<u64>) -> u64 {
        let on_row = !self.at_start && !self.at_end;
        match self.at_start || count == Some(0) {
            true => 0,
            false => self.passed - u64::from(on_row),
        }
    }

    /// It has gone forward over so many rows where it could.
    pub fn went_forward(&mut self, count: Option<u64>, rows: u64) {
        if self.ahead(count).is_none() {
            return;
        }
        self.at_start &= rows == 0;
        self.at_end = count.is_none_or(|count| rows < count);
        self.passed += rows;
    }

    /// It has gone backward over so many rows where it could.
    pub fn went_backward(&mut self, count: Option<u64>, rows: u64) {
        if self.at_start || count == Some(0) {
            return;
        }
        if rows > 0 && self.at_end {
            self.at_end = false;
            self.passed += 1;
        }
        if count.is_none_or(|count| rows < count) {
            self.at_start = true;
            self.passed = 0;
        } else {
            self.passed -= rows;
        }
    }

    pub fn rewind(&mut self) {
        *self = Position::default();
    }
}

fn forward_by(count: Option<u64>, shown: bool) -> Step {
    Step::Forward { count, shown }
}

fn backward_by(count: Option<u64>, shown: bool) -> Step {
    Step::Backward { count, shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 1 to `all`, as a cursor with SCROLL shows them.
    fn fetch(at: &mut Position, all: u64, way: FetchWay, count: Option<i64>) -> Vec<u64> {
        let mut given = Vec::new();
        for step in at.walk(way, count, false).steps {
            let rows: Vec<u64> = match step {
                Step::Rewind => {
                    at.rewind();
                    continue;
                }
                Step::Forward { count, .. } => {
                    let from = at.ahead(count).map_or(all, |(from, _)| from);
                    (from + 1..=all).take(count.unwrap_or(all) as usize).collect()
                }
                Step::Backward { count, .. } => {
                    let behind = at.behind(count);
                    (1..=behind).rev().take(count.unwrap_or(all) as usize).collect()
                }
            };
            let passed = rows.len() as u64;
            match step {
                Step::Forward { count, shown } => {
                    at.went_forward(count, passed);
                    given.extend(rows.into_iter().filter(|_| shown));
                }
                Step::Backward { count, shown } => {
                    at.went_backward(count, passed);
                    given.extend(rows.into_iter().filter(|_| shown));
                }
                Step::Rewind => {}
            }
        }
        given
    }

    #[test]
    fn a_cursor_goes_where_postgres_has_it_go() {
        use FetchWay::{Absolute, Backward, Forward, Relative};
        let at = &mut Position::default();
        for (way, count, rows) in [
            (Forward, Some(3), &[1, 2, 3][..]),
            (Backward, Some(1), &[2]),
            (Forward, Some(0), &[2]),
            (Relative, Some(0), &[2]),
            (Relative, Some(2), &[4]),
            (Relative, Some(-3), &[1]),
            (Absolute, Some(-1), &[5]),
            (Backward, Some(2), &[4, 3]),
            (Forward, None, &[4, 5]),
            (Forward, Some(1), &[]),
            (Forward, Some(0), &[]),
            (Backward, None, &[5, 4, 3, 2, 1]),
            (Backward, Some(1), &[]),
            (Forward, Some(-1), &[]),
            (Absolute, Some(4), &[4]),
            (Absolute, Some(3), &[3]),
            (Absolute, Some(2), &[2]),
            (Absolute, Some(9), &[]),
            (Absolute, Some(5), &[5]),
            (Absolute, Some(0), &[]),
            (Forward, Some(1), &[1]),
            (Absolute, Some(-5), &[1]),
            (Absolute, Some(-6), &[]),
        ] {
            assert_eq!(fetch(at, 5, way, count), rows, "{way:?} {count:?}");
        }
        let empty = &mut Position::default();
        for (way, count) in [(Forward, None), (Backward, None), (Absolute, Some(-1))] {
            assert_eq!(fetch(empty, 0, way, count), [0; 0]);
        }
    }

    #[test]
    fn moves_say_how_many_rows_a_fetch_would_have_given() {
        let mut at = Position::default();
        assert_eq!(at.walk(FetchWay::Forward, Some(0), true).says, Some(0));
        at.went_forward(Some(3), 3);
        assert_eq!(at.walk(FetchWay::Forward, Some(0), true).says, Some(1));
        let back = Walk { steps: vec![Step::Rewind], says: Some(2) };
        assert_eq!(at.walk(FetchWay::Backward, None, true), back);
        at.went_forward(None, 2);
        assert_eq!(at.walk(FetchWay::Backward, None, true).says, Some(5));
    }

    #[test]
    fn without_scroll_only_steps_forward_go() {
        let mut at = Position::default();
        assert!(!at.needs_scroll(Step::Rewind));
        at.went_forward(Some(2), 2);
        assert!(at.needs_scroll(Step::Rewind));
        assert!(at.needs_scroll(backward_by(Some(1), true)));
        assert!(!at.needs_scroll(forward_by(Some(1), true)));
    }
}
