//! A connection on loan.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Shared;
use crate::cluster::Backend;

/// A connection on loan. Dropping it gives it back when it is clean, and closes it otherwise.
pub struct Lent {
    /// `None` only while being dropped.
    pub(super) backend: Option<Box<Backend>>,
    pub(super) pool: Arc<Shared>,
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
    }
}

impl Deref for Lent {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        match &self.backend {
            Some(backend) => backend,
            None => unreachable!("a loan without its connection is never handed out"),
        }
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Backend {
        match &mut self.backend {
            Some(backend) => backend,
            None => unreachable!("a loan without its connection is never handed out"),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(backend) = self.backend.take() {
            self.pool.take_back(backend);
        }
    }
}
