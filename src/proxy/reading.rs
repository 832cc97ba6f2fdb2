//! How a session's texts are read: what of its settings decides what a text means.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use super::control::PATH_SEPARATOR;
use super::session::Session;
use super::settings::SettingSet;
use super::state::Told;
use crate::routing::PlanContext;
use crate::sql::LexOptions;

/// How texts are read now.
#[derive(Debug)]
pub struct Reading {
    pub options: LexOptions,
    /// Texts and values are UTF-8, or bytes that nobody reads as anything.
    pub utf8: bool,
    /// The schemas that unqualified names are looked up in.
    path: Vec<Box<str>>,
    /// Tells readings apart.
    pub version: u64,
}

impl Reading {
    /// What a plan depends on.
    pub fn context(&self) -> PlanContext<'_> {
        PlanContext { search_path: &self.path }
    }
}

/// The last reading, and what it was made of: settings change seldom, texts come often.
#[derive(Debug, Default)]
pub struct LastReading(RefCell<Option<Made>>);

#[derive(Debug)]
struct Made {
    /// Kept, so that another can't come to lie in its place.
    hints: Arc<SettingSet>,
    told: Arc<Told>,
    reading: Arc<Reading>,
}

impl Session {
    /// How texts are read now.
    pub(super) fn reading(&self) -> Arc<Reading> {
        let (hints, told) = (self.state.hints.settings(), &self.state.told);
        let mut last = self.last_reading.0.borrow_mut();
        if let Some(made) = &*last
            && Arc::ptr_eq(&made.hints, hints)
            && Arc::ptr_eq(&made.told, told)
        {
            return Arc::clone(&made.reading);
        }
        let reading = Arc::new(self.read_settings());
        let (hints, told) = (Arc::clone(hints), Arc::clone(told));
        *last = Some(Made { hints, told, reading: Arc::clone(&reading) });
        reading
    }

    fn read_settings(&self) -> Reading {
        let told = |name: &str| self.state.told.get(name).map(|value| &**value);
        let options = LexOptions {
            standard_conforming_strings: told("standard_conforming_strings")
                .is_none_or(|value| value == "on"),
        };
        let path = self.search_path();
        let mut hasher = self.db.hasher.build_hasher();
        (&path, options).hash(&mut hasher);
        Reading {
            options,
            utf8: told("client_encoding").is_none_or(|value| matches!(value, "UTF8" | "SQL_ASCII")),
            path,
            version: hasher.finish(),
        }
    }

    fn search_path(&self) -> Vec<Box<str>> {
        let user = self
            .state
            .hints
            .get("role")
            .filter(|role| *role != "none")
            .or_else(|| self.state.hints.get("session_authorization"))
            .unwrap_or(&self.user);
        let set = self.state.hints.get("search_path");
        let own = set.map(|path| path.split(PATH_SEPARATOR).map(Box::from).collect());
        let path: Vec<Box<str>> = own.unwrap_or_else(|| self.base_path.to_vec());
        path.into_iter().map(|name| if &*name == "$user" { user.into() } else { name }).collect()
    }
}
