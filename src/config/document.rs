//! The merged settings (file, then environment, then flags) with a place for each of them.
//!
//! figment merges and remembers who wrote a value; toml_edit knows the lines of the file.
//! A [`Section`] joins the two: it reads one table. What is wrong with it is collected with its
//! place rather than returned, so that a person sees all mistakes at once.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};
use toml_edit::{ImDocument, Item};

use super::mistake::{Mistake, Place};
use super::section::Section;

const ENVIRONMENT: &str = "environment";
const FLAGS: &str = "flags";

/// One step of the way from the top to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// A key that the operator chose, as the name of a database.
    Name(String),
    Index(usize),
}

/// A setting from outside the file.
#[derive(Debug, Clone)]
struct Outside {
    /// The keys, from the top.
    keys: Vec<String>,
    /// The variable or flag as the operator knows it.
    origin: String,
    value: String,
}

/// The settings of one source outside the file, as figment wants them. Values stay text: what
/// a text means is decided by the setting that it is for (a password `007` is not a number).
struct Layer<'a>(&'static str, &'a [Outside]);

impl Provider for Layer<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let mut top = Dict::new();
        for setting in self.1 {
            insert(&mut top, &setting.keys, &setting.value);
        }
        Ok(Map::from([(Profile::Default, top)]))
    }
}

fn insert(dict: &mut Dict, keys: &[String], value: &str) {
    match keys {
        [] => {}
        [last] => {
            dict.insert(last.clone(), Value::from(value));
        }
        [first, rest @ ..] => {
            let inner = dict.entry(first.clone()).or_insert_with(|| Value::from(Dict::new()));
            if inner.as_dict().is_none() {
                *inner = Value::from(Dict::new());
            }
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// What the documentation says of a setting, recorded as the setting is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// From the top, with dots: `pool.size`, `database.<name>.rules`.
    pub path: String,
    /// As it would be written; `None` where there is none.
    pub default: Option<String>,
    /// What it may be: `1 to 10000`, `1s to 1h`, `text or json`.
    pub expected: String,
}

/// All that was written, in the file and outside.
pub(super) struct Document {
    file: PathBuf,
    text: String,
    toml: ImDocument<String>,
    outside: Vec<Outside>,
    merged: Dict,
    figment: Figment,
    pub mistakes: RefCell<Vec<Mistake>>,
    pub described: RefCell<Vec<Described>>,
}

impl Document {
    /// Reads and merges; `Err` when the file isn't TOML. `environment` holds the variables
    /// (others than `PGHERD_` are passed over), `flags` dotted keys with their values.
    pub fn read(
        file: &Path,
        text: String,
        environment: &[(String, String)],
        flags: &[(String, String)],
    ) -> Result<Document, Mistake> {
        let toml = ImDocument::parse(text.clone()).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(&text, span.start));
            let message = error.message().trim().replace('\n', "; ");
            Mistake {
                place: Place::Line(file.to_owned(), line),
                message: format!("this is not TOML: {message}"),
            }
        })?;
        let variables = variables(environment);
        let flags = flags.iter().map(flag).collect::<Vec<_>>();
        let figment = Figment::new()
            .merge(figment::providers::Data::<figment::providers::Toml>::string(&text))
            .merge(Layer(ENVIRONMENT, &variables))
            .merge(Layer(FLAGS, &flags));
        let merged = figment
            .data()
            .map_err(|error| Mistake {
                place: Place::File(file.to_owned()),
                message: error.to_string(),
            })?
            .remove(&Profile::Default)
            .unwrap_or_default();
        Ok(Document {
            file: file.to_owned(),
            text,
            toml,
            outside: variables.into_iter().chain(flags).collect(),
            merged,
            figment,
            mistakes: RefCell::default(),
            described: RefCell::default(),
        })
    }

    /// The whole, as a section.
    pub fn top(&self) -> Section<'_> {
        Section::top(self, &self.merged)
    }

    /// Whether what has this tag was written in a variable or a flag, where all is text.
    pub fn is_outside(&self, tag: Tag) -> bool {
        let metadata = self.figment.get_metadata(tag);
        metadata.is_some_and(|m| m.name == ENVIRONMENT || m.name == FLAGS)
    }

    /// Notes what is wrong with the value at `path`.
    pub fn mistake(&self, path: &[Step], tag: Option<Tag>, message: String) {
        let place = self.place(path, tag);
        self.mistakes.borrow_mut().push(Mistake { place, message });
    }

    /// Where the value at `path` was written; for one that is missing, where it should stand.
    fn place(&self, path: &[Step], tag: Option<Tag>) -> Place {
        let source = tag.and_then(|tag| self.figment.get_metadata(tag)).map(|m| &*m.name);
        if matches!(source, Some(ENVIRONMENT | FLAGS))
            && let Some(outside) = self.outside.iter().rev().find(|o| lies_below(&o.keys, path))
        {
            return if source == Some(FLAGS) {
                Place::Flag(outside.origin.clone())
            } else {
                Place::Variable(outside.origin.clone())
            };
        }
        match self.offset(path) {
            Some(offset) => Place::Line(self.file.clone(), line_at(&self.text, offset)),
            None => Place::File(self.file.clone()),
        }
    }

    /// The byte at which the deepest known part of `path` begins.
    fn offset(&self, path: &[Step]) -> Option<usize> {
        let mut item = self.toml.as_item();
        let mut best = None;
        for step in path {
            let (next, at) = match step {
                Step::Key(key) | Step::Name(key) => {
                    let table = item.as_table_like();
                    let Some((name, next)) = table.and_then(|t| t.get_key_value(key)) else {
                        break;
                    };
                    (next, name.span())
                }
                Step::Index(index) => {
                    let Some(next) = item.get(*index) else { break };
                    (next, next.span())
                }
            };
            best = at.or_else(|| next.span()).map(|span| span.start).or(best);
            // The header says more of a table than the first use of its name does.
            if let Item::Table(table) = next
                && !table.is_implicit()
                && let Some(span) = table.span()
            {
                best = Some(span.start);
            }
            item = next;
        }
        best
    }
}

/// A table that only variables have made has the place of its first.
fn lies_below(keys: &[String], path: &[Step]) -> bool {
    keys.len() >= path.len()
        && keys.iter().zip(path).all(|(key, step)| match step {
            Step::Key(name) | Step::Name(name) => key == name,
            Step::Index(_) => false,
        })
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

fn variables(environment: &[(String, String)]) -> Vec<Outside> {
    let mut found: Vec<Outside> = environment
        .iter()
        .filter_map(|(name, value)| {
            let keys = name.strip_prefix("PGHERD_")?.to_ascii_lowercase();
            // A setting lies in a section; PGHERD_X alone is for tools and tests.
            keys.contains("__").then(|| Outside {
                keys: keys.split("__").map(str::to_owned).collect(),
                origin: name.clone(),
                value: value.clone(),
            })
        })
        .collect();
    // A shorter path first: what contradicts it is then seen as a table in a value's place.
    found.sort_by(|a, b| a.keys.cmp(&b.keys));
    found
}

fn flag((path, value): &(String, String)) -> Outside {
    let keys = path.split('.').map(str::to_owned).collect();
    Outside { keys, origin: format!("--set {path}"), value: value.clone() }
}
