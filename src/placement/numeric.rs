//! numeric: read, compared, rounded and hashed as the server does it.

use std::cmp::Ordering;
use std::fmt;

use super::hash;
use super::key::NotAKey;
use super::source::{Text, trim_start};

/// A value of type numeric. Equal values are equal whatever their scale: 1.0 and 1.00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numeric {
    NegativeInfinity,
    Finite(Decimal),
    Infinity,
    /// Equal to itself and above all others, as the server has it.
    NaN,
}

/// A finite number: `0.d0 d1 d2… × 10000^(weight + 1)`, digits to base 10,000.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decimal {
    /// False for zero.
    negative: bool,
    /// Of the first digit: 10000^weight; 0 for zero.
    weight: i32,
    /// Without leading and trailing zeros.
    digits: Vec<i16>,
}

/// The largest scale, and the largest weight, that the server stores.
const MAX_SCALE: i64 = 16_383;
const MAX_WEIGHT: i32 = 32_767;

const BASE: i16 = 10_000;

impl Decimal {
    /// Cuts the zeros off at both ends.
    fn normal(negative: bool, mut weight: i32, mut digits: Vec<i16>) -> Decimal {
        let leading = digits.iter().take_while(|&&digit| digit == 0).count();
        digits.drain(..leading);
        weight -= leading as i32;
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Decimal::default();
        }
        Decimal { negative, weight, digits }
    }

    fn magnitude_cmp(&self, other: &Decimal) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }

    /// The integer, when it is one and fits.
    fn to_i128(&self) -> Option<i128> {
        // 38 decimal digits: ten digits to base 10,000 and no more.
        if self.digits.len() as i32 > self.weight + 1 && !self.digits.is_empty() {
            return None;
        }
        if self.weight > 8 {
            return None;
        }
        let mut value: i128 = 0;
        for place in 0..=self.weight.max(0) {
            let digit = self.digits.get(place as usize).copied().unwrap_or(0);
            value = value * i128::from(BASE) + i128::from(digit);
        }
        Some(if self.negative { -value } else { value })
    }

    /// Rounded half away from zero to so many decimal places, which may be negative.
    fn round(&self, scale: i32) -> Decimal {
        // The decimal places of the digit at index i end at -(weight - i) * 4 after the point.
        let keep = (self.weight + 1) * 4 + scale;
        if keep < 0 || self.digits.is_empty() {
            return Decimal::default();
        }
        let whole = (keep / 4) as usize;
        if whole >= self.digits.len() {
            return self.clone();
        }
        let part = keep % 4;
        let unit = [10_000, 1_000, 100, 10][part as usize];
        // A leading zero takes the carry.
        let mut digits = Vec::with_capacity(whole + 2);
        digits.push(0);
        digits.extend_from_slice(&self.digits[..=whole]);
        let last = whole + 1;
        let rest = digits[last] % unit;
        digits[last] -= rest;
        if rest * 2 >= unit {
            digits[last] += unit;
        }
        for at in (1..=last).rev() {
            if digits[at] >= BASE {
                digits[at] -= BASE;
                digits[at - 1] += 1;
            }
        }
        Decimal::normal(self.negative, self.weight + 1, digits)
    }

    /// The number of decimal digits before the point; 0 or less for a number below 1.
    fn integer_digits(&self) -> i32 {
        let first = match self.digits.first() {
            None => return i32::MIN,
            Some(&digit) => digit,
        };
        let width = [1, 10, 100, 1_000].iter().filter(|&&power| first >= power).count() as i32;
        self.weight * 4 + width
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude_cmp(other),
            (true, true) => other.magnitude_cmp(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Numeric) -> Ordering {
        fn rank(number: &Numeric) -> u8 {
            match number {
                Numeric::NegativeInfinity => 0,
                Numeric::Finite(_) => 1,
                Numeric::Infinity => 2,
                Numeric::NaN => 3,
            }
        }
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => a.cmp(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Numeric) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Numeric {
    /// Without an exponent, and with no more decimal places than count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self {
            Numeric::NegativeInfinity => return f.write_str("-Infinity"),
            Numeric::Infinity => return f.write_str("Infinity"),
            Numeric::NaN => return f.write_str("NaN"),
            Numeric::Finite(number) => number,
        };
        let digit = |place: i32| {
            let index = usize::try_from(number.weight - place).ok();
            index.and_then(|index| number.digits.get(index)).copied().unwrap_or(0)
        };
        let mut text = String::new();
        for place in (0..=number.weight.max(0)).rev() {
            text.push_str(&format!("{:04}", digit(place)));
        }
        let whole = text.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let mut fraction = String::new();
        let last = number.weight - (number.digits.len() as i32 - 1);
        for place in (last..0).rev() {
            fraction.push_str(&format!("{:04}", digit(place)));
        }
        let fraction = fraction.trim_end_matches('0');
        let sign = if number.negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Numeric {
        let mut digits = Vec::with_capacity(5);
        let mut rest = value.unsigned_abs();
        while rest > 0 {
            digits.push((rest % BASE as u64) as i16);
            rest /= BASE as u64;
        }
        digits.reverse();
        let weight = digits.len() as i32 - 1;
        Numeric::Finite(Decimal::normal(value < 0, weight, digits))
    }
}

impl Numeric {
    /// `hash_numeric_extended`.
    pub fn hash(&self, seed: u64) -> i64 {
        match self {
            Numeric::Finite(number) => hash::hash_numeric(&number.digits, number.weight, seed),
            _ => hash::hash_numeric_special(seed),
        }
    }

    pub(super) fn negated(self) -> Numeric {
        match self {
            Numeric::NegativeInfinity => Numeric::Infinity,
            Numeric::Infinity => Numeric::NegativeInfinity,
            Numeric::NaN => Numeric::NaN,
            Numeric::Finite(number) => Numeric::Finite(Decimal {
                negative: !number.negative && !number.digits.is_empty(),
                ..number
            }),
        }
    }

    /// The integer that this number is, if it is one that a bigint holds.
    pub(super) fn to_integer(&self) -> Option<i64> {
        match self {
            Numeric::Finite(number) => number.to_i128().and_then(|value| value.try_into().ok()),
            _ => None,
        }
    }

    /// Rounded to an integer as the cast to bigint does it: half away from zero.
    pub(super) fn round_to_integer(&self) -> Option<i64> {
        match self {
            Numeric::Finite(number) => {
                number.round(0).to_i128().and_then(|value| value.try_into().ok())
            }
            _ => None,
        }
    }

    pub(super) fn is_finite(&self) -> bool {
        matches!(self, Numeric::Finite(_))
    }

    /// What a column `numeric(precision, scale)` makes of the number.
    pub(super) fn fit(self, typmod: i32) -> Result<Numeric, NotAKey> {
        let overflow =
            || NotAKey::Invalid { sqlstate: "22003", message: "numeric field overflow".to_owned() };
        if typmod < 4 {
            return Ok(self);
        }
        let precision = ((typmod - 4) >> 16) & 0xffff;
        // Eleven bits with a sign since 15; before, scales went from 0 to 1000.
        let scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
        match self {
            Numeric::NaN => Ok(Numeric::NaN),
            Numeric::Infinity | Numeric::NegativeInfinity => Err(overflow()),
            Numeric::Finite(number) => {
                let rounded = number.round(scale);
                if rounded.integer_digits() > precision - scale {
                    return Err(overflow());
                }
                Ok(Numeric::Finite(rounded))
            }
        }
    }

    /// Reads text as `numeric_in` does.
    pub(super) fn parse(text: &[u8], server_major: u32) -> Result<Numeric, NotAKey> {
        let syntax = || Text(text).syntax_error("numeric");
        let start = trim_start(text);
        let (negative, unsigned) = match start {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if !matches!(unsigned.first(), Some(b'0'..=b'9' | b'.')) {
            return special(start, unsigned, negative).ok_or_else(syntax);
        }
        if matches!(unsigned, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..])
            && server_major >= 16
        {
            return based(text, unsigned, negative);
        }
        let mut scan = Scan::new(unsigned, server_major >= 16);
        if !scan.mantissa() {
            return Err(syntax());
        }
        let Some(exponent) = scan.exponent()? else { return Err(syntax()) };
        if !trim_start(scan.rest).is_empty() {
            return Err(syntax());
        }
        scan.finish(negative, exponent)
    }

    /// Reads the binary form as `numeric_recv` does.
    pub(super) fn from_binary(value: &[u8]) -> Result<Numeric, NotAKey> {
        let short = || NotAKey::Invalid {
            sqlstate: "08P01",
            message: "insufficient data left in message".to_owned(),
        };
        let invalid = |what: &str| NotAKey::Invalid {
            sqlstate: "22P03",
            message: format!("invalid {what} in external \"numeric\" value"),
        };
        let mut words = value.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]]));
        let mut next = || words.next().ok_or_else(short);
        let (count, weight, sign, scale) = (next()?, next()? as i16, next()?, next()?);
        let mut digits = Vec::with_capacity(usize::from(count).min(value.len() / 2));
        for _ in 0..count {
            let digit = next()? as i16;
            if !(0..BASE).contains(&digit) {
                return Err(invalid("digit"));
            }
            digits.push(digit);
        }
        if value.len() != 8 + usize::from(count) * 2 {
            return Err(NotAKey::Invalid {
                sqlstate: "22P03",
                message: "incorrect binary data format in bind parameter".to_owned(),
            });
        }
        if i64::from(scale) > MAX_SCALE {
            return Err(invalid("scale"));
        }
        let negative = match sign {
            0x0000 => false,
            0x4000 => true,
            0xc000 => return Ok(Numeric::NaN),
            0xd000 => return Ok(Numeric::Infinity),
            0xf000 => return Ok(Numeric::NegativeInfinity),
            _ => return Err(invalid("sign")),
        };
        // The server cuts off the digits that lie beyond the scale that the sender names.
        let number = Decimal::normal(negative, i32::from(weight), digits);
        Ok(Numeric::Finite(truncate(number, i32::from(scale))))
    }
}

/// The number without its decimal places beyond `scale`.
fn truncate(number: Decimal, scale: i32) -> Decimal {
    let keep = (number.weight + 1) * 4 + scale;
    if keep <= 0 {
        return Decimal::default();
    }
    let mut digits = number.digits;
    let whole = (keep / 4) as usize;
    if whole < digits.len() {
        let unit = [10_000, 1_000, 100, 10][(keep % 4) as usize];
        digits[whole] -= digits[whole] % unit;
        digits.truncate(whole + 1);
    }
    Decimal::normal(number.negative, number.weight, digits)
}

/// NaN and the infinities, in any case; NaN has no sign.
fn special(start: &[u8], unsigned: &[u8], negative: bool) -> Option<Numeric> {
    let rest_of = |text: &[u8], word: &str| {
        let head = text.get(..word.len())?;
        head.eq_ignore_ascii_case(word.as_bytes()).then(|| text[word.len()..].to_vec())
    };
    let infinity = if negative { Numeric::NegativeInfinity } else { Numeric::Infinity };
    let (number, rest) = if let Some(rest) = rest_of(start, "NaN") {
        (Numeric::NaN, rest)
    } else if let Some(rest) = rest_of(unsigned, "Infinity") {
        (infinity, rest)
    } else {
        (infinity, rest_of(unsigned, "inf")?)
    };
    trim_start(&rest).is_empty().then_some(number)
}

/// `0x…`, `0o…`, `0b…` of 16 and later, as far as a bigint goes.
fn based(text: &[u8], unsigned: &[u8], negative: bool) -> Result<Numeric, NotAKey> {
    match super::integer::parse(unsigned, super::integer::BIGINT, 16) {
        Ok(value) => {
            let number = Numeric::from(value);
            Ok(if negative { number.negated() } else { number })
        }
        Err(NotAKey::Invalid { sqlstate: "22P02", .. }) => Err(Text(text).syntax_error("numeric")),
        Err(_) => Err(NotAKey::Unsure("a number this long isn't read in this notation")),
    }
}

/// A walk over a decimal number.
struct Scan<'a> {
    rest: &'a [u8],
    /// Underscores between digits are allowed.
    underscores: bool,
    /// Decimal digits without the point.
    digits: Vec<u8>,
    /// How many of them stand before the point.
    before_point: usize,
}

impl<'a> Scan<'a> {
    fn new(rest: &'a [u8], underscores: bool) -> Scan<'a> {
        Scan { rest, underscores, digits: Vec::with_capacity(rest.len()), before_point: 0 }
    }

    /// Takes digits into `into`; says whether there were any.
    fn take_digits(&mut self, into: &mut Vec<u8>) -> bool {
        let before = into.len();
        loop {
            self.rest = match self.rest {
                [digit @ b'0'..=b'9', rest @ ..] => {
                    into.push(digit - b'0');
                    rest
                }
                [b'_', b'0'..=b'9', ..] if self.underscores && into.len() > before => {
                    &self.rest[1..]
                }
                _ => return into.len() > before,
            };
        }
    }

    /// Digits with at most one point, at least one digit.
    fn mantissa(&mut self) -> bool {
        let mut digits = std::mem::take(&mut self.digits);
        let mut any = self.take_digits(&mut digits);
        self.before_point = digits.len();
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            any |= self.take_digits(&mut digits);
        }
        self.digits = digits;
        any
    }

    /// The exponent, 0 when there is none; `None` is a syntax error.
    fn exponent(&mut self) -> Result<Option<i64>, NotAKey> {
        let [b'e' | b'E', rest @ ..] = self.rest else { return Ok(Some(0)) };
        let (negative, rest) = match rest {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            // Versions before 16 skip spaces here.
            [space, ..] if super::source::is_space(*space) => {
                return Err(NotAKey::Unsure("a number with spaces inside isn't read here"));
            }
            rest => (false, rest),
        };
        self.rest = rest;
        let mut digits = Vec::new();
        if !self.take_digits(&mut digits) {
            return Ok(None);
        }
        if digits.len() > 9 {
            return Err(NotAKey::Unsure("a number with an exponent this long isn't read here"));
        }
        let exponent = digits.iter().fold(0, |sum, &digit| sum * 10 + i64::from(digit));
        Ok(Some(if negative { -exponent } else { exponent }))
    }

    /// Puts the digits together to base 10,000.
    fn finish(self, negative: bool, exponent: i64) -> Result<Numeric, NotAKey> {
        let overflow = || NotAKey::Invalid {
            sqlstate: "22003",
            message: "value overflows numeric format".to_owned(),
        };
        let after_point = (self.digits.len() - self.before_point) as i64;
        if (after_point - exponent).max(0) > MAX_SCALE {
            return Err(overflow());
        }
        let Some(first) = self.digits.iter().position(|&digit| digit != 0) else {
            return Ok(Numeric::Finite(Decimal::default()));
        };
        // The first digit stands for 10^top.
        let top = self.before_point as i64 - 1 - first as i64 + exponent;
        let weight = top.div_euclid(4);
        if weight > i64::from(MAX_WEIGHT) {
            return Err(overflow());
        }
        let lead = 3 - top.rem_euclid(4) as usize;
        let padded = std::iter::repeat_n(0, lead).chain(self.digits[first..].iter().copied());
        let padded: Vec<u8> = padded.collect();
        let digits = padded.chunks(4).map(|chunk| {
            (0..4).fold(0, |sum, at| sum * 10 + i16::from(chunk.get(at).copied().unwrap_or(0)))
        });
        Ok(Numeric::Finite(Decimal::normal(negative, weight as i32, digits.collect())))
    }
}
