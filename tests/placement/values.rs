//! Random values of each key type, as text.

use pgherd::config::rules::KeyType;
use rand::Rng;
use rand::rngs::StdRng;

pub const SERVER_NAMES: [(KeyType, &str); 11] = [
    (KeyType::Int2, "int2"),
    (KeyType::Int4, "int4"),
    (KeyType::Int8, "int8"),
    (KeyType::Text, "text"),
    (KeyType::Text, "varchar"),
    (KeyType::Uuid, "uuid"),
    (KeyType::Numeric, "numeric"),
    (KeyType::Date, "date"),
    (KeyType::Time, "time"),
    (KeyType::Timestamp, "timestamp"),
    (KeyType::TimestampTz, "timestamptz"),
];

fn pick<'a>(random: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[random.random_range(0..from.len())]
}

/// A number of any magnitude: small ones as often as large ones.
fn integer(bits: u32, random: &mut StdRng) -> i64 {
    let value = random.random::<i64>() >> (64 - bits);
    match random.random_range(0..20) {
        0 => 0,
        1 => i64::MAX >> (64 - bits),
        2 => i64::MIN >> (64 - bits),
        _ => value >> random.random_range(0..bits),
    }
}

fn characters(random: &mut StdRng) -> String {
    const ALPHABET: &[&str] =
        &["a", "B", "0", " ", "é", "ß", "日", "😀", "'", "\\", "\n", "\u{7f}", "\u{10ffff}"];
    (0..random.random_range(0..40)).map(|_| pick(random, ALPHABET)).collect()
}

fn uuid(random: &mut StdRng) -> String {
    let hex = format!("{:032x}", random.random::<u128>());
    let hyphens =
        |hex: &str| [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    match random.random_range(0..6) {
        0 => hex.to_uppercase(),
        1 => hex,
        2 => format!("{{{}}}", hyphens(&hex)),
        3 => hyphens(&hex).to_uppercase(),
        _ => hyphens(&hex),
    }
}

fn digits(count: usize, random: &mut StdRng) -> String {
    // Runs of zeros, so that groups of four vanish at the ends and in the middle.
    let mut text = String::new();
    while text.len() < count {
        if random.random_bool(0.3) {
            text.push_str(&"0".repeat(random.random_range(1..9)));
        } else {
            text.push(char::from(b'0' + random.random_range(0..10)));
        }
    }
    text.truncate(count);
    text
}

fn numeric(random: &mut StdRng) -> String {
    if random.random_range(0..50) == 0 {
        return pick(random, &["NaN", "Infinity", "-Infinity", "inf", "-iNF", "nan", "+infinity"])
            .to_owned();
    }
    let sign = pick(random, &["", "", "-", "+"]);
    let (before, after) = (random.random_range(0..30), random.random_range(0..30));
    let whole = digits(before, random);
    let fraction = digits(after, random);
    let point = if after > 0 { "." } else { "" };
    let number = if before + after == 0 { "0".to_owned() } else { whole + point + &fraction };
    match random.random_range(0..4) {
        0 => {
            let exponent: i32 = random.random_range(-40..40);
            let sign_shown = pick(random, if exponent < 0 { &[""] } else { &["", "+"] });
            format!("{sign}{number}{}{sign_shown}{exponent}", pick(random, &["e", "E"]))
        }
        _ => format!("{sign}{number}"),
    }
}

fn date(random: &mut StdRng, last_year: i32) -> String {
    let year = match random.random_range(0..5) {
        0 => random.random_range(1..=last_year),
        1 => random.random_range(1..=4_712),
        _ => random.random_range(1_900..2_100),
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let month = random.random_range(1..=12);
    let days = [31, 28 + i32::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let day = random.random_range(1..=days[month - 1]);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(random: &mut StdRng) -> String {
    let mut text = format!("{:02}:{:02}", random.random_range(0..24), random.random_range(0..60));
    if random.random_range(0..8) > 0 {
        text += &format!(":{:02}", random.random_range(0..60));
        if random.random_range(0..2) > 0 {
            let count = random.random_range(1..=6);
            text += &format!(".{}", digits(count, random));
        }
    }
    text
}

fn offset(random: &mut StdRng) -> String {
    let sign = pick(random, &["+", "-"]);
    let (hour, minute) = (random.random_range(0..15), random.random_range(0..60));
    match random.random_range(0..6) {
        0 => "Z".to_owned(),
        1 => format!("{sign}{hour:02}:{minute:02}"),
        2 => format!("{sign}{hour:02}{minute:02}"),
        3 => format!(" {sign}{hour:02}:{minute:02}:{:02}", random.random_range(0..60)),
        4 => format!("{sign}{hour}"),
        _ => format!("{sign}{hour:02}"),
    }
}

fn timestamp(random: &mut StdRng, with_offset: bool) -> String {
    match random.random_range(0..50) {
        0 => return "infinity".to_owned(),
        1 => return "-infinity".to_owned(),
        _ => {}
    }
    let date = date(random, 294_275);
    let between = pick(random, &[" ", "T"]);
    let offset = if with_offset { offset(random) } else { String::new() };
    let early = date.len() == 10 && date.as_str() < "4712" && !date.ends_with("02-29");
    let early = early && random.random_range(0..4) == 0;
    format!("{date}{between}{}{offset}{}", time(random), if early { " BC" } else { "" })
}

/// A value that the server accepts and that is read here.
pub fn valid(key_type: KeyType, random: &mut StdRng) -> String {
    let value = match key_type {
        KeyType::Int2 => integer(16, random).to_string(),
        KeyType::Int4 => integer(32, random).to_string(),
        KeyType::Int8 => integer(64, random).to_string(),
        KeyType::Text => return characters(random),
        KeyType::Uuid => return uuid(random),
        KeyType::Numeric => numeric(random),
        KeyType::Date => match random.random_range(0..50) {
            0 => "infinity".to_owned(),
            1 => "-infinity".to_owned(),
            // The time and the offset are dropped.
            2 => timestamp(random, true),
            _ => date(random, 999_999),
        },
        KeyType::Time => time(random),
        KeyType::Timestamp => {
            let with_offset = random.random_range(0..8) == 0;
            timestamp(random, with_offset)
        }
        KeyType::TimestampTz => timestamp(random, true),
    };
    match random.random_range(0..10) {
        0 => format!(" \t{value}"),
        1 => format!("{value}\n "),
        _ => value,
    }
}

/// A value with something changed, or nothing.
pub fn doubtful(key_type: KeyType, random: &mut StdRng) -> String {
    const PIECES: &[&str] = &[
        "0", "9", "99999", "-", "+", ".", "e", "E5", " ", "_", "x", "0x", ":", "Z", "T", "BC", "{",
        "}", "é", "inf", "nan", "00", "60", "13", "\u{b}", ",", "/",
    ];
    let mut text: Vec<char> = valid(key_type, random).chars().collect();
    for _ in 0..random.random_range(0..3) {
        let at = random.random_range(0..=text.len());
        match random.random_range(0..3) {
            0 if at < text.len() => drop(text.remove(at)),
            1 if at + 1 < text.len() => text.swap(at, at + 1),
            _ => drop(text.splice(at..at, pick(random, PIECES).chars())),
        }
    }
    text.into_iter().collect()
}

/// Texts at the edges of what any of the types reads.
pub const EDGES: &[&str] = &[
    "",
    " ",
    "\t\n",
    "0",
    "-0",
    "+0",
    "00",
    "- 1",
    "+-1",
    "1-",
    "1 1",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "32768x",
    "2147483648x",
    "9223372036854775808x",
    "99999999999999999999999x",
    "0x1f",
    "0X1F",
    "0o17",
    "0b11",
    "0x",
    "0x_1",
    "1_000",
    "1__0",
    "_1",
    "1_",
    "1e3",
    "1.0",
    "1.",
    ".1",
    ".",
    "1.e1",
    "-.5",
    "1e",
    "1e+",
    "1e-",
    "1e 5",
    "1e5 ",
    "1e5x",
    "1..2",
    "1.2.3",
    "NaN",
    "-NaN",
    "+NaN",
    "nanx",
    "Infinity",
    "-Infinity",
    "+Infinity",
    "inf",
    "-inf",
    "infin",
    "infinityx",
    "1e131071",
    "1e131072",
    "9e131071",
    "1e-16383",
    "1e-16384",
    "0e-16384",
    "0e131072",
    "0e99999",
    "1e999999",
    "1e-999999",
    "1e999999999",
    "0.00000000000000001",
    "10000",
    "1000000000000",
    "0.0001",
    "00012.3400",
    "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
    "a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11",
    "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
    "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
    "a0eebc999c0b4ef8bb6d6bb9bd380a11}",
    "a0eebc999c0b4ef8bb6d6bb9bd380a1",
    "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
    " a0eebc999c0b4ef8bb6d6bb9bd380a11",
    "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
    "--a0eebc999c0b4ef8bb6d6bb9bd380a11",
    "2024-01-02",
    "2024-1-2",
    "2024-13-01",
    "2024-00-01",
    "2024-02-30",
    "2024-02-29",
    "2023-02-29",
    "1900-02-29",
    "2000-02-29",
    "0000-01-01",
    "0001-01-01",
    "0001-01-01 BC",
    "0004-02-29 BC",
    "0005-02-29 BC",
    "4713-01-01 BC",
    "4713-11-24 BC",
    "4714-11-24 BC",
    "4714-11-23 BC",
    "5874897-12-31",
    "999999-12-31",
    "294276-12-31",
    "294276-12-31 23:59:59.999999",
    "294276-12-31 23:59:59.999999-01",
    "294277-01-01",
    "99-01-01",
    "999-01-01",
    "2024-01-02 BC",
    "2024-01-02BC",
    "2024-01-02 AD",
    "2024-01-02 bc",
    "2024-01-02  BC",
    "epoch",
    "now",
    "infinity",
    "-infinity",
    "+infinity",
    "INFINITY",
    "01/02/2024",
    "Jan 2 2024",
    "20240102",
    "2024-01-02 ",
    "2024-01-02T",
    "2024-01-02 10",
    "2024-01-02 10:20",
    "2024-01-02 1:20",
    "2024-01-02 10:2",
    "2024-01-02 10:20:30",
    "2024-01-02t10:20:30",
    "2024-01-02  10:20:30",
    "2024-01-02 24:00:00",
    "2024-01-02 23:59:60",
    "2024-01-02 23:59:59.9999999",
    "2024-01-02 23:59:59.9999994",
    "2024-01-02 23:59:59.9999995",
    "2024-01-02 00:00:00.0000005",
    "2024-01-02 00:00:00.0000015",
    "2024-01-02 10:20:30.",
    "2024-01-02 10:20:30.1234567890123456789",
    "2024-01-02 10:20:30Z",
    "2024-01-02 10:20:30z",
    "2024-01-02 10:20:30 Z",
    "2024-01-02 10:20:30+00",
    "2024-01-02 10:20:30 +00",
    "2024-01-02 10:20:30+0",
    "2024-01-02 10:20:30+5:30",
    "2024-01-02 10:20:30+0530",
    "2024-01-02 10:20:30+530",
    "2024-01-02 10:20:30-15:59:59",
    "2024-01-02 10:20:30+16",
    "2024-01-02 10:20:30+15:60",
    "2024-01-02 10:20:30 UTC",
    "2024-01-02 10:20:30 Europe/Berlin",
    "2024-01-02+02",
    "2024-01-02Z",
    "2024-01-02 +02",
    "2024-01-02 10:20:30+00 BC",
    "10:20:30",
    "10:20",
    "1:20",
    "10:2",
    "102030",
    "10:20:30.5",
    "10:20:30.9999999",
    "23:59:59.9999999",
    "24:00:00",
    "24:00:01",
    "23:60:00",
    "23:59:60",
    "10:20:30+02",
    "10:20:30 AM",
    "10:20:30 BC",
    "allballs",
];
