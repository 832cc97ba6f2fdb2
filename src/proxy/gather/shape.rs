//! What a server says of the client's own text.

use bytes::BytesMut;

use crate::proxy::failure::Failure;
use crate::proxy::replies::Request;
use crate::proxy::scatter::{Answer, Leg};
use crate::proxy::session::Stop;
use crate::proxy::state::{Note, Purpose};
use crate::proxy::statements::Statement;
use crate::wire::ProtocolError;
use crate::wire::backend::{self, RowDescription};
use crate::wire::frontend::{self, Bind, Target as Named};

/// The parameters of a statement, and its rows.
#[derive(Debug)]
pub struct Shape {
    pub parameters: Box<[u32]>,
    /// The body of its RowDescription.
    pub rows: BytesMut,
}

/// Puts the question into what is to be sent.
///
/// # Errors
/// The statement has too many parameters to be prepared.
pub fn ask(leg: &mut Leg, statement: &Statement, unnamed: bool) -> Result<(), Stop> {
    let name = leg.held.have(statement, unnamed)?;
    frontend::describe(&mut leg.held.backend.output, Named::Prepared(&name));
    leg.held.replies.push(Request::DescribeStatement, true, Note::default());
    leg.held.sync(false, Purpose::Undo);
    Ok(())
}

/// Only what is said of rows is wanted.
pub struct Nothing;

impl Answer for Nothing {}

impl Shape {
    /// # Errors
    /// The server has said too little.
    pub fn of(leg: &Leg) -> Result<Shape, ProtocolError> {
        let (Some(parameters), Some(rows)) = (&leg.parameters, &leg.description) else {
            return Err(ProtocolError::message("it didn't describe a SELECT"));
        };
        let parameters = backend::read_parameter_description(parameters)?.iter().collect();
        RowDescription::read(rows)?;
        Ok(Shape { parameters, rows: rows.clone() })
    }

    /// Whether as many values came as there are parameters: `bind` is the client's, and there is none
    /// by the simple protocol.
    ///
    /// # Errors
    /// Another number came: the words are Postgres's.
    pub fn check(&self, bind: Option<&[u8]>) -> Result<(), Failure> {
        let wanted = self.parameters.len();
        let Some(bind) = bind else {
            return match wanted {
                0 => Ok(()),
                _ => Err(Failure::new("42P02", "there is no parameter in a simple query")),
            };
        };
        let bind = Bind::read(bind)?;
        if bind.values.len() == wanted {
            return Ok(());
        }
        let message = format!(
            "bind message supplies {} parameters, but prepared statement \"{}\" requires {wanted}",
            bind.values.len(),
            String::from_utf8_lossy(bind.statement),
        );
        Err(Failure::new("08P01", message))
    }
}
