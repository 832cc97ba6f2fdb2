//! Random schemas, rows and statements that have a meaning: what they answer is determined, but
//! for the order of rows where the statement says none.

mod expression;
mod query;
mod world;
mod write;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::answer::Order;

pub use world::{Tables, worlds};

/// Types of columns and expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Small,
    Int,
    Big,
    /// With a scale, so that what is equal looks alike.
    Num,
    /// Of any scale.
    Loose,
    Real,
    Float,
    Text,
    Name,
    Bool,
    Date,
    Stamp,
    Span,
    Uuid,
}

/// A column that a part of a statement can name.
#[derive(Debug, Clone)]
pub struct Shown {
    /// With the name of what it belongs to.
    pub name: String,
    pub kind: Kind,
    /// A shard key, or compared with one: its values are those of keys.
    pub key: bool,
}

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Select,
    Write,
}

/// A statement, and how its answer is compared.
#[derive(Debug)]
pub struct Statement {
    pub text: String,
    pub about: About,
    /// Values of `$1` and so on.
    pub parameters: Vec<Option<String>>,
    pub order: Order,
    /// The statement whose rows this one's are some of.
    pub out_of: Option<String>,
}

/// Makes one statement.
pub struct Generator<'t> {
    random: StdRng,
    tables: &'t Tables,
    names: usize,
    /// What was put in place of literals; none where the protocol has no place for it.
    parameters: Option<Vec<Option<String>>>,
    /// Keys that this statement likes, so that parts of it meet.
    favourites: [u32; 2],
}

impl<'t> Generator<'t> {
    /// For the statement of this number, on the tables of its world.
    pub fn new(seed: u64, number: u64, tables: &'t Tables, may_bind: bool) -> Generator<'t> {
        let mut random = StdRng::seed_from_u64(seed << 32 | number);
        let favourites = [world::key(&mut random), world::key(&mut random)];
        let parameters = (may_bind && random.random_bool(0.3)).then(Vec::new);
        Generator { random, tables, names: 0, parameters, favourites }
    }

    pub fn statement(mut self) -> Statement {
        if self.chance(12) {
            // A write is run by its text.
            self.parameters = None;
            let text = self.write();
            let about = About::Write;
            return Statement { text, about, parameters: vec![], order: Order::Free, out_of: None };
        }
        let (text, order, out_of) = self.select();
        let parameters = self.parameters.unwrap_or_default();
        Statement { text, about: About::Select, parameters, order, out_of }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.random_range(0..bound)
    }

    fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        from.choose(&mut self.random).expect("something to pick")
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        self.pick::<&'static str>(words)
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }
}
