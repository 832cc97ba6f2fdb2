//! What a client has bound.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::edited::EditedText;
use super::planner::Part;
use super::state::Effect;
use super::statements::Statement;
use crate::routing::Leaves;
use crate::wire::frontend::Format;

/// A statement with its values, which the server has.
#[derive(Debug, Clone)]
pub struct Portal {
    pub statement: Arc<Statement>,
    pub part: Option<Arc<Part>>,
    /// Where the statement is one that was given the time: what the client's own is.
    pub edited: Option<Arc<EditedText>>,
    /// The session answers it by itself.
    pub local: bool,
    /// It does so by asking several shards.
    pub spread: Option<Arc<super::scatter::Spread>>,
    /// It does so by a COPY of several shards.
    pub copying: Option<Arc<super::copy::Copying>>,
    /// Of the columns that the session answers with by itself.
    pub formats: Box<[Format]>,
    /// EXPLAIN: what stands before the server's plan.
    pub explain: Option<Arc<super::explain::Shown>>,
    /// What running it does to the session, where that hangs on the parameters.
    pub effect: Effect,
    /// What running it leaves in the server's session.
    pub leaves: Leaves,
}

/// A client's portals by their names, until its transaction ends.
#[derive(Debug, Default)]
pub struct Portals {
    named: HashMap<Bytes, Portal>,
    bytes: usize,
}

impl Portals {
    pub fn get(&self, name: &[u8]) -> Option<&Portal> {
        self.named.get(name)
    }

    pub fn put(&mut self, name: &[u8], portal: Portal) {
        let added = size(name, &portal);
        let before = self.named.insert(Bytes::copy_from_slice(name), portal);
        self.bytes = self.bytes + added - before.map_or(0, |before| size(name, &before));
    }

    pub fn remove(&mut self, name: &[u8]) -> Option<Portal> {
        let portal = self.named.remove(name)?;
        self.bytes -= size(name, &portal);
        Some(portal)
    }

    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Its transaction has ended. The room is given back, too: most clients wait then.
    pub fn clear(&mut self) {
        if self.named.capacity() > 0 {
            *self = Portals::default();
        }
    }

    /// Bytes that the named ones take; the session bounds them. There is one unnamed one, no
    /// larger than its messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn size(name: &[u8], portal: &Portal) -> usize {
    if name.is_empty() {
        return 0;
    }
    name.len() + size_of::<(Bytes, Portal)>() + portal.statement.size() + portal.effect.bytes()
}
