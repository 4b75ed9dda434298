//! What may be added to a collection, decided alike for every engine.
//!
//! * Same id and version, same content: a success, nothing is added. Other content: that
//!   object fails, the stored copy stays (STIX 2.1 §3.6).
//! * Ids of versioned objects are random, so they have one owner each per collection;
//!   every refusal to add to another's id says the same words, whether the submitter can
//!   see it or not.
//! * An identity is added by who declares it, and by nobody else who does not manage; once it is, the id is the
//!   declarer's. What others had sent of it before stays theirs, and the declarer is not bound by it.
//! * Ids without versions (cyber-observables) can be guessed, so they are judged in the
//!   submitter's world: what it cannot see does not stand in its way, and it learns nothing.
//! * A version agrees with the others of its object that the submitter can see
//!   ([`crate::stix::rules::version`]).
//! * Predefined markings are everybody's. A copy that says more than the definition, as who created it, is
//!   there already: what it says beside is not kept.
//! * What names a creator names one that the submitter has declared, unless it may pass on what
//!   others created.
//! * An object's level is the highest that its markings ask for. While the definition of one is
//!   not there, or its time has not come, only its owner sees the object ([`super::hold`]).
//!
//! [`judge`] decides about each object; this file keeps what is admitted, and tells the submitter and
//! the trail.

mod judge;
mod settle;

pub(super) use judge::terms;
#[cfg(test)]
pub(super) use judge::{NOT_YOURS, OTHER_CONTENT, OTHER_OBSERVABLE};

use judge::{Admission, Admitted, Decision};
use settle::Settled;

use super::hold::{Hold, Reach, Rows, Until};
use super::{Author, Candidate, Offer, Push, StoreError};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::World;
use crate::access::terms::Terms;
use crate::audit::{Action, Entry};
use crate::stix::head::Spec;
use crate::stix::json::Digest;
use crate::stix::rules::version::Lineage;
use crate::store::order;
use crate::taxii::status::{self, Details, Status};
use crate::taxii::timestamp::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// What an engine shows and does while it holds its write lock.
pub trait Table: Rows {
    /// Whether there may be anything under this id, whoever sees it, or was. Where not, nothing else is asked of it.
    fn knows(&mut self, id: &str) -> Result<bool, StoreError>;
    /// The owner of a versioned id: also after its last version is gone.
    fn owner(&mut self, id: &str) -> Result<Option<OrganisationKey>, StoreError>;
    /// The entry of this id, specification version and canonical version instant, and whether a world sees it.
    fn version(&mut self, id: &str, spec: Spec, instant: &str, world: World) -> Result<Option<Held>, StoreError>;
    /// All entries of an id that have no version and that a world sees, the first added first.
    fn unversioned(&mut self, id: &str, world: World) -> Result<Vec<Held>, StoreError>;
    /// The latest version of an id that a world sees, in one specification version.
    fn latest(&mut self, id: &str, spec: Spec, world: World) -> Result<Option<Latest>, StoreError>;
    /// The texts of a marking definition that a world sees, and that one of the `speakers` sent: of STIX 2.0 and
    /// of 2.1 there may be one each.
    fn definitions(&mut self, id: &str, world: World, speakers: &[OrganisationKey])
    -> Result<Vec<Vec<u8>>, StoreError>;
    /// Keeps in mind that an organisation sent this definition of a marking, which was there already.
    fn keep_meant(&mut self, id: &str, content: Digest, by: OrganisationKey) -> Result<(), StoreError>;
    /// The instant and the terms of the latest version that was deleted of an object.
    fn departed(&mut self, id: &str) -> Result<Option<(String, Terms)>, StoreError>;
    /// The highest `date_added` ever given in the collection.
    fn newest(&mut self) -> Result<Timestamp, StoreError>;
    /// Keeps entries, in ascending order of `date_added`.
    fn insert(&mut self, additions: &[Addition<'_>]) -> Result<(), StoreError>;
}

/// An entry that is there already.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its version as the status gives it.
    pub version: String,
    /// Names its content.
    pub content: Digest,
    /// Whether the submitter sees it.
    pub visible: bool,
}

/// The latest version of an object.
#[derive(Clone, Debug)]
pub struct Latest {
    /// What it says that binds others.
    pub lineage: Lineage,
    /// Its level.
    pub level: Level,
    /// From when on only its owner sees it.
    pub ends: Option<Timestamp>,
    /// When the row was added that the world sees.
    pub added: Timestamp,
}

/// An entry to keep.
#[derive(Debug)]
pub struct Addition<'p> {
    /// The object.
    pub candidate: &'p Candidate,
    /// Its level.
    pub level: Level,
    /// From when on only its owner sees it.
    pub ends: Option<Timestamp>,
    /// The owner of its id.
    pub owner: OrganisationKey,
    /// Who sees it, as far as holds say.
    pub reach: Reach,
    /// Its place in the order.
    pub date_added: Timestamp,
    /// Whether nothing of its id is stored, or was before this push: what there is of it is kept together with it.
    pub is_fresh: bool,
}

/// What became of a push.
#[derive(Debug)]
pub struct Added {
    /// What its sender is told.
    pub status: Status,
    /// The audit entries to write with it.
    pub entries: Vec<Entry>,
    /// Whether a scan may find something else now: copies of what is there change nothing, unless what they say of
    /// a marking settles what waits for it.
    pub changed: bool,
}

/// Adds what may be added of `push` to `table`.
pub fn add(table: &mut impl Table, push: &Push, now: Timestamp) -> Result<Added, StoreError> {
    let is_held = table.is_held()?;
    let decisions = Admission::of(push, now, is_held).judge_all(table)?;
    let (stamps, placed) = keep(table, push, &decisions, now)?;
    let mut settled = Settled::default();
    let mut changed = !stamps.is_empty();
    if !push.dry_run {
        let arrived = definitions(table, push, &decisions)?;
        changed |= !arrived.is_empty();
        if !arrived.is_empty() {
            settled = settle::settle(table, &arrived, push, now)?;
        }
    }
    let status = status(push, &decisions, &stamps);
    let mut entries = vec![audit_entry(push, &status, &stamps, now)];
    entries.extend(downgrades(push, &decisions, now));
    entries.extend(settled.loosened.iter().map(|loosened| loosened.entry(push, now)));
    let placed = placed.iter().chain(&settled.placed);
    entries.extend(placed.map(|hold| hold.audit_entry(&push.collection_id, now)));
    // The server's own holds name no organisation.
    entries.extend(settled.released.iter().map(|over| over.audit_entry(&push.collection_id, &|_| None, now)));
    Ok(Added { status, entries, changed })
}

/// The ids of the marking definitions that were added, or are there as they were sent: those are meant.
fn definitions<'p>(
    table: &mut impl Table,
    push: &'p Push,
    decisions: &[Option<Decision>],
) -> Result<Vec<&'p str>, StoreError> {
    let mut arrived = Vec::new();
    for (offer, decision) in push.offers.iter().zip(decisions) {
        let (Offer::Sound(candidate), Some(decision)) = (offer, decision) else { continue };
        if candidate.says.is_none() || candidate.head.predefined {
            continue;
        }
        let id = candidate.head.id.as_str();
        match decision {
            Decision::Add(_) => arrived.push(id),
            Decision::Held(_) => {
                table.keep_meant(id, candidate.content, push.world.organisation)?;
                arrived.push(id);
            }
            Decision::SameAs(_) | Decision::Disagrees(_) | Decision::Refused(..) => {}
        }
    }
    Ok(arrived)
}

/// Inserts the added ones in the order of their stamps, unless all is but tried. Gives the stamps by offer,
/// and the holds that were placed on them.
fn keep(
    table: &mut impl Table,
    push: &Push,
    decisions: &[Option<Decision>],
    now: Timestamp,
) -> Result<(HashMap<usize, Timestamp>, Vec<Hold>), StoreError> {
    let (mut additions, mut placed) = (Vec::new(), Vec::new());
    for (at, (offer, decision)) in push.offers.iter().zip(decisions).enumerate() {
        if let (Offer::Sound(candidate), Some(Decision::Add(admitted))) = (offer, decision) {
            let Admitted { owner, level, ends, is_fresh, ref waits, ref reach, .. } = **admitted;
            let (reach, date_added) = (reach.clone(), Timestamp::EPOCH);
            let addition = Addition { candidate, level, ends, owner, reach, date_added, is_fresh };
            additions.push((addition, at, waits));
        }
    }
    if additions.is_empty() {
        return Ok((HashMap::new(), placed));
    }
    let kinds: Vec<_> = additions
        .iter()
        .map(|(added, ..)| order::kind(added.level, added.owner, added.ends, &added.reach, now))
        .collect();
    let stamps = order::stamp(table.newest()?, now, &kinds);
    additions.iter_mut().zip(stamps).for_each(|((addition, ..), stamp)| addition.date_added = stamp);
    additions.sort_by_key(|(addition, ..)| addition.date_added);
    let stamps = additions.iter().map(|(addition, at, _)| (*at, addition.date_added)).collect();
    if push.dry_run {
        return Ok((stamps, placed));
    }
    let (additions, waits): (Vec<_>, Vec<_>) =
        additions.into_iter().map(|(addition, _, waits)| (addition, waits)).unzip();
    table.insert(&additions)?;
    for (addition, waits) in additions.iter().zip(waits) {
        for wait in waits {
            let hold = Hold::of_version(addition.candidate.head.id.as_str(), addition.date_added, wait.clone(), now);
            table.keep_hold(&hold)?;
            placed.push(hold);
        }
    }
    Ok((stamps, placed))
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
        let version = version(push, decision, candidate, stamps.get(&decision.entry(at)));
        let details = |message| Details { id: candidate.head.id.to_string(), version, message };
        match decision {
            Decision::Add(admitted) => successes.push(details(remark(place, candidate, admitted, push.dry_run))),
            Decision::Held(_) => successes.push(details(Some(status::WAS_THERE.to_owned()))),
            Decision::SameAs(_) => successes.push(details(Some(status::OCCURS_TWICE.to_owned()))),
            Decision::Disagrees(findings) => {
                failures.push(details(Some(status::message(place, findings, findings.len()))));
            }
            Decision::Refused(pointer, reason) => {
                failures.push(details(Some(format!("/objects/{place}{pointer}: {reason}"))));
            }
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
fn remark(place: usize, candidate: &Candidate, admitted: &Admitted, dry_run: bool) -> Option<String> {
    let findings = [candidate.verdict.findings(), &admitted.beside].concat();
    let mut remarks = Vec::new();
    if dry_run {
        remarks.push("not stored: this was a dry run".to_owned());
    }
    remarks.extend(admitted.waits.iter().map(|(until, reason)| match until {
        Until::Time(time) => format!("{} until {time}: {reason}", status::WITHHELD),
        Until::Release { .. } | Until::Marking { .. } => format!("{} yet: {reason}", status::WITHHELD),
    }));
    if !findings.is_empty() {
        let count = candidate.verdict.count() + admitted.beside.len();
        remarks.push(format!("{}{}", status::WARNING, status::message(place, &findings, count)));
    }
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// What is said of new versions that may travel further than the one before, allowed or not.
fn downgrades(push: &Push, decisions: &[Option<Decision>], now: Timestamp) -> Vec<Entry> {
    let entry = |(offer, decision): (&Offer, &Option<Decision>)| {
        let (Offer::Sound(candidate), Some(Decision::Add(admitted))) = (offer, decision) else { return None };
        let action = Action::Downgrade {
            collection: push.collection_id.clone(),
            object: candidate.head.id.to_string(),
            version: candidate.head.version.as_ref().map(ToString::to_string).unwrap_or_default(),
            from: admitted.loosened?,
            to: Terms { starts: starts(&admitted.waits), ..admitted.terms() },
            quarantined: admitted.waits.iter().any(|(until, _)| matches!(until, Until::Release { .. })),
        };
        Some(Entry { at: now, actor: push.actor.clone(), action })
    };
    if push.dry_run { Vec::new() } else { push.offers.iter().zip(decisions).filter_map(entry).collect() }
}

/// When it starts, if it waits for that.
fn starts(waits: &[(Until, String)]) -> Option<Timestamp> {
    waits.iter().find_map(|(until, _)| if let Until::Time(time) = until { Some(*time) } else { None })
}

fn audit_entry(push: &Push, status: &Status, stamps: &HashMap<usize, Timestamp>, now: Timestamp) -> Entry {
    let (successes, failures) = (status.successes().len(), status.failures().len());
    let (collection, status) = (push.collection_id.clone(), push.status.to_string());
    let action = if push.dry_run {
        Action::DryRun { collection, status, successes, failures }
    } else {
        let mut added: Vec<(Timestamp, usize)> = stamps.iter().map(|(at, stamp)| (*stamp, *at)).collect();
        added.sort_unstable();
        let text = |(_, at): &(Timestamp, usize)| match &push.offers[*at] {
            Offer::Sound(candidate) => Some(candidate.digest.clone()),
            Offer::Unsound(_) => None,
        };
        let (relayed, digests) = (relayed(push, stamps), added.iter().filter_map(text).collect());
        let added = added.into_iter().map(|(stamp, _)| stamp).collect();
        Action::Add { collection, status, successes, failures, relayed, added, digests }
    };
    Entry { at: now, actor: push.actor.clone(), action }
}

/// Whom the submitter passed objects on for: the creators that are not its own, as far as the trail has room.
fn relayed(push: &Push, stamps: &HashMap<usize, Timestamp>) -> Vec<String> {
    const MOST: usize = 100;
    let creator = |at: &usize| match &push.offers[*at] {
        Offer::Sound(candidate) if candidate.author == Author::Another => candidate.lineage.created_by_ref.clone(),
        _ => None,
    };
    let creators: BTreeSet<String> = stamps.keys().filter_map(creator).collect();
    creators.into_iter().take(MOST).collect()
}
