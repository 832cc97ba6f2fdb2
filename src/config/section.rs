//! Reads one table of the settings, each of them with its kind, its range and its default.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use figment::value::{Dict, Num, Tag, Value};

use super::document::{Described, Document, Step};
use super::mistake::suggestion;
use super::units::{parse_duration, parse_size, show_duration, show_size};

/// One table of the settings, being read.
pub(super) struct Section<'a> {
    document: &'a Document,
    path: Vec<Step>,
    values: Option<&'a Dict>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The whole of a document, whose values are these.
    pub fn top(document: &'a Document, values: &'a Dict) -> Section<'a> {
        Section { document, path: Vec::new(), values: Some(values), known: RefCell::default() }
    }

    /// A whole number.
    pub fn number(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        self.whole_number(key, Some(default), range).unwrap_or(default)
    }

    /// A whole number that need not be there.
    pub fn optional_number(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.whole_number(key, None, range)
    }

    fn whole_number(
        &self,
        key: &'static str,
        default: Option<u64>,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let expected = format!("{} to {}", range.start(), range.end());
        let read = |value: &Value| match value {
            Value::Num(_, number) => whole(number).and_then(|n| u64::try_from(n).ok()),
            Value::String(tag, text) if self.document.is_outside(*tag) => text.trim().parse().ok(),
            _ => None,
        };
        self.bounded(key, default, &range, &expected, "a whole number", &u64::to_string, read)
    }

    /// A duration with its unit.
    pub fn duration(
        &self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.whole_duration(key, Some(default), range).unwrap_or(default)
    }

    /// A duration that need not be there.
    pub fn optional_duration(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.whole_duration(key, None, range)
    }

    fn whole_duration(
        &self,
        key: &'static str,
        default: Option<Duration>,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let expected =
            format!("{} to {}", show_duration(*range.start()), show_duration(*range.end()));
        let read = |value: &Value| parse_duration(value.as_str()?);
        let what = "a duration with its unit (ms, s, m, h, d)";
        let show = |d: &Duration| show_duration(*d);
        self.bounded(key, default, &range, &expected, what, &show, read)
    }

    /// A size with its unit, in bytes.
    pub fn size(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let expected = format!("{} to {}", show_size(*range.start()), show_size(*range.end()));
        let read = |value: &Value| parse_size(value.as_str()?);
        let what = "a size with its unit (B, KB, MB, GB)";
        let show = |n: &u64| show_size(*n);
        self.bounded(key, Some(default), &range, &expected, what, &show, read).unwrap_or(default)
    }

    #[expect(clippy::too_many_arguments, reason = "one place for what three kinds have in common")]
    fn bounded<T: PartialOrd + Copy>(
        &self,
        key: &'static str,
        default: Option<T>,
        range: &RangeInclusive<T>,
        expected: &str,
        what: &str,
        show: &dyn Fn(&T) -> String,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        self.describe(key, default.as_ref().map(show), expected);
        let Some(value) = self.value(key) else { return default };
        let Some(number) = read(value) else {
            let found = shown(value);
            self.wrong(key, format!("expected {what}, {expected}, found {found}"));
            return default;
        };
        if !range.contains(&number) {
            self.wrong(key, format!("{} is out of range; expected {expected}", show(&number)));
            return default;
        }
        Some(number)
    }

    /// One of several words.
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let default = words.first().map(|word| (*word).to_owned());
        self.describe(key, default, &words.join(" or "));
        let default = choices.first().map(|(_, value)| *value);
        let Some(value) = self.value(key) else { return default };
        let chosen = choices.iter().find(|(word, _)| value.as_str() == Some(word));
        if chosen.is_none() {
            self.wrong(key, format!("expected {}, found {}", words.join(" or "), shown(value)));
        }
        chosen.map(|(_, value)| *value).or(default)
    }

    /// A text; `expected` is for the documentation.
    pub fn text(&self, key: &'static str, expected: &str) -> Option<String> {
        self.describe(key, None, expected);
        self.as_text(key, self.value(key)?)
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &'static str, expected: &str) -> Option<String> {
        let text = self.text(key, expected);
        if self.value(key).is_none() {
            self.missing(key, expected);
        }
        text
    }

    /// A text with a default, read by a function that says what was expected instead.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        default: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.describe(key, Some(default.to_owned()), expected);
        let text = match self.value(key) {
            Some(value) => self.as_text(key, value)?,
            None => default.to_owned(),
        };
        let parsed = read(&text);
        if parsed.is_none() {
            self.wrong(key, format!("expected {expected}, found \"{text}\""));
        }
        parsed
    }

    /// A list of texts; one text stands for a list of one. The indexes are for
    /// [`Section::wrong_item`].
    pub fn texts(&self, key: &'static str, expected: &str) -> Vec<(usize, String)> {
        self.describe(key, None, expected);
        let Some(value) = self.value(key) else { return Vec::new() };
        match value {
            Value::Array(_, items) => items
                .iter()
                .enumerate()
                .filter_map(|(i, item)| match item.as_str() {
                    Some(text) => Some((i, text.to_owned())),
                    None => {
                        self.wrong_item(key, i, format!("expected text, found {}", shown(item)));
                        None
                    }
                })
                .collect(),
            Value::String(tag, text) if self.document.is_outside(*tag) => {
                text.split(',').map(|part| part.trim().to_owned()).enumerate().collect()
            }
            Value::String(_, text) => vec![(0, text.clone())],
            other => {
                self.wrong(key, format!("expected {expected}, found {}", shown(other)));
                Vec::new()
            }
        }
    }

    /// The section below `key`; empty when it isn't there.
    pub fn section(&self, key: &'static str) -> Section<'a> {
        self.known.borrow_mut().push(key);
        let values = self.value(key).and_then(|value| self.as_dict(key, value));
        self.below(Step::Key(key.to_owned()), values)
    }

    /// The sections below `key` by the names that the operator chose.
    pub fn named_sections(&self, key: &'static str) -> Vec<(String, Section<'a>)> {
        let section = self.section(key);
        let Some(values) = section.values else { return Vec::new() };
        values
            .iter()
            .map(|(name, value)| {
                let below = section.below(Step::Name(name.clone()), value.as_dict());
                if value.as_dict().is_none() {
                    let message =
                        format!("{}: expected a table, found {}", below.shown_path(), shown(value));
                    self.document.mistake(&below.path, Some(value.tag()), message);
                }
                (name.clone(), below)
            })
            .collect()
    }

    /// The sections of `[[key]]`.
    pub fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        self.known.borrow_mut().push(key);
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Array(_, items)) => items
                .iter()
                .enumerate()
                .map(|(i, item)| {
                    if item.as_dict().is_none() {
                        let found = shown(item);
                        self.wrong_item(key, i, format!("expected a table, found {found}"));
                    }
                    let mut below = self.below(Step::Key(key.to_owned()), item.as_dict());
                    below.path.push(Step::Index(i));
                    below
                })
                .collect(),
            Some(other) => {
                let expected = format!("[[{}]]", self.path_of(key));
                self.wrong(
                    key,
                    format!("expected a list of tables {expected}, found {}", shown(other)),
                );
                Vec::new()
            }
        }
    }

    /// Refuses what no reader asked for. Call it last.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (key, value) in self.values.into_iter().flatten() {
            if !known.iter().any(|name| name == key) {
                let what = self.path_of(key);
                let message = format!("{what} is not a setting{}", suggestion(key, &known));
                self.document.mistake(&self.to(key), Some(first_tag(value)), message);
            }
        }
    }

    /// True when `key` was written.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Records that the value of `key` is wrong.
    pub fn wrong(&self, key: &str, message: impl Display) {
        let tag = self.value(key).map(Value::tag);
        self.document.mistake(&self.to(key), tag, format!("{}: {message}", self.path_of(key)));
    }

    /// Records that an item of the list at `key` is wrong.
    pub fn wrong_item(&self, key: &str, index: usize, message: impl Display) {
        let mut path = self.to(key);
        let tag = self.value(key).map(Value::tag);
        // Only a list of the file has places for its items.
        if tag.is_none_or(|tag| !self.document.is_outside(tag)) {
            path.push(Step::Index(index));
        }
        self.document.mistake(&path, tag, format!("{}: {message}", self.path_of(key)));
    }

    /// Records that this section as a whole is wrong.
    pub fn wrong_here(&self, message: impl Display) {
        self.document.mistake(&self.path, None, message.to_string());
    }

    fn missing(&self, key: &str, expected: &str) {
        self.wrong_here(format!("{} is missing; expected {expected}", self.path_of(key)));
    }

    fn as_text(&self, key: &str, value: &Value) -> Option<String> {
        if value.as_str().is_none() {
            self.wrong(key, format!("expected text in quotes, found {}", kind(value)));
        }
        value.as_str().map(str::to_owned)
    }

    fn as_dict(&self, key: &str, value: &'a Value) -> Option<&'a Dict> {
        if value.as_dict().is_none() {
            let path = self.path_of(key);
            self.wrong(key, format!("expected a table [{path}], found {}", shown(value)));
        }
        value.as_dict()
    }

    fn below(&self, step: Step, values: Option<&'a Dict>) -> Section<'a> {
        let mut path = self.path.clone();
        path.push(step);
        Section { document: self.document, path, values, known: RefCell::default() }
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.values?.get(key)
    }

    fn to(&self, key: &str) -> Vec<Step> {
        let mut path = self.path.clone();
        path.push(Step::Key(key.to_owned()));
        path
    }

    fn shown_path(&self) -> String {
        let names = self.path.iter().filter_map(|step| match step {
            Step::Key(name) | Step::Name(name) => Some(name.as_str()),
            Step::Index(_) => None,
        });
        names.collect::<Vec<_>>().join(".")
    }

    fn path_of(&self, key: &str) -> String {
        let section = self.shown_path();
        if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
    }

    fn describe(&self, key: &'static str, default: Option<String>, expected: &str) {
        self.known.borrow_mut().push(key);
        let steps = self.path.iter().filter_map(|step| match step {
            Step::Key(name) => Some(name.as_str()),
            Step::Name(_) => Some("<name>"),
            Step::Index(_) => None,
        });
        let path = steps.chain([key]).collect::<Vec<_>>().join(".");
        let described = Described { path, default, expected: expected.to_owned() };
        let mut all = self.document.described.borrow_mut();
        if !all.contains(&described) {
            all.push(described);
        }
    }
}

/// The tag of the first value in it: a table made of variables has no place of its own.
fn first_tag(value: &Value) -> Tag {
    match value {
        Value::Dict(tag, dict) => dict.values().next().map_or(*tag, first_tag),
        other => other.tag(),
    }
}

/// A value for a message, of a setting that is never secret.
fn shown(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Bool(_, value) => value.to_string(),
        Value::Num(_, number) => match (whole(number), number.to_f64()) {
            (Some(n), _) => n.to_string(),
            (None, Some(n)) => n.to_string(),
            (None, None) => kind(value).to_owned(),
        },
        other => kind(other).to_owned(),
    }
}

fn whole(number: &Num) -> Option<i128> {
    number.to_i128().or_else(|| i128::try_from(number.to_u128()?).ok())
}

/// What a value is: for settings that could be secret, and were written without quotes.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "text",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}
