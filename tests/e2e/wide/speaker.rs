//! A client that may lose its connection at any moment, and says so.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use pgherd::wire::auth::client::{Exchange, Login};
use pgherd::wire::backend::{Authentication, ErrorFields, read_backend_key, tag};
use pgherd::wire::frame;
use pgherd::wire::frontend::{self, Format};
use pgherd::wire::startup::write_startup;

use crate::proxy::raw::{Message, shown};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that has logged in.
pub struct Speaker {
    stream: TcpStream,
    input: BytesMut,
    /// What is sent with the next answer that is waited for.
    pub output: BytesMut,
    key: (i32, Vec<u8>),
    port: u16,
    /// What was said last, and heard, for who looks for the cause of a failure.
    last: VecDeque<String>,
}

/// Exchanges that are remembered.
const REMEMBERED: usize = 20;

/// What was answered, up to ReadyForQuery.
pub struct Heard(pub Vec<Message>);

impl Heard {
    /// The code of the first error.
    pub fn code(&self) -> Option<String> {
        let error = self.0.iter().find(|(kind, _)| *kind == tag::ERROR_RESPONSE)?;
        let fields = ErrorFields::read(&error.1).expect("fields");
        Some(String::from_utf8_lossy(fields.sqlstate()).into_owned())
    }

    /// The hint of the first error.
    pub fn hint(&self) -> String {
        let error = self.0.iter().find(|(kind, _)| *kind == tag::ERROR_RESPONSE);
        let hint = error.and_then(|(_, body)| {
            let fields = ErrorFields::read(body).expect("fields");
            fields.get(b'H').map(|hint| String::from_utf8_lossy(hint).into_owned())
        });
        hint.unwrap_or_default()
    }

    /// In short.
    pub fn words(&self) -> String {
        shown(&self.0).join(", ")
    }

    /// The values of all rows.
    pub fn rows(&self) -> Vec<String> {
        let rows = shown(&self.0).into_iter();
        rows.filter_map(|word| word.strip_prefix("D ").map(str::to_owned)).collect()
    }
}

impl Speaker {
    /// As this user, whose password is their name.
    pub fn connect_as(port: u16, user: &str) -> io::Result<Speaker> {
        Speaker::connect_to(port, user, "app")
    }

    pub fn connect_to(port: u16, user: &str, database: &str) -> io::Result<Speaker> {
        Speaker::connect_with(port, &[("user", user), ("database", database)])
    }

    /// With these startup parameters, a user first.
    pub fn connect_with(port: u16, parameters: &[(&str, &str)]) -> io::Result<Speaker> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let (input, output, key) = (BytesMut::new(), BytesMut::new(), (0, Vec::new()));
        let last = VecDeque::new();
        let mut speaker = Speaker { stream, input, output, key, port, last };
        write_startup(&mut speaker.output, parameters.iter().copied());
        speaker.log_in(parameters[0].1)?;
        Ok(speaker)
    }

    pub fn connect(port: u16) -> io::Result<Speaker> {
        Speaker::connect_as(port, "pgherd")
    }

    fn log_in(&mut self, user: &str) -> io::Result<()> {
        let login = Login::new(user, Some(user));
        let mut exchange = Exchange::new(&login);
        loop {
            self.send()?;
            let (kind, body) = self.message()?;
            match kind {
                tag::AUTHENTICATION => {
                    let question = Authentication::read(&body).expect("a question");
                    exchange.step(question, &mut self.output).map_err(io::Error::other)?;
                }
                tag::BACKEND_KEY_DATA => {
                    let (pid, secret) = read_backend_key(&body).expect("a key");
                    self.key = (pid, secret.to_vec());
                }
                tag::ERROR_RESPONSE => {
                    return Err(io::Error::other(shown(&[(kind, body)]).join("")));
                }
                tag::READY_FOR_QUERY => return Ok(()),
                _ => {}
            }
        }
    }

    pub fn send(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    fn message(&mut self) -> io::Result<Message> {
        loop {
            if let Some(message) = frame::take(&mut self.input, 1 << 30, "a test").expect("frames")
            {
                return Ok(message);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.input.extend_from_slice(&chunk[..n]),
            }
        }
    }

    /// Sends what was written, and reads up to ReadyForQuery.
    pub fn hear(&mut self) -> io::Result<Heard> {
        self.send()?;
        let mut heard = Vec::new();
        loop {
            let message = self.message()?;
            let ready = message.0 == tag::READY_FOR_QUERY;
            heard.push(message);
            if ready {
                let heard = Heard(heard);
                self.remember(format!("    {}", heard.words()));
                return Ok(heard);
            }
        }
    }

    /// A message that comes unasked, within so long; `None` is none.
    ///
    /// # Errors
    /// The connection has ended.
    pub fn unasked(&mut self, limit: Duration) -> io::Result<Option<Message>> {
        self.stream.set_read_timeout(Some(limit))?;
        let message = self.message();
        self.stream.set_read_timeout(Some(PATIENCE))?;
        match message {
            Ok(message) => Ok(Some(message)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The process id that it was told.
    pub fn pid(&self) -> i32 {
        self.key.0
    }

    fn remember(&mut self, word: String) {
        self.last.push_back(word);
        if self.last.len() > REMEMBERED {
            self.last.pop_front();
        }
    }

    /// What was said last, and heard.
    pub fn story(&self) -> String {
        self.last.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    /// The simple protocol.
    pub fn query(&mut self, text: &str) -> io::Result<Heard> {
        self.remember(text.to_owned());
        frontend::write_query(&mut self.output, text.as_bytes());
        self.hear()
    }

    /// Writes a statement by the extended protocol, without Sync.
    pub fn step(&mut self, text: &str, values: &[&str]) {
        self.remember(format!("{text} (extended)"));
        let values: Vec<Option<&[u8]>> =
            values.iter().map(|value| Some(value.as_bytes())).collect();
        let out = &mut self.output;
        frontend::parse(out, b"", text.as_bytes(), &[]).expect("short");
        frontend::bind(out, b"", b"", Format::Text, &values, Format::Text).expect("short");
        frontend::execute(out, b"", 0);
    }

    /// The extended protocol, one statement and Sync.
    pub fn extended(&mut self, text: &str, values: &[&str]) -> io::Result<Heard> {
        self.step(text, values);
        frontend::sync(&mut self.output);
        self.hear()
    }

    /// Must succeed.
    pub fn must(&mut self, text: &str) -> Heard {
        let heard = self.query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(heard.code(), None, "{text}: {}", heard.words());
        heard
    }

    /// Must fail with this code.
    pub fn fails(&mut self, text: &str, code: &str) -> Heard {
        let heard = self.query(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(heard.code().as_deref(), Some(code), "{text}: {}", heard.words());
        heard
    }

    /// Has what runs cancelled.
    pub fn cancel(port: u16, key: &(i32, Vec<u8>)) {
        let mut out = Vec::new();
        out.extend_from_slice(&i32::try_from(12 + key.1.len()).expect("short").to_be_bytes());
        out.extend_from_slice(&80_877_102_i32.to_be_bytes());
        out.extend_from_slice(&key.0.to_be_bytes());
        out.extend_from_slice(&key.1);
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.write_all(&out).expect("sent");
        let _ = stream.read(&mut [0]);
    }

    /// What [`Speaker::cancel`] takes.
    pub fn key(&self) -> (u16, (i32, Vec<u8>)) {
        (self.port, self.key.clone())
    }
}
