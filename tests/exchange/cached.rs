//! The page cache, entity tags and content codings: what is kept for who asks again, and that it is
//! what would be found anew.

use crate::support::actor::{Actor, TAXII, ask};
use crate::support::clock::Still;
use crate::support::inside::{Inside, Told, page};
use crate::support::objects::{envelope, id, indicator, marked, versioned};
use crate::support::server::{Setup, manifest, object, objects, versions};
use crate::support::trail::Trail;
use crate::support::{Answer, RW, Server};
use entente::access::level::Level;
use entente::exchange::{Exchange, Rights, Settings, Wanted};
use entente::stix::finding::Profile;
use entente::store::registry::Rules;
use std::sync::Arc;
use std::thread;

const ANNA: &str = "anna";
const BERT: &str = "bert";
const CARL: &str = "carl";
const VIEWS: [(&str, &str); 6] = [
    ("objects", ""),
    ("objects", "limit=2&match[version]=all"),
    ("manifest", "match[type]=indicator"),
    ("manifest", "added_after=2020-01-01T00:00:00Z"),
    ("object/indicator--252c7c11-daf2-42bd-843b-000000000001", "match[version]=all"),
    ("versions/indicator--252c7c11-daf2-42bd-843b-000000000001", ""),
];

fn reads(level: Level) -> Rights {
    Rights { read: Some(level), write: true, manage: false, relay: true }
}

/// An exchange with three members, of whom `anna` manages and `carl` reads up to GREEN.
fn exchange(in_memory: bool, settings: Settings) -> Inside {
    let inside = Inside::with(in_memory, Still::default(), settings);
    inside.add_collection(RW, "Everything", Rules { profile: Profile::Lenient, ..Rules::default() });
    for (name, level) in [(ANNA, Level::Red), (BERT, Level::Red), (CARL, Level::Green)] {
        inside.add_organisation(name);
        inside.grant(name, RW, Some(Rights { manage: name == ANNA, ..reads(level) }));
    }
    inside
}

/// What everybody is told by an exchange, asked until it answers from memory, and once more.
fn everything(inside: &Inside, exchange: &Arc<Exchange>) -> Vec<Told> {
    // What is due is done: by itself that takes a moment.
    inside.store.tend().unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        for who in [ANNA, BERT, CARL] {
            let session = |who| exchange.sign_in(&crate::support::inside::proven(who), "192.0.2.1:1").unwrap();
            told.extend(VIEWS.map(|(view, query)| Told::of(page(&session(who), RW, view, query))));
        }
    }
    told
}

/// A marking with an end, and an object that it marks.
fn ending(inside: &Inside, n: usize, seconds: i64) -> [String; 2] {
    let marking = id("marking-definition", n);
    let ends = inside.clock.now().plus_seconds(seconds);
    let policy = format!(
        r#"{{"type":"marking-definition","spec_version":"2.1","id":"{marking}","created":"2020-01-01T00:00:00.000Z","name":"Until then","extensions":{{"extension-definition--762e2e97-ee51-43e5-a9ea-165fbb862c4a":{{"extension_type":"property-extension","tlp":"green","start_date":"2020-01-01T00:00:00Z","end_date":"{ends}"}}}}}}"#
    );
    [policy, versioned("indicator", n, 1, &format!(r#","object_marking_refs":["{marking}"]"#))]
}

/// Every kind of change, one after the other: what is read by way of the cache is what is found without one.
fn follows_every_change(in_memory: bool) {
    let inside = exchange(in_memory, Settings::default());
    let uncached = inside.another(Settings { page_cache_octets: 0, ..Settings::default() });
    let before = std::cell::RefCell::new(everything(&inside, &inside.exchange));
    let differs = |what: &str, by_time: bool| {
        if !by_time {
            inside.clock.turn_on(1);
        }
        let told = everything(&inside, &inside.exchange);
        assert_eq!(told, everything(&inside, &uncached), "{what}");
        assert_ne!(told, before.replace(told.clone()), "{what}");
    };
    let push = |who, texts: &[String]| {
        let status = inside.push(who, RW, texts);
        assert_eq!(status.failures().len(), 0, "{status:?}");
    };
    push(ANNA, &[indicator(1, 1), marked(2, 1, Level::Green), marked(3, 1, Level::Red)]);
    differs("added", false);
    push(ANNA, &[indicator(1, 2)]);
    differs("another version", false);
    assert_eq!(inside.delete(ANNA, RW, &id("indicator", 3), ""), 200);
    differs("deleted", false);
    let holding = inside.session(ANNA).holding("api1", RW).unwrap();
    let wanted = |seconds| Wanted {
        object: Some(id("indicator", 1)),
        added_from: None,
        withheld_from: vec![CARL.to_owned()],
        until: inside.clock.now().plus_seconds(seconds),
        reason: "Not yet".to_owned(),
    };
    let held = holding.place(wanted(10_000)).unwrap();
    differs("held", false);
    holding.release(&held.id.to_string()).unwrap();
    differs("released", false);
    holding.place(wanted(60)).unwrap();
    differs("held for a while", false);
    inside.clock.turn_on(100);
    differs("the hold ended by itself", true);
    push(ANNA, &ending(&inside, 7, 50));
    differs("with an end", false);
    inside.clock.turn_on(100);
    differs("the end came", true);
    let [policy, waiting] = ending(&inside, 8, 1000);
    push(ANNA, &[waiting]);
    differs("waits for its marking", false);
    push(ANNA, &[policy]);
    differs("the marking is settled", false);
    inside.grant(CARL, RW, Some(reads(Level::Clear)));
    differs("a lower right", false);
    inside.grant(CARL, RW, None);
    differs("no right", false);
    inside.grant(CARL, RW, Some(reads(Level::Red)));
    differs("a higher right", false);
}

#[test]
fn every_kind_of_change_is_seen_by_the_next_read() {
    follows_every_change(true);
}

#[test]
fn every_kind_of_change_is_seen_by_the_next_read_on_disk() {
    follows_every_change(false);
}

#[test]
fn a_page_that_is_asked_for_again_is_not_made_again_and_a_poll_with_nothing_new_asks_nothing() {
    let inside = exchange(false, Settings::default());
    inside.push(ANNA, RW, &[indicator(1, 1), indicator(2, 1)]);
    let first = inside.get(BERT, RW, "objects", "");
    assert_eq!(inside.get(BERT, RW, "objects", ""), first);
    let last = first.dates.clone().unwrap().1;
    // Behind the server's back, and without the edition that a change makes.
    inside.file().execute_batch("UPDATE entry SET date_added = date_added + 60000000, spec = 20").unwrap();
    assert_eq!(inside.get(BERT, RW, "objects", ""), first);
    let polled = inside.get(BERT, RW, "objects", &format!("added_after={last}"));
    assert_eq!((polled.body.as_str(), polled.dates), ("{}", Some((last.clone(), last.clone()))));
    assert_eq!(inside.get(BERT, RW, "objects", &format!("added_after={last}&limit=7")).body, "{}");
    // Another caller, and another question, are another matter.
    assert_ne!(inside.get(CARL, RW, "objects", ""), first);
    assert_eq!(inside.get(BERT, RW, "objects", &format!("added_after={last}&match[version]=all")).items().len(), 2);
    assert_eq!(inside.get(BERT, RW, "manifest", &format!("added_after={last}")).items().len(), 2);
    let before = inside.get(BERT, RW, "objects", "added_after=2000-01-01T00:00:00Z");
    assert_eq!(before.items().len(), 2, "what ends there says nothing of what comes before");
}

#[test]
fn what_leaves_by_the_cache_is_in_the_trail_each_time() {
    for octets in [0, Settings::default().page_cache_octets] {
        let inside = exchange(true, Settings { page_cache_octets: octets, ..Settings::default() });
        inside.push(ANNA, RW, &[indicator(1, 1), indicator(2, 1)]);
        let reads = |inside: &Inside| {
            let trail = inside.trail();
            let without_number = |text: &String| text.split(r#","seq":"#).next().unwrap().to_owned();
            trail.iter().filter(|text| text.contains(r#""action":"read""#)).map(without_number).collect::<Vec<_>>()
        };
        for _ in 0..3 {
            inside.get(BERT, RW, "objects", "");
            inside.get(BERT, RW, "objects", "added_after=2099-01-01T00:00:00Z");
        }
        let told = reads(&inside);
        assert_eq!(told.len(), 6);
        for at in 2..6 {
            assert_eq!(told[at], told[at - 2], "{octets}");
        }
    }
}

/// An object that says whose it is, and for whom.
fn salted(owner: &str, n: usize, level: Level) -> String {
    marked(n, 1, level).replace("Invented", &format!("salt-{owner}-{level} Invented"))
}

/// Callers of one exchange, each of whom may see what is its own, and what is marked up to its level: no answer
/// has anything else, and each has all of it.
fn salt(push: &dyn Fn(&str, &[String])) {
    for (at, owner) in [ANNA, BERT, CARL].into_iter().enumerate() {
        let texts = (0..10).map(|n| salted(owner, 100 * (at + 1) + n, Level::ALL[n % 5]));
        push(owner, &texts.collect::<Vec<_>>());
    }
}

/// What is wrong with an answer to a caller who reads others' up to a level: nothing if it has exactly what it is to have.
fn must_be_for(who: &str, up_to: Level, body: &str) {
    for (owner, level) in [ANNA, BERT, CARL].into_iter().flat_map(|owner| Level::ALL.map(|level| (owner, level))) {
        let expected = if owner == who || level <= up_to { 2 } else { 0 };
        let salt = format!("salt-{owner}-{level} ");
        assert_eq!(body.matches(&salt).count(), expected, "{who} and {salt}");
    }
}

const RIGHTS: [(&str, Level); 3] = [(ANNA, Level::Red), (BERT, Level::Amber), (CARL, Level::Clear)];

#[test]
fn two_callers_with_different_worlds_never_share_an_octet() {
    let inside = exchange(false, Settings::default());
    salt(&|owner, texts| drop(inside.push(owner, RW, texts)));
    for (who, level) in RIGHTS {
        inside.grant(who, RW, Some(Rights { read: Some(level), write: true, manage: false, relay: true }));
    }
    thread::scope(|threads| {
        for worker in 0..4_usize {
            let inside = &inside;
            threads.spawn(move || {
                for n in 0..2_500 {
                    let (who, level) = RIGHTS[(n + worker) % 3];
                    let told = inside.get(who, RW, "objects", ["limit=1000", "match[version]=all&limit=1000"][n % 2]);
                    must_be_for(who, level, &told.body);
                    if n % 500 == worker {
                        let more = 1_000 * (worker + 1) + n;
                        inside.push(ANNA, RW, &[marked(more, 1, Level::Green)]);
                    }
                }
            });
        }
    });
}

/// A server on which `writer`, `reader` and `manager` have the rights and the objects of the three above.
fn salted_server() -> (Server, [(&'static str, Level, Actor); 3]) {
    let server = Server::start();
    let names = ["manager", "writer", "reader"];
    let actors = names.map(|name| server.actor(name));
    for ((name, (_, level)), actor) in names.into_iter().zip(RIGHTS).zip(&actors) {
        server.admin.grant(name, RW, Some(Rights { relay: true, ..reads(level) })).unwrap();
        let at = names.iter().position(|other| *other == name).unwrap();
        let texts: Vec<String> = (0..10).map(|n| salted(RIGHTS[at].0, 100 * (at + 1) + n, Level::ALL[n % 5])).collect();
        actor.post(&objects(RW), &envelope(&texts)).must_be(202);
    }
    let [one, two, three] = actors;
    (server, [(ANNA, RIGHTS[0].1, one), (BERT, RIGHTS[1].1, two), (CARL, RIGHTS[2].1, three)])
}

#[test]
fn two_callers_with_different_worlds_never_share_an_octet_over_https() {
    let (_server, actors) = salted_server();
    thread::scope(|threads| {
        for worker in 0..4_usize {
            let actors = &actors;
            threads.spawn(move || {
                let mut connections = actors.each_ref().map(|(_, _, actor)| actor.connect().unwrap());
                for n in 0..150 {
                    let at = (n + worker) % 3;
                    let coding = ["identity", "gzip", "zstd"][n / 3 % 3];
                    let headers = [("Accept", TAXII), ("Accept-Encoding", coding)];
                    let answer = ask(&mut connections[at], "GET", &objects(RW), &headers, None).must_be(200);
                    assert_eq!(answer.header("content-encoding").unwrap_or("identity"), coding);
                    must_be_for(actors[at].0, actors[at].1, &answer.text());
                }
            });
        }
    });
}

/// `GET`, by somebody who has what these entity tags name.
fn get_unless(actor: &Actor, path: &str, tags: &[&str]) -> Answer {
    let tags = tags.iter().map(|tag| ("If-None-Match", *tag));
    actor.get_with(path, &[("Accept", TAXII)].into_iter().chain(tags).collect::<Vec<_>>())
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap().to_owned()
}

/// Rows: NEG-17.
#[test]
fn who_has_a_page_already_is_told_so_with_the_headers_that_it_would_have() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for path in [objects(RW), manifest(RW), object(RW, &id("indicator", 1)), versions(RW, &id("indicator", 1))] {
        let whole = reader.get(&path).must_be(200);
        let tag = tag(&whole);
        for tags in [&[tag.as_str()][..], &["\"x\"", &tag], &[&format!("\"x\", W/{tag}")], &["*"]] {
            let answer = get_unless(&reader, &path, tags).must_be(304);
            assert!(answer.body.is_empty());
            let left_out = |name: &String| !["content-type", "content-length"].contains(&name.as_str());
            let headers = |answer: &Answer| {
                let mut headers = answer.stable_headers();
                headers.retain(|(name, _)| left_out(name));
                headers
            };
            assert_eq!(headers(&answer), headers(&whole), "{path}");
            assert_eq!(answer.header("etag"), Some(tag.as_str()));
        }
        assert_eq!(get_unless(&reader, &path, &["\"x\"", ""]).must_be(200).body, whole.body);
        let headers = [("Accept", TAXII), ("If-None-Match", tag.as_str())];
        reader.send("HEAD", &path, &headers, None).must_be(304);
        // What may not be read has no tag, and knows none.
        for broken in [format!("{path}?limit=0"), path.replace(RW, "d021ecc8-ab8e-41ab-815e-911c7e329f88")] {
            let answer = get_unless(&reader, &broken, &["*"]);
            assert!(answer.status >= 400 && answer.header("etag").is_none(), "{broken}");
        }
    }
    let trail = Trail::of(&server);
    crate::support::trail::until("every read is told", || trail.all("read").len() == 4 * 7);
    let given = |entry: &serde_json::Value| entry["given"].as_array().is_none_or(Vec::is_empty);
    // Who has an unnamed page is told of one: as much as who asks for headers alone.
    let nothing = trail.all("read").into_iter().filter(|entry| given(entry)).count();
    assert_eq!(nothing, 4 * 4, "nothing was given out");
}

#[test]
fn a_tag_is_changed_by_what_the_caller_sees_and_by_nothing_else() {
    let server = Server::seeded();
    let [reader, writer, manager] = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let paths = [objects(RW), format!("{}?limit=3", objects(RW)), format!("{}?match[type]=malware", manifest(RW))];
    let tags = |actor: &Actor| paths.each_ref().map(|path| tag(&actor.get(path).must_be(200)));
    let before = tags(&reader);
    assert_eq!(tags(&reader), before);
    let all: std::collections::BTreeSet<String> = [&reader, &writer, &manager].into_iter().flat_map(tags).collect();
    assert_eq!(all.len(), 9, "no two callers and no two questions have the same");
    writer.post(&objects(RW), &envelope(&[marked(90, 1, Level::Red), marked(91, 1, Level::Amber)])).must_be(202);
    assert_eq!(tags(&reader), before, "it sees neither");
    writer.delete(&object(RW, &id("indicator", 90))).must_be(200);
    assert_eq!(tags(&reader), before);
    writer.post(&objects(RW), &envelope(&[indicator(92, 1)])).must_be(202);
    let after = tags(&reader);
    assert_ne!(after[0], before[0]);
    assert_eq!((&after[1], &after[2]), (&before[1], &before[2]), "it is not on these pages");
    get_unless(&reader, &paths[0], &[&before[0]]).must_be(200);
    get_unless(&reader, &paths[1], &[&before[1]]).must_be(304);
    get_unless(&reader, &paths[0], &[&tags(&manager)[0]]).must_be(200);
}

#[test]
fn a_page_that_gets_a_successor_is_another() {
    let inside = exchange(true, Settings::default());
    inside.push(ANNA, RW, &[indicator(1, 1), indicator(2, 1)]);
    let tag = |query: &str| page(&inside.session(BERT), RW, "objects", query).unwrap().about.tag;
    let (whole, part) = (tag("limit=2"), tag("limit=1"));
    inside.push(ANNA, RW, &[indicator(3, 1)]);
    assert_ne!(tag("limit=2"), whole, "there is more now");
    assert_eq!(tag("limit=1"), part);
}

/// `GET` by a client that takes these codings.
fn coded(actor: &Actor, path: &str, codings: &str) -> Answer {
    actor.get_with(path, &[("Accept", TAXII), ("Accept-Encoding", codings)]).must_be(200)
}

/// Rows: NEG-16.
#[test]
fn a_page_goes_out_in_the_coding_that_its_caller_likes_best() {
    let server = Server::start();
    let [reader, writer] = ["reader", "writer"].map(|name| server.actor(name));
    let texts: Vec<String> = (0..400).map(|n| indicator(n, 1)).collect();
    writer.post(&objects(RW), &envelope(&texts)).must_be(202);
    for path in [objects(RW), format!("{}?limit=10", objects(RW)), manifest(RW)] {
        let plain = reader.get(&path).must_be(200);
        let length = |answer: &Answer| answer.header("content-length").unwrap().parse::<usize>().unwrap();
        let mut tags = std::collections::BTreeSet::from([tag(&plain)]);
        for (codings, expected) in [
            ("gzip, deflate", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("zstd;q=0.5, gzip", Some("gzip")),
            ("br", None),
            ("identity", None),
            ("identity;q=0, *", Some("gzip")),
        ] {
            for _ in 0..2 {
                let answer = coded(&reader, &path, codings);
                assert_eq!(answer.header("content-encoding"), expected, "{codings}");
                assert_eq!(answer.body, plain.body, "{codings}");
                assert_eq!(length(&answer) < length(&plain) / 2, expected.is_some(), "{codings}");
                assert_eq!(answer.dates(), plain.dates());
                tags.insert(tag(&answer));
                let headers = [("Accept", TAXII), ("Accept-Encoding", codings), ("If-None-Match", &tag(&answer))];
                reader.get_with(&path, &headers).must_be(304);
            }
        }
        assert_eq!(tags.len(), 3, "one tag for each coding");
    }
    let small = coded(&reader, &format!("{}?limit=1", objects(RW)), "gzip");
    assert_eq!(small.header("content-encoding"), None, "it fits into one packet as it is");
    let small = coded(&reader, &format!("{}?limit=1", objects(RW)), "zstd, identity;q=0");
    assert_eq!(small.header("content-encoding"), Some("zstd"), "its caller takes it in no other way");
}

#[test]
fn who_fears_that_lengths_tell_can_turn_compression_off() {
    let mut settings = entente::config::Settings::default();
    settings.taxii.compression = false;
    let server = Server::with(Setup { settings, in_memory: true, ..Setup::default() });
    let texts: Vec<String> = (0..40).map(|n| indicator(n, 1)).collect();
    server.actor("writer").post(&objects(RW), &envelope(&texts)).must_be(202);
    let answer = coded(&server.actor("reader"), &objects(RW), "gzip, zstd");
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.ids().len(), 40);
}

#[test]
fn a_page_that_took_too_long_is_not_kept_for_others() {
    for (page_milliseconds, kept) in [(0, false), (60_000, true)] {
        let inside = exchange(false, Settings { page_milliseconds, ..Settings::default() });
        inside.push(ANNA, RW, &[indicator(1, 1), indicator(2, 1)]);
        let first = inside.get(BERT, RW, "objects", "");
        assert_eq!((first.items().len(), inside.get(BERT, RW, "objects", "") == first), (1 + usize::from(kept), true));
        // Behind the server's back, and without the edition that a change makes.
        inside.file().execute_batch("UPDATE entry SET date_added = date_added + 60000000").unwrap();
        assert_eq!(inside.get(BERT, RW, "objects", "") == first, kept);
    }
}

#[test]
fn a_page_that_takes_too_long_ends_and_the_next_one_goes_on() {
    // The engine in memory looks at every entry for each that it gives out.
    let inside = exchange(true, Settings { page_milliseconds: 1, ..Settings::default() });
    let texts: Vec<String> = (0..300).map(|n| indicator(n, 1)).collect();
    inside.push(ANNA, RW, &texts);
    let (mut pages, mut found, mut next) = (0, 0, None);
    loop {
        let query = next.map_or_else(String::new, |next| format!("next={next}"));
        let told = inside.get(BERT, RW, "objects", &query);
        (pages, found) = (pages + 1, found + told.items().len());
        next = told.next();
        if next.is_none() {
            break;
        }
    }
    assert!(pages > 1, "{pages}");
    assert_eq!(found, 300);
}
