//! The binary format: a signature, rows whose fields say how long they are, and a mark of the end.

use super::{Breaks, Form, Found, Part, Splitter};

pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// The signature, flags, and the length of what else is in the header.
const FIXED: usize = SIGNATURE.len() + 8;
/// Behind the last row: a count of fields of -1.
const END: i16 = -1;

/// Within a row.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Fields that were looked at. `scanned` is where the next one begins.
    fields: usize,
}

impl Splitter {
    pub(super) fn tuple(&mut self, input: &[u8], ended: bool, columns: usize) -> Option<Part> {
        let refused = Some(Part::Refused(input.len()));
        // What isn't there is still to come, or is missing.
        let short = if ended { refused } else { None };
        if self.over {
            return refused;
        }
        if self.head {
            return match header(input) {
                Header::Refused => refused,
                Header::Short => short,
                Header::Whole(len) => {
                    self.head = false;
                    Some(Part::Head(len, Breaks::default()))
                }
            };
        }
        let Some(count) = input.first_chunk::<2>() else {
            // As at the end of a file without the mark.
            return ended.then_some(Part::Ignored(input.len()));
        };
        let count = i16::from_be_bytes(*count);
        if count == END {
            self.over = true;
            return Some(Part::Tail(2));
        }
        if usize::try_from(count) != Ok(columns) {
            return refused;
        }
        self.rest_of_tuple(input, columns, refused, short)
    }

    fn rest_of_tuple(
        &mut self,
        input: &[u8],
        columns: usize,
        refused: Option<Part>,
        short: Option<Part>,
    ) -> Option<Part> {
        debug_assert!(matches!(self.form, Form::Binary { .. }));
        let mut at = self.scanned.max(2);
        while self.binary.fields < columns {
            let Some(length) = input.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
                self.scanned = at;
                return short;
            };
            let begin = at + 4;
            let length = i32::from_be_bytes(*length);
            let end = match usize::try_from(length) {
                Ok(length) => begin + length,
                Err(_) if length == -1 => begin,
                Err(_) => return refused,
            };
            if end > input.len() {
                self.scanned = at;
                return match end > self.limit {
                    // It would be.
                    true => Some(Part::Row(end, Breaks::default())),
                    false => short,
                };
            }
            let number = self.binary.fields;
            for (wanted, place) in &self.wanted {
                if wanted.field == number
                    && let Some(found) = self.found.get_mut(*place)
                {
                    *found = if length < 0 { Found::Null } else { Found::Raw(begin..end) };
                }
            }
            self.binary.fields += 1;
            at = end;
        }
        self.binary.fields = 0;
        Some(Part::Row(at, Breaks::default()))
    }
}

enum Header {
    Short,
    Whole(usize),
    Refused,
}

fn header(input: &[u8]) -> Header {
    let there = input.len().min(SIGNATURE.len());
    if input[..there] != SIGNATURE[..there] {
        return Header::Refused;
    }
    let Some([.., f0, f1, _, _, e0, e1, e2, e3]) = input.first_chunk::<FIXED>() else {
        return Header::Short;
    };
    // Of the flags, the upper half must be understood; servers understand none of it.
    if (*f0, *f1) != (0, 0) {
        return Header::Refused;
    }
    match usize::try_from(i32::from_be_bytes([*e0, *e1, *e2, *e3])) {
        Err(_) => Header::Refused,
        Ok(extension) if input.len() - FIXED < extension => Header::Short,
        Ok(extension) => Header::Whole(FIXED + extension),
    }
}
