//! SASLprep (RFC 4013) of passwords, exactly as Postgres does it, servers and libpq alike.
//!
//! Postgres departs from the RFC in one thing: it looks for prohibited, unassigned and
//! right-to-left characters in what was mapped, not in what came out of the normalisation. A
//! password that one side prepares and the other takes as it is never fits, so this is done its
//! way; tests compare with a real server.

use std::borrow::Cow;

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;

/// The password prepared, or as it is where it can't be: no UTF-8, or characters that SASLprep
/// forbids.
pub fn prepare(password: &[u8]) -> Cow<'_, [u8]> {
    if password.is_ascii() {
        return Cow::Borrowed(password);
    }
    let prepared = std::str::from_utf8(password).ok().and_then(prepare_text);
    prepared.map_or(Cow::Borrowed(password), |text| Cow::Owned(text.into_bytes()))
}

fn prepare_text(password: &str) -> Option<String> {
    let mapped: Vec<char> = password
        .chars()
        .filter_map(|c| match c {
            c if tables::non_ascii_space_character(c) => Some(' '),
            c if tables::commonly_mapped_to_nothing(c) => None,
            c => Some(c),
        })
        .collect();
    let (first, last) = (*mapped.first()?, *mapped.last()?);
    let forbidden = |c: &char| is_prohibited(*c) || tables::unassigned_code_point(*c);
    if mapped.iter().any(forbidden) {
        return None;
    }
    let right_to_left = tables::bidi_r_or_al;
    if mapped.iter().any(|c| right_to_left(*c)) {
        let mixed = mapped.iter().any(|c| tables::bidi_l(*c));
        if mixed || !right_to_left(first) || !right_to_left(last) {
            return None;
        }
    }
    Some(mapped.into_iter().nfkc().collect())
}

/// RFC 4013, section 2.3.
fn is_prohibited(c: char) -> bool {
    tables::non_ascii_space_character(c)
        || tables::ascii_control_character(c)
        || tables::non_ascii_control_character(c)
        || tables::private_use(c)
        || tables::non_character_code_point(c)
        || tables::inappropriate_for_plain_text(c)
        || tables::inappropriate_for_canonical_representation(c)
        || tables::change_display_properties_or_deprecated(c)
        || tables::tagging_character(c)
}
