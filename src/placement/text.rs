//! Key values as text that the server, and [`KeyColumn::read`](super::KeyColumn::read),
//! read back as the same value.

use crate::config::rules::KeyType;

use super::datetime::{date_text, time_text, timestamp_text};
use super::key::KeyValue;

impl KeyValue<'_> {
    /// The value as text, without quotes; NULL is `NULL`. Timestamps of a timestamptz key
    /// are in UTC, with the offset.
    pub fn to_text(&self, key_type: KeyType) -> String {
        match self {
            KeyValue::Null => "NULL".to_owned(),
            KeyValue::Int(value) => value.to_string(),
            KeyValue::Text(text) => text.clone().into_owned(),
            KeyValue::Uuid(bytes) => uuid_text(bytes),
            KeyValue::Numeric(number) => number.to_string(),
            KeyValue::Date(day) => date_text(*day),
            KeyValue::Time(time) => time_text(*time),
            KeyValue::Timestamp(moment) => {
                timestamp_text(*moment, key_type == KeyType::TimestampTz)
            }
        }
    }
}

fn uuid_text(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
}
