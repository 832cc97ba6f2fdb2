//! Which of the rows, in their order, come out: OFFSET, LIMIT, FETCH … WITH TIES.

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Take,
    Skip,
    /// Neither this nor any that follows.
    Stop,
}

/// OFFSET and LIMIT, as `nodeLimit.c` has them. For rows in any order; DISTINCT and WITH TIES
/// ask which rows are equal, which a [`Merge`](super::Merge) knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cut {
    /// Of rows that are equal in so many leading columns of the order, the first is taken:
    /// DISTINCT ON of these columns; DISTINCT where they are all that is selected.
    pub distinct: Option<usize>,
    /// Rows to leave out first.
    pub offset: u64,
    /// Rows to take at most; `None` is all.
    pub limit: Option<u64>,
    /// WITH TIES: with the last row that LIMIT takes, those that are equal to it in so many
    /// leading columns, the columns of the statement's ORDER BY.
    pub ties: Option<usize>,
}

impl Cut {
    /// All rows.
    pub const ALL: Cut = Cut { distinct: None, offset: 0, limit: None, ties: None };

    /// LIMIT and OFFSET alone.
    pub fn window(offset: u64, limit: Option<u64>) -> Cut {
        Cut { offset, limit, ..Cut::ALL }
    }

    /// No row comes out any more, whatever it is: the streams' rests don't matter.
    pub fn is_over(&self) -> bool {
        self.limit == Some(0) && self.ties.is_none()
    }

    /// How many rows each shard has to give at most, so that these can be chosen from them:
    /// OFFSET and LIMIT together. `None` is all, also where rows that are equal have to be told
    /// apart from the last first. Of the numbers at the beginning, before any row was decided.
    pub fn wanted_of_each(&self) -> Option<u64> {
        match self.ties {
            Some(_) => None,
            None => self.limit?.checked_add(self.offset),
        }
    }

    /// The fate of the next row, where rows aren't compared.
    pub fn decide(&mut self) -> Fate {
        if self.offset > 0 {
            self.offset -= 1;
            return if self.limit == Some(0) { Fate::Stop } else { Fate::Skip };
        }
        match &mut self.limit {
            None => Fate::Take,
            Some(0) => Fate::Stop,
            Some(left) => {
                *left -= 1;
                Fate::Take
            }
        }
    }
}
