//! The parts of reading and writing, one by one: `cargo bench --bench parts [-- NAME]`.
//!
//! A store for these is made in the folder for temporary files: where that is memory and no disk, set TMPDIR.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "side_by_side/driver/objects.rs"]
mod objects;

use bytes::Bytes;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use entente::access::level::Level;
use entente::access::organisation::OrganisationKey;
use entente::access::permission::{CollectionKey, World};
use entente::access::terms::Terms;
use entente::audit::{Actor, digest};
use entente::clock::{Clock, stopwatch};
use entente::stix::finding::Profile;
use entente::stix::head::Spec;
use entente::stix::json;
use entente::stix::judge::Judge;
use entente::stix::pattern::Pattern;
use entente::stix::rules::version::Lineage;
use entente::stix::sharing::Sharing;
use entente::store::registry::{Change, Collection, Root, Rules};
use entente::store::sqlite::Sqlite;
use entente::store::{Author, Candidate, Declared, Entries as _, Offer, Push, Registrar as _, Scan};
use entente::taxii::filter::{Endpoint, Filter, Query};
use entente::taxii::objects::Envelope;
use entente::taxii::page::{Bounds, Cursor, PageWriter};
use entente::taxii::timestamp::Timestamp;
use serde_json::Value;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

const SIZES: [usize; 2] = [100, 1000];
/// Objects in the store that pages are read from.
const STORED: u64 = 20_000;
/// Objects in a page or an envelope, at most.
const MOST: usize = 1_000_000;

fn main() {
    divan::main();
}

fn texts(seed: u64, count: u64) -> Vec<String> {
    (0..count).map(|n| objects::object(seed, n)).collect()
}

/// Cuts an envelope into its objects.
#[divan::bench(args = SIZES)]
fn envelope_split(bencher: Bencher<'_, '_>, objects: usize) {
    let body = objects::envelope(1, 0..objects as u64);
    let counted = bencher.counter(ItemsCount::new(objects)).counter(BytesCount::new(body.len()));
    counted.bench_local(|| Envelope::split(black_box(&body), MOST).unwrap().objects.len());
}

/// Judges 100 objects, one after the other, under each profile.
#[divan::bench(args = Profile::ALL)]
fn validation(bencher: Bencher<'_, '_>, profile: Profile) {
    let (texts, judge) = (texts(1, 100), Judge::new().unwrap());
    bencher.counter(ItemsCount::new(texts.len())).bench_local(|| {
        texts.iter().for_each(|text| drop(black_box(judge.judge(text.as_bytes(), profile, &[Spec::V21]))));
    });
}

/// Reads the patterns of the indicators among 1000 objects.
#[divan::bench]
fn pattern_parse(bencher: Bencher<'_, '_>) {
    let objects: Vec<Value> = texts(1, 1000).iter().map(|text| json::parse(text).unwrap()).collect();
    let patterns: Vec<&str> = objects.iter().filter_map(|object| object["pattern"].as_str()).collect();
    bencher
        .counter(ItemsCount::new(patterns.len()))
        .bench_local(|| patterns.iter().filter(|pattern| black_box(Pattern::parse(pattern)).is_ok()).count());
}

const KEY: &[u8; 32] = &[7; 32];
const SCOPE: &str = "Objects|378e5de7-84a4-45e4-8a34-c02a43d0b657|3";

fn cursor() -> Cursor {
    Cursor::new(Timestamp::from_micros(1_760_000_000_123_456), filter("match[type]=indicator"))
}

#[divan::bench]
fn cursor_seal() -> String {
    black_box(cursor()).seal(KEY, SCOPE)
}

#[divan::bench]
fn cursor_open(bencher: Bencher<'_, '_>) {
    let next = cursor().seal(KEY, SCOPE);
    bencher.bench_local(|| Cursor::open(black_box(&next), KEY, SCOPE).unwrap());
}

fn filter(query: &str) -> Filter {
    Query::parse(query, Endpoint::Collection).unwrap().filter.unwrap_or_default()
}

/// A store in a folder of its own, with one collection and its producer.
struct Stored {
    store: Sqlite,
    collection: CollectionKey,
    world: World,
    _folder: TempDir,
}

static STORE: LazyLock<Stored> = LazyLock::new(|| {
    let stored = Stored::empty();
    stored.store.add(stored.push(objects::cornerstones())).unwrap();
    for n in 0..STORED / 1000 {
        stored.store.add(stored.push(texts_of(1, n * 1000, 1000))).unwrap();
    }
    stored
});

fn texts_of(seed: u64, first: u64, count: usize) -> Vec<String> {
    (first..first + count as u64).map(|n| objects::object(seed, n)).collect()
}

impl Stored {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let now = Timestamp::from(clock.now());
        let store = Sqlite::create(folder.path(), clock).unwrap();
        let change = |change| store.change(&change, &Actor::default()).unwrap();
        change(Change::AddRoot(Root { name: "api".into(), title: "A root".into() }));
        change(Change::AddOrganisation { name: "producer".into(), title: "A producer".into() });
        change(Change::AddCollection(Collection {
            key: CollectionKey(0),
            id: Uuid::new_v4().to_string(),
            root: "api".into(),
            title: "Everything".into(),
            description: None,
            alias: None,
            rules: Rules::default(),
            specs: vec![Spec::V21],
            created: now,
        }));
        let registry = store.registry().unwrap();
        let producer: OrganisationKey = registry.organisation("producer").unwrap().key;
        let collection = registry.collections[0].key;
        Self { store, collection, world: World::new(producer, Some(Level::Red), now), _folder: folder }
    }

    /// What a sender's envelope is once it is judged.
    fn push(&self, texts: Vec<String>) -> Push {
        let now = self.world.at;
        Push {
            status: Uuid::new_v4(),
            root: "api".into(),
            collection: self.collection,
            collection_id: "a collection".into(),
            world: self.world,
            manage: false,
            managers: Vec::new(),
            actor: Actor { organisation: Some("producer".into()), address: "127.0.0.1:1".into(), ..Actor::default() },
            requested: now,
            keep_status: 86_400,
            first: 0,
            rules: Rules::default(),
            relay: true,
            dry_run: false,
            offers: texts.into_iter().map(offer).collect(),
        }
    }

    /// A page of the objects that were added after a time.
    fn page(&self, filter: &Filter, after: Option<Timestamp>, items: usize) -> usize {
        let scan = Scan { collection: self.collection, world: self.world, filter, after, with_text: true };
        let mut page =
            PageWriter::new("objects", Bounds { items, octets: MOST * 100, time: Duration::MAX }, stopwatch());
        self.store.scan(&scan, &mut |row| page.offer(row.date_added, row.text)).unwrap();
        let page = page.finish("{}", |last| Cursor::new(last, filter.clone()).seal(KEY, SCOPE));
        assert_eq!(page.items, items);
        page.body.len()
    }

    /// When the object in the middle was added.
    fn middle(&self) -> Timestamp {
        let everything = Filter::default();
        let mut dates = Vec::new();
        let scan =
            Scan { collection: self.collection, world: self.world, filter: &everything, after: None, with_text: false };
        self.store
            .scan(&scan, &mut |row| {
                dates.push(row.date_added);
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        dates[dates.len() / 2]
    }
}

fn offer(text: String) -> Offer {
    let judged = Judge::new().unwrap().judge(text.as_bytes(), Profile::Standard, &[Spec::V21]);
    let object = judged.object.unwrap();
    Offer::Sound(Box::new(Candidate {
        head: judged.head.unwrap(),
        digest: digest(text.as_bytes()),
        text: Bytes::from(text),
        content: json::digest(&object),
        lineage: Lineage::of(&object),
        says: Sharing::of(&object).as_ref().map(Terms::from),
        author: Author::Submitter,
        declared: Declared::Nobodys,
        verdict: judged.verdict,
    }))
}

/// From a scan to a body, from the beginning of the collection.
#[divan::bench(args = SIZES)]
fn page_first(bencher: Bencher<'_, '_>, items: usize) {
    let (stored, everything) = (&*STORE, Filter::default());
    bencher.counter(ItemsCount::new(items)).bench_local(|| stored.page(&everything, None, items));
}

/// From its middle.
#[divan::bench(args = SIZES)]
fn page_deep(bencher: Bencher<'_, '_>, items: usize) {
    let (stored, everything, middle) = (&*STORE, Filter::default(), STORE.middle());
    bencher.counter(ItemsCount::new(items)).bench_local(|| stored.page(&everything, Some(middle), items));
}

/// From its middle, of one type only.
#[divan::bench(args = SIZES)]
fn page_of_type(bencher: Bencher<'_, '_>, items: usize) {
    let (stored, indicators, middle) = (&*STORE, filter("match[type]=indicator"), STORE.middle());
    bencher.counter(ItemsCount::new(items)).bench_local(|| stored.page(&indicators, Some(middle), items));
}

/// A push of so many judged objects, until it is on disk. `threads`: so many at the same time.
#[divan::bench(args = [1, 100, 1000], threads = [1, 8], sample_count = 24, sample_size = 1)]
fn commit(bencher: Bencher<'_, '_>, objects: usize) {
    static PUSHED: AtomicU64 = AtomicU64::new(1_000_000);
    let stored = Stored::empty();
    let next = || {
        let first = PUSHED.fetch_add(objects as u64, Ordering::Relaxed);
        stored.push(texts_of(2, first, objects))
    };
    let counted = bencher.counter(ItemsCount::new(objects)).with_inputs(next);
    counted.bench_values(|push| stored.store.add(push).unwrap());
}
