//! Random values of the types that are compared, as text that a server reads.

use rand::Rng;
use rand::rngs::StdRng;

fn pick<'a>(random: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[random.random_range(0..from.len())]
}

/// Small numbers as often as large ones, and the limits.
fn integer(bits: u32, random: &mut StdRng) -> i64 {
    match random.random_range(0..20) {
        0 => 0,
        1 => i64::MAX >> (64 - bits),
        2 => i64::MIN >> (64 - bits),
        _ => (random.random::<i64>() >> (64 - bits)) >> random.random_range(0..bits),
    }
}

fn digits(count: usize, random: &mut StdRng) -> String {
    // Runs of zeros and nines, so that groups of four vanish, and carries go far.
    let mut text = String::new();
    while text.len() < count {
        match random.random_range(0..10) {
            0..3 => text.push_str(&"0".repeat(random.random_range(1..9))),
            3 => text.push_str(&"9".repeat(random.random_range(1..9))),
            _ => text.push(char::from(b'0' + random.random_range(0..10))),
        }
    }
    text.truncate(count);
    text
}

/// A number that isn't NaN or infinite.
pub fn decimal(random: &mut StdRng) -> String {
    let sign = pick(random, &["", "", "-"]);
    let most = if random.random_range(0..10) == 0 { 40 } else { 7 };
    let (before, after) = (random.random_range(1..most), random.random_range(0..most));
    let (whole, fraction) = (digits(before, random), digits(after, random));
    let point = if after > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

fn float(random: &mut StdRng, single: bool) -> String {
    match random.random_range(0..12) {
        0 => pick(random, &["NaN", "Infinity", "-Infinity", "0", "-0", "1", "-1"]).to_owned(),
        1..4 => random.random_range(-20..20).to_string(),
        4..6 if single => f32::from_bits(random.random_range(0..0x7f80_0000)).to_string(),
        4..6 => f64::from_bits(random.random_range(0..0x7ff0_0000_0000_0000)).to_string(),
        6 if single => format!("-{}", f32::from_bits(random.random_range(0..0x7f80_0000))),
        6 => format!("-{}", f64::from_bits(random.random_range(0..0x7ff0_0000_0000_0000))),
        _ => {
            format!("{:e}", random.random_range(-1.0..1.0) * 10f64.powi(random.random_range(-9..9)))
        }
    }
}

fn date(random: &mut StdRng) -> String {
    let year = match random.random_range(0..6) {
        0 => random.random_range(1..200_000),
        1 => random.random_range(1..4_000),
        _ => random.random_range(1_970..2_030),
    };
    format!("{year:04}-{:02}-{:02}", random.random_range(1..=12), random.random_range(1..=28))
}

fn clock(random: &mut StdRng) -> String {
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        random.random_range(0..24),
        random.random_range(0..60),
        random.random_range(0..60)
    );
    if random.random_range(0..2) == 0 {
        let count = random.random_range(1..=6);
        text += &format!(".{}", digits(count, random));
    }
    text
}

fn bc(random: &mut StdRng, date: &str) -> &'static str {
    if date.len() == 10 && date < "4700" && random.random_range(0..6) == 0 { " BC" } else { "" }
}

fn offset(random: &mut StdRng) -> String {
    let minutes = pick(random, &["", ":30", ":15:27"]);
    format!("{}{:02}{minutes}", pick(random, &["+", "-"]), random.random_range(0..15))
}

fn interval(random: &mut StdRng) -> String {
    if random.random_range(0..4) == 0 {
        // Equal, in other units.
        return pick(random, &["1 mon", "30 days", "720:00:00", "1 mon -30 days", "0", "-30 days"])
            .to_owned();
    }
    let mut text = String::new();
    for (unit, most) in [("year", 200), ("mon", 30), ("day", 60), ("hour", 900), ("second", 9_000)]
    {
        if random.random_range(0..3) == 0 {
            text += &format!("{} {unit} ", random.random_range(-most..most));
        }
    }
    if random.random_range(0..3) == 0 {
        text += &format!("{} microseconds", random.random_range(-5_000_000..5_000_000));
    }
    if text.is_empty() { "1 day".to_owned() } else { text }
}

fn characters(random: &mut StdRng) -> String {
    const ALPHABET: &[&str] =
        &["a", "B", "b", "0", " ", " ", "é", "ß", "日", "😀", "'", "\\", "\n", "\u{1}", "\u{7f}"];
    (0..random.random_range(0..6)).map(|_| pick(random, ALPHABET)).collect()
}

fn bytea(random: &mut StdRng) -> String {
    let bytes =
        (0..random.random_range(0..6)).map(|_| pick(random, &["00", "01", "ff", "5c", "78", "61"]));
    format!("\\x{}", bytes.collect::<String>())
}

/// A value of a type, by the name that the server has for it.
pub fn of_type(type_name: &str, random: &mut StdRng) -> String {
    match type_name {
        "bool" => pick(random, &["t", "f"]).to_owned(),
        "int2" => integer(16, random).to_string(),
        "int4" => integer(32, random).to_string(),
        "int8" => integer(64, random).to_string(),
        "oid" => (integer(64, random) as u32).to_string(),
        "float4" => float(random, true),
        "float8" => float(random, false),
        "numeric" if random.random_range(0..20) == 0 => {
            pick(random, &["NaN", "Infinity", "-Infinity"]).to_owned()
        }
        "numeric" if random.random_range(0..4) == 0 => {
            pick(random, &["0", "0.00", "1", "1.0", "1.00", "-1", "-1.000", "10000", "0.0001"])
                .to_owned()
        }
        "numeric" => decimal(random),
        "text" | "varchar" | "name" | "bpchar(6)" => characters(random),
        "\"char\"" => char::from(random.random_range(1..128u8)).to_string(),
        "bytea" => bytea(random),
        "uuid" => format!("{:032x}", random.random::<u128>() >> random.random_range(0..128)),
        "date" | "timestamp" | "timestamptz" if random.random_range(0..20) == 0 => {
            pick(random, &["infinity", "-infinity"]).to_owned()
        }
        "date" => {
            let date = date(random);
            let bc = bc(random, &date);
            date + bc
        }
        "time" if random.random_range(0..20) == 0 => "24:00".to_owned(),
        "time" => clock(random),
        "timetz" => {
            let clock =
                if random.random_range(0..3) == 0 { "12:00".to_owned() } else { clock(random) };
            clock + &offset(random)
        }
        "timestamp" | "timestamptz" => {
            let date = date(random);
            let bc = bc(random, &date);
            format!("{date} {}{bc}", clock(random))
        }
        "interval" => interval(random),
        other => panic!("no values of {other}"),
    }
}
