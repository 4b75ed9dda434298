//! The decision about each object of a push.

use super::{Latest, Table};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::World;
use crate::access::terms::Terms;
use crate::stix::finding::{Finding, Verdict};
use crate::stix::head::Spec;
use crate::stix::json::{self, Digest};
use crate::stix::rules::version::Lineage;
use crate::stix::sharing::Sharing;
use crate::store::hold::{self, Until};
use crate::store::{Author, Candidate, Offer, Push, StoreError};
use crate::taxii::timestamp::Timestamp;
use std::collections::HashMap;

pub(in crate::store) const NOT_YOURS: &str =
    "this id belongs to another organisation: only its owner adds versions of it";
pub(in crate::store) const OTHER_CONTENT: &str =
    "other content of this id and version is stored already, and stays (version-content, STIX 2.1 §3.6)";
pub(in crate::store) const OTHER_OBSERVABLE: &str =
    "other content of this id is stored already, and stays (version-content, STIX 2.1 §3.6)";

const NOT_YOUR_IDENTITY: &str = "names an identity that is not declared as yours, and you may not pass on what others created: ask the operator of this server";
/// How far a version may be ahead of this server's clock, in seconds.
const SKEW: i64 = 300;

/// What is decided about one offer.
pub(super) enum Decision {
    /// It is added.
    Add(Box<Admitted>),
    /// It is there already, in this version.
    Held(String),
    /// It is the same as an earlier offer of this push that is added.
    SameAs(usize),
    /// It does not agree with other versions of its object.
    Disagrees(Vec<Finding>),
    /// It fails, because of what the pointer names.
    Refused(&'static str, String),
}

/// How an offer is added.
pub(super) struct Admitted {
    pub(super) owner: OrganisationKey,
    /// What there is to say of it beside other versions.
    pub(super) beside: Vec<Finding>,
    pub(super) level: Level,
    pub(super) ends: Option<Timestamp>,
    /// What it waits for before others see it, and why.
    pub(super) waits: Vec<(Until, String)>,
    /// The level of the latest version before it, if that was higher.
    pub(super) down_from: Option<Level>,
}

impl Decision {
    /// The place of the offer whose entry the offer at `at` ends up as.
    pub(super) fn entry(&self, at: usize) -> usize {
        if let Self::SameAs(first) = self { *first } else { at }
    }
}

fn refused(pointer: &'static str, reason: impl Into<String>) -> Decision {
    Decision::Refused(pointer, reason.into())
}

/// What an object's markings ask for together, and those whose definition a world does not see.
pub(in crate::store) fn terms(
    table: &mut impl Table,
    markings: &[String],
    world: World,
) -> Result<(Terms, Vec<String>), StoreError> {
    let (mut terms, mut unknown) = (Terms::default(), Vec::new());
    for id in markings {
        let known = match Terms::predefined(id) {
            Some(predefined) => Some(predefined),
            None => table.definitions(id, world)?.iter().map(|text| said(text)).reduce(Terms::and),
        };
        match known {
            Some(known) => terms = terms.and(known),
            None => unknown.push(id.clone()),
        }
    }
    Ok((terms, unknown))
}

/// What the text of a stored marking definition says. One that cannot be read any more closes.
fn said(text: &[u8]) -> Terms {
    let object = std::str::from_utf8(text).ok().and_then(|text| json::parse(text).ok());
    let sharing = object.as_ref().and_then(Sharing::of);
    sharing.map_or(Terms { level: Some(Level::Red), ..Terms::default() }, |sharing| Terms::from(&sharing))
}

/// The judging of one push: earlier offers of it count as if they were stored.
pub(super) struct Admission<'p> {
    push: &'p Push,
    now: Timestamp,
    /// Whether any hold is in force.
    is_held: bool,
    /// The first offer of each id that will be added.
    first: HashMap<&'p str, usize>,
    /// What the latest offer of each id that will be added says, and what its level counts as.
    latest: HashMap<&'p str, (&'p Lineage, Level)>,
    /// Offers that will be added, by what makes them the same entry.
    added: HashMap<Identity<'p>, (usize, Digest)>,
    /// What the marking definitions ask for that are known so far. `None`: the submitter sees none, or sent
    /// one that is refused, and means another than is here.
    definitions: HashMap<&'p str, Option<Terms>>,
}

/// Id, and specification version and instant if it has one.
type Identity<'p> = (&'p str, Option<(Spec, &'p str)>);

impl<'p> Admission<'p> {
    pub(super) fn of(push: &'p Push, now: Timestamp, is_held: bool) -> Self {
        let (first, latest, added, definitions) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Self { push, now, is_held, first, latest, added, definitions }
    }

    /// Marking definitions first: what they mark may stand before them.
    pub(super) fn judge_all(mut self, table: &mut impl Table) -> Result<Vec<Option<Decision>>, StoreError> {
        let mut decisions: Vec<Option<Decision>> = self.push.offers.iter().map(|_| None).collect();
        for offer in &self.push.offers {
            if let Offer::Unsound(details) = offer {
                self.doubt(&details.id);
            }
        }
        for defining in [true, false] {
            for (at, offer) in self.push.offers.iter().enumerate() {
                if let Offer::Sound(candidate) = offer
                    && candidate.says.is_some() == defining
                {
                    decisions[at] = Some(self.judge(table, at, candidate)?);
                }
            }
        }
        Ok(decisions)
    }

    fn judge(&mut self, table: &mut impl Table, at: usize, candidate: &'p Candidate) -> Result<Decision, StoreError> {
        let decision = match &candidate.head.version {
            _ if candidate.head.predefined => self.predefined(table, candidate)?,
            Some(version) if self.is_future(version.instant()) => {
                let pointer =
                    if candidate.lineage.version == candidate.lineage.created { "/created" } else { "/modified" };
                refused(pointer, format!("is more than {SKEW} seconds ahead of this server's clock"))
            }
            Some(version) => self.versioned(table, candidate, version.instant())?,
            None => self.unversioned(table, candidate)?,
        };
        if let Decision::Add(admitted) = &decision {
            let id = candidate.head.id.as_str();
            self.first.entry(id).or_insert(at);
            self.added.insert(identity(candidate), (at, candidate.content));
            let level = admitted.waits.iter().fold(admitted.level, |level, (until, _)| until.counts_as(level));
            let latest = self.latest.entry(id).or_insert((&candidate.lineage, level));
            if candidate.lineage.is_later_than(latest.0) {
                *latest = (&candidate.lineage, level);
            }
            if let Some(says) = candidate.says {
                self.definitions.insert(id, Some(says));
            }
        }
        if matches!(decision, Decision::Disagrees(_) | Decision::Refused(..)) && candidate.says.is_some() {
            self.doubt(candidate.head.id.as_str());
        }
        Ok(decision)
    }

    /// Whatever stands under this id here, the submitter does not mean it.
    fn doubt(&mut self, id: &'p str) {
        if Terms::predefined(id).is_none() {
            self.definitions.insert(id, None);
        }
    }

    fn is_future(&self, instant: &str) -> bool {
        let version = Timestamp::parse(&format!("{instant}Z"));
        version.is_none_or(|version| version > self.now.plus_seconds(SKEW))
    }

    /// Everybody's, and open to all.
    fn predefined(&self, table: &mut impl Table, candidate: &Candidate) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        if let Some(first) = self.first.get(id) {
            return Ok(Decision::SameAs(*first));
        }
        let Some(version) = &candidate.head.version else { return Ok(refused("/id", OTHER_CONTENT)) };
        for spec in [Spec::V20, Spec::V21] {
            if let Some(held) = table.version(id, spec, version.instant(), self.world())? {
                return Ok(Decision::Held(held.version));
            }
        }
        let (owner, level) = (self.submitter(), Level::Clear);
        let (beside, waits) = (Vec::new(), Vec::new());
        Ok(Decision::Add(Box::new(Admitted { owner, beside, level, ends: None, waits, down_from: None })))
    }

    fn versioned(
        &mut self,
        table: &mut impl Table,
        candidate: &'p Candidate,
        instant: &str,
    ) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        let owner = table.owner(id)?;
        let is_new = owner.is_none() && !self.first.contains_key(id);
        let owner = owner.unwrap_or(self.submitter());
        let may_add = owner == self.submitter() || self.push.manage;
        if let Some(held) = table.version(id, candidate.head.spec, instant, self.world())? {
            return Ok(match (held.visible, held.content == candidate.content) {
                (true, true) => Decision::Held(held.version),
                (true, false) if may_add => refused("/id", OTHER_CONTENT),
                _ => refused("/id", NOT_YOURS),
            });
        }
        match self.unless_earlier(candidate, OTHER_CONTENT) {
            Some(decision) => Ok(decision),
            None if is_new => self.admit(table, candidate, owner, Vec::new(), None),
            None if may_add => self.beside(table, candidate, owner),
            None => Ok(refused("/id", NOT_YOURS)),
        }
    }

    /// Decides about a new version of an object by the latest of the versions that the submitter
    /// can see, stored and in this push: what they all agree about, the latest says, too.
    fn beside(
        &mut self,
        table: &mut impl Table,
        candidate: &'p Candidate,
        owner: OrganisationKey,
    ) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        let mut others = Vec::new();
        for spec in [Spec::V20, Spec::V21] {
            if let Some(latest) = table.latest(id, spec, self.world())? {
                let level = self.counts_as(table, id, &latest)?;
                others.push((latest.lineage, level));
            }
        }
        others.extend(self.latest.get(id).map(|(lineage, level)| ((*lineage).clone(), *level)));
        let mut findings = Verdict::default();
        for (other, _) in &others {
            let found = candidate.lineage.judge_beside(other, self.push.rules.profile);
            found.into_iter().for_each(|finding| findings.add(finding));
        }
        let refused = findings.is_refused();
        let findings = findings.findings().to_vec();
        if refused {
            return Ok(Decision::Disagrees(findings));
        }
        self.admit(table, candidate, owner, findings, others.iter().max_by_key(|(other, _)| other.instant()))
    }

    fn unversioned(&mut self, table: &mut impl Table, candidate: &'p Candidate) -> Result<Decision, StoreError> {
        let visible = table.unversioned(candidate.head.id.as_str(), self.world())?;
        if !visible.is_empty() {
            let same = visible.into_iter().find(|held| held.content == candidate.content);
            return Ok(same.map_or_else(|| refused("/id", OTHER_OBSERVABLE), |held| Decision::Held(held.version)));
        }
        match self.unless_earlier(candidate, OTHER_OBSERVABLE) {
            Some(decision) => Ok(decision),
            None => self.admit(table, candidate, self.submitter(), Vec::new(), None),
        }
    }

    /// Decides about what is sound, new and within the submitter's right: by what it says of its creator,
    /// and by how far it may travel. `latest` is the latest version before it.
    fn admit(
        &mut self,
        table: &mut impl Table,
        candidate: &'p Candidate,
        owner: OrganisationKey,
        beside: Vec<Finding>,
        latest: Option<&(Lineage, Level)>,
    ) -> Result<Decision, StoreError> {
        let as_before = latest.is_some_and(|(other, _)| other.created_by_ref == candidate.lineage.created_by_ref);
        if candidate.author == Author::Another && !self.push.relay && !(self.push.manage && as_before) {
            return Ok(refused("/created_by_ref", NOT_YOUR_IDENTITY));
        }
        let (terms, unknown) = self.terms(table, candidate)?;
        let rules = self.push.rules;
        let level = terms.level.unwrap_or(rules.unmarked);
        if level > rules.ceiling {
            let reason = format!("its markings make it {level}, and this collection takes up to {}", rules.ceiling);
            return Ok(refused("", reason));
        }
        let before = latest.map(|(_, level)| *level);
        let mut waits = hold::waits(terms.starts, level, before, rules, self.now);
        if !unknown.is_empty() {
            let reason = format!("how far it may travel is not known until there is {}", unknown.join(", "));
            waits = vec![(Until::Marking { ids: unknown, level: self.push.world.level, before }, reason)];
        }
        let down_from = before.filter(|before| level < *before);
        Ok(Decision::Add(Box::new(Admitted { owner, beside, level, ends: terms.ends, waits, down_from })))
    }

    /// As [`terms`], with the marking definitions of this push, each looked up once.
    fn terms(&mut self, table: &mut impl Table, candidate: &'p Candidate) -> Result<(Terms, Vec<String>), StoreError> {
        let (mut all, mut unknown) = (Terms::default(), Vec::new());
        for id in &candidate.head.markings {
            if !self.definitions.contains_key(id.as_str()) {
                let (found, missing) = terms(table, std::slice::from_ref(id), self.push.world)?;
                self.definitions.insert(id, missing.is_empty().then_some(found));
            }
            match self.definitions.get(id.as_str()) {
                Some(Some(known)) => all = all.and(*known),
                _ => unknown.push(id.clone()),
            }
        }
        Ok((all, unknown))
    }

    /// The decision if an earlier offer that is added is the same entry.
    fn unless_earlier(&self, candidate: &Candidate, other: &'static str) -> Option<Decision> {
        let (first, content) = self.added.get(&identity(candidate))?;
        Some(if *content == candidate.content { Decision::SameAs(*first) } else { refused("/id", other) })
    }

    /// What the level of a stored version counts as: that of one which waits for a decision is not yet true.
    fn counts_as(&self, table: &mut impl Table, id: &str, latest: &Latest) -> Result<Level, StoreError> {
        let holds = if self.is_held { table.holds_on(id)? } else { Vec::new() };
        let of_it = holds.iter().filter(|hold| hold.is_of_version(id, latest.added));
        Ok(of_it.fold(latest.level, |level, hold| hold.until.counts_as(level)))
    }

    /// What the submitter's organisation sees of its own counts, also where a secret would not show it.
    fn world(&self) -> World {
        World { own: Level::Red, ..self.push.world }
    }

    fn submitter(&self) -> OrganisationKey {
        self.push.world.organisation
    }
}

fn identity(candidate: &Candidate) -> Identity<'_> {
    let head = &candidate.head;
    (head.id.as_str(), head.version.as_ref().map(|version| (head.spec, version.instant())))
}
