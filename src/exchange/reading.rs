//! Reading: objects, manifest, one object, its versions. One scan, seen in different ways.

use super::{Caller, Error, Exchange, Found};
use crate::access::permission::World;
use crate::audit::{Action, Actor, Entry, Given};
use crate::stix::head::Spec;
use crate::stix::marking::TLP;
use crate::store::registry::Collection;
use crate::store::{Row, Scan};
use crate::taxii::filter::{Filter, Malformed, Query, Versions};
use crate::taxii::manifest::Record;
use crate::taxii::media_type;
use crate::taxii::page::{Bounds, Cursor, Page, PageWriter};
use crate::taxii::timestamp::Timestamp;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The right of one caller to read one collection, up to its level.
#[derive(Debug)]
pub struct Reading {
    exchange: Arc<Exchange>,
    collection: Collection,
    world: World,
    caller: Caller,
}

/// A way to see the scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View<'v> {
    Objects,
    Manifest,
    Object(&'v str),
    Versions(&'v str),
}

/// A page to answer with, and what its headers say.
#[derive(Debug)]
pub struct Shown {
    /// The page.
    pub page: Page,
    /// `X-TAXII-Date-Added-First`, `X-TAXII-Date-Added-Last` (TAXII 2.1 §3.2). Of an empty page,
    /// both say where the caller asked to begin: safe as a later `added_after`.
    pub dates: (Timestamp, Timestamp),
}

/// Where a crawl goes on, and for what.
struct Place {
    after: Option<Timestamp>,
    filter: Filter,
}

impl Reading {
    pub(super) fn new(exchange: Arc<Exchange>, collection: Collection, world: World, caller: Caller) -> Self {
        Self { exchange, collection, world, caller }
    }

    /// A page of objects (TAXII 2.1 §5.4).
    pub fn objects(&self, query: &Query) -> Result<Found<Shown>, Error> {
        self.page(View::Objects, query)
    }

    /// A page of manifest records (TAXII 2.1 §5.3).
    pub fn manifest(&self, query: &Query) -> Result<Found<Shown>, Error> {
        self.page(View::Manifest, query)
    }

    /// A page of versions of one object (TAXII 2.1 §5.6). An id that is not in the caller's
    /// world is absent, and so are versions that are asked for by time and not there; filters
    /// that leave nothing give an empty page.
    pub fn object(&self, id: &str, query: &Query) -> Result<Found<Shown>, Error> {
        self.page(View::Object(id), query)
    }

    /// A page of version names of one object (TAXII 2.1 §5.8).
    pub fn versions(&self, id: &str, query: &Query) -> Result<Found<Shown>, Error> {
        self.page(View::Versions(id), query)
    }

    fn page(&self, view: View<'_>, query: &Query) -> Result<Found<Shown>, Error> {
        let settings = &self.exchange.settings;
        let place = self.place(view, query)?;
        let filter = view.narrow(&place.filter);
        let items = query.limit.unwrap_or(usize::MAX).min(settings.page_size);
        let mut writer = PageWriter::new(view.list(), Bounds { items, octets: settings.page_octets });
        let (mut record, mut given) = (Vec::new(), Given::default());
        let mut write = |row: &Row<'_>| {
            let fits = view.write(row, &mut record, &mut writer);
            if fits.is_continue() {
                given.push(row.date_added);
            }
            fits
        };
        if self.predefined(&filter, place.after, &mut write)?.is_continue() {
            self.scan(&filter, place.after, view.shows_text(), &mut write)?;
        }
        let page = writer.finish(&self.empty(view), |last| {
            Cursor::new(last, place.filter.clone()).seal(&self.exchange.cursor_key, &self.scope(view))
        });
        if let (0, Some(id)) = (page.items, view.id()) {
            self.must_exist(id, &filter)?;
        }
        let entry = self.entry(view, &place, given);
        let asked = place.after.unwrap_or(Timestamp::EPOCH);
        let dates = (page.first.unwrap_or(asked), page.last.unwrap_or(asked));
        let is_empty = page.items == 0;
        Ok(self.exchange.found(Shown { page, dates }, is_empty, entry))
    }

    /// A `next` carries the whole query: of the other parameters only `limit` still counts,
    /// and filters that contradict it are an error.
    fn place(&self, view: View<'_>, query: &Query) -> Result<Place, Error> {
        let Some(next) = &query.next else {
            return Ok(Place { after: query.added_after, filter: query.filter.clone().unwrap_or_default() });
        };
        let cursor = Cursor::open(next, &self.exchange.cursor_key, &self.scope(view)).ok_or_else(|| {
            Malformed::new("next", "was not given out by this server for this request: begin again without it")
        })?;
        if query.filter.as_ref().is_some_and(|filter| *filter != cursor.filter) {
            return Err(Malformed::new(
                "next",
                "belongs to other filters: repeat those of the first page, or leave them out",
            )
            .into());
        }
        Ok(Place { after: Some(cursor.position()), filter: cursor.filter })
    }

    /// What a cursor is good for.
    fn scope(&self, view: View<'_>) -> String {
        format!("{view:?}|{}|{}", self.collection.id, self.world.organisation.0)
    }

    fn scan(
        &self,
        filter: &Filter,
        after: Option<Timestamp>,
        with_text: bool,
        take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let scan = Scan { collection: self.collection.key, world: self.world, filter, after, with_text };
        Ok(self.exchange.store.scan(&scan, take)?)
    }

    /// Tells an object that is not there from one of which nothing was asked for.
    fn must_exist(&self, id: &str, filter: &Filter) -> Result<(), Error> {
        let everything = Filter::everything_of(id);
        let wanted = if filter.names_versions_only() { filter } else { &everything };
        let mut found = Err(Error::Absent);
        let mut take = |_: &Row<'_>| {
            found = Ok(());
            ControlFlow::Break(())
        };
        self.scan(wanted, None, false, &mut take)?;
        let _ = self.predefined(wanted, None, &mut take)?;
        found
    }

    /// Hands out the predefined markings that are asked for by their ids, unless the collection has copies
    /// that the caller sees: as if they had been added just before the collection was made.
    fn predefined(
        &self,
        filter: &Filter,
        after: Option<Timestamp>,
        take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let Some(ids) = &filter.ids else { return Ok(ControlFlow::Continue(())) };
        for (before, tlp) in (1..=9).rev().zip(&TLP) {
            let date_added = Timestamp::from_micros(self.collection.created.micros() - 1 - before);
            let named = ids.iter().any(|id| id == tlp.id);
            if !named || after.is_some_and(|after| date_added <= after) || !filter.chooses_marking(tlp.instant()) {
                continue;
            }
            if self.sees(tlp.id)? {
                continue;
            }
            let (version, text) = (tlp.version(), tlp.definition());
            let row = Row { date_added, id: tlp.id, version: &version, spec: Spec::V21, text: text.as_bytes() };
            if take(&row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the caller sees any version of an object here.
    fn sees(&self, id: &str) -> Result<bool, Error> {
        let mut seen = false;
        self.scan(&Filter::everything_of(id), None, false, &mut |_| {
            seen = true;
            ControlFlow::Break(())
        })?;
        Ok(seen)
    }

    fn empty(&self, view: View<'_>) -> String {
        let settings = &self.exchange.settings;
        if settings.empty_objects || settings.empty_objects_for.contains(&self.caller.name) {
            return format!("{{\"more\":false,\"{}\":[]}}", view.list());
        }
        "{}".to_owned()
    }

    /// What the audit trail is told of a page.
    fn entry(&self, view: View<'_>, place: &Place, given: Given) -> Entry {
        let query = serde_json::json!({"object": view.id(), "added_after": place.after, "filter": place.filter});
        let action = Action::Read {
            collection: self.collection.id.clone(),
            resource: view.noun(),
            level: self.world.level,
            query: query.to_string(),
            given,
            head: self.caller.head,
        };
        let actor = Actor { client: self.caller.client.clone(), ..self.caller.actor() };
        Entry { at: self.exchange.now(), actor, action }
    }
}

impl<'v> View<'v> {
    fn noun(self) -> &'static str {
        match self {
            Self::Objects => "objects",
            Self::Manifest => "manifest",
            Self::Object(_) => "object",
            Self::Versions(_) => "versions",
        }
    }

    /// The name of the list in the resource.
    fn list(self) -> &'static str {
        if matches!(self, Self::Versions(_)) { "versions" } else { "objects" }
    }

    fn id(self) -> Option<&'v str> {
        match self {
            Self::Object(id) | Self::Versions(id) => Some(id),
            Self::Objects | Self::Manifest => None,
        }
    }

    fn shows_text(self) -> bool {
        matches!(self, Self::Objects | Self::Object(_))
    }

    /// What the path says, added to what the query says.
    fn narrow(self, filter: &Filter) -> Filter {
        match self {
            Self::Objects | Self::Manifest => filter.clone(),
            Self::Object(id) => filter.clone().of_object(id),
            Self::Versions(id) => Filter { versions: Versions::All, ..filter.clone() }.of_object(id),
        }
    }

    /// Writes one row the way this view shows it. `record` is a buffer to work in.
    fn write(self, row: &Row<'_>, record: &mut Vec<u8>, page: &mut PageWriter) -> ControlFlow<()> {
        if self.shows_text() {
            return page.offer(row.date_added, row.text);
        }
        record.clear();
        let Row { date_added, id, version, spec, .. } = *row;
        let media_type = media_type::stix(spec);
        let written = if matches!(self, Self::Versions(_)) {
            serde_json::to_writer(&mut *record, version)
        } else {
            serde_json::to_writer(&mut *record, &Record { id, date_added, version, media_type })
        };
        // Writing strings to memory cannot fail.
        debug_assert!(written.is_ok());
        page.offer(date_added, record)
    }
}
