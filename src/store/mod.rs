//! The ordered store: what is kept, in what order, and who sees which entry of it.
//!
//! This file is the port: [`Entries`], [`Holds`], [`Registrar`] and [`Trail`], small synchronous
//! traits. An engine is a folder that implements them and owes the tests of
//! `contract.rs`: [`sqlite`] for a server, [`memory`] for tests and as their oracle.
//! What both must do alike is written once: [`admission`] (what may be added), [`hold`] (what
//! is kept from whom), [`order`] (when it counts as added), [`registry`] (what the registry may hold).
//!
//! Nothing here knows HTTP, files that people write, or which engine is in use.

pub mod admission;
#[cfg(test)]
mod contract;
pub mod hold;
pub mod memory;
pub mod order;
pub mod registry;
mod rules;
pub mod sqlite;

use crate::access::organisation::OrganisationKey;
use crate::access::permission::{CollectionKey, World};
use crate::access::terms::Terms;
use crate::audit;
use crate::stix::finding::Verdict;
use crate::stix::head::{Head, Spec};
use crate::stix::json::Digest;
use crate::stix::rules::version::Lineage;
use crate::taxii::filter::Filter;
use crate::taxii::page::Key;
use crate::taxii::status::{Details, Status};
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use hold::{From, Hold, Released, Span, Subject, Until, Version};
use registry::{Change, Refused, Registry, Rules};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use tokio::sync::oneshot::Sender;
use uuid::Uuid;

/// Why the store could not do its work. Nothing of the work was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Not now, but later perhaps: the disk is full or read-only, the writer has too much to do.
    #[error("{0}")]
    Unavailable(String),
    /// Not at all without somebody's help.
    #[error("{0}")]
    Broken(String),
}

/// Why a change of the registry was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The registry would no longer make sense.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A whole store.
pub trait Store: Entries + Holds + Registrar + Trail {}

impl<S: Entries + Holds + Registrar + Trail> Store for S {}

/// Objects, in the order of their `date_added`; and what became of requests to add them.
pub trait Entries: Send + Sync + 'static {
    /// Hands the entries that a caller asks for, in ascending order of `date_added`, to
    /// `take` until it breaks. Objects, manifest and versions are this one scan.
    fn scan(&self, scan: &Scan<'_>, take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>) -> Result<(), StoreError>;

    /// Hands every version of every object to `take`, whoever may see it, in ascending order of when it was
    /// first added, until it breaks.
    fn every(
        &self,
        collection: CollectionKey,
        take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// Adds what may be added, and keeps the status, in one step: when this returns, all of
    /// it is on disk and every scan that begins sees it.
    fn add(&self, push: Push) -> Result<Status, StoreError>;

    /// Deletes versions of one object, in one step.
    fn delete(&self, deletion: Deletion) -> Result<Deleted, StoreError>;

    /// Whose a versioned id is, if it ever was there.
    fn owner(&self, collection: CollectionKey, id: &str) -> Result<Option<OrganisationKey>, StoreError>;

    /// Which of these ids name nothing that a world sees.
    fn unknown(&self, collection: CollectionKey, world: World, ids: &[&str]) -> Result<Vec<String>, StoreError>;

    /// The status of an earlier request, unless its time is over.
    fn status(&self, id: Uuid) -> Result<Option<KeptStatus>, StoreError>;

    /// What every scan of a collection by a caller who looks at this time depends on, beside the question.
    fn edition(&self, collection: CollectionKey, at: Timestamp) -> Result<Edition, StoreError>;

    /// How many entries a collection has, and when the newest was added.
    fn extent(&self, collection: CollectionKey) -> Result<Extent, StoreError>;

    /// How many requests wait for the writer.
    fn queued(&self) -> usize;

    /// How large the store is, in octets.
    fn octets(&self) -> Result<u64, StoreError>;

    /// Whether it can still be written to at all, as far as it knows without trying.
    fn writable(&self) -> Result<(), StoreError>;
}

/// Holds: what is kept from whom.
pub trait Holds: Send + Sync + 'static {
    /// Places a hold, with its audit entry, in one step.
    fn place(&self, holding: Holding) -> Result<(), StoreError>;

    /// Ends a hold, with its audit entry. Gives how many versions others can see since; `None`: there is no such
    /// hold. One of everything from a time on may end in parts, each in one step: if a later part cannot be done
    /// now, the rest goes on by itself within a minute or two.
    fn release(&self, releasing: Releasing) -> Result<Option<usize>, StoreError>;

    /// The holds in force in a collection, in the order in which they were placed.
    fn holds(&self, collection: CollectionKey) -> Result<Vec<Hold>, StoreError>;

    /// What there is of an object, at one moment.
    fn held(&self, collection: CollectionKey, object: &str) -> Result<HeldObject, StoreError>;

    /// Ends holds whose time has come, or a part of them. A server's store does so by itself: it begins within a
    /// second.
    fn tend(&self) -> Result<(), StoreError>;
}

/// Roots, collections, organisations, credentials and grants.
pub trait Registrar: Send + Sync + 'static {
    /// All of them, as of now.
    fn registry(&self) -> Result<Registry, StoreError>;

    /// A number that differs from what it was whenever the registry differs. Cheap: asked on each request.
    fn generation(&self) -> Result<u64, StoreError>;

    /// Makes a change, with its audit entry, in one step.
    fn change(&self, change: &Change, actor: &audit::Actor) -> Result<(), ChangeError>;

    /// What this store's cursors are sealed with: made when the store was made.
    fn cursor_key(&self) -> Key;
}

/// The audit trail, for what changes nothing. Changes write their own entry as they commit.
pub trait Trail: Send + Sync + 'static {
    /// Takes an entry to be written with the next ones. Does not wait for the disk.
    fn note(&self, entry: audit::Entry);

    /// Takes an entry without which something must not happen, and does not wait either: `done` is
    /// told when the entry is on disk, or why it is not. If nobody waits for that any more before
    /// the entry's turn comes, it is left out.
    fn record(&self, entry: audit::Entry, done: Done);
}

/// Whom to tell that an entry is on disk, or why it is not.
pub type Done = Sender<Result<(), StoreError>>;

/// What is asked of a scan. The world narrows it before anything else: `last`, `first`, the
/// latest specification version and the end of a page are all computed as if what the
/// caller may not see did not exist.
#[derive(Clone, Debug)]
pub struct Scan<'q> {
    /// Where.
    pub collection: CollectionKey,
    /// Who looks.
    pub world: World,
    /// Which objects and versions.
    pub filter: &'q Filter,
    /// Only what was added strictly later.
    pub after: Option<Timestamp>,
    /// Whether rows need their text.
    pub with_text: bool,
}

/// One version of one object, as a scan hands it out.
#[derive(Debug)]
pub struct Row<'r> {
    /// Its place in the order.
    pub date_added: Timestamp,
    /// The object's id.
    pub id: &'r str,
    /// Its version, as it stands in the object; for what has none, its `date_added`.
    pub version: &'r str,
    /// Its specification version.
    pub spec: Spec,
    /// Its text as received; empty if the scan goes without.
    pub text: &'r [u8],
}

/// A request to add objects.
#[derive(Debug)]
pub struct Push {
    /// The id of the status that it will have.
    pub status: Uuid,
    /// The API root that it came to.
    pub root: String,
    /// Where to.
    pub collection: CollectionKey,
    /// The collection's id, for the audit entry.
    pub collection_id: String,
    /// What the submitter sees, and who it is.
    pub world: World,
    /// Whether the submitter may add versions of what others own.
    pub manage: bool,
    /// Who submits, for the audit entry.
    pub actor: audit::Actor,
    /// When the request came in.
    pub requested: Timestamp,
    /// How long the status is kept once complete, in seconds.
    pub keep_status: i64,
    /// The place of the first offer in the list that the submitter sent; failures name places in it.
    pub first: usize,
    /// What the collection does with what it is sent.
    pub rules: Rules,
    /// Whether the submitter may pass on what others created.
    pub relay: bool,
    /// Who manages the collection: what they say that a marking means, it means for all.
    pub managers: Vec<OrganisationKey>,
    /// Whether everything is decided, and nothing kept but the audit entry.
    pub dry_run: bool,
    /// The objects, in the order received.
    pub offers: Vec<Offer>,
}

/// One object of a request.
#[derive(Debug)]
pub enum Offer {
    /// It can be stored, if the collection allows.
    Sound(Box<Candidate>),
    /// Something is wrong with it already; it fails with this.
    Unsound(Details),
}

/// An object that can be stored.
#[derive(Debug)]
pub struct Candidate {
    /// What the server needs to know of it.
    pub head: Head,
    /// Its text, to the octet.
    pub text: Bytes,
    /// Names its text: SHA-256 in hexadecimal, as the trail has it.
    pub digest: String,
    /// Names its content: the same for other texts of the same JSON value.
    pub content: Digest,
    /// What it and other versions of the same object must agree about.
    pub lineage: Lineage,
    /// What it asks for, if it is a marking definition.
    pub says: Option<Terms>,
    /// Whom it names as its creator.
    pub author: Author,
    /// Whose identity its id is declared to be.
    pub declared: Declared,
    /// What its sender is told, although it can be stored.
    pub verdict: Verdict,
}

/// Whom an object names as its creator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// Its submitter, or nobody.
    Submitter,
    /// An identity that is not the submitter's.
    Another,
}

/// Whose identity an id is declared to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// Nobody's.
    Nobodys,
    /// Its submitter's.
    Submitters,
    /// Another organisation's.
    Anothers,
}

/// A request to place a hold.
#[derive(Debug)]
pub struct Holding {
    /// Where.
    pub collection: CollectionKey,
    /// The collection's id, for the audit entry.
    pub collection_id: String,
    /// The hold.
    pub hold: Hold,
    /// Who places it, for the audit entry.
    pub actor: audit::Actor,
}

/// An object as holds see it.
#[derive(Clone, Debug)]
pub struct HeldObject {
    /// Its versions, in ascending order of when they were first added.
    pub versions: Vec<Version>,
    /// The holds in force on it, and on single versions of it.
    pub holds: Vec<Hold>,
    /// The holds in force on parts of the order.
    pub spans: Vec<(Hold, Span)>,
}

/// A request to end a hold.
#[derive(Clone, Debug)]
pub struct Releasing {
    /// Where.
    pub collection: CollectionKey,
    /// The collection's id, for the audit entry.
    pub collection_id: String,
    /// The hold.
    pub id: Uuid,
    /// Who ends it, for the audit entry.
    pub actor: audit::Actor,
}

/// A request to delete versions of an object.
#[derive(Debug)]
pub struct Deletion {
    /// Where.
    pub collection: CollectionKey,
    /// The collection's id, for the audit entry.
    pub collection_id: String,
    /// What the caller sees, and who it is.
    pub world: World,
    /// Whether the caller may delete what others own.
    pub manage: bool,
    /// Who deletes, for the audit entry.
    pub actor: audit::Actor,
    /// When.
    pub at: Timestamp,
    /// The object.
    pub id: String,
    /// Which of its versions.
    pub filter: Filter,
}

/// What became of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// This many versions are gone.
    Versions(usize),
    /// There is nothing of that kind in the caller's world.
    Absent,
    /// It is there, and belongs to another organisation.
    Forbidden,
}

/// A status, and who may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptStatus {
    /// The API root that the request came to.
    pub root: String,
    /// The submitter.
    pub organisation: OrganisationKey,
    /// The collection that it was for.
    pub collection: CollectionKey,
    /// When it is forgotten.
    pub expires: Timestamp,
    /// The resource as JSON, to the octet as first given out.
    pub resource: Vec<u8>,
}

/// The extent of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many entries it has.
    pub entries: u64,
    /// When the newest was added.
    pub newest: Option<Timestamp>,
}

/// The state of a collection, as far as it can be told without looking at its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edition {
    /// Differs from what it was whenever a scan could find other entries than it did, but for those that
    /// ended by the passing of time.
    pub number: u64,
    /// When the next entry ends: from then on a scan could find others again.
    pub next_end: Option<Timestamp>,
}

impl Push {
    /// Whose definitions of markings count for what an organisation owns: its own, and those of who manages.
    fn speakers(&self, owner: OrganisationKey) -> Vec<OrganisationKey> {
        let submitter = self.manage.then_some(self.world.organisation);
        self.managers.iter().copied().chain([owner]).chain(submitter).collect()
    }
}

impl KeptStatus {
    /// What is kept of a status that was completed now.
    fn of(push: &Push, status: &Status, now: Timestamp) -> Self {
        Self {
            root: push.root.clone(),
            organisation: push.world.organisation,
            collection: push.collection,
            expires: now.plus_seconds(push.keep_status),
            // A struct of numbers and strings always has a JSON form.
            resource: serde_json::to_vec(status).unwrap_or_default(),
        }
    }
}

impl Deletion {
    /// Which entries are meant: those versions of that object.
    fn selection(&self) -> Filter {
        self.filter.clone().of_object(&self.id)
    }

    /// What the caller may delete: what it sees, if it manages; otherwise what it owns.
    fn own_world(&self) -> World {
        if self.manage { self.world } else { World { level: None, ..self.world } }
    }

    fn audit_entry(&self, deleted: Vec<audit::Gone>) -> audit::Entry {
        let action = audit::Action::Delete { collection: self.collection_id.clone(), object: self.id.clone(), deleted };
        audit::Entry { at: self.at, actor: self.actor.clone(), action }
    }
}

/// Gives the name of an organisation.
pub type Names<'n> = &'n dyn Fn(OrganisationKey) -> Option<String>;

impl Hold {
    /// The hold, as people are told of it.
    pub fn told(&self, name: Names<'_>) -> audit::Held {
        let (object, version_added, added_from) = match &self.subject {
            Subject::Object(id) => (Some(id.clone()), None, None),
            Subject::Version { object, added } => (Some(object.clone()), Some(*added), None),
            Subject::AddedFrom(time) => (None, None, Some(*time)),
        };
        let withheld_from = match &self.from {
            From::Everybody => Vec::new(),
            From::Organisations(keys) => keys.iter().copied().filter_map(name).collect(),
        };
        let (until, until_defined) = match &self.until {
            Until::Time(time) => (Some(*time), Vec::new()),
            Until::Release { .. } => (None, Vec::new()),
            Until::Marking { ids, .. } => (None, ids.clone()),
        };
        let (id, reason, placed, placed_by) = (self.id, self.reason.clone(), self.placed, self.placed_by);
        let placed_by = placed_by.and_then(name);
        audit::Held {
            id,
            object,
            version_added,
            added_from,
            withheld_from,
            until,
            until_defined,
            reason,
            placed,
            placed_by,
        }
    }

    /// What the trail says of a hold that the server placed by itself.
    fn audit_entry(&self, collection: &str, at: Timestamp) -> audit::Entry {
        let action = audit::Action::Hold { collection: collection.to_owned(), held: self.told(&|_| None) };
        audit::Entry { at, actor: audit::Actor::server(), action }
    }
}

impl Holding {
    fn audit_entry(&self, name: Names<'_>, at: Timestamp) -> audit::Entry {
        let action = audit::Action::Hold { collection: self.collection_id.clone(), held: self.hold.told(name) };
        audit::Entry { at, actor: self.actor.clone(), action }
    }
}

impl Released {
    /// What the trail says of a hold that ended by itself.
    fn audit_entry(&self, collection: &str, name: Names<'_>, at: Timestamp) -> audit::Entry {
        self.audit_entry_of(&audit::Actor::server(), collection, name, at)
    }

    /// The same, of one that somebody ended.
    fn audit_entry_of(&self, actor: &audit::Actor, collection: &str, name: Names<'_>, at: Timestamp) -> audit::Entry {
        let Self { hold, versions, added, more } = self;
        let added: BTreeSet<Timestamp> = added.iter().copied().collect();
        let (collection, held, added) = (collection.to_owned(), hold.told(name), added.into_iter().collect());
        let action = audit::Action::Release { collection, held, added, versions: *versions, more: *more };
        audit::Entry { at, actor: actor.clone(), action }
    }
}

impl Change {
    /// `before` and `after` are the whole registry.
    fn audit_entry(&self, at: Timestamp, actor: &audit::Actor, before: &Registry, after: &Registry) -> audit::Entry {
        let (before, after) = (self.record(before), self.record(after));
        let action = audit::Action::Administer { change: self.to_string(), before, after };
        audit::Entry { at, actor: actor.clone(), action }
    }
}
