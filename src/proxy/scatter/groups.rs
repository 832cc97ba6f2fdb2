//! Groups and aggregates: what the shards say of their own rows, put together.
//!
//! Nothing can be said before all shards have said everything, so that the groups are kept, up to
//! `limits.merge_memory`.

use bytes::{Buf, BytesMut};

use super::leg::Feed;
use super::merge::{Form, Took, column_of, cut, not_comparable, order};
use crate::proxy::failure::Failure;
use crate::routing::merge::{Aggregate, Collation, Column, CombineError, Cut, Function, Group};
use crate::routing::merge::{Groups, NotCombinable, Order, Pile, SortColumn, TextForm, Want, oid};
use crate::routing::{Aggregated, Grouping, Steps};
use crate::wire::backend::{self, Field, RowDescription};
use crate::wire::frame::HEADER_LEN;
use crate::wire::frontend::Format;

/// Groups under way, and then what came of them.
pub struct Grouped {
    /// `None` when all is known.
    groups: Option<Groups>,
    /// The client's columns: of which aggregate, and in which format.
    columns: Vec<(Option<usize>, Format)>,
    /// All rows are one group, which is there without rows, too.
    one_of_all: bool,
    /// Of what comes out.
    order: Order,
    cut: Cut,
    memory: usize,
    rows: Box<dyn Iterator<Item = BytesMut> + Send + Sync>,
}

impl Grouped {
    /// `description` is of a shard's rows, of which so many columns are the client's.
    ///
    /// # Errors
    /// Rows like these can't be put together.
    pub fn new(
        grouping: &Grouping,
        steps: &Steps,
        description: RowDescription<'_>,
        visible: usize,
        form: Form,
    ) -> Result<Grouped, Box<Failure>> {
        let keys = keys(grouping, description, visible, form.text)?;
        let mut columns: Vec<_> =
            description.iter().take(visible).map(|field| (None, field.format)).collect();
        let mut wants = Vec::with_capacity(grouping.aggregates.len());
        for aggregated in &grouping.aggregates {
            if let Some(column) = columns.get_mut(aggregated.output) {
                column.0 = Some(wants.len());
            }
            wants.push(want(aggregated, description, (visible, grouping.by_bytes), form)?);
        }
        Ok(Grouped {
            one_of_all: keys.columns().is_empty(),
            groups: Some(Groups::new(keys, wants, form.memory)),
            columns,
            order: order(&steps.order, description, visible, form)?,
            cut: cut(steps),
            memory: form.memory,
            rows: Box::new(std::iter::empty()),
        })
    }

    /// Takes what the feeds have, and gives rows when all is known, until so many are given; counts
    /// them.
    ///
    /// # Errors
    /// A row isn't what it must be, or there are too many groups.
    pub fn take<F: Feed>(
        &mut self,
        legs: &mut [F],
        out: &mut BytesMut,
        room: usize,
        (given, rests_at): (&mut u64, u64),
    ) -> Result<Took, Box<Failure>> {
        if let Some(groups) = &mut self.groups {
            let mut took = Took::Nothing;
            for leg in legs.iter_mut() {
                while let Some(len) = leg.next_row().map_err(Failure::from)? {
                    let input = leg.unread();
                    groups.push(&input[HEADER_LEN..len]).map_err(not_combined)?;
                    input.advance(len);
                    took = Took::Rows;
                }
            }
            if legs.iter().any(|leg| !leg.has_ended()) {
                return Ok(took);
            }
            self.finish()?;
        }
        while out.len() < room && *given < rests_at {
            let Some(row) = self.rows.next() else { return Ok(Took::Enough) };
            out.extend_from_slice(&row);
            *given += 1;
        }
        Ok(Took::Rows)
    }

    /// All is known: makes the rows, in order.
    fn finish(&mut self) -> Result<(), Box<Failure>> {
        let Some(mut groups) = self.groups.take() else { return Ok(()) };
        if self.one_of_all && groups.is_empty() {
            // The shards had no values to say.
            let mut row = BytesMut::new();
            backend::data_row(&mut row, self.columns.iter().map(|_| None));
            groups.found(&row[HEADER_LEN..]).map_err(not_combined)?;
        }
        let mut pile = Pile::new(self.order.clone(), self.cut.clone(), self.memory);
        for group in groups.finish() {
            let row = self.row(&group.map_err(not_combined)?)?;
            let values = backend::read_data_row(&row[HEADER_LEN..]).map_err(Failure::from)?;
            let bytes = row.len();
            pile.push(values, row.clone(), bytes).map_err(not_combined)?;
        }
        self.rows = Box::new(pile.finish());
        Ok(())
    }

    /// The client's row of a group: its frame.
    fn row(&self, group: &Group) -> Result<BytesMut, Box<Failure>> {
        let first = backend::read_data_row(&group.row).map_err(Failure::from)?;
        let mut written: Vec<Option<Vec<u8>>> = Vec::with_capacity(group.values.len());
        for (column, format) in &self.columns {
            let Some(value) = column.and_then(|at| group.values.get(at)) else { continue };
            let mut bytes = Vec::new();
            written.push(value.put(*format, &mut bytes).then_some(bytes));
        }
        let mut written = written.iter();
        let cells = self.columns.iter().zip(first.iter()).map(|((column, _), cell)| match column {
            Some(_) => written.next().and_then(|value| value.as_deref()),
            None => cell,
        });
        let mut frame = BytesMut::new();
        backend::data_row(&mut frame, cells);
        Ok(frame)
    }
}

/// What tells groups apart.
fn keys(
    grouping: &Grouping,
    description: RowDescription<'_>,
    visible: usize,
    text: TextForm,
) -> Result<Order, Box<Failure>> {
    let collation = if grouping.by_bytes { Collation::C } else { Collation::Other };
    let ascending = |(index, field): (usize, Field<'_>)| {
        let column = Column { type_oid: field.type_oid, format: field.format, collation };
        SortColumn::ascending(index, column)
    };
    let columns: Vec<SortColumn> = match &grouping.keys {
        None => description.iter().take(visible).enumerate().map(ascending).collect(),
        Some(keys) => keys
            .iter()
            .map(|key| column_of(key, description, visible, "GROUP BY").map(ascending))
            .collect::<Result<_, _>>()?,
    };
    Order::new(columns, text).map_err(|not| {
        let failure = not_comparable(not);
        Box::new(Failure { message: failure.message.replace("ordered", "told apart"), ..failure })
    })
}

/// An aggregate, and the columns that it is put together from.
fn want(
    aggregated: &Aggregated,
    description: RowDescription<'_>,
    (visible, by_bytes): (usize, bool),
    form: Form,
) -> Result<Want, Box<Failure>> {
    let Aggregated { output, function, parts, distinct, bytewise } = *aggregated;
    if distinct {
        return want_values(aggregated, description, visible, (by_bytes, form.text));
    }
    let columns: Vec<usize> = match (parts, function) {
        (None, _) => vec![output],
        (Some(first), Function::Avg) => (visible + first..visible + first + 2).collect(),
        (Some(first), _) => (visible + first..visible + first + 3).collect(),
    };
    let missing = || Box::new(Failure::new("XX000", "a column of an aggregate is missing"));
    let field = |index: &usize| description.iter().nth(*index).ok_or_else(missing);
    // Of those of several parts, the sum's.
    let (own, part) = (field(&output)?, field(columns.get(1).unwrap_or(&output))?);
    // The argument's type as far as it matters, by that of what the shards make of it. An average
    // of real numbers is one, too.
    let type_oid = match (function, own.type_oid, part.type_oid) {
        (Function::Sum, oid::INT8, _) => oid::INT4,
        (_, oid::NUMERIC, oid::INT8) if parts.is_some() => oid::INT4,
        (_, own, _) => own,
    };
    let bytes = bytewise && form.same_encoding;
    let collation = if bytes { Collation::C } else { Collation::Other };
    let argument = Column { type_oid, format: part.format, collation };
    let aggregate = Aggregate::new(function, argument, form.text)
        .map_err(|not| Box::new(not_combinable(&not)))?;
    let fits = own.type_oid == aggregate.result_type() && aggregate.parts().len() == columns.len();
    if !fits {
        let not = NotCombinable::Unknown { function, type_oid };
        return Err(Box::new(not_combinable(&not)));
    }
    Ok(Want { aggregate, columns })
}

/// An aggregate with DISTINCT, of the values that the shards say.
fn want_values(
    aggregated: &Aggregated,
    description: RowDescription<'_>,
    visible: usize,
    (by_bytes, text): (bool, TextForm),
) -> Result<Want, Box<Failure>> {
    let Aggregated { output, function, parts, .. } = *aggregated;
    let column = visible + parts.unwrap_or_default();
    let field = |index: usize| description.iter().nth(index);
    let (Some(own), Some(value)) = (field(output), field(column)) else {
        return Err(Box::new(Failure::new("XX000", "a column of an aggregate is missing")));
    };
    let collation = if by_bytes { Collation::C } else { Collation::Other };
    let argument = Column { type_oid: value.type_oid, format: value.format, collation };
    let aggregate = Aggregate::distinct(function, argument, text)
        .map_err(|not| Box::new(not_combinable(&not)))?;
    if own.type_oid != aggregate.result_type() {
        let not = NotCombinable::Unknown { function, type_oid: value.type_oid };
        return Err(Box::new(not_combinable(&not)));
    }
    Ok(Want { aggregate, columns: vec![column] })
}

fn not_combinable(not: &NotCombinable) -> Failure {
    Failure::unsupported(not.to_string(), "Ask for one key, or for each shard by its hint.")
}

fn not_combined(error: CombineError) -> Box<Failure> {
    let failure = match error {
        CombineError::Full { .. } => Failure::new("53200", error.to_string())
            .with_hint("Ask for fewer groups, or raise limits.merge_memory."),
        CombineError::Server { sqlstate, message } => Failure::new(sqlstate, message),
        CombineError::Malformed(_) => Failure::new("XX000", error.to_string()),
    };
    Box::new(failure)
}
