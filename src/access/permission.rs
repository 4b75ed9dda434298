//! Permissions: what a grant lets an organisation do in a collection.

use super::credential::{Credential, Secret};
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

    /// What is left of it for who comes with this credential.
    pub fn by(self, credential: &Credential) -> Option<Self> {
        credential.secret().map_or(Some(self), |secret| self.through(secret))
    }

    /// What is left of it for who shows a secret: nothing but in the secret's collections, reading
    /// up to its ceiling, writing if it says so, and never managing.
    pub fn through(self, secret: &Secret) -> Option<Self> {
        let write = secret.write && self.can_write();
        secret.collections.contains(&self.collection).then_some(Self {
            read: self.read.map(|level| level.min(secret.highest())),
            write,
            manage: false,
            relay: self.relay && write,
            ..self
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_gives_no_more_than_its_organisations_grant_and_no_more_than_itself() {
        let secret = |ceiling, write, collection| Secret {
            hash: [0; 32],
            addresses: Vec::new(),
            ceiling,
            collections: vec![CollectionKey(collection)],
            write,
        };
        let all = Grant {
            organisation: OrganisationKey(1),
            collection: CollectionKey(1),
            read: Some(Level::Red),
            write: true,
            manage: true,
            relay: true,
        };
        let none = Grant { read: None, write: false, manage: false, relay: false, ..all };
        for (grant, secret, expected) in [
            (all, secret(Level::Red, true, 1), Some((Some(Level::AmberStrict), true, true))),
            (all, secret(Level::Green, false, 1), Some((Some(Level::Green), false, false))),
            (
                Grant { read: Some(Level::Clear), ..all },
                secret(Level::Green, true, 1),
                Some((Some(Level::Clear), true, true)),
            ),
            (Grant { write: false, ..all }, secret(Level::Green, true, 1), Some((Some(Level::Green), true, true))),
            (none, secret(Level::Green, true, 1), Some((None, false, false))),
            (all, secret(Level::Green, true, 2), None),
        ] {
            let through = grant.through(&secret);
            assert_eq!(through.map(|grant| (grant.read, grant.write, grant.relay)), expected, "{grant:?} {secret:?}");
            assert!(through.is_none_or(|grant| !grant.manage));
        }
    }
}
