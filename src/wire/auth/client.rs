//! Answering a server that asks who we are.

use std::fmt;

use bytes::BytesMut;
use postgres_protocol::authentication::{md5_hash, sasl};

use crate::wire::backend::Authentication;
use crate::wire::{ProtocolError, frontend};

/// Who we are to a server.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: Box<str>,
    /// `None`: only a server that asks for nothing lets us in.
    pub password: Option<Box<str>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// One exchange, up to AuthenticationOk.
pub struct Exchange<'l> {
    login: &'l Login,
    scram: Scram,
}

enum Scram {
    None,
    Started(Box<sasl::ScramSha256>),
    /// Our proof was sent; the server still owes its own.
    Proved(Box<sasl::ScramSha256>),
    Verified,
}

impl<'l> Exchange<'l> {
    pub fn new(login: &'l Login) -> Exchange<'l> {
        Exchange { login, scram: Scram::None }
    }

    /// Takes the server's next Authentication message and appends the answer. True when the
    /// server is satisfied, and, after SCRAM, has proved that it knows the password too.
    pub fn step(
        &mut self,
        message: Authentication<'_>,
        out: &mut BytesMut,
    ) -> Result<bool, ProtocolError> {
        match (message, std::mem::replace(&mut self.scram, Scram::None)) {
            (Authentication::Ok, Scram::None | Scram::Verified) => return Ok(true),
            (Authentication::Cleartext, Scram::None) => {
                frontend::write_password(out, self.password()?.as_bytes());
            }
            (Authentication::Md5 { salt }, Scram::None) => {
                let password = self.password()?.as_bytes();
                let answer = md5_hash(self.login.user.as_bytes(), password, salt);
                frontend::write_password(out, answer.as_bytes());
            }
            (Authentication::Sasl(mechanisms), Scram::None) => {
                if !mechanisms.iter().any(|m| m == sasl::SCRAM_SHA_256.as_bytes()) {
                    return Err(ProtocolError::coded(
                        "0A000",
                        "the server offers no SASL mechanism that is spoken here",
                    ));
                }
                let binding = sasl::ChannelBinding::unsupported();
                let scram = sasl::ScramSha256::new(self.password()?.as_bytes(), binding);
                frontend::write_sasl_initial(out, sasl::SCRAM_SHA_256, scram.message());
                self.scram = Scram::Started(Box::new(scram));
            }
            (Authentication::SaslContinue(data), Scram::Started(mut scram)) => {
                scram.update(data).map_err(refused)?;
                frontend::write_sasl_response(out, scram.message());
                self.scram = Scram::Proved(scram);
            }
            (Authentication::SaslFinal(data), Scram::Proved(mut scram)) => {
                scram.finish(data).map_err(refused)?;
                self.scram = Scram::Verified;
            }
            (Authentication::Other(code), _) => {
                return Err(ProtocolError::coded(
                    "0A000",
                    format!("the server asks for authentication of kind {code}, not spoken here"),
                )
                .with_hint("Let it ask for scram-sha-256 in its pg_hba.conf."));
            }
            _ => {
                return Err(ProtocolError::message(
                    "the server's authentication messages are out of order",
                ));
            }
        }
        Ok(false)
    }

    fn password(&self) -> Result<&'l str, ProtocolError> {
        self.login.password.as_deref().ok_or_else(|| {
            ProtocolError::coded(
                "28000",
                format!("the server asks for user \"{}\"'s password; none is set", self.login.user),
            )
        })
    }
}

fn refused(e: std::io::Error) -> ProtocolError {
    ProtocolError::coded("28000", format!("SCRAM with the server failed: {e}"))
}
