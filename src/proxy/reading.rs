//! How a session's texts are read: what of its settings decides what a text means.

use std::borrow::Cow;
use std::cell::RefCell;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::control::PATH_SEPARATOR;
use super::session::Session;
use super::settings::SettingSet;
use super::state::Told;
use crate::routing::PlanContext;
use crate::sql::LexOptions;
use crate::wire::encoding::{self, Hiding};

/// How texts are read now.
#[derive(Debug)]
pub struct Reading {
    pub options: LexOptions,
    /// Texts and values are UTF-8, or bytes that nobody reads as anything.
    pub utf8: bool,
    mask: Mask,
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

    /// Nothing of a text is hidden from who reads it.
    pub fn reads_all(&self) -> bool {
        matches!(self.mask, Mask::Nothing)
    }

    /// A text as it can be read without conversion: what it says of effects and, in UTF-8, of
    /// names; of the same length.
    pub fn readable<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match self.mask {
            Mask::Nothing => Cow::Borrowed(text),
            Mask::Hiding(hiding) => hiding.mask(text),
            Mask::All => encoding::mask_all(text),
        }
    }
}

/// What of a text is not to be looked at.
#[derive(Debug, Clone, Copy)]
enum Mask {
    Nothing,
    /// Characters in which a byte may look like ASCII.
    Hiding(Hiding),
    /// Everything outside ASCII: on several shards a name must not be taken for another.
    All,
}

/// The last reading of a session that has other settings than it began with, and what it was made
/// of: settings change seldom, texts come often.
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
        if hints.is_empty() && Arc::ptr_eq(told, &self.welcome.told) {
            let reading = self.welcome.reading.get_or_init(|| Arc::new(self.read_settings()));
            return Arc::clone(reading);
        }
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
        let encoding = told("client_encoding");
        let utf8 = encoding.is_none_or(|value| matches!(value, "UTF8" | "SQL_ASCII"));
        let mask = match encoding.and_then(Hiding::of) {
            _ if !utf8 && !self.db.is_one_shard() => Mask::All,
            Some(hiding) => Mask::Hiding(hiding),
            None => Mask::Nothing,
        };
        let path = self.search_path();
        // The same bytes say one thing in each encoding.
        let version = self.db.hasher.hash_one((&path, options, encoding));
        Reading { options, utf8, mask, path, version }
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
        let path: Vec<Box<str>> = own.unwrap_or_else(|| self.welcome.search_path.to_vec());
        path.into_iter().map(|name| if &*name == "$user" { user.into() } else { name }).collect()
    }
}
