//! What may be added to a collection, decided alike for every engine.
//!
//! * Same id and version, same content: a success, nothing is added. Other content: that
//!   object fails, the stored copy stays (STIX 2.1 §3.6).
//! * Ids of versioned objects are random, so they have one owner each per collection;
//!   every refusal to add to another's id says the same words, whether the submitter can
//!   see it or not.
//! * Ids without versions (cyber-observables) can be guessed, so they are judged in the
//!   submitter's world: what it cannot see does not stand in its way, and it learns nothing.
//! * A version agrees with the others of its object that the submitter can see
//!   ([`crate::stix::rules::version`]).
//! * Predefined markings are everybody's.

use super::{Candidate, Offer, Push, StoreError};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::World;
use crate::audit::{Action, Entry, digest};
use crate::stix::finding::{Finding, Verdict};
use crate::stix::head::Spec;
use crate::stix::json::Digest;
use crate::stix::rules::version::Lineage;
use crate::store::order;
use crate::taxii::status::{self, Details, Status};
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
    /// What the latest version of an id says that a world sees, in one specification version.
    fn latest(&mut self, id: &str, spec: Spec, world: World) -> Result<Option<Lineage>, StoreError>;
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
enum Decision {
    /// It is added, for this owner; and what there is to say of it beside other versions.
    Add(OrganisationKey, Vec<Finding>),
    /// It is there already, in this version.
    Held(String),
    /// It is the same as an earlier offer of this push that is added.
    SameAs(usize),
    /// It does not agree with other versions of its object.
    Disagrees(Vec<Finding>),
    /// It fails.
    Refused(&'static str),
}

impl Decision {
    /// The place of the offer whose entry the offer at `at` ends up as.
    fn entry<'d>(&'d self, at: &'d usize) -> &'d usize {
        if let Self::SameAs(first) = self { first } else { at }
    }
}

/// Adds what may be added of `push` to `table`. Gives the status, and the audit entry to write with it.
pub fn add(table: &mut impl Table, push: &Push, now: Timestamp) -> Result<(Status, Entry), StoreError> {
    let mut admission = Admission { push, first: HashMap::new(), latest: HashMap::new(), added: HashMap::new() };
    let decisions = push.offers.iter().enumerate().map(|(at, offer)| match offer {
        Offer::Sound(candidate) => admission.judge(table, at, candidate).map(Some),
        Offer::Unsound(_) => Ok(None),
    });
    let decisions: Vec<Option<Decision>> = decisions.collect::<Result<_, _>>()?;
    let stamps = keep(table, push, &decisions, now)?;
    let status = status(push, &decisions, &stamps);
    let entry = audit_entry(push, &status, &stamps, now);
    Ok((status, entry))
}

/// Inserts the added ones in the order of their stamps, unless all is but tried. Gives the stamps by offer.
fn keep(
    table: &mut impl Table,
    push: &Push,
    decisions: &[Option<Decision>],
    now: Timestamp,
) -> Result<HashMap<usize, Timestamp>, StoreError> {
    let mut additions = Vec::new();
    for (at, (offer, decision)) in push.offers.iter().zip(decisions).enumerate() {
        if let (Offer::Sound(candidate), Some(Decision::Add(owner, _))) = (offer, decision) {
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
    if !push.dry_run {
        additions.iter().try_for_each(|(_, addition)| table.insert(addition))?;
    }
    Ok(additions.into_iter().map(|(at, addition)| (at, addition.date_added)).collect())
}

fn status(push: &Push, decisions: &[Option<Decision>], stamps: &HashMap<usize, Timestamp>) -> Status {
    let (mut successes, mut failures) = (Vec::new(), Vec::new());
    for (at, (offer, decision)) in push.offers.iter().zip(decisions).enumerate() {
        let (candidate, decision) = match (offer, decision) {
            (Offer::Sound(candidate), Some(decision)) => (candidate, decision),
            (Offer::Unsound(details), _) => {
                failures.push(details.clone());
                continue;
            }
            (Offer::Sound(_), None) => continue,
        };
        let place = push.first + at;
        let version = version(push, decision, candidate, stamps.get(decision.entry(&at)));
        let details = |message| Details { id: candidate.head.id.to_string(), version, message };
        match decision {
            Decision::Add(_, beside) => successes.push(details(remark(place, candidate, beside, push.dry_run))),
            Decision::Held(_) => successes.push(details(Some(status::WAS_THERE.to_owned()))),
            Decision::SameAs(_) => successes.push(details(Some(status::OCCURS_TWICE.to_owned()))),
            Decision::Disagrees(findings) => {
                failures.push(details(Some(status::message(place, findings, findings.len()))));
            }
            Decision::Refused(reason) => failures.push(details(Some(format!("/objects/{place}/id: {reason}")))),
        }
    }
    let status = Status::complete(push.status, push.requested, successes, failures);
    if push.dry_run { status.of_dry_run() } else { status }
}

/// The version as a status gives it: the object's own; for what has none, when it was added.
fn version(push: &Push, decision: &Decision, candidate: &Candidate, stamp: Option<&Timestamp>) -> String {
    match (decision, &candidate.head.version) {
        (Decision::Held(version), _) => version.clone(),
        (_, Some(version)) => version.to_string(),
        (_, None) => stamp.unwrap_or(&push.requested).to_string(),
    }
}

/// What the sender of an object that is added is told besides: the warnings.
fn remark(place: usize, candidate: &Candidate, beside: &[Finding], dry_run: bool) -> Option<String> {
    let findings = [candidate.verdict.findings(), beside].concat();
    let warnings = status::message(place, &findings, candidate.verdict.count() + beside.len());
    match (dry_run, findings.is_empty()) {
        (false, true) => None,
        (false, false) => Some(format!("warning: {warnings}")),
        (true, true) => Some("not stored: this was a dry run".to_owned()),
        (true, false) => Some(format!("not stored: this was a dry run; warning: {warnings}")),
    }
}

fn audit_entry(push: &Push, status: &Status, stamps: &HashMap<usize, Timestamp>, now: Timestamp) -> Entry {
    let mut digests = String::new();
    for (at, offer) in push.offers.iter().enumerate() {
        if let (Offer::Sound(candidate), true) = (offer, stamps.contains_key(&at)) {
            digests.push_str(&digest(&candidate.text));
        }
    }
    let (successes, failures) = (status.successes().len(), status.failures().len());
    let (collection, status) = (push.collection_id.clone(), push.status.to_string());
    let action = if push.dry_run {
        Action::DryRun { collection, status, successes, failures }
    } else {
        Action::Add { collection, status, successes, failures, digest: digest(digests.as_bytes()) }
    };
    Entry { at: now, actor: push.actor.clone(), action }
}

/// The judging of one push: earlier offers of it count as if they were stored.
struct Admission<'p> {
    push: &'p Push,
    /// The first offer of each id that will be added.
    first: HashMap<&'p str, usize>,
    /// What the latest offer of each id that will be added says.
    latest: HashMap<&'p str, &'p Lineage>,
    /// Offers that will be added, by what makes them the same entry.
    added: HashMap<Identity<'p>, (usize, Digest)>,
}

/// Id, and specification version and instant if it has one.
type Identity<'p> = (&'p str, Option<(Spec, &'p str)>);

impl<'p> Admission<'p> {
    fn judge(&mut self, table: &mut impl Table, at: usize, candidate: &'p Candidate) -> Result<Decision, StoreError> {
        let decision = match &candidate.head.version {
            _ if candidate.head.predefined => self.predefined(table, candidate)?,
            Some(version) => self.versioned(table, candidate, version.instant())?,
            None => self.unversioned(table, candidate)?,
        };
        if matches!(decision, Decision::Add(..)) {
            let id = candidate.head.id.as_str();
            self.first.entry(id).or_insert(at);
            self.added.insert(identity(candidate), (at, candidate.content));
            let latest = self.latest.entry(id).or_insert(&candidate.lineage);
            if candidate.lineage.is_later_than(latest) {
                *latest = &candidate.lineage;
            }
        }
        Ok(decision)
    }

    fn predefined(&self, table: &mut impl Table, candidate: &Candidate) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        if let Some(first) = self.first.get(id) {
            return Ok(Decision::SameAs(*first));
        }
        let Some(version) = &candidate.head.version else { return Ok(Decision::Refused(OTHER_CONTENT)) };
        for spec in [Spec::V20, Spec::V21] {
            if let Some(held) = table.version(id, spec, version.instant())? {
                return Ok(Decision::Held(held.version));
            }
        }
        Ok(Decision::Add(self.submitter(), Vec::new()))
    }

    fn versioned(&self, table: &mut impl Table, candidate: &Candidate, instant: &str) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        let owner = table.owner(id)?;
        if owner.is_none() && !self.first.contains_key(id) {
            return Ok(Decision::Add(self.submitter(), Vec::new()));
        }
        let owner = owner.unwrap_or(self.submitter());
        let may_add = owner == self.submitter() || self.push.manage;
        if let Some(held) = table.version(id, candidate.head.spec, instant)? {
            let visible = self.push.world.sees(held.level, held.owner);
            return Ok(match (visible, held.content == candidate.content) {
                (true, true) => Decision::Held(held.version),
                (true, false) if may_add => Decision::Refused(OTHER_CONTENT),
                _ => Decision::Refused(NOT_YOURS),
            });
        }
        match self.unless_earlier(candidate, OTHER_CONTENT) {
            Some(decision) => Ok(decision),
            None if may_add => self.beside(table, candidate, owner),
            None => Ok(Decision::Refused(NOT_YOURS)),
        }
    }

    /// Decides about a new version of an object by the latest of the versions that the submitter
    /// can see, stored and in this push: what they all agree about, the latest says, too.
    fn beside(
        &self,
        table: &mut impl Table,
        candidate: &Candidate,
        owner: OrganisationKey,
    ) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        let mut findings = Verdict::default();
        let mut look = |other: &Lineage| {
            candidate
                .lineage
                .judge_beside(other, self.push.profile)
                .into_iter()
                .for_each(|finding| findings.add(finding));
        };
        for spec in [Spec::V20, Spec::V21] {
            table.latest(id, spec, self.push.world)?.iter().for_each(&mut look);
        }
        self.latest.get(id).into_iter().for_each(|latest| look(latest));
        let refused = findings.is_refused();
        let findings = findings.findings().to_vec();
        Ok(if refused { Decision::Disagrees(findings) } else { Decision::Add(owner, findings) })
    }

    fn unversioned(&self, table: &mut impl Table, candidate: &Candidate) -> Result<Decision, StoreError> {
        let held = table.unversioned(candidate.head.id.as_str())?;
        let mut visible = held.into_iter().filter(|held| self.push.world.sees(held.level, held.owner)).peekable();
        if visible.peek().is_some() {
            let same = visible.find(|held| held.content == candidate.content);
            return Ok(same.map_or(Decision::Refused(OTHER_OBSERVABLE), |held| Decision::Held(held.version)));
        }
        let fresh = Decision::Add(self.submitter(), Vec::new());
        Ok(self.unless_earlier(candidate, OTHER_OBSERVABLE).unwrap_or(fresh))
    }

    /// The decision if an earlier offer that is added is the same entry.
    fn unless_earlier(&self, candidate: &Candidate, other: &'static str) -> Option<Decision> {
        let (first, content) = self.added.get(&identity(candidate))?;
        Some(if *content == candidate.content { Decision::SameAs(*first) } else { Decision::Refused(other) })
    }

    fn submitter(&self) -> OrganisationKey {
        self.push.world.organisation
    }
}

fn identity(candidate: &Candidate) -> Identity<'_> {
    let head = &candidate.head;
    (head.id.as_str(), head.version.as_ref().map(|version| (head.spec, version.instant())))
}
