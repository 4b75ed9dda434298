//! What may be added to a collection, decided alike for every engine.
//!
//! * Same id and version, same content: a success, nothing is added. Other content: that
//!   object fails, the stored copy stays (STIX 2.1 §3.6).
//! * Ids of versioned objects are random, so they have one owner each per collection;
//!   every refusal to add to another's id says the same words, whether the submitter can
//!   see it or not.
//! * Ids without versions (cyber-observables) can be guessed, so they are judged in the
//!   submitter's world: what it cannot see does not stand in its way, and it learns nothing.
//! * Predefined markings are everybody's.

use super::{Candidate, Offer, Push, StoreError};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::audit::{Action, Entry, digest};
use crate::stix::head::Spec;
use crate::stix::json::Digest;
use crate::store::order;
use crate::taxii::status::{Details, Status};
use crate::taxii::timestamp::Timestamp;
use std::collections::HashMap;

/// What an engine shows and does while it holds its write lock.
pub trait Table {
    /// The owner of a versioned id: also after its last version is gone.
    fn owner(&mut self, id: &str) -> Result<Option<OrganisationKey>, StoreError>;
    /// The entry of this id, specification version and canonical version instant.
    fn version(&mut self, id: &str, spec: Spec, instant: &str) -> Result<Option<Held>, StoreError>;
    /// All entries of an id that have no version, the first added first.
    fn unversioned(&mut self, id: &str) -> Result<Vec<Held>, StoreError>;
    /// The highest `date_added` ever given in the collection.
    fn newest(&mut self) -> Result<Timestamp, StoreError>;
    /// Keeps an entry.
    fn insert(&mut self, addition: &Addition<'_>) -> Result<(), StoreError>;
}

/// An entry that is there already.
#[derive(Clone, Debug)]
pub struct Held {
    /// How far it may travel.
    pub level: Level,
    /// Who owns it.
    pub owner: OrganisationKey,
    /// Its version as the status gives it.
    pub version: String,
    /// Names its content.
    pub content: Digest,
}

/// An entry to keep.
#[derive(Debug)]
pub struct Addition<'p> {
    /// The object.
    pub candidate: &'p Candidate,
    /// Its level: the candidate's, but predefined markings are open to all.
    pub level: Level,
    /// The owner of its id.
    pub owner: OrganisationKey,
    /// Its place in the order.
    pub date_added: Timestamp,
}

pub(super) const NOT_YOURS: &str = "this id belongs to another organisation: only its owner adds versions of it";
pub(super) const OTHER_CONTENT: &str = "other content of this id and version is stored already, and stays";
pub(super) const OTHER_OBSERVABLE: &str = "other content of this id is stored already, and stays";

/// What is decided about one offer.
enum Verdict {
    /// It is added, for this owner.
    Add(OrganisationKey),
    /// It is there already, in this version.
    Held(String),
    /// It is the same as an earlier offer of this push that is added.
    SameAs(usize),
    /// It fails.
    Refused(&'static str),
}

/// Adds what may be added of `push` to `table`. Gives the status, and the audit entry to write with it.
pub fn add(table: &mut impl Table, push: &Push, now: Timestamp) -> Result<(Status, Entry), StoreError> {
    let mut admission = Admission { push, first: HashMap::new(), added: HashMap::new() };
    let verdicts = push.offers.iter().enumerate().map(|(at, offer)| match offer {
        Offer::Sound(candidate) => admission.judge(table, at, candidate).map(Some),
        Offer::Unsound(_) => Ok(None),
    });
    let verdicts: Vec<Option<Verdict>> = verdicts.collect::<Result<_, _>>()?;
    let stamps = keep(table, push, &verdicts, now)?;
    let status = status(push, &verdicts, &stamps);
    let entry = audit_entry(push, &status, &stamps, now);
    Ok((status, entry))
}

/// Inserts the added ones in the order of their stamps. Gives the stamps by offer.
fn keep(
    table: &mut impl Table,
    push: &Push,
    verdicts: &[Option<Verdict>],
    now: Timestamp,
) -> Result<HashMap<usize, Timestamp>, StoreError> {
    let mut additions = Vec::new();
    for (at, (offer, verdict)) in push.offers.iter().zip(verdicts).enumerate() {
        if let (Offer::Sound(candidate), Some(Verdict::Add(owner))) = (offer, verdict) {
            let level = if candidate.head.predefined { Level::Clear } else { candidate.level };
            additions.push((at, Addition { candidate, level, owner: *owner, date_added: Timestamp::EPOCH }));
        }
    }
    if additions.is_empty() {
        return Ok(HashMap::new());
    }
    let kinds: Vec<_> = additions.iter().map(|(_, addition)| (addition.level, addition.owner)).collect();
    for ((_, addition), stamp) in additions.iter_mut().zip(order::stamp(table.newest()?, now, &kinds)) {
        addition.date_added = stamp;
    }
    additions.sort_by_key(|(_, addition)| addition.date_added);
    additions.iter().try_for_each(|(_, addition)| table.insert(addition))?;
    Ok(additions.into_iter().map(|(at, addition)| (at, addition.date_added)).collect())
}

fn status(push: &Push, verdicts: &[Option<Verdict>], stamps: &HashMap<usize, Timestamp>) -> Status {
    let (mut successes, mut failures) = (Vec::new(), Vec::new());
    for (at, (offer, verdict)) in push.offers.iter().zip(verdicts).enumerate() {
        let (candidate, verdict) = match (offer, verdict) {
            (Offer::Sound(candidate), Some(verdict)) => (candidate, verdict),
            (Offer::Unsound(details), _) => {
                failures.push(details.clone());
                continue;
            }
            (Offer::Sound(_), None) => continue,
        };
        let own_version = candidate.head.version.as_ref().map(ToString::to_string);
        let stamped = |at: &usize| stamps.get(at).map(ToString::to_string).unwrap_or_default();
        let details = |version, message: Option<&str>| {
            let message = message.map(str::to_owned);
            Details { id: candidate.head.id.to_string(), version, message }
        };
        match verdict {
            Verdict::Add(_) => successes.push(details(own_version.unwrap_or_else(|| stamped(&at)), None)),
            Verdict::Held(version) => successes.push(details(version.clone(), Some("was there already"))),
            Verdict::SameAs(first) => {
                successes
                    .push(details(own_version.unwrap_or_else(|| stamped(first)), Some("occurs twice in this request")));
            }
            Verdict::Refused(reason) => {
                let message = format!("/objects/{}/id: {reason}", push.first + at);
                failures.push(details(own_version.unwrap_or_else(|| push.requested.to_string()), Some(&message)));
            }
        }
    }
    Status::complete(push.status, push.requested, successes, failures)
}

fn audit_entry(push: &Push, status: &Status, stamps: &HashMap<usize, Timestamp>, now: Timestamp) -> Entry {
    let mut digests = String::new();
    for (at, offer) in push.offers.iter().enumerate() {
        if let (Offer::Sound(candidate), true) = (offer, stamps.contains_key(&at)) {
            digests.push_str(&digest(&candidate.text));
        }
    }
    let action = Action::Add {
        collection: push.collection_id.clone(),
        status: push.status.to_string(),
        successes: status.successes().len(),
        failures: status.failures().len(),
        digest: digest(digests.as_bytes()),
    };
    Entry { at: now, actor: push.actor.clone(), action }
}

/// The judging of one push: earlier offers of it count as if they were stored.
struct Admission<'p> {
    push: &'p Push,
    /// The first offer of each id that will be added.
    first: HashMap<&'p str, usize>,
    /// Offers that will be added, by what makes them the same entry.
    added: HashMap<Identity<'p>, (usize, Digest)>,
}

/// Id, and specification version and instant if it has one.
type Identity<'p> = (&'p str, Option<(Spec, &'p str)>);

impl<'p> Admission<'p> {
    fn judge(&mut self, table: &mut impl Table, at: usize, candidate: &'p Candidate) -> Result<Verdict, StoreError> {
        let verdict = match &candidate.head.version {
            _ if candidate.head.predefined => self.predefined(table, candidate)?,
            Some(version) => self.versioned(table, candidate, version.instant())?,
            None => self.unversioned(table, candidate)?,
        };
        if matches!(verdict, Verdict::Add(_)) {
            self.first.entry(candidate.head.id.as_str()).or_insert(at);
            self.added.insert(identity(candidate), (at, candidate.content));
        }
        Ok(verdict)
    }

    fn predefined(&self, table: &mut impl Table, candidate: &Candidate) -> Result<Verdict, StoreError> {
        let id = candidate.head.id.as_str();
        if let Some(first) = self.first.get(id) {
            return Ok(Verdict::SameAs(*first));
        }
        let Some(version) = &candidate.head.version else { return Ok(Verdict::Refused(OTHER_CONTENT)) };
        for spec in [Spec::V20, Spec::V21] {
            if let Some(held) = table.version(id, spec, version.instant())? {
                return Ok(Verdict::Held(held.version));
            }
        }
        Ok(Verdict::Add(self.submitter()))
    }

    fn versioned(&self, table: &mut impl Table, candidate: &Candidate, instant: &str) -> Result<Verdict, StoreError> {
        let id = candidate.head.id.as_str();
        let owner = table.owner(id)?;
        if owner.is_none() && !self.first.contains_key(id) {
            return Ok(Verdict::Add(self.submitter()));
        }
        let owner = owner.unwrap_or(self.submitter());
        let may_add = owner == self.submitter() || self.push.manage;
        if let Some(held) = table.version(id, candidate.head.spec, instant)? {
            let visible = self.push.world.sees(held.level, held.owner);
            return Ok(match (visible, held.content == candidate.content) {
                (true, true) => Verdict::Held(held.version),
                (true, false) if may_add => Verdict::Refused(OTHER_CONTENT),
                _ => Verdict::Refused(NOT_YOURS),
            });
        }
        let fresh = if may_add { Verdict::Add(owner) } else { Verdict::Refused(NOT_YOURS) };
        Ok(self.unless_earlier(candidate, OTHER_CONTENT).unwrap_or(fresh))
    }

    fn unversioned(&self, table: &mut impl Table, candidate: &Candidate) -> Result<Verdict, StoreError> {
        let held = table.unversioned(candidate.head.id.as_str())?;
        let mut visible = held.into_iter().filter(|held| self.push.world.sees(held.level, held.owner)).peekable();
        if visible.peek().is_some() {
            let same = visible.find(|held| held.content == candidate.content);
            return Ok(same.map_or(Verdict::Refused(OTHER_OBSERVABLE), |held| Verdict::Held(held.version)));
        }
        let fresh = Verdict::Add(self.submitter());
        Ok(self.unless_earlier(candidate, OTHER_OBSERVABLE).unwrap_or(fresh))
    }

    /// The verdict if an earlier offer that is added is the same entry.
    fn unless_earlier(&self, candidate: &Candidate, other: &'static str) -> Option<Verdict> {
        let (first, content) = self.added.get(&identity(candidate))?;
        Some(if *content == candidate.content { Verdict::SameAs(*first) } else { Verdict::Refused(other) })
    }

    fn submitter(&self) -> OrganisationKey {
        self.push.world.organisation
    }
}

fn identity(candidate: &Candidate) -> Identity<'_> {
    let head = &candidate.head;
    (head.id.as_str(), head.version.as_ref().map(|version| (head.spec, version.instant())))
}
