//! Writing frames: the length is put in when the body is known.

use bytes::{BufMut, BytesMut};

/// Appends one frame of type `tag` with the body that `fill` writes.
///
/// Bodies are built of parts that came in frames bounded by the message size settings, or of our
/// own short texts, so that the length fits its four bytes.
pub fn frame(out: &mut BytesMut, tag: u8, fill: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    unlabelled(out, fill);
}

/// As [`frame`], without a type byte: the first packet of a connection.
pub fn unlabelled(out: &mut BytesMut, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_i32(0);
    fill(out);
    let len = i32::try_from(out.len() - start).unwrap_or(i32::MAX);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// A string and its zero byte. A zero byte inside would end it early for the reader and shift
/// the rest of the message, so the string is cut there.
pub fn cstr(out: &mut BytesMut, text: &[u8]) {
    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    out.put_slice(&text[..end]);
    out.put_u8(0);
}

/// A length and the bytes; -1 for NULL.
pub fn value(out: &mut BytesMut, value: Option<&[u8]>) {
    match value {
        None => out.put_i32(-1),
        Some(bytes) => {
            out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            out.put_slice(bytes);
        }
    }
}
