//! Cursors of SQL, which live in the server's transaction that declared them, or, over several
//! shards, in the session's (`docs/decisions/015-portions.md`).

use crate::sql::{
    self, Declare, Edit, FetchCount, FetchWay, Ident, LiteralKind, Scanned, Statement,
};

use super::Refusal;
use super::plan::Plan;
use super::value::Values;

/// What a statement does with a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorUse {
    Declares(Declared),
    Fetches(Fetches),
    Closes(Ident),
    ClosesAll,
    /// WHERE CURRENT OF.
    Changes(Ident),
}

/// DECLARE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub name: Ident,
    pub binary: bool,
    /// SCROLL, or NO SCROLL; as written, if written.
    pub scroll: Option<bool>,
    /// Two of its options can't be together.
    pub contradicts: bool,
    /// WITH HOLD
    hold: bool,
    /// The token at which its query begins.
    query_at: u32,
}

/// FETCH or MOVE, before it has values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetches {
    pub cursor: Ident,
    /// MOVE: the rows aren't wanted.
    pub moves: bool,
    pub way: FetchWay,
    count: FetchCount,
}

impl CursorUse {
    pub(super) fn of(statement: &Statement) -> Option<CursorUse> {
        match statement {
            Statement::Declare(declare) => Some(CursorUse::Declares(declared(declare))),
            Statement::Fetch(fetch) => {
                let sql::Fetch { cursor, moves, way, count } = fetch.clone();
                Some(CursorUse::Fetches(Fetches { cursor, moves, way, count }))
            }
            Statement::Close(Some(name)) => Some(CursorUse::Closes(name.clone())),
            Statement::Close(None) => Some(CursorUse::ClosesAll),
            Statement::Update(update) => update.current_of.clone().map(CursorUse::Changes),
            Statement::Delete(delete) => delete.current_of.clone().map(CursorUse::Changes),
            _ => None,
        }
    }

    /// The cursor that has to be there for it.
    pub fn used(&self) -> Option<&str> {
        match self {
            CursorUse::Fetches(fetches) => Some(&fetches.cursor),
            CursorUse::Closes(name) | CursorUse::Changes(name) => Some(name),
            CursorUse::Declares(_) | CursorUse::ClosesAll => None,
        }
    }
}

fn declared(declare: &Declare) -> Declared {
    let Declare { name, binary, scroll, contradicts, hold, query_at, .. } = declare;
    Declared {
        name: name.clone(),
        binary: *binary,
        scroll: *scroll,
        contradicts: *contradicts,
        hold: *hold,
        query_at: *query_at,
    }
}

impl Fetches {
    /// How many rows; `None` is all.
    ///
    /// # Errors
    /// It isn't an integer of four bytes, which is a syntax error.
    pub fn count(&self, values: &Values<'_>) -> Result<Option<i64>, Refusal> {
        let (slot, negative) = match self.count {
            FetchCount::All => return Ok(None),
            FetchCount::Number(number) => return Ok(Some(number)),
            FetchCount::Literal { slot, negative } => (slot, negative),
        };
        let wrong = || Refusal::new("42601", "the count of FETCH or MOVE isn't an integer");
        let [literal] = values.literals.slot(slot) else { return Err(wrong()) };
        let value = literal.value(values.text).map_err(|_| wrong())?;
        let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<i32>().ok());
        match number.filter(|_| literal.kind == LiteralKind::Integer) {
            Some(number) => Ok(Some(if negative { -i64::from(number) } else { number.into() })),
            None => Err(wrong()),
        }
    }
}

impl Plan {
    /// The query of a DECLARE that several shards may answer, as a text of its own; `None` for any
    /// other statement. `scanned` is of `text`.
    ///
    /// # Errors
    /// The text isn't the one that was scanned.
    pub fn declared_query(
        &self,
        text: &[u8],
        scanned: &Scanned,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(CursorUse::Declares(declared)) = &self.cursor else { return Ok(None) };
        if declared.hold {
            return Ok(None);
        }
        let before = Edit { at: 0..declared.query_at, pieces: Vec::new() };
        let query = sql::edit(text, scanned, &[before]).map_err(Refusal::from)?;
        Ok(Some(query.text))
    }
}
