//! Postgres's own extended hash functions, bit by bit.
//!
//! A row's place on a ring is what the server itself computes for its key, so that the
//! proxy, a `COPY (SELECT … WHERE …)`, a publication's row filter and a checksum query all
//! agree on it. The arithmetic is Bob Jenkins's lookup3 as `src/common/hashfn.c` of
//! PostgreSQL has it, on little-endian words; the results are the same on all versions
//! since 11 on little-endian servers.
//!
//! The functions take the server's seed. Placement always uses seed 0; checksums use others.

/// What `init` adds to the length: 0x9e3779b9 (the golden ratio) + 3923095.
const START: u32 = 0x9e37_79b9_u32.wrapping_add(3_923_095);

/// The three words of state of lookup3.
#[derive(Clone, Copy)]
struct State {
    a: u32,
    b: u32,
    c: u32,
}

impl State {
    #[inline(always)]
    fn new(length: u32, seed: u64) -> State {
        let start = START.wrapping_add(length);
        let mut state = State { a: start, b: start, c: start };
        if seed != 0 {
            state.a = state.a.wrapping_add((seed >> 32) as u32);
            state.b = state.b.wrapping_add(seed as u32);
            state.mix();
        }
        state
    }

    #[inline(always)]
    fn mix(&mut self) {
        let State { mut a, mut b, mut c } = *self;
        a = a.wrapping_sub(c) ^ c.rotate_left(4);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(6);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(8);
        b = b.wrapping_add(a);
        a = a.wrapping_sub(c) ^ c.rotate_left(16);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(19);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(4);
        b = b.wrapping_add(a);
        *self = State { a, b, c };
    }

    #[inline(always)]
    fn finish(self) -> u64 {
        let State { mut a, mut b, mut c } = self;
        c = (c ^ b).wrapping_sub(b.rotate_left(14));
        a = (a ^ c).wrapping_sub(c.rotate_left(11));
        b = (b ^ a).wrapping_sub(a.rotate_left(25));
        c = (c ^ b).wrapping_sub(b.rotate_left(16));
        a = (a ^ c).wrapping_sub(c.rotate_left(4));
        b = (b ^ a).wrapping_sub(a.rotate_left(14));
        c = (c ^ b).wrapping_sub(b.rotate_left(24));
        (u64::from(b) << 32) | u64::from(c)
    }
}

/// `hash_bytes_extended`: of text and varchar (UTF-8, under a deterministic collation), and
/// of a uuid's 16 bytes.
#[inline]
pub fn hash_bytes(bytes: &[u8], seed: u64) -> i64 {
    // The length counts modulo 2^32, as in the original; no field of Postgres is that long.
    let mut state = State::new(bytes.len() as u32, seed);
    let mut chunks = bytes.chunks_exact(12);
    for chunk in &mut chunks {
        state.a = state.a.wrapping_add(word(chunk, 0));
        state.b = state.b.wrapping_add(word(chunk, 4));
        state.c = state.c.wrapping_add(word(chunk, 8));
        state.mix();
    }
    // The lowest byte of c is reserved for the length: the tail's last bytes are shifted by one.
    let (head, last) = chunks.remainder().split_at(chunks.remainder().len().min(8));
    let head = up_to_eight(head);
    state.a = state.a.wrapping_add(head as u32);
    state.b = state.b.wrapping_add((head >> 32) as u32);
    state.c = state.c.wrapping_add((up_to_eight(last) as u32) << 8);
    state.finish() as i64
}

/// At most eight bytes as a little-endian number.
#[inline(always)]
fn up_to_eight(bytes: &[u8]) -> u64 {
    match *bytes {
        [] => 0,
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c] => u64::from(u32::from_le_bytes([a, b, c, 0])),
        // Two words that overlap: the same bits come from both.
        [a, b, c, d, ..] => {
            let low = u64::from(u32::from_le_bytes([a, b, c, d]));
            let behind = (bytes.len() - 4).min(4);
            low | u64::from(word(bytes, behind)) << (behind * 8)
        }
    }
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// `hash_uint32_extended`: of a date (days since 2000-01-01), and the heart of the integers.
#[inline(always)]
pub fn hash_u32(value: u32, seed: u64) -> i64 {
    let mut state = State::new(4, seed);
    state.a = state.a.wrapping_add(value);
    state.finish() as i64
}

/// `hashint8extended`, and so `hashint4extended` and `hashint2extended`, since the three
/// agree on equal values; also of time, timestamp and timestamptz (microseconds).
#[inline(always)]
pub fn hash_int(value: i64, seed: u64) -> i64 {
    let low = value as u32;
    let high = (value >> 32) as u32;
    hash_u32(low ^ if value >= 0 { high } else { !high }, seed)
}

/// `hash_numeric_extended` of a finite number: its digits to base 10,000 without leading
/// and trailing zeros, and the weight of the first of them (the number of digits after it
/// and before the decimal point). The sign doesn't count.
pub fn hash_numeric(digits: &[i16], weight: i32, seed: u64) -> i64 {
    if digits.is_empty() {
        return seed.wrapping_sub(1) as i64;
    }
    // Postgres hashes the digits as they lie in memory.
    let mut on_stack = [0u8; 64];
    let hash = if digits.len() * 2 <= on_stack.len() {
        for (to, digit) in on_stack.chunks_exact_mut(2).zip(digits) {
            to.copy_from_slice(&digit.to_le_bytes());
        }
        hash_bytes(&on_stack[..digits.len() * 2], seed)
    } else {
        let bytes: Vec<u8> = digits.iter().flat_map(|digit| digit.to_le_bytes()).collect();
        hash_bytes(&bytes, seed)
    };
    hash ^ i64::from(weight)
}

/// `hash_numeric_extended` of NaN and of the infinities: the seed itself.
#[inline]
pub fn hash_numeric_special(seed: u64) -> i64 {
    seed as i64
}

/// One step of `hash_record_extended` (and of `hash_array_extended`): start at 0 and put in
/// one column's hash after the other; NULL counts as 0.
#[inline(always)]
pub fn combine(row: i64, column: i64) -> i64 {
    row.wrapping_mul(31).wrapping_add(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_server_on_known_values() {
        // From a PostgreSQL 15 server; tests/placement compares with a live one.
        assert_eq!(hash_int(0, 0), 4154612158245552303);
        assert_eq!(hash_int(1, 0), -3670598878359251130);
        assert_eq!(hash_int(-1, 0), -1888257769727981238);
        assert_eq!(hash_int(42, 0), 8010225493015854792);
        assert_eq!(hash_int(1, 1), -7620678293940249823);
        assert_eq!(hash_bytes(b"", 0), -6939563903564495251);
        assert_eq!(hash_bytes(b"a", 0), 3591986179850072241);
        assert_eq!(hash_numeric(&[], 0, 0), -1);
        assert_eq!(hash_numeric(&[1], 0, 0), -7507508252608306360);
        assert_eq!(hash_numeric(&[1], 1, 0), -7507508252608306359);
        assert_eq!(hash_numeric_special(0), 0);
    }
}
