//! Permissions: what a grant lets an organisation do in a collection.

use super::level::Level;
use super::organisation::OrganisationKey;
use crate::taxii::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Names a collection inside a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CollectionKey(pub i64);

/// What one organisation may do in one collection. A grant without any right still lets the
/// organisation know that the collection exists; without a grant, it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// To whom.
    pub organisation: OrganisationKey,
    /// Where.
    pub collection: CollectionKey,
    /// Read what is marked up to this level.
    pub read: Option<Level>,
    /// Add objects, and delete its own.
    pub write: bool,
    /// Write, and add versions of and delete the objects of others.
    pub manage: bool,
    /// Add objects whose `created_by_ref` is none of its own identities: what others created, passed on.
    pub relay: bool,
}

impl Grant {
    /// Whether it lets the organisation add objects.
    pub fn can_write(&self) -> bool {
        self.write || self.manage
    }
}

/// A caller's world in one collection: exactly the entries that it may see. Every answer is
/// computed over this world, as if other entries did not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// Who looks: an owner sees its own entries whatever their level and terms.
    pub organisation: OrganisationKey,
    /// Entries of others are seen up to this level; `None`: none is.
    pub level: Option<Level>,
    /// Its own entries are seen up to this level, which is not below the other.
    pub own: Level,
    /// When it looks: what has ended is seen no longer, but by its owner.
    pub at: Timestamp,
}

impl World {
    /// The world of an organisation that reads up to a level, by its full right.
    pub fn new(organisation: OrganisationKey, level: Option<Level>, at: Timestamp) -> Self {
        Self { organisation, level, own: Level::Red, at }
    }

    /// Whether an entry of this level, owner and end is in it, as far as these say.
    pub fn sees(&self, level: Level, owner: OrganisationKey, ends: Option<Timestamp>) -> bool {
        let own = owner == self.organisation;
        let up_to = if own { Some(self.own) } else { self.level };
        up_to.is_some_and(|up_to| level <= up_to) && (own || ends.is_none_or(|ends| self.at < ends))
    }
}
