//! The tests that every engine owes. Each is written once and run on each engine; the
//! property at the end holds the one with indexes against the one with definitions.

use super::hold::{From, Hold, Subject, Until};
use super::memory::Memory;
use super::registry::{Change, Collection, Downgrade, Registry, Root, Rule, Rules};
use super::sqlite::{Ledger, Sqlite};
use super::{
    Author, Candidate, ChangeError, Declared, Deleted, Deletion, Edition, Entries as _, Holding, Offer, Push,
    Registrar as _, Releasing, Row, Scan, Store, Trail as _,
};
use crate::access::credential::{Anchor, Credential, CredentialKey, Fingerprint, Proof, Secret};
use crate::access::level::Level;
use crate::access::organisation::OrganisationKey;
use crate::access::permission::{CollectionKey, Grant, World};
use crate::access::proof::certificate::Name;
use crate::access::terms::Terms;
use crate::audit::checkpoint::tests::signer;
use crate::audit::line::Line;
use crate::audit::verify::{Report, Verifier};
use crate::audit::{Action, Actor, Entry, GENESIS, PublicKey, digest, link};
use crate::clock::{Clock, stopwatch};
use crate::stix::finding::{Profile, Verdict};
use crate::stix::head::{Head, Spec};
use crate::stix::rules::version::Lineage;
use crate::stix::sharing::Sharing;
use crate::stix::{json, marking};
use crate::taxii::filter::{Endpoint, Filter, Query};
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use uuid::Uuid;

type ReadTrail = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// A store under test, its clock, and what keeps its files.
struct Bench {
    store: Arc<dyn Store>,
    /// Reads the texts of its audit trail.
    trail: ReadTrail,
    micros: Arc<AtomicU64>,
    directory: tempfile::TempDir,
    collection: CollectionKey,
}

const ANNA: OrganisationKey = OrganisationKey(2);
const BERT: OrganisationKey = OrganisationKey(3);
const CARL: OrganisationKey = OrganisationKey(4);
const COLLECTION: &str = "378e5de7-84a4-45e4-8a34-c02a43d0b657";
const SOME_DAY: u64 = 1_760_000_000_000_123;

fn clock(micros: &Arc<AtomicU64>) -> Clock {
    let micros = Arc::clone(micros);
    Clock::from_fn(move || UNIX_EPOCH + Duration::from_micros(micros.load(Ordering::Relaxed)))
}

fn memory() -> Bench {
    bench(|_, clock| {
        let memory = Arc::new(Memory::new(clock));
        (Arc::clone(&memory) as Arc<dyn Store>, Box::new(move || memory.trail()))
    })
}

fn sqlite() -> Bench {
    bench(|directory, clock| {
        let store = Arc::new(Sqlite::create(directory, clock).unwrap());
        (store, trail_of(directory))
    })
}

fn trail_of(directory: &std::path::Path) -> ReadTrail {
    let directory = directory.to_owned();
    Box::new(move || {
        let mut texts = Vec::new();
        let mut take = |line: Line| {
            if let Line::Entry(_, text, _) = line {
                texts.push(text);
            }
        };
        Ledger::open(&directory).unwrap().lines(0, &mut take).unwrap();
        texts
    })
}

fn bench(make: impl FnOnce(&std::path::Path, Clock) -> (Arc<dyn Store>, ReadTrail)) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let micros = Arc::new(AtomicU64::new(SOME_DAY));
    let (store, trail) = make(directory.path(), clock(&micros));
    // Keys are given from 1 up in each engine; one change each keeps them alike in both.
    let mut bench = Bench { store, trail, micros, directory, collection: CollectionKey(0) };
    bench.change(&Change::AddRoot(Root { name: "api1".into(), title: "First".into() })).unwrap();
    for name in ["anna", "bert", "carl"] {
        bench.change(&Change::AddOrganisation { name: name.into(), title: name.into() }).unwrap();
    }
    bench.change(&Change::AddCollection(collection(COLLECTION, "Everything"))).unwrap();
    bench.collection = bench.registry().collections[0].key;
    bench
}

fn collection(id: &str, title: &str) -> Collection {
    Collection {
        key: CollectionKey(0),
        id: id.into(),
        root: "api1".into(),
        title: title.into(),
        description: None,
        alias: None,
        rules: Rules::default(),
        specs: vec![Spec::V20, Spec::V21],
        created: Timestamp::EPOCH,
    }
}

fn credential(organisation: OrganisationKey, proof: Proof) -> Credential {
    let (key, label) = (CredentialKey(0), "CN=a".into());
    Credential { key, organisation, proof, label, not_after: Some(Timestamp::EPOCH), ends: None, revoked: None }
}

fn actor() -> Actor {
    Actor { organisation: Some("anna".into()), address: "127.0.0.1:1".into(), ..Actor::default() }
}

impl Bench {
    fn change(&self, change: &Change) -> Result<(), ChangeError> {
        self.store.change(change, &actor())
    }

    fn registry(&self) -> Registry {
        self.store.registry().unwrap()
    }

    fn organisation(&self, who: OrganisationKey) -> OrganisationKey {
        let name = ["anna", "bert", "carl"][usize::try_from(who.0 - 2).unwrap()];
        self.registry().organisation(name).unwrap().key
    }

    fn world(&self, who: OrganisationKey, level: Level) -> World {
        World::new(self.organisation(who), Some(level), self.now())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.micros.load(Ordering::Relaxed)).unwrap())
    }

    /// Lets time go by.
    fn wait(&self, seconds: u64) {
        self.micros.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
        self.store.tend().unwrap();
    }

    /// Places a hold from these organisations, or from everybody.
    fn hold(&self, subject: Subject, from: &[OrganisationKey], until: Until) -> Uuid {
        let id = Uuid::new_v4();
        let from = match from {
            [] => From::Everybody,
            some => From::Organisations(some.iter().map(|who| self.organisation(*who)).collect()),
        };
        let (placed, reason) = (self.now(), "delay".to_owned());
        let hold = Hold { id, subject, from, until, reason, placed, placed_by: None };
        let (collection, collection_id) = (self.collection, COLLECTION.to_owned());
        self.store.place(Holding { collection, collection_id, hold, actor: actor() }).unwrap();
        id
    }

    fn release(&self, id: Uuid) -> Option<usize> {
        let (collection, collection_id) = (self.collection, COLLECTION.to_owned());
        self.store.release(Releasing { collection, collection_id, id, actor: actor() }).unwrap()
    }

    fn set_rule(&self, rule: Rule) {
        self.change(&Change::SetRules(self.collection, vec![rule])).unwrap();
    }

    /// When a caller finds what it finds.
    fn stamps_of(&self, who: OrganisationKey, query: &str) -> Vec<i64> {
        self.scan(self.world(who, Level::Red), query, |row| row.date_added.micros())
    }

    fn push(&self, who: OrganisationKey, level: Level, objects: &[&str]) -> Status {
        self.push_as(self.world(who, level), false, objects)
    }

    fn push_as(&self, world: World, manage: bool, objects: &[&str]) -> Status {
        self.push_with(world, manage, false, objects)
    }

    fn push_with(&self, world: World, manage: bool, dry_run: bool, objects: &[&str]) -> Status {
        self.store.add(Push { manage, dry_run, ..self.request(world, objects) }).unwrap()
    }

    fn request(&self, world: World, objects: &[&str]) -> Push {
        let offers = objects.iter().map(|text| Offer::Sound(Box::new(candidate(text)))).collect();
        Push {
            status: Uuid::new_v4(),
            root: "api1".into(),
            collection: self.collection,
            collection_id: COLLECTION.into(),
            world,
            manage: false,
            actor: actor(),
            requested: Timestamp::EPOCH,
            keep_status: 86_400,
            first: 0,
            rules: self.registry().collections[0].rules,
            managers: Vec::new(),
            relay: false,
            dry_run: false,
            offers,
        }
    }

    fn delete(&self, world: World, manage: bool, id: &str, query: &str) -> Deleted {
        let filter = Query::parse(query, Endpoint::Deletion).unwrap().filter.unwrap_or_default();
        let deletion = Deletion {
            collection: self.collection,
            collection_id: COLLECTION.into(),
            world,
            manage,
            actor: actor(),
            at: Timestamp::EPOCH,
            id: id.into(),
            filter,
        };
        self.store.delete(deletion).unwrap()
    }

    fn scan<T>(&self, world: World, query: &str, see: impl Fn(&Row<'_>) -> T) -> Vec<T> {
        let query = Query::parse(query, Endpoint::Collection).unwrap();
        let filter = query.filter.unwrap_or_default();
        let scan =
            Scan { collection: self.collection, world, filter: &filter, after: query.added_after, with_text: true };
        let mut seen = Vec::new();
        let mut take = |row: &Row<'_>| {
            seen.push(see(row));
            if query.limit == Some(seen.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.store.scan(&scan, &mut take).unwrap();
        seen
    }

    /// What a caller finds: the texts, in order.
    fn texts(&self, who: OrganisationKey, level: Level, query: &str) -> Vec<String> {
        self.scan(self.world(who, level), query, |row| String::from_utf8(row.text.to_vec()).unwrap())
    }

    fn count(&self, who: OrganisationKey, level: Level, query: &str) -> usize {
        self.texts(who, level, query).len()
    }

    fn stamps(&self, query: &str) -> Vec<i64> {
        self.scan(self.world(ANNA, Level::Red), query, |row| row.date_added.micros())
    }

    /// What its audit trail says of objects, but for keys and ids that differ from one store to the next.
    fn told(&self) -> Vec<Value> {
        let mut entries: Vec<Value> = (self.trail)().iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        entries.retain(|entry| entry["action"] != "administer");
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.retain(|name, _| !["hold", "status"].contains(&name.as_str()));
        }
        entries
    }

    fn set_clock(&self, micros: u64) {
        self.micros.store(micros, Ordering::Relaxed);
    }
}

fn candidate(text: &str) -> Candidate {
    let object = json::parse(text).unwrap();
    let head = Head::of(&object).unwrap();
    // An object that says whose it is not, for once: see `author`.
    let author = if text.contains("identity--deadbeef") { Author::Another } else { Author::Submitter };
    Candidate {
        head,
        says: Sharing::of(&object).as_ref().map(Terms::from),
        author,
        declared: match object.get("x_declared").and_then(Value::as_str) {
            None => Declared::Nobodys,
            Some("own") => Declared::Submitters,
            Some(_) => Declared::Anothers,
        },
        text: Bytes::copy_from_slice(text.as_bytes()),
        digest: digest(text.as_bytes()),
        content: json::digest(&object),
        lineage: Lineage::of(&object),
        verdict: Verdict::default(),
    }
}

const INDICATOR: &str = "indicator--252c7c11-daf2-42bd-843b-be65edca9f61";
const ADDRESS: &str = "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd";

fn tlp(level: Level) -> &'static str {
    let index = [4, 5, 6, 7, 8][usize::from(level.rank())];
    marking::TLP[index].id
}

/// Version `n` of an object, of a level.
fn version(id: &str, n: u32, level: Level) -> String {
    let object_type = id.split("--").next().unwrap();
    format!(
        r#"{{"type":"{object_type}","id":"{id}","spec_version":"2.1","created":"2020-01-01T00:00:00Z","modified":"2020-01-01T00:00:{n:02}.000Z","object_marking_refs":["{}"]}}"#,
        tlp(level)
    )
}

fn observable(value: &str, level: Level) -> String {
    format!(r#"{{"type":"ipv4-addr","id":"{ADDRESS}","value":"{value}","object_marking_refs":["{}"]}}"#, tlp(level))
}

fn failures(status: &Status) -> Vec<String> {
    let reason = |message: &str| message.split_once(": ").unwrap().1.to_owned();
    status.failures().iter().map(|details| reason(details.message.as_ref().unwrap())).collect()
}

/// Runs each rule on each engine.
macro_rules! rules {
    ($($(#[$attribute:meta])* fn $rule:ident($bench:ident) $body:block)*) => {
        $(fn $rule($bench: &Bench) $body)*
        mod in_memory { $(#[test] fn $rule() { super::$rule(&super::memory()); })* }
        mod in_sqlite { $(#[test] fn $rule() { super::$rule(&super::sqlite()); })* }
    };
}

/// A marking definition with an exchange policy.
fn policy(n: u32, content: &str) -> String {
    format!(
        r#"{{"type":"marking-definition","id":"marking-definition--17d82bb2-eeeb-4898-bda5-{n:012}","spec_version":"2.1","created":"2020-01-01T00:00:00.000Z","extensions":{{"extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a":{{{content}}}}}}}"#
    )
}

/// The same text, marked with a policy instead of what it was marked with.
fn marked(text: &str, n: u32) -> String {
    let (before, rest) = text.split_once(r#""object_marking_refs":[""#).unwrap();
    let rest = rest.split_once('"').unwrap().1;
    format!(r#"{before}"object_marking_refs":["marking-definition--17d82bb2-eeeb-4898-bda5-{n:012}"{rest}"#)
}

rules! {
    fn copies_make_no_edition_unless_something_waits_for_what_they_say(bench) {
        let indicator = version(INDICATOR, 1, Level::Green);
        bench.push(ANNA, Level::Red, &[&indicator]);
        let before = bench.edition();
        for who in [ANNA, BERT] {
            bench.push(who, Level::Red, &[&indicator]);
        }
        assert_eq!(bench.edition(), before);
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 2, Level::Green)]);
        assert!(bench.edition().number > before.number);
    }

    fn an_id_stays_with_who_declared_it_when_all_its_versions_are_deleted(bench) {
        let of = |who| bench.world(who, Level::Red);
        let declared = says_more(&version(INDICATOR, 1, Level::Clear), 3);
        assert_eq!(bench.push_as(of(BERT), false, &[&version(INDICATOR, 2, Level::Clear)]).failures(), []);
        assert_eq!(bench.push_as(of(ANNA), false, &[&declared]).failures(), []);
        assert_eq!(bench.delete(of(ANNA), true, INDICATOR, "match[version]=all"), Deleted::Versions(2));
        assert_eq!(failures(&bench.push_as(of(BERT), false, &[&version(INDICATOR, 3, Level::Clear)])), [super::admission::NOT_YOURS]);
        assert_eq!(bench.push_as(of(ANNA), false, &[&version(INDICATOR, 4, Level::Clear)]).failures(), []);
    }

    fn an_id_is_its_declarers_whatever_is_added_beside(bench) {
        let of = |who| bench.world(who, Level::Red);
        assert_eq!(bench.push_as(of(BERT), false, &[&version(INDICATOR, 1, Level::Clear)]).failures(), []);
        assert_eq!(bench.delete(of(ANNA), true, INDICATOR, ""), Deleted::Versions(1));
        let [declared, another] = [(2, 3), (3, 4)].map(|(n, says)| says_more(&version(INDICATOR, n, Level::Clear), says));
        assert_eq!(bench.push_as(of(ANNA), true, &[&declared, &another]).failures(), []);
        assert_eq!(failures(&bench.push_as(of(BERT), false, &[&version(INDICATOR, 4, Level::Clear)])), [super::admission::NOT_YOURS]);
        assert_eq!(bench.push_as(of(ANNA), false, &[&version(INDICATOR, 5, Level::Clear)]).failures(), []);
    }

    fn an_edition_says_when_the_next_entry_ends(bench) {
        let ends = |n: u32| format!(r#""tlp":"green","start_date":"2020-01-01T00:00:00Z","end_date":"2025-10-09T09:0{n}:00Z""#);
        let end = |n: u32| Timestamp::parse(&format!("2025-10-09T09:0{n}:00Z"));
        assert_eq!(bench.edition().next_end, None);
        for n in [2, 1] {
            let indicator = marked(&version([INDICATOR, OTHER_INDICATOR][n as usize - 1], 1, Level::Green), n);
            bench.push(ANNA, Level::Red, &[&policy(n, &ends(n)), &indicator]);
            assert_eq!(bench.edition().next_end, end(n));
        }
        let number = bench.edition().number;
        for (at, next, found) in [(end(1), end(2), 3), (end(2), None, 2)] {
            bench.set_clock(u64::try_from(at.unwrap().micros()).unwrap());
            assert_eq!((bench.edition().next_end, bench.count(BERT, Level::Red, "")), (next, found));
        }
        bench.set_clock(SOME_DAY);
        assert_eq!((bench.edition().next_end, bench.count(BERT, Level::Red, "")), (end(1), 4), "the clock was set back");
        assert_eq!(bench.edition().number, number, "time alone makes no edition");
    }

    fn what_is_held_is_absent_for_those_named_and_new_for_them_when_released(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green), &version(OTHER_INDICATOR, 1, Level::Green), &observable("198.51.100.1", Level::Green)]);
        let before = bench.stamps_of(CARL, "");
        let hold = bench.hold(Subject::Object(INDICATOR.into()), &[BERT, ANNA], Until::Release { before: Terms::default() });
        assert_eq!(bench.stamps_of(BERT, "").len(), 2);
        assert_eq!((bench.stamps_of(CARL, ""), bench.stamps_of(ANNA, "")), (before.clone(), before.clone()), "not from others, never from its owner");
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 2, Level::Green)]);
        assert_eq!(bench.count(BERT, Level::Red, "match[version]=all"), 2, "versions to come are held, too");
        let others = bench.stamps_of(CARL, "match[version]=all");
        bench.wait(60);
        assert_eq!(bench.release(hold), Some(2));
        assert_eq!(bench.stamps_of(CARL, "match[version]=all"), others, "nobody else notices");
        let found = bench.stamps_of(BERT, "match[version]=all");
        assert!(found.len() == 4 && found[2] > *others.last().unwrap(), "{found:?} {others:?}");
        assert_eq!(bench.texts(BERT, Level::Red, "match[type]=indicator"), [version(OTHER_INDICATOR, 1, Level::Green), version(INDICATOR, 2, Level::Green)]);
        assert_eq!(bench.release(hold), None);
        assert_eq!(bench.store.holds(bench.collection).unwrap(), []);
    }

    fn an_embargo_keeps_everything_but_from_its_owner_until_its_time(bench) {
        let time = bench.now().plus_seconds(600);
        bench.hold(Subject::Object(INDICATOR.into()), &[], Until::Time(time));
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        assert_eq!((bench.count(ANNA, Level::Red, ""), bench.count(BERT, Level::Red, "")), (1, 0));
        assert_eq!(bench.store.unknown(bench.collection, bench.world(BERT, Level::Red), &[INDICATOR]).unwrap(), [INDICATOR]);
        let owners = bench.stamps_of(ANNA, "");
        bench.wait(599);
        assert_eq!(bench.count(BERT, Level::Red, ""), 0);
        bench.wait(1);
        assert_eq!(bench.stamps_of(ANNA, ""), owners);
        assert!(bench.stamps_of(BERT, "")[0] >= time.micros());
        assert!(bench.store.holds(bench.collection).unwrap().is_empty());
    }

    fn everything_from_a_date_on_is_held_though_the_clock_steps_back(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        bench.wait(10);
        let hold = bench.hold(Subject::AddedFrom(bench.now()), &[BERT], Until::Release { before: Terms::default() });
        bench.micros.fetch_sub(5_000_000, Ordering::Relaxed);
        bench.push(ANNA, Level::Red, &[&version(OTHER_INDICATOR, 1, Level::Green), &observable("198.51.100.1", Level::Green)]);
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.count(CARL, Level::Red, "")), (1, 3));
        assert_eq!(bench.release(hold), Some(2));
        assert_eq!(bench.count(BERT, Level::Red, ""), 3);
    }

    fn what_two_holds_keep_is_kept_until_both_are_released_and_can_be_held_again(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        let one = bench.hold(Subject::Object(INDICATOR.into()), &[BERT], Until::Release { before: Terms::default() });
        let two = bench.hold(Subject::AddedFrom(Timestamp::EPOCH), &[BERT, CARL], Until::Release { before: Terms::default() });
        assert_eq!(bench.release(one), Some(0));
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.count(CARL, Level::Red, "")), (0, 0));
        assert_eq!(bench.release(two), Some(1));
        assert_eq!(bench.stamps_of(BERT, ""), bench.stamps_of(CARL, ""));
        let again = bench.hold(Subject::Object(INDICATOR.into()), &[], Until::Release { before: Terms::default() });
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.count(ANNA, Level::Red, "")), (0, 1));
        bench.release(again);
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.count(ANNA, Level::Red, "")), (1, 1));
        assert_eq!(bench.delete(bench.world(ANNA, Level::Red), false, INDICATOR, "match[version]=all"), Deleted::Versions(1));
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.count(CARL, Level::Red, "")), (0, 0));
    }

    fn what_becomes_visible_while_everything_from_a_date_on_is_held_is_held_too(bench) {
        let embargo = bench.hold(Subject::Object(INDICATOR.into()), &[], Until::Release { before: Terms::default() });
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green), &version(OTHER_INDICATOR, 1, Level::Green)]);
        bench.wait(10);
        let delay = bench.hold(Subject::AddedFrom(bench.now()), &[BERT], Until::Release { before: Terms::default() });
        assert_eq!(bench.release(embargo), Some(1));
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.count(CARL, Level::Red, "")), (1, 2));
        bench.wait(10);
        let others = bench.stamps_of(CARL, "");
        assert_eq!((bench.release(delay), bench.stamps_of(CARL, "")), (Some(1), others.clone()));
        assert!(bench.stamps_of(BERT, "")[1] > others[1]);
    }

    fn a_hold_of_very_much_is_placed_and_released_though_much_is_added_meanwhile(bench) {
        let texts: Vec<String> = (0..2100).map(|n| version(&format!("indicator--33333333-daf2-42bd-843b-{n:012}"), 1, Level::Green)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        bench.push(ANNA, Level::Red, &texts);
        let before = bench.stamps_of(CARL, "");
        let hold = bench.hold(Subject::AddedFrom(Timestamp::EPOCH), &[BERT], Until::Release { before: Terms::default() });
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        bench.push(BERT, Level::Red, &[&version(OTHER_INDICATOR, 1, Level::Green)]);
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.count(CARL, Level::Red, "")), (1, 2102));
        bench.wait(1);
        assert_eq!(bench.release(hold), Some(2101));
        assert_eq!(bench.stamps_of(CARL, "")[..before.len()], before);
        let found = bench.stamps_of(BERT, "");
        assert!(found.len() == 2102 && found.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(bench.release(hold), None);
    }

    fn a_hold_of_very_much_ends_by_itself_part_by_part(bench) {
        let texts: Vec<String> = (0..2100).map(|n| version(&format!("indicator--33333333-daf2-42bd-843b-{n:012}"), 1, Level::Green)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        bench.push(ANNA, Level::Red, &texts);
        bench.hold(Subject::AddedFrom(Timestamp::EPOCH), &[BERT], Until::Time(bench.now().plus_seconds(10)));
        bench.wait(10);
        bench.store.tend().unwrap();
        assert_eq!((bench.count(BERT, Level::Red, ""), bench.store.holds(bench.collection).unwrap()), (2100, vec![]));
    }

    fn an_older_version_is_the_last_one_for_who_is_kept_from_the_newer(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        let hold = bench.hold(Subject::AddedFrom(bench.now().plus_seconds(-1)), &[CARL], Until::Release { before: Terms::default() });
        bench.hold(Subject::AddedFrom(Timestamp::from_micros(bench.stamps("")[0] + 1)), &[BERT], Until::Release { before: Terms::default() });
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 2, Level::Green)]);
        assert_eq!(bench.texts(BERT, Level::Red, ""), [version(INDICATOR, 1, Level::Green)]);
        assert_eq!(bench.count(CARL, Level::Red, ""), 0);
        bench.release(hold);
        assert_eq!(bench.texts(CARL, Level::Red, ""), [version(INDICATOR, 2, Level::Green)]);
        assert_eq!(bench.texts(CARL, Level::Red, "match[version]=first"), [version(INDICATOR, 1, Level::Green)]);
    }

    fn an_object_waits_for_the_definition_of_its_marking(bench) {
        let text = marked(&version(INDICATOR, 1, Level::Green), 1);
        let status = bench.push(ANNA, Level::Red, &[&text]);
        let message = status.successes()[0].message.clone().unwrap();
        assert!(message.contains("nobody else sees it yet") && message.contains("marking-definition--17d82bb2"), "{message}");
        assert_eq!((bench.count(ANNA, Level::Clear, ""), bench.count(BERT, Level::Red, "")), (1, 0));
        let hidden = policy(1, r#""tlp":"white","start_date":"2020-01-01T00:00:00Z""#).replacen(r#""created""#, &format!(r#""object_marking_refs":["{}"],"created""#, tlp(Level::Red)), 1);
        bench.push(BERT, Level::Green, &[&hidden]);
        assert_eq!(bench.count(CARL, Level::Red, "match[type]=indicator"), 0, "nobody else says how far it may go");
        bench.push(ANNA, Level::Red, &[&hidden]);
        assert_eq!(bench.count(CARL, Level::Red, "match[type]=indicator"), 1, "its owner says that this is meant");
        let (clear, green) = (bench.count(CARL, Level::Clear, "match[type]=indicator"), bench.count(CARL, Level::Green, "match[type]=indicator"));
        assert_eq!((clear, green), (1, 1), "it says clear");
    }

    fn a_definition_that_the_submitter_cannot_see_is_none(bench) {
        let text = marked(&version(INDICATOR, 1, Level::Green), 1);
        bench.push(ANNA, Level::Green, &[&text]);
        let red = policy(1, r#""tlp":"white","start_date":"2020-01-01T00:00:00Z""#).replacen(r#""created""#, &format!(r#""object_marking_refs":["{}"],"created""#, tlp(Level::Red)), 1);
        bench.push(BERT, Level::Red, &[&red]);
        assert_eq!(bench.count(CARL, Level::Red, "match[type]=indicator"), 0);
        bench.push(CARL, Level::Green, &[&marked(&version(OTHER_INDICATOR, 1, Level::Green), 1)]);
        assert_eq!(bench.count(BERT, Level::Red, "match[type]=indicator"), 0);
    }

    fn anothers_definition_counts_once_its_content_was_sent_or_a_managers_at_once(bench) {
        let definition = policy(1, r#""tlp":"white","start_date":"2020-01-01T00:00:00Z""#);
        bench.push(BERT, Level::Red, &[&definition]);
        bench.push(ANNA, Level::Red, &[&marked(&version(INDICATOR, 1, Level::Green), 1)]);
        let seen = || bench.count(CARL, Level::Red, "match[type]=indicator");
        assert_eq!(seen(), 0, "whoever comes first does not say what a marking of others means");
        bench.push(CARL, Level::Red, &[&definition]);
        assert_eq!(seen(), 0, "nor does a third");
        let status = bench.push(ANNA, Level::Red, &[&definition, &marked(&version(OTHER_INDICATOR, 1, Level::Green), 1)]);
        assert_eq!((seen(), &status.successes()[1].message), (2, &None));
        bench.delete(bench.world(BERT, Level::Red), false, "marking-definition--17d82bb2-eeeb-4898-bda5-000000000001", "match[version]=all");
        bench.push(BERT, Level::Red, &[&definition.replacen("white", "green", 1)]);
        bench.push(ANNA, Level::Red, &[&marked(&version(OTHER_INDICATOR, 2, Level::Green), 1)]);
        assert_eq!(bench.texts(CARL, Level::Red, "match[id]=indicator--33333333-daf2-42bd-843b-be65edca9f61").len(), 1);
        assert!(!bench.texts(CARL, Level::Red, "")[0].contains("00:00:02.000Z"), "other content was never meant");
        let managed = Push { managers: vec![bench.organisation(BERT)], ..bench.request(bench.world(ANNA, Level::Red), &[&marked(&version(OTHER_INDICATOR, 3, Level::Green), 1)]) };
        assert_eq!(bench.store.add(managed).unwrap().successes()[0].message, None);
    }

    fn nobody_has_looked_at_again_what_is_not_theirs(bench) {
        let [first, second] = [1, 2].map(|n| policy(n, r#""tlp":"white","start_date":"2020-01-01T00:00:00Z""#));
        bench.push(ANNA, Level::Red, &[&first, &marked(&version(INDICATOR, 1, Level::Green), 2)]);
        bench.push(ANNA, Level::Red, &[&marked(&version(OTHER_INDICATOR, 1, Level::Green), 2)]);
        bench.push_as(bench.world(BERT, Level::Red), true, &[&second]);
        assert_eq!(bench.count(CARL, Level::Red, "match[type]=indicator"), 2, "a manager settles what waits of anybody");
    }

    fn an_object_does_not_wait_for_more_than_some_definitions(bench) {
        let ids: Vec<String> = (0..51).map(|n| format!("\"marking-definition--17d82bb2-eeeb-4898-bda5-{n:012}\"")).collect();
        let text = |some: usize| marked(&version(INDICATOR, 1, Level::Green), 0).replacen(&ids[0], &ids[..some].join(","), 1);
        let status = bench.push(ANNA, Level::Red, &[&text(51)]);
        assert!(failures(&status)[0].contains("51 of them have no definition here"), "{status:?}");
        assert_eq!(bench.push(ANNA, Level::Red, &[&text(50)]).successes().len(), 1);
    }

    fn a_definition_of_the_same_push_counts_wherever_it_stands(bench) {
        let text = marked(&version(INDICATOR, 1, Level::Green), 1);
        let status = bench.push(ANNA, Level::Red, &[&text, &policy(1, r#""tlp":"amber","start_date":"2020-01-01T00:00:00Z""#)]);
        assert_eq!(status.successes()[0].message, None);
        assert_eq!((bench.count(BERT, Level::Green, "match[type]=indicator"), bench.count(BERT, Level::Amber, "match[type]=indicator")), (0, 1));
    }

    fn a_policy_starts_and_ends_at_its_times(bench) {
        let time = |seconds| bench.now().plus_seconds(seconds);
        let dates = format!(r#""tlp":"green","start_date":"{}","end_date":"{}""#, time(100), time(200));
        bench.push(ANNA, Level::Red, &[&policy(1, &dates), &marked(&version(INDICATOR, 2, Level::Green), 1), &version(INDICATOR, 1, Level::Green)]);
        let found = |who| bench.texts(who, Level::Red, "match[type]=indicator");
        let [older, newer] = [version(INDICATOR, 1, Level::Green), marked(&version(INDICATOR, 2, Level::Green), 1)];
        assert_eq!((found(BERT), found(ANNA)), (vec![older.clone()], vec![newer.clone()]));
        bench.wait(100);
        assert_eq!((found(BERT), found(ANNA)), (vec![newer.clone()], vec![newer.clone()]));
        bench.wait(100);
        assert_eq!((found(BERT), found(ANNA)), (vec![older], vec![newer]));
    }

    fn a_downgrade_is_allowed_or_waits_for_a_manager_as_the_collection_says(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Amber)]);
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 2, Level::Green)]);
        assert_eq!(bench.texts(BERT, Level::Clear, "").len() + bench.count(BERT, Level::Green, ""), 1);
        bench.set_rule(Rule::Downgrade(Downgrade::Quarantine));
        let status = bench.push(ANNA, Level::Red, &[&version(INDICATOR, 3, Level::Clear)]);
        assert!(status.successes()[0].message.as_ref().unwrap().contains("nobody else sees it yet"));
        assert_eq!((bench.count(BERT, Level::Clear, ""), bench.texts(BERT, Level::Red, "")), (0, vec![version(INDICATOR, 2, Level::Green)]));
        let hold = bench.store.holds(bench.collection).unwrap()[0].id;
        assert_eq!(bench.release(hold), Some(1));
        assert_eq!(bench.texts(BERT, Level::Clear, ""), [version(INDICATOR, 3, Level::Clear)]);
        assert_eq!(bench.push(ANNA, Level::Red, &[&version(INDICATOR, 4, Level::Red)]).successes()[0].message, None);
    }

    fn to_delete_and_add_again_loosens_nothing(bench) {
        bench.set_rule(Rule::Downgrade(Downgrade::Quarantine));
        let push = |n, level| bench.push(ANNA, Level::Red, &[&version(INDICATOR, n, level)]).successes()[0].message.clone();
        let delete = |query| bench.delete(bench.world(ANNA, Level::Red), false, INDICATOR, query);
        assert_eq!(push(2, Level::Red), None);
        assert_eq!(delete("match[version]=all"), Deleted::Versions(1));
        assert!(push(3, Level::Green).is_some_and(|message| message.contains("the version before it red")));
        assert_eq!(delete("match[version]=all"), Deleted::Versions(1));
        assert!(push(1, Level::Green).is_some(), "nor to add an older one");
        assert!(push(4, Level::Green).is_some(), "nor to delete what nobody has decided about");
        assert_eq!(bench.count(BERT, Level::Red, "match[version]=all"), 0);
        let holds = bench.store.holds(bench.collection).unwrap();
        assert_eq!(bench.release(holds[1].id), Some(1));
        assert_eq!(push(5, Level::Green), None, "what is newer than what was deleted counts instead");
        assert_eq!(delete("match[version]=last"), Deleted::Versions(1));
        assert_eq!(push(6, Level::Green), None);
    }

    fn a_policy_that_lasts_longer_or_starts_earlier_is_a_downgrade(bench) {
        let time = |seconds| bench.now().plus_seconds(seconds);
        let dates = |n, from, to| policy(n, &format!(r#""tlp":"green","start_date":"{}","end_date":"{}""#, time(from), time(to)));
        bench.set_rule(Rule::Downgrade(Downgrade::Quarantine));
        bench.push(ANNA, Level::Red, &[&dates(1, -100, 100), &dates(2, -100, 200), &dates(3, 50, 100), &dates(4, 60, 100)]);
        let push = |n, policy| bench.push(ANNA, Level::Red, &[&marked(&version(INDICATOR, n, Level::Green), policy)]).successes()[0].message.clone();
        assert_eq!(push(1, 1), None);
        assert!(push(2, 2).is_some_and(|message| message.contains("ends later")));
        assert!(push(3, 2).is_some(), "nobody has decided yet");
        assert_eq!(push(4, 1), None);
        assert!(push(5, 4).is_some_and(|message| !message.contains("decides")));
        assert!(push(6, 3).is_some_and(|message| message.contains("starts earlier")));
        assert!(push(7, 1).is_some_and(|message| message.contains("starts earlier")));
    }

    fn what_is_above_the_ceiling_is_refused(bench) {
        bench.set_rule(Rule::Ceiling(Level::Amber));
        let status = bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::AmberStrict), &observable("198.51.100.1", Level::Amber)]);
        assert_eq!((status.successes().len(), failures(&status)), (1, vec!["its markings make it amber+strict, and this collection takes up to amber".to_owned()]));
    }

    fn a_version_from_the_future_is_refused_but_for_some_skew(bench) {
        let at = |seconds| version(INDICATOR, 1, Level::Green).replacen("2020-01-01T00:00:01.000Z", &bench.now().plus_seconds(seconds).to_string(), 1);
        let status = bench.push(ANNA, Level::Red, &[&at(301)]);
        assert_eq!(status.failures()[0].message.as_deref(), Some("/objects/0/modified: is more than 300 seconds ahead of this server's clock"));
        assert_eq!(bench.push(ANNA, Level::Red, &[&at(300)]).successes().len(), 1);
    }

    fn another_ones_name_is_taken_only_from_who_may_pass_on_or_manages_the_object(bench) {
        let by = |text: &str| text.replacen(r#""created""#, r#""created_by_ref":"identity--deadbeef-0000-4000-8000-000000000000","created""#, 1);
        let text = |n| by(&version(INDICATOR, n, Level::Green));
        let status = bench.push(ANNA, Level::Red, &[&text(1)]);
        assert!(status.failures()[0].message.as_ref().unwrap().starts_with("/objects/0/created_by_ref: names an identity that is not declared"));
        let offer = |who: OrganisationKey, manage, relay, text: &str| {
            let push = Push { manage, relay, ..bench.request(bench.world(who, Level::Red), &[text]) };
            bench.store.add(push).unwrap().failures().len()
        };
        assert_eq!(offer(ANNA, false, true, &text(1)), 0);
        assert_eq!(offer(ANNA, false, false, &text(2)), 1);
        assert_eq!(offer(BERT, true, false, &text(2)), 0, "a version as those before it");
        assert_eq!(offer(BERT, true, false, &by(&version(OTHER_INDICATOR, 1, Level::Green))), 1);
    }

    fn what_is_exported_is_every_version_once_whoever_may_see_it(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green), &marked(&version(OTHER_INDICATOR, 1, Level::Green), 1)]);
        let hold = bench.hold(Subject::Object(INDICATOR.into()), &[BERT], Until::Release { before: Terms::default() });
        bench.release(hold);
        let mut texts = Vec::new();
        bench.store.every(bench.collection, &mut |row| {
            texts.push(String::from_utf8(row.text.to_vec()).unwrap());
            ControlFlow::Continue(())
        }).unwrap();
        assert_eq!(texts, [version(INDICATOR, 1, Level::Green), marked(&version(OTHER_INDICATOR, 1, Level::Green), 1)]);
    }

    fn texts_come_back_to_the_octet(bench) {
        let odd = format!("{{ \"type\":\"x-odd\",\t\"id\":\"x-odd--{}\" , \"n\": 1.0, \"e\":1E2,\"s\":\"\\u00e9\\/😀\"}}", &INDICATOR[11..]);
        bench.push(ANNA, Level::Red, &[&odd]);
        assert_eq!(bench.texts(ANNA, Level::Red, ""), [odd]);
    }

    fn one_object_is_stamped_on_the_next_whole_millisecond(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        assert_eq!(bench.stamps(""), [1_760_000_000_001_000]);
    }

    fn what_has_ended_leaves_no_gap_in_the_digits(bench) {
        let policy_until = |n, seconds| policy(n, &format!(r#""tlp":"green","end_date":"{}""#, bench.now().plus_seconds(seconds)));
        bench.push(ANNA, Level::Red, &[&policy_until(1, 1000), &policy_until(2, -1000)]);
        let marked = |n| marked(&version(&format!("indicator--33333333-daf2-42bd-843b-{n:012}"), 1, Level::Green), n);
        bench.push(ANNA, Level::Red, &[&marked(1), &marked(2)]);
        let seen = bench.stamps_of(BERT, "match[type]=indicator");
        assert!(seen.len() == 1 && seen[0] % 1000 == 0, "{seen:?}");
    }

    fn many_ends_take_few_milliseconds(bench) {
        let policies: Vec<String> = (0..200).map(|n| policy(n, &format!(r#""tlp":"green","end_date":"{}""#, bench.now().plus_seconds(1000 + i64::from(n))))).collect();
        bench.push(ANNA, Level::Red, &policies.iter().map(String::as_str).collect::<Vec<_>>());
        let objects: Vec<String> = (0..200).map(|n| marked(&version(&format!("indicator--33333333-daf2-42bd-843b-{n:012}"), 1, Level::Green), n)).collect();
        bench.push(ANNA, Level::Red, &objects.iter().map(String::as_str).collect::<Vec<_>>());
        let stamps = bench.stamps("match[type]=indicator");
        assert_eq!((stamps.len(), stamps[199] - stamps[0]), (200, 199));
    }

    fn each_owner_of_a_push_ends_on_a_millisecond_of_its_own(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Red)]);
        let both = [version(INDICATOR, 2, Level::Red), version(OTHER_INDICATOR, 1, Level::Red)];
        bench.push_as(bench.world(BERT, Level::Red), true, &[&both[0], &both[1]]);
        assert!(bench.stamps("match[version]=all").iter().all(|stamp| stamp % 1000 == 0), "an owner sees its own at any level");
    }

    fn a_version_agrees_with_the_others_of_its_object(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 5, Level::Green)]);
        let other = |n: u32, from: &str, to: &str| version(INDICATOR, n, Level::Green).replacen(from, to, 1);
        let by = r#""created_by_ref":"identity--252c7c11-daf2-42bd-843b-be65edca9f61","#;
        let cases = [
            (other(6, r#""created":"2020-01-01T00:00:00Z""#, r#""created":"2019-01-01T00:00:00Z""#), "(version-created, "),
            (other(6, r#""created""#, &format!(r#"{by}"created""#)), "(version-creator, "),
            (other(4, r#""created""#, r#""revoked":true,"created""#), "(version-after-revocation, "),
        ];
        for (text, rule) in cases {
            let failures = failures(&bench.push(ANNA, Level::Red, &[&text]));
            assert!(failures.len() == 1 && failures[0].contains(rule), "{failures:?}");
        }
        let revoked = other(6, r#""created""#, r#""revoked":true,"created""#);
        assert!(bench.push(ANNA, Level::Red, &[&revoked]).failures().is_empty());
        let later = failures(&bench.push(ANNA, Level::Red, &[&version(INDICATOR, 7, Level::Green)]));
        assert!(later.len() == 1 && later[0].contains("(version-after-revocation, "), "{later:?}");
        assert!(bench.push(ANNA, Level::Red, &[&version(INDICATOR, 3, Level::Green)]).failures().is_empty(), "history may come late");
    }

    fn versions_of_one_push_agree_with_each_other(bench) {
        let revoked = version(INDICATOR, 2, Level::Green).replacen(r#""created""#, r#""revoked":true,"created""#, 1);
        let texts = [version(INDICATOR, 1, Level::Green), version(INDICATOR, 3, Level::Green), revoked];
        let status = bench.push(ANNA, Level::Red, &[&texts[0], &texts[1], &texts[2]]);
        assert_eq!((status.successes().len(), status.failures().len()), (2, 1));
        assert!(failures(&status)[0].contains("there is a later version"), "{:?}", failures(&status));
    }

    fn a_version_is_held_against_those_only_that_its_submitter_sees(bench) {
        let revoked = version(INDICATOR, 2, Level::Red).replacen(r#""created""#, r#""revoked":true,"created""#, 1);
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green), &revoked]);
        let manager = |level| bench.world(BERT, level);
        let blind = bench.push_as(manager(Level::Green), true, &[&version(INDICATOR, 3, Level::Green)]);
        assert!(blind.failures().is_empty(), "it cannot know of the revocation");
        let seeing = bench.push_as(manager(Level::Red), true, &[&version(INDICATOR, 4, Level::Green)]);
        assert!(seeing.failures().is_empty(), "the latest version is none that revokes");
    }

    fn what_a_world_does_not_see_is_unknown_to_it(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Amber), &observable("198.51.100.1", Level::Green)]);
        let unknown = |who, level| bench.store.unknown(bench.collection, bench.world(who, level), &[INDICATOR, ADDRESS, OTHER_INDICATOR]).unwrap();
        assert_eq!(unknown(ANNA, Level::Clear), [OTHER_INDICATOR], "an owner sees its own");
        assert_eq!(unknown(BERT, Level::Amber), [OTHER_INDICATOR]);
        assert_eq!(unknown(BERT, Level::Green), [INDICATOR, OTHER_INDICATOR]);
        let none = World::new(CARL, None, Timestamp::EPOCH);
        assert_eq!(bench.store.unknown(bench.collection, none, &[ADDRESS]).unwrap(), [ADDRESS]);
        assert!(bench.store.unknown(bench.collection, none, &[]).unwrap().is_empty());
    }

    fn a_dry_run_decides_everything_and_keeps_nothing(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        let (seen, stamps) = (bench.texts(ANNA, Level::Red, "match[version]=all"), bench.stamps("match[version]=all"));
        let texts = [version(INDICATOR, 1, Level::Green), version(INDICATOR, 2, Level::Green), version(OTHER_INDICATOR, 1, Level::Red)];
        let foreign = bench.push_with(bench.world(BERT, Level::Red), false, true, &[&texts[1], &texts[2], &observable("x", Level::Green)]);
        assert_eq!((foreign.successes().len(), failures(&foreign).len(), foreign.is_of_dry_run()), (2, 1, true));
        let own = bench.push_with(bench.world(ANNA, Level::Red), false, true, &[&texts[0], &texts[1]]);
        let messages: Vec<_> = own.successes().iter().map(|details| details.message.as_deref().unwrap()).collect();
        assert_eq!(messages, ["was there already", "not stored: this was a dry run"]);
        assert_eq!(bench.store.status(own.id).unwrap(), None);
        assert_eq!((bench.texts(ANNA, Level::Red, "match[version]=all"), bench.stamps("match[version]=all")), (seen, stamps));
        bench.push(CARL, Level::Red, &[&texts[2]]);
        assert_eq!(bench.count(CARL, Level::Clear, ""), 1, "nobody owns what was but tried");
    }

    fn many_offers_of_one_id_cost_no_more_than_many_of_several(bench) {
        let large = observable(&"x".repeat(1 << 20), Level::Green);
        bench.push(ANNA, Level::Red, &[&large]);
        let others: Vec<String> = (0..2000).map(|n| observable(&n.to_string(), Level::Green)).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        // With a look at the stored text for each, this would read two gigabytes.
        assert_eq!(bench.push(ANNA, Level::Red, &others).failures().len(), 2000);
    }

    fn the_order_rises_though_the_clock_steps_back(bench) {
        for n in 1..=3 {
            bench.push(ANNA, Level::Red, &[&version(INDICATOR, n, Level::Green)]);
            bench.set_clock(SOME_DAY - 3_600_000_000 * u64::from(n));
        }
        let stamps = bench.stamps("match[version]=all");
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
    }

    fn the_same_content_again_succeeds_and_adds_nothing(bench) {
        let text = version(INDICATOR, 1, Level::Green);
        bench.push(ANNA, Level::Red, &[&text]);
        let respelt = text.replace(',', " , ");
        let status = bench.push(ANNA, Level::Red, &[&text, &respelt]);
        assert_eq!((status.successes().len(), status.failures().len()), (2, 0));
        assert_eq!(bench.texts(ANNA, Level::Red, "match[version]=all"), [text]);
    }

    fn twice_in_one_push_is_one_entry_and_two_successes(bench) {
        let address = observable("198.51.100.3", Level::Green);
        let text = version(INDICATOR, 1, Level::Green);
        let status = bench.push(ANNA, Level::Red, &[&text, &address, &text, &address]);
        assert_eq!((status.successes().len(), status.failures().len()), (4, 0));
        assert_eq!(status.successes()[1].version, status.successes()[3].version);
        assert_eq!(bench.count(ANNA, Level::Red, "match[version]=all"), 2);
    }

    fn other_content_of_a_version_fails_and_the_stored_copy_stays(bench) {
        let text = version(INDICATOR, 1, Level::Green);
        let other = text.replace("2020-01-01T00:00:00Z", "2019-01-01T00:00:00Z");
        bench.push(ANNA, Level::Red, &[&text]);
        assert_eq!(failures(&bench.push(ANNA, Level::Red, &[&other])), [super::admission::OTHER_CONTENT]);
        assert_eq!(bench.texts(ANNA, Level::Red, ""), [text.clone()]);
        let both = [text.replace(INDICATOR, OTHER_INDICATOR), other.replace(INDICATOR, OTHER_INDICATOR)];
        let status = bench.push(ANNA, Level::Red, &[&both[0], &both[1]]);
        assert_eq!(failures(&status), [super::admission::OTHER_CONTENT], "also within one push");
    }

    fn only_the_owner_or_a_manager_adds_versions(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        let second = version(INDICATOR, 2, Level::Green);
        assert_eq!(failures(&bench.push(BERT, Level::Red, &[&second])), [super::admission::NOT_YOURS]);
        assert!(failures(&bench.push_as(bench.world(BERT, Level::Red), true, &[&second])).is_empty());
        assert!(failures(&bench.push(ANNA, Level::Red, &[&version(INDICATOR, 3, Level::Green)])).is_empty());
        assert_eq!(bench.count(CARL, Level::Green, "match[version]=all"), 3);
    }

    fn every_refusal_to_add_to_anothers_id_says_the_same(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Red)]);
        let attempts = [
            version(INDICATOR, 1, Level::Red),
            version(INDICATOR, 1, Level::Green),
            version(INDICATOR, 2, Level::Green),
        ];
        for attempt in attempts {
            assert_eq!(failures(&bench.push(BERT, Level::Green, &[&attempt])), [super::admission::NOT_YOURS]);
        }
    }

    fn a_visible_copy_of_anothers_object_is_a_success(bench) {
        let text = version(INDICATOR, 1, Level::Green);
        bench.push(ANNA, Level::Red, &[&text]);
        assert!(failures(&bench.push(BERT, Level::Green, &[&text])).is_empty());
    }

    fn an_id_keeps_its_owner_when_its_last_version_is_deleted(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        assert_eq!(bench.delete(bench.world(ANNA, Level::Red), false, INDICATOR, "match[version]=all"), Deleted::Versions(1));
        assert_eq!(failures(&bench.push(BERT, Level::Red, &[&version(INDICATOR, 2, Level::Green)])), [super::admission::NOT_YOURS]);
        assert!(failures(&bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)])).is_empty());
    }

    fn a_hidden_observable_stands_in_nobodys_way(bench) {
        bench.push(ANNA, Level::Red, &[&observable("198.51.100.3", Level::Red)]);
        let mine = observable("198.51.100.3", Level::Green);
        let status = bench.push(BERT, Level::Green, &[&mine]);
        assert_eq!(status.successes()[0].message, None, "added, as if nothing were there");
        assert_eq!(bench.texts(BERT, Level::Green, ""), [mine.clone()]);
        assert_eq!(bench.texts(CARL, Level::Green, ""), [mine]);
    }

    fn for_a_reader_of_both_the_first_observable_added_is_last(bench) {
        let (hidden, open) = (observable("198.51.100.3", Level::Red), observable("198.51.100.3", Level::Green));
        bench.push(ANNA, Level::Red, &[&hidden]);
        bench.push(BERT, Level::Green, &[&open]);
        assert_eq!(bench.texts(CARL, Level::Red, ""), [hidden.clone()]);
        assert_eq!(bench.texts(CARL, Level::Red, "match[version]=first"), [open.clone()]);
        assert_eq!(bench.texts(ANNA, Level::Clear, ""), [hidden.clone()], "an owner sees its own");
        assert_eq!(bench.texts(ANNA, Level::Green, ""), [hidden.clone()]);
        assert_eq!(bench.count(CARL, Level::Red, "match[version]=all"), 2);
        assert_eq!(bench.delete(bench.world(ANNA, Level::Red), false, ADDRESS, ""), Deleted::Versions(1));
        assert_eq!(bench.texts(CARL, Level::Red, ""), [open]);
    }

    fn other_content_of_a_visible_observable_fails(bench) {
        bench.push(ANNA, Level::Red, &[&observable("198.51.100.3", Level::Green)]);
        let status = bench.push(BERT, Level::Green, &[&observable("198.51.100.4", Level::Green)]);
        assert_eq!(failures(&status), [super::admission::OTHER_OBSERVABLE]);
    }

    fn the_version_of_an_observable_is_its_date_added(bench) {
        let status = bench.push(ANNA, Level::Red, &[&observable("198.51.100.3", Level::Green)]);
        let version = &status.successes()[0].version;
        assert_eq!(bench.scan(bench.world(ANNA, Level::Red), "", |row| row.version.to_owned()), [version.clone()]);
        assert_eq!(bench.count(ANNA, Level::Red, &format!("match[version]={version}")), 1);
        assert_eq!(bench.count(ANNA, Level::Red, "match[version]=2020-01-01T00:00:00Z"), 0);
    }

    fn predefined_markings_are_everybodys(bench) {
        let red = format!(r#"{{"type":"marking-definition","id":"{}","spec_version":"2.1","created":"2017-01-20T00:00:00.000Z","definition_type":"tlp","definition":{{"tlp":"red"}}}}"#, marking::TLP[3].id);
        bench.push(ANNA, Level::Red, &[&red]);
        let respelt = red.replace("00.000Z", "00Z");
        let status = bench.push(BERT, Level::Clear, &[&respelt, &respelt]);
        assert_eq!((status.successes().len(), status.failures().len()), (2, 0));
        assert_eq!(bench.texts(CARL, Level::Clear, ""), [red.clone()], "the first copy, open to all");
        let green = red.replace(marking::TLP[3].id, marking::TLP[1].id).replace(r#""red""#, r#""green""#);
        let claimed = green.replace(r#""created""#, r#""created_by_ref":"identity--deadbeef-0000-4000-8000-000000000000","created""#);
        let status = bench.push(BERT, Level::Clear, &[&claimed]);
        assert_eq!(status.successes()[0].message.as_deref(), Some(crate::taxii::status::WAS_THERE));
        assert_eq!(bench.texts(CARL, Level::Clear, ""), [red.clone()], "what is claimed of it is not kept");
        bench.push(CARL, Level::Clear, &[&green]);
        assert_eq!(bench.texts(CARL, Level::Clear, ""), [red, green], "nor does it stand in the way");
    }

    fn last_is_taken_over_the_callers_world(bench) {
        bench.push(ANNA, Level::Red, &[
            &version(INDICATOR, 2, Level::Red), &version(INDICATOR, 1, Level::Green), &version(INDICATOR, 3, Level::Amber)]);
        let at = |level, query: &str| bench.texts(CARL, level, query);
        assert_eq!(at(Level::Green, ""), [version(INDICATOR, 1, Level::Green)]);
        assert_eq!(at(Level::Amber, ""), [version(INDICATOR, 3, Level::Amber)]);
        assert_eq!(at(Level::Clear, ""), [""; 0]);
        assert_eq!(at(Level::Red, "match[version]=first"), [version(INDICATOR, 1, Level::Green)]);
        assert_eq!(bench.texts(ANNA, Level::Clear, ""), [version(INDICATOR, 3, Level::Amber)]);
        assert_eq!(bench.texts(ANNA, Level::Clear, "match[version]=all").len(), 3);
    }

    fn an_old_version_that_comes_late_does_not_downgrade_a_poller(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 2, Level::Green)]);
        let seen = Timestamp::from_micros(bench.stamps("")[0]);
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        assert_eq!(bench.count(CARL, Level::Green, &format!("added_after={seen}")), 0);
        assert_eq!(bench.count(CARL, Level::Green, &format!("added_after={seen}&match[version]=all")), 1);
    }

    fn without_a_choice_the_latest_specification_version_is_given(bench) {
        let new = version(INDICATOR, 1, Level::Green);
        let old = new.replace(r#""spec_version":"2.1","#, "").replace("00:00:01.000Z", "00:00:09.000Z");
        bench.push(ANNA, Level::Red, &[&old, &new]);
        let find = |query: &str| bench.texts(CARL, Level::Green, query);
        assert_eq!(find(""), [new.clone()]);
        assert_eq!(find("match[version]=all"), [new.clone()]);
        assert_eq!(find("match[spec_version]=2.0"), [old.clone()]);
        assert_eq!(find("match[spec_version]=2.0,2.1"), [old, new]);
        assert_eq!(find("match[spec_version]=9.9"), [""; 0]);
    }

    fn filters_narrow_and_values_widen(bench) {
        let (malware, other) = ("malware--31b940d4-6f7f-459a-80ea-9c1f17b5891b", OTHER_INDICATOR);
        bench.push(ANNA, Level::Red, &[
            &version(INDICATOR, 1, Level::Green), &version(malware, 1, Level::Green), &version(other, 1, Level::Green)]);
        let count = |query: &str| bench.count(CARL, Level::Green, query);
        assert_eq!(count("match[type]=indicator"), 2);
        assert_eq!(count("match[type]=indicator,malware"), 3);
        assert_eq!(count("match[type]=malware,malware"), 1);
        assert_eq!(count(&format!("match[id]={INDICATOR},unknown,{malware}")), 2);
        assert_eq!(count(&format!("match[id]={INDICATOR},{malware}&match[type]=malware")), 1);
        assert_eq!(count("match[version]=2020-01-01T00:00:01Z"), 3);
        assert_eq!(count("match[version]=first,2020-01-01T00:00:01.000Z,last"), 3, "no repeats");
        let types: Vec<String> = (0..60).map(|n| format!("x-{n}")).collect();
        assert_eq!(count(&format!("match[type]={},malware", types.join(","))), 1);
        assert_eq!(bench.texts(CARL, Level::Green, "match[type]=indicator,malware"), bench.texts(CARL, Level::Green, ""), "in order");
    }

    fn deleting_takes_the_last_version_unless_told_otherwise(bench) {
        let anna = bench.world(ANNA, Level::Red);
        for n in 1..=4 {
            bench.push(ANNA, Level::Red, &[&version(INDICATOR, n, Level::Green)]);
        }
        assert_eq!(bench.delete(anna, false, INDICATOR, ""), Deleted::Versions(1));
        assert_eq!(bench.texts(CARL, Level::Green, ""), [version(INDICATOR, 3, Level::Green)]);
        assert_eq!(bench.delete(anna, false, INDICATOR, "match[version]=2020-01-01T00:00:02Z"), Deleted::Versions(1));
        assert_eq!(bench.delete(anna, false, INDICATOR, "match[version]=2020-01-01T00:00:02Z"), Deleted::Absent);
        assert_eq!(bench.count(CARL, Level::Green, "match[version]=all"), 2);
        assert_eq!(bench.delete(anna, false, INDICATOR, "match[version]=all"), Deleted::Versions(2));
        assert_eq!(bench.delete(anna, false, INDICATOR, "match[version]=all"), Deleted::Absent);
    }

    fn nobody_deletes_anothers_object_and_nobody_learns_of_a_hidden_one(bench) {
        bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Amber)]);
        assert_eq!(bench.delete(bench.world(BERT, Level::Amber), false, INDICATOR, ""), Deleted::Forbidden);
        assert_eq!(bench.delete(bench.world(BERT, Level::Green), false, INDICATOR, ""), Deleted::Absent);
        assert_eq!(bench.delete(bench.world(BERT, Level::Green), true, INDICATOR, ""), Deleted::Absent);
        assert_eq!(bench.delete(bench.world(BERT, Level::Amber), true, INDICATOR, ""), Deleted::Versions(1));
    }

    fn what_is_added_again_after_a_deletion_is_new(bench) {
        let text = version(INDICATOR, 1, Level::Green);
        bench.push(ANNA, Level::Red, &[&text]);
        let before = bench.stamps("")[0];
        bench.delete(bench.world(ANNA, Level::Red), false, INDICATOR, "");
        bench.push(ANNA, Level::Red, &[&text]);
        assert!(bench.stamps("")[0] > before);
    }

    fn a_status_is_kept_for_its_time(bench) {
        let status = bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
        bench.set_clock(SOME_DAY + 86_399_000_000);
        let kept = bench.store.status(status.id).unwrap().unwrap();
        assert_eq!(kept.resource, serde_json::to_vec(&status).unwrap());
        assert_eq!(kept.organisation, bench.organisation(ANNA));
        bench.set_clock(SOME_DAY + 86_400_000_000);
        assert_eq!(bench.store.status(status.id).unwrap(), None);
        assert_eq!(bench.store.status(Uuid::new_v4()).unwrap(), None);
    }

    fn the_registry_is_what_was_put_there_and_its_generation_moves(bench) {
        let before = bench.store.generation().unwrap();
        let anna = bench.organisation(ANNA);
        let grant = Grant { organisation: anna, collection: bench.collection, read: Some(Level::Amber), write: true, manage: false, relay: false };
        let terms = Secret { hash: [7; 32], addresses: vec!["192.0.2.0/24".parse().unwrap()], ceiling: Level::Amber, collections: vec![bench.collection], write: true };
        let name = Name::parse("uri:spiffe://anna/puller").unwrap();
        let anchor = Anchor { fingerprint: Fingerprint([6; 32]), subject: "CN=CA".into(), not_after: Timestamp::from_micros(9), organisations: vec![anna] };
        let proofs = [Proof::Key(Fingerprint([5; 32])), Proof::Name { anchor: None, name: name.clone() }, Proof::Name { anchor: Some(anchor.fingerprint), name }, Proof::Secret(terms)];
        let (identity, other) = ("identity--b3bca3c2-1f3d-4b54-b44f-dac42c3a8f01", "identity--a3bca3c2-1f3d-4b54-b44f-dac42c3a8f01");
        bench.change(&Change::SetGrant(grant)).unwrap();
        bench.change(&Change::BindAnchor(anchor.clone())).unwrap();
        for proof in &proofs {
            bench.change(&Change::AddCredential(credential(anna, proof.clone()))).unwrap();
        }
        bench.change(&Change::DeclareIdentity(anna, identity.into())).unwrap();
        bench.change(&Change::DeclareIdentity(anna, other.into())).unwrap();
        bench.change(&Change::Suspend(anna, true)).unwrap();
        let registry = bench.registry();
        assert_eq!(registry.grant(anna, bench.collection), Some(&grant));
        assert_eq!(registry.credentials.iter().map(|credential| credential.proof.clone()).collect::<Vec<_>>(), proofs);
        assert_eq!(registry.anchors, [anchor.clone()]);
        assert_eq!(registry.identity_of(identity).map(|organisation| organisation.key), Some(anna));
        let organisation = registry.organisation_by_key(anna).unwrap();
        assert!(organisation.suspended && organisation.identities == [other, identity]);
        assert_eq!(registry.generation, bench.store.generation().unwrap());
        assert_ne!(registry.generation, before);
        let bert = bench.organisation(BERT);
        bench.change(&Change::BindAnchor(Anchor { organisations: vec![bert], ..anchor.clone() })).unwrap();
        assert_eq!(bench.registry().anchors[0].organisations, [anna, bert]);
        bench.change(&Change::RevokeGrant(anna, bench.collection)).unwrap();
        let (first, second) = (&registry.credentials[0], &registry.credentials[1]);
        bench.change(&Change::RevokeCredential(first.key, Timestamp::from_micros(3))).unwrap();
        bench.change(&Change::EndCredential(second.key, Timestamp::from_micros(4))).unwrap();
        bench.change(&Change::RenewCredential(second.key, "CN=b".into(), Timestamp::from_micros(5))).unwrap();
        bench.change(&Change::RemoveAnchor(anchor.fingerprint)).unwrap();
        bench.change(&Change::WithdrawIdentity(other.into())).unwrap();
        bench.change(&Change::Suspend(anna, false)).unwrap();
        let rules = Rules { unmarked: Level::Clear, ceiling: Level::Amber, profile: Profile::Strict, downgrade: Downgrade::Quarantine };
        // One after the other, as by operators who know nothing of each other.
        for rule in [Rule::Unmarked(Level::Clear), Rule::Ceiling(Level::Amber), Rule::Profile(Profile::Strict), Rule::Downgrade(Downgrade::Quarantine)] {
            bench.set_rule(rule);
        }
        let registry = bench.registry();
        assert!(registry.grants.is_empty() && registry.anchors.is_empty());
        assert_eq!(registry.credential(first.key).unwrap().revoked, Some(Timestamp::from_micros(3)));
        let renewed = Credential { ends: Some(Timestamp::from_micros(4)), label: "CN=b".into(), not_after: Some(Timestamp::from_micros(5)), ..second.clone() };
        assert_eq!(registry.credential(second.key), Some(&renewed));
        assert_eq!(registry.collections[0].rules, rules);
        let organisation = registry.organisation_by_key(anna).unwrap();
        assert!(!organisation.suspended && organisation.identities == [identity]);
    }

    fn a_change_without_sense_is_refused_and_changes_nothing(bench) {
        let root = |name: &str, title: &str| Change::AddRoot(Root { name: name.into(), title: title.into() });
        let id = "253900d3-b9dd-46df-8184-469380fae6d2";
        let aliased = |alias: &str| Change::AddCollection(Collection { alias: Some(alias.into()), ..collection(id, "Other") });
        let (anna, bert) = (bench.organisation(ANNA), bench.organisation(BERT));
        let key = Proof::Key(Fingerprint([5; 32]));
        let foreign = Proof::Name { anchor: Some(Fingerprint([6; 32])), name: Name::parse("dns:bert.example").unwrap() };
        let secret = |ceiling, addresses: &[&str]| Proof::Secret(Secret { hash: [1; 32], addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(), ceiling, collections: vec![], write: false });
        let identity = "identity--b3bca3c2-1f3d-4b54-b44f-dac42c3a8f01";
        let anchor = Anchor { fingerprint: Fingerprint([6; 32]), subject: String::new(), not_after: Timestamp::EPOCH, organisations: vec![anna] };
        bench.change(&Change::AddCredential(credential(anna, key.clone()))).unwrap();
        bench.change(&Change::DeclareIdentity(anna, identity.into())).unwrap();
        bench.change(&Change::BindAnchor(anchor.clone())).unwrap();
        let revoked = bench.registry().credentials[0].key;
        bench.change(&Change::RevokeCredential(revoked, Timestamp::EPOCH)).unwrap();
        let before = Registry { generation: 0, ..bench.registry() };
        for change in [
            root("api1", "Again"),
            root("taxii2", "Discovery"),
            root("api2", " "),
            Change::AddCollection(collection(COLLECTION, "Same id")),
            Change::AddCollection(collection(id, "Everything")),
            Change::AddCollection(collection("253900d3-b9dd-16df-8184-469380fae6d2", "Version 1 UUID")),
            Change::AddCollection(collection("253900D3-B9DD-46DF-8184-469380FAE6D2", "Upper case")),
            Change::AddCollection(Collection { root: "none".into(), ..collection(id, "No root") }),
            aliased(COLLECTION),
            aliased("a/b"),
            Change::AddOrganisation { name: "anna".into(), title: "Again".into() },
            Change::AddOrganisation { name: "../x".into(), title: "Path".into() },
            Change::AddCredential(credential(bert, key.clone())),
            Change::AddCredential(credential(anna, key)),
            Change::AddCredential(credential(bert, foreign)),
            Change::AddCredential(credential(anna, secret(Level::Red, &["192.0.2.1/32"]))),
            Change::AddCredential(credential(anna, secret(Level::Green, &[]))),
            Change::RevokeCredential(revoked, Timestamp::EPOCH),
            Change::DeclareIdentity(bert, identity.into()),
            Change::DeclareIdentity(anna, identity.into()),
            Change::DeclareIdentity(bert, "indicator--b3bca3c2-1f3d-4b54-b44f-dac42c3a8f01".into()),
            Change::DeclareIdentity(bert, identity.to_uppercase()),
            Change::WithdrawIdentity("identity--a3bca3c2-1f3d-4b54-b44f-dac42c3a8f01".into()),
            Change::BindAnchor(Anchor { organisations: vec![], ..anchor }),
            Change::RemoveAnchor(Fingerprint([5; 32])),
            Change::SetRules(bench.collection, vec![Rule::Unmarked(Level::Amber), Rule::Ceiling(Level::Green)]),
            Change::SetRules(bench.collection, vec![Rule::Ceiling(Level::Clear)]),
            Change::RevokeGrant(bench.organisation(ANNA), bench.collection),
        ] {
            assert!(matches!(bench.change(&change), Err(ChangeError::Refused(_))), "{change:?}");
        }
        assert_eq!(Registry { generation: 0, ..bench.registry() }, before);
    }

    fn concurrent_pushes_are_all_kept_in_one_order(bench) {
        let id = |n: usize| format!("indicator--252c7c11-daf2-42bd-843b-{n:012}");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                scope.spawn(move || (0..25).for_each(|n| {
                    bench.push(ANNA, Level::Red, &[&version(&id(thread * 100 + n), 1, Level::Green), &version(&id(7777), 1, Level::Green)]);
                }));
            }
        });
        let stamps = bench.stamps("");
        assert_eq!(stamps.len(), 201);
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

const OTHER_INDICATOR: &str = "indicator--33333333-daf2-42bd-843b-be65edca9f61";

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Push { who: OrganisationKey, reads: Level, manage: bool, objects: Vec<String> },
    Delete { who: OrganisationKey, reads: Level, manage: bool, id: &'static str, query: &'static str },
    Hold { subject: usize, from: Vec<OrganisationKey>, until: usize },
    Release(usize),
    Wait(u64),
}

fn an_organisation() -> impl Strategy<Value = OrganisationKey> {
    prop::sample::select(vec![ANNA, BERT, CARL])
}

fn a_level() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL.to_vec())
}

const IDS: [&str; 3] = [INDICATOR, OTHER_INDICATOR, ADDRESS];
const QUERIES: [&str; 9] = [
    "",
    "match[version]=all",
    "match[version]=first",
    "match[version]=first,last",
    "match[version]=2020-01-01T00:00:02Z,last",
    "match[spec_version]=2.0",
    "match[spec_version]=2.0,2.1&match[version]=all",
    "match[type]=ipv4-addr,indicator",
    "match[id]=indicator--252c7c11-daf2-42bd-843b-be65edca9f61,ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd",
];

fn an_object() -> impl Strategy<Value = String> {
    (0..5usize, 1..4u32, a_level(), any::<bool>(), 0..14usize).prop_map(|(which, n, level, old, says)| match which {
        0 | 1 if says > 10 => marked(&version(IDS[which], n, level), n),
        0 | 1 if old => says_more(&version(IDS[which], n, level), says).replace(r#""spec_version":"2.1","#, ""),
        0 | 1 => says_more(&version(IDS[which], n, level), says),
        2 => observable(&format!("198.51.100.{}", n % 2), level),
        // A policy that starts, or ends, while the steps go on.
        3 => policy(
            n,
            [
                r#""tlp":"amber","start_date":"2025-10-09T08:54:00Z""#,
                r#""tlp":"white","start_date":"2020-01-01T00:00:00Z","end_date":"2025-10-09T08:54:30Z""#,
                r#""tlp":"red","start_date":"2020-01-01T00:00:00Z""#,
            ][usize::try_from(n - 1).unwrap()],
        ),
        // The id of an indicator, without any version: nothing forbids it here.
        _ => format!(
            r#"{{"type":"indicator","id":"{INDICATOR}","name":"{}","object_marking_refs":["{}"]}}"#,
            n % 2,
            tlp(level)
        ),
    })
}

/// Now and then, a version says what others of its object may not agree with.
fn says_more(text: &str, says: usize) -> String {
    match says {
        0 => text.replacen(r#""created""#, r#""revoked":true,"created""#, 1),
        1 => text.replacen(r#""created""#, r#""created_by_ref":"x","created""#, 1),
        2 => text.replacen("2020-01-01T00:00:00Z", "2019-01-01T00:00:00Z", 1),
        // As of an identity: see `candidate`.
        3 => text.replacen(r#""created""#, r#""x_declared":"own","created""#, 1),
        4 => text.replacen(r#""created""#, r#""x_declared":"another's","created""#, 1),
        _ => text.to_owned(),
    }
}

fn a_step() -> impl Strategy<Value = Step> {
    let push = (an_organisation(), a_level(), any::<bool>(), prop::collection::vec(an_object(), 1..4))
        .prop_map(|(who, reads, manage, objects)| Step::Push { who, reads, manage, objects });
    let delete = (
        an_organisation(),
        a_level(),
        any::<bool>(),
        prop::sample::select(IDS.to_vec()),
        prop::sample::select(QUERIES[..5].to_vec()),
    )
        .prop_map(|(who, reads, manage, id, query)| Step::Delete { who, reads, manage, id, query });
    let hold = (0..3usize, prop::collection::vec(an_organisation(), 0..3), 0..2usize)
        .prop_map(|(subject, from, until)| Step::Hold { subject, from, until });
    prop_oneof![8 => push, 2 => delete, 2 => hold, 1 => (0..4usize).prop_map(Step::Release), 1 => (1..90u64).prop_map(Step::Wait)]
}

impl Bench {
    /// Takes a step, and tells what came of it.
    fn take(&self, step: &Step) -> String {
        match step {
            Step::Push { who, reads, manage, objects } => {
                let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
                let status = self.push_as(self.world(*who, *reads), *manage, &objects);
                format!("{:?} {:?}", status.successes(), status.failures())
            }
            Step::Delete { who, reads, manage, id, query } => {
                format!("{:?}", self.delete(self.world(*who, *reads), *manage, id, query))
            }
            Step::Hold { subject, from, until } => {
                let subject = [
                    Subject::Object(INDICATOR.into()),
                    Subject::Object(ADDRESS.into()),
                    Subject::AddedFrom(self.now().plus_seconds(-30)),
                ][*subject]
                    .clone();
                self.hold(
                    subject,
                    from,
                    [Until::Release { before: Terms::default() }, Until::Time(self.now().plus_seconds(40))][*until]
                        .clone(),
                );
                String::new()
            }
            Step::Release(at) => {
                let held = self.store.holds(self.collection).unwrap();
                let ids = held.iter().filter(|hold| !matches!(hold.until, Until::Marking { .. }));
                format!("{:?}", ids.map(|hold| hold.id).nth(*at).map(|id| self.release(id)))
            }
            Step::Wait(seconds) => {
                self.wait(*seconds);
                String::new()
            }
        }
    }

    /// What everybody finds, by every query.
    fn everything(&self) -> Vec<(Timestamp, String, String)> {
        let mut all = Vec::new();
        for who in [ANNA, BERT, CARL] {
            for (level, query) in Level::ALL.into_iter().flat_map(|level| QUERIES.map(|query| (level, query))) {
                all.extend(self.scan(self.world(who, level), query, whole));
                // So that nobody's answer runs over into another's.
                all.push((Timestamp::EPOCH, format!("{who:?} {level}"), query.to_owned()));
            }
        }
        all
    }

    fn edition(&self) -> Edition {
        self.store.edition(self.collection, self.now()).unwrap()
    }
}

fn whole(row: &Row<'_>) -> (Timestamp, String, String) {
    (row.date_added, row.version.to_owned(), String::from_utf8(row.text.to_vec()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_found_differs_only_in_another_edition_or_after_an_end(steps in prop::collection::vec(a_step(), 1..25)) {
        for bench in [memory(), sqlite()] {
            let mut before = (bench.edition(), bench.everything());
            for step in &steps {
                bench.take(step);
                let after = (bench.edition(), bench.everything());
                let same = after.0.number == before.0.number && before.0.next_end.is_none_or(|end| bench.now() < end);
                prop_assert!(!same || after.1 == before.1, "{:?}", step);
                before = after;
            }
        }
    }

    #[test]
    fn the_engine_with_indexes_agrees_with_the_definitions(steps in prop::collection::vec(a_step(), 1..25)) {
        let benches = [memory(), sqlite()];
        for step in steps {
            let outcomes = benches.each_ref().map(|bench| bench.take(&step));
            prop_assert_eq!(&outcomes[0], &outcomes[1], "{:?}", step);
        }
        let [expected, found] = [0, 1].map(|at: usize| benches[at].told());
        prop_assert_eq!(expected, found);
        for who in [ANNA, BERT, CARL] {
            for level in Level::ALL {
                for query in QUERIES {
                    let [expected, found] = [0, 1].map(|at: usize| {
                        let bench: &Bench = &benches[at];
                        bench.scan(bench.world(who, level), query, whole)
                    });
                    prop_assert_eq!(expected, found, "{:?} {} {}", who, level, query);
                }
            }
        }
    }
}

#[test]
fn a_store_opens_again_with_all_that_was_in_it() {
    let bench = sqlite();
    let text = version(INDICATOR, 1, Level::Green);
    let status = bench.push(ANNA, Level::Red, &[&text]);
    let Bench { store, micros, directory, collection, trail } = bench;
    let (registry, key) = (store.registry().unwrap(), store.cursor_key());
    drop(store);
    let sqlite = Sqlite::open(directory.path(), clock(&micros)).unwrap();
    assert!(sqlite.faults().unwrap().is_empty());
    let store: Arc<dyn Store> = Arc::new(sqlite);
    assert_eq!((store.registry().unwrap(), store.cursor_key()), (registry, key));
    let bench = Bench { store, trail, micros, directory, collection };
    assert_eq!(bench.texts(ANNA, Level::Red, ""), [text]);
    assert!(bench.store.status(status.id).unwrap().is_some());
}

/// As `.cargo/config.toml` says. Whether there is fdatasync cannot be asked for; the settings come and go together.
#[test]
fn sqlite_is_compiled_with_settings_of_ours() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let mut options = connection.prepare("PRAGMA compile_options").unwrap();
    let options: Vec<String> = options.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for ours in ["DEFAULT_MEMSTATUS=0", "DEFAULT_PCACHE_INITSZ=128"] {
        assert!(options.iter().any(|option| option == ours), "{ours}");
    }
}

#[test]
fn a_hold_that_ends_by_itself_makes_another_edition() {
    let bench = sqlite();
    bench.push(ANNA, Level::Red, &[&version(INDICATOR, 1, Level::Green)]);
    bench.hold(Subject::Object(OTHER_INDICATOR.into()), &[BERT], Until::Time(bench.now().plus_seconds(4000)));
    bench.hold(Subject::Object(INDICATOR.into()), &[BERT], Until::Time(bench.now().plus_seconds(40)));
    let before = bench.edition();
    bench.set_clock(SOME_DAY + 60_000_000);
    let begun = stopwatch();
    while bench.count(BERT, Level::Red, "") == 0 {
        bench.edition();
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody ended it");
    }
    assert!(bench.edition().number > before.number);
}

/// Two programs on one file: this one knows what the other one changed as soon as that is done.
fn knows_at_once(one: &Bench, other: &Sqlite) {
    let text = |n| version(INDICATOR, n, Level::Green);
    for n in 1..20 {
        let (generation, edition) = (one.store.generation().unwrap(), one.edition());
        assert_eq!((one.store.generation().unwrap(), one.edition()), (generation, edition));
        other.note(Entry { at: Timestamp::EPOCH, actor: actor(), action: Action::Stop });
        other.add(one.request(one.world(ANNA, Level::Red), &[&text(n)])).unwrap();
        assert!(one.edition().number > edition.number, "{n}");
        assert_eq!(one.store.generation().unwrap(), generation);
        let root = Root { name: format!("api{}", n + 1), title: "Another".into() };
        other.change(&Change::AddRoot(root), &actor()).unwrap();
        assert_eq!(one.store.generation().unwrap(), generation + 1, "{n}");
        if n % 5 == 0 {
            // As the writer does when it has nothing else to do.
            let file = rusqlite::Connection::open(one.directory.path().join("entente.db")).unwrap();
            file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
    }
}

#[test]
fn what_another_program_changes_is_known_at_once() {
    let bench = sqlite();
    let other = Sqlite::open(bench.directory.path(), clock(&bench.micros)).unwrap();
    knows_at_once(&bench, &other);
}

#[test]
fn what_another_program_changes_is_known_at_once_while_this_one_writes_its_trail() {
    let bench = sqlite();
    let other = Sqlite::open(bench.directory.path(), clock(&bench.micros)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (told, recorded) = tokio::sync::oneshot::channel();
                bench.store.record(Entry { at: Timestamp::EPOCH, actor: actor(), action: Action::Stop }, told);
                recorded.blocking_recv().unwrap().unwrap();
                bench.store.generation().unwrap();
            }
        });
        for n in 1..60 {
            let (generation, edition) = (bench.store.generation().unwrap(), bench.edition());
            let root = Root { name: format!("api{}", n + 1), title: "Another".into() };
            other.change(&Change::AddRoot(root), &actor()).unwrap();
            assert_eq!(bench.store.generation().unwrap(), generation + 1);
            other.add(bench.request(bench.world(ANNA, Level::Red), &[&version(INDICATOR, n, Level::Green)])).unwrap();
            assert!(bench.edition().number > edition.number);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn what_another_program_changes_is_known_at_once_though_the_file_is_reached_by_links() {
    let mut bench = sqlite();
    let linked = tempfile::tempdir().unwrap();
    let link = linked.path().join("entente.db");
    std::os::unix::fs::symlink(bench.directory.path().join("entente.db"), &link).unwrap();
    // As if a server that was killed had left it.
    std::fs::write(linked.path().join("entente.db-shm"), [1; 48]).unwrap();
    let other = Sqlite::open(bench.directory.path(), clock(&bench.micros)).unwrap();
    bench.store = Arc::new(Sqlite::open(linked.path(), clock(&bench.micros)).unwrap());
    knows_at_once(&bench, &other);
}

#[test]
fn every_store_seals_its_cursors_with_a_key_of_its_own() {
    let keys = [sqlite(), sqlite()].map(|bench| bench.store.cursor_key());
    assert_ne!(keys[0], keys[1]);
    assert!(!keys.contains(&[0; 32]));
}

#[test]
fn a_store_of_a_newer_schema_is_refused() {
    let Bench { store, micros, directory, .. } = sqlite();
    drop(store);
    let file = rusqlite::Connection::open(directory.path().join("entente.db")).unwrap();
    file.pragma_update(None, "user_version", 999).unwrap();
    drop(file);
    let error = Sqlite::open(directory.path(), clock(&micros)).unwrap_err().to_string();
    assert!(error.contains("schema version 999"), "{error}");
}

#[test]
fn a_release_that_stops_half_way_goes_on_by_itself() {
    let bench = sqlite();
    let texts: Vec<String> =
        (0..2100).map(|n| version(&format!("indicator--33333333-daf2-42bd-843b-{n:012}"), 1, Level::Green)).collect();
    bench.push(ANNA, Level::Red, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let hold =
        bench.hold(Subject::AddedFrom(Timestamp::EPOCH), &[BERT], Until::Time(bench.now().plus_seconds(1_000_000)));
    let file = rusqlite::Connection::open(bench.directory.path().join("entente.db")).unwrap();
    file.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON entry WHEN (SELECT count(*) FROM entry) >= 4100
         BEGIN SELECT RAISE(ABORT, 'no more'); END",
    )
    .unwrap();
    assert_eq!(bench.release(hold), Some(2000));
    assert_eq!((bench.count(BERT, Level::Red, ""), bench.store.holds(bench.collection).unwrap().len()), (2000, 1));
    file.execute_batch("DROP TRIGGER full").unwrap();
    bench.wait(59);
    assert_eq!(bench.count(BERT, Level::Red, ""), 2000);
    bench.wait(1);
    assert_eq!((bench.count(BERT, Level::Red, ""), bench.store.holds(bench.collection).unwrap().len()), (2100, 0));
    drop(file);
    let Bench { store, directory, .. } = bench;
    drop(store);
    assert_eq!(verify(directory.path(), &[]).fault, None, "what was undone left nothing in the trail");
}

#[test]
fn many_holds_end_in_parts_and_many_versions_are_looked_up_one_by_one() {
    let bench = sqlite();
    let time = bench.now().plus_seconds(100);
    bench.push(ANNA, Level::Red, &[&policy(1, &format!(r#""tlp":"green","start_date":"{time}""#))]);
    let texts: Vec<String> = (0..2500)
        .map(|n| {
            marked(&version(INDICATOR, 1, Level::Green), 1).replacen(
                "2020-01-01T00:00:01.000Z",
                &format!("2020-01-01T00:{:02}:{:02}.000Z", 1 + n / 60, n % 60),
                1,
            )
        })
        .collect();
    bench.push(ANNA, Level::Red, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    bench.wait(100);
    bench.store.tend().unwrap();
    assert_eq!(bench.count(BERT, Level::Red, "match[version]=all&match[type]=indicator"), 2500);
    assert_eq!(
        bench.delete(bench.world(ANNA, Level::Red), false, INDICATOR, "match[version]=all"),
        Deleted::Versions(2500)
    );
}

/// What a program of the first schema left: a member that writes, an indicator, and an object with odd texts.
const OLDER: &str = r#"
    INSERT INTO root (name, title) VALUES ('api1', 'First');
    INSERT INTO organisation (key, name, title) VALUES (1, 'anna', 'Anna');
    INSERT INTO collection (key, id, root, title, unmarked, specs, created, newest)
        VALUES (1, '378e5de7-84a4-45e4-8a34-c02a43d0b657', 'api1', 'Everything', 1, '2.0,2.1', 0, 2000);
    INSERT INTO credential VALUES (zeroblob(32), 1, 'CN=anna', 9);
    INSERT INTO permission VALUES (1, 1, 4, 1, 0);
    INSERT INTO body VALUES (1, CAST('{"created":"2020-01-01T00:00:00Z","created_by_ref":"identity--a"}' AS BLOB)),
        (2, CAST('{"created":7,"created_by_ref":5,"revoked":"true"}' AS BLOB));
    INSERT INTO entry VALUES
        (1, 1000, 'indicator--252c7c11-daf2-42bd-843b-be65edca9f61', 'indicator', 21, '2020-01-01T00:00:01', '2020-01-01T00:00:01Z', 1, 1, 9, 9, 9, 0, zeroblob(32), 1),
        (1, 2000, 'indicator--352c7c11-daf2-42bd-843b-be65edca9f61', 'indicator', 21, '2020-01-01T00:00:01', '2020-01-01T00:00:01Z', 1, 1, 9, 9, 9, 0, zeroblob(32), 2);
"#;

#[test]
fn a_store_of_the_first_schema_becomes_one_of_today() {
    let (directory, micros) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(SOME_DAY)));
    let file = rusqlite::Connection::open(directory.path().join("entente.db")).unwrap();
    super::sqlite::of_schema(&file, 1);
    file.execute_batch(OLDER).unwrap();
    drop(file);
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(directory.path(), clock(&micros)).unwrap());
    let registry = store.registry().unwrap();
    assert_eq!(registry.collections[0].rules, Rules::default());
    assert!(registry.grants[0].relay, "who could write may go on to");
    let credential = &registry.credentials[0];
    assert_eq!((&credential.proof, credential.label.as_str()), (&Proof::Key(Fingerprint([0; 32])), "CN=anna"));
    let bench = Bench { store, trail: trail_of(directory.path()), micros, directory, collection: CollectionKey(1) };
    let other = version("indicator--252c7c11-daf2-42bd-843b-be65edca9f61", 2, Level::Green);
    let failures = failures(&bench.push_as(World::new(OrganisationKey(1), None, Timestamp::EPOCH), false, &[&other]));
    assert!(failures[0].contains("(version-creator, "), "{failures:?}");
    let odd = version("indicator--352c7c11-daf2-42bd-843b-be65edca9f61", 2, Level::Green);
    let pushed = bench.push_as(World::new(OrganisationKey(1), None, Timestamp::EPOCH), false, &[&odd]);
    assert_eq!(pushed.successes().len(), 1, "what cannot be read contradicts nothing");
}

/// Two holds of a program of the fourth schema: of everything from a time on, row by row, and of an object; and
/// what waited for a decision.
const HELD: &str = r#"
    INSERT INTO organisation (key, name, title) VALUES (2, 'bert', 'Bert');
    INSERT INTO permission VALUES (2, 1, 4, 0, 0, 0);
    INSERT INTO hold (id, collection, object, subject, withheld, until, due, reason, placed) VALUES
        (zeroblob(16), 1, NULL, '{"added_from":"1970-01-01T00:00:00.001500Z"}', '{"organisations":[2]}', '{"time":"2100-01-01T00:00:00.000000Z"}', 4102444800000000, 'delay', 0),
        (x'01010101010101010101010101010101', 1, 'indicator--352c7c11-daf2-42bd-843b-be65edca9f61', '{"version":{"object":"indicator--352c7c11-daf2-42bd-843b-be65edca9f61","added":"1970-01-01T00:00:00.002000Z"}}', '"everybody"', '{"release":{"before":"red"}}', NULL, 'lower', 0);
    INSERT INTO entry SELECT collection, 3000, 'indicator--452c7c11-daf2-42bd-843b-be65edca9f61', type, spec, rank, version, level, owner, 9, 9, 9, 1, content, 1, NULL, 1 FROM entry WHERE date_added = 1000;
    UPDATE collection SET newest = 4000;
    INSERT INTO entry SELECT collection, 3500, 'indicator--552c7c11-daf2-42bd-843b-be65edca9f61', type, spec, rank, version, level, 2, 9, 9, 9, 1, content, 1, NULL, 2 FROM entry WHERE date_added = 1000;
    INSERT INTO entry SELECT collection, 4000, 'indicator--552c7c11-daf2-42bd-843b-be65edca9f61', type, spec, rank, version, level, 2, 9, 9, 9, 1, content, 1, NULL, 1 FROM entry WHERE date_added = 1000;
    INSERT INTO reach VALUES (1, 3500, 2), (1, 4000, 2);
    UPDATE entry SET reach = 2, mixed = 1 WHERE date_added = 2000;
    INSERT INTO reach VALUES (1, 2000, 1), (1, 3000, 2);
"#;

#[test]
fn the_holds_of_an_older_store_keep_what_they_kept_and_give_it_when_they_end() {
    let (directory, micros) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(SOME_DAY)));
    let file = rusqlite::Connection::open(directory.path().join("entente.db")).unwrap();
    super::sqlite::of_schema(&file, 1);
    file.execute_batch(OLDER).unwrap();
    super::sqlite::of_schema_from(&file, 1, 4);
    file.execute_batch(HELD).unwrap();
    drop(file);
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(directory.path(), clock(&micros)).unwrap());
    let bench = Bench { store, trail: trail_of(directory.path()), micros, directory, collection: CollectionKey(1) };
    let seen = |n| {
        let mut seen = Vec::new();
        let filter = Filter::everything_of(&format!("indicator--{n}52c7c11-daf2-42bd-843b-be65edca9f61"));
        let world = World::new(OrganisationKey(2), Some(Level::Red), Timestamp::EPOCH);
        let scan = Scan { collection: CollectionKey(1), world, filter: &filter, after: None, with_text: false };
        bench
            .store
            .scan(&scan, &mut |row| {
                seen.push(row.date_added);
                ControlFlow::Continue(())
            })
            .unwrap();
        seen.len()
    };
    assert_eq!([seen(2), seen(3), seen(4), seen(5)], [1, 0, 0, 1]);
    assert_eq!(bench.release(Uuid::nil()), Some(1));
    assert_eq!([seen(2), seen(3), seen(4), seen(5)], [1, 0, 1, 1]);
    let hold = &bench.store.holds(bench.collection).unwrap()[0];
    assert_eq!(hold.until, Until::Release { before: Terms { level: Some(Level::Red), ..Terms::default() } });
    assert_eq!(bench.release(hold.id), Some(1));
    assert_eq!([seen(2), seen(3), seen(4), seen(5)], [1, 1, 1, 1]);
}

/// What verifying a store's file finds.
fn verify(directory: &std::path::Path, keys: &[PublicKey]) -> Report {
    let mut verifier = Verifier::new(keys, None).unwrap();
    Ledger::open(directory).unwrap().lines(0, &mut |line| verifier.take(&line)).unwrap();
    verifier.finish()
}

#[test]
fn the_trail_of_an_older_program_stays_as_it_is_and_goes_on() {
    let (directory, micros) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(SOME_DAY)));
    let file = rusqlite::Connection::open(directory.path().join("entente.db")).unwrap();
    super::sqlite::of_schema(&file, 3);
    let mut previous = GENESIS;
    for n in 0..5 {
        let text = format!(r#"{{"at":"2026-01-01T00:00:0{n}.000000Z","address":"a","action":"gap","lost":{n}}}"#);
        previous = link(&previous, &text);
        file.execute("INSERT INTO audit (entry, link) VALUES (?, ?)", rusqlite::params![text, previous]).unwrap();
    }
    // Before any newer program has run on it.
    let sound = |last, checkpoints| Report { first: 1, last, checkpoints, uncovered: 0, fault: None };
    assert_eq!(verify(directory.path(), &[]), Report { uncovered: 5, ..sound(5, 0) });
    let (signer, key) = signer(1);
    let store = Sqlite::open(directory.path(), clock(&micros)).unwrap();
    store.sign_with(signer);
    store.change(&Change::AddRoot(Root { name: "more".into(), title: "More".into() }), &actor()).unwrap();
    drop(store);
    assert_eq!(verify(directory.path(), &[key]), sound(6, 1));
    let texts: Vec<String> = {
        let mut statement = file.prepare("SELECT entry FROM audit ORDER BY seq").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert!(texts[4].ends_with(r#""lost":4}"#) && texts[5].contains(r#""seq":6"#), "{texts:?}");
}

#[test]
fn a_clock_that_steps_back_does_not_stop_checkpoints() {
    let Bench { store, micros, directory, .. } = sqlite();
    drop(store);
    let (signer, key) = signer(1);
    let store = Sqlite::open(directory.path(), clock(&micros)).unwrap();
    store.sign_with(signer);
    let stop = || Entry { at: Timestamp::EPOCH, actor: actor(), action: Action::Stop };
    for round in 1..=3 {
        (0..10_000).for_each(|_| store.note(stop()));
        let begun = stopwatch();
        while verify(directory.path(), std::slice::from_ref(&key)).checkpoints < round {
            assert!(begun.elapsed() < Duration::from_secs(20), "no checkpoint {round}");
            // One more turn of the writer.
            let (done, recorded) = tokio::sync::oneshot::channel();
            store.record(stop(), done);
            recorded.blocking_recv().unwrap().unwrap();
        }
        micros.fetch_sub(86_400_000_000, Ordering::Relaxed);
    }
    drop(store);
    let report = verify(directory.path(), &[key]);
    assert!(report.fault.is_none() && report.checkpoints <= 5 && report.uncovered == 0, "{report:?}");
}

#[test]
fn what_nobody_waits_for_any_more_is_not_said() {
    let Bench { store, directory, .. } = sqlite();
    let file = rusqlite::Connection::open(directory.path().join("entente.db")).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = verify(directory.path(), &[]).last;
    let record = |store: &dyn Store| {
        let (done, recorded) = tokio::sync::oneshot::channel();
        store.record(Entry { at: Timestamp::EPOCH, actor: actor(), action: Action::Stop }, done);
        recorded
    };
    let waiting = record(&*store);
    drop(record(&*store));
    file.execute_batch("ROLLBACK").unwrap();
    waiting.blocking_recv().unwrap().unwrap();
    assert_eq!(verify(directory.path(), &[]).last, before + 1);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let lock = Sqlite::lock(directory.path()).unwrap();
    assert!(Sqlite::lock(directory.path()).unwrap_err().to_string().contains("another server runs"));
    drop(lock);
    assert!(Sqlite::lock(directory.path()).is_ok());
}

#[test]
fn a_scan_walks_an_index_and_never_sorts_a_collection() {
    let Bench { store, directory, .. } = sqlite();
    drop(store);
    let file = rusqlite::Connection::open(directory.path().join("entente.db")).unwrap();
    for query in ["", "match[version]=all", "match[type]=a", "match[type]=a,b,c", "match[spec_version]=2.1"] {
        let query = Query::parse(query, Endpoint::Collection).unwrap();
        let filter = query.filter.unwrap_or_default();
        let world = World::new(ANNA, Some(Level::Green), Timestamp::EPOCH);
        let scan = Scan { collection: CollectionKey(1), world, filter: &filter, after: None, with_text: true };
        let plan = super::sqlite::plan(&file, &scan);
        assert!(!plan.contains("TEMP B-TREE"), "{filter:?}\n{plan}");
    }
}
