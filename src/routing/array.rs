//! Array parameters, as far as routing reads them: one dimension, its elements apart.

use std::borrow::Cow;

/// An element; `None` is NULL.
pub(super) type Element<'a> = Option<Cow<'a, [u8]>>;

/// The type of an array type's elements, of those that a key may have. All are built in.
pub(super) fn element_type(array_oid: u32) -> Option<u32> {
    Some(match array_oid {
        1005 => 21,
        1007 => 23,
        1016 => 20,
        1009 => 25,
        1015 => 1043,
        1231 => 1700,
        2951 => 2950,
        1182 => 1082,
        1183 => 1083,
        1115 => 1114,
        1185 => 1184,
        _ => return None,
    })
}

/// `{1,2,"a b",NULL}`; `None` for any other form.
pub(super) fn from_text(text: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut rest = text.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?;
    let mut elements = Vec::new();
    if rest.trim_ascii().is_empty() {
        return Some(elements);
    }
    loop {
        let (element, behind) = element(rest.trim_ascii_start())?;
        elements.push(element);
        match behind.trim_ascii_start() {
            [] => return Some(elements),
            [b',', more @ ..] => rest = more,
            _ => return None,
        }
    }
}

/// The element at the start, and what stands behind it.
fn element(text: &[u8]) -> Option<(Element<'_>, &[u8])> {
    if let Some(quoted) = text.strip_prefix(b"\"") {
        return unquoted(quoted);
    }
    let end = text.iter().position(|&byte| byte == b',').unwrap_or(text.len());
    let (value, behind) = text.split_at(end);
    let value = value.trim_ascii_end();
    // An escape, a nested array, or nothing at all.
    if value.is_empty() || value.iter().any(|byte| b"{}\"\\".contains(byte)) {
        return None;
    }
    let null = value.eq_ignore_ascii_case(b"null");
    Some(((!null).then_some(Cow::Borrowed(value)), behind))
}

/// The rest of a quoted element, a backslash before any byte that isn't itself.
fn unquoted(text: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'"' => return Some((Some(Cow::Owned(value)), text.get(at + 1..)?)),
            b'\\' => value.push(*bytes.next()?.1),
            byte => value.push(byte),
        }
    }
    None
}

/// The binary form of an array of this element type; `None` for any other.
pub(super) fn from_binary(bytes: &[u8], element_oid: u32) -> Option<Vec<Element<'_>>> {
    let mut rest = bytes;
    let dimensions = int(&mut rest)?;
    let _has_nulls = int(&mut rest)?;
    let oid = int(&mut rest)?;
    if u32::from_be_bytes(oid.to_be_bytes()) != element_oid {
        return None;
    }
    if dimensions == 0 {
        return rest.is_empty().then(Vec::new);
    }
    let count = int(&mut rest)?;
    let _lower_bound = int(&mut rest)?;
    // Each element has a length of four bytes at least.
    if dimensions != 1 || usize::try_from(count).ok()? > rest.len() / 4 {
        return None;
    }
    let mut elements = Vec::new();
    for _ in 0..count {
        let length = int(&mut rest)?;
        if length == -1 {
            elements.push(None);
            continue;
        }
        let (value, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        elements.push(Some(Cow::Borrowed(value)));
        rest = behind;
    }
    rest.is_empty().then_some(elements)
}

fn int(bytes: &mut &[u8]) -> Option<i32> {
    let (value, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(i32::from_be_bytes(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(array: &str) -> Option<Vec<Option<String>>> {
        let text = |element: Element<'_>| {
            element.map(|bytes| String::from_utf8(bytes.into_owned()).expect("UTF-8"))
        };
        Some(from_text(array.as_bytes())?.into_iter().map(text).collect())
    }

    #[test]
    fn text_forms() {
        let some = |values: &[&str]| Some(values.iter().map(|v| Some(v.to_string())).collect());
        assert_eq!(texts("{}"), some(&[]));
        assert_eq!(texts(" { 1 , 2 } "), some(&["1", "2"]));
        assert_eq!(texts(r#"{"a b","c\"d","",x y}"#), some(&["a b", "c\"d", "", "x y"]));
        assert_eq!(texts(r#"{null,"NULL"}"#), Some(vec![None, Some("NULL".into())]));
        for other in
            ["", "1", "{1", "{1,}", "{,1}", "{{1},{2}}", "[1:2]={1,2}", r#"{"a}"#, r"{a\b}"]
        {
            assert_eq!(texts(other), None, "{other}");
        }
    }

    #[test]
    fn binary_forms() {
        let words = |words: &[i32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        };
        let of = |bytes: &[u8]| from_binary(bytes, 23).map(|elements| elements.len());
        assert_eq!(of(&words(&[0, 0, 23])), Some(0));
        assert_eq!(of(&words(&[1, 0, 23, 2, 1, 4, 7, -1])), Some(2));
        assert_eq!(of(&words(&[1, 0, 20, 1, 1, 4, 7])), None);
        assert_eq!(of(&words(&[2, 0, 23, 1, 1, 1, 1, 4, 7])), None);
        assert_eq!(of(&words(&[1, 0, 23, i32::MAX, 1, 4, 7])), None);
        assert_eq!(of(&words(&[1, 0, 23, 1, 1, 8, 7])), None);
        assert_eq!(of(&words(&[1, 0, 23, 1, 1, 4, 7, 0])), None);
        assert_eq!(of(&[0, 0]), None);
    }
}
