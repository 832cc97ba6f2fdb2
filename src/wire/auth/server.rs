//! Asking a client who it is.

use bytes::BytesMut;
use rand::RngCore;

use super::client::Shown;
use super::scram::{self, Binding, Verifier, equal};
use crate::wire::frontend::{self, SaslInitial};
use crate::wire::{ProtocolError, backend};

/// How clients of a user are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    #[default]
    ScramSha256,
    /// For clients that speak no SCRAM. Its hash is as good as the password.
    Md5,
    /// The password itself crosses the wire.
    Cleartext,
    /// Nobody is asked.
    Trust,
}

/// What we know of a user's password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Derived once when the secret is read, so that a login costs no derivation.
    scram: Option<Verifier>,
    /// `md5(password || user)` in hex.
    md5: Option<Box<str>>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Of a user who has no password: no proof of one lets anybody in.
    pub fn none() -> Secret {
        Secret { scram: None, md5: None }
    }

    /// From a password as an operator writes it: in plain, as `SCRAM-SHA-256$…`, or as
    /// `md5` and 32 hex digits. Deriving from a plain one takes milliseconds.
    pub fn read(user: &str, text: &str) -> Secret {
        if let Some(verifier) = Verifier::parse(text) {
            return Secret { scram: Some(verifier), md5: None };
        }
        if let Some(hash) = md5_hash(text) {
            return Secret { scram: None, md5: Some(hash.into()) };
        }
        Secret {
            scram: Some(Verifier::derive(text.as_bytes())),
            md5: Some(md5_hex(&[text.as_bytes(), user.as_bytes()]).into()),
        }
    }

    /// Whether a text is a password itself, and not what is made of one.
    pub fn is_password(text: &str) -> bool {
        Verifier::parse(text).is_none() && md5_hash(text).is_none()
    }

    /// Whether a client can be asked in this way.
    pub fn serves(&self, method: Method) -> bool {
        match method {
            Method::ScramSha256 => self.scram.is_some(),
            Method::Md5 => self.md5.is_some() || self.scram.is_some(),
            Method::Cleartext => self.md5.is_some() || self.scram.is_some(),
            Method::Trust => true,
        }
    }

    fn fits(&self, user: &str, password: &[u8]) -> bool {
        match (&self.md5, &self.scram) {
            (Some(hash), _) => {
                equal(md5_hex(&[password, user.as_bytes()]).as_bytes(), hash.as_bytes())
            }
            (None, Some(verifier)) => verifier.fits(password),
            (None, None) => false,
        }
    }
}

fn md5_hash(text: &str) -> Option<&str> {
    let hash = text.strip_prefix("md5")?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (hash.len() == 32 && hash.bytes().all(hex)).then_some(hash)
}

pub(super) fn md5_hex(parts: &[&[u8]]) -> String {
    use md5::{Digest, Md5};
    let mut md5 = Md5::new();
    parts.iter().for_each(|p| md5.update(p));
    md5.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// What an exchange wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Send what was written, then give the next message of type `p` to [`Exchange::step`].
    Wait,
    /// The client is who it says; AuthenticationOk was written.
    Done,
}

/// One client's proof, from the first question to AuthenticationOk.
#[derive(Debug)]
pub struct Exchange {
    user: Box<str>,
    secret: Option<Secret>,
    state: State,
    shown: Option<Shown>,
}

#[derive(Debug)]
enum State {
    Cleartext,
    Md5 { salt: [u8; 4] },
    ScramFirst { mock: Box<[u8]>, binding: Option<Box<[u8]>> },
    ScramFinal(Box<scram::Exchange>),
    Done,
}

impl Exchange {
    /// Writes the first question. `secret` is `None` for an unknown user, who is asked like any
    /// other; `mock` is a random secret of this process, for what an unknown user is told.
    /// `binding` is what a proof may be bound to over TLS, the
    /// [`end_point`](super::end_point::end_point) of our certificate; there must be none in
    /// plain text.
    pub fn start(
        method: Method,
        user: &str,
        secret: Option<Secret>,
        mock: &[u8],
        binding: Option<&[u8]>,
        out: &mut BytesMut,
    ) -> (Exchange, Step) {
        let hashed = secret.as_ref().is_none_or(|secret| secret.md5.is_some());
        let state = match method {
            Method::Trust if secret.is_some() => {
                backend::authentication_ok(out);
                State::Done
            }
            Method::Md5 if hashed => {
                let mut salt = [0; 4];
                rand::rng().fill_bytes(&mut salt);
                backend::authentication_md5(out, salt);
                State::Md5 { salt }
            }
            // As in Postgres, who has a verifier only is asked by it.
            Method::ScramSha256 | Method::Md5 | Method::Trust => {
                let mechanisms = [scram::MECHANISM_PLUS, scram::MECHANISM];
                let offered = if binding.is_some() { &mechanisms } else { &mechanisms[1..] };
                backend::authentication_sasl(out, offered);
                State::ScramFirst { mock: mock.into(), binding: binding.map(Box::from) }
            }
            Method::Cleartext => {
                backend::authentication_cleartext(out);
                State::Cleartext
            }
        };
        let step = if matches!(state, State::Done) { Step::Done } else { Step::Wait };
        (Exchange { user: user.into(), secret, state, shown: None }, step)
    }

    /// What the client has shown, by which the same can be proved to a server.
    pub fn shown(self) -> Option<Shown> {
        self.shown
    }

    /// Takes the body of the client's next message of type `p`. Every error is fatal; a wrong
    /// password and an unknown user are the same 28P01.
    pub fn step(&mut self, body: &[u8], out: &mut BytesMut) -> Result<Step, ProtocolError> {
        self.advance(body, out).map_err(ProtocolError::and_fatal)
    }

    fn advance(&mut self, body: &[u8], out: &mut BytesMut) -> Result<Step, ProtocolError> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::ScramFirst { mock, binding } => {
                let exchange = self.scram_first(body, &mock, binding.as_deref(), out)?;
                self.state = State::ScramFinal(Box::new(exchange));
                return Ok(Step::Wait);
            }
            State::ScramFinal(exchange) => {
                let (answer, keys) = exchange.finish(body)?.ok_or_else(|| self.failed())?;
                self.shown = Some(Shown::Keys(keys));
                backend::authentication_sasl_final(out, answer.as_bytes());
            }
            State::Cleartext => {
                let password = frontend::password(body)?;
                if !self.secret.as_ref().is_some_and(|s| s.fits(&self.user, password)) {
                    return Err(self.failed());
                }
                // One that is no text proves nothing to a server by other ways than this.
                let text = std::str::from_utf8(password).ok();
                self.shown = text.map(|text| Shown::Password(text.into()));
            }
            State::Md5 { salt } => {
                self.check_md5(frontend::password(body)?, salt)?;
                let hash = self.secret.as_ref().and_then(|secret| secret.md5.clone());
                self.shown = hash.map(Shown::Md5);
            }
            State::Done => {
                return Err(ProtocolError::message("authentication message after its end"));
            }
        }
        backend::authentication_ok(out);
        Ok(Step::Done)
    }

    fn scram_first(
        &self,
        body: &[u8],
        mock: &[u8],
        offered: Option<&[u8]>,
        out: &mut BytesMut,
    ) -> Result<scram::Exchange, ProtocolError> {
        let initial = SaslInitial::read(body)?;
        let plus = initial.mechanism == scram::MECHANISM_PLUS.as_bytes();
        let binding = match offered {
            Some(data) if plus => Binding::Chosen(data),
            Some(_) if initial.mechanism == scram::MECHANISM.as_bytes() => Binding::Declined,
            None if initial.mechanism == scram::MECHANISM.as_bytes() => Binding::Unavailable,
            _ => {
                return Err(ProtocolError::message(
                    "client selected an invalid SASL authentication mechanism",
                ));
            }
        };
        let first = initial
            .response
            .ok_or_else(|| ProtocolError::message("SASLInitialResponse holds no response"))?;
        let known = self.secret.as_ref().and_then(|s| s.scram.clone());
        let is_known = known.is_some();
        let verifier = known.unwrap_or_else(|| Verifier::mock(&self.user, mock));
        let (exchange, answer) = scram::Exchange::start(verifier, is_known, first, binding)?;
        backend::authentication_sasl_continue(out, answer.as_bytes());
        Ok(exchange)
    }

    fn check_md5(&self, answer: &[u8], salt: [u8; 4]) -> Result<(), ProtocolError> {
        let hash = self.secret.as_ref().and_then(|s| s.md5.as_deref());
        let expected = format!("md5{}", md5_hex(&[hash.unwrap_or("").as_bytes(), &salt]));
        if hash.is_some() & equal(expected.as_bytes(), answer) {
            Ok(())
        } else {
            Err(self.failed())
        }
    }

    fn failed(&self) -> ProtocolError {
        ProtocolError::coded(
            "28P01",
            format!("password authentication failed for user \"{}\"", self.user),
        )
    }
}
