//! What the settings of a session do to values in text.

/// Which values in text hold all that their order needs.
///
/// The default is that none does; [`TextForm::of`] reads the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TextForm {
    /// `DateStyle` is ISO: dates and timestamps come as `2026-11-20 09:15:00.5+02`. The other
    /// styles order day and month by a second setting and name time zones by abbreviations.
    pub iso_dates: bool,
    /// `IntervalStyle` is postgres: `1 year 2 mons 3 days 04:05:06`. In sql_standard and
    /// iso_8601 signs have several readings.
    pub postgres_intervals: bool,
    /// `extra_float_digits` is 1 or more, the default: a real or double precision comes with as
    /// many digits as tell it from all others (`float8out`). Below, it comes rounded, and two
    /// that differ may look alike.
    pub exact_floats: bool,
}

impl TextForm {
    /// All settings at their defaults.
    pub const DEFAULT: TextForm =
        TextForm { iso_dates: true, postgres_intervals: true, exact_floats: true };

    /// By the settings' values as `SHOW` and ParameterStatus tell them; one that isn't known is
    /// taken for a form that can't be read.
    pub fn of(
        date_style: Option<&str>,
        interval_style: Option<&str>,
        extra_float_digits: Option<&str>,
    ) -> TextForm {
        let first_word = |list: &str| list.split(',').next().unwrap_or("").trim().to_owned();
        TextForm {
            iso_dates: date_style.is_some_and(|s| first_word(s).eq_ignore_ascii_case("ISO")),
            postgres_intervals: interval_style
                .is_some_and(|s| s.trim().eq_ignore_ascii_case("postgres")),
            exact_floats: extra_float_digits
                .and_then(|s| s.trim().parse::<i32>().ok())
                .is_some_and(|digits| digits >= 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TextForm;

    #[test]
    fn settings_say_what_can_be_read() {
        let of = |date, interval, floats| TextForm::of(Some(date), Some(interval), Some(floats));
        assert_eq!(of("ISO, MDY", "postgres", "1"), TextForm::DEFAULT);
        assert_eq!(of("ISO", "postgres", "3"), TextForm::DEFAULT);
        assert!(!of("SQL, DMY", "postgres", "1").iso_dates);
        assert!(!of("ISO, DMY", "postgres_verbose", "1").postgres_intervals);
        assert!(!of("ISO, DMY", "postgres", "0").exact_floats);
        assert_eq!(TextForm::of(None, None, None), TextForm::default());
    }
}
