//! A client that runs one statement in a given way and keeps all that it is told.

use std::net::TcpStream;

use pgherd::wire::backend::{
    ErrorFields, RowDescription, read_command_complete, read_data_row, read_parameter_description,
    tag,
};
use pgherd::wire::frontend::{self, Format, Target};
use pgherd::wire::startup::write_startup;

use super::answer::{Answer, Column, End, Failure, Part};
use crate::proxy::raw::{Raw, tcp};

/// How a statement is sent, and how its rows are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The simple protocol.
    Simple,
    /// The extended protocol in one go, results as text.
    Text,
    /// The same, results in binary.
    Binary,
    /// A named statement, described first; its rows by a portal, some at a time.
    Portal,
}

/// Rows of the first Execute of a portal, and of each that follows.
const PORTAL_ROWS: [i32; 2] = [3, 40];

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Simple, Mode::Text, Mode::Binary, Mode::Portal];

    pub fn name(self) -> &'static str {
        match self {
            Mode::Simple => "simple",
            Mode::Text => "text",
            Mode::Binary => "binary",
            Mode::Portal => "portal",
        }
    }
}

/// One statement, or a text of several for [`Mode::Simple`].
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub text: String,
    /// Values of `$1` and so on, as text.
    pub parameters: Vec<Option<String>>,
    /// What is sent to COPY FROM STDIN.
    pub data: Vec<u8>,
}

impl Request {
    fn copies_in(&self) -> bool {
        self.text.starts_with("COPY ") && self.text.contains(" FROM STDIN")
    }
}

/// A connection.
pub struct Client {
    raw: Raw<TcpStream>,
    /// What is running or ran last, for who looks for the cause of a panic.
    last: String,
    /// The state of the transaction, as the last ReadyForQuery said it.
    status: u8,
}

impl Client {
    /// As the herd's user.
    pub fn connect(port: u16, database: &str) -> Client {
        let mut raw = Raw::over(tcp(port));
        let named = [("user", "pgherd"), ("database", database)];
        write_startup(&mut raw.output, named);
        raw.prove("pgherd", Some("pgherd")).expect("it lets us in");
        Client { raw, last: String::new(), status: b'I' }
    }

    /// A text by the simple protocol that must succeed; the rows of its results.
    pub fn must(&mut self, text: &str) -> Vec<Vec<Option<String>>> {
        let request = Request { text: text.into(), ..Request::default() };
        let answer = self.run(&request, Mode::Simple);
        if let Some(failure) = answer.failure() {
            panic!("{failure:?}: {}", text.chars().take(300).collect::<String>());
        }
        let words = |value: Option<Vec<u8>>| value.map(|v| String::from_utf8_lossy(&v).into());
        let rows = answer.parts.into_iter().flat_map(|part| part.rows);
        rows.map(|row| row.into_iter().map(words).collect()).collect()
    }

    /// Ends a transaction that is open.
    pub fn settle(&mut self) {
        if self.status != b'I' {
            self.must("ROLLBACK");
        }
    }

    /// Runs a request and gives what was answered.
    pub fn run(&mut self, request: &Request, mode: Mode) -> Answer {
        self.start(request, mode);
        self.finish(request, mode)
    }

    /// Sends a request; [`Client::finish`] has to follow.
    pub fn start(&mut self, request: &Request, mode: Mode) {
        let text = request.text.as_bytes();
        self.last.clone_from(&request.text);
        let out = &mut self.raw.output;
        match mode {
            Mode::Simple => frontend::write_query(out, text),
            Mode::Text | Mode::Binary => {
                frontend::parse(out, b"", text, &[]).expect("few types");
                let result = if mode == Mode::Binary { Format::Binary } else { Format::Text };
                self.bind(request, b"", b"", result);
                let out = &mut self.raw.output;
                frontend::describe(out, Target::Portal(b""));
                frontend::execute(out, b"", 0);
                if request.copies_in() {
                    // Ignored unless the server asked for it.
                    frontend::copy_data(out, &request.data);
                    frontend::copy_done(out);
                }
                frontend::sync(out);
            }
            Mode::Portal => {
                frontend::parse(out, b"twin", text, &[]).expect("few types");
                frontend::describe(out, Target::Prepared(b"twin"));
                frontend::sync(out);
            }
        }
        self.raw.send();
    }

    fn bind(&mut self, request: &Request, portal: &[u8], statement: &[u8], result: Format) {
        let values: Vec<Option<&[u8]>> =
            request.parameters.iter().map(|v| v.as_ref().map(|v| v.as_bytes())).collect();
        let out = &mut self.raw.output;
        frontend::bind(out, portal, statement, Format::Text, &values, result).expect("few values");
    }

    /// Reads what a request that was sent is answered.
    pub fn finish(&mut self, request: &Request, mode: Mode) -> Answer {
        let mut answer = Answer::default();
        self.until_ready(&mut answer, request, mode);
        if mode == Mode::Portal && answer.failure().is_none() {
            self.portal(request, &mut answer);
        }
        answer
    }

    /// Runs the statement that was prepared, a few rows at a time.
    fn portal(&mut self, request: &Request, answer: &mut Answer) {
        // Of the statement: a portal's is what counts, and it has formats.
        answer.parts.clear();
        self.bind(request, b"rows", b"twin", Format::Text);
        frontend::describe(&mut self.raw.output, Target::Portal(b"rows"));
        let [mut rows, next] = PORTAL_ROWS;
        loop {
            let out = &mut self.raw.output;
            frontend::execute(out, b"rows", rows);
            rows = next;
            if request.copies_in() {
                frontend::copy_data(out, &request.data);
                frontend::copy_done(out);
            }
            frontend::flush(out);
            self.raw.send();
            if !self.until_pause(answer) {
                break;
            }
        }
        let out = &mut self.raw.output;
        frontend::close(out, Target::Portal(b"rows"));
        frontend::sync(out);
        frontend::close(out, Target::Prepared(b"twin"));
        frontend::sync(out);
        self.raw.send();
        self.until_ready(answer, request, Mode::Portal);
        let status = answer.status;
        self.until_ready(&mut Answer::default(), request, Mode::Portal);
        answer.status = status;
    }

    /// Reads up to the end of an Execute; whether its portal has more.
    fn until_pause(&mut self, answer: &mut Answer) -> bool {
        loop {
            let (kind, body) = self.raw.message();
            match kind {
                tag::PORTAL_SUSPENDED => return true,
                tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE | tag::ERROR_RESPONSE => {
                    keep(answer, kind, &body);
                    return false;
                }
                _ => keep(answer, kind, &body),
            }
        }
    }

    fn until_ready(&mut self, answer: &mut Answer, request: &Request, mode: Mode) {
        loop {
            let (kind, body) = self.raw.message();
            match kind {
                tag::READY_FOR_QUERY => {
                    answer.status = body.first().copied().unwrap_or_default();
                    self.status = answer.status;
                    return;
                }
                // With the extended protocol the data is on its way already.
                tag::COPY_IN_RESPONSE if mode == Mode::Simple => {
                    keep(answer, kind, &body);
                    let out = &mut self.raw.output;
                    frontend::copy_data(out, &request.data);
                    frontend::copy_done(out);
                    self.raw.send();
                }
                _ => keep(answer, kind, &body),
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("last: {}", self.last.chars().take(300).collect::<String>());
        }
    }
}

/// Puts a message where it belongs.
fn keep(answer: &mut Answer, kind: u8, body: &[u8]) {
    match kind {
        tag::ROW_DESCRIPTION => {
            let columns = RowDescription::read(body).expect("columns");
            answer.part().columns = Some(columns.iter().map(|field| Column::of(&field)).collect());
        }
        tag::DATA_ROW => {
            let row = read_data_row(body).expect("a row");
            answer.part().rows.push(row.iter().map(|v| v.map(<[u8]>::to_vec)).collect());
        }
        tag::COMMAND_COMPLETE => {
            let done = read_command_complete(body).expect("a tag");
            answer.end(End::Done(String::from_utf8_lossy(done).into()));
        }
        tag::EMPTY_QUERY_RESPONSE => answer.end(End::Empty),
        tag::ERROR_RESPONSE => {
            let fields = ErrorFields::read(body).expect("fields");
            answer.end(End::Failed(Failure::of(&fields)));
        }
        tag::NOTICE_RESPONSE => {
            let fields = ErrorFields::read(body).expect("fields");
            answer.notices.push(String::from_utf8_lossy(fields.sqlstate()).into());
        }
        tag::PARAMETER_DESCRIPTION => {
            let oids = read_parameter_description(body).expect("types");
            answer.parameters = oids.iter().collect();
        }
        tag::COPY_IN_RESPONSE | tag::COPY_OUT_RESPONSE => {
            answer.part().copy = Some(body.to_vec());
        }
        tag::COPY_DATA => answer.part().copied.extend_from_slice(body),
        _ => {}
    }
}

impl Answer {
    /// The part that is being answered.
    fn part(&mut self) -> &mut Part {
        if self.parts.last().is_none_or(|part| part.end.is_some()) {
            self.parts.push(Part::default());
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }

    fn end(&mut self, end: End) {
        self.part().end = Some(end);
    }
}
