//! Cursors: DECLARE, FETCH, MOVE.

use super::cursor::{Parser, Result};
use super::keywords::Keyword as K;
use crate::sql::statement::{Declare, Fetch, FetchCount, FetchWay, Statement};
use crate::sql::tokens::TokenKind;

impl Parser<'_> {
    pub(super) fn declare(&mut self) -> Result<Statement> {
        self.expect(K::Declare)?;
        let name = self.column_id()?;
        let (mut binary, mut scroll, mut sensitive, mut contradicts) = (false, None, None, false);
        let set = |was: &mut Option<bool>, is: bool| was.replace(is).is_some_and(|was| was != is);
        loop {
            match self.keyword() {
                Some(K::Binary) => binary = true,
                Some(K::Insensitive) => contradicts |= set(&mut sensitive, false),
                Some(K::Asensitive) => contradicts |= set(&mut sensitive, true),
                Some(K::Scroll) => contradicts |= set(&mut scroll, true),
                Some(K::No) => {
                    self.advance();
                    if !self.is(K::Scroll) {
                        return Err(self.unexpected());
                    }
                    contradicts |= set(&mut scroll, false);
                }
                _ => break,
            }
            self.advance();
        }
        self.expect(K::Cursor)?;
        let hold = self.eat_all(&[K::With, K::Hold]);
        if !hold {
            self.eat_all(&[K::Without, K::Hold]);
        }
        self.expect(K::For)?;
        let query_at = self.position() as u32;
        let query = Box::new(self.query()?);
        Ok(Statement::Declare(Declare { name, binary, scroll, contradicts, hold, query_at, query }))
    }

    /// FETCH or MOVE: the cursor's name stands last.
    pub(super) fn fetch(&mut self) -> Result<Statement> {
        let moves = self.is(K::Move);
        self.advance();
        let (mut way, mut count) = (FetchWay::Forward, FetchCount::Number(1));
        if self.more_than_a_name() {
            (way, count) = self.fetch_way()?;
            if self.more_than_a_name() && !self.eat_any(&[K::From, K::In]) {
                return Err(self.unexpected());
            }
        }
        let cursor = self.column_id()?;
        Ok(Statement::Fetch(Fetch { cursor, moves, way, count }))
    }

    fn fetch_way(&mut self) -> Result<(FetchWay, FetchCount)> {
        let one = |way, number| (way, FetchCount::Number(number));
        let (way, counted) = match self.keyword() {
            Some(K::Next) => (one(FetchWay::Forward, 1), false),
            Some(K::Prior) => (one(FetchWay::Backward, 1), false),
            Some(K::First) => (one(FetchWay::Absolute, 1), false),
            Some(K::Last) => (one(FetchWay::Absolute, -1), false),
            Some(K::Absolute) => (one(FetchWay::Absolute, 1), true),
            Some(K::Relative) => (one(FetchWay::Relative, 1), true),
            Some(K::Forward) => (one(FetchWay::Forward, 1), true),
            Some(K::Backward) => (one(FetchWay::Backward, 1), true),
            _ => {
                let count = self.fetch_count()?.unwrap_or(FetchCount::Number(1));
                return Ok((FetchWay::Forward, count));
            }
        };
        self.advance();
        let must = matches!(way.0, FetchWay::Absolute | FetchWay::Relative);
        match self.fetch_count()? {
            Some(_) if !counted => Err(self.unexpected()),
            Some(FetchCount::All) if must => Err(self.unexpected()),
            Some(count) => Ok((way.0, count)),
            None if counted && must => Err(self.unexpected()),
            None => Ok(way),
        }
    }

    /// A number with its sign, or ALL, if one stands here.
    fn fetch_count(&mut self) -> Result<Option<FetchCount>> {
        if self.more_than_a_name() && self.eat(K::All) {
            return Ok(Some(FetchCount::All));
        }
        let negative = self.eat_operator(b"-");
        let signed = negative || self.eat_operator(b"+");
        match self.kind() {
            TokenKind::Literal(slot) => {
                self.advance();
                Ok(Some(FetchCount::Literal { slot, negative }))
            }
            _ if signed => Err(self.unexpected()),
            _ => Ok(None),
        }
    }

    fn more_than_a_name(&self) -> bool {
        self.kind_ahead(1) != TokenKind::End
    }
}
