//! Dates and times: the ISO forms, which mean the same under every DateStyle and TimeZone.
//!
//! What the server reads beyond them (month names, `now`, zone names, local time for a
//! timestamptz) depends on settings or on its clock and is left to it.

use super::key::NotAKey;
use super::source::{is_space, trim};

/// Days from 1970-01-01 to 2000-01-01, where Postgres counts from.
const EPOCH: i64 = 10_957;
pub(super) const DAY: i64 = 86_400_000_000;

/// The first and last day of a date, the first of a timestamp (4714-11-24 BC), and the
/// moment that a timestamp has to lie before.
const FIRST_DAY: i64 = -2_451_545;
const END_DAY: i64 = 2_145_031_949;
const FIRST_TIMESTAMP: i64 = -211_813_488_000_000_000;
const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;

const UNSURE: NotAKey =
    NotAKey::Unsure("only dates and times in ISO form (2026-11-20 09:15:00.5+02:00) are read here");
const NO_OFFSET: NotAKey = NotAKey::Unsure(
    "a timestamp with time zone needs its offset written out (2026-11-20 09:15+02): \
     without it, it depends on the session's TimeZone",
);

pub(super) fn parse_date(text: &[u8]) -> Result<i32, NotAKey> {
    match trim(text) {
        word if word.eq_ignore_ascii_case(b"infinity") => Ok(i32::MAX),
        word if word.eq_ignore_ascii_case(b"-infinity") => Ok(i32::MIN),
        _ => {
            let parts = Parts::read(text, "date")?;
            if !(FIRST_DAY..END_DAY).contains(&parts.day) {
                return Err(UNSURE);
            }
            i32::try_from(parts.day).map_err(|_| UNSURE)
        }
    }
}

pub(super) fn parse_timestamp(text: &[u8]) -> Result<i64, NotAKey> {
    if let Some(infinity) = infinity(text) {
        return Ok(infinity);
    }
    // An offset is read and not heeded.
    let parts = Parts::read(text, "timestamp")?;
    parts.moment()
}

pub(super) fn parse_timestamptz(text: &[u8]) -> Result<i64, NotAKey> {
    if let Some(infinity) = infinity(text) {
        return Ok(infinity);
    }
    let parts = Parts::read(text, "timestamp with time zone")?;
    let offset = parts.offset.ok_or(NO_OFFSET)?;
    in_range(parts.moment()? - offset * 1_000_000)
}

pub(super) fn parse_time(text: &[u8]) -> Result<i64, NotAKey> {
    let trimmed = trim(text);
    if trimmed.is_empty() {
        return Err(syntax_error(text, "time"));
    }
    let mut cursor = Cursor(trimmed);
    let time = cursor.time().ok_or(UNSURE)?;
    if cursor.0.is_empty() && time < DAY { Ok(time) } else { Err(UNSURE) }
}

pub(super) fn date_in_range(bytes: [u8; 4]) -> Result<i32, NotAKey> {
    let day = i32::from_be_bytes(bytes);
    let infinite = day == i32::MIN || day == i32::MAX;
    if infinite || (FIRST_DAY..END_DAY).contains(&i64::from(day)) {
        Ok(day)
    } else {
        Err(out_of_range("date"))
    }
}

pub(super) fn time_in_range(bytes: [u8; 8]) -> Result<i64, NotAKey> {
    let time = i64::from_be_bytes(bytes);
    if (0..=DAY).contains(&time) { Ok(time) } else { Err(out_of_range("time")) }
}

pub(super) fn timestamp_in_range(bytes: [u8; 8]) -> Result<i64, NotAKey> {
    let moment = i64::from_be_bytes(bytes);
    let infinite = moment == i64::MIN || moment == i64::MAX;
    if infinite || (FIRST_TIMESTAMP..END_TIMESTAMP).contains(&moment) {
        Ok(moment)
    } else {
        Err(out_of_range("timestamp"))
    }
}

/// A date as the timestamp of its midnight; `None` where timestamps don't reach.
pub(super) fn date_to_timestamp(day: i32) -> Option<i64> {
    match day {
        i32::MIN => Some(i64::MIN),
        i32::MAX => Some(i64::MAX),
        _ => Parts { day: day.into(), time: 0, offset: None }.moment().ok(),
    }
}

/// A timestamp's day, and whether it is that day's midnight.
pub(super) fn timestamp_to_date(moment: i64) -> (i32, bool) {
    match moment {
        i64::MIN => (i32::MIN, true),
        i64::MAX => (i32::MAX, true),
        // The quotient of any timestamp fits: |i64| / DAY is under 2^27.
        _ => (moment.div_euclid(DAY) as i32, moment.rem_euclid(DAY) == 0),
    }
}

/// What `timestamp(p)` and `time(p)` make of microseconds: rounded half away from zero.
pub(super) fn round_to_precision(value: i64, typmod: i32) -> i64 {
    if !(0..6).contains(&typmod) || value == i64::MIN || value == i64::MAX {
        return value;
    }
    let unit = 10i64.pow(6 - typmod as u32);
    let half = if value >= 0 { unit / 2 } else { -(unit / 2) };
    (value + half) / unit * unit
}

fn infinity(text: &[u8]) -> Option<i64> {
    match trim(text) {
        word if word.eq_ignore_ascii_case(b"infinity") => Some(i64::MAX),
        word if word.eq_ignore_ascii_case(b"-infinity") => Some(i64::MIN),
        _ => None,
    }
}

fn in_range(moment: i64) -> Result<i64, NotAKey> {
    if (FIRST_TIMESTAMP..END_TIMESTAMP).contains(&moment) { Ok(moment) } else { Err(UNSURE) }
}

fn out_of_range(what: &str) -> NotAKey {
    NotAKey::Invalid { sqlstate: "22008", message: format!("{what} out of range") }
}

fn syntax_error(text: &[u8], type_name: &str) -> NotAKey {
    let text = String::from_utf8_lossy(text);
    let message = format!("invalid input syntax for type {type_name}: \"{text}\"");
    NotAKey::Invalid { sqlstate: "22007", message }
}

/// Days since 2000-01-01 of a day of the (proleptic) Gregorian calendar. Years of four
/// hundred have 146,097 days; counted from March, a leap day ends its year.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468 - EPOCH
}

/// Year, month and day of days since 2000-01-01: the way back of [`day_number`].
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + EPOCH + 719_468;
    let era = day.div_euclid(146_097);
    let day_of_era = day.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// A year before Christ is written without a sign, and with ` BC` at the end of all.
fn write_date(day: i64) -> (String, &'static str) {
    let (year, month, day) = civil(day);
    let (year, suffix) = if year <= 0 { (1 - year, " BC") } else { (year, "") };
    (format!("{year:04}-{month:02}-{day:02}"), suffix)
}

pub(super) fn date_text(day: i32) -> String {
    match day {
        i32::MIN => "-infinity".to_owned(),
        i32::MAX => "infinity".to_owned(),
        _ => {
            let (date, suffix) = write_date(day.into());
            date + suffix
        }
    }
}

pub(super) fn time_text(time: i64) -> String {
    let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let whole = format!("{hour:02}:{minute:02}:{second:02}");
    if micros == 0 { whole } else { format!("{whole}.{micros:06}") }
}

pub(super) fn timestamp_text(moment: i64, with_offset: bool) -> String {
    match moment {
        i64::MIN => "-infinity".to_owned(),
        i64::MAX => "infinity".to_owned(),
        _ => {
            let (date, suffix) = write_date(moment.div_euclid(DAY));
            let time = time_text(moment.rem_euclid(DAY));
            let offset = if with_offset { "+00" } else { "" };
            format!("{date} {time}{offset}{suffix}")
        }
    }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A date with what may follow it.
struct Parts {
    /// Since 2000-01-01.
    day: i64,
    /// Microseconds.
    time: i64,
    /// Seconds east of UTC, if written.
    offset: Option<i64>,
}

impl Parts {
    /// `YYYY-MM-DD[( |T)HH:MM[:SS[.f]][Z|±HH[[:]MM[:SS]]]][ BC]`
    fn read(text: &[u8], type_name: &str) -> Result<Parts, NotAKey> {
        let trimmed = trim(text);
        if trimmed.is_empty() {
            return Err(syntax_error(text, type_name));
        }
        let (before, bc) = match trimmed {
            [before @ .., space, b'B' | b'b', b'C' | b'c'] if is_space(*space) => {
                (trim(before), true)
            }
            all => (all, false),
        };
        let mut cursor = Cursor(before);
        let (year, month, day) = cursor.date().ok_or(UNSURE)?;
        let (time, offset) = match cursor.0 {
            [] => (0, None),
            // JDBC writes a date with its offset, which only a moment heeds.
            [b' ', b'+' | b'-', ..] => (0, cursor.offset().ok_or(UNSURE)?),
            [b' ' | b'T', rest @ ..] => {
                cursor.0 = rest;
                (cursor.time().ok_or(UNSURE)?, cursor.offset().ok_or(UNSURE)?)
            }
            _ => return Err(UNSURE),
        };
        if year == 0 {
            return Err(UNSURE);
        }
        let year = if bc { 1 - year } else { year };
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            let text = String::from_utf8_lossy(text);
            let message = format!("date/time field value out of range: \"{text}\"");
            return Err(NotAKey::Invalid { sqlstate: "22008", message });
        }
        Ok(Parts { day: day_number(year, month, day), time, offset })
    }

    /// Microseconds since 2000-01-01, without regard to the offset.
    fn moment(&self) -> Result<i64, NotAKey> {
        let midnight = self.day.checked_mul(DAY).ok_or(UNSURE)?;
        in_range(midnight.checked_add(self.time).ok_or(UNSURE)?)
    }
}

/// A walk over the text; each step is `None` where the form is another one.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    /// A number of so many digits, followed by no other.
    fn number(&mut self, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !digits.contains(&count) {
            return None;
        }
        let (number, rest) = self.0.split_at(count);
        self.0 = rest;
        Some(number.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == byte).then(|| self.0 = rest)
    }

    fn date(&mut self) -> Option<(i64, i64, i64)> {
        let year = self.number(4..=6)?;
        self.skip(b'-')?;
        let month = self.number(1..=2)?;
        self.skip(b'-')?;
        let day = self.number(1..=2)?;
        Some((year, month, day))
    }

    fn time(&mut self) -> Option<i64> {
        let hour = self.number(1..=2)?;
        self.skip(b':')?;
        let minute = self.number(2..=2)?;
        let mut second = 0;
        let mut fraction = 0;
        if self.skip(b':').is_some() {
            second = self.number(2..=2)?;
            if self.0.first() == Some(&b'.') {
                fraction = self.fraction()?;
            }
        }
        // The server reads 24:00:00 and a second 60 too, and carries.
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some(((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction)
    }

    /// Microseconds after the point; more than six digits are rounded as the server does
    /// it, in floating point.
    fn fraction(&mut self) -> Option<i64> {
        let digits = self.0[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 30 {
            return None;
        }
        let (text, rest) = self.0.split_at(digits + 1);
        self.0 = rest;
        let fraction: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        Some((fraction * 1_000_000.0).round_ties_even() as i64)
    }

    /// The offset at the end of the text, in seconds, if there is one.
    fn offset(&mut self) -> Option<Option<i64>> {
        let sign = match self.0 {
            [] => return Some(None),
            [b'Z' | b'z'] => return Some(Some(0)),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            // Some clients write a space before it.
            [b' ', b'+' | b'-', ..] => {
                self.0 = &self.0[1..];
                return self.offset();
            }
            _ => return None,
        };
        self.0 = &self.0[1..];
        let (hour, minute, second) = match self.0.iter().take_while(|b| b.is_ascii_digit()).count()
        {
            4 => {
                let both = self.number(4..=4)?;
                (both / 100, both % 100, 0)
            }
            _ => {
                let hour = self.number(1..=2)?;
                let mut below = || match self.skip(b':') {
                    Some(()) => self.number(2..=2),
                    None => Some(0),
                };
                (hour, below()?, below()?)
            }
        };
        if !self.0.is_empty() || hour > 15 || minute > 59 || second > 59 {
            return None;
        }
        Some(Some(sign * ((hour * 60 + minute) * 60 + second)))
    }
}
