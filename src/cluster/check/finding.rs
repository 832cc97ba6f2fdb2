//! What a check found: how bad, where, and how to mend it.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Statements would fail, or could be answered wrongly.
    Error,
    /// Works today; something that an operator relies on doesn't hold, or won't later.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad`, so that a width given by the one who prints it counts.
        f.pad(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// Where it was found; what is `None` doesn't matter to the finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Where {
    pub database: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Box<str>>,
    /// `host:port`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Box<str>>,
    /// `schema.name`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<Box<str>>,
}

impl Where {
    pub fn database(name: &str) -> Where {
        Where { database: name.into(), ..Where::default() }
    }

    pub fn shard(&self, name: &str) -> Where {
        Where { shard: Some(name.into()), ..self.clone() }
    }

    pub fn node(&self, address: impl fmt::Display) -> Where {
        Where { node: Some(address.to_string().into()), ..self.clone() }
    }

    pub fn table(&self, name: impl fmt::Display) -> Where {
        Where { table: Some(name.to_string().into()), ..self.clone() }
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.database)?;
        for (what, name) in [("shard", &self.shard), ("node", &self.node), ("table", &self.table)] {
            if let Some(name) = name {
                write!(f, ", {what} {name}")?;
            }
        }
        Ok(())
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// A word for scripts, stable: `unreachable`, `no-primary`, `key-type`, …
    pub code: &'static str,
    #[serde(rename = "where")]
    pub place: Where,
    /// What was found; one sentence, no row data, no secret.
    pub message: String,
    /// What to do about it.
    pub mend: String,
}

/// A finding that is an error.
pub(super) fn error(
    code: &'static str,
    place: Where,
    message: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    let (message, mend) = (message.into(), mend.into());
    Finding { severity: Severity::Error, code, place, message, mend }
}

/// A finding that is a warning.
pub(super) fn warning(
    code: &'static str,
    place: Where,
    message: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding { severity: Severity::Warning, ..error(code, place, message, mend) }
}

/// A finding that is worth knowing.
pub(super) fn note(
    code: &'static str,
    place: Where,
    message: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding { severity: Severity::Note, ..error(code, place, message, mend) }
}
