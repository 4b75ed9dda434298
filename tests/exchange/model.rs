//! Who sees what, told a second time and naively: a plain list of what there is, and of each thing
//! whom it is kept from. The server must agree with it about every caller, object and endpoint.
//!
//! Written from what the README promises, not from the program: no index, no row, no reach.

use crate::markings::{ACS, IEP, acs, definition, iep};
use crate::support::actor::{Actor, Connection, TAXII, ask};
use crate::support::clock::Still;
use crate::support::inside::{Inside, ROOT, Told, status};
use crate::support::objects::{id, versioned};
use crate::support::rounds;
use crate::support::server::{RW, Setup};
use crate::support::{Answer, Server};
use entente::access::level::Level;
use entente::exchange::{Administering, Rights, Wanted};
use entente::stix::marking::TLP;
use entente::store::registry::{Downgrade, Rule, Rules};
use entente::store::{Row, Store};
use entente::taxii::timestamp::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;

/// The first one is who looks, where one is; the last one manages.
pub const ORGANISATIONS: [&str; 4] = ["east", "north", "south", "west"];
pub const EAST: usize = 0;
pub const WEST: usize = 3;
pub const IDS: usize = 3;
pub const VERSIONS: u32 = 4;
pub const ADDRESSES: usize = 2;
pub const DEFINITIONS: usize = 8;
/// What a definition is never there for.
pub const NEVER: usize = 7;
const HALF_HOUR: u64 = 1800;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Of the nine predefined ones.
    Tlp(usize),
    /// The same, of a part.
    Granular(usize),
    /// By a definition of somebody's.
    Defined(usize),
}

#[derive(Clone, Debug)]
pub enum Item {
    Version(usize, u32, Vec<Mark>),
    Address(usize, u8, Vec<Mark>),
    Definition(usize),
}

#[derive(Clone, Copy, Debug)]
pub enum Which {
    Last,
    First,
    All,
    Version(u32),
}

#[derive(Clone, Debug)]
pub enum Step {
    Push(usize, Vec<Item>),
    /// By whom, of which indicator, or, beyond those, address.
    Delete(usize, usize, Which),
    /// Read, write; none: not even know of it.
    Grant(usize, Option<(Option<Level>, bool)>),
    /// Of which indicator or address, or of what is added from some half hours ago on; from some or all; for how
    /// many half hours.
    Hold(Option<usize>, u64, Vec<usize>, u64),
    /// The same, by the operator.
    Order(Option<usize>, u64, Vec<usize>, u64),
    /// One of the holds that there are.
    Release(usize),
    /// Up to which level who manages reads.
    Manager(Option<Level>),
    /// By half hours.
    Turn(u64),
    Policy(Downgrade),
}

/// What a hold is of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    Object(String),
    AddedFrom(Timestamp),
}

#[derive(Clone, Debug)]
struct Hold {
    uuid: String,
    of: Of,
    /// Nobody named: from everybody.
    from: Vec<usize>,
    until: Timestamp,
    /// Otherwise by the operator.
    by_west: bool,
}

/// One version of one object.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: String,
    /// None: an observable.
    pub version: Option<String>,
    pub text: String,
    pub owner: usize,
    /// Up to which level its submitter read.
    clearance: Option<Level>,
    marks: Vec<Mark>,
    pub level: Level,
    ends: Option<Timestamp>,
    /// What the version before it counted as.
    before: Option<Terms>,
    /// It travels further than the version before it, and nobody has allowed that.
    quarantined: bool,
    /// It may not go out before.
    starts: Option<Timestamp>,
    /// Definitions that are not known.
    waiting: Vec<usize>,
    defines: Option<usize>,
    /// In which step each organisation last came to be free to have it, as far as holds go.
    free_since: [Option<usize>; 4],
    /// Since when each organisation could have it, but for holds of everything from a time on.
    could_have: [Option<Timestamp>; 4],
}

/// All that there is.
pub struct Model {
    pub start: Timestamp,
    now: Timestamp,
    step: usize,
    downgrade: Downgrade,
    /// Read, write.
    grants: [Option<(Option<Level>, bool)>; 4],
    pub entries: Vec<Entry>,
    owners: HashMap<String, usize>,
    holds: Vec<Hold>,
    /// Definitions that came with the push that is looked at, and were refused: other ones were meant.
    refused: Vec<usize>,
    /// Which definitions were sent by whom, though they were there already.
    meant: Vec<(usize, usize)>,
    /// The latest version of each indicator that was deleted, and what it counted as.
    departed: HashMap<String, (Option<String>, Terms)>,
}

/// What definition `k` says: a level, from when, until when (in half hours from the start).
fn says(k: usize) -> (Option<Level>, Option<u64>, Option<u64>) {
    match k {
        0 => (Some(Level::Clear), None, None),
        1 => (Some(Level::Red), None, None),
        2 => (Some(Level::Amber), None, None),
        4 => (Some(Level::Green), Some(4), None),
        5 => (Some(Level::Clear), None, Some(8)),
        6 => (Some(Level::Amber), Some(2), Some(6)),
        _ => (None, None, None),
    }
}

/// The text of definition `k`.
fn definition_text(start: Timestamp, k: usize) -> String {
    let at = |half_hours: u64| after(start, half_hours).to_string();
    let acs = |policy: &str, determination: &str| {
        acs(policy, &json!({"classification": "U", "formal_determination": [determination]}))
    };
    let permit = "privdefault=permit&sharedefault=permit";
    match k {
        0 => definition(20, ACS, &acs(permit, "PUBREL")),
        1 => definition(21, ACS, &acs("privdefault=permit&sharedefault=deny", "PUBREL")),
        2 => definition(22, ACS, &acs(permit, "FOUO")),
        4 => definition(24, IEP, &iep("green", &at(4), None)),
        5 => definition(25, IEP, &iep("white", "2024-01-01T00:00:00Z", Some(&at(8)))),
        6 => definition(26, IEP, &iep("amber", &at(2), Some(&at(6)))),
        _ => json!({"type": "marking-definition", "spec_version": "2.1", "id": marking(k),
            "created": "2024-01-01T00:00:00.000Z", "definition_type": "statement", "definition": {"statement": "Ours"}})
        .to_string(),
    }
}

pub fn marking(k: usize) -> String {
    id("marking-definition", 20 + k)
}

fn after(start: Timestamp, half_hours: u64) -> Timestamp {
    start.plus_seconds(i64::try_from(half_hours * HALF_HOUR).unwrap())
}

fn level_of(tlp: usize) -> Level {
    [0, 1, 2, 4, 0, 1, 2, 3, 4].map(|rank| Level::ALL[rank])[tlp]
}

/// An indicator's id, or beyond those, an address's.
pub fn object_id(n: usize) -> String {
    if n < IDS { id("indicator", n) } else { id("ipv4-addr", n - IDS) }
}

pub fn text(start: Timestamp, item: &Item) -> String {
    let marked = |marks: &[Mark]| {
        let whole = marks.iter().filter_map(|mark| match mark {
            Mark::Tlp(tlp) => Some(TLP[*tlp].id.to_owned()),
            Mark::Defined(k) => Some(marking(*k)),
            Mark::Granular(_) => None,
        });
        let granular = marks.iter().filter_map(|mark| match mark {
            Mark::Granular(tlp) => Some(json!({"selectors": ["id"], "marking_ref": TLP[*tlp].id})),
            _ => None,
        });
        let (whole, granular): (Vec<String>, Vec<Value>) = (whole.collect(), granular.collect());
        let list =
            |name: &str, list: Value| if list == json!([]) { String::new() } else { format!(r#","{name}":{list}"#) };
        list("object_marking_refs", json!(whole)) + &list("granular_markings", json!(granular))
    };
    match item {
        Item::Version(n, version, marks) => versioned("indicator", *n, *version, &marked(marks)),
        Item::Address(n, value, marks) => format!(
            r#"{{"type":"ipv4-addr","spec_version":"2.1","id":"{}","value":"192.0.2.{value}"{}}}"#,
            id("ipv4-addr", *n),
            marked(marks)
        ),
        Item::Definition(k) => definition_text(start, *k),
    }
}

impl Hold {
    fn is_from(&self, who: usize) -> bool {
        self.from.is_empty() || self.from.contains(&who)
    }
}

impl Entry {
    /// What somebody has to define that it is marked with.
    pub fn needed_definitions(&self) -> Vec<usize> {
        let defined = |mark: &Mark| if let Mark::Defined(k) = mark { Some(*k) } else { None };
        self.marks.iter().filter_map(defined).collect()
    }

    /// What it counts as when the next version is held against it: while nobody has allowed it to travel
    /// further, what was before, too; while nobody knows how far it may travel, the highest.
    fn counts_as(&self) -> Terms {
        let level = if self.waiting.is_empty() { self.level } else { Level::Red };
        let own = Terms { level: Some(level), starts: self.starts, ends: self.ends };
        self.before.filter(|_| self.quarantined).map_or(own, |before| own.and(before))
    }
}

impl Model {
    pub fn new(start: Timestamp) -> Self {
        let grants = [Some((Some(Level::Green), true)); 4];
        let (entries, owners, holds) = (Vec::new(), HashMap::new(), Vec::new());
        let (step, downgrade, refused, meant, departed) = (0, Downgrade::Allow, Vec::new(), Vec::new(), HashMap::new());
        let mut model =
            Self { start, now: start, step, downgrade, grants, entries, owners, holds, refused, meant, departed };
        model.grants[WEST] = Some((Some(Level::Red), true));
        model
    }

    /// Whether something else than level and dates keeps it from an organisation.
    fn is_held(&self, entry: &Entry, who: usize) -> bool {
        // What it could have had only since some time counts as added then.
        let since = |hold: &&Hold| matches!(hold.of, Of::AddedFrom(time) if entry.could_have[who].is_none_or(|could| time <= could));
        self.is_kept(entry, who) || who != entry.owner && self.holds.iter().filter(since).any(|hold| hold.is_from(who))
    }

    /// The same, but for holds of everything from a time on.
    fn is_kept(&self, entry: &Entry, who: usize) -> bool {
        let placed = |hold: &Hold| matches!(&hold.of, Of::Object(id) if *id == entry.id) && hold.is_from(who);
        who != entry.owner
            && (entry.quarantined
                || entry.starts.is_some()
                || !entry.waiting.is_empty()
                || self.holds.iter().any(placed))
    }

    /// Who sees what.
    pub fn sees(&self, who: usize, entry: &Entry) -> bool {
        let level = self.grants[who].and_then(|(read, _)| read);
        who == entry.owner
            || (level.is_some_and(|level| entry.level <= level)
                && entry.ends.is_none_or(|ends| self.now < ends)
                && !self.is_held(entry, who))
    }

    /// The definitions that somebody sent, which were there already.
    pub fn meant_by(&self, who: usize) -> Vec<usize> {
        (0..DEFINITIONS).filter(|k| self.meant.contains(&(*k, who))).collect()
    }

    /// What who manages is told of the holds that there are: those that somebody placed, and those of one version
    /// with what they wait for.
    fn told_of(&self) -> (Vec<String>, Vec<(String, &'static str)>) {
        let level = self.grants[WEST].and_then(|(read, _)| read);
        let keeps = |hold: &Hold, entry: &Entry| match &hold.of {
            Of::Object(id) => *id == entry.id,
            Of::AddedFrom(time) => entry.could_have[WEST].is_none_or(|could| *time <= could),
        };
        // Whether it could see an entry of this level, if it were not for what it placed itself.
        let free = |entry: &Entry, at: Level| {
            entry.owner == WEST
                || (level.is_some_and(|level| at <= level)
                    && entry.ends.is_none_or(|ends| self.now < ends)
                    && entry.starts.is_none()
                    && !self.holds.iter().any(|hold| !hold.by_west && hold.is_from(WEST) && keeps(hold, entry)))
        };
        let open = |entry: &&Entry| entry.owner == WEST || !entry.quarantined && entry.waiting.is_empty();
        let placed = |hold: &&Hold| match &hold.of {
            _ if hold.by_west => true,
            _ if hold.from.contains(&WEST) => false,
            Of::AddedFrom(_) => true,
            Of::Object(id) => {
                let mut of_it = self.entries.iter().filter(|entry| entry.id == *id).filter(open);
                of_it.any(|entry| free(entry, entry.level))
            }
        };
        let mut of_versions = Vec::new();
        for entry in &self.entries {
            let counts_as = entry.counts_as().level.unwrap();
            for (kind, waits, is_told) in [
                ("starts", entry.starts.is_some(), entry.owner == WEST),
                ("quarantine", entry.quarantined, free(entry, counts_as)),
                ("marking", !entry.waiting.is_empty(), free(entry, Level::Red)),
            ] {
                of_versions.extend((waits && is_told).then(|| (entry.id.clone(), kind)));
            }
        }
        of_versions.sort();
        let mut placed: Vec<String> = self.holds.iter().filter(placed).map(|hold| hold.uuid.clone()).collect();
        placed.sort();
        (placed, of_versions)
    }

    fn seen(&self, who: usize, id: &str) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.id == id && self.sees(who, entry)).collect()
    }

    fn told(&mut self) {
        for at in 0..self.entries.len() {
            for who in 0..ORGANISATIONS.len() {
                let kept = self.is_kept(&self.entries[at], who);
                let could = &mut self.entries[at].could_have[who];
                *could = if kept { None } else { could.or(Some(self.now)) };
                let held = self.is_held(&self.entries[at], who);
                let since = &mut self.entries[at].free_since[who];
                *since = if held { None } else { since.or(Some(self.step)) };
            }
        }
        self.step += 1;
    }

    /// What marks ask for together, and which are not known to an organisation that reads up to a level.
    fn terms(&self, who: usize, clearance: Option<Level>, marks: &[Mark]) -> (Terms, Vec<usize>) {
        let (mut terms, mut unknown) = (Terms::default(), Vec::new());
        for mark in marks {
            let (level, starts, ends) = match mark {
                Mark::Tlp(tlp) | Mark::Granular(tlp) => (Some(level_of(*tlp)), None, None),
                Mark::Defined(k) => {
                    let defines = |entry: &&Entry| entry.defines == Some(*k);
                    let known = self.entries.iter().find(defines).is_some_and(|entry| {
                        let says = |who| who == entry.owner || self.meant.contains(&(*k, who));
                        (says(who) || says(WEST))
                            && (who == entry.owner
                                || (clearance.is_some_and(|clearance| entry.level <= clearance)
                                    && !self.is_held(entry, who)))
                    });
                    if !known || self.refused.contains(k) {
                        unknown.push(*k);
                        continue;
                    }
                    let (level, starts, ends) = says(*k);
                    let at = |half_hours: Option<u64>| half_hours.map(|half_hours| after(self.start, half_hours));
                    (level, at(starts), at(ends))
                }
            };
            terms = terms.and(Terms { level, starts, ends });
        }
        (terms, unknown)
    }

    /// Adds one thing, if it may be added. Whether it, or the same, is there then: also if it came with the same
    /// push, and its submitter is not its owner.
    fn offer(&mut self, who: usize, item: &Item, came: &mut Vec<Entry>) -> bool {
        let text = text(self.start, item);
        let (id, version, marks, defines) = match item {
            Item::Version(n, version, marks) => {
                (id("indicator", *n), Some(format!("2024-01-01T00:00:{version:02}.000Z")), marks.clone(), None)
            }
            Item::Address(n, _, marks) => (id("ipv4-addr", *n), None, marks.clone(), None),
            Item::Definition(k) => (marking(*k), Some("2024-01-01T00:00:00.000Z".to_owned()), vec![], Some(*k)),
        };
        let owner = if version.is_some() { self.owners.get(&id).copied().unwrap_or(who) } else { who };
        let same = |entry: &&Entry| entry.id == id && entry.version == version;
        let seen = self.entries.iter().filter(same).filter(|entry| self.sees(who, entry));
        let mut there = seen.chain(came.iter().filter(same)).peekable();
        if there.peek().is_some() {
            return there.any(|entry| entry.text == text);
        }
        if owner != who && who != WEST || version.is_some() && self.entries.iter().any(|entry| same(&entry)) {
            return false;
        }
        let clearance = self.grants[who].and_then(|(read, _)| read);
        let (terms, waiting) = self.terms(who, clearance, &marks);
        let level = terms.level.unwrap_or(Level::Green);
        // What came with the same push its submitter knows, whoever owns it.
        let sent = came.iter().filter(|entry| entry.id == id);
        let seen = self.seen(who, &id).into_iter().chain(sent).filter(|_| version.is_some());
        let latest = seen.max_by_key(|entry| entry.version.clone());
        let departed = self.departed.get(&id).filter(|(version, terms)| {
            (who == owner || clearance.is_some_and(|clearance| terms.level <= Some(clearance)))
                && latest.is_none_or(|latest| latest.version < *version)
        });
        let before = departed.map(|(_, terms)| *terms).or(latest.map(Entry::counts_as));
        if version.is_some() {
            self.owners.insert(id.clone(), owner);
        }
        let known = waiting.is_empty();
        self.entries.push(Entry {
            id,
            version,
            text,
            owner,
            clearance,
            marks,
            level,
            ends: terms.ends,
            before,
            quarantined: known && self.is_quarantined(Terms { level: Some(level), ..terms }, before),
            starts: terms.starts.filter(|starts| known && self.now < *starts),
            waiting,
            defines,
            free_since: [None; 4],
            could_have: [None; 4],
        });
        came.extend(self.entries.last().cloned());
        true
    }

    fn is_quarantined(&self, terms: Terms, before: Option<Terms>) -> bool {
        self.downgrade == Downgrade::Quarantine && before.is_some_and(|before| terms.and(before) != terms)
    }

    /// How many of them are there then. Definitions count before what they mark.
    fn push(&mut self, who: usize, items: &[Item]) -> usize {
        let (mut came, mut arrived, mut there) = (Vec::new(), Vec::new(), 0);
        for first in [true, false] {
            for item in items.iter().filter(|item| matches!(item, Item::Definition(_)) == first) {
                let is_there = self.offer(who, item, &mut came);
                there += usize::from(is_there);
                match (item, is_there) {
                    (Item::Definition(k), false) => self.refused.push(*k),
                    (Item::Definition(k), true) => {
                        arrived.push(*k);
                        self.meant.push((*k, who));
                    }
                    _ => {}
                }
            }
        }
        self.refused.clear();
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            // Nobody else says how far it may go, but who manages the collection.
            let may_say = entry.owner == who || who == WEST;
            if may_say && entry.waiting.iter().any(|k| arrived.contains(k)) {
                let (terms, waiting) = self.terms(entry.owner, entry.clearance, &entry.marks);
                let level = terms.level.unwrap_or(Level::Green);
                let quarantined = self.is_quarantined(Terms { level: Some(level), ..terms }, entry.before);
                let now = self.now;
                let entry = &mut self.entries[at];
                if waiting.is_empty() {
                    (entry.level, entry.ends, entry.quarantined) = (level, terms.ends, quarantined);
                    entry.starts = terms.starts.filter(|starts| now < *starts);
                    entry.waiting = waiting;
                }
            }
        }
        there
    }

    /// The status of a deletion.
    fn delete(&mut self, who: usize, id: &str, which: Which) -> u16 {
        match self.grants[who] {
            None | Some((None, false)) => return 404,
            Some((None, true) | (Some(_), false)) => return 403,
            Some((Some(_), true)) => {}
        }
        let may = |entry: &Entry| entry.owner == who || who == WEST && self.sees(who, entry);
        let mut own: Vec<Entry> = self.entries.iter().filter(|entry| entry.id == id && may(entry)).cloned().collect();
        own.sort_by_key(|entry| entry.version.clone());
        let (last, is_own) = (own.len().saturating_sub(1), !own.is_empty());
        let chosen = |(at, entry): (usize, Entry)| {
            let chosen = match which {
                Which::All => true,
                Which::Last => at == last,
                Which::First => at == 0,
                Which::Version(version) => entry.version == Some(format!("2024-01-01T00:00:{version:02}.000Z")),
            };
            chosen.then_some((entry.id, entry.version, entry.owner))
        };
        let gone: Vec<_> = own.into_iter().enumerate().filter_map(chosen).collect();
        let seen = !self.seen(who, id).is_empty();
        let is_gone = |entry: &Entry| gone.contains(&(entry.id.clone(), entry.version.clone(), entry.owner));
        for entry in self.entries.iter().filter(|entry| entry.version.is_some() && is_gone(entry)) {
            let departed = (entry.version.clone(), entry.counts_as());
            let kept = self.departed.entry(id.to_owned()).or_insert_with(|| departed.clone());
            if kept.0 <= departed.0 {
                *kept = departed;
            }
        }
        self.entries.retain(|entry| !is_gone(entry));
        match (gone.is_empty(), seen && !is_own) {
            (false, _) => 200,
            (true, true) => 403,
            (true, false) => 404,
        }
    }

    fn turn(&mut self, half_hours: u64) {
        self.now = after(self.now, half_hours);
        let now = self.now;
        self.end_holds(|hold| hold.until <= now);
        self.entries.iter_mut().for_each(|entry| entry.starts = entry.starts.filter(|starts| now < *starts));
    }

    /// Ends holds. What was added since a time and is held no more counts as added now, for those it was held from.
    fn end_holds(&mut self, over: impl Fn(&Hold) -> bool) {
        let (ended, left) = std::mem::take(&mut self.holds).into_iter().partition::<Vec<_>, _>(over);
        self.holds = left;
        for hold in ended {
            let Of::AddedFrom(time) = hold.of else { continue };
            for entry in &mut self.entries {
                for who in (0..ORGANISATIONS.len()).filter(|who| hold.is_from(*who) && *who != entry.owner) {
                    let could = &mut entry.could_have[who];
                    *could = could.map(|could| if time <= could { self.now } else { could });
                }
            }
        }
    }

    fn may_read(&self, who: usize) -> Result<(), u16> {
        match self.grants[who] {
            None => Err(404),
            Some((None, _)) => Err(403),
            Some((Some(_), _)) => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Terms {
    level: Option<Level>,
    starts: Option<Timestamp>,
    ends: Option<Timestamp>,
}

impl Terms {
    /// The strictest of each.
    fn and(self, other: Self) -> Self {
        Self {
            level: self.level.max(other.level),
            starts: self.starts.max(other.starts),
            ends: self.ends.into_iter().chain(other.ends).min(),
        }
    }
}

/// A way to the real thing.
pub trait Real {
    fn admin(&self) -> &Administering;
    fn store(&self) -> &dyn Store;
    fn clock(&self) -> &Still;
    fn get(&self, who: &str, view: &str, query: &str) -> Told;
    /// How many objects are there then; or the status of a refusal.
    fn push(&self, who: &str, texts: &[String]) -> Result<usize, u16>;
    fn delete(&self, who: &str, id: &str, query: &str) -> u16;
    /// The hold's id.
    fn hold(&self, wanted: &Value) -> Result<String, u16>;
    fn holds(&self) -> Vec<Value>;
    fn release(&self, hold: &str) -> u16;
}

impl Real for Inside {
    fn admin(&self) -> &Administering {
        &self.admin
    }

    fn store(&self) -> &dyn Store {
        &*self.store
    }

    fn clock(&self) -> &Still {
        &self.clock
    }

    fn get(&self, who: &str, view: &str, query: &str) -> Told {
        Self::get(self, who, RW, view, query)
    }

    fn push(&self, who: &str, texts: &[String]) -> Result<usize, u16> {
        self.offer(who, RW, texts).map(|status| status.successes().len()).map_err(|error| status(&error))
    }

    fn delete(&self, who: &str, id: &str, query: &str) -> u16 {
        Self::delete(self, who, RW, id, query)
    }

    fn hold(&self, wanted: &Value) -> Result<String, u16> {
        let wanted: Wanted = serde_json::from_value(wanted.clone()).unwrap();
        let held = self.session(ORGANISATIONS[WEST]).holding(ROOT, RW).and_then(|holding| holding.place(wanted));
        held.map(|held| held.id.to_string()).map_err(|error| status(&error))
    }

    fn holds(&self) -> Vec<Value> {
        let held = self.session(ORGANISATIONS[WEST]).holding(ROOT, RW).unwrap().list().unwrap().wait().unwrap();
        serde_json::to_value(held).unwrap().as_array().unwrap().clone()
    }

    fn release(&self, hold: &str) -> u16 {
        let released = self.session(ORGANISATIONS[WEST]).holding(ROOT, RW).unwrap().release(hold);
        released.map_or_else(|error| status(&error), |_| 200)
    }
}

/// An exchange with the model's organisations and collection.
pub fn inside(in_memory: bool, clock: Still) -> Inside {
    let inside = Inside::at(in_memory, clock);
    inside.add_collection(RW, "Read and write", Rules::default());
    ORGANISATIONS.iter().for_each(|name| inside.add_organisation(name));
    grant_all(&inside.admin);
    inside
}

fn grant_all(admin: &Administering) {
    for (who, name) in ORGANISATIONS.iter().enumerate() {
        let read = Some(if who == WEST { Level::Red } else { Level::Green });
        admin.grant(name, RW, Some(Rights { read, write: true, manage: who == WEST, relay: true })).unwrap();
    }
}

/// The same over HTTPS.
struct Https {
    server: Server,
    clock: Still,
    actors: HashMap<String, (Actor, RefCell<Connection>)>,
}

impl Https {
    fn new() -> Self {
        let clock = Still::default();
        let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
        let connect = |name: &&str| {
            server.admin.add_organisation(name, name).unwrap();
            let actor = server.actor(name);
            let connection = RefCell::new(actor.connect().unwrap());
            ((*name).to_owned(), (actor, connection))
        };
        let actors = ORGANISATIONS.iter().map(connect).collect();
        grant_all(&server.admin);
        Self { server, clock, actors }
    }

    /// Reads on a connection that lives on, changes on one of their own.
    fn ask(&self, who: &str, method: &str, below: &str, body: Option<&str>) -> Answer {
        let path = format!("/api1/collections/{RW}/{below}");
        let (actor, connection) = &self.actors[who];
        match (method, body) {
            (_, Some(body)) => actor.post(&path, body),
            ("GET", None) => ask(&mut connection.borrow_mut(), "GET", &path, &[("Accept", TAXII)], None),
            _ => actor.send(method, &path, &[("Accept", TAXII)], None),
        }
    }
}

impl Real for Https {
    fn admin(&self) -> &Administering {
        &self.server.admin
    }

    fn store(&self) -> &dyn Store {
        &*self.server.store
    }

    fn clock(&self) -> &Still {
        &self.clock
    }

    fn get(&self, who: &str, view: &str, query: &str) -> Told {
        let below = match view.split_once('/') {
            None => format!("{view}/?{query}"),
            Some(("object", id)) => format!("objects/{id}/?{query}"),
            Some((_, id)) => format!("objects/{id}/versions/?{query}"),
        };
        let answer = self.ask(who, "GET", &below, None);
        Told { status: answer.status, dates: (answer.status == 200).then(|| answer.dates()), body: answer.text() }
    }

    fn push(&self, who: &str, texts: &[String]) -> Result<usize, u16> {
        let answer = self.ask(who, "POST", "objects/", Some(&crate::support::objects::envelope(texts)));
        if answer.status == 202 {
            Ok(usize::try_from(answer.json()["success_count"].as_u64().unwrap()).unwrap())
        } else {
            Err(answer.status)
        }
    }

    fn delete(&self, who: &str, id: &str, query: &str) -> u16 {
        self.ask(who, "DELETE", &format!("objects/{id}/?{query}"), None).status
    }

    fn hold(&self, wanted: &Value) -> Result<String, u16> {
        let answer = self.ask(ORGANISATIONS[WEST], "POST", "x_entente_hold/", Some(&wanted.to_string()));
        if answer.status == 200 { Ok(answer.json()["id"].as_str().unwrap().to_owned()) } else { Err(answer.status) }
    }

    fn holds(&self) -> Vec<Value> {
        self.ask(ORGANISATIONS[WEST], "GET", "x_entente_hold/", None).must_be(200).list("holds")
    }

    fn release(&self, hold: &str) -> u16 {
        self.ask(ORGANISATIONS[WEST], "DELETE", &format!("x_entente_hold/{hold}/"), None).status
    }
}

/// Does a step in the model and in the real thing, and holds what both say of it against each other.
pub fn take(model: &mut Model, real: &impl Real, step: &Step) {
    match step {
        Step::Push(who, items) => {
            let texts: Vec<String> = items.iter().map(|item| text(model.start, item)).collect();
            let expected = match model.grants[*who] {
                Some((_, true)) => Ok(model.push(*who, items)),
                Some((_, false)) => Err(403),
                None => Err(404),
            };
            assert_eq!(real.push(ORGANISATIONS[*who], &texts), expected, "{step:?}");
        }
        Step::Delete(who, n, which) => {
            // Of an observable's entries, the last is a matter of the order that only the server knows.
            let which = if *n < IDS { *which } else { Which::All };
            let query = match which {
                Which::Last => String::new(),
                Which::First => "match[version]=first".to_owned(),
                Which::All => "match[version]=all".to_owned(),
                Which::Version(version) => format!("match[version]=2024-01-01T00:00:{version:02}.000Z"),
            };
            let expected = model.delete(*who, &object_id(*n), which);
            assert_eq!(real.delete(ORGANISATIONS[*who], &object_id(*n), &query), expected, "{step:?}");
        }
        Step::Grant(who, rights) => {
            if model.grants[*who].is_some() || rights.is_some() {
                let rights = rights.map(|(read, write)| Rights { read, write, manage: false, relay: true });
                real.admin().grant(ORGANISATIONS[*who], RW, rights).unwrap();
            }
            model.grants[*who] = *rights;
        }
        Step::Hold(n, ago, from, half_hours) => place(model, real, (*n, *ago), (from, true), *half_hours),
        Step::Order(n, ago, from, half_hours) => place(model, real, (*n, *ago), (from, false), *half_hours),
        Step::Manager(read) => {
            let rights = Rights { read: *read, write: true, manage: true, relay: true };
            real.admin().grant(ORGANISATIONS[WEST], RW, Some(rights)).unwrap();
            model.grants[WEST] = Some((*read, true));
        }
        Step::Release(at) => release(model, real, *at),
        Step::Turn(half_hours) => {
            real.clock().turn_on(half_hours * HALF_HOUR);
            real.store().tend().unwrap();
            model.turn(*half_hours);
        }
        Step::Policy(downgrade) => {
            real.admin().set_rules(RW, &[Rule::Downgrade(*downgrade)]).unwrap();
            model.downgrade = *downgrade;
        }
    }
    model.told();
}

fn place(
    model: &mut Model,
    real: &impl Real,
    (n, ago): (Option<usize>, u64),
    (from, by_west): (&[usize], bool),
    half_hours: u64,
) {
    let until = after(model.now, half_hours);
    let mut wanted = json!({"until": until, "reason": "A delay"});
    let of = if let Some(n) = n {
        wanted["object"] = json!(object_id(n));
        Of::Object(object_id(n))
    } else {
        let time = model.now.plus_seconds(-i64::try_from(ago * HALF_HOUR).unwrap());
        wanted["added_from"] = json!(time);
        Of::AddedFrom(time)
    };
    wanted["withheld_from"] = json!(from.iter().map(|who| ORGANISATIONS[*who]).collect::<Vec<_>>());
    let has_sense = from.iter().all(|who| model.grants[*who].is_some()) && (n.is_some() || !from.is_empty());
    let placed = if by_west {
        real.hold(&wanted)
    } else {
        let placed = real.admin().holding(RW).unwrap().place(serde_json::from_value(wanted.clone()).unwrap());
        placed.map(|held| held.id.to_string()).map_err(|error| status(&error))
    };
    match placed {
        Ok(uuid) if has_sense => model.holds.push(Hold { uuid, of, from: from.to_vec(), until, by_west }),
        Err(400) if !has_sense => {}
        other => panic!("{wanted}: {other:?}"),
    }
}

/// Releases a hold that somebody placed, or that the server did for a downgrade.
fn release(model: &mut Model, real: &impl Real, at: usize) {
    let there = holds_agree(model, real);
    let all = real.admin().holding(RW).unwrap().list().unwrap().wait().unwrap();
    let hidden = all.iter().map(|held| held.id.to_string()).filter(|id| there.iter().all(|hold| hold["id"] != **id));
    for hidden in hidden.skip(at).take(2) {
        assert_eq!(real.release(&hidden), 404, "what it is not told of is not there");
    }
    let Some(hold) = there.get(at % there.len().max(1)) else { return };
    let uuid = hold["id"].as_str().unwrap();
    let starts = hold.get("version_added").is_some() && hold.get("until").is_some();
    if starts || hold.get("until_defined").is_some() {
        assert_eq!(real.release(uuid), 400, "what a marking says, nobody releases");
        return;
    }
    assert_eq!(real.release(uuid), 200);
    let Some(added) = hold.get("version_added") else {
        model.end_holds(|hold| hold.uuid == uuid);
        return;
    };
    let at = version_added(model, real, added);
    model.entries[at].quarantined = false;
}

/// What who manages is told of holds, after it was held against the model.
fn holds_agree(model: &Model, real: &impl Real) -> Vec<Value> {
    let there = real.holds();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (mut placed, mut of_versions) = (Vec::new(), Vec::new());
    for hold in &there {
        let kind = match (hold.get("until"), hold.get("until_defined")) {
            (Some(_), _) => "starts",
            (None, Some(_)) => "marking",
            (None, None) => "quarantine",
        };
        if hold.get("version_added").is_some() {
            of_versions.push((text(&hold["object"]), kind));
        } else {
            placed.push(text(&hold["id"]));
        }
    }
    placed.sort();
    of_versions.sort();
    assert_eq!((placed, of_versions), model.told_of());
    there
}

/// The place in the model of the version that was first added then.
fn version_added(model: &Model, real: &impl Real, added: &Value) -> usize {
    let (mut earlier, mut found) = (Vec::new(), None);
    let collection = real.admin().collection(RW).unwrap().key;
    let mut take = |row: &Row<'_>| {
        let this = (row.id.to_owned(), String::from_utf8(row.text.to_vec()).unwrap());
        if json!(row.date_added) == *added {
            found = Some((this, earlier.clone()));
            return ControlFlow::Break(());
        }
        earlier.push(this);
        ControlFlow::Continue(())
    };
    real.store().every(collection, &mut take).unwrap();
    let (this, earlier) = found.unwrap();
    let alike = earlier.iter().filter(|other| **other == this).count();
    let is_it = |entry: &&Entry| (entry.id.as_str(), entry.text.as_str()) == (this.0.as_str(), this.1.as_str());
    let places = (0..model.entries.len()).filter(|at| is_it(&&model.entries[*at]));
    places.into_iter().nth(alike).unwrap()
}

/// A version as one caller is shown it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub date_added: String,
    pub id: String,
    pub version: String,
    pub text: String,
}

impl Shown {
    fn object_type(&self) -> &str {
        self.id.split("--").next().unwrap()
    }

    /// Of versions, a later one is newer; without them, what was added first.
    fn is_newer_than(&self, other: &Self) -> bool {
        if self.object_type() == "ipv4-addr" {
            self.date_added < other.date_added
        } else {
            self.version > other.version
        }
    }
}

/// What one caller is shown of everything, after it was held against the model.
pub fn shown(model: &Model, real: &impl Real, who: usize) -> Vec<Shown> {
    let name = ORGANISATIONS[who];
    let (records, texts) =
        (real.get(name, "manifest", "match[version]=all"), real.get(name, "objects", "match[version]=all"));
    assert_eq!(records.dates, texts.dates);
    let text = |object: &Value| object["id"].as_str().unwrap().to_owned();
    let texts = objects_of(&texts.body);
    assert_eq!(records.items().iter().map(text).collect::<Vec<_>>().len(), texts.len());
    let shown: Vec<Shown> = records
        .items()
        .iter()
        .zip(texts)
        .map(|(record, text)| {
            let field = |name: &str| record[name].as_str().unwrap().to_owned();
            assert_eq!(record["media_type"], "application/stix+json;version=2.1");
            Shown { date_added: field("date_added"), id: field("id"), version: field("version"), text }
        })
        .collect();
    assert!(shown.is_sorted_by(|one, other| one.date_added < other.date_added));
    let mut expected: Vec<&Entry> = model.entries.iter().filter(|entry| model.sees(who, entry)).collect();
    expected.sort_by_key(|entry| entry.free_since[who]);
    let ids = |ids: &mut Vec<String>| ids.sort();
    let (mut by_model, mut by_server): (Vec<String>, Vec<String>) = (
        expected.iter().map(|entry| entry.text.clone()).collect(),
        shown.iter().map(|shown| shown.text.clone()).collect(),
    );
    ids(&mut by_model);
    ids(&mut by_server);
    assert_eq!(by_server, by_model, "what {name} sees");
    let mut last = None;
    for shown in &shown {
        let at = expected.iter().position(|entry| entry.text == shown.text).unwrap();
        let entry = expected.remove(at);
        let version = entry.version.as_ref().unwrap_or(&shown.date_added);
        assert_eq!((&shown.id, &shown.version), (&entry.id, version));
        assert!(entry.free_since[who] >= last, "{name} finds {shown:?} out of order");
        last = entry.free_since[who];
    }
    shown
}

/// The texts of the objects of a page, to the octet.
fn objects_of(body: &str) -> Vec<String> {
    let page: HashMap<String, &RawValue> = serde_json::from_str(body).unwrap();
    let list = page.get("objects").map(|list| serde_json::from_str::<Vec<&RawValue>>(list.get()).unwrap());
    list.unwrap_or_default().iter().map(|text| text.get().to_owned()).collect()
}

/// What is asked for.
#[derive(Clone, Default)]
struct Asked {
    ids: Option<Vec<String>>,
    types: Option<&'static str>,
    versions: &'static str,
}

impl Asked {
    fn query(&self) -> String {
        let mut query = Vec::new();
        query.extend(self.ids.as_ref().map(|ids| format!("match[id]={}", ids.join(","))));
        query.extend(self.types.map(|types| format!("match[type]={types}")));
        query
            .extend(Some(self.versions).filter(|versions| !versions.is_empty()).map(|v| format!("match[version]={v}")));
        query.join("&")
    }

    /// By the words of TAXII 2.1 §3.4.1, of what one caller is shown.
    fn of<'s>(&self, shown: &'s [Shown]) -> Vec<&'s Shown> {
        let alike = |one: &Shown| shown.iter().filter(move |other| other.id == one.id).cloned().collect::<Vec<_>>();
        let chosen = |one: &Shown| {
            let others = alike(one);
            let versions = if self.versions.is_empty() { "last" } else { self.versions };
            versions.split(',').any(|version| match version {
                "all" => true,
                "last" => !others.iter().any(|other| other.is_newer_than(one)),
                "first" => !others.iter().any(|other| one.is_newer_than(other)),
                version => one.version == version,
            })
        };
        shown
            .iter()
            .filter(|one| self.ids.as_ref().is_none_or(|ids| ids.contains(&one.id)))
            .filter(|one| self.types.is_none_or(|types| one.object_type() == types))
            .filter(|one| chosen(one))
            .collect()
    }
}

/// How each view writes an item.
fn written(view: &str, shown: &Shown) -> String {
    let Shown { date_added, id, version, text } = shown;
    match view.split('/').next().unwrap() {
        "manifest" => format!(
            r#"{{"id":"{id}","date_added":"{date_added}","version":"{version}","media_type":"application/stix+json;version=2.1"}}"#
        ),
        "versions" => format!(r#""{version}""#),
        _ => text.clone(),
    }
}

/// One page, held against what there is to see after a time.
fn must_agree(told: &Told, view: &str, expected: &[&Shown], limit: usize, after: &str) {
    let page = &expected[..limit.min(expected.len())];
    let items: Vec<String> = page.iter().map(|shown| written(view, shown)).collect();
    let list = if view.starts_with("versions") { "versions" } else { "objects" };
    let body = match told.next() {
        _ if page.is_empty() => "{}".to_owned(),
        Some(next) if expected.len() > limit => {
            format!(r#"{{"{list}":[{}],"more":true,"next":"{next}"}}"#, items.join(","))
        }
        _ => format!(r#"{{"{list}":[{}],"more":false}}"#, items.join(",")),
    };
    let date = |shown: Option<&&Shown>| shown.map_or_else(|| after.to_owned(), |shown| shown.date_added.clone());
    let dates = Some((date(page.first()), date(page.last())));
    assert_eq!(*told, Told { status: 200, dates, body }, "{view}");
}

const BEGINNING: &str = "1970-01-01T00:00:00.000000Z";

/// Every caller, object and endpoint.
pub fn agree(model: &Model, real: &impl Real) {
    let ids: Vec<String> = (0..=IDS + ADDRESSES).map(object_id).chain((0..DEFINITIONS).map(marking)).collect();
    for (who, name) in ORGANISATIONS.iter().enumerate() {
        if let Err(status) = model.may_read(who) {
            for view in ["objects".to_owned(), "manifest".to_owned()]
                .into_iter()
                .chain(ids.iter().flat_map(|id| [format!("object/{id}"), format!("versions/{id}")]))
            {
                assert_eq!(real.get(name, &view, "").status, status, "{name} {view}");
            }
            continue;
        }
        let shown = shown(model, real, who);
        let dates: Vec<&str> = shown.iter().map(|shown| shown.date_added.as_str()).step_by(3).take(3).collect();
        for view in ["objects", "manifest"] {
            for versions in ["", "all", "first", "first,last", "2024-01-01T00:00:01.000Z"] {
                let asked = |types, ids| Asked { ids, types, versions };
                for asked in [
                    asked(None, None),
                    asked(Some("ipv4-addr"), None),
                    asked(Some("indicator"), Some(vec![ids[0].clone(), ids[1].clone()])),
                    asked(None, Some(vec![ids[1].clone(), ids[IDS].clone()])),
                ] {
                    let (query, expected) = (asked.query(), asked.of(&shown));
                    must_agree(&real.get(name, view, &query), view, &expected, usize::MAX, BEGINNING);
                }
                let (query, expected) = (asked(None, None).query(), asked(None, None).of(&shown));
                for after in &dates {
                    let rest: Vec<&Shown> =
                        expected.iter().filter(|shown| &*shown.date_added > *after).copied().collect();
                    let told = real.get(name, view, &format!("{query}&added_after={after}"));
                    must_agree(&told, view, &rest, usize::MAX, after);
                }
                walk(real, name, view, &query, &expected);
            }
        }
        for id in &ids {
            one(real, name, id, &shown);
        }
    }
}

/// Page by page, by `next` and by the header.
fn walk(real: &impl Real, name: &str, view: &str, query: &str, expected: &[&Shown]) {
    let (mut rest, mut after, mut by_next) = (expected, BEGINNING.to_owned(), format!("{query}&limit=2"));
    loop {
        let told = real.get(name, view, &by_next);
        must_agree(&told, view, rest, 2, &after);
        let by_header = if after == BEGINNING { String::new() } else { format!("&added_after={after}") };
        must_agree(&real.get(name, view, &format!("{query}&limit=2{by_header}")), view, rest, 2, &after);
        let Some(next) = told.next() else { break };
        (rest, after, by_next) = (&rest[2..], told.dates.unwrap().1, format!("limit=2&next={next}"));
    }
}

/// All about one object.
fn one(real: &impl Real, name: &str, id: &str, shown: &[Shown]) {
    let asked = |versions| Asked { ids: Some(vec![id.to_owned()]), types: None, versions };
    let is_there = !asked("all").of(shown).is_empty();
    for versions in ["", "all", "first", "2024-01-01T00:00:02.000Z"] {
        let expected = asked(versions).of(shown);
        let (view, query) = (format!("object/{id}"), Asked { ids: None, ..asked(versions) }.query());
        let told = real.get(name, &view, &query);
        if is_there && !(versions.starts_with('2') && expected.is_empty()) {
            must_agree(&told, &view, &expected, usize::MAX, BEGINNING);
        } else {
            assert_eq!(told.status, 404, "{name} {view}");
        }
    }
    let (view, expected) = (format!("versions/{id}"), asked("all").of(shown));
    let told = real.get(name, &view, "");
    if is_there {
        must_agree(&told, &view, &expected, usize::MAX, BEGINNING);
        walk(real, name, &view, "", &expected);
    } else {
        assert_eq!(told.status, 404, "{name} {view}");
    }
}

pub fn marks() -> impl Strategy<Value = Vec<Mark>> {
    let tlp = prop::sample::select(vec![0usize, 1, 1, 2, 3, 4, 5, 5, 6, 7, 8]);
    let mark = prop_oneof![
        4 => tlp.clone().prop_map(Mark::Tlp),
        1 => tlp.prop_map(Mark::Granular),
        4 => (0..DEFINITIONS).prop_map(Mark::Defined),
    ];
    vec(mark, 0..3).prop_map(|mut marks| {
        marks.dedup();
        marks
    })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        5 => (0..IDS, 0..VERSIONS, marks()).prop_map(|(n, version, marks)| Item::Version(n, version, marks)),
        2 => (0..ADDRESSES, 0..2u8, marks()).prop_map(|(n, value, marks)| Item::Address(n, value, marks)),
        2 => (0..NEVER).prop_map(Item::Definition),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let level = prop::sample::select(Level::ALL.to_vec());
    let rights = prop::option::weighted(0.9, (prop::option::weighted(0.8, level.clone()), prop::bool::weighted(0.8)));
    let which =
        prop_oneof![Just(Which::Last), Just(Which::First), Just(Which::All), (0..VERSIONS).prop_map(Which::Version)];
    let from = prop::sample::subsequence(vec![0usize, 1, 2, 3], 0..=3);
    let ordered = from.clone();
    prop_oneof![
        10 => (0..ORGANISATIONS.len(), vec(item(), 1..5)).prop_map(|(who, items)| Step::Push(who, items)),
        1 => (0..ORGANISATIONS.len(), 0..IDS + ADDRESSES, which).prop_map(|(who, n, which)| Step::Delete(who, n, which)),
        2 => (0..WEST, rights).prop_map(|(who, rights)| Step::Grant(who, rights)),
        3 => (prop::option::weighted(0.8, 0..IDS + ADDRESSES), 0..4u64, from, 1..6u64)
            .prop_map(|(n, ago, from, half_hours)| Step::Hold(n, ago, from, half_hours)),
        1 => (prop::option::weighted(0.8, 0..IDS + ADDRESSES), 0..4u64, ordered, 1..6u64)
            .prop_map(|(n, ago, from, half_hours)| Step::Order(n, ago, from, half_hours)),
        1 => prop::option::weighted(0.9, level).prop_map(Step::Manager),
        2 => (0..8usize).prop_map(Step::Release),
        3 => (1..4u64).prop_map(Step::Turn),
        1 => prop::sample::select(vec![Downgrade::Allow, Downgrade::Quarantine]).prop_map(Step::Policy),
    ]
}

pub fn histories(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..longest)
}

fn happens(real: &impl Real, steps: &[Step]) {
    let mut model = Model::new(real.clock().now());
    for (at, step) in steps.iter().enumerate() {
        take(&mut model, real, step);
        for who in (0..ORGANISATIONS.len()).filter(|who| model.may_read(*who).is_ok()) {
            shown(&model, real, who);
        }
        holds_agree(&model, real);
        if at % 8 == 7 {
            agree(&model, real);
        }
    }
    agree(&model, real);
}

pub fn few(usual: u32) -> ProptestConfig {
    let cases = rounds(usual);
    ProptestConfig { cases, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(few(24))]

    #[test]
    fn every_caller_sees_of_every_object_on_every_endpoint_what_the_model_says(steps in histories(24)) {
        happens(&inside(true, Still::default()), &steps);
    }

    #[test]
    fn so_it_does_on_disk(steps in histories(24)) {
        happens(&inside(false, Still::default()), &steps);
    }
}

proptest! {
    #![proptest_config(few(2))]

    #[test]
    fn so_it_does_over_https(steps in histories(24)) {
        happens(&Https::new(), &steps);
    }
}
