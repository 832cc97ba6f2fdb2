//! A client that says and hears single messages, for what no driver does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use pgherd::wire::auth::client::{Exchange, Login};
use pgherd::wire::backend::{Authentication, ErrorFields, tag};
use pgherd::wire::startup::write_startup;
use pgherd::wire::{frame, frontend};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that has logged in.
pub struct Raw<S = TcpStream> {
    stream: S,
    input: BytesMut,
    /// What is sent with the next [`Raw::send`].
    pub output: BytesMut,
}

/// One message.
pub type Message = (u8, BytesMut);

pub fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.set_nodelay(true).expect("set");
    stream
}

impl Raw<TcpStream> {
    /// As the herd's user, with these startup parameters besides.
    pub fn connect(port: u16, parameters: &[(&str, &str)]) -> Raw<TcpStream> {
        let mut raw = Raw::over(tcp(port));
        raw.log_in(parameters);
        raw
    }
}

impl<S: Read + Write> Raw<S> {
    /// A connection that has said nothing yet.
    pub fn over(stream: S) -> Raw<S> {
        Raw { stream, input: BytesMut::new(), output: BytesMut::new() }
    }

    /// Logs in; what the server says before it is ready.
    pub fn log_in(&mut self, parameters: &[(&str, &str)]) -> Vec<Message> {
        let named = [("user", "pgherd"), ("database", "app")];
        write_startup(&mut self.output, named.iter().chain(parameters).copied());
        self.prove("pgherd", Some("pgherd")).expect("it lets us in")
    }

    /// Sends what was written and answers what it is asked, until it is let in or refused:
    /// `Err` is the ErrorResponse.
    pub fn prove(&mut self, user: &str, password: Option<&str>) -> Result<Vec<Message>, String> {
        let login = Login::new(user, password);
        let mut exchange = Exchange::new(&login);
        let mut said = Vec::new();
        loop {
            self.send();
            let (kind, body) = self.message();
            match kind {
                tag::AUTHENTICATION => {
                    let question = Authentication::read(&body).expect("a question");
                    exchange.step(question, &mut self.output).map_err(|e| e.to_string())?;
                }
                tag::ERROR_RESPONSE => return Err(show((kind, &body))),
                tag::READY_FOR_QUERY => return Ok(said),
                _ => said.push((kind, body)),
            }
        }
    }

    pub fn send(&mut self) {
        self.stream.write_all(&self.output).expect("sent");
        self.output.clear();
    }

    /// Reads what comes until the other side closes.
    pub fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = self.input.to_vec();
        // A reset is an end, too.
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    /// The next message.
    pub fn message(&mut self) -> Message {
        loop {
            let bound = "a test";
            if let Some(message) = frame::take(&mut self.input, 1 << 30, bound).expect("frames") {
                return message;
            }
            let mut chunk = [0; 16 * 1024];
            let n = self.stream.read(&mut chunk).expect("it answers");
            assert!(n > 0, "closed: {:?}", String::from_utf8_lossy(&self.input));
            self.input.extend_from_slice(&chunk[..n]);
        }
    }

    /// Everything up to so many ReadyForQuery.
    pub fn until_ready(&mut self, mut count: usize) -> Vec<Message> {
        self.send();
        let mut messages = Vec::new();
        while count > 0 {
            let message = self.message();
            count -= usize::from(message.0 == tag::READY_FOR_QUERY);
            messages.push(message);
        }
        messages
    }

    /// The answers to a text, in short.
    pub fn query(&mut self, text: &[u8]) -> Vec<String> {
        frontend::write_query(&mut self.output, text);
        shown(&self.until_ready(1))
    }
}

/// Messages in short: their type, and of some the content.
pub fn shown(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|(kind, body)| show((*kind, body))).collect()
}

fn show((kind, body): (u8, &[u8])) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match kind {
        tag::ERROR_RESPONSE | tag::NOTICE_RESPONSE => {
            let fields = ErrorFields::read(body).expect("fields");
            format!("{} {} {}", kind as char, text(fields.sqlstate()), text(fields.message()))
        }
        tag::DATA_ROW => {
            let row = pgherd::wire::backend::read_data_row(body).expect("a row");
            let values: Vec<String> = row.iter().map(|v| v.map_or("NULL".into(), text)).collect();
            format!("D {}", values.join("|"))
        }
        tag::READY_FOR_QUERY => format!("Z {}", text(body)),
        tag::COMMAND_COMPLETE => format!("C {}", text(body.strip_suffix(&[0]).unwrap_or(body))),
        tag::FUNCTION_CALL_RESPONSE => format!("V {}", text(body)),
        tag::PARAMETER_STATUS => format!("S {}", text(body)),
        _ => (kind as char).to_string(),
    }
}
