//! Holds: what keeps versions of objects from organisations that could see them otherwise,
//! decided alike for every engine.
//!
//! A version has one row at first. A hold takes organisations out of its reach. When it is
//! released, a second row of the same version is added for exactly those, with a `date_added`
//! of that moment: a poller of theirs gets it then, and nobody else notices anything. What
//! must stay true: of all rows of a version, an organisation reaches at most one; the owner
//! always reaches the first.

use super::admission::{self, Table};
use super::order;
use super::registry::{Downgrade, Rules};
use super::{Push, StoreError};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::World;
use crate::stix::head::Head;
use crate::stix::json;
use crate::taxii::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Keeps versions from organisations, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Names it.
    pub id: Uuid,
    /// What is held.
    pub subject: Subject,
    /// From whom.
    pub from: From,
    /// Until when.
    pub until: Until,
    /// Why: for people.
    pub reason: String,
    /// When it was placed.
    pub placed: Timestamp,
    /// Who placed it; `None`: the server, for what the object's markings or the collection ask for.
    pub placed_by: Option<OrganisationKey>,
}

/// What is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Every version of an object, those to come included.
    Object(String),
    /// Everything that was added at this time or later, what is to come included.
    AddedFrom(Timestamp),
    /// One version.
    Version {
        /// The object's id.
        object: String,
        /// When the version was first added.
        added: Timestamp,
    },
}

/// From whom it is held. Never from its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// From everybody but the owner: an embargo.
    Everybody,
    /// From these.
    Organisations(BTreeSet<OrganisationKey>),
}

/// Until when it is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Until this time, unless it is released before.
    Time(Timestamp),
    /// Until it is released: it is lower than the version before it.
    Release {
        /// The level of that one.
        before: Level,
    },
    /// Until the definitions of these markings are there: before, nobody knows how far it may travel.
    Marking {
        /// Their ids.
        ids: Vec<String>,
        /// Up to which level its submitter read.
        level: Option<Level>,
        /// The level of the latest version before it.
        before: Option<Level>,
    },
}

/// Who can see a row, as far as holds say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// All but these.
    AllBut(BTreeSet<OrganisationKey>),
    /// These.
    Only(BTreeSet<OrganisationKey>),
}

/// A version, and its rows.
#[derive(Clone, Debug)]
pub struct Version {
    /// The object's id.
    pub id: String,
    /// Whose it is.
    pub owner: OrganisationKey,
    /// Its level.
    pub level: Level,
    /// From when on only its owner sees it.
    pub ends: Option<Timestamp>,
    /// When it was first added: names the version.
    pub first: Timestamp,
    /// When each row was added, and who reaches it. In ascending order.
    pub rows: Vec<(Timestamp, Reach)>,
}

/// A hold that is over, and how many versions others can see since.
#[derive(Debug)]
pub struct Released {
    /// The hold.
    pub hold: Hold,
    /// Versions that are seen by more organisations than before.
    pub versions: usize,
}

/// What an engine shows and does of holds and rows in one collection.
pub trait Rows {
    /// The holds that are in force.
    fn holds(&mut self) -> Result<Vec<Hold>, StoreError>;
    /// Whether any hold is in force.
    fn is_held(&mut self) -> Result<bool, StoreError>;
    /// The holds that may cover versions of an object: those of it, and those of what was added from a time on.
    fn holds_on(&mut self, object: &str) -> Result<Vec<Hold>, StoreError>;
    /// Keeps a hold.
    fn keep_hold(&mut self, hold: &Hold) -> Result<(), StoreError>;
    /// Forgets a hold.
    fn forget_hold(&mut self, id: Uuid) -> Result<(), StoreError>;
    /// The versions that there are of a subject, in ascending order of their first rows.
    fn versions(&mut self, subject: &Subject) -> Result<Vec<Version>, StoreError>;
    /// Sets who reaches the row that was added at this time.
    fn set_reach(&mut self, row: Timestamp, reach: &Reach) -> Result<(), StoreError>;
    /// Adds a row, at a later time, of the version that was first added at this one.
    fn copy_row(&mut self, first: Timestamp, to: Timestamp, reach: &Reach) -> Result<(), StoreError>;
    /// The text of the version that was first added at this time.
    fn text(&mut self, first: Timestamp) -> Result<Vec<u8>, StoreError>;
    /// Sets level and end of the version that was first added at this time.
    fn set_terms(&mut self, first: Timestamp, level: Level, ends: Option<Timestamp>) -> Result<(), StoreError>;
    /// Raises the highest `date_added` ever given: whatever is added from now on is later.
    fn raise_newest(&mut self, to: Timestamp) -> Result<(), StoreError>;
}

impl Reach {
    /// Everybody.
    pub fn everybody() -> Self {
        Self::AllBut(BTreeSet::new())
    }

    /// Whether an organisation is within it.
    pub fn admits(&self, organisation: OrganisationKey) -> bool {
        match self {
            Self::AllBut(out) => !out.contains(&organisation),
            Self::Only(within) => within.contains(&organisation),
        }
    }

    fn is_nobody(&self) -> bool {
        matches!(self, Self::Only(within) if within.is_empty())
    }

    fn not(self) -> Self {
        match self {
            Self::AllBut(out) => Self::Only(out),
            Self::Only(within) => Self::AllBut(within),
        }
    }

    fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::AllBut(one), Self::AllBut(two)) => Self::AllBut(one | two),
            (Self::AllBut(out), Self::Only(within)) | (Self::Only(within), Self::AllBut(out)) => {
                Self::Only(within - out)
            }
            (Self::Only(one), Self::Only(two)) => Self::Only(one & two),
        }
    }
}

impl Until {
    /// What a version of this level, which waits for this, counts as beside the next one: nobody has decided yet
    /// that the object may be lower than it was, or nobody knows what it is.
    pub(super) fn counts_as(&self, level: Level) -> Level {
        match self {
            Self::Time(_) => level,
            Self::Release { before } => level.max(*before),
            Self::Marking { .. } => Level::Red,
        }
    }
}

impl Hold {
    /// A hold that the server places on a version by itself.
    pub(super) fn of_version(object: &str, added: Timestamp, (until, reason): (Until, String), now: Timestamp) -> Self {
        let (id, subject) = (Uuid::new_v4(), Subject::Version { object: object.to_owned(), added });
        Self { id, subject, from: From::Everybody, until, reason, placed: now, placed_by: None }
    }

    /// Whether it holds this one version only.
    pub(super) fn is_of_version(&self, id: &str, first: Timestamp) -> bool {
        matches!(&self.subject, Subject::Version { object, added } if *added == first && object == id)
    }

    /// The object that it is about, if it is about one.
    pub(super) fn object(&self) -> Option<&str> {
        match &self.subject {
            Subject::Object(object) | Subject::Version { object, .. } => Some(object),
            Subject::AddedFrom(_) => None,
        }
    }

    /// When it ends by itself.
    pub fn due(&self) -> Option<Timestamp> {
        if let Until::Time(time) = self.until { Some(time) } else { None }
    }

    fn covers(&self, id: &str, first: Timestamp) -> bool {
        match &self.subject {
            Subject::Object(object) => object == id,
            Subject::AddedFrom(time) => *time <= first,
            Subject::Version { object, added } => *added == first && object == id,
        }
    }

    /// Whom it leaves to see what this organisation owns.
    fn leaves(&self, owner: OrganisationKey) -> Reach {
        match &self.from {
            From::Everybody => Reach::Only([owner].into()),
            From::Organisations(out) => Reach::AllBut(out.iter().copied().filter(|out| *out != owner).collect()),
        }
    }
}

/// Whom these holds leave to see a version.
pub(super) fn left_by<'h>(
    holds: impl IntoIterator<Item = &'h Hold>,
    id: &str,
    first: Timestamp,
    owner: OrganisationKey,
) -> Reach {
    let covering = holds.into_iter().filter(|hold| hold.covers(id, first));
    covering.fold(Reach::everybody(), |reach, hold| reach.and(&hold.leaves(owner)))
}

/// Places a hold: what it covers is at once out of reach.
pub fn place(rows: &mut impl Rows, hold: &Hold) -> Result<(), StoreError> {
    rows.keep_hold(hold)?;
    if let Subject::AddedFrom(time) = hold.subject {
        // What is added later is stamped later, even if the clock steps back: it is covered, too.
        rows.raise_newest(time)?;
    }
    for version in rows.versions(&hold.subject)? {
        let left = hold.leaves(version.owner);
        for (row, reach) in version.rows {
            let narrowed = reach.and(&left);
            // A row that reaches nobody any more stays: the trail names those who were given it by its time.
            if narrowed != reach {
                rows.set_reach(row, &narrowed)?;
            }
        }
    }
    Ok(())
}

/// Ends a hold: whom no other hold keeps from a version gets a row of it now. `None`: there is no such hold.
pub fn release(table: &mut impl Table, id: Uuid, now: Timestamp) -> Result<Option<Released>, StoreError> {
    let hold = table.holds()?.into_iter().find(|hold| hold.id == id);
    Ok(release_all(table, hold.into_iter().collect(), now)?.pop())
}

/// Ends these holds, as one: what they covered is added together.
fn release_all(table: &mut impl Table, ended: Vec<Hold>, now: Timestamp) -> Result<Vec<Released>, StoreError> {
    ended.iter().try_for_each(|hold| table.forget_hold(hold.id))?;
    let (mut copies, mut looked_at) = (Vec::new(), BTreeSet::new());
    let mut released: Vec<Released> = ended.into_iter().map(|hold| Released { hold, versions: 0 }).collect();
    for Released { hold, versions } in &mut released {
        for version in table.versions(&hold.subject)? {
            if !looked_at.insert(version.first) {
                continue;
            }
            let left = left_by(&table.holds_on(&version.id)?, &version.id, version.first, version.owner);
            let missed = version.rows.iter().fold(left, |missed, (_, reach)| missed.and(&reach.clone().not()));
            if !missed.is_nobody() {
                *versions += 1;
                copies.push((version, missed));
            }
        }
    }
    let kinds: Vec<_> =
        copies.iter().map(|(version, missed)| (version.level, version.owner, version.ends, missed)).collect();
    let mut stamped: Vec<_> = order::stamp(table.newest()?, now, &kinds).into_iter().zip(&copies).collect();
    stamped.sort_by_key(|(stamp, _)| *stamp);
    for (stamp, (version, missed)) in &stamped {
        table.copy_row(version.first, *stamp, missed)?;
    }
    Ok(released)
}

/// Releases every hold whose time has come.
pub fn release_due(table: &mut impl Table, now: Timestamp) -> Result<Vec<Released>, StoreError> {
    let mut due: Vec<Hold> =
        table.holds()?.into_iter().filter(|hold| hold.due().is_some_and(|due| due <= now)).collect();
    due.sort_by_key(Hold::due);
    release_all(table, due, now)
}

/// Looks again at what waits for the definition of a marking, now that this push brought the definitions
/// `arrived`, or said of those that are there that they are meant: where all are known, level and times are
/// what they say, and what they do not hold is released. Only the owner of what waits, and who manages the
/// collection, says so: anybody else could open what is not theirs.
pub(super) fn settle(
    table: &mut impl Table,
    arrived: &[&str],
    push: &Push,
    now: Timestamp,
) -> Result<Vec<Released>, StoreError> {
    let (rules, submitter) = (push.rules, push.world.organisation);
    let mut known = Vec::new();
    for hold in table.holds()? {
        let Until::Marking { ids, level, before } = &hold.until else { continue };
        if !ids.iter().any(|id| arrived.contains(&id.as_str())) {
            continue;
        }
        let mut is_known = true;
        for version in table.versions(&hold.subject)? {
            if version.owner != submitter && !push.manage {
                is_known = false;
                continue;
            }
            let world = World::new(version.owner, *level, now);
            let markings = markings(&table.text(version.first)?);
            let (terms, unknown) = admission::terms(table, &markings, world)?;
            if !unknown.is_empty() {
                is_known = false;
                continue;
            }
            let level = terms.level.unwrap_or(rules.unmarked);
            if level > rules.ceiling {
                // It would have been refused: it stays its owner's.
                is_known = false;
                continue;
            }
            table.set_terms(version.first, level, terms.ends)?;
            for wait in waits(terms.starts, level, *before, rules, now) {
                place(table, &Hold::of_version(&version.id, version.first, wait, now))?;
            }
        }
        if is_known {
            known.push(hold);
        }
    }
    release_all(table, known, now)
}

fn markings(text: &[u8]) -> Vec<String> {
    let object = std::str::from_utf8(text).ok().and_then(|text| json::parse(text).ok());
    // It was read when it was added.
    object.and_then(|object| Head::of(&object).ok()).map(|head| head.markings).unwrap_or_default()
}

/// What a version with these terms waits for before others see it, and why.
pub(super) fn waits(
    starts: Option<Timestamp>,
    level: Level,
    before: Option<Level>,
    rules: Rules,
    now: Timestamp,
) -> Vec<(Until, String)> {
    let mut waits = Vec::new();
    if let Some(starts) = starts.filter(|starts| now < *starts) {
        waits.push((Until::Time(starts), "a marking of it starts then".to_owned()));
    }
    if let Some(before) = before.filter(|before| level < *before && rules.downgrade == Downgrade::Quarantine) {
        let reason = format!("it is {level}, and the version before it {before}: who manages the collection decides");
        waits.push((Until::Release { before }, reason));
    }
    waits
}
