//! Permissions: what a grant lets an organisation do in a collection.

use super::level::Level;
use super::organisation::OrganisationKey;
use serde::Serialize;

/// Names a collection inside a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    /// Who looks: an owner sees its own entries whatever their level.
    pub organisation: OrganisationKey,
    /// Entries up to this level are seen; `None`: only its own.
    pub level: Option<Level>,
}

impl World {
    /// Whether an entry of this level and owner is in it.
    pub fn sees(&self, level: Level, owner: OrganisationKey) -> bool {
        owner == self.organisation || self.level.is_some_and(|up_to| level <= up_to)
    }
}
