//! Pages, and the cursors between them (TAXII 2.1 §3.5).

use crate::support::crawl::{WAYS, Way, crawl, items, views};
use crate::support::objects::{envelope, id, indicator, versioned};
use crate::support::server::{OTHER, Setup, manifest, object, objects, versions};
use crate::support::{Answer, EMPTY, RW, Server};
use entente::access::level::Level;
use entente::exchange::Rights;

const FOREIGN: &str = "the parameter next was not given out by this server for this request: begin again without it";

/// Rows: PAG-1, PAG-2, PAG-3, PAG-4, PAG-5, PAG-10, COMPAT-3, COMPAT-10.
/// Quirks: P1, P7.
#[test]
fn a_page_that_is_not_the_last_says_where_to_go_on() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for path in views(RW) {
        let list = if path.ends_with("/versions/") { "versions" } else { "objects" };
        for query in ["match[version]=all", "match[version]=first,last&match[type]=malware"] {
            let whole = items(&[reader.get(&format!("{path}?{query}")).must_be(200)]);
            for limit in 1..=7 {
                for way in if limit < 3 { &WAYS[..] } else { &WAYS[limit % 3..][..1] } {
                    let pages = crawl(&reader, &path, query, *way, &[limit]);
                    assert_eq!(items(&pages), whole, "{path} {query} {limit} {way:?}");
                    let (last, others) = pages.split_last().unwrap();
                    let going_on = ["more", "next", list];
                    assert_eq!(
                        (last.members(), last.json()["more"] == true),
                        (vec!["more".into(), list.into()], false)
                    );
                    assert!(others.iter().all(|page| page.members() == going_on && page.json()["more"] == true));
                }
            }
        }
    }
}

/// Rows: PAG-4, PAG-8, PAG-11, COMPAT-5.
/// Quirks: P2, P3, P4.
#[test]
fn a_cursor_carries_the_query_whatever_the_client_repeats() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let dates = server.dates_added(RW);
    let query = format!("match[version]=all&added_after={}", dates[1]);
    for path in [objects(RW), manifest(RW)] {
        let whole = items(&[reader.get(&format!("{path}?{query}")).must_be(200)]);
        let first = reader.get(&format!("{path}?{query}&limit=2")).must_be(200);
        let next = first.next().unwrap();
        for repeated in [
            String::new(),
            query.clone(),
            "match[version]=all".to_owned(),
            format!("added_after={}", dates[1]),
            format!("added_after={}", dates[7]),
            format!("{query}&limit=1000"),
            "limit=7&added_after=1970-01-01T00:00:00Z".to_owned(),
            format!("added_after=2099-01-01T00:00:00Z&{query}").replace(&format!("&added_after={}", dates[1]), ""),
        ] {
            let second = reader.get(&format!("{path}?{repeated}&next={next}")).must_be(200);
            assert_eq!(items(&[first.clone(), second]), whole, "{repeated}");
        }
        for limits in [&[1, 5, 2][..], &[7, 1000], &[2, 1]] {
            assert!(WAYS.iter().all(|&way| items(&crawl(&reader, &path, &query, way, limits)) == whole));
        }
        let one_more = reader.get(&format!("{path}?next={next}&limit=1")).must_be(200);
        assert_eq!(items(&[first, one_more]), whole[..3]);
    }
}

/// Rows: PAG-6, PAG-7, SEC-1.
/// Quirks: P6.
#[test]
fn a_garbled_cursor_is_refused_on_every_endpoint() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for path in views(RW) {
        let next = reader.get(&format!("{path}?match[version]=all&limit=1")).must_be(200).next().unwrap();
        let altered: String = next.chars().rev().collect();
        let longer = format!("{next}A");
        for garbage in [
            "AAAA",
            "1",
            "%00",
            "next",
            "2024-01-01T00:00:00Z",
            "undefined",
            "%20",
            &next[1..],
            &next[..next.len() - 1],
            &altered,
            &longer,
        ] {
            assert_eq!(reader.get(&format!("{path}?next={garbage}")).must_fail(400), FOREIGN, "{garbage}");
        }
        reader.get(&format!("{path}?next={next}")).must_be(200);
    }
}

/// Rows: PAG-6, PAG-7, SEC-1.
/// Quirks: P5.
#[test]
fn a_cursor_is_good_for_its_own_caller_collection_endpoint_and_object_only() {
    let server = Server::seeded();
    let (reader, writer, colleague) = (server.actor("reader"), server.actor("writer"), server.actor("reader"));
    let texts: Vec<String> = (1..=3).map(|version| versioned("malware", 3, version, "")).collect();
    writer.post(&objects(EMPTY), &envelope(&texts)).must_be(202);
    let all = [views(RW).to_vec(), views(EMPTY).to_vec(), vec![versions(RW, &id("indicator", 1))]].concat();
    for path in &all[..5] {
        let next = reader.get(&format!("{path}?match[version]=all&limit=1")).must_be(200).next().unwrap();
        for elsewhere in all.iter().filter(|elsewhere| *elsewhere != path) {
            let description = reader.get(&format!("{elsewhere}?next={next}")).must_fail(400);
            assert_eq!(description, FOREIGN, "{path} at {elsewhere}");
        }
        assert_eq!(writer.get(&format!("{path}?next={next}")).must_fail(400), FOREIGN, "{path}");
        // Another certificate of the same organisation is the same caller.
        colleague.get(&format!("{path}?next={next}")).must_be(200);
    }
    let manager = server.actor("manager");
    let next = manager.get(&format!("{}?limit=1", objects(RW))).must_be(200).next().unwrap();
    let other_root = format!("/second/root/collections/{OTHER}/objects/?next={next}");
    assert_eq!(manager.get(&other_root).must_fail(400), FOREIGN);
}

/// Rows: PAG-6, SEC-1.
#[test]
fn a_cursor_gives_nothing_to_who_has_lost_the_right() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let next = reader.get(&format!("{}?limit=1", objects(RW))).must_be(200).next().unwrap();
    let rights = |read| Some(Rights { read, write: false, manage: false, relay: true });
    server.admin.grant("reader", RW, rights(Some(Level::Clear))).unwrap();
    assert_eq!(reader.get(&format!("{}?next={next}", objects(RW))).must_be(200).text(), "{}");
    server.admin.grant("reader", RW, rights(None)).unwrap();
    reader.get(&format!("{}?next={next}", objects(RW))).must_fail(403);
    server.admin.grant("reader", RW, None).unwrap();
    reader.get(&format!("{}?next={next}", objects(RW))).must_fail(404);
}

/// Rows: PAG-6, PAG-7.
#[test]
fn a_cursor_of_other_filters_is_refused() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let contradicts = "the parameter next belongs to other filters: repeat those of the first page, or leave them out";
    let path = objects(RW);
    let next = reader.get(&format!("{path}?match[type]=indicator&limit=1")).must_be(200).next().unwrap();
    for filters in [
        "match[type]=malware",
        "match[version]=all",
        "match[type]=indicator&match[version]=all",
        "match[spec_version]=2.1",
    ] {
        assert_eq!(reader.get(&format!("{path}?{filters}&next={next}")).must_fail(400), contradicts, "{filters}");
    }
    for filters in ["", "match[type]=indicator", "match%5Btype%5D=indicator&match[version]=last"] {
        let rest = reader.get(&format!("{path}?{filters}&next={next}")).must_be(200).ids();
        assert_eq!(rest, [2, 4, 5, 6, 7].map(|n| id("indicator", n)), "{filters}");
    }
}

/// Rows: PAG-4, PAG-7.
/// Quirks: P6.
#[test]
fn a_cursor_outlives_a_restart_and_gives_the_same_page_again() {
    let mut server = Server::seeded();
    let reader = server.actor("reader");
    let paths = views(RW).map(|path| {
        let next = reader.get(&format!("{path}?match[version]=all&limit=1")).must_be(200).next().unwrap();
        format!("{path}?limit=1&next={next}")
    });
    let before: Vec<Answer> = paths.iter().map(|path| reader.get(path).must_be(200)).collect();
    server.restart();
    for (path, before) in paths.iter().zip(before) {
        for _ in 0..2 {
            let again = reader.at(server.address).get(path).must_be(200);
            assert_eq!((again.stable_headers(), again.body), (before.stable_headers(), before.body.clone()));
        }
    }
}

/// Rows: PAG-9.
/// Quirks: P14.
#[test]
fn what_is_deleted_or_added_meanwhile_moves_nothing() {
    let server = Server::seeded();
    let (reader, writer) = (server.actor("reader"), server.actor("writer"));
    let firsts = [objects(RW), manifest(RW)].map(|path| (reader.get(&format!("{path}?limit=2")).must_be(200), path));
    for gone in [1, 2, 5] {
        writer.delete(&object(RW, &id("indicator", gone))).must_be(200);
    }
    writer.post(&objects(RW), &envelope(&[indicator(8, 1), indicator(1, 1)])).must_be(202);
    let expected =
        [("malware", 3), ("indicator", 4), ("indicator", 6), ("indicator", 7), ("indicator", 8), ("indicator", 1)];
    for (first, path) in firsts {
        assert_eq!(first.ids(), [id("indicator", 1), id("indicator", 2)]);
        for rest in [format!("next={}", first.next().unwrap()), format!("added_after={}", first.dates().1)] {
            let rest: Vec<String> =
                crawl(&reader, &path, &rest, Way::Next, &[1000]).iter().flat_map(Answer::ids).collect();
            assert_eq!(rest, expected.map(|(object_type, n)| id(object_type, n)), "{path}");
        }
    }
}

/// Rows: PAG-9.
#[test]
fn where_the_rest_was_deleted_the_last_page_is_empty() {
    let server = Server::seeded();
    let (reader, writer) = (server.actor("reader"), server.actor("writer"));
    let first = reader.get(&format!("{}?limit=6", objects(RW))).must_be(200);
    writer.delete(&object(RW, &id("indicator", 7))).must_be(200);
    let rest = reader.get(&format!("{}?next={}", objects(RW), first.next().unwrap())).must_be(200);
    assert_eq!((rest.text(), rest.dates()), ("{}".to_owned(), (first.dates().1, first.dates().1)));
}

/// Rows: PAG-12.
#[test]
fn a_range_of_items_means_nothing_in_this_version() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let plain = reader.get(&objects(RW)).must_be(200);
    for range in ["items 0-1", "items=0-1", "bytes=0-10", "items 1000-2000"] {
        let answer = reader.get_with(&objects(RW), &[("Range", range)]).must_be(200);
        assert_eq!((answer.stable_headers(), answer.body), (plain.stable_headers(), plain.body.clone()), "{range}");
    }
}

/// Rows: FLT-9.
/// Quirks: P8.
#[test]
fn an_empty_next_is_no_next() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for path in views(RW) {
        let plain = reader.get(&path).must_be(200);
        for query in ["next=", "next", "next=&match[foo]="] {
            assert_eq!(reader.get(&format!("{path}?{query}")).must_be(200).body, plain.body, "{query}");
        }
        for malformed in ["next=&added_after=", "next=&limit="] {
            reader.get(&format!("{path}?{malformed}")).must_fail(400);
        }
    }
}

/// Rows: PAG-13, SEC-3, COMPAT-11.
/// Quirks: P16.
#[test]
fn a_page_is_bounded_in_octets_too() {
    let mut setup = Setup::default();
    setup.settings.taxii.page_octets = 3000;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    let large =
        |n: usize, octets: usize| versioned("indicator", n, 1, &format!(r#","x_pad":"{}""#, "x".repeat(octets)));
    let texts = [large(1, 100), large(2, 1500), large(3, 1500), large(4, 5000), large(5, 10), large(6, 10)];
    writer.post(&objects(RW), &envelope(&texts)).must_be(202);
    for way in WAYS {
        let pages = crawl(&writer, &objects(RW), "", way, &[1000]);
        let numbers: Vec<Vec<String>> = pages.iter().map(Answer::ids).collect();
        let expected =
            [&[1, 2][..], &[3], &[4], &[5, 6]].map(|page| page.iter().map(|&n| id("indicator", n)).collect::<Vec<_>>());
        assert_eq!(numbers, expected, "{way:?}");
        // One that is larger than a page is a page of its own.
        assert!(pages.iter().all(|page| page.body.len() < 3200 || page.ids() == [id("indicator", 4)]));
    }
}

/// Rows: PAG-4, FLT-41.
/// Quirks: P17.
#[test]
fn a_crawl_for_hundreds_of_ids_comes_to_its_end() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let ids: Vec<String> = (1..=500).map(|n| id("indicator", n)).collect();
    for way in [Way::Next, Way::NextAlone, Way::Header] {
        let pages = crawl(&reader, &objects(RW), &format!("match[id]={}", ids.join(",")), way, &[4]);
        let found: Vec<String> = pages.iter().flat_map(Answer::ids).collect();
        assert_eq!(found, [1, 2, 4, 5, 6, 7].map(|n| id("indicator", n)), "{way:?}");
    }
}
