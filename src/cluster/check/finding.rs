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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// A code stands alone on its line in the sources: `"wal-level",`, or is named CODE.
    fn codes_in_the_sources() -> BTreeSet<String> {
        let mut codes = BTreeSet::new();
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cluster/check");
        for entry in fs::read_dir(directory).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let word = |line: &str| {
                let line = line.trim();
                let named = || line.strip_prefix("const CODE: &str = \"")?.strip_suffix("\";");
                let alone = || line.strip_prefix('"')?.strip_suffix("\",");
                let word = alone().or_else(named)?;
                let plain = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                plain.then(|| word.to_owned())
            };
            codes.extend(code.lines().filter_map(word));
        }
        codes
    }

    fn codes_in_the_documentation() -> BTreeSet<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        let text = fs::read_to_string(file).unwrap();
        let table = text.split("| code | severity |").nth(1).unwrap();
        let codes = table.lines().filter(|line| line.starts_with("| `"));
        codes
            .flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_code_is_documented() {
        let codes = codes_in_the_sources();
        assert!(codes.len() > 30, "{codes:?}");
        assert_eq!(codes, codes_in_the_documentation());
    }
}
