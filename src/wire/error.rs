//! What is said to a peer that breaks the protocol.

/// A peer broke the protocol, or a bound on what it may send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProtocolError {
    /// Five characters: 08P01 unless a more exact code exists.
    pub sqlstate: &'static str,
    pub message: String,
    /// What to do about it, where somebody can.
    pub hint: Option<String>,
    /// The boundaries of the following messages are lost, or the connection can't go on for
    /// another reason: it ends after this error. An error that isn't fatal leaves the stream at
    /// a frame's end, and a session can go on at the next Sync.
    pub fatal: bool,
}

impl ProtocolError {
    /// 08P01 in one message; the frames around it are whole.
    pub fn message(message: impl Into<String>) -> ProtocolError {
        ProtocolError::coded("08P01", message)
    }

    /// 08P01, and the stream's frames can't be told apart any more.
    pub fn fatal(message: impl Into<String>) -> ProtocolError {
        ProtocolError { fatal: true, ..ProtocolError::message(message) }
    }

    /// An error in one message with a code of its own.
    pub fn coded(sqlstate: &'static str, message: impl Into<String>) -> ProtocolError {
        ProtocolError { sqlstate, message: message.into(), hint: None, fatal: false }
    }

    /// Ends the connection.
    pub fn and_fatal(mut self) -> ProtocolError {
        self.fatal = true;
        self
    }

    /// Adds what to do.
    pub fn with_hint(mut self, hint: impl Into<String>) -> ProtocolError {
        self.hint = Some(hint.into());
        self
    }
}
