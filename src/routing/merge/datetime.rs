//! Dates, times and intervals as servers send them.

use crate::config::rules::KeyType;
use crate::placement::{KeyColumn, KeyValue, Purpose, Source};
use crate::wire::frontend::Format;

use super::oid;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Days since 2000-01-01; the extremes are the infinities.
pub(super) fn read_date(format: Format, value: &[u8]) -> Option<i32> {
    match format {
        Format::Binary => value.try_into().ok().map(i32::from_be_bytes),
        Format::Text => match read_key(KeyType::Date, oid::DATE, value)? {
            KeyValue::Date(day) => Some(day),
            _ => None,
        },
    }
}

/// Microseconds since midnight, up to and with 24:00.
pub(super) fn read_time(format: Format, value: &[u8]) -> Option<i64> {
    match format {
        Format::Binary => value.try_into().ok().map(i64::from_be_bytes),
        Format::Text if value == b"24:00:00" => Some(DAY),
        Format::Text => match read_key(KeyType::Time, oid::TIME, value)? {
            KeyValue::Time(time) => Some(time),
            _ => None,
        },
    }
}

/// Microseconds since 2000-01-01, in UTC with a time zone; the extremes are the infinities.
pub(super) fn read_timestamp(type_oid: u32, format: Format, value: &[u8]) -> Option<i64> {
    let key_type = match type_oid {
        oid::TIMESTAMPTZ => KeyType::TimestampTz,
        _ => KeyType::Timestamp,
    };
    match format {
        Format::Binary => value.try_into().ok().map(i64::from_be_bytes),
        Format::Text => match read_key(key_type, type_oid, value)? {
            KeyValue::Timestamp(moment) => Some(moment),
            _ => None,
        },
    }
}

/// ISO text as `placement` reads it.
fn read_key(key_type: KeyType, type_oid: u32, value: &[u8]) -> Option<KeyValue<'_>> {
    // These types are read alike by every version.
    let column = KeyColumn { key_type, typmod: -1, server_major: 0 };
    column.read(Source::Text { type_oid, value }, Purpose::Compare).ok()
}

/// Microseconds since local midnight, and the zone in seconds **west** of UTC.
pub(super) fn read_timetz(format: Format, value: &[u8]) -> Option<(i64, i32)> {
    match format {
        Format::Binary => {
            let (time, zone) = value.split_first_chunk()?;
            Some((i64::from_be_bytes(*time), i32::from_be_bytes(zone.try_into().ok()?)))
        }
        Format::Text => {
            let sign = value.iter().rposition(|byte| matches!(byte, b'+' | b'-'))?;
            let (time, zone) = value.split_at(sign);
            let mut seconds = 0;
            for (part, unit) in zone[1..].split(|&byte| byte == b':').zip([3_600, 60, 1, 0]) {
                match part {
                    &[tens @ b'0'..=b'9', ones @ b'0'..=b'9'] if unit > 0 => {
                        seconds += i32::from((tens - b'0') * 10 + ones - b'0') * unit;
                    }
                    _ => return None,
                }
            }
            let west = if zone[0] == b'-' { seconds } else { -seconds };
            Some((read_time(Format::Text, time)?, west))
        }
    }
}

/// A span of time in its three units, which don't convert into each other.
///
/// The extremes in all three are infinite, as they are from 17 on; an earlier server could hold
/// such a span, which nothing computes, and it would be taken for infinite here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interval {
    pub months: i32,
    pub days: i32,
    pub microseconds: i64,
}

impl Interval {
    /// Its length for comparison: a month is 30 days, a day 24 hours (`interval_cmp_value` in
    /// timestamp.c). From 17 on infinite intervals are the extremes in all three units, which
    /// are the extremes here, too.
    pub(super) fn span(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(DAY) + i128::from(self.microseconds)
    }

    pub(super) fn read(format: Format, value: &[u8]) -> Option<Interval> {
        match format {
            Format::Binary => {
                let (microseconds, rest) = value.split_first_chunk()?;
                let (days, months) = rest.split_first_chunk()?;
                Some(Interval {
                    months: i32::from_be_bytes(months.try_into().ok()?),
                    days: i32::from_be_bytes(*days),
                    microseconds: i64::from_be_bytes(*microseconds),
                })
            }
            Format::Text => Interval::parse(std::str::from_utf8(value).ok()?),
        }
    }

    /// The form of IntervalStyle postgres (EncodeInterval in datetime.c):
    /// `1 year 2 mons -3 days +04:05:06.7`, each part where it isn't zero.
    fn parse(text: &str) -> Option<Interval> {
        match text {
            "infinity" => return Some(Interval::INFINITY),
            "-infinity" => return Some(Interval::NEGATIVE_INFINITY),
            _ => {}
        }
        let mut interval = Interval::default();
        let mut words = text.split(' ');
        while let Some(word) = words.next() {
            if word.contains(':') {
                interval.microseconds = parse_clock(word)?;
                return words.next().is_none().then_some(interval);
            }
            let count: i32 = word.parse().ok()?;
            match words.next()? {
                "year" | "years" => interval.months = count.checked_mul(12)?,
                "mon" | "mons" => interval.months = interval.months.checked_add(count)?,
                "day" | "days" => interval.days = count,
                _ => return None,
            }
        }
        Some(interval)
    }

    const INFINITY: Interval =
        Interval { months: i32::MAX, days: i32::MAX, microseconds: i64::MAX };
    const NEGATIVE_INFINITY: Interval =
        Interval { months: i32::MIN, days: i32::MIN, microseconds: i64::MIN };
}

/// `[+-]H…H:MM:SS[.ffffff]` as microseconds. Hours have as many digits as they need.
fn parse_clock(text: &str) -> Option<i64> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // None is longer than the hours of the largest interval.
        (plain && digits.len() <= 12).then(|| digits.parse::<i128>().ok()).flatten()
    };
    let whole = (number(hours)? * 60 + number(minutes)?) * 60 + number(seconds)?;
    let micros = number(&format!("{fraction:0<6}"))?;
    let value = whole * i128::from(SECOND) + micros;
    i64::try_from(if negative { -value } else { value }).ok()
}

impl Interval {
    /// As `interval_send` writes it.
    pub(super) fn put_binary(self, out: &mut Vec<u8>) {
        out.extend(self.microseconds.to_be_bytes());
        out.extend(self.days.to_be_bytes());
        out.extend(self.months.to_be_bytes());
    }

    /// As EncodeInterval writes it under IntervalStyle postgres: a part after a negative one
    /// shows its plus.
    pub(super) fn put_text(self, out: &mut Vec<u8>) {
        match self {
            Interval::INFINITY => return out.extend_from_slice(b"infinity"),
            Interval::NEGATIVE_INFINITY => return out.extend_from_slice(b"-infinity"),
            _ => {}
        }
        let mut text = String::new();
        let mut after_negative = false;
        let units = [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")];
        for (count, unit) in units.into_iter().filter(|(count, _)| *count != 0) {
            let space = if text.is_empty() { "" } else { " " };
            let plus = if after_negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            text += &format!("{space}{plus}{count} {unit}{plural}");
            after_negative = count < 0;
        }
        if self.microseconds != 0 || text.is_empty() {
            let space = if text.is_empty() { "" } else { " " };
            let sign = match self.microseconds {
                ..0 => "-",
                _ if after_negative => "+",
                _ => "",
            };
            let micros = self.microseconds.unsigned_abs();
            let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
            let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
            text += &format!("{space}{sign}{hours:02}:{minutes:02}:{seconds:02}");
            if fraction != 0 {
                text += format!(".{fraction:06}").trim_end_matches('0');
            }
        }
        out.extend(text.bytes());
    }

    /// `interval_pl`, as `sum` uses it. `None` is out of range; so is the sum of both
    /// infinities.
    pub(super) fn plus(self, other: Interval) -> Option<Interval> {
        match (self.is_infinite(), other.is_infinite()) {
            (true, true) => return (self == other).then_some(self),
            (true, false) => return Some(self),
            (false, true) => return Some(other),
            (false, false) => {}
        }
        Some(Interval {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            microseconds: self.microseconds.checked_add(other.microseconds)?,
        })
    }

    fn is_infinite(self) -> bool {
        self == Interval::INFINITY || self == Interval::NEGATIVE_INFINITY
    }

    /// `interval_div` by a count, as `avg` uses it: in double precision, what is left of months
    /// in days of which a month has 30, what is left of days in seconds. A server whose compiler
    /// fuses a product and a sum (ARM) can round to the next microsecond.
    pub(super) fn divided(self, count: i64) -> Interval {
        const DAY_SECONDS: f64 = 86_400.0;
        // TSROUND: to a millionth.
        let round = |value: f64| (value * 1e6).round_ties_even() / 1e6;
        if self.is_infinite() {
            return self;
        }
        let factor = count as f64;
        let (months, days) = (f64::from(self.months) / factor, f64::from(self.days) / factor);
        let month_days = round((months - months.trunc()) * 30.0);
        let mut seconds =
            round((days - days.trunc() + month_days - month_days.trunc()) * DAY_SECONDS);
        let mut whole_days = days.trunc() as i32;
        if seconds.abs() >= DAY_SECONDS {
            let more = (seconds / DAY_SECONDS).trunc();
            whole_days += more as i32;
            seconds -= more * DAY_SECONDS;
        }
        let micros = self.microseconds as f64 / factor + seconds * 1e6;
        Interval {
            months: months.trunc() as i32,
            days: whole_days.saturating_add(month_days.trunc() as i32),
            microseconds: micros.round_ties_even() as i64,
        }
    }
}
