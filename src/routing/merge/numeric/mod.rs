//! Numbers of type numeric, with the digits after the point that Postgres would show.
//!
//! `placement` has a numeric of its own, for keys: it reads whatever people write, as each
//! version of the server reads it, and knows no scale, since 1.0 and 1.00 lie at one place.
//! This one reads only what servers write, and computes.

mod arithmetic;
mod codec;
mod digits;
mod normal;

use std::cmp::Ordering;

pub(super) use normal::{put_normal, put_normal_of_binary};

/// A value of type numeric. `==` tells 1.0 from 1.00; [`Numeric::compare`] doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numeric {
    NegativeInfinity,
    Finite(Decimal),
    Infinity,
    /// Equal to itself and above all others.
    NaN,
}

/// A finite number: the sum of `digits[i] × 10000^(weight - i)`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decimal {
    /// False for zero.
    negative: bool,
    /// Of the first digit; 0 for zero.
    weight: i32,
    /// Decimal digits shown after the point; no digit that isn't zero stands behind them.
    scale: u32,
    /// To base 10,000, without zeros at either end.
    digits: Vec<i16>,
}

const BASE: i16 = 10_000;
/// Decimal digits in one to base 10,000.
const WIDTH: u32 = 4;

/// The largest scale that the server stores (NUMERIC_DSCALE_MAX).
const MAX_STORED_SCALE: u32 = 0x3fff;
/// The largest scale of a result that isn't exact (NUMERIC_MAX_DISPLAY_SCALE).
const MAX_RESULT_SCALE: u32 = 1_000;
/// Significant digits that a result that isn't exact has at least (NUMERIC_MIN_SIG_DIGITS).
const MIN_SIGNIFICANT: i32 = 16;
/// The largest weight that the server stores (NUMERIC_WEIGHT_MAX).
const MAX_WEIGHT: i32 = 32_767;

impl Decimal {
    /// Cuts the zeros off at both ends.
    fn normal(negative: bool, mut weight: i32, scale: u32, mut digits: Vec<i16>) -> Decimal {
        let leading = digits.iter().take_while(|&&digit| digit == 0).count();
        digits.drain(..leading);
        weight -= leading as i32;
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Decimal { scale, ..Decimal::default() };
        }
        Decimal { negative, weight, scale, digits }
    }

    /// The digit of 10000^place.
    fn digit(&self, place: i32) -> i16 {
        let index = usize::try_from(self.weight - place).ok();
        index.and_then(|index| self.digits.get(index)).copied().unwrap_or(0)
    }

    /// The place of the last digit.
    fn lowest(&self) -> i32 {
        self.weight + 1 - self.digits.len() as i32
    }

    fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    fn magnitude_cmp(&self, other: &Decimal) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => {
                self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits))
            }
        }
    }

    fn compare(&self, other: &Decimal) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.magnitude_cmp(other),
            (true, true) => other.magnitude_cmp(self),
        }
    }
}

impl Numeric {
    /// As numeric's btree operators compare (`cmp_numerics`): by value, whatever the scale.
    pub fn compare(&self, other: &Numeric) -> Ordering {
        fn rank(number: &Numeric) -> u8 {
            match number {
                Numeric::NegativeInfinity => 0,
                Numeric::Finite(_) => 1,
                Numeric::Infinity => 2,
                Numeric::NaN => 3,
            }
        }
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => a.compare(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }

    /// Zero without digits after the point.
    pub fn zero() -> Numeric {
        Numeric::Finite(Decimal::default())
    }

    /// The digits shown after the point; `None` for NaN and the infinities.
    pub fn scale(&self) -> Option<u32> {
        match self {
            Numeric::Finite(number) => Some(number.scale),
            _ => None,
        }
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Numeric {
        let mut digits = Vec::with_capacity(10);
        let mut rest = value.unsigned_abs();
        while rest > 0 {
            digits.push((rest % BASE as u128) as i16);
            rest /= BASE as u128;
        }
        digits.reverse();
        Numeric::Finite(Decimal::normal(value < 0, digits.len() as i32 - 1, 0, digits))
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Numeric {
        Numeric::from(i128::from(value))
    }
}
