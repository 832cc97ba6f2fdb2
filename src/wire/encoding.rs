//! Client encodings in which a byte below 128 may be a part of a character.
//!
//! Postgres turns a client's text into the database's encoding before it reads it. Whoever reads
//! the text as it came must not take such a byte for a quote, a backslash or a digit. In all
//! other encodings that Postgres knows, a byte below 128 is always the ASCII character.

use std::borrow::Cow;

/// How many bytes a character has, as Postgres's `mblen` of the encoding has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hiding {
    /// SJIS, SHIFT_JIS_2004: half-width katakana have one byte.
    Sjis,
    /// BIG5, GBK, UHC: two bytes from the first with its high bit set.
    TwoBytes,
    /// JOHAB: three after 0x8F.
    Johab,
    /// Four where a digit follows.
    Gb18030,
}

impl Hiding {
    /// By the encoding's name, in any of the ways that Postgres takes; `None` for those in which
    /// ASCII is always ASCII, and for names that are none.
    pub fn of(name: &str) -> Option<Hiding> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        Some(match &*plain.to_ascii_lowercase() {
            "sjis" | "shiftjis" | "mskanji" | "win932" | "windows932" | "shiftjis2004" => {
                Hiding::Sjis
            }
            "big5" | "win950" | "windows950" | "gbk" | "win936" | "windows936" | "uhc"
            | "win949" | "windows949" => Hiding::TwoBytes,
            "johab" => Hiding::Johab,
            "gb18030" => Hiding::Gb18030,
            _ => return None,
        })
    }

    /// The bytes of the character at the front of `text`, which isn't empty; at its end maybe
    /// more than there are.
    fn len(self, text: &[u8]) -> usize {
        let first = text.first().copied().unwrap_or_default();
        match (self, first) {
            (_, 0..0x80) | (Hiding::Sjis, 0xA1..=0xDF) => 1,
            (Hiding::Johab, 0x8F) => 3,
            (Hiding::Gb18030, _) if text.get(1).is_some_and(u8::is_ascii_digit) => 4,
            _ => 2,
        }
    }

    /// The text with every byte of a longer character set to 0xFF where it could be taken for
    /// another character: as long as it was, and of the same shape to whoever reads ASCII.
    pub fn mask(self, text: &[u8]) -> Cow<'_, [u8]> {
        if text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut masked = text.to_vec();
        let mut at = 0;
        while at < text.len() {
            let len = self.len(&text[at..]);
            let end = masked.len().min(at + len);
            if len > 1 {
                masked[at..end].iter_mut().filter(|byte| byte.is_ascii()).for_each(|b| *b = 0xFF);
            }
            at += len;
        }
        Cow::Owned(masked)
    }
}

/// The text with every byte outside ASCII set to 0xFF.
pub fn mask_all(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.iter().map(|byte| if byte.is_ascii() { *byte } else { 0xFF }).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Hiding; 4] = [Hiding::Sjis, Hiding::TwoBytes, Hiding::Johab, Hiding::Gb18030];

    #[test]
    fn encodings_that_hide_ascii_are_known_by_all_their_names() {
        for good in ["UTF8", "utf-8", "Unicode", "SQL_ASCII", "LATIN1", "EUC_JP", "WIN1252", "x"] {
            assert_eq!(Hiding::of(good), None, "{good}");
        }
        for (name, kind) in [
            ("SJIS", Hiding::Sjis),
            ("Shift_JIS", Hiding::Sjis),
            ("shift_jis_2004", Hiding::Sjis),
            ("BIG5", Hiding::TwoBytes),
            ("WIN936", Hiding::TwoBytes),
            ("Windows-949", Hiding::TwoBytes),
            ("Johab", Hiding::Johab),
            ("gb18030", Hiding::Gb18030),
        ] {
            assert_eq!(Hiding::of(name), Some(kind), "{name}");
        }
    }

    #[test]
    fn what_is_a_part_of_a_character_is_masked() {
        for (kind, text, masked) in [
            // 表 is 0x95 and a backslash; ｱ has one byte.
            (Hiding::Sjis, &b"E'\x95\\' \xb1' "[..], &b"E'\x95\xff' \xb1' "[..]),
            (Hiding::TwoBytes, b"\xa5\\''", b"\xa5\xff''"),
            (Hiding::Johab, b"\x8fa|b \x88a", b"\x8f\xff\xffb \x88\xff"),
            (Hiding::Gb18030, b"\x810\x8118 \x81@1", b"\x81\xff\x81\xff8 \x81\xff1"),
            // Cut characters.
            (Hiding::Gb18030, b"a\x810", b"a\x81\xff"),
            (Hiding::Sjis, b"a\x95", b"a\x95"),
        ] {
            assert_eq!(&*kind.mask(text), masked, "{kind:?}");
        }
        assert_eq!(&*mask_all(b"a\xc3\xa9'"), b"a\xff\xff'");
    }

    proptest! {
        #[test]
        fn a_masked_text_is_as_long_and_its_ascii_is_the_text_s_own(
            text in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            for kind in ALL {
                let masked = kind.mask(&text);
                prop_assert_eq!(masked.len(), text.len());
                for (byte, was) in masked.iter().zip(&text) {
                    prop_assert!(byte == was || (was.is_ascii() && *byte == 0xFF));
                }
                // Nothing of a character that was hidden makes a name that could be another's.
                if *masked != *text {
                    prop_assert!(std::str::from_utf8(&masked).is_err());
                }
            }
        }
    }
}
