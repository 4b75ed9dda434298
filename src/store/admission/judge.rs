//! The decision about each object of a push.

use super::Table;
use super::settle::waits;
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::World;
use crate::access::terms::Terms;
use crate::stix::finding::{Finding, Verdict};
use crate::stix::head::Spec;
use crate::stix::json::{self, Digest};
use crate::stix::rules::version::Lineage;
use crate::stix::sharing::Sharing;
use crate::store::hold::{self, Hold, Reach, Until};
use crate::store::{Author, Candidate, Declared, Offer, Push, StoreError};
use crate::taxii::timestamp::Timestamp;
use std::collections::HashMap;
use std::rc::Rc;

pub(in crate::store) const NOT_YOURS: &str =
    "this id belongs to another organisation: only its owner adds versions of it";
pub(in crate::store) const OTHER_CONTENT: &str =
    "other content of this id and version is stored already, and stays (version-content, STIX 2.1 §3.6)";
pub(in crate::store) const OTHER_OBSERVABLE: &str =
    "other content of this id is stored already, and stays (version-content, STIX 2.1 §3.6)";

const NOT_YOUR_IDENTITY: &str = "names an identity that is not declared as yours, and you may not pass on what others created: ask the operator of this server";
/// An object may wait for so many marking definitions.
const UNKNOWN: usize = 50;
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
    /// Whether nothing of its id is stored, or was before this push.
    pub(super) is_fresh: bool,
    /// What there is to say of it beside other versions.
    pub(super) beside: Vec<Finding>,
    pub(super) level: Level,
    pub(super) ends: Option<Timestamp>,
    /// What it waits for before others see it, and why.
    pub(super) waits: Vec<(Until, String)>,
    /// Who sees it, as far as holds say.
    pub(super) reach: Reach,
    /// The terms of the latest version before it, if those were stricter.
    pub(super) loosened: Option<Terms>,
}

/// What stands beside a new version.
#[derive(Default)]
struct Beside {
    /// Whether nothing of its id is stored, or was.
    is_fresh: bool,
    /// What there is to say of it beside the others.
    findings: Vec<Finding>,
    /// Whether the latest of them names the same creator.
    is_as_before: bool,
    /// What the terms of the latest version before it count as.
    before: Option<Terms>,
}

impl Admitted {
    pub(super) fn terms(&self) -> Terms {
        Terms { level: Some(self.level), starts: None, ends: self.ends }
    }
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

/// What an object's markings ask for together, and those of which a world sees no definition that its
/// organisation, or another of the `speakers`, sent.
pub(in crate::store) fn terms(
    table: &mut impl Table,
    markings: &[String],
    world: World,
    speakers: &[OrganisationKey],
) -> Result<(Terms, Vec<String>), StoreError> {
    let (mut terms, mut unknown) = (Terms::default(), Vec::new());
    for id in markings {
        let known = match Terms::predefined(id) {
            Some(predefined) => Some(predefined),
            None => table.definitions(id, world, speakers)?.iter().map(|text| said(text)).reduce(Terms::and),
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
    /// Whether any hold on an object is in force.
    is_held: bool,
    /// Those on the objects of this push that were looked up.
    holds: HashMap<&'p str, Rc<Vec<Hold>>>,
    /// Whether anything of an id is stored, or was, as far as that was looked up. Nothing is stored meanwhile.
    known: HashMap<&'p str, bool>,
    /// The first offer of each id that will be added.
    first: HashMap<&'p str, usize>,
    /// What the latest offer of each id that will be added says, and what its terms count as.
    latest: HashMap<&'p str, (&'p Lineage, Terms)>,
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
        let (holds, known) = (HashMap::new(), HashMap::new());
        Self { push, now, is_held, holds, known, first, latest, added, definitions }
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
            let terms = hold::count_as(admitted.terms(), admitted.waits.iter().map(|(until, _)| until));
            let latest = self.latest.entry(id).or_insert((&candidate.lineage, terms));
            if candidate.lineage.is_later_than(latest.0) {
                *latest = (&candidate.lineage, terms);
            }
        }
        if let (Decision::Add(_) | Decision::Held(_), Some(says)) = (&decision, candidate.says) {
            self.mean(table, candidate.head.id.as_str(), says)?;
        }
        if matches!(decision, Decision::Disagrees(_) | Decision::Refused(..)) && candidate.says.is_some() {
            self.doubt(candidate.head.id.as_str());
        }
        Ok(decision)
    }

    /// The submitter means this; what else counts under this id, counts too.
    fn mean(&mut self, table: &mut impl Table, id: &'p str, says: Terms) -> Result<(), StoreError> {
        let speakers = self.push.speakers(self.submitter());
        let (stored, _) = terms(table, &[id.to_owned()], self.push.world, &speakers)?;
        self.definitions.insert(id, Some(stored.and(says)));
        Ok(())
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
    fn predefined(&mut self, table: &mut impl Table, candidate: &'p Candidate) -> Result<Decision, StoreError> {
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
        if candidate.head.embellished {
            // What it says beside is nobody's to say; what is predefined is here.
            return Ok(Decision::Held(version.to_string()));
        }
        let (beside, reach) = (Vec::new(), self.reach(table, id, self.submitter(), false)?);
        let admitted = Admitted {
            owner: self.submitter(),
            is_fresh: false,
            beside,
            level: Level::Clear,
            ends: None,
            waits: Vec::new(),
            reach,
            loosened: None,
        };
        Ok(Decision::Add(Box::new(admitted)))
    }

    fn versioned(
        &mut self,
        table: &mut impl Table,
        candidate: &'p Candidate,
        instant: &str,
    ) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        let is_known = self.knows(table, id)?;
        let owner = if is_known { table.owner(id)? } else { None };
        let is_new = owner.is_none() && !self.first.contains_key(id);
        let is_declared = candidate.declared == Declared::Submitters;
        let owner = owner.filter(|_| !is_declared).unwrap_or(self.submitter());
        let is_own = owner == self.submitter() && candidate.declared != Declared::Anothers;
        let may_add = is_own || self.push.manage;
        let held = if is_known { table.version(id, candidate.head.spec, instant, self.world())? } else { None };
        if let Some(held) = held {
            return Ok(match (held.visible, held.content == candidate.content) {
                (true, true) => Decision::Held(held.version),
                (true, false) if may_add => refused("/id", OTHER_CONTENT),
                _ => refused("/id", NOT_YOURS),
            });
        }
        match self.unless_earlier(candidate, OTHER_CONTENT) {
            Some(decision) => Ok(decision),
            None if !may_add => Ok(refused("/id", NOT_YOURS)),
            None if is_new => self.admit(table, candidate, owner, Beside { is_fresh: !is_known, ..Beside::default() }),
            None => self.beside(table, candidate, owner),
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
        let mut world = self.world();
        if candidate.declared == Declared::Submitters {
            // What others sent in its name binds it to nothing.
            world.level = None;
        }
        let is_known = self.knows(table, id)?;
        let mut others = Vec::new();
        for spec in [Spec::V20, Spec::V21].into_iter().filter(|_| is_known) {
            if let Some(latest) = table.latest(id, spec, world)? {
                let terms = hold::stored_as(&self.holds_on(table, id)?, latest.added, latest.level, latest.ends);
                others.push((latest.lineage, terms));
            }
        }
        others.extend(self.latest.get(id).map(|(lineage, terms)| ((*lineage).clone(), *terms)));
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
        let latest = others.iter().max_by_key(|(other, _)| other.instant());
        let is_as_before = latest.is_some_and(|(other, _)| other.created_by_ref == candidate.lineage.created_by_ref);
        // What was deleted counts until there is something newer: to delete an object and add it again is no way out.
        let departed = if is_known { table.departed(id)? } else { None };
        let departed = departed.filter(|(_, terms)| self.sees(*terms, owner));
        let before = match (departed, latest) {
            (Some((instant, terms)), Some((other, _)))
                if other.instant().is_none_or(|other| other.instant() < instant.as_str()) =>
            {
                Some(terms)
            }
            (departed, None) => departed.map(|(_, terms)| terms),
            (_, Some((_, terms))) => Some(*terms),
        };
        self.admit(table, candidate, owner, Beside { is_fresh: !is_known, findings, is_as_before, before })
    }

    /// Whether the submitter would see a version of these terms, but for its dates.
    fn sees(&self, terms: Terms, owner: OrganisationKey) -> bool {
        self.world().sees(terms.level.unwrap_or(Level::Red), owner, None)
    }

    /// Whether anything of an id is stored, or was.
    fn knows(&mut self, table: &mut impl Table, id: &'p str) -> Result<bool, StoreError> {
        if let Some(is_known) = self.known.get(id) {
            return Ok(*is_known);
        }
        let is_known = table.knows(id)?;
        self.known.insert(id, is_known);
        Ok(is_known)
    }

    fn unversioned(&mut self, table: &mut impl Table, candidate: &'p Candidate) -> Result<Decision, StoreError> {
        let id = candidate.head.id.as_str();
        let is_known = self.knows(table, id)?;
        let visible = if is_known { table.unversioned(id, self.world())? } else { Vec::new() };
        if !visible.is_empty() {
            let same = visible.into_iter().find(|held| held.content == candidate.content);
            return Ok(same.map_or_else(|| refused("/id", OTHER_OBSERVABLE), |held| Decision::Held(held.version)));
        }
        if let Some(decision) = self.unless_earlier(candidate, OTHER_OBSERVABLE) {
            return Ok(decision);
        }
        self.admit(table, candidate, self.submitter(), Beside { is_fresh: !is_known, ..Beside::default() })
    }

    /// Decides about what is sound, new and within the submitter's right: by what it says of its creator,
    /// and by how far it may travel.
    fn admit(
        &mut self,
        table: &mut impl Table,
        candidate: &'p Candidate,
        owner: OrganisationKey,
        beside: Beside,
    ) -> Result<Decision, StoreError> {
        let Beside { is_fresh, findings, is_as_before, before } = beside;
        if candidate.author == Author::Another && !self.push.relay && !(self.push.manage && is_as_before) {
            return Ok(refused("/created_by_ref", NOT_YOUR_IDENTITY));
        }
        let (terms, unknown) = self.terms(table, candidate)?;
        if unknown.len() > UNKNOWN {
            let reason = format!("{} of them have no definition here: send those first", unknown.len());
            return Ok(refused("/object_marking_refs", reason));
        }
        let rules = self.push.rules;
        let level = terms.level.unwrap_or(rules.unmarked);
        if level > rules.ceiling {
            let reason = format!("its markings make it {level}, and this collection takes up to {}", rules.ceiling);
            return Ok(refused("", reason));
        }
        let terms = Terms { level: Some(level), ..terms };
        let mut waits = waits(terms, before, rules, self.now);
        let mut loosened = before.filter(|before| terms.loosen(*before));
        if !unknown.is_empty() {
            let reason = format!("how far it may travel is not known until you send {}", unknown.join(", "));
            waits = vec![(Until::Marking { ids: unknown, level: self.push.world.level, before }, reason)];
            // Whether it is will be known then.
            loosened = None;
        }
        let reach = self.reach(table, candidate.head.id.as_str(), owner, !waits.is_empty())?;
        let (ends, beside) = (terms.ends, findings);
        Ok(Decision::Add(Box::new(Admitted { owner, is_fresh, beside, level, ends, waits, reach, loosened })))
    }

    /// Who sees what is added now, as far as holds say.
    fn reach(
        &mut self,
        table: &mut impl Table,
        id: &'p str,
        owner: OrganisationKey,
        waits: bool,
    ) -> Result<Reach, StoreError> {
        if waits {
            return Ok(Reach::Only([owner].into()));
        }
        // Whatever is added now is later than what any hold begins with.
        Ok(hold::left_by(&self.holds_on(table, id)?, Timestamp::LAST, owner))
    }

    /// The holds on an object, looked up once.
    fn holds_on(&mut self, table: &mut impl Table, id: &'p str) -> Result<Rc<Vec<Hold>>, StoreError> {
        if !self.is_held {
            return Ok(Rc::default());
        }
        if let Some(holds) = self.holds.get(id) {
            return Ok(Rc::clone(holds));
        }
        let holds = Rc::new(table.holds_on(id)?);
        self.holds.insert(id, Rc::clone(&holds));
        Ok(holds)
    }

    /// As [`terms`], with the marking definitions of this push, each looked up once.
    fn terms(&mut self, table: &mut impl Table, candidate: &'p Candidate) -> Result<(Terms, Vec<String>), StoreError> {
        let (mut all, mut unknown) = (Terms::default(), Vec::new());
        for id in &candidate.head.markings {
            if !self.definitions.contains_key(id.as_str()) {
                let speakers = self.push.speakers(self.submitter());
                let (found, missing) = terms(table, std::slice::from_ref(id), self.push.world, &speakers)?;
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
