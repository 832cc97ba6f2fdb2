//! Prepared statements: a client's by its names, a connection's by ours.
//!
//! A client's statement is a text and the types given with it; it belongs to no connection.
//! When it is used, the connection at hand gets it prepared under a name of ours, unless an
//! equal one is there already, of whichever client.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use super::planner::Part;

/// A statement as a Parse message gives it.
#[derive(Debug)]
pub struct Statement {
    /// Its number in the [`Registry`].
    pub number: u64,
    pub text: Bytes,
    /// The world of its Parse.
    world: World,
    /// Its name on the servers.
    name: Bytes,
    /// As given; 0, or a list that is too short, leaves it to the server.
    pub types: Box<[u32]>,
    /// What a server said that the types are.
    learned: OnceLock<Box<[u32]>>,
    /// What servers said that its results look like.
    shape: Mutex<Option<Shape>>,
    /// What it is, and the world (router, search path) in which it is that.
    planned: Mutex<Option<(World, Option<Arc<Part>>)>>,
    /// What shards get of it in its place, where it was so last.
    pushed: Mutex<Option<Arc<Statement>>>,
}

/// What a plan depends on beside the text, as two hashes.
pub type World = (u64, u64);

/// What the results of a statement look like, as hashes.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// As its clients were told.
    told: u64,
    /// As a server said last, and the version of the schema under which it did.
    seen: u64,
    version: u64,
}

/// Whether clients that were told what a statement's results look like may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reliance {
    /// They were told nothing, or it still holds.
    Holds,
    /// The schema has changed since: a server must be asked.
    Ask,
    /// The results look otherwise now.
    Broken,
}

impl Statement {
    /// Its name on the servers.
    pub fn server_name(&self) -> Bytes {
        self.name.clone()
    }

    /// Whether a Parse of this text in this world makes the same statement.
    pub fn is(&self, text: &[u8], types: impl Iterator<Item = u32>, world: World) -> bool {
        self.world == world && self.text == text && types.eq(self.types.iter().copied())
    }

    /// The type of the parameter with this index, from 0: 0 when it isn't known.
    pub fn parameter_type(&self, index: usize) -> u32 {
        let learned = self.learned.get().and_then(|types| types.get(index));
        learned.or_else(|| self.types.get(index)).copied().unwrap_or(0)
    }

    /// One that no other client shares, of which nothing is known but its text.
    pub fn unregistered(text: &[u8]) -> Statement {
        Statement {
            number: 0,
            text: Bytes::copy_from_slice(text),
            world: World::default(),
            name: Bytes::new(),
            types: Box::default(),
            learned: OnceLock::new(),
            shape: Mutex::new(None),
            planned: Mutex::new(None),
            pushed: Mutex::new(None),
        }
    }

    /// The types of its parameters, as a server said them, or else as they were given.
    pub fn learned_types(&self) -> &[u32] {
        self.learned.get().unwrap_or(&self.types)
    }

    /// A server has described the statement.
    pub fn learn(&self, types: Box<[u32]>) {
        // Types learned twice are the same: the text and the given types decide them.
        let _ = self.learned.set(types);
    }

    /// The statement that shards get in its place: it stays the same one while its text does.
    pub fn with_text(&self, text: &[u8], registry: &Registry) -> Arc<Statement> {
        self.with_types(text, &self.types, registry)
    }

    /// The same, with the types of its parameters as far as they are known.
    pub fn filled(&self, text: &[u8], registry: &Registry) -> Arc<Statement> {
        self.with_types(text, self.learned_types(), registry)
    }

    fn with_types(&self, text: &[u8], types: &[u32], registry: &Registry) -> Arc<Statement> {
        let types = || types.iter().copied();
        let mut pushed = self.pushed.lock();
        match &*pushed {
            Some(known) if known.is(text, types(), self.world) => Arc::clone(known),
            _ => {
                let statement = registry.statement(text, types(), self.world);
                *pushed = Some(Arc::clone(&statement));
                statement
            }
        }
    }

    /// Whether shards got another one in its place before.
    pub fn was_pushed(&self) -> bool {
        self.pushed.lock().is_some()
    }

    /// A part of it, with some of its parameters in another order: their numbers, from 1.
    pub fn share(&self, text: &[u8], parameters: &[u16], registry: &Registry) -> Arc<Statement> {
        let place = |number: &u16| usize::from(*number).saturating_sub(1);
        let types = parameters.iter().map(|number| self.parameter_type(place(number)));
        registry.statement(text, types, self.world)
    }

    /// What it was found to be in this world, if it was looked at there last; `None` in it is
    /// an empty statement.
    pub fn part(&self, world: World) -> Option<Option<Arc<Part>>> {
        let planned = self.planned.lock();
        planned.as_ref().filter(|(known, _)| *known == world).map(|(_, part)| part.clone())
    }

    /// It has been looked at.
    pub fn remember(&self, world: World, part: Option<Arc<Part>>) {
        *self.planned.lock() = Some((world, part));
    }

    /// A server has described its results, under this version of the schema.
    pub fn see_shape(&self, hash: u64, version: u64) {
        let mut shape = self.shape.lock();
        let told = shape.as_ref().map_or(hash, |shape| shape.told);
        *shape = Some(Shape { told, seen: hash, version });
    }

    /// Whether what was told of its results holds under this version of the schema.
    pub fn reliance(&self, version: u64) -> Reliance {
        match *self.shape.lock() {
            None => Reliance::Holds,
            Some(shape) if shape.version != version => Reliance::Ask,
            Some(shape) if shape.told != shape.seen => Reliance::Broken,
            Some(_) => Reliance::Holds,
        }
    }

    /// Whether a server has described it.
    pub fn is_described(&self) -> bool {
        self.learned.get().is_some()
    }

    /// Bytes that keeping it takes.
    pub fn size(&self) -> usize {
        self.text.len() + self.types.len() * 4 + size_of::<Statement>()
    }
}

/// The name on the servers of the statement with this number.
pub fn server_name(number: u64) -> Bytes {
    Bytes::from(format!("pgherd_{number}"))
}

/// The statements that a client has prepared.
#[derive(Debug, Default)]
pub struct ClientStatements {
    named: HashMap<Bytes, Arc<Statement>>,
    unnamed: Option<Arc<Statement>>,
    bytes: usize,
}

/// How to take a change back, when a message before it failed and it was skipped.
#[derive(Debug)]
pub struct Before {
    name: Bytes,
    statement: Option<Arc<Statement>>,
}

impl ClientStatements {
    /// The statement with this name; the empty name is the unnamed one.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Statement>> {
        if name.is_empty() { self.unnamed.as_ref() } else { self.named.get(name) }
    }

    /// Bytes that all of them take; the session bounds them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts a statement under a name, or takes it away.
    pub fn put(&mut self, name: Bytes, statement: Option<Arc<Statement>>) -> Before {
        let added = statement.as_ref().map_or(0, |s| name.len() + s.size());
        let before = match (name.is_empty(), statement) {
            (true, statement) => std::mem::replace(&mut self.unnamed, statement),
            (false, Some(statement)) => self.named.insert(name.clone(), statement),
            (false, None) => self.named.remove(&name),
        };
        let removed = before.as_ref().map_or(0, |s| name.len() + s.size());
        self.bytes = self.bytes + added - removed;
        Before { name, statement: before }
    }

    /// A Query takes the unnamed statement's place.
    pub fn drop_unnamed(&mut self) {
        if let Some(statement) = self.unnamed.take() {
            self.bytes -= statement.size();
        }
    }

    /// Takes a change back; of several the last one first.
    pub fn take_back(&mut self, before: Before) {
        self.put(before.name, before.statement);
    }

    /// DISCARD ALL, DEALLOCATE ALL.
    pub fn clear_named(&mut self) {
        self.named.clear();
        self.bytes = self.unnamed.as_ref().map_or(0, |s| s.size());
    }
}

/// What makes two statements the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    text: Bytes,
    types: Box<[u32]>,
    /// Of its Parse: what a statement was told to be under another schema or search path, it
    /// need not be now.
    world: World,
}

/// The statements that any client of one database has prepared, each once, with a number that
/// is never used again: connections know their prepared statements by it.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    statements: HashMap<Key, Weak<Statement>>,
    last: u64,
    /// When there are so many, those that no client has any more are swept out.
    sweep_at: usize,
}

/// Below this, sweeping isn't worth a thought.
const SWEEP_AT_LEAST: usize = 1024;

impl Registry {
    /// The statement with this text and these types, prepared in this world.
    pub fn statement(
        &self,
        text: &[u8],
        types: impl Iterator<Item = u32>,
        world: World,
    ) -> Arc<Statement> {
        let key = Key { text: Bytes::copy_from_slice(text), types: types.collect(), world };
        let mut known = self.0.lock();
        if let Some(statement) = known.statements.get(&key).and_then(Weak::upgrade) {
            return statement;
        }
        known.last += 1;
        let statement = Arc::new(Statement {
            number: known.last,
            text: key.text.clone(),
            world,
            name: server_name(known.last),
            types: key.types.clone(),
            learned: OnceLock::new(),
            shape: Mutex::new(None),
            planned: Mutex::new(None),
            pushed: Mutex::new(None),
        });
        if known.statements.len() >= known.sweep_at {
            known.statements.retain(|_, statement| statement.strong_count() > 0);
            known.sweep_at = SWEEP_AT_LEAST.max(2 * known.statements.len());
        }
        known.statements.insert(key, Arc::downgrade(&statement));
        statement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: World = (1, 1);

    #[test]
    fn changes_are_taken_back_in_reverse() {
        let registry = Registry::default();
        let statement = |text: &str| Some(registry.statement(text.as_bytes(), [20].into_iter(), W));
        let mut s = ClientStatements::default();
        let name = Bytes::from_static(b"a");
        s.put(name.clone(), statement("SELECT 1"));
        let bytes = s.bytes();
        let first = s.put(name.clone(), None);
        let second = s.put(name.clone(), statement("SELECT 22"));
        assert_eq!(s.get(b"a").map(|s| &s.text[..]), Some(&b"SELECT 22"[..]));
        s.take_back(second);
        s.take_back(first);
        assert_eq!(s.get(b"a").map(|s| &s.text[..]), Some(&b"SELECT 1"[..]));
        assert_eq!(s.bytes(), bytes);
        s.put(name, None);
        assert_eq!(s.bytes(), 0);
    }

    #[test]
    fn equal_statements_are_one_while_somebody_has_them() {
        let registry = Registry::default();
        let get = |text: &str, types: &[u32]| {
            registry.statement(text.as_bytes(), types.iter().copied(), W)
        };
        let one = get("SELECT $1", &[20]);
        assert_eq!(get("SELECT $1", &[20]).number, one.number);
        assert_ne!(get("SELECT $1", &[23]).number, one.number);
        let number = one.number;
        drop(one);
        assert_ne!(get("SELECT $1", &[20]).number, number, "numbers are never used again");
    }

    #[test]
    fn statements_that_nobody_has_are_swept_out() {
        let registry = Registry::default();
        for i in 0..10 * SWEEP_AT_LEAST {
            registry.statement(format!("SELECT {i}").as_bytes(), [].into_iter(), W);
        }
        assert!(registry.0.lock().statements.len() <= SWEEP_AT_LEAST);
    }

    #[test]
    fn types_are_learned_once_a_server_describes_them() {
        let s = Registry::default().statement(b"SELECT $1, $2", [0].into_iter(), W);
        assert_eq!([s.parameter_type(0), s.parameter_type(1)], [0, 0]);
        s.learn(Box::new([20, 25]));
        assert_eq!([s.parameter_type(0), s.parameter_type(1)], [20, 25]);
    }

    #[test]
    fn what_clients_were_told_of_results_is_asked_again_after_a_change() {
        let s = Registry::default().statement(b"SELECT * FROM t", [].into_iter(), W);
        assert_eq!(s.reliance(1), Reliance::Holds);
        s.see_shape(7, 1);
        assert_eq!([s.reliance(1), s.reliance(2)], [Reliance::Holds, Reliance::Ask]);
        s.see_shape(8, 2);
        assert_eq!(s.reliance(2), Reliance::Broken);
        s.see_shape(7, 3);
        assert_eq!(s.reliance(3), Reliance::Holds);
        let registry = Registry::default();
        let in_world = |world| registry.statement(b"SELECT * FROM t", [].into_iter(), world);
        let (old, new) = (in_world((1, 1)), in_world((2, 1)));
        assert_ne!(old.number, new.number, "prepared anew after a change");
    }
}
