//! An engine in memory, for tests. It answers every scan from the definitions, entry by
//! entry: the oracle for the engine that has indexes.
//!
//! Nothing here is kept for speed: no index and no stored conclusion.

mod registry;

use super::admission::{self, Addition, Held, Latest, Table};
use super::hold::{self, Hold, Reach, Rows, Subject, Version};
use super::registry::{Change, Registry};
use super::{
    ChangeError, Deleted, Deletion, Done, Entries, Extent, Holding, Holds, KeptStatus, Push, Registrar, Releasing, Row,
    Scan, StoreError, Trail,
};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::{CollectionKey, World};
use crate::audit;
use crate::clock::Clock;
use crate::stix::head::Spec;
use crate::stix::json::Digest;
use crate::stix::rules::version::Lineage;
use crate::taxii::filter::{Filter, Versions};
use crate::taxii::page::Key;
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// A store that is gone when it is dropped.
#[derive(Debug)]
pub struct Memory {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    registry: Registry,
    shelves: HashMap<CollectionKey, Shelf>,
    statuses: HashMap<Uuid, KeptStatus>,
    trail: Vec<String>,
    head: audit::Head,
    last_key: i64,
}

/// One collection's entries, in the order of their `date_added`.
#[derive(Debug)]
struct Shelf {
    newest: Timestamp,
    entries: Vec<Entry>,
    owners: HashMap<String, OrganisationKey>,
    holds: Vec<Hold>,
}

#[derive(Clone, Debug)]
struct Entry {
    date_added: Timestamp,
    id: String,
    object_type: String,
    spec: Spec,
    /// As received, and canonical.
    version: Option<(String, String)>,
    level: Level,
    ends: Option<Timestamp>,
    owner: OrganisationKey,
    reach: Reach,
    /// When the first row of the same version was added.
    first: Timestamp,
    text: Vec<u8>,
    lineage: Lineage,
    content: Digest,
}

impl Memory {
    /// An empty store.
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// The texts of the audit trail.
    pub fn trail(&self) -> Vec<String> {
        self.state().trail.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }
}

impl State {
    fn append(&mut self, entry: &audit::Entry) {
        let text = self.head.append(entry);
        self.trail.push(text);
    }

    fn shelf(&mut self, collection: CollectionKey) -> &mut Shelf {
        let made = self.registry.collections.iter().find(|known| known.key == collection).map(|known| known.created);
        // As if something had been added just before it was made.
        let newest = Timestamp::from_micros(made.unwrap_or(Timestamp::EPOCH).micros() - 1);
        let empty = || Shelf { newest, entries: Vec::new(), owners: HashMap::new(), holds: Vec::new() };
        self.shelves.entry(collection).or_insert_with(empty)
    }
}

impl Entry {
    fn shown_version(&self) -> String {
        self.version.as_ref().map_or_else(|| self.date_added.to_string(), |(received, _)| received.clone())
    }

    fn instant(&self) -> Option<&str> {
        self.version.as_ref().map(|(_, canonical)| canonical.as_str())
    }

    /// Whether this is a newer version than `other` of the same object: by its instant, and
    /// without one the first added counts as the newest, so that a later one never overrides it.
    fn is_newer_than(&self, other: &Self) -> bool {
        match (self.instant(), other.instant()) {
            (None, None) => self.date_added < other.date_added,
            (mine, its) => mine > its,
        }
    }

    fn is_in(&self, world: World) -> bool {
        world.sees(self.level, self.owner, self.ends) && self.reach.admits(world.organisation)
    }

    fn held(&self, visible: bool) -> Held {
        Held { version: self.shown_version(), content: self.content, visible }
    }
}

impl Shelf {
    /// The entries that a filter chooses from a world, by the words of TAXII 2.1 §3.4.1.
    fn select<'s>(&'s self, world: World, filter: &'s Filter) -> impl Iterator<Item = &'s Entry> {
        let listed = |list: &Option<Vec<String>>, value: &String| list.as_ref().is_none_or(|list| list.contains(value));
        self.entries
            .iter()
            .filter(move |entry| entry.is_in(world))
            .filter(move |entry| listed(&filter.ids, &entry.id) && listed(&filter.types, &entry.object_type))
            .filter(move |entry| self.has_spec(world, filter, entry) && self.has_version(world, filter, entry))
    }

    fn has_spec(&self, world: World, filter: &Filter, entry: &Entry) -> bool {
        match &filter.specs {
            Some(specs) => specs.contains(&entry.spec),
            None => !self.others(world, entry).any(|other| other.spec > entry.spec),
        }
    }

    fn has_version(&self, world: World, filter: &Filter, entry: &Entry) -> bool {
        let Versions::Only { first, last, instants } = &filter.versions else { return true };
        let mut same_spec = self.others(world, entry).filter(|other| other.spec == entry.spec);
        let names = |instant: &String| match entry.instant() {
            Some(own) => own == instant,
            None => Timestamp::parse(&format!("{instant}Z")) == Some(entry.date_added),
        };
        instants.iter().any(names)
            || (*last && !same_spec.any(|other| other.is_newer_than(entry)))
            || (*first
                && !self.others(world, entry).any(|other| other.spec == entry.spec && entry.is_newer_than(other)))
    }

    /// The other entries of the same object in a world.
    fn others<'s>(&'s self, world: World, entry: &'s Entry) -> impl Iterator<Item = &'s Entry> {
        let other = move |other: &&Entry| other.id == entry.id && other.date_added != entry.date_added;
        self.entries.iter().filter(other).filter(move |other| other.is_in(world))
    }
}

impl Table for Shelf {
    fn owner(&mut self, id: &str) -> Result<Option<OrganisationKey>, StoreError> {
        Ok(self.owners.get(id).copied())
    }

    fn version(&mut self, id: &str, spec: Spec, instant: &str, world: World) -> Result<Option<Held>, StoreError> {
        let is_it = |entry: &&Entry| entry.id == id && entry.spec == spec && entry.instant() == Some(instant);
        let rows: Vec<&Entry> = self.entries.iter().filter(is_it).collect();
        let visible = rows.iter().find(|entry| entry.is_in(world));
        Ok(visible.or(rows.first()).map(|entry| entry.held(visible.is_some())))
    }

    fn unversioned(&mut self, id: &str, world: World) -> Result<Vec<Held>, StoreError> {
        let is_it = |entry: &&Entry| entry.id == id && entry.version.is_none() && entry.is_in(world);
        Ok(self.entries.iter().filter(is_it).map(|entry| entry.held(true)).collect())
    }

    fn latest(&mut self, id: &str, spec: Spec, world: World) -> Result<Option<Latest>, StoreError> {
        let versions = self.entries.iter().filter(|entry| entry.id == id && entry.spec == spec && entry.is_in(world));
        let latest = versions.filter(|entry| entry.version.is_some()).max_by_key(|entry| entry.instant());
        Ok(latest.map(|entry| Latest { lineage: entry.lineage.clone(), level: entry.level, added: entry.date_added }))
    }

    fn definitions(&mut self, id: &str, world: World) -> Result<Vec<Vec<u8>>, StoreError> {
        let visible = self.entries.iter().filter(|entry| entry.id == id && entry.is_in(world));
        Ok(visible.map(|entry| entry.text.clone()).collect())
    }

    fn newest(&mut self) -> Result<Timestamp, StoreError> {
        Ok(self.newest)
    }

    fn insert(&mut self, addition: &Addition<'_>) -> Result<(), StoreError> {
        let head = &addition.candidate.head;
        if head.version.is_some() && !head.predefined {
            self.owners.entry(head.id.to_string()).or_insert(addition.owner);
        }
        self.newest = addition.date_added;
        self.entries.push(Entry {
            date_added: addition.date_added,
            id: head.id.to_string(),
            object_type: head.id.object_type().to_owned(),
            spec: head.spec,
            version: head.version.as_ref().map(|version| (version.to_string(), version.instant().to_owned())),
            level: addition.level,
            ends: addition.ends,
            owner: addition.owner,
            reach: addition.reach.clone(),
            first: addition.date_added,
            text: addition.candidate.text.to_vec(),
            lineage: addition.candidate.lineage.clone(),
            content: addition.candidate.content,
        });
        Ok(())
    }
}

impl Rows for Shelf {
    fn holds(&mut self) -> Result<Vec<Hold>, StoreError> {
        Ok(self.holds.clone())
    }

    fn is_held(&mut self) -> Result<bool, StoreError> {
        Ok(!self.holds.is_empty())
    }

    fn holds_on(&mut self, object: &str) -> Result<Vec<Hold>, StoreError> {
        Ok(self.holds.iter().filter(|hold| hold.object().is_none_or(|of| of == object)).cloned().collect())
    }

    fn keep_hold(&mut self, hold: &Hold) -> Result<(), StoreError> {
        self.holds.push(hold.clone());
        Ok(())
    }

    fn forget_hold(&mut self, id: Uuid) -> Result<(), StoreError> {
        self.holds.retain(|hold| hold.id != id);
        Ok(())
    }

    fn versions(&mut self, subject: &Subject) -> Result<Vec<Version>, StoreError> {
        let is_meant = |entry: &&Entry| match subject {
            Subject::Object(id) => entry.id == *id,
            Subject::AddedFrom(time) => entry.first >= *time,
            Subject::Version { added, .. } => entry.first == *added,
        };
        let firsts = self.entries.iter().filter(|entry| entry.first == entry.date_added).filter(is_meant);
        let version = |first: &Entry| Version {
            id: first.id.clone(),
            owner: first.owner,
            level: first.level,
            ends: first.ends,
            first: first.first,
            rows: self.rows_of(first.first).map(|row| (row.date_added, row.reach.clone())).collect(),
        };
        Ok(firsts.map(version).collect())
    }

    fn set_reach(&mut self, row: Timestamp, reach: &Reach) -> Result<(), StoreError> {
        self.entries.iter_mut().filter(|entry| entry.date_added == row).for_each(|entry| entry.reach = reach.clone());
        Ok(())
    }

    fn copy_row(&mut self, first: Timestamp, to: Timestamp, reach: &Reach) -> Result<(), StoreError> {
        let copy = self.rows_of(first).next().map(|row| Entry { date_added: to, reach: reach.clone(), ..row.clone() });
        self.entries.extend(copy);
        self.raise_newest(to)
    }

    fn text(&mut self, first: Timestamp) -> Result<Vec<u8>, StoreError> {
        Ok(self.rows_of(first).next().map(|row| row.text.clone()).unwrap_or_default())
    }

    fn set_terms(&mut self, first: Timestamp, level: Level, ends: Option<Timestamp>) -> Result<(), StoreError> {
        let rows = self.entries.iter_mut().filter(|entry| entry.first == first);
        rows.for_each(|entry| (entry.level, entry.ends) = (level, ends));
        Ok(())
    }

    fn raise_newest(&mut self, to: Timestamp) -> Result<(), StoreError> {
        self.newest = self.newest.max(to);
        Ok(())
    }
}

impl Shelf {
    /// The rows of a version, the first first.
    fn rows_of(&self, first: Timestamp) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.first == first)
    }
}

impl Memory {
    /// The state of now: with nothing held any more whose time has come.
    fn tended(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let (now, mut state) = (self.now(), self.state());
        let ids: Vec<(CollectionKey, String)> =
            state.registry.collections.iter().map(|collection| (collection.key, collection.id.clone())).collect();
        for (key, id) in ids {
            for released in hold::release_due(state.shelf(key), now)? {
                let entry = released.entry(&id, now);
                state.append(&entry);
            }
        }
        Ok(state)
    }
}

impl Holds for Memory {
    fn place(&self, holding: Holding) -> Result<(), StoreError> {
        let entry = holding.audit_entry(self.now());
        let mut state = self.tended()?;
        hold::place(state.shelf(holding.collection), &holding.hold)?;
        state.append(&entry);
        Ok(())
    }

    fn release(&self, releasing: Releasing) -> Result<Option<usize>, StoreError> {
        let (now, mut state) = (self.now(), self.tended()?);
        let Some(released) = hold::release(state.shelf(releasing.collection), releasing.id, now)? else {
            return Ok(None);
        };
        let action = released.action(&releasing.collection_id);
        state.append(&audit::Entry { at: now, actor: releasing.actor, action });
        Ok(Some(released.versions))
    }

    fn holds(&self, collection: CollectionKey) -> Result<Vec<Hold>, StoreError> {
        Ok(self.tended()?.shelf(collection).holds.clone())
    }

    fn tend(&self) -> Result<(), StoreError> {
        self.tended().map(drop)
    }
}

impl Entries for Memory {
    fn every(
        &self,
        collection: CollectionKey,
        take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut state = self.tended()?;
        for entry in state.shelf(collection).entries.iter().filter(|entry| entry.first == entry.date_added) {
            let version = entry.shown_version();
            let Entry { date_added, id, spec, text, .. } = entry;
            if take(&Row { date_added: *date_added, id, version: &version, spec: *spec, text }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan(&self, scan: &Scan<'_>, take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        let mut state = self.tended()?;
        let shelf = state.shelf(scan.collection);
        for entry in shelf
            .select(scan.world, scan.filter)
            .filter(|entry| scan.after.is_none_or(|after| entry.date_added > after))
        {
            let text: &[u8] = if scan.with_text { &entry.text } else { &[] };
            let version = entry.shown_version();
            let row = Row { date_added: entry.date_added, id: &entry.id, version: &version, spec: entry.spec, text };
            if take(&row).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn add(&self, push: Push) -> Result<Status, StoreError> {
        let (now, mut state) = (self.now(), self.tended()?);
        let (status, entries) = admission::add(state.shelf(push.collection), &push, now)?;
        if !push.dry_run {
            let kept = KeptStatus::of(&push, &status, now);
            state.statuses.insert(status.id, kept);
        }
        entries.iter().for_each(|entry| state.append(entry));
        Ok(status)
    }

    fn delete(&self, deletion: Deletion) -> Result<Deleted, StoreError> {
        let mut state = self.tended()?;
        let shelf = state.shelf(deletion.collection);
        let selection = deletion.selection();
        let doomed: Vec<Timestamp> = shelf.select(deletion.own_world(), &selection).map(|entry| entry.first).collect();
        if doomed.is_empty() {
            let whole = Filter::everything_of(&deletion.id);
            let seen = shelf.select(deletion.world, &whole).next().is_some();
            let owned = shelf.select(deletion.own_world(), &whole).next().is_some();
            return Ok(if seen && !owned { Deleted::Forbidden } else { Deleted::Absent });
        }
        let (gone, kept) = shelf.entries.drain(..).partition::<Vec<_>, _>(|entry| doomed.contains(&entry.first));
        shelf.entries = kept;
        let is_of_doomed =
            |hold: &Hold| matches!(&hold.subject, Subject::Version { added, .. } if doomed.contains(added));
        shelf.holds.retain(|hold| !is_of_doomed(hold));
        let deleted = gone.iter().map(|entry| audit::Gone {
            date_added: entry.date_added,
            digest: audit::digest(&entry.text),
            version: entry.shown_version(),
        });
        let entry = deletion.audit_entry(deleted.collect());
        state.append(&entry);
        Ok(Deleted::Versions(doomed.len()))
    }

    fn unknown(&self, collection: CollectionKey, world: World, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        let mut state = self.tended()?;
        let entries = &state.shelf(collection).entries;
        let known = |id: &str| entries.iter().any(|entry| entry.id == id && entry.is_in(world));
        Ok(ids.iter().filter(|id| !known(id)).map(|id| (*id).to_owned()).collect())
    }

    fn status(&self, id: Uuid) -> Result<Option<KeptStatus>, StoreError> {
        let now = self.now();
        Ok(self.state().statuses.get(&id).filter(|kept| kept.expires > now).cloned())
    }

    fn extent(&self, collection: CollectionKey) -> Result<Extent, StoreError> {
        let mut state = self.state();
        let entries = &state.shelf(collection).entries;
        Ok(Extent { entries: entries.len() as u64, newest: entries.last().map(|entry| entry.date_added) })
    }

    fn queued(&self) -> usize {
        0
    }

    fn writable(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn octets(&self) -> Result<u64, StoreError> {
        let texts = |shelf: &Shelf| shelf.entries.iter().map(|entry| entry.text.len() as u64).sum::<u64>();
        Ok(self.state().shelves.values().map(texts).sum())
    }
}

impl Registrar for Memory {
    fn registry(&self) -> Result<Registry, StoreError> {
        Ok(self.state().registry.clone())
    }

    fn generation(&self) -> Result<u64, StoreError> {
        Ok(self.state().registry.generation)
    }

    fn change(&self, change: &Change, actor: &audit::Actor) -> Result<(), ChangeError> {
        let mut state = self.state();
        state.registry.check(change)?;
        let before = state.registry.clone();
        state.last_key += 1;
        let key = state.last_key;
        state.registry.apply(change, key);
        let entry = change.audit_entry(self.now(), actor, &before, &state.registry);
        state.append(&entry);
        Ok(())
    }

    fn cursor_key(&self) -> Key {
        [7; 32]
    }
}

impl Trail for Memory {
    fn note(&self, entry: audit::Entry) {
        self.state().append(&entry);
    }

    fn record(&self, entry: audit::Entry, done: Done) {
        self.state().append(&entry);
        // Whoever waited may have gone away meanwhile: then nobody is told.
        drop(done.send(Ok(())));
    }
}
