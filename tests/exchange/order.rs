//! The order of a collection: `date_added`, whatever the clock and the writers do.

use crate::support::actor::Actor;
use crate::support::crawl::{WAYS, Way, crawl, items};
use crate::support::objects::{envelope, id, indicator, marked, versioned};
use crate::support::server::{Setup, manifest, objects};
use crate::support::{Answer, RW, Server};
use entente::access::level::Level;
use entente::clock::Clock;
use entente::taxii::timestamp::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// A clock that stands where it is put, in milliseconds from now.
fn movable() -> (Arc<AtomicI64>, Clock) {
    let offset = Arc::new(AtomicI64::new(0));
    let (own, base) = (Arc::clone(&offset), Clock::system().now());
    let clock = Clock::from_fn(move || {
        let offset = own.load(Ordering::SeqCst);
        let distance = Duration::from_millis(offset.unsigned_abs());
        if offset < 0 { base - distance } else { base + distance }
    });
    (offset, clock)
}

fn rise_strictly(dates: &[String]) -> bool {
    dates.windows(2).all(|pair| pair[0] < pair[1])
}

/// Rows: SORT-1, SORT-6.
#[test]
fn entries_stand_in_the_order_in_which_they_were_added_whatever_object_they_are_of() {
    let server = Server::start();
    let writer = server.actor("writer");
    let entries = [(3, 1), (1, 1), (3, 2), (2, 9), (3, 3), (2, 1)];
    let (alone, together) = entries.split_at(3);
    for &(n, version) in alone {
        writer.post(&objects(RW), &envelope(&[indicator(n, version)])).must_be(202);
    }
    let rest: Vec<String> = together.iter().map(|&(n, version)| indicator(n, version)).collect();
    writer.post(&objects(RW), &envelope(&rest)).must_be(202);
    let texts = entries.map(|(n, version)| indicator(n, version));
    let all = writer.get(&format!("{}?match[version]=all", objects(RW))).must_be(200);
    assert_eq!(all.text(), format!("{{\"objects\":[{}],\"more\":false}}", texts.join(",")));
    let last = writer.get(&objects(RW)).must_be(200);
    assert_eq!(
        last.text(),
        format!("{{\"objects\":[{}],\"more\":false}}", [&texts[1], &texts[3], &texts[4]].map(String::as_str).join(","))
    );
    assert!(rise_strictly(&server.dates_added(RW)));
}

/// Rows: SORT-2.
#[test]
fn collections_are_listed_in_the_order_of_their_ids_each_time() {
    let server = Server::start();
    let reader = server.actor("reader");
    let first = reader.get("/api1/collections/").must_be(200);
    let ids: Vec<String> = first.list("collections").iter().map(|collection| collection["id"].to_string()).collect();
    assert!(ids.len() == 6 && rise_strictly(&ids));
    for _ in 0..9 {
        assert_eq!(reader.get("/api1/collections/").must_be(200).body, first.body);
    }
}

/// Rows: SORT-3, PAG-5.
/// Quirks: P9, P10.
#[test]
fn a_push_of_thousands_is_walked_by_the_header_alone() {
    let server = Server::start();
    let writer = server.actor("writer");
    let texts: Vec<String> = (1..=3000).map(|n| indicator(n, 1)).collect();
    writer.post(&objects(RW), &envelope(&texts)).must_be(202);
    let expected: Vec<String> = (1..=3000).map(|n| id("indicator", n)).collect();
    for (way, limit) in [(Way::Header, 97), (Way::Next, 1000)] {
        let pages = crawl(&writer, &objects(RW), "", way, &[limit]);
        assert_eq!(pages.iter().flat_map(Answer::ids).collect::<Vec<_>>(), expected);
        assert_eq!(pages.len(), 3000usize.div_ceil(limit));
    }
    assert_eq!(server.dates_added(RW).into_iter().collect::<HashSet<_>>().len(), 1000, "a page of them, all different");
}

/// Rows: SORT-7.
#[test]
fn a_clock_that_steps_back_turns_nothing_round() {
    let (offset, clock) = movable();
    let server = Server::with(Setup { clock, ..Setup::default() });
    let writer = server.actor("writer");
    let mut last = "1970-01-01T00:00:00Z".to_owned();
    let steps = [0, -500, -999, -1_800_000, -1_799_000, 600_000, 600_000, 599_500, 0];
    for (n, millis) in steps.into_iter().enumerate() {
        offset.store(millis, Ordering::SeqCst);
        writer.post(&objects(RW), &envelope(&[indicator(n, 1)])).must_be(202);
        let poll = writer.get(&format!("{}?added_after={last}", objects(RW))).must_be(200);
        assert_eq!(poll.ids(), [id("indicator", n)], "at {millis}");
        last = poll.dates().1;
    }
    let dates = server.dates_added(RW);
    assert!(dates.len() == steps.len() && rise_strictly(&dates));
}

/// Rows: SORT-3, SORT-7.
#[test]
fn the_last_entry_of_each_level_stands_on_a_millisecond_and_the_others_close_before_it() {
    let (offset, clock) = movable();
    let server = Server::with(Setup { clock, ..Setup::default() });
    let manager = server.actor("manager");
    let push = |numbers: std::ops::Range<usize>| {
        let level = |n: usize| if n.is_multiple_of(2) { Level::Green } else { Level::Red };
        let texts: Vec<String> = numbers.map(|n| marked(n, 1, level(n))).collect();
        manager.post(&objects(RW), &envelope(&texts)).must_be(202);
    };
    push(0..5);
    push(5..6);
    // Far behind the order, which then goes on by microseconds.
    offset.store(-1_800_000, Ordering::SeqCst);
    push(6..8);
    let stamp = |date: &String| Timestamp::parse(date).unwrap().micros();
    let stamps: Vec<i64> = server.dates_added(RW).iter().map(stamp).collect();
    let end = stamps[2];
    assert_eq!(end % 1000, 0);
    assert_eq!(stamps, [end - 2, end - 1, end, end + 1999, end + 2000, end + 3000, end + 3001, end + 3002]);
    let ids = manager.get(&objects(RW)).must_be(200).ids();
    assert_eq!(ids, [0, 2, 4, 1, 3, 5, 6, 7].map(|n| id("indicator", n)));
}

/// Rows: SORT-3, PAG-5.
/// Quirks: P15.
#[test]
fn the_pages_of_a_crawl_touch_but_do_not_overlap() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for way in WAYS {
        let pages = crawl(&reader, &manifest(RW), "match[version]=all", way, &[2]);
        for page in &pages {
            let dates = page.dates_added();
            assert_eq!(page.dates(), (dates[0].clone(), dates[dates.len() - 1].clone()));
        }
        assert!(pages.windows(2).all(|pair| pair[0].dates().1 < pair[1].dates().0));
        let records: Vec<_> = pages.iter().flat_map(Answer::records).collect();
        assert_eq!((records.len(), records.into_iter().collect::<HashSet<_>>().len()), (9, 9));
    }
}

/// A poll to the end by `next`, from a header that was cut to milliseconds.
fn poll(actor: &Actor, after: &mut String) -> Vec<String> {
    let pages = crawl(actor, &objects(RW), &format!("match[version]=all&added_after={after}"), Way::NextAlone, &[2]);
    let ids: Vec<String> = pages.iter().flat_map(Answer::ids).collect();
    if !ids.is_empty() {
        *after = format!("{}Z", &pages.last().unwrap().dates().1[..23]);
    }
    ids
}

/// Rows: SORT-3, PAG-5.
#[test]
fn a_poller_that_cuts_the_header_to_milliseconds_neither_loses_nor_reads_twice() {
    let server = Server::start();
    let actors = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let mut places = [(); 3].map(|()| "1970-01-01T00:00:00Z".to_owned());
    let mut seen = [(); 3].map(|()| Vec::new());
    let levels = [Level::Green, Level::Red, Level::Clear, Level::Red, Level::Green, Level::Amber];
    for push in 0..12 {
        let count = 1 + push % 6;
        let texts: Vec<String> = (0..count).map(|n| marked(push * 10 + n, 1, levels[(push + n) % 6])).collect();
        actors[1 + push % 2].post(&objects(RW), &envelope(&texts)).must_be(202);
        for ((actor, place), seen) in actors.iter().zip(&mut places).zip(&mut seen) {
            seen.extend(poll(actor, place));
        }
    }
    for (actor, mut seen) in actors.iter().zip(seen) {
        let mut whole = actor.get(&objects(RW)).must_be(200).ids();
        seen.sort();
        whole.sort();
        assert_eq!(seen, whole);
    }
    assert_eq!(actors[2].get(&objects(RW)).must_be(200).ids().len(), 42);
}

/// Rows: SORT-4.
/// Quirks: P11.
#[test]
fn a_slow_push_beside_fast_ones_hides_nothing_from_a_poller() {
    let server = Server::start();
    let (writer, manager, reader) = (server.actor("writer"), server.actor("manager"), server.actor("reader"));
    let writing = AtomicBool::new(true);
    let large: Vec<String> = (0..2000).map(|n| indicator(10_000 + n, 1)).collect();
    let (seen, small) = std::thread::scope(|scope| {
        let poller = scope.spawn(|| {
            let (mut seen, mut after) = (Vec::new(), "1970-01-01T00:00:00Z".to_owned());
            loop {
                let last_round = !writing.load(Ordering::SeqCst);
                let page = reader.get(&format!("{}?limit=700&added_after={after}", objects(RW))).must_be(200);
                after = page.dates().1;
                seen.extend(page.ids());
                if last_round && page.json()["more"] != true {
                    return seen;
                }
            }
        });
        let slow = scope.spawn(|| manager.post(&objects(RW), &envelope(&large)).must_be(202));
        let mut small = 0;
        while !slow.is_finished() || small < 10 {
            writer.post(&objects(RW), &envelope(&[indicator(small, 1)])).must_be(202);
            small += 1;
        }
        writing.store(false, Ordering::SeqCst);
        (poller.join().unwrap(), small)
    });
    let expected: HashSet<String> = (0..small).chain(10_000..12_000).map(|n| id("indicator", n)).collect();
    assert_eq!((seen.len(), seen.into_iter().collect::<HashSet<_>>()), (expected.len(), expected));
}

/// Object number, version and level of what a push holds.
type Push = Vec<(usize, u32, Level)>;

fn pushes() -> impl Strategy<Value = Vec<Push>> {
    let level = prop::sample::select(Level::ALL.to_vec());
    prop::collection::vec(prop::collection::vec((0usize..12, 1u32..4, level), 1..6), 1..8)
}

/// Rows: SORT-1, SORT-3, PAG-4, PAG-5, PAG-11, FLT-40, MAN-6.
#[test]
fn every_walk_gives_every_entry_exactly_once() {
    let server = Server::start();
    let actors = ["reader", "writer", "manager"].map(|name| server.actor(name));
    let mut runner = TestRunner::new(Config { cases: 6, failure_persistence: None, ..Config::default() });
    let input = (
        pushes(),
        prop::collection::vec(1usize..6, 1..4),
        prop::sample::select(vec!["", "match[version]=all", "match[version]=first"]),
    );
    let cases = Cell::new(0);
    runner
        .run(&input, |(pushes, limits, query)| {
            // Ids of its own for each case, so that all can share a server.
            let case = cases.replace(cases.get() + 1);
            let start = actors[2].get(&format!("{}?match[version]=all", objects(RW))).dates().1;
            for (at, push) in pushes.iter().enumerate() {
                let text = |&(n, version, level): &(usize, u32, Level)| {
                    let mark = format!(r#","object_marking_refs":["{}"]"#, crate::support::objects::tlp(level));
                    versioned("indicator", case * 100 + n, version, &mark)
                };
                let texts: Vec<String> = push.iter().map(text).collect();
                actors[1 + at % 2].post(&objects(RW), &envelope(&texts)).must_be(202);
            }
            let from = format!("{query}&added_after={start}");
            for actor in &actors {
                let whole = items(&[actor.get(&format!("{}?{from}", manifest(RW))).must_be(200)]);
                for way in WAYS {
                    let records = items(&crawl(actor, &manifest(RW), &from, way, &limits));
                    prop_assert_eq!(&records, &whole);
                }
                let pages = crawl(actor, &objects(RW), &from, Way::NextAlone, &limits);
                let ids: Vec<String> = pages.iter().flat_map(Answer::ids).collect();
                prop_assert!(ids.iter().eq(whole.iter().map(|record| record["id"].as_str().unwrap())));
                let keys: HashSet<String> =
                    whole.iter().map(|record| format!("{} {}", record["id"], record["version"])).collect();
                prop_assert_eq!(keys.len(), whole.len());
            }
            Ok(())
        })
        .unwrap();
}
