//! Plans that were made before, by fingerprint.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::sql::{self, Fingerprint, Scanned};

use super::plan::{Plan, PlanContext};
use super::{Refusal, Router};

/// Plans and refusals by what they depend on: the statement without its literals, the
/// router's validity, the search path. Bounded by bytes; no lock is held while a statement
/// is parsed or planned, so that two sessions may plan the same statement at once.
pub struct PlanCache {
    plans: Cache<Key, Entry, Weight>,
    /// Seeded anew for each cache: nobody can choose two texts of one key.
    hash: RandomState,
    misses: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    fingerprint: Fingerprint,
    /// Of router, search path and lexer settings.
    world: u64,
    /// Of the literals, where the plan depends on them; 0 where it doesn't.
    text: u64,
}

#[derive(Clone)]
enum Entry {
    Plan(Arc<Plan>),
    Refused(Arc<Refusal>),
    /// There is an entry for each text.
    ExactText,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Entry> for Weight {
    fn weight(&self, _: &Key, entry: &Entry) -> u64 {
        let own = size_of::<Key>() + size_of::<Entry>() + 64;
        (own + match entry {
            Entry::Plan(plan) => plan.bytes(),
            Entry::Refused(refusal) => 200 + refusal.message.len(),
            Entry::ExactText => 0,
        }) as u64
    }
}

/// What a cache holds and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStats {
    pub plans: usize,
    pub bytes: u64,
    /// Statements that were parsed and planned.
    pub misses: u64,
}

impl PlanCache {
    /// `bytes` bounds what the plans take, roughly counted; at least one plan of that size.
    pub fn new(bytes: u64) -> PlanCache {
        // An OLTP plan takes about half a kilobyte.
        let items = usize::try_from(bytes / 512).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        PlanCache {
            plans: Cache::with_weighter(items, bytes.max(1), Weight),
            hash: RandomState::default(),
            misses: AtomicU64::new(0),
        }
    }

    /// The plan of a statement, from the cache or made now.
    ///
    /// # Errors
    /// The statement can't be parsed, or is refused whatever its values.
    pub fn get_or_plan(
        &self,
        text: &[u8],
        scanned: &Scanned,
        router: &Router,
        context: &PlanContext<'_>,
    ) -> Result<Arc<Plan>, Refusal> {
        let mut key = Key {
            fingerprint: scanned.fingerprint,
            world: self.world(scanned, router, context),
            text: 0,
        };
        let mut entry = self.plans.get(&key);
        if let Some(Entry::ExactText) = entry {
            key.text = self.exact(text, scanned);
            entry = self.plans.get(&key);
        }
        match entry {
            Some(Entry::Plan(plan)) => return Ok(plan),
            Some(Entry::Refused(refusal)) => return Err((*refusal).clone()),
            Some(Entry::ExactText) | None => {}
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let planned = sql::parse(text, scanned)
            .map_err(Refusal::from)
            .and_then(|statement| router.plan(text, scanned, &statement, context));
        match planned {
            Ok(plan) => {
                let plan = Arc::new(plan);
                if plan.exact_text && key.text == 0 {
                    self.plans.insert(key, Entry::ExactText);
                    key.text = self.exact(text, scanned);
                }
                self.plans.insert(key, Entry::Plan(Arc::clone(&plan)));
                Ok(plan)
            }
            Err(refusal) => {
                self.plans.insert(key, Entry::Refused(Arc::new(refusal.clone())));
                Err(refusal)
            }
        }
    }

    fn world(&self, scanned: &Scanned, router: &Router, context: &PlanContext<'_>) -> u64 {
        self.hash.hash_one((router.validity(), context.search_path, scanned.options))
    }

    /// The exact text of the statement; never 0.
    fn exact(&self, text: &[u8], scanned: &Scanned) -> u64 {
        self.hash.hash_one(text.get(scanned.range.clone())) | 1
    }

    pub fn stats(&self) -> CacheStats {
        CacheStats {
            plans: self.plans.len(),
            bytes: self.plans.weight(),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }
}
