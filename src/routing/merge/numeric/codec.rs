//! Numbers in text and in binary, as `numeric_out` and `numeric_send` write them.

use super::{BASE, Decimal, MAX_STORED_SCALE, Numeric, WIDTH};

const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
const NEGATIVE: u16 = 0x4000;

impl Numeric {
    /// Reads `[-]digits[.digits]`, `NaN`, `[-]Infinity`: what `numeric_out` writes.
    pub fn from_text(text: &[u8]) -> Option<Numeric> {
        match text {
            b"NaN" => return Some(Numeric::NaN),
            b"Infinity" => return Some(Numeric::Infinity),
            b"-Infinity" => return Some(Numeric::NegativeInfinity),
            _ => {}
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let point = unsigned.iter().position(|&byte| byte == b'.');
        let (whole, fraction) = match point {
            Some(at) => (&unsigned[..at], &unsigned[at + 1..]),
            None => (unsigned, &unsigned[unsigned.len()..]),
        };
        let plain = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
        let lacks = whole.is_empty() || point.is_some() && fraction.is_empty();
        if lacks || !plain(whole) || !plain(fraction) {
            return None;
        }
        let scale = u32::try_from(fraction.len()).ok().filter(|&s| s <= MAX_STORED_SCALE)?;
        let width = WIDTH as usize;
        let mut digits = Vec::with_capacity((whole.len() + fraction.len()) / width + 2);
        let value = |group: &[u8]| group.iter().fold(0, |v, b| v * 10 + i16::from(b - b'0'));
        let (head, groups) = whole.split_at(whole.len() % width);
        digits.push(value(head));
        digits.extend(groups.chunks(width).map(value));
        let weight = i32::try_from(digits.len()).ok()? - 1;
        for group in fraction.chunks(width) {
            let missing = width - group.len();
            digits.push(value(group) * [1, 10, 100, 1_000][missing]);
        }
        Some(Numeric::Finite(Decimal::normal(negative, weight, scale, digits)))
    }

    /// Reads what `numeric_send` writes.
    pub fn from_binary(value: &[u8]) -> Option<Numeric> {
        let (head, rest) = value.split_first_chunk::<8>()?;
        let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let (count, weight, sign, scale) = (word(0), word(2).cast_signed(), word(4), word(6));
        if rest.len() != usize::from(count) * 2 || u32::from(scale) > MAX_STORED_SCALE {
            return None;
        }
        let negative = match sign {
            0 => false,
            NEGATIVE => true,
            NAN => return Some(Numeric::NaN),
            INFINITY => return Some(Numeric::Infinity),
            NEGATIVE_INFINITY => return Some(Numeric::NegativeInfinity),
            _ => return None,
        };
        let digits: Vec<i16> =
            rest.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect();
        if digits.iter().any(|digit| !(0..BASE).contains(digit)) {
            return None;
        }
        Some(Numeric::Finite(Decimal::normal(negative, weight.into(), scale.into(), digits)))
    }

    /// Appends the number as `numeric_out` writes it.
    pub fn put_text(&self, out: &mut Vec<u8>) {
        let number = match self {
            Numeric::NaN => return out.extend_from_slice(b"NaN"),
            Numeric::Infinity => return out.extend_from_slice(b"Infinity"),
            Numeric::NegativeInfinity => return out.extend_from_slice(b"-Infinity"),
            Numeric::Finite(number) => number,
        };
        if number.negative {
            out.push(b'-');
        }
        let top = number.weight.max(0);
        out.extend_from_slice(number.digit(top).to_string().as_bytes());
        for place in (0..top).rev() {
            out.extend(decimal(number.digit(place)));
        }
        if number.scale == 0 {
            return;
        }
        out.push(b'.');
        let start = out.len();
        let groups = number.scale.div_ceil(WIDTH) as i32;
        for place in (-groups..0).rev() {
            out.extend(decimal(number.digit(place)));
        }
        out.truncate(start + number.scale as usize);
    }

    /// Appends the number as `numeric_send` writes it.
    pub fn put_binary(&self, out: &mut Vec<u8>) {
        let mut put = |words: [u16; 4]| words.iter().for_each(|w| out.extend(w.to_be_bytes()));
        match self {
            Numeric::NaN => put([0, 0, NAN, 0]),
            // A scale of 32 is what the server makes of the bits that mark an infinity.
            Numeric::Infinity => put([0, 0, INFINITY, 32]),
            Numeric::NegativeInfinity => put([0, 0, NEGATIVE_INFINITY, 32]),
            Numeric::Finite(Decimal { negative, weight, scale, digits }) => {
                let sign = if *negative { NEGATIVE } else { 0 };
                // Checked against what the server stores wherever a number is made.
                put([digits.len() as u16, *weight as u16, sign, *scale as u16]);
                digits.iter().for_each(|digit| out.extend(digit.to_be_bytes()));
            }
        }
    }
}

/// Four decimal digits.
fn decimal(digit: i16) -> [u8; 4] {
    [digit / 1_000, digit / 100 % 10, digit / 10 % 10, digit % 10].map(|d| b'0' + d as u8)
}

impl std::fmt::Display for Numeric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::new();
        self.put_text(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}
