//! Holding: keeping versions of objects from members that could see them otherwise, for a time.

use super::{Error, Exchange, Found};
use crate::access::organisation::OrganisationKey;
use crate::audit::{Action, Actor, Entry, Held};
use crate::stix::id::Id;
use crate::store::hold::{From, Hold, Subject, Until};
use crate::store::registry::{Collection, Registry};
use crate::store::{self, Releasing};
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
    /// `None`: the operator.
    organisation: Option<OrganisationKey>,
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
        organisation: Option<OrganisationKey>,
        actor: Actor,
    ) -> Self {
        Self { exchange, registry, collection, organisation, actor }
    }

    /// The holds in force, in the order in which they were placed.
    pub fn list(&self) -> Result<Found<Vec<Held>>, Error> {
        let holds = self.exchange.store.holds(self.collection.key)?;
        let holds: Vec<Held> = holds.iter().map(|hold| self.told(hold)).collect();
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

    /// Ends a hold: those it was held from find what it covered as added now. Gives how many versions those are.
    pub fn release(&self, id: &str) -> Result<usize, Error> {
        let id = Uuid::try_parse(id).map_err(|_| Error::Absent)?;
        let holds = self.exchange.store.holds(self.collection.key)?;
        let hold = holds.iter().find(|hold| hold.id == id).ok_or(Error::Absent)?;
        if let (From::Organisations(from), Some(own)) = (&hold.from, self.organisation)
            && from.contains(&own)
        {
            // Whom it is held from does not end it, whatever else it manages.
            return Err(Error::Forbidden);
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
        self.exchange.store.release(releasing)?.ok_or(Error::Absent)
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
        Ok(Hold { id, subject, from, until, reason, placed: now, placed_by: self.organisation })
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
