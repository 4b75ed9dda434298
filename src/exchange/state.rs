//! The state that an answer depends on, so that somebody can wait for another one.

use super::{Exchange, Prepared, Session};
use crate::access::permission::CollectionKey;
use crate::store::StoreError;

/// The state of a collection, and of the registry. While it is the same, a caller is given no more than it was, but
/// for this: where a version ends by itself, an older one that was added later may be the last in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    edition: u64,
    generation: u64,
}

impl Exchange {
    /// The state that a collection is in. While nothing is committed, by whichever process, no query is made for it.
    pub fn state(&self, collection: CollectionKey) -> Result<State, StoreError> {
        let edition = self.store.edition(collection, self.now())?.number;
        Ok(State { edition, generation: self.store.generation()? })
    }
}

impl Session {
    /// The state in which the caller was given a page, or an earlier one.
    pub fn state(&self, page: &Prepared) -> State {
        State { edition: page.edition(), generation: self.registry.generation }
    }
}
