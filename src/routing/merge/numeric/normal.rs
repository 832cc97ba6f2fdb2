//! The normal form of numbers: a class, then for numbers the weight and the digits, of which a
//! negative number has the complement.

use super::{BASE, Decimal, Numeric};

const NEGATIVE_INFINITY: u8 = 0;
const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;
const INFINITY: u8 = 4;
const NAN: u8 = 5;

/// Appends a number's normal form.
pub fn put_normal(number: &Numeric, out: &mut Vec<u8>) {
    match number {
        Numeric::NegativeInfinity => out.push(NEGATIVE_INFINITY),
        Numeric::Infinity => out.push(INFINITY),
        Numeric::NaN => out.push(NAN),
        Numeric::Finite(Decimal { negative, weight, digits, .. }) => {
            put(*negative, *weight, digits.iter().copied(), out);
        }
    }
}

/// The same from what `numeric_send` wrote, without a number in between.
pub fn put_normal_of_binary(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (head, digits) = value.split_first_chunk::<8>()?;
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let (count, weight, sign) = (word(0), word(2).cast_signed(), word(4));
    if digits.len() != usize::from(count) * 2 {
        return None;
    }
    let class = match sign {
        0x0000 => POSITIVE,
        0x4000 => NEGATIVE,
        0xc000 => NAN,
        0xd000 => INFINITY,
        0xf000 => NEGATIVE_INFINITY,
        _ => return None,
    };
    if !matches!(class, POSITIVE | NEGATIVE) {
        out.push(class);
        return Some(());
    }
    let digit = |pair: &[u8]| i16::from_be_bytes([pair[0], pair[1]]);
    if digits.chunks_exact(2).any(|pair| !(0..BASE).contains(&digit(pair))) {
        return None;
    }
    // The server stores and sends numbers without zeros at either end; nothing here rests on it.
    let leading = digits.chunks_exact(2).take_while(|pair| digit(pair) == 0).count();
    let trailing = digits.chunks_exact(2).rev().take_while(|pair| digit(pair) == 0).count();
    let end = usize::from(count) - trailing;
    let significant = digits.get(leading * 2..end * 2).unwrap_or(&[]);
    let weight = i32::from(weight) - leading as i32;
    put(class == NEGATIVE, weight, significant.chunks_exact(2).map(digit), out);
    Some(())
}

fn put(negative: bool, weight: i32, digits: impl ExactSizeIterator<Item = i16>, out: &mut Vec<u8>) {
    if digits.len() == 0 {
        out.push(ZERO);
        return;
    }
    out.push(if negative { NEGATIVE } else { POSITIVE });
    let start = out.len();
    out.extend((weight.cast_unsigned() ^ (1 << 31)).to_be_bytes());
    // From 1, so that the end is below any digit.
    digits.for_each(|digit| out.extend((digit + 1).to_be_bytes()));
    out.extend([0, 0]);
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}
