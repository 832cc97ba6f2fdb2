//! Durations ("5s") and sizes ("64MB") as a person writes them.

use std::time::Duration;

const DURATIONS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Powers of 1024, as in Postgres's own settings.
const SIZES: &[(&str, u64)] = &[("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)];

/// A whole number and `ms`, `s`, `m`, `h` or `d`. `None` when it is anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, DURATIONS).map(Duration::from_millis)
}

/// A whole number and `B`, `KB`, `MB` or `GB`, in bytes. `None` when it is anything else.
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, SIZES)
}

/// The shortest text that [`parse_duration`] reads back as the same duration; parts of a
/// millisecond are dropped.
pub fn show_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), DURATIONS)
}

/// The shortest text that [`parse_size`] reads back as the same number of bytes.
pub fn show_size(bytes: u64) -> String {
    show(bytes, SIZES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim_start();
    let (_, factor) = units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    number.checked_mul(*factor)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value > 0 && value.is_multiple_of(*factor);
    match units.iter().find(fits).or(units.last()) {
        Some((name, factor)) => format!("{}{name}", value / factor),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_read() {
        assert_eq!(parse_duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(parse_duration("250 ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_size("64MB"), Some(64 << 20));
        assert_eq!(parse_size("1kb"), Some(1024));
        for bad in ["", "5", "s", "-5s", "1.5s", "5 parsecs", "99999999999999999999s", "5sec"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        for bad in ["", "64", "64M", "1e3KB", "99999999999999GB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(n in 0..u64::MAX / 100_000_000) {
            let duration = Duration::from_millis(n);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
            prop_assert_eq!(parse_size(&show_size(n)), Some(n));
        }
    }
}
