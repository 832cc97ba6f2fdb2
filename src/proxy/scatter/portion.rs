//! What the client gets of an answer, and when.

use crate::proxy::cursor::Opening;

/// What the client gets of an answer, and when.
#[derive(Clone, Copy)]
pub struct Giving<'a> {
    /// It gets a RowDescription.
    pub shown: bool,
    /// Nothing yet: this is opened, to be taken in portions.
    pub opens: Option<&'a Opening>,
}

impl Giving<'_> {
    /// All of it, at once.
    pub const ALL: Giving<'static> = Giving { shown: true, opens: None };
}
