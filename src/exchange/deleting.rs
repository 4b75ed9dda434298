//! Deleting: taking versions of an object out of a collection (TAXII 2.1 §5.7).

use super::{Error, Exchange};
use crate::access::permission::World;
use crate::audit::Actor;
use crate::store::registry::Collection;
use crate::store::{Deleted, Deletion};
use crate::taxii::filter::Filter;
use std::sync::Arc;

/// The right of one caller to delete from one collection: what it owns, and if it manages
/// the collection, all that it sees.
#[derive(Debug)]
pub struct Deleting {
    exchange: Arc<Exchange>,
    collection: Collection,
    world: World,
    manage: bool,
    actor: Actor,
}

impl Deleting {
    pub(super) fn new(
        exchange: Arc<Exchange>,
        collection: Collection,
        world: World,
        manage: bool,
        actor: Actor,
    ) -> Self {
        Self { exchange, collection, world, manage, actor }
    }

    /// Deletes versions of an object: by the letter of the standard the last one, unless the
    /// filter says otherwise; `all` takes the object away. Gives how many are gone.
    pub fn delete(&self, id: &str, filter: Filter) -> Result<usize, Error> {
        let deletion = Deletion {
            collection: self.collection.key,
            collection_id: self.collection.id.clone(),
            world: self.world,
            manage: self.manage,
            actor: self.actor.clone(),
            at: self.exchange.now(),
            id: id.to_owned(),
            filter,
        };
        match self.exchange.store.delete(deletion)? {
            Deleted::Versions(count) => Ok(count),
            Deleted::Absent => Err(Error::Absent),
            Deleted::Forbidden => Err(Error::Forbidden),
        }
    }
}
