//! Whole numbers of any length, to base 10,000, least significant digit first, without zeros at
//! the top: so zero is empty.
//!
//! Schoolbook methods: what is divided here are sums by counts, a few digits by one or two.

use std::cmp::Ordering;

use super::{BASE, WIDTH};

const RADIX: u64 = BASE as u64;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Whole(Vec<u32>);

impl Whole {
    /// From digits, most significant first.
    pub fn from_digits(digits: &[i16]) -> Whole {
        Whole(digits.iter().rev().map(|&digit| digit.unsigned_abs().into()).collect()).trimmed()
    }

    /// To digits, most significant first.
    pub fn to_digits(&self) -> Vec<i16> {
        self.0.iter().rev().map(|&digit| digit as i16).collect()
    }

    fn trimmed(mut self) -> Whole {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }

    pub fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// Multiplied by ten to a power.
    pub fn shifted(mut self, power: u32) -> Whole {
        if self.is_zero() {
            return self;
        }
        let factor = 10u64.pow(power % WIDTH);
        self.scale_by(factor, 0);
        self.0.splice(0..0, std::iter::repeat_n(0, (power / WIDTH) as usize));
        self
    }

    /// Times `factor`, at most [`RADIX`], plus `carry`.
    fn scale_by(&mut self, factor: u64, mut carry: u64) {
        for digit in &mut self.0 {
            let value = u64::from(*digit) * factor + carry;
            *digit = (value % RADIX) as u32;
            carry = value / RADIX;
        }
        while carry > 0 {
            self.0.push((carry % RADIX) as u32);
            carry /= RADIX;
        }
    }

    /// Divided by ten to a power, rounded down.
    pub fn cut(mut self, power: u32) -> Whole {
        let whole = ((power / WIDTH) as usize).min(self.0.len());
        self.0.drain(..whole);
        self.divide_small(10u64.pow(power % WIDTH)).0
    }

    pub fn plus_one(mut self) -> Whole {
        self.scale_by(1, 1);
        self
    }

    fn plus(mut self, other: &Whole) -> Whole {
        self.0.resize(self.0.len().max(other.0.len()) + 1, 0);
        let mut carry = 0;
        for (at, digit) in self.0.iter_mut().enumerate() {
            let value = *digit + other.0.get(at).copied().unwrap_or(0) + carry;
            *digit = value % RADIX as u32;
            carry = value / RADIX as u32;
        }
        self.trimmed()
    }

    pub fn times(&self, other: &Whole) -> Whole {
        let mut sums = vec![0u64; self.0.len() + other.0.len()];
        for (i, &a) in self.0.iter().enumerate() {
            for (j, &b) in other.0.iter().enumerate() {
                // Under 10^8 each: far from the end of u64 for any length that exists.
                sums[i + j] += u64::from(a) * u64::from(b);
            }
        }
        let mut carry = 0;
        let digits = sums.into_iter().map(|sum| {
            let value = sum + carry;
            carry = value / RADIX;
            (value % RADIX) as u32
        });
        Whole(digits.collect()).trimmed()
    }

    /// Twice as large as `other` or more: where a remainder rounds up.
    pub fn reaches_half_of(&self, other: &Whole) -> bool {
        self.clone().plus(self).compare(other) != Ordering::Less
    }

    pub fn compare(&self, other: &Whole) -> Ordering {
        let length = self.0.len().cmp(&other.0.len());
        length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// The last decimal digit.
    pub fn last_decimal(&self) -> u32 {
        self.0.first().map_or(0, |digit| digit % 10)
    }

    /// Quotient and remainder by a number from 1 to [`RADIX`].
    fn divide_small(mut self, divisor: u64) -> (Whole, u64) {
        let mut rest = 0;
        for digit in self.0.iter_mut().rev() {
            let value = rest * RADIX + u64::from(*digit);
            *digit = (value / divisor) as u32;
            rest = value % divisor;
        }
        (self.trimmed(), rest)
    }

    /// Quotient and remainder; of a division by zero, zero and the number itself. Knuth, The
    /// Art of Computer Programming, volume 2, algorithm 4.3.1 D.
    pub fn divide(self, divisor: &Whole) -> (Whole, Whole) {
        match divisor.0.as_slice() {
            _ if self.compare(divisor) == Ordering::Less => return (Whole::default(), self),
            [] => return (Whole::default(), self),
            &[digit] => {
                let (quotient, rest) = self.divide_small(digit.into());
                return (quotient, Whole(vec![rest as u32]).trimmed());
            }
            _ => {}
        }
        // The first digit of the divisor becomes half the radix or more, so that a quotient's
        // digit that is guessed from two digits is too large by two at most.
        let top = u64::from(*divisor.0.last().unwrap_or(&1));
        let factor = RADIX / (top + 1);
        let (mut rest, mut by) = (self, divisor.clone());
        rest.scale_by(factor, 0);
        by.scale_by(factor, 0);
        let n = by.0.len();
        rest.0.push(0);
        let steps = rest.0.len() - n;
        let mut quotient = vec![0; steps];
        let first = u64::from(by.0[n - 1]);
        let second = u64::from(by.0[n - 2]);
        for at in (0..steps).rev() {
            let head = u64::from(rest.0[at + n]) * RADIX + u64::from(rest.0[at + n - 1]);
            let third = u64::from(rest.0[at + n - 2]);
            let (mut guess, mut left) = (head / first, head % first);
            while guess >= RADIX || guess * second > left * RADIX + third {
                guess -= 1;
                left += first;
                if left >= RADIX {
                    break;
                }
            }
            if subtract(&mut rest.0[at..=at + n], &by.0, guess) {
                guess -= 1;
                add_back(&mut rest.0[at..=at + n], &by.0);
            }
            quotient[at] = guess as u32;
        }
        let (rest, _) = rest.trimmed().divide_small(factor);
        (Whole(quotient).trimmed(), rest)
    }

    /// The square root, rounded down: Newton's method from above.
    pub fn root(&self) -> Whole {
        if self.is_zero() {
            return Whole::default();
        }
        let mut root = Whole(vec![1]).shifted(WIDTH * (self.0.len() as u32).div_ceil(2));
        loop {
            let (quotient, _) = self.clone().divide(&root);
            let (next, _) = quotient.plus(&root).divide_small(2);
            if next.compare(&root) != Ordering::Less {
                return root;
            }
            root = next;
        }
    }
}

/// Takes `factor × by` away; says whether it was more than there is, which leaves the number
/// short of one radix beyond its top.
fn subtract(from: &mut [u32], by: &[u32], factor: u64) -> bool {
    let mut borrow = 0;
    for (at, digit) in from.iter_mut().enumerate() {
        let take = by.get(at).map_or(0, |&b| u64::from(b) * factor) + borrow;
        let (low, have) = (take % RADIX, u64::from(*digit));
        borrow = take / RADIX + u64::from(have < low);
        *digit = ((have + RADIX - low) % RADIX) as u32;
    }
    borrow > 0
}

/// Adds `by`; what is carried beyond the top makes up for what was borrowed there.
fn add_back(to: &mut [u32], by: &[u32]) {
    let mut carry = 0;
    for (at, digit) in to.iter_mut().enumerate() {
        let value = *digit + by.get(at).copied().unwrap_or(0) + carry;
        *digit = value % RADIX as u32;
        carry = value / RADIX as u32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(length: std::ops::Range<usize>) -> impl Strategy<Value = Whole> {
        // Zeros and nines often: they are where guessed digits are wrong.
        let digit = prop_oneof![Just(0), Just(9_999), Just(1), Just(5_000), 0..10_000i16];
        proptest::collection::vec(digit, length).prop_map(|digits| Whole::from_digits(&digits))
    }

    proptest! {
        #[test]
        fn quotient_times_divisor_and_rest_is_the_number(a in whole(0..12), b in whole(1..8)) {
            prop_assume!(!b.is_zero());
            let (quotient, rest) = a.clone().divide(&b);
            prop_assert_eq!(rest.compare(&b), Ordering::Less);
            prop_assert_eq!(quotient.times(&b).plus(&rest), a);
        }

        #[test]
        fn the_root_is_the_largest_whose_square_fits(a in whole(0..12)) {
            let root = a.root();
            prop_assert_ne!(root.times(&root).compare(&a), Ordering::Greater);
            let next = root.plus_one();
            prop_assert_eq!(next.times(&next).compare(&a), Ordering::Greater);
        }

        #[test]
        fn small_numbers_are_as_the_machine_has_them(a in 0..i64::MAX, b in 1..i64::MAX, power in 0..6u32) {
            let of = |value: u128| {
                let mut digits = Vec::new();
                let mut rest = value;
                while rest > 0 {
                    digits.insert(0, (rest % 10_000) as i16);
                    rest /= 10_000;
                }
                Whole::from_digits(&digits)
            };
            let (a, b) = (a as u128, b as u128);
            let (quotient, rest) = of(a).divide(&of(b));
            prop_assert_eq!((quotient, rest), (of(a / b), of(a % b)));
            prop_assert_eq!(of(a).times(&of(b)), of(a * b));
            prop_assert_eq!(of(a).plus(&of(b)), of(a + b));
            prop_assert_eq!(of(a).shifted(power), of(a * 10u128.pow(power)));
            prop_assert_eq!(of(a).cut(power), of(a / 10u128.pow(power)));
        }
    }
}
