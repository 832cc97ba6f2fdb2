//! Addition, multiplication, division and square roots, with the scales that numeric.c gives to
//! their results.

use super::digits::Whole;
use super::{
    BASE, Decimal, MAX_RESULT_SCALE, MAX_STORED_SCALE, MAX_WEIGHT, MIN_SIGNIFICANT, Numeric, WIDTH,
};
use crate::routing::merge::error::CombineError;

const OVERFLOW: CombineError =
    CombineError::Server { sqlstate: "22003", message: "value overflows numeric format" };
const DIVISION_BY_ZERO: CombineError =
    CombineError::Server { sqlstate: "22012", message: "division by zero" };

impl Decimal {
    pub(super) fn negated(mut self) -> Decimal {
        self.negative = !self.negative && !self.is_zero();
        self
    }

    /// The exact sum; its scale is the larger one.
    pub(super) fn plus(&self, other: &Decimal) -> Decimal {
        let scale = self.scale.max(other.scale);
        if other.is_zero() || self.is_zero() {
            let one = if self.is_zero() { other } else { self };
            return Decimal { scale, ..one.clone() };
        }
        let top = self.weight.max(other.weight) + 1;
        let low = self.lowest().min(other.lowest());
        // Of equal signs the magnitudes are added, of others the smaller is taken away.
        let (larger, smaller) =
            if self.magnitude_cmp(other).is_ge() { (self, other) } else { (other, self) };
        let sign = if larger.negative == smaller.negative { 1 } else { -1 };
        let mut digits = vec![0; (top - low + 1) as usize];
        let mut carry = 0;
        for (digit, place) in digits.iter_mut().rev().zip(low..) {
            let value = larger.digit(place) + sign * smaller.digit(place) + carry;
            carry = value.div_euclid(BASE);
            *digit = value.rem_euclid(BASE);
        }
        Decimal::normal(larger.negative, top, scale, digits)
    }

    /// The exact product; its scale is both scales together, as far as one can be stored.
    pub(super) fn times(&self, other: &Decimal) -> Decimal {
        let product = Whole::from_digits(&self.digits).times(&Whole::from_digits(&other.digits));
        let digits = product.to_digits();
        let weight = self.lowest() + other.lowest() + digits.len() as i32 - 1;
        let scale = self.scale + other.scale;
        let exact = Decimal::normal(self.negative != other.negative, weight, scale, digits);
        if scale > MAX_STORED_SCALE { exact.rounded(MAX_STORED_SCALE) } else { exact }
    }

    /// The quotient, rounded half away from zero. The divisor isn't zero.
    pub(super) fn divided(&self, by: &Decimal, scale: u32) -> Decimal {
        let (number, divisor) = (Whole::from_digits(&self.digits), Whole::from_digits(&by.digits));
        // What the quotient of the digits has to be multiplied by to have its last digit at the
        // scale.
        let shift = (self.lowest() - by.lowest()) * WIDTH as i32 + scale as i32;
        let (number, divisor) = match u32::try_from(shift) {
            Ok(shift) => (number.shifted(shift), divisor),
            Err(_) => (number, divisor.shifted(shift.unsigned_abs())),
        };
        let (mut quotient, rest) = number.divide(&divisor);
        if rest.reaches_half_of(&divisor) {
            quotient = quotient.plus_one();
        }
        Decimal::from_scaled(self.negative != by.negative, quotient, scale)
    }

    /// The square root of a number that isn't negative, rounded half up.
    pub(super) fn root(&self, scale: u32) -> Decimal {
        // One digit more than is shown decides the rounding: the square root of a decimal
        // number doesn't end in a lone 5 unless it is exact.
        let shift = self.lowest() * WIDTH as i32 + (scale as i32 + 1) * 2;
        let number = Whole::from_digits(&self.digits);
        let number = match u32::try_from(shift) {
            Ok(shift) => number.shifted(shift),
            Err(_) => number.cut(shift.unsigned_abs()),
        };
        let root = number.root();
        let up = root.last_decimal() >= 5;
        let root = root.cut(1);
        Decimal::from_scaled(false, if up { root.plus_one() } else { root }, scale)
    }

    /// Rounded half away from zero to fewer decimal places.
    fn rounded(&self, scale: u32) -> Decimal {
        let one = Decimal { negative: false, weight: 0, scale: 0, digits: vec![1] };
        self.divided(&one, scale)
    }

    /// `number / 10^scale`.
    fn from_scaled(negative: bool, number: Whole, scale: u32) -> Decimal {
        let fill = (WIDTH - scale % WIDTH) % WIDTH;
        let digits = number.shifted(fill).to_digits();
        let weight = digits.len() as i32 - 1 - ((scale + fill) / WIDTH) as i32;
        Decimal::normal(negative, weight, scale, digits)
    }

    /// The scale of a quotient (select_div_scale): so many digits that 16 of them count, and no
    /// fewer than either number shows.
    pub(super) fn quotient_scale(&self, by: &Decimal) -> u32 {
        let first = |number: &Decimal| number.digits.first().copied().unwrap_or(0);
        let mut weight = self.weight - by.weight;
        if first(self) <= first(by) {
            weight -= 1;
        }
        let significant = MIN_SIGNIFICANT - weight * WIDTH as i32;
        let scale = u32::try_from(significant).unwrap_or(0);
        scale.max(self.scale).max(by.scale).min(MAX_RESULT_SCALE)
    }

    /// The server stores numbers up to a size (make_result).
    pub(super) fn stored(self) -> Result<Numeric, CombineError> {
        if self.weight > MAX_WEIGHT { Err(OVERFLOW) } else { Ok(Numeric::Finite(self)) }
    }
}

impl Numeric {
    /// `numeric_add`.
    pub fn add(&self, other: &Numeric) -> Result<Numeric, CombineError> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => a.plus(b).stored(),
            (Numeric::NaN, _)
            | (_, Numeric::NaN)
            | (Numeric::Infinity, Numeric::NegativeInfinity)
            | (Numeric::NegativeInfinity, Numeric::Infinity) => Ok(Numeric::NaN),
            (Numeric::Finite(_), infinity) | (infinity, _) => Ok(infinity.clone()),
        }
    }

    /// `numeric_uminus`.
    pub fn negate(self) -> Numeric {
        match self {
            Numeric::NegativeInfinity => Numeric::Infinity,
            Numeric::Infinity => Numeric::NegativeInfinity,
            Numeric::NaN => Numeric::NaN,
            Numeric::Finite(number) => Numeric::Finite(number.negated()),
        }
    }

    /// `numeric_sub`.
    pub fn subtract(&self, other: &Numeric) -> Result<Numeric, CombineError> {
        self.add(&other.clone().negate())
    }

    /// `numeric_mul`.
    pub fn multiply(&self, other: &Numeric) -> Result<Numeric, CombineError> {
        if let (Numeric::Finite(a), Numeric::Finite(b)) = (self, other) {
            return a.times(b).stored();
        }
        Ok(infinite(self.sign() * other.sign()))
    }

    /// `numeric_div`.
    pub fn divide(&self, by: &Numeric) -> Result<Numeric, CombineError> {
        match (self, by) {
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (_, Numeric::Finite(by)) if by.is_zero() => Err(DIVISION_BY_ZERO),
            (Numeric::Finite(a), Numeric::Finite(by)) => {
                a.divided(by, a.quotient_scale(by)).stored()
            }
            (Numeric::Finite(_), _) => Ok(Numeric::zero()),
            (infinity, Numeric::Finite(_)) => Ok(infinite(infinity.sign() * by.sign())),
            _ => Ok(Numeric::NaN),
        }
    }

    /// `round(x, places)`: shown with so many places, also where it has fewer.
    pub fn round(&self, places: u32) -> Result<Numeric, CombineError> {
        match self {
            // NUMERIC_MAX_RESULT_SCALE.
            Numeric::Finite(number) => number.rounded(places.min(2_000)).stored(),
            other => Ok(other.clone()),
        }
    }

    /// Rounded half away from zero; `None` where no bigint is as large, or it isn't a number.
    pub fn round_to_integer(&self) -> Option<i64> {
        let Numeric::Finite(number) = self else { return None };
        // A bigint has five digits to base 10,000 at most.
        if number.weight > 4 {
            return None;
        }
        let whole = number.rounded(0);
        let magnitude = (0..=whole.weight)
            .rev()
            .fold(0i128, |value, place| value * i128::from(BASE) + i128::from(whole.digit(place)));
        i64::try_from(if whole.negative { -magnitude } else { magnitude }).ok()
    }

    /// -1, 0 or 1; 0 for NaN, which is all that a product of it can be.
    fn sign(&self) -> i32 {
        match self {
            Numeric::NaN => 0,
            Numeric::Infinity => 1,
            Numeric::NegativeInfinity => -1,
            Numeric::Finite(number) if number.is_zero() => 0,
            Numeric::Finite(number) => 1 - 2 * i32::from(number.negative),
        }
    }
}

/// Of a product with something infinite: 0 times it isn't a number.
fn infinite(sign: i32) -> Numeric {
    match sign {
        0 => Numeric::NaN,
        1.. => Numeric::Infinity,
        _ => Numeric::NegativeInfinity,
    }
}

impl Numeric {
    /// Variance, or standard deviation (`root`), from the moments of at least one number, for a
    /// sample of at least two (`numeric_stddev_internal`).
    pub fn spread(
        count: i64,
        sum: &Numeric,
        squares: &Numeric,
        of_sample: bool,
        root: bool,
    ) -> Result<Numeric, CombineError> {
        let (Numeric::Finite(sum), Numeric::Finite(squares)) = (sum, squares) else {
            return Ok(Numeric::NaN);
        };
        let (Numeric::Finite(n), Numeric::Finite(below)) =
            (Numeric::from(count), Numeric::from(count - 1))
        else {
            return Ok(Numeric::NaN);
        };
        let numerator = n.times(squares).plus(&sum.times(sum).negated());
        if numerator.is_zero() || numerator.negative {
            return Ok(Numeric::zero());
        }
        let divisor = n.times(if of_sample { &below } else { &n });
        let scale = numerator.quotient_scale(&divisor);
        let variance = numerator.divided(&divisor, scale);
        if root { variance.root(scale).stored() } else { variance.stored() }
    }

    /// Bytes that it holds beside its own size.
    pub(in crate::routing::merge) fn heap(&self) -> usize {
        match self {
            Numeric::Finite(number) => number.digits.capacity() * size_of::<i16>(),
            _ => 0,
        }
    }
}
