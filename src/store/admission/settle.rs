//! What versions wait for before others see them; and those that wait for the definitions of their markings,
//! looked at again when they come.

use super::{Table, terms};
use crate::access::permission::World;
use crate::access::terms::Terms;
use crate::audit::{Action, Entry};
use crate::stix::head::Head;
use crate::stix::json;
use crate::store::hold::{Hold, Released, Until, place, release_all};
use crate::store::registry::{Downgrade, Rules};
use crate::store::{Push, StoreError};
use crate::taxii::timestamp::Timestamp;
use std::collections::BTreeMap;

/// What became of versions that waited for the definitions of their markings.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The holds that are over.
    pub(super) released: Vec<Released>,
    /// Those that are in their place.
    pub(super) placed: Vec<Hold>,
    /// What is known now, and looser than before.
    pub(super) loosened: Vec<Loosened>,
}

/// A version that may travel further, earlier or longer than the one before it.
#[derive(Debug)]
pub(super) struct Loosened {
    pub(super) object: String,
    pub(super) version: String,
    pub(super) from: Terms,
    pub(super) to: Terms,
    /// Whether it waits for a decision.
    pub(super) quarantined: bool,
}

/// Looks again at what waits for the definition of a marking, now that this push brought the definitions
/// `arrived`, or said of those that are there that they are meant: where all are known to the owner of what
/// waits, level and times are what they say, and what they do not hold is released. Only the owner of what
/// waits, and who manages the collection, make it looked at: nobody else says what it means.
pub(super) fn settle(
    table: &mut impl Table,
    arrived: &[&str],
    push: &Push,
    now: Timestamp,
) -> Result<Settled, StoreError> {
    let rules = push.rules;
    let (mut settled, mut known) = (Settled::default(), Vec::new());
    let mut by_object = BTreeMap::<String, Vec<_>>::new();
    let of = (!push.manage).then_some(push.world.organisation);
    for hold in table.awaiting(arrived, of)? {
        let Until::Marking { level, before, .. } = hold.until.clone() else { continue };
        let Some(version) = hold.versions(table)?.and_then(|versions| versions.into_iter().next()) else { continue };
        let world = World::new(version.owner, level, now);
        let Some(head) = head(&table.text(version.first)?) else { continue };
        let (terms, unknown) = terms(table, &head.markings, world, &push.speakers(version.owner))?;
        let level = terms.level.unwrap_or(rules.unmarked);
        if !unknown.is_empty() || level > rules.ceiling {
            // Above the ceiling it would have been refused: it stays its owner's.
            continue;
        }
        let to = Terms { level: Some(level), ..terms };
        let waits = waits(to, before, rules, now);
        if let Some(from) = before.filter(|before| to.loosen(*before)) {
            let quarantined = waits.iter().any(|(until, _)| matches!(until, Until::Release { .. }));
            let (object, version) = (version.id.clone(), head.version.map(|version| version.to_string()));
            settled.loosened.push(Loosened { object, version: version.unwrap_or_default(), from, to, quarantined });
        }
        settled.placed.extend(waits.into_iter().map(|wait| Hold::of_version(&version.id, version.first, wait, now)));
        by_object.entry(version.id).or_default().push((version.first, level, terms.ends));
        known.push(hold);
    }
    by_object.iter().try_for_each(|(object, terms)| table.set_terms(object, terms))?;
    settled.placed.iter().try_for_each(|hold| place(table, hold))?;
    settled.released = release_all(table, known, now)?;
    Ok(settled)
}

/// The head of a stored object. It was read when it was added.
fn head(text: &[u8]) -> Option<Head> {
    let object = std::str::from_utf8(text).ok().and_then(|text| json::parse(text).ok())?;
    Head::of(&object).ok()
}

impl Loosened {
    /// What the trail says of it.
    pub(super) fn entry(&self, push: &Push, now: Timestamp) -> Entry {
        let action = Action::Downgrade {
            collection: push.collection_id.clone(),
            object: self.object.clone(),
            version: self.version.clone(),
            from: self.from,
            to: self.to,
            quarantined: self.quarantined,
        };
        Entry { at: now, actor: push.actor.clone(), action }
    }
}

/// What a version with these terms waits for before others see it, and why. `before` are those of the version
/// before it.
pub(super) fn waits(terms: Terms, before: Option<Terms>, rules: Rules, now: Timestamp) -> Vec<(Until, String)> {
    let mut waits = Vec::new();
    if let Some(starts) = terms.starts.filter(|starts| now < *starts) {
        waits.push((Until::Time(starts), "a marking of it starts then".to_owned()));
    }
    if let Some(before) = before.filter(|before| terms.loosen(*before) && rules.downgrade == Downgrade::Quarantine) {
        let reason = match (terms.level, before.level) {
            (Some(level), Some(was)) if level < was => {
                format!("it is {level}, and the version before it {was}: who manages the collection decides")
            }
            _ => "it starts earlier or ends later than the version before it: who manages the collection decides"
                .to_owned(),
        };
        waits.push((Until::Release { before }, reason));
    }
    waits
}
