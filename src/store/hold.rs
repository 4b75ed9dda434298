//! Holds: what keeps versions of objects from organisations that could see them otherwise,
//! decided alike for every engine.
//!
//! A version has one row at first. A hold takes organisations out of its reach. When it is
//! released, a second row of the same version is added for exactly those, with a `date_added`
//! of that moment: a poller of theirs gets it then, and nobody else notices anything. What
//! must stay true: of all rows of a version, an organisation reaches at most one; the owner
//! always reaches the first.
//!
//! A hold of everything from a time on touches no row: it is a [`Span`] of the order that the
//! organisations look past, whatever it costs to have much in it. Its rows are written when it is
//! released, in parts, so that nobody waits for long: each part ends a part of the span.

use super::StoreError;
use super::admission::Table;
use super::order;
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::terms::Terms;
use crate::taxii::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    /// Everything that was added at this time or later, what is to come included; and what those who are
    /// kept from it would see later than that for another reason.
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
    /// Until it is released: its terms are looser than those of the version before it.
    Release {
        /// The terms of that one.
        before: Terms,
    },
    /// Until the definitions of these markings are there: before, nobody knows how far it may travel.
    Marking {
        /// Their ids.
        ids: Vec<String>,
        /// Up to which level its submitter read.
        level: Option<Level>,
        /// The terms of the latest version before it.
        before: Option<Terms>,
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

/// A part of a collection's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From here on ...
    pub since: Timestamp,
    /// ... and before this.
    pub before: Timestamp,
}

/// A row of a version.
#[derive(Clone, Debug)]
pub struct Held {
    /// When it was added: names the row.
    pub added: Timestamp,
    /// The same for all rows of a version, and for no others.
    pub version: i64,
    /// Whose the version is.
    pub owner: OrganisationKey,
    /// The version's level.
    pub level: Level,
    /// From when on only its owner sees it.
    pub ends: Option<Timestamp>,
    /// Who reaches the row.
    pub reach: Reach,
}

/// A hold that is over, or a part of it, and what others can see since.
#[derive(Debug)]
pub struct Released {
    /// The hold.
    pub hold: Hold,
    /// Versions that are seen by more organisations than before.
    pub versions: usize,
    /// When the rows were added that those it was held from see since, or will when no other hold is left.
    pub added: Vec<Timestamp>,
    /// Whether there is more to release of it.
    pub more: bool,
}

/// What an engine shows and does of holds and rows in one collection.
pub trait Rows {
    /// A hold that is in force.
    fn hold(&mut self, id: Uuid) -> Result<Option<Hold>, StoreError>;
    /// The holds whose time has come, the first first, this many at most.
    fn due(&mut self, now: Timestamp, most: usize) -> Result<Vec<Hold>, StoreError>;
    /// Sets when a hold ends by itself.
    fn set_due(&mut self, id: Uuid, due: Timestamp) -> Result<(), StoreError>;
    /// Whether any hold on an object is in force.
    fn is_held(&mut self) -> Result<bool, StoreError>;
    /// The holds on an object, and on single versions of it.
    fn holds_on(&mut self, object: &str) -> Result<Vec<Hold>, StoreError>;
    /// Keeps a hold.
    fn keep_hold(&mut self, hold: &Hold) -> Result<(), StoreError>;
    /// Forgets a hold, and its span.
    fn forget_hold(&mut self, id: Uuid) -> Result<(), StoreError>;
    /// The versions that there are of an object, in ascending order of their first rows; or only the one that
    /// was first added at this time.
    fn versions(&mut self, object: &str, first: Option<Timestamp>) -> Result<Vec<Version>, StoreError>;
    /// The holds of a part of the order, with what is left of it.
    fn spans(&mut self) -> Result<Vec<(Hold, Span)>, StoreError>;
    /// Sets what part of the order a hold keeps from its organisations.
    fn set_span(&mut self, hold: &Hold, span: Span) -> Result<(), StoreError>;
    /// The first rows of a span, in ascending order, this many at most.
    fn rows(&mut self, span: Span, most: usize) -> Result<Vec<Held>, StoreError>;
    /// Sets who reaches the row that was added at this time.
    fn set_reach(&mut self, row: Timestamp, reach: &Reach) -> Result<(), StoreError>;
    /// Adds a row, at a later time, of the version that has a row of this time.
    fn copy_row(&mut self, row: Timestamp, to: Timestamp, reach: &Reach) -> Result<(), StoreError>;
    /// The text of the version that was first added at this time.
    fn text(&mut self, first: Timestamp) -> Result<Vec<u8>, StoreError>;
    /// The holds that wait for any of these marking definitions, on what one organisation owns, or on everything.
    fn awaiting(&mut self, definitions: &[&str], of: Option<OrganisationKey>) -> Result<Vec<Hold>, StoreError>;
    /// Sets level and end of versions of an object, by when they were first added.
    fn set_terms(&mut self, object: &str, terms: &[(Timestamp, Level, Option<Timestamp>)]) -> Result<(), StoreError>;
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

    fn or(&self, other: &Self) -> Self {
        self.clone().not().and(&other.clone().not()).not()
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

impl Span {
    /// Whether what was added at this time is in it.
    pub fn covers(&self, added: Timestamp) -> bool {
        self.since <= added && added < self.before
    }
}

impl From {
    /// Whether it is held from this organisation, unless that is the owner.
    pub fn includes(&self, organisation: OrganisationKey) -> bool {
        match self {
            Self::Everybody => true,
            Self::Organisations(out) => out.contains(&organisation),
        }
    }
}

impl Until {
    /// What a version of these terms, which waits for this, counts as beside the next one: nobody has decided
    /// yet that the object may travel further than it did, or nobody knows how far it may.
    fn counts_as(&self, terms: Terms) -> Terms {
        terms.and(match self {
            Self::Time(starts) => Terms { starts: Some(*starts), ..Terms::default() },
            Self::Release { before } => *before,
            Self::Marking { .. } => Terms { level: Some(Level::Red), ..Terms::default() },
        })
    }
}

/// What a version of these terms counts as beside the next one while it waits for all of this.
pub(super) fn count_as<'u>(terms: Terms, waits: impl IntoIterator<Item = &'u Until>) -> Terms {
    waits.into_iter().fold(terms, |terms, until| until.counts_as(terms))
}

/// The same of a stored version, by the holds on its object.
pub fn stored_as(holds: &[Hold], first: Timestamp, level: Level, ends: Option<Timestamp>) -> Terms {
    let of_it = holds.iter().filter(|hold| matches!(&hold.subject, Subject::Version { added, .. } if *added == first));
    count_as(Terms { level: Some(level), starts: None, ends }, of_it.map(|hold| &hold.until))
}

impl Hold {
    /// A hold that the server places on a version by itself.
    pub(super) fn of_version(object: &str, added: Timestamp, (until, reason): (Until, String), now: Timestamp) -> Self {
        let (id, subject) = (Uuid::new_v4(), Subject::Version { object: object.to_owned(), added });
        Self { id, subject, from: From::Everybody, until, reason, placed: now, placed_by: None }
    }

    /// The object that it is about, if it is about one.
    pub fn object(&self) -> Option<&str> {
        match &self.subject {
            Subject::Object(object) | Subject::Version { object, .. } => Some(object),
            Subject::AddedFrom(_) => None,
        }
    }

    /// When it ends by itself.
    pub fn due(&self) -> Option<Timestamp> {
        if let Until::Time(time) = self.until { Some(time) } else { None }
    }

    /// The versions of the object that it is about; `None`: it is about a part of the order.
    pub(super) fn versions(&self, rows: &mut impl Rows) -> Result<Option<Vec<Version>>, StoreError> {
        match &self.subject {
            Subject::Object(object) => rows.versions(object, None).map(Some),
            Subject::Version { object, added } => rows.versions(object, Some(*added)).map(Some),
            Subject::AddedFrom(_) => Ok(None),
        }
    }

    /// Whether it covers a version of the object that it is about.
    pub fn covers(&self, first: Timestamp) -> bool {
        if let Subject::Version { added, .. } = &self.subject { *added == first } else { true }
    }

    /// Whom it leaves to see what this organisation owns.
    fn leaves(&self, owner: OrganisationKey) -> Reach {
        match &self.from {
            From::Everybody => Reach::Only([owner].into()),
            From::Organisations(out) => Reach::AllBut(out.iter().copied().filter(|out| *out != owner).collect()),
        }
    }
}

/// Whom the holds on an object leave to see a version of it.
pub fn left_by(holds: &[Hold], first: Timestamp, owner: OrganisationKey) -> Reach {
    let covering = holds.iter().filter(|hold| hold.covers(first));
    covering.fold(Reach::everybody(), |reach, hold| reach.and(&hold.leaves(owner)))
}

/// Places a hold: what it covers is at once out of reach.
pub fn place(rows: &mut impl Rows, hold: &Hold) -> Result<(), StoreError> {
    rows.keep_hold(hold)?;
    if let Subject::AddedFrom(since) = hold.subject {
        // What is added later is stamped later, even if the clock steps back: it is covered, too.
        rows.raise_newest(since)?;
        return rows.set_span(hold, Span { since, before: Timestamp::LAST });
    }
    for version in hold.versions(rows)?.unwrap_or_default() {
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

/// A hold that was ended in part ends by itself after so many seconds.
const GO_ON: i64 = 60;

/// Ends a hold: whom no other hold keeps from a version gets a row of it now; of a hold of everything from a
/// time on, so do the first rows, as many as `most`. `None`: there is no such hold.
pub fn release(table: &mut impl Table, id: Uuid, now: Timestamp, most: usize) -> Result<Option<Released>, StoreError> {
    let Some(hold) = table.hold(id)? else { return Ok(None) };
    match hold.subject {
        Subject::AddedFrom(_) => release_span(table, hold, now, most).map(Some),
        Subject::Object(_) | Subject::Version { .. } => Ok(release_all(table, vec![hold], now)?.pop()),
    }
}

/// Ends a hold of a part of the order, or the beginning of it: each row that it kept from somebody goes on
/// without them, and they get one of their own.
fn release_span(table: &mut impl Table, hold: Hold, now: Timestamp, most: usize) -> Result<Released, StoreError> {
    let (ending, others): (Vec<_>, Vec<_>) = table.spans()?.into_iter().partition(|(other, _)| other.id == hold.id);
    let from = ending.first().map_or(Timestamp::LAST, |(_, span)| span.since);
    // What is added since its end began is not held any more: neither are the rows that it is ended with.
    let before = table.newest()?.next();
    let before = ending.first().map_or(before, |(_, span)| span.before.min(before));
    let rows = table.rows(Span { since: from, before }, most)?;
    let (more, last) = (rows.len() == most, rows.last().map(|row| row.added));
    let mut copies = BTreeMap::new();
    for row in rows {
        let left = hold.leaves(row.owner);
        let missed = row.reach.and(&left.clone().not());
        if missed.is_nobody() {
            continue;
        }
        table.set_reach(row.added, &row.reach.and(&left))?;
        // Different organisations may have missed different rows of a version: they get one together.
        let (_, together) = copies.entry(row.version).or_insert_with(|| (row, Reach::Only(BTreeSet::new())));
        *together = together.or(&missed);
    }
    let versions = copies.values().filter(|(row, missed)| are_shown(missed, row.owner, &others)).count();
    let mut rows: Vec<_> = copies.values().map(|(row, missed)| Copied::of_row(row, missed)).collect();
    rows.sort_by_key(|row| row.row);
    let added = copy(table, &rows, now)?;
    match last {
        Some(last) if more => {
            table.set_span(&hold, Span { since: last.next(), before })?;
            // If whoever ends it does not go on with the rest, it goes on by itself.
            let due = now.plus_seconds(GO_ON);
            table.set_due(hold.id, hold.due().map_or(due, |sooner| sooner.min(due)))?;
        }
        _ => table.forget_hold(hold.id)?,
    }
    Ok(Released { hold, versions, added, more })
}

/// Whether somebody of these sees what is added now.
fn are_shown(reach: &Reach, owner: OrganisationKey, spans: &[(Hold, Span)]) -> bool {
    let open = spans.iter().filter(|(_, span)| span.before == Timestamp::LAST);
    !open.fold(reach.clone(), |reach, (hold, _)| reach.and(&hold.leaves(owner))).is_nobody()
}

/// A row to add, of the version that has one at `row`.
struct Copied<'c> {
    row: Timestamp,
    level: Level,
    owner: OrganisationKey,
    ends: Option<Timestamp>,
    missed: &'c Reach,
}

impl<'c> Copied<'c> {
    fn of_row(row: &Held, missed: &'c Reach) -> Self {
        let Held { added, level, owner, ends, .. } = *row;
        Self { row: added, level, owner, ends, missed }
    }

    fn of_version(version: &Version, missed: &'c Reach) -> Self {
        let Version { first, level, owner, ends, .. } = *version;
        Self { row: first, level, owner, ends, missed }
    }
}

/// Adds rows for those who missed them, all together. Gives when each was added, in the order of `rows`.
fn copy(table: &mut impl Table, rows: &[Copied<'_>], now: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
    let kinds: Vec<_> = rows.iter().map(|row| order::kind(row.level, row.owner, row.ends, row.missed, now)).collect();
    let stamps = order::stamp(table.newest()?, now, &kinds);
    let mut stamped: Vec<_> = stamps.iter().zip(rows).collect();
    stamped.sort_by_key(|(stamp, _)| **stamp);
    stamped.into_iter().try_for_each(|(stamp, row)| table.copy_row(row.row, *stamp, row.missed))?;
    Ok(stamps)
}

/// Ends these holds on objects, as one: what they covered is added together.
pub(super) fn release_all(
    table: &mut impl Table,
    ended: Vec<Hold>,
    now: Timestamp,
) -> Result<Vec<Released>, StoreError> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    ended.iter().try_for_each(|hold| table.forget_hold(hold.id))?;
    let spans = table.spans()?;
    let (mut copies, mut looked_at, mut holds_on) = (Vec::new(), HashSet::new(), HashMap::new());
    let mut released = Vec::with_capacity(ended.len());
    for hold in ended {
        let mut versions = 0;
        for version in hold.versions(table)?.unwrap_or_default() {
            if !looked_at.insert(version.first) {
                continue;
            }
            if !holds_on.contains_key(&version.id) {
                holds_on.insert(version.id.clone(), table.holds_on(&version.id)?);
            }
            let left = left_by(&holds_on[&version.id], version.first, version.owner);
            let missed = version.rows.iter().fold(left, |missed, (_, reach)| missed.and(&reach.clone().not()));
            if !missed.is_nobody() {
                versions += usize::from(are_shown(&missed, version.owner, &spans));
                copies.push((released.len(), version, missed));
            }
        }
        released.push(Released { hold, versions, added: Vec::new(), more: false });
    }
    let rows: Vec<_> = copies.iter().map(|(_, version, missed)| Copied::of_version(version, missed)).collect();
    let added = copy(table, &rows, now)?;
    copies.iter().zip(added).for_each(|((of, ..), added)| released[*of].added.push(added));
    Ok(released)
}

/// Releases holds whose time has come, as many as `most`; of those of everything from a time on, the first rows,
/// as many as `most` of each. Gives also whether there may be more.
pub fn release_due(table: &mut impl Table, now: Timestamp, most: usize) -> Result<(Vec<Released>, bool), StoreError> {
    let due = table.due(now, most)?;
    let mut more = due.len() == most;
    let (on_objects, spans) = due.into_iter().partition(|hold| hold.object().is_some());
    let mut released = release_all(table, on_objects, now)?;
    for hold in spans {
        released.extend(release(table, hold.id, now, most)?);
    }
    more |= released.iter().any(|released| released.more);
    Ok((released, more))
}
