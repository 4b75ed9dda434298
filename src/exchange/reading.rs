//! Reading: objects, manifest, one object, its versions. One scan, seen in different ways.

use super::forms::{Coding, Compressed, Finished};
use super::pages::{Part, Question, Span};
use super::{Caller, Error, Exchange, Found, Settings};
use crate::access::permission::{CollectionKey, World};
use crate::audit::{Action, Actor, Entry, Given};
use crate::clock::stopwatch;
use crate::stix::head::Spec;
use crate::stix::marking::TLP;
use crate::store::registry::Collection;
use crate::store::{Row, Scan};
use crate::taxii::filter::{Filter, Malformed, Query, Versions};
use crate::taxii::manifest::Record;
use crate::taxii::media_type;
use crate::taxii::page::{Bounds, Cursor, Page, PageWriter, tag};
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use serde_json::json;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

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

/// A page that is put together. What is in it is given out only once the audit trail says so: see
/// [`Prepared::give`].
#[derive(Debug)]
pub struct Prepared {
    exchange: Arc<Exchange>,
    question: Question,
    span: Span,
    page: Arc<Finished>,
    /// What the trail is to say, but for what is given out.
    actor: Actor,
    /// Whether the caller wants the headers only.
    head: bool,
    collection: String,
}

/// A page to answer with, and what its headers say.
#[derive(Debug)]
pub struct Shown {
    /// The page.
    pub body: Bytes,
    /// How it is compressed.
    pub coding: Coding,
    /// How many items are in it.
    pub items: usize,
    /// What else its headers say.
    pub about: About,
}

/// What the headers of a page say, also if the caller has the page already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// `X-TAXII-Date-Added-First`, `X-TAXII-Date-Added-Last` (TAXII 2.1 §3.2). Of an empty page,
    /// both say where the caller asked to begin: safe as a later `added_after`.
    pub dates: (Timestamp, Timestamp),
    /// The entity tag (RFC 9110 §8.8.3), a strong one: the same for the same octets to the same caller, and
    /// changed by nothing that the caller does not see.
    pub tag: String,
}

impl Prepared {
    /// The form in which the page is to go out, to a caller who would have it in this one, and who may take nothing
    /// else. Where there is no place to compress it, it goes out as it is all the same.
    pub fn coding(&self, wanted: Coding, nothing_else: bool) -> Coding {
        let is_worth_it = nothing_else || !self.page.is_small();
        if is_worth_it && self.exchange.settings.compression { wanted } else { Coding::Identity }
    }

    /// Whether [`Prepared::make`] takes longer than others can wait.
    pub fn takes_long(&self, coding: Coding) -> bool {
        self.page.takes_long(coding)
    }

    /// Makes a form of the page, unless somebody has made it already.
    pub fn make(&self, coding: Coding) {
        if self.page.make(coding) {
            self.exchange.pages.weigh(&self.question, self.span, &self.page);
        }
    }

    /// How many octets will go out in this form.
    pub fn octets(&self, coding: Coding) -> usize {
        self.page.made(coding).unwrap_or(&self.page.body).len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.page.items == 0
    }

    /// The collection that it is of.
    pub fn collection(&self) -> CollectionKey {
        self.question.collection
    }

    /// The number of the edition that it was put together in, or of an earlier one.
    pub(super) fn edition(&self) -> u64 {
        self.span.edition()
    }

    /// What its headers will say in this form.
    pub fn about(&self, coding: Coding) -> About {
        let tag = match coding {
            Coding::Identity => format!("\"{}\"", self.page.tag),
            Coding::Gzip => format!("\"{}-gzip\"", self.page.tag),
            Coding::Zstd => format!("\"{}-zstd\"", self.page.tag),
        };
        About { dates: self.page.dates, tag }
    }

    /// The caller has it already: nothing is given out, and the trail is told so.
    pub fn not_modified(self) {
        self.exchange.store.note(self.entry(Given::default()));
    }

    /// The caller wants to know only whether there is a page: what is told of it are its headers, as if they
    /// had been asked for alone, and it is recorded like that.
    pub fn exists(mut self, coding: Coding) -> Found<About> {
        self.head = true;
        let entry = self.entry(self.page.given.clone());
        self.exchange.found(self.about(coding), self.page.items == 0, entry)
    }

    /// The page in this form, if that was made, for who waits until the audit trail has it.
    pub fn give(self, coding: Coding) -> Found<Shown> {
        let (body, coding) = match self.page.made(coding) {
            Some(form) => (form.clone(), coding),
            None => (self.page.body.clone(), Coding::Identity),
        };
        let shown = Shown { body, coding, items: self.page.items, about: self.about(coding) };
        self.exchange.found(shown, self.page.items == 0, self.entry(self.page.given.clone()))
    }

    fn entry(&self, given: Given) -> Entry {
        let action = Action::Read {
            collection: self.collection.clone(),
            resource: self.question.view.0,
            level: self.question.level,
            query: self.page.query.clone(),
            given,
            head: self.head,
        };
        Entry { at: self.exchange.now(), actor: self.actor.clone(), action }
    }
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
    pub fn objects(&self, query: &Query) -> Result<Prepared, Error> {
        self.page(View::Objects, query)
    }

    /// A page of manifest records (TAXII 2.1 §5.3).
    pub fn manifest(&self, query: &Query) -> Result<Prepared, Error> {
        self.page(View::Manifest, query)
    }

    /// A page of versions of one object (TAXII 2.1 §5.6). An id that is not in the caller's
    /// world is absent, and so are versions that are asked for by time and not there; filters
    /// that leave nothing give an empty page.
    pub fn object(&self, id: &str, query: &Query) -> Result<Prepared, Error> {
        self.page(View::Object(id), query)
    }

    /// A page of version names of one object (TAXII 2.1 §5.8).
    pub fn versions(&self, id: &str, query: &Query) -> Result<Prepared, Error> {
        self.page(View::Versions(id), query)
    }

    fn page(&self, view: View<'_>, query: &Query) -> Result<Prepared, Error> {
        let exchange = &self.exchange;
        let place = self.place(view, query)?;
        let items = query.limit.unwrap_or(usize::MAX).min(exchange.settings.page_size);
        // Before anything is looked for: what is added meanwhile makes another edition.
        let span = Span::new(exchange.store.edition(self.collection.key, self.world.at)?, self.world);
        let question = self.question(view, place, items);
        let page = match exchange.pages.page(&question, &span) {
            Some(page) => page,
            None => self.make(view, &question, span)?,
        };
        let actor = Actor { client: self.caller.client.clone(), ..self.caller.actor() };
        let collection = self.collection.id.clone();
        let head = self.caller.head;
        Ok(Prepared { exchange: Arc::clone(exchange), question, span, page, actor, head, collection })
    }

    fn question(&self, view: View<'_>, place: Place, items: usize) -> Question {
        let World { organisation, level, own, at: _ } = self.world;
        let view = (view.noun(), view.id().map(ToOwned::to_owned));
        let part = Part::Page(place.after, items);
        Question { collection: self.collection.key, organisation, level, own, view, filter: place.filter, part }
    }

    /// Puts a page together, and keeps it, unless it could be longer another time.
    fn make(&self, view: View<'_>, question: &Question, span: Span) -> Result<Arc<Finished>, Error> {
        let Part::Page(after, items) = question.part else { return Err(Error::Absent) };
        let pages = &self.exchange.pages;
        let filter = view.narrow(&question.filter);
        let (page, given) = if pages.is_end(question, after, &span) {
            (self.writer(view, items), Given::default())
        } else {
            self.collect(view, &filter, after, items)?
        };
        let page = page.finish(&self.empty(view), |last| {
            Cursor::new(last, question.filter.clone()).seal(&self.exchange.cursor_key, &self.scope(view))
        });
        if let (0, Some(id)) = (page.items, view.id()) {
            self.must_exist(id, &filter)?;
        }
        if !page.more {
            pages.keep_end(question, span, page.last.max(after));
        }
        let tag = self.tag(question, &page, &given);
        let asked = after.unwrap_or(Timestamp::EPOCH);
        let dates = (page.first.unwrap_or(asked), page.last.unwrap_or(asked));
        let query = json!({"object": view.id(), "added_after": after, "filter": question.filter}).to_string();
        let is_wanted = !page.is_late && pages.ask(question, span, page.items);
        let (mut body, items, compressed) = (page.body, page.items, Compressed::default());
        if is_wanted {
            body.shrink_to_fit();
        }
        let page = Arc::new(Finished { body: Bytes::from(body), items, dates, given, tag, query, compressed });
        if is_wanted {
            pages.keep(question, span, &page);
        }
        Ok(page)
    }

    fn writer(&self, view: View<'_>, items: usize) -> PageWriter {
        let Settings { page_octets, page_milliseconds, .. } = self.exchange.settings;
        let bounds = Bounds { items, octets: page_octets, time: Duration::from_millis(page_milliseconds) };
        PageWriter::new(view.list(), bounds, stopwatch())
    }

    /// What is found after a time, as much as a page takes.
    fn collect(
        &self,
        view: View<'_>,
        filter: &Filter,
        after: Option<Timestamp>,
        items: usize,
    ) -> Result<(PageWriter, Given), Error> {
        let (mut writer, mut record, mut given) = (self.writer(view, items), Vec::new(), Given::default());
        let mut write = |row: &Row<'_>| {
            let fits = view.write(row, &mut record, &mut writer);
            if fits.is_continue() {
                given.push(row.date_added);
            }
            fits
        };
        if self.predefined(filter, after, &mut write)?.is_continue() {
            self.scan(filter, after, view.shows_text(), &mut write)?;
        }
        Ok((writer, given))
    }

    /// Names a page by whose it is, what was asked, and which rows are in it: texts do not change, so that
    /// these say what its octets are.
    fn tag(&self, question: &Question, page: &Page, given: &Given) -> String {
        let Question { collection, organisation, level, own, view, filter, part } = question;
        let asked = format!("{collection:?} {organisation:?} {level:?} {own:?} {view:?} {part:?} {filter:?}");
        // Of an empty page, a setting says how it looks.
        let empty = if page.items == 0 { &page.body[..] } else { &[] };
        let rows = given.as_slice().iter().flat_map(|number| number.to_be_bytes());
        let payload: Vec<u8> = rows.chain([u8::from(page.more)]).chain(empty.iter().copied()).collect();
        tag(&self.exchange.cursor_key, &asked, &payload)
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
