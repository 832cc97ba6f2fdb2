//! Which prepared statements one server connection holds.

use std::collections::HashMap;

/// Statements by the number that the proxy gave to a text with its types; bounded, the least
/// recently used goes first.
#[derive(Debug)]
pub struct PreparedSet {
    capacity: usize,
    /// Number → when it was last used, in uses of this connection.
    used: HashMap<u64, u64, foldhash::fast::FixedState>,
    uses: u64,
}

impl PreparedSet {
    /// `capacity` is the most that the connection may hold; at least one.
    pub fn new(capacity: usize) -> PreparedSet {
        PreparedSet { capacity: capacity.max(1), used: HashMap::default(), uses: 0 }
    }

    /// Whether the connection holds it; counts as a use.
    pub fn touch(&mut self, statement: u64) -> bool {
        self.uses += 1;
        match self.used.get_mut(&statement) {
            Some(used) => {
                *used = self.uses;
                true
            }
            None => false,
        }
    }

    /// Records that it was prepared. Gives the statement that must be closed to make room.
    #[must_use]
    pub fn insert(&mut self, statement: u64) -> Option<u64> {
        self.uses += 1;
        let full = !self.used.contains_key(&statement) && self.used.len() >= self.capacity;
        // A scan of some hundred numbers, beside the parse on the server that a miss costs.
        let oldest = full.then(|| self.used.iter().min_by_key(|(_, used)| **used)).flatten();
        let evicted = oldest.map(|(statement, _)| *statement);
        if let Some(evicted) = evicted {
            self.used.remove(&evicted);
        }
        self.used.insert(statement, self.uses);
        evicted
    }

    /// Forgets one that wasn't prepared after all, or was closed.
    pub fn remove(&mut self, statement: u64) {
        self.used.remove(&statement);
    }

    /// Forgets all: DISCARD ALL, DEALLOCATE ALL.
    pub fn clear(&mut self) {
        self.used.clear();
    }

    /// The most that it may hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn len(&self) -> usize {
        self.used.len()
    }

    pub fn is_empty(&self) -> bool {
        self.used.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::PreparedSet;

    #[test]
    fn the_least_recently_used_makes_room() {
        let mut set = PreparedSet::new(2);
        assert_eq!(set.insert(1), None);
        assert_eq!(set.insert(2), None);
        assert!(set.touch(1));
        assert_eq!(set.insert(3), Some(2));
        assert_eq!(set.insert(3), None);
        assert!(!set.touch(2));
        set.remove(1);
        assert_eq!(set.insert(4), None);
        assert_eq!(set.len(), 2);
        set.clear();
        assert!(set.is_empty());
    }
}
