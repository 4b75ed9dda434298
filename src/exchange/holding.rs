//! Holding: keeping versions of objects from members that could see them otherwise, for a time.
//!
//! The operator is shown every hold, and may release it. Who manages a collection is shown, and may
//! release, these holds and no others; any other is for it as if there were none:
//!
//! * What its own organisation placed, whatever that is of.
//! * Of those that are not from it by name: what holds everything from a date on; and what holds an object
//!   of which it sees a version that the hold covers.
//! * In looking what it sees, the holds that its own organisation placed do not count: it knows of them. Nor
//!   does the very hold that is looked at, if that waits for a decision (a version that may travel further
//!   than the one before, a marking that is not defined): who manages decides, once it reads up to all
//!   levels in question. What waits for a marking may be RED. An embargo by somebody else and a time that a
//!   marking begins with do count: of what they keep from a manager, it is not told.
//!
//! Nor is it told how many versions a release concerns, beyond those of an object that it sees.

use super::{Error, Exchange, Found};
use crate::access::organisation::OrganisationKey;
use crate::access::permission::World;
use crate::audit::{Action, Actor, Entry, Held};
use crate::stix::id::Id;
use crate::store::hold::{From, Hold, Span, Subject, Until, Version, left_by, stored_as};
use crate::store::registry::{Collection, Registry};
use crate::store::{self, HeldObject, Releasing};
use crate::taxii::filter::Malformed;
use crate::taxii::timestamp::Timestamp;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The right of one caller, or of the operator, to hold what a collection has.
#[derive(Debug)]
pub struct Holding {
    exchange: Arc<Exchange>,
    registry: Arc<Registry>,
    collection: Collection,
    /// What the caller sees, and who it is; `None`: the operator.
    world: Option<World>,
    actor: Actor,
}

/// What is to be held: one object (its versions to come included), or everything that was added
/// from a time on; from some organisations, or, if none is named, from everybody but the owner.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// An object's id: it need not be there yet.
    pub object: Option<String>,
    /// What was added then or later, and what is to come.
    pub added_from: Option<Timestamp>,
    /// Names of organisations.
    #[serde(default)]
    pub withheld_from: Vec<String>,
    /// When it ends by itself: the review date, or the end of an embargo.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

impl Holding {
    pub(super) fn new(
        exchange: Arc<Exchange>,
        registry: Arc<Registry>,
        collection: Collection,
        world: Option<World>,
        actor: Actor,
    ) -> Self {
        Self { exchange, registry, collection, world, actor }
    }

    /// The holds in force that the caller is shown, in the order in which they were placed.
    pub fn list(&self) -> Result<Found<Vec<Held>>, Error> {
        let mut holds = Vec::new();
        for hold in self.exchange.store.holds(self.collection.key)? {
            if self.shows(&hold)? {
                holds.push(self.told(&hold));
            }
        }
        let named: BTreeSet<Timestamp> = holds.iter().filter_map(|hold| hold.version_added).collect();
        let action = Action::ReadHolds {
            collection: self.collection.id.clone(),
            holds: holds.iter().map(|hold| hold.id.to_string()).collect(),
            given: named.into_iter().collect(),
        };
        let entry = Entry { at: self.exchange.now(), actor: self.actor.clone(), action };
        Ok(self.exchange.found(holds.clone(), holds.is_empty(), entry))
    }

    /// Places a hold: when this returns, what it covers is absent for those it is held from.
    pub fn place(&self, wanted: Wanted) -> Result<Held, Error> {
        let hold = self.hold(wanted)?;
        let (collection, collection_id) = (self.collection.key, self.collection.id.clone());
        let holding = store::Holding { collection, collection_id, hold: hold.clone(), actor: self.actor.clone() };
        self.exchange.store.place(holding)?;
        Ok(self.told(&hold))
    }

    /// Ends a hold: those it was held from find what it covered as added now. Gives how many versions those are, as
    /// far as the caller is told: of an object, those that it sees.
    pub fn release(&self, id: &str) -> Result<Option<usize>, Error> {
        let id = Uuid::try_parse(id).map_err(|_| Error::Absent)?;
        let holds = self.exchange.store.holds(self.collection.key)?;
        let hold = holds.iter().find(|hold| hold.id == id).ok_or(Error::Absent)?;
        if !self.shows(hold)? {
            return Err(Error::Absent);
        }
        if let (Subject::Version { .. }, Until::Time(starts)) = (&hold.subject, &hold.until) {
            let reason = format!("a marking of the object says that it starts at {starts}");
            return Err(Malformed::new("hold", &reason).into());
        }
        if let Until::Marking { ids, .. } = &hold.until {
            let reason = format!("nobody knows how far the object may travel: add {}", ids.join(", "));
            return Err(Malformed::new("hold", &reason).into());
        }
        let (collection, collection_id) = (self.collection.key, self.collection.id.clone());
        let releasing = Releasing { collection, collection_id, id, actor: self.actor.clone() };
        let seen = match (self.world, hold.object()) {
            (Some(world), Some(object)) => Some(self.seen(world, hold, object)?),
            (Some(_), None) | (None, _) => None,
        };
        let versions = self.exchange.store.release(releasing)?.ok_or(Error::Absent)?;
        Ok(if self.world.is_some() { seen } else { Some(versions) })
    }

    /// Whether the caller is shown a hold.
    fn shows(&self, hold: &Hold) -> Result<bool, Error> {
        let Some(world) = self.world else { return Ok(true) };
        if hold.placed_by == Some(world.organisation) {
            return Ok(true);
        }
        if matches!(&hold.from, From::Organisations(from) if from.contains(&world.organisation)) {
            return Ok(false);
        }
        hold.object().map_or(Ok(true), |object| Ok(self.seen(world, hold, object)? > 0))
    }

    /// How many versions a member sees of those that a hold on an object covers, when what it placed itself does
    /// not count, nor this one, if it waits for a decision.
    fn seen(&self, world: World, hold: &Hold, object: &str) -> Result<usize, Error> {
        let HeldObject { versions, holds, spans } = self.exchange.store.held(self.collection.key, object)?;
        let own = world.organisation;
        let is_to_decide = matches!(hold.until, Until::Release { .. } | Until::Marking { .. });
        let counts = |other: &&Hold| other.placed_by != Some(own) && (other.id != hold.id || !is_to_decide);
        let counting: Vec<Hold> = holds.iter().filter(counts).cloned().collect();
        let sees = |version: &&Version| {
            let Version { owner, level, ends, first, ref rows, .. } = **version;
            let level = stored_as(&holds, first, level, ends).level.unwrap_or(level);
            // Where it finds the version, or would if it were let go now.
            let found = rows.iter().find(|(_, reach)| reach.admits(own)).map_or(Timestamp::LAST, |(added, _)| *added);
            let before = |span: &Span| span.before == Timestamp::LAST || found < span.before;
            let passed = |(other, span): &(Hold, Span)| {
                counts(&other) && other.from.includes(own) && span.since <= found && before(span)
            };
            world.sees(level, owner, ends)
                && left_by(&counting, first, owner).admits(own)
                && (owner == own || !spans.iter().any(passed))
        };
        Ok(versions.iter().filter(|version| hold.covers(version.first)).filter(sees).count())
    }

    fn hold(&self, wanted: Wanted) -> Result<Hold, Malformed> {
        let now = self.exchange.now();
        let Wanted { object, added_from, withheld_from, until, reason } = wanted;
        let subject = match (object, added_from) {
            (Some(object), None) if Id::parse(&object).is_some() => Subject::Object(object),
            (Some(_), None) => return Err(Malformed::new("object", "is no id of an object: write type--UUID")),
            (None, Some(time)) if time <= now => Subject::AddedFrom(time),
            (None, Some(_)) => return Err(Malformed::new("added_from", "is in the future: place the hold then")),
            _ => {
                return Err(Malformed::new(
                    "object",
                    "name either an object, or the time added_from which on all is held",
                ));
            }
        };
        if withheld_from.is_empty() && matches!(subject, Subject::AddedFrom(_)) {
            return Err(Malformed::new("withheld_from", "name organisations: only an object is held from everybody"));
        }
        if until <= now {
            return Err(Malformed::new("until", "is in the past"));
        }
        if reason.trim().is_empty() || reason.chars().count() > 1000 {
            return Err(Malformed::new("reason", "say why, in 1 to 1000 characters"));
        }
        let from = match withheld_from[..] {
            [] => From::Everybody,
            _ => From::Organisations(self.organisations(&withheld_from)?),
        };
        let (id, until) = (Uuid::new_v4(), Until::Time(until));
        let placed_by = self.world.map(|world| world.organisation);
        Ok(Hold { id, subject, from, until, reason, placed: now, placed_by })
    }

    /// The organisations with these names. Who manages a collection names its members: of others it need not know.
    fn organisations(&self, names: &[String]) -> Result<BTreeSet<OrganisationKey>, Malformed> {
        let key = |name: &String| {
            let known = self.registry.organisation(name).map(|organisation| organisation.key);
            let known = known.filter(|key| self.registry.grant(*key, self.collection.key).is_some());
            known.ok_or_else(|| {
                Malformed::new("withheld_from", format!("no organisation {name:?} has a grant in this collection"))
            })
        };
        names.iter().map(key).collect()
    }

    fn told(&self, hold: &Hold) -> Held {
        hold.told(&|key| self.registry.name_of(key))
    }
}
