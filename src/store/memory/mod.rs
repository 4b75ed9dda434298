//! An engine in memory, for tests. It answers every scan from the definitions, entry by
//! entry: the oracle for the engine that has indexes.
//!
//! Nothing here is kept for speed: no index and no stored conclusion.

mod registry;
mod table;

use super::admission::{self, Added, Held, Table as _};
use super::hold::{self, Hold, Reach, Rows as _, Span, Subject};
use super::registry::{Change, Registry};
use super::{
    ChangeError, Deleted, Deletion, Done, Edition, Entries, Extent, HeldObject, Holding, Holds, KeptStatus, Push,
    Registrar, Releasing, Row, Scan, StoreError, Trail,
};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::{CollectionKey, World};
use crate::access::terms::Terms;
use crate::audit;
use crate::clock::Clock;
use crate::stix::head::Spec;
use crate::stix::json::Digest;
use crate::stix::marking;
use crate::stix::rules::version::Lineage;
use crate::taxii::filter::{Filter, Versions};
use crate::taxii::page::Key;
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
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
    /// How often it changed.
    edition: u64,
    newest: Timestamp,
    entries: Vec<Entry>,
    owners: HashMap<String, OrganisationKey>,
    holds: Vec<Hold>,
    spans: HashMap<Uuid, Span>,
    /// The instant and the terms of the latest version of an object that was deleted.
    departed: HashMap<String, (String, Terms)>,
    /// Who sent a definition, by its id and content.
    meant: HashSet<(String, Digest, OrganisationKey)>,
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
        let empty = || Shelf {
            edition: 0,
            newest,
            entries: Vec::new(),
            owners: HashMap::new(),
            holds: Vec::new(),
            spans: HashMap::new(),
            departed: HashMap::new(),
            meant: HashSet::new(),
        };
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

    fn held(&self, visible: bool) -> Held {
        Held { version: self.shown_version(), content: self.content, visible }
    }
}

impl Shelf {
    /// Whether an entry is in a world.
    fn is_in(&self, world: World, entry: &Entry) -> bool {
        let organisation = world.organisation;
        let kept = |hold: &Hold| {
            let span = self.spans.get(&hold.id).is_some_and(|span| span.covers(entry.date_added));
            span && hold.from.includes(organisation)
        };
        world.sees(entry.level, entry.owner, entry.ends)
            && entry.reach.admits(organisation)
            && (entry.owner == organisation || !self.holds.iter().any(kept))
    }

    /// The entries that a filter chooses from a world, by the words of TAXII 2.1 §3.4.1.
    fn select<'s>(&'s self, world: World, filter: &'s Filter) -> impl Iterator<Item = &'s Entry> {
        let listed = |list: &Option<Vec<String>>, value: &String| list.as_ref().is_none_or(|list| list.contains(value));
        self.entries
            .iter()
            .filter(move |entry| self.is_in(world, entry))
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
        self.entries.iter().filter(other).filter(move |other| self.is_in(world, other))
    }
}

impl Shelf {
    /// Keeps in mind the terms of the latest version that is deleted.
    fn remember(&mut self, id: &str, doomed: &[Timestamp]) {
        if marking::predefined(id).is_some() {
            return;
        }
        let holds: Vec<Hold> = self.holds.iter().filter(|hold| hold.object() == Some(id)).cloned().collect();
        for entry in self.entries.iter().filter(|entry| doomed.contains(&entry.first)) {
            let Some(instant) = entry.instant() else { continue };
            let terms = hold::stored_as(&holds, entry.first, entry.level, entry.ends);
            let kept = self.departed.entry(id.to_owned()).or_insert_with(|| (instant.to_owned(), terms));
            match (*kept.0).cmp(instant) {
                Ordering::Less => *kept = (instant.to_owned(), terms),
                Ordering::Equal => kept.1 = kept.1.and(terms),
                Ordering::Greater => {}
            }
        }
    }

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
            let (due, _) = hold::release_due(state.shelf(key), now, usize::MAX)?;
            for released in due {
                let entry = released.audit_entry(&id, &|key| state.registry.name_of(key), now);
                state.append(&entry);
            }
        }
        Ok(state)
    }
}

impl Holds for Memory {
    fn place(&self, holding: Holding) -> Result<(), StoreError> {
        let (now, mut state) = (self.now(), self.tended()?);
        let entry = holding.audit_entry(&|key| state.registry.name_of(key), now);
        hold::place(state.shelf(holding.collection), &holding.hold)?;
        state.append(&entry);
        Ok(())
    }

    fn release(&self, releasing: Releasing) -> Result<Option<usize>, StoreError> {
        let (now, mut state) = (self.now(), self.tended()?);
        let Some(released) = hold::release(state.shelf(releasing.collection), releasing.id, now, usize::MAX)? else {
            return Ok(None);
        };
        let Releasing { actor, collection_id, .. } = &releasing;
        let entry = released.audit_entry_of(actor, collection_id, &|key| state.registry.name_of(key), now);
        state.append(&entry);
        Ok(Some(released.versions))
    }

    fn holds(&self, collection: CollectionKey) -> Result<Vec<Hold>, StoreError> {
        Ok(self.tended()?.shelf(collection).holds.clone())
    }

    fn held(&self, collection: CollectionKey, object: &str) -> Result<HeldObject, StoreError> {
        let mut state = self.tended()?;
        let shelf = state.shelf(collection);
        let (versions, holds) = (shelf.versions(object, None)?, shelf.holds_on(object)?);
        Ok(HeldObject { versions, holds, spans: shelf.spans()? })
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
        let Added { status, entries, .. } = admission::add(state.shelf(push.collection), &push, now)?;
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
        shelf.remember(&deletion.id, &doomed);
        let (gone, kept) = shelf.entries.drain(..).partition::<Vec<_>, _>(|entry| doomed.contains(&entry.first));
        shelf.entries = kept;
        shelf.edition += 1;
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

    fn owner(&self, collection: CollectionKey, id: &str) -> Result<Option<OrganisationKey>, StoreError> {
        self.tended()?.shelf(collection).owner(id)
    }

    fn unknown(&self, collection: CollectionKey, world: World, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        let mut state = self.tended()?;
        let shelf = state.shelf(collection);
        let known = |id: &str| shelf.entries.iter().any(|entry| entry.id == id && shelf.is_in(world, entry));
        Ok(ids.iter().filter(|id| !known(id)).map(|id| (*id).to_owned()).collect())
    }

    fn status(&self, id: Uuid) -> Result<Option<KeptStatus>, StoreError> {
        let now = self.now();
        Ok(self.state().statuses.get(&id).filter(|kept| kept.expires > now).cloned())
    }

    fn edition(&self, collection: CollectionKey, at: Timestamp) -> Result<Edition, StoreError> {
        let mut state = self.tended()?;
        let shelf = state.shelf(collection);
        let next_end = shelf.entries.iter().filter_map(|entry| entry.ends).filter(|ends| *ends > at).min();
        Ok(Edition { number: shelf.edition, next_end })
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
