//! Texts that were understood before, but for the numbers in them.
//!
//! What a client sends by the simple protocol is mostly a statement that it, or another, has
//! sent before with other integers. Of such a text neither the tokens nor the plan need to be
//! looked for: it has the [form](Form) of one that is known.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;
use parking_lot::Mutex;

use super::planner::Part;
use crate::sql::{Blank, Form};

/// What a form takes at most, roughly.
const FORM_BYTES: usize = 2048;
/// Places that are behind one lock.
const SHELF: usize = 64;

/// Plain statements by the form of their texts. Each form has one place that it can be in, so
/// that their number is a bound; the one that came last but once gets it.
pub struct Forms {
    shelves: Box<[Mutex<Shelf>]>,
    /// Seeded anew for each cache: nobody can choose two forms of one hash.
    hasher: RandomState,
}

type Shelf = Box<[Slot]>;

#[derive(Default)]
struct Slot {
    /// The hash of what came last: who comes twice is kept.
    seen: u64,
    known: Option<Arc<Known>>,
}

/// A statement that is plain, and the form that its text had.
#[derive(Debug)]
pub struct Known {
    form: Box<[u8]>,
    blanks: Box<[Blank]>,
    /// Of what the plan depends on beside the text.
    world: World,
    part: Part,
}

/// What a part is true under: the router's validity and the reading's version.
pub type World = (u64, u64);

/// What [`Forms::find`] found.
pub enum Found {
    /// The statement of a text of this form.
    Known(Arc<Known>),
    /// It came a second time: [`Forms::keep`] is worth while.
    Again(u64),
    No,
}

impl Forms {
    /// With room for as many as take so many bytes.
    pub fn new(bytes: usize) -> Forms {
        let shelves = (bytes / FORM_BYTES / SHELF).clamp(1, 64);
        let shelf = || Mutex::new((0..SHELF).map(|_| Slot::default()).collect());
        Forms { shelves: (0..shelves).map(|_| shelf()).collect(), hasher: RandomState::default() }
    }

    /// What is known of a text by its form. Who would have to wait for another thread knows
    /// nothing.
    pub fn find(&self, form: &Form<'_>, world: World) -> Found {
        let hash = self.hasher.hash_one(form);
        let (shelf, slot) = self.place(hash);
        let Some(mut shelf) = self.shelves[shelf].try_lock() else { return Found::No };
        let slot = &mut shelf[slot];
        if let Some(known) = &slot.known
            && known.world == world
            && form.is(&known.form)
        {
            slot.seen = hash;
            return Found::Known(Arc::clone(known));
        }
        if slot.seen == hash {
            return Found::Again(hash);
        }
        slot.seen = hash;
        Found::No
    }

    /// Keeps a part of the form that was found to come [again](Found::Again).
    pub fn keep(&self, hash: u64, form: &Form<'_>, world: World, part: Part) {
        let (bytes, blanks) = (form.bytes().into(), form.blanks().into());
        let known = Arc::new(Known { form: bytes, blanks, world, part });
        let (shelf, slot) = self.place(hash);
        self.shelves[shelf].lock()[slot].known = Some(known);
    }

    fn place(&self, hash: u64) -> (usize, usize) {
        let slot = hash as usize % SHELF;
        ((hash >> 32) as usize % self.shelves.len(), slot)
    }
}

impl Known {
    /// The statement, as it stands in the text that it was made of.
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The statement, as it stands in a text of this form.
    pub fn part_of(&self, form: &Form<'_>) -> Part {
        self.part.moved(&self.blanks, form.blanks())
    }
}
