//! Why a shard can't be had, as a client is told.

use std::borrow::Cow;
use std::fmt;

use crate::wire::ProtocolError;
use crate::wire::backend::{ErrorFields, Report, Severity};

/// Becomes an ErrorResponse as it is: what, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// Five characters.
    pub sqlstate: Cow<'static, str>,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl ClusterError {
    pub fn new(sqlstate: impl Into<Cow<'static, str>>, message: impl Into<String>) -> ClusterError {
        ClusterError {
            sqlstate: sqlstate.into(),
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    pub fn with_detail(mut self, detail: impl Into<String>) -> ClusterError {
        self.detail = Some(detail.into());
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> ClusterError {
        self.hint = Some(hint.into());
        self
    }

    /// To be written to a client.
    pub fn report(&self, severity: Severity) -> Report<'_> {
        Report {
            detail: self.detail.as_deref(),
            hint: self.hint.as_deref(),
            ..Report::new(severity, &self.sqlstate, &self.message)
        }
    }
}

/// sqlclient_unable_to_establish_sqlconnection: no server says that of itself.
const NO_TLS: &str = "08001";

/// What came of an attempt to connect to one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectError {
    /// Nobody answers, or a server that is starting or stopping.
    Unreachable(String),
    /// The node is a replica, where a primary is wanted.
    Standby,
    /// The server answers, and says no: wrong password, no such database, no slots left.
    Refused { sqlstate: String, message: String },
    /// What answers doesn't speak as a Postgres server does, or asks for what we can't give.
    Protocol(ProtocolError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Unreachable(why) => f.write_str(why),
            ConnectError::Standby => f.write_str("it is a standby, not a primary"),
            ConnectError::Refused { message, .. } => f.write_str(message),
            ConnectError::Protocol(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for ConnectError {}

impl From<std::io::Error> for ConnectError {
    fn from(e: std::io::Error) -> ConnectError {
        ConnectError::Unreachable(e.to_string())
    }
}

impl From<ProtocolError> for ConnectError {
    fn from(e: ProtocolError) -> ConnectError {
        ConnectError::Protocol(e)
    }
}

impl ConnectError {
    /// From an ErrorResponse to the startup packet or what followed it.
    pub(super) fn answered(fields: ErrorFields<'_>) -> ConnectError {
        let sqlstate = String::from_utf8_lossy(fields.sqlstate()).into_owned();
        let message = String::from_utf8_lossy(fields.message()).into_owned();
        // Starting up, shutting down, crashed: it may be there again in a moment.
        if matches!(&*sqlstate, "57P01" | "57P02" | "57P03") {
            return ConnectError::Unreachable(message);
        }
        ConnectError::Refused { sqlstate, message }
    }

    /// Whether the node can't be used now as what it is taken for, by whomever.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, ConnectError::Unreachable(_) | ConnectError::Standby)
    }

    /// It can't be spoken to as `sslmode` wants.
    pub(super) fn about_tls(message: impl Into<String>) -> ConnectError {
        ConnectError::Refused { sqlstate: NO_TLS.to_owned(), message: message.into() }
    }

    pub(super) fn is_about_tls(&self) -> bool {
        matches!(self, ConnectError::Refused { sqlstate, .. } if sqlstate == NO_TLS)
    }

    /// The server's connection slots are all taken: another try later may find one.
    pub fn is_full(&self) -> bool {
        matches!(self, ConnectError::Refused { sqlstate, .. } if sqlstate == "53300")
    }

    /// The code under which a client hears of it.
    pub(super) fn sqlstate(&self) -> Cow<'static, str> {
        match self {
            ConnectError::Unreachable(_) | ConnectError::Standby => "57P03".into(),
            ConnectError::Refused { sqlstate, .. } if sqlstate.len() == 5 => {
                sqlstate.clone().into()
            }
            ConnectError::Refused { .. } => "08006".into(),
            ConnectError::Protocol(e) => e.sqlstate.into(),
        }
    }
}
