//! Places in texts that servers get in place of the client's.

use std::sync::Arc;

use bytes::BytesMut;

use super::session::Session;
use crate::sql::Edited;
use crate::wire::backend::{ErrorFields, tag};
use crate::wire::{ProtocolError, write};

/// The client's text, and what servers get in its place.
#[derive(Debug)]
pub struct EditedText {
    /// Empty where places in it can't be told.
    pub edited: Edited,
    pub before: Box<[u8]>,
}

impl EditedText {
    /// Where a place in what servers get, as they tell it, is in the client's text.
    pub fn place_before(&self, position: &[u8]) -> Option<Vec<u8>> {
        place_before(&self.edited, &self.before, position)
    }
}

impl Session {
    /// What was made of a text, which may itself be what was made of the client's.
    pub(super) fn edited_over(&self, edited: Edited, text: &[u8]) -> Arc<EditedText> {
        let edited = if self.reading().utf8 { edited } else { Edited::default() };
        Arc::new(match &self.state.edited {
            Some(first) => {
                EditedText { edited: edited.over(&first.edited), before: first.before.clone() }
            }
            None => EditedText { edited, before: text.into() },
        })
    }
}

/// A place in an edited text, as a server tells it, in the text before.
pub fn place_before(edited: &Edited, before: &[u8], position: &[u8]) -> Option<Vec<u8>> {
    let at = std::str::from_utf8(position).ok()?.parse().ok()?;
    edited.place_before(before, at).map(|at| at.to_string().into_bytes())
}

/// Appends a server's error, an ErrorResponse's body, with its place in the text moved; without one
/// where there is none.
///
/// # Errors
/// It isn't such a body.
pub fn move_error(
    out: &mut BytesMut,
    body: &[u8],
    moved: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<(), ProtocolError> {
    let fields = ErrorFields::read(body)?;
    write::frame(out, tag::ERROR_RESPONSE, |b| {
        for (code, said) in fields.iter() {
            let said = if code == b'P' { moved(said) } else { Some(said.to_vec()) };
            if let Some(said) = said {
                b.extend_from_slice(&[code]);
                write::cstr(b, &said);
            }
        }
        b.extend_from_slice(&[0]);
    });
    Ok(())
}
