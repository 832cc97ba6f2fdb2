//! Values of one column, piled up as the array in binary that a server gets them by.

use bytes::{BufMut, BytesMut};

use crate::wire::write;

/// Bytes before the elements: dimensions, whether there are NULLs, the elements' type, how many there
/// are, and the number of the first.
const HEADER: usize = 20;

/// An array that grows.
#[derive(Debug)]
pub struct ArrayOf {
    /// The elements' type.
    element: u32,
    /// Each value's length and its bytes, as in a row and in an array.
    values: BytesMut,
    nulls: bool,
}

impl ArrayOf {
    pub fn new(element: u32) -> ArrayOf {
        ArrayOf { element, values: BytesMut::new(), nulls: false }
    }

    pub fn push(&mut self, value: Option<&[u8]>) {
        self.nulls |= value.is_none();
        write::value(&mut self.values, value);
    }

    /// Appends it, with its length before it. It has so many elements.
    pub fn write(&self, elements: u32, out: &mut BytesMut) {
        let header = if elements > 0 { HEADER } else { HEADER - 8 };
        out.put_u32((header + self.values.len()) as u32);
        out.put_u32(u32::from(elements > 0));
        out.put_u32(u32::from(self.nulls));
        out.put_u32(self.element);
        if elements > 0 {
            out.put_u32(elements);
            out.put_u32(1);
        }
        out.put_slice(&self.values);
    }
}
