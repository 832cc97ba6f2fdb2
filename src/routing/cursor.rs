//! Cursors of SQL, which live in the server's transaction that declared them.

use crate::sql::{Ident, Statement};

/// What a statement does with a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorUse {
    Declares(Ident),
    /// FETCH, MOVE, CLOSE, WHERE CURRENT OF.
    Uses(Ident),
    ClosesAll,
}

impl CursorUse {
    pub(super) fn of(statement: &Statement) -> Option<CursorUse> {
        let uses = |name: &Ident| CursorUse::Uses(name.clone());
        match statement {
            Statement::Declare { name, .. } => Some(CursorUse::Declares(name.clone())),
            Statement::Fetch(name) | Statement::Close(Some(name)) => Some(uses(name)),
            Statement::Close(None) => Some(CursorUse::ClosesAll),
            Statement::Update(update) => update.current_of.as_ref().map(uses),
            Statement::Delete(delete) => delete.current_of.as_ref().map(uses),
            _ => None,
        }
    }
}
