//! What a client is told when pgherd itself doesn't do what was asked.

use std::borrow::Cow;

use bytes::BytesMut;

use crate::cluster::ClusterError;
use crate::routing::Refusal;
use crate::wire::ProtocolError;
use crate::wire::backend::{self, ErrorFields, Report, Severity};

/// An error of ours, as it goes to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The connection ends with it.
    pub fatal: bool,
    /// Five characters.
    pub sqlstate: Cow<'static, str>,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// A kept plan has become stale: drivers that find [`REVALIDATE`] in it prepare anew.
    pub stale_plan: bool,
    /// Characters from the start of the query, from 1.
    pub position: Option<usize>,
}

/// The function of Postgres that looks whether a plan is stale.
pub const REVALIDATE: &str = "RevalidateCachedQuery";

impl Failure {
    /// An ERROR: the session goes on.
    pub fn new(sqlstate: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            fatal: false,
            sqlstate: sqlstate.into(),
            message: message.into(),
            detail: None,
            hint: None,
            stale_plan: false,
            position: None,
        }
    }

    /// 0A000, with what to do instead.
    pub fn unsupported(message: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure::new("0A000", message).with_hint(hint)
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> Failure {
        self.detail = Some(detail.into());
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The connection ends with it.
    pub fn and_fatal(mut self) -> Failure {
        self.fatal = true;
        self
    }

    /// Appends the ErrorResponse.
    pub fn write(&self, out: &mut BytesMut) {
        let severity = if self.fatal { Severity::Fatal } else { Severity::Error };
        let report = Report {
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref(),
            routine: self.stale_plan.then_some(REVALIDATE),
            position: self.position,
            ..Report::new(severity, &self.sqlstate, &self.message)
        };
        backend::report(out, &report);
    }

    /// The same for a client whose encoding isn't UTF-8, which every encoding can say.
    pub fn in_ascii(&self) -> Failure {
        let plain = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
        };
        Failure {
            message: plain(&self.message),
            detail: self.detail.as_deref().map(plain),
            hint: self.hint.as_deref().map(plain),
            ..self.clone()
        }
    }

    /// What a server said, to be said in its place.
    pub fn from_server(fields: &ErrorFields<'_>) -> Failure {
        let text = |code| fields.get(code).map(|t| String::from_utf8_lossy(t).into_owned());
        Failure {
            fatal: false,
            sqlstate: String::from_utf8_lossy(fields.sqlstate()).into_owned().into(),
            message: text(b'M').unwrap_or_default(),
            detail: text(b'D'),
            hint: text(b'H'),
            stale_plan: fields.get(b'R') == Some(REVALIDATE.as_bytes()),
            position: text(b'P').and_then(|p| p.parse().ok()),
        }
    }

    /// 25P02: what Postgres says to anything but ROLLBACK after an error.
    pub fn in_failed_transaction() -> Failure {
        Failure::new(
            "25P02",
            "current transaction is aborted, commands ignored until end of transaction block",
        )
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure {
            fatal: false,
            sqlstate: refusal.sqlstate.into(),
            message: refusal.message,
            detail: refusal.detail,
            hint: refusal.hint,
            stale_plan: false,
            position: refusal.position.map(|position| position as usize),
        }
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Failure {
        Failure {
            fatal: error.fatal,
            sqlstate: error.sqlstate.into(),
            message: error.message,
            detail: None,
            hint: error.hint,
            stale_plan: false,
            position: None,
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Failure {
        Failure {
            fatal: false,
            sqlstate: error.sqlstate,
            message: error.message,
            detail: error.detail,
            hint: error.hint,
            stale_plan: false,
            position: None,
        }
    }
}
