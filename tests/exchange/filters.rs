//! Filters: what a query asks for (TAXII 2.1 §3.4).

use crate::support::crawl::views;
use crate::support::objects::{address, envelope, id, indicator, marked, versioned};
use crate::support::server::{BOTH, Setup, manifest, object, objects, versions};
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::clock::Clock;
use entente::taxii::timestamp::Timestamp;
use std::time::{Duration, SystemTime};

fn numbers(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|n| if n == 3 { id("malware", 3) } else { id("indicator", n) }).collect()
}

/// Rows: FLT-1, FLT-4, FLT-9, FLT-13.
#[test]
fn a_malformed_paging_parameter_is_named_on_every_endpoint() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let not_a_time = "the parameter added_after is not one timestamp such as 2025-02-26T00:00:00.000000Z";
    let not_a_limit = "the parameter limit is not an integer greater than 0";
    for path in views(RW) {
        for added_after in
            ["yesterday", "", "2024-02-30T00:00:00Z", "2024-01-01T00:00:00Z,2024-01-01T00:00:00Z", "2024-01-01"]
        {
            let description = reader.get(&format!("{path}?added_after={added_after}")).must_fail(400);
            assert_eq!(description, not_a_time, "{added_after}");
        }
        for limit in ["0", "00", "-1", "+1", "1.5", "", "1e3", "%201", "1,2", "abc"] {
            assert_eq!(reader.get(&format!("{path}?limit={limit}")).must_fail(400), not_a_limit, "{limit}");
        }
        for twice in ["added_after=2024-01-01T00:00:00Z", "limit=1", "next=x"] {
            let name = twice.split('=').next().unwrap();
            let description = reader.get(&format!("{path}?{twice}&{twice}")).must_fail(400);
            assert_eq!(description, format!("the parameter {name} may be given only once"));
        }
    }
}

/// Rows: FLT-1, FLT-15, FLT-17, FLT-28, FLT-32, FLT-33.
#[test]
fn a_malformed_match_is_named() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let empty = "has an empty value";
    let all = "has \"all\", which goes with nothing else";
    let version = "takes all, first, last and timestamps such as 2025-02-26T00:00:00.000Z";
    for (query, name, reason) in [
        ("match[type]=a&match[type]=b", "match[type]", "may be given only once"),
        ("match[type]=a&match%5btype%5D=a", "match[type]", "may be given only once"),
        ("match[type]=", "match[type]", empty),
        ("match[type]", "match[type]", empty),
        ("match[id]=a,,b", "match[id]", empty),
        ("match[version]=last,", "match[version]", empty),
        ("match[spec_version]=", "match[spec_version]", empty),
        ("match[version]=foo", "match[version]", version),
        ("match[version]=LAST", "match[version]", version),
        ("match[version]=all,last", "match[version]", all),
        ("match[version]=2024-01-01T00:00:02Z,all", "match[version]", all),
        ("match[version]=last,first,last", "match[version]", "has a value twice"),
        ("match[version]=2024-01-01T00:00:02Z,2024-01-01T00:00:02.000Z", "match[version]", "has a value twice"),
        ("match[spec_version]=latest", "match[spec_version]", "takes versions such as 2.1"),
        ("match[spec_version]=2", "match[spec_version]", "takes versions such as 2.1"),
    ] {
        for path in [objects(RW), manifest(RW)] {
            let description = reader.get(&format!("{path}?{query}")).must_fail(400);
            assert_eq!(description, format!("the parameter {name} {reason}"), "{query}");
        }
    }
}

/// Rows: FLT-2, FLT-3, FLT-5.
#[test]
fn added_after_means_strictly_later() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let dates = server.dates_added(RW);
    let all: Vec<usize> = vec![1, 2, 3, 3, 3, 4, 5, 6, 7];
    for path in [objects(RW), manifest(RW)] {
        for (at, date) in dates.iter().enumerate() {
            let answer = reader.get(&format!("{path}?match[version]=all&added_after={date}")).must_be(200);
            assert_eq!(answer.ids(), numbers(all[at + 1..].iter().copied()), "{date}");
        }
        assert_eq!(reader.get(&format!("{path}?limit=2")).must_be(200).ids(), numbers([1, 2]));
    }
    for (path, list) in [(object(RW, &id("malware", 3)), "objects"), (versions(RW, &id("malware", 3)), "versions")] {
        let answer = reader.get(&format!("{path}?match[version]=all&added_after={}", dates[3])).must_be(200);
        assert_eq!(answer.list(list).len(), 1, "{path}");
    }
}

/// Rows: FLT-6.
/// Quirks: P12.
#[test]
fn added_after_asks_when_it_came_not_when_it_was_made() {
    let server = Server::start();
    let writer = server.actor("writer");
    let old = indicator(1, 1).replace("2024-", "2015-");
    let future = indicator(2, 1).replace("2024-", "2025-");
    writer.post(&objects(RW), &envelope(&[old, future])).must_be(202);
    let hour = Duration::from_hours(1);
    for (time, expected) in [(Clock::system().now() - hour, vec![1, 2]), (Clock::system().now() + hour, vec![])] {
        let answer = writer.get(&format!("{}?added_after={}", objects(RW), Timestamp::from(time))).must_be(200);
        assert_eq!(answer.ids(), numbers(expected));
    }
}

/// Rows: FLT-7, FLT-8, COMPAT-1, COMPAT-5, COMPAT-6, HDR-6, TYPE-1.
/// Quirks: T1, T2, T3.
#[test]
fn added_after_is_read_in_every_precision_and_offset_and_written_in_one() {
    let now = Timestamp::from(Clock::system().now()).micros() / 1_000_000 * 1_000_000;
    let clock = Clock::from_fn(move || SystemTime::UNIX_EPOCH + Duration::from_micros(now.unsigned_abs()));
    let server = Server::with(Setup { clock, ..Setup::default() });
    let writer = server.actor("writer");
    for n in [1, 2] {
        writer.post(&objects(RW), &envelope(&[indicator(n, 1)])).must_be(202);
    }
    let written = Timestamp::from_micros(now).to_string();
    let second = &written[..19];
    assert_eq!(server.dates_added(RW), [format!("{second}.000000Z"), format!("{second}.001000Z")]);
    let east = Timestamp::from_micros(now).plus_seconds(9 * 3600 + 1800).to_string();
    for zone in ["Z", "+00:00", "%2B00:00", "%2b00:00", "%2000:00", "-00:00"] {
        for fraction in ["", ".0", ".00", ".000", ".0000", ".00000", ".000000", ".0000000", ".000000999", ".000999999"]
        {
            let answer = writer.get(&format!("{}?added_after={second}{fraction}{zone}", objects(RW))).must_be(200);
            assert_eq!(answer.ids(), numbers([2]), "{fraction}{zone}");
        }
    }
    let answer = writer.get(&format!("{}?added_after={}%2B09:30", objects(RW), &east[..19])).must_be(200);
    assert_eq!(answer.ids(), numbers([2]));
    let from_first = writer.get_with(&format!("{}?added_after={second}.001Z", objects(RW)), &[("Content-Type", "x")]);
    let echo = format!("{second}.001000Z");
    assert_eq!(from_first.must_be(200).dates(), (echo.clone(), echo));
}

/// Rows: FLT-10, FLT-11, PAG-1, COMPAT-12.
#[test]
fn a_page_is_as_full_as_the_limit_allows_and_says_truly_whether_there_is_more() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for (path, list, count) in [
        (objects(RW), "objects", 7),
        (manifest(RW), "objects", 7),
        (format!("{}?match[version]=all&", object(RW, &id("malware", 3))), "objects", 3),
        (versions(RW, &id("malware", 3)), "versions", 3),
    ] {
        for limit in 1..=9 {
            let query = if path.contains('?') { "" } else { "?" };
            let answer = reader.get(&format!("{path}{query}limit={limit}")).must_be(200);
            assert_eq!(answer.list(list).len(), limit.min(count), "{path} {limit}");
            assert_eq!(answer.json()["more"], limit < count, "{path} {limit}");
        }
    }
}

/// Rows: FLT-12, FLT-13, PAG-13, SEC-3, COMPAT-11.
#[test]
fn a_limit_above_the_servers_gives_a_page_of_the_servers_size() {
    let mut setup = Setup::default();
    setup.settings.taxii.page_size = 3;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    let texts: Vec<String> = (1..=3).map(|version| versioned("malware", 3, version, "")).collect();
    writer.post(&objects(RW), &envelope(&[texts, vec![indicator(1, 1)]].concat())).must_be(202);
    for path in views(RW) {
        for limit in ["", "limit=4&", "limit=1000000&", "limit=99999999999999999999999999&"] {
            let answer = writer.get(&format!("{path}?{limit}match[version]=all")).must_be(200);
            assert_eq!(answer.list("objects").len() + answer.list("versions").len(), 3, "{path} {limit}");
        }
    }
    assert!(writer.get(&format!("{}?match[version]=all", objects(RW))).must_be(200).next().is_some());
}

/// Rows: FLT-14, FLT-16, FLT-21, FLT-22, FLT-25, OBJ-1, COMPAT-15.
/// Quirks: P17.
#[test]
fn fields_narrow_and_values_widen() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let [one, two, three, absent] = [id("indicator", 1), id("indicator", 2), id("malware", 3), id("malware", 9)];
    let many: Vec<String> = (0..500).map(|n| id("indicator", n)).collect();
    for (query, expected) in [
        ("match[type]=malware".to_owned(), vec![3]),
        ("match[type]=indicator,malware".to_owned(), vec![1, 2, 3, 4, 5, 6, 7]),
        ("match%5Btype%5D=malware%2Ctool".to_owned(), vec![3]),
        ("match[type]=malware,%20tool".to_owned(), vec![3]),
        (format!("match[id]={one},{absent}"), vec![1]),
        (format!("match[id]={three},{one},{one}"), vec![1, 3]),
        (format!("match[id]={absent}"), vec![]),
        (format!("match[id]={}", many.join(",")), vec![1, 2, 4, 5, 6, 7]),
        (format!("match[type]=indicator&match[id]={three}"), vec![]),
        (format!("match[type]=indicator&match[id]={three},{two}"), vec![2]),
        (
            format!(
                "match[id]={two},{three}&match[version]=2024-01-01T00:00:01Z&match[spec_version]=2.1&match[type]=malware"
            ),
            vec![3],
        ),
    ] {
        for path in [objects(RW), manifest(RW)] {
            let answer = reader.get(&format!("{path}?{query}")).must_be(200);
            assert_eq!(answer.ids(), numbers(expected.clone()), "{query}");
        }
    }
}

/// Rows: FLT-18, FLT-19, FLT-20.
#[test]
fn what_an_endpoint_does_not_define_is_ignored() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for query in
        ["utm=1", "_=123", "match[foo]=x", "match[foo]=x&match[foo]=", "MATCH[type]=tool", "version=2.0", "&&", "%20"]
    {
        for path in views(RW) {
            let plain = reader.get(&path).must_be(200);
            assert_eq!(reader.get(&format!("{path}?{query}")).must_be(200).body, plain.body, "{path} {query}");
        }
    }
    for query in ["match[type]=tool", "match[id]=x", "match[type]=", "match[id]=a&match[id]=b"] {
        for path in [object(RW, &id("malware", 3)), versions(RW, &id("malware", 3))] {
            let plain = reader.get(&path).must_be(200);
            assert_eq!(reader.get(&format!("{path}?{query}")).must_be(200).body, plain.body, "{path} {query}");
        }
    }
}

/// Rows: FLT-23, FLT-24.
#[test]
fn every_type_can_be_asked_for() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    writer.post(&objects(RW), &envelope(&[versioned("x-foo", 1, 1, "")])).must_be(202);
    let absent = "attack-pattern campaign course-of-action grouping identity incident infrastructure intrusion-set location \
        malware-analysis note observed-data opinion report threat-actor tool vulnerability relationship sighting artifact \
        autonomous-system directory domain-name email-addr email-message file ipv4-addr ipv6-addr mac-addr mutex network-traffic \
        process software url user-account windows-registry-key x509-certificate marking-definition language-content \
        extension-definition x-bar NoType %F0%9F%98%80";
    for object_type in absent.split_whitespace() {
        let answer = writer.get(&format!("{}?match[type]={object_type}", objects(RW))).must_be(200);
        assert_eq!(answer.text(), "{}", "{object_type}");
    }
    for (object_type, expected) in [("malware", id("malware", 3)), ("x-foo", id("x-foo", 1))] {
        let answer = writer.get(&format!("{}?match[type]={object_type}", objects(RW))).must_be(200);
        assert_eq!(answer.ids(), [expected]);
    }
}

/// Rows: FLT-26, FLT-27, FLT-28, COMPAT-15.
/// Quirks: C6.
#[test]
fn only_the_latest_specification_of_an_object_is_given_unless_others_are_asked_for() {
    let server = Server::start();
    let writer = server.actor("writer");
    let old = |n| versioned("tool", n, 1, "").replace(r#""spec_version":"2.1","#, "");
    let bare = address(3, "198.51.100.3").replace(r#""spec_version":"2.1","#, "");
    let texts = [old(1), versioned("tool", 1, 1, ""), old(2), bare];
    writer.post(&objects(BOTH), &envelope(&texts)).must_be(202);
    for (query, expected) in [
        ("", vec![1, 2, 3]),
        ("match[spec_version]=2.1", vec![1, 3]),
        ("match[spec_version]=2.0", vec![0, 2]),
        ("match[spec_version]=2.0,2.1", vec![0, 1, 2, 3]),
        ("match[spec_version]=2.1,9.9", vec![1, 3]),
        ("match[spec_version]=9.9", vec![]),
        ("match[version]=all", vec![1, 2, 3]),
    ] {
        let answer = writer.get(&format!("{}?{query}", objects(BOTH))).must_be(200);
        let expected: Vec<&str> = expected.into_iter().map(|at: usize| texts[at].as_str()).collect();
        let page = format!("{{\"objects\":[{}],\"more\":false}}", expected.join(","));
        assert_eq!(answer.text(), if expected.is_empty() { "{}" } else { &page }, "{query}");
    }
}

/// Rows: FLT-29, FLT-30, FLT-31, FLT-34.
/// Quirks: T4.
#[test]
fn versions_are_chosen_by_place_and_by_instant() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for (value, expected) in [
        ("last", vec![3]),
        ("first", vec![1]),
        ("all", vec![1, 2, 3]),
        ("first,last", vec![1, 3]),
        ("first,2024-01-01T00:00:02.000Z,last", vec![1, 2, 3]),
        ("2024-01-01T00:00:02Z", vec![2]),
        ("2024-01-01T00:00:02.000000000Z", vec![2]),
        ("2024-01-01T00:00:02Z,2024-01-01T00:00:03Z,last", vec![2, 3]),
        ("2024-01-01T00:00:02.001Z", vec![]),
        ("2024-01-01T00:00:01.999999999Z", vec![]),
    ] {
        let query = format!("match[type]=malware&match[version]={value}");
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|version| (id("malware", 3), format!("2024-01-01T00:00:0{version}.000Z")))
            .collect();
        assert_eq!(reader.get(&format!("{}?{query}", manifest(RW))).must_be(200).records(), expected, "{value}");
        let objects = reader.get(&format!("{}?{query}", objects(RW))).must_be(200).list("objects");
        assert!(
            objects
                .iter()
                .map(|object| object["modified"].as_str().unwrap())
                .eq(expected.iter().map(|(_, version)| version))
        );
    }
    let single = format!("{}?match[type]=indicator&match[version]=first,last", objects(RW));
    assert_eq!(reader.get(&single).must_be(200).ids(), numbers([1, 2, 4, 5, 6, 7]));
}

/// Rows: FLT-38.
/// Quirks: P13.
#[test]
fn an_old_version_that_comes_late_is_not_the_last() {
    let server = Server::start();
    let writer = server.actor("writer");
    let push = |version| writer.post(&objects(RW), &envelope(&[indicator(1, version)])).must_be(202);
    push(2);
    let seen = server.dates_added(RW)[0].clone();
    push(1);
    for (query, versions) in [
        (format!("added_after={seen}"), vec![]),
        (format!("added_after={seen}&match[version]=first"), vec![1]),
        (format!("added_after={seen}&match[version]=all"), vec![1]),
        ("match[version]=last".to_owned(), vec![2]),
        ("limit=1".to_owned(), vec![2]),
        ("match[version]=all".to_owned(), vec![2, 1]),
    ] {
        let expected: Vec<String> = versions.into_iter().map(|version| indicator(1, version)).collect();
        let page = format!("{{\"objects\":[{}],\"more\":false}}", expected.join(","));
        let answer = writer.get(&format!("{}?{query}", objects(RW))).must_be(200);
        assert_eq!(answer.text(), if expected.is_empty() { "{}" } else { &page }, "{query}");
    }
}

/// Rows: FLT-39.
#[test]
fn a_limit_counts_versions_of_objects() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let query = format!("match[version]=all&limit=2&match[id]={}", id("malware", 3));
    let answer = reader.get(&format!("{}?{query}", manifest(RW))).must_be(200);
    let version = |n| (id("malware", 3), format!("2024-01-01T00:00:0{n}.000Z"));
    assert_eq!((answer.records(), answer.json()["more"].clone()), (vec![version(1), version(2)], true.into()));
}

/// Rows: FLT-40.
#[test]
fn what_a_caller_may_not_see_makes_no_page_shorter() {
    let server = Server::start();
    let (manager, reader) = (server.actor("manager"), server.actor("reader"));
    let texts: Vec<String> =
        (1..=12).map(|n| marked(n, 1, if n % 3 == 0 { Level::Green } else { Level::Red })).collect();
    manager.post(&objects(RW), &envelope(&texts)).must_be(202);
    manager.post(&objects(RW), &envelope(&[marked(3, 2, Level::Red)])).must_be(202);
    for path in [objects(RW), manifest(RW)] {
        for (limit, expected, more) in [(1, vec![3], true), (3, vec![3, 6, 9], true), (4, vec![3, 6, 9, 12], false)] {
            let answer = reader.get(&format!("{path}?limit={limit}")).must_be(200);
            assert_eq!(
                (answer.ids(), answer.json()["more"] == true),
                (expected.into_iter().map(|n| id("indicator", n)).collect(), more)
            );
        }
    }
    let versions = reader.get(&versions(RW, &id("indicator", 3))).must_be(200);
    assert_eq!(versions.list("versions"), ["2024-01-01T00:00:01.000Z"]);
    let last = reader.get(&object(RW, &id("indicator", 3))).must_be(200);
    assert_eq!(last.text(), format!("{{\"objects\":[{}],\"more\":false}}", marked(3, 1, Level::Green)));
}

/// Rows: FLT-41.
/// Quirks: P17.
#[test]
fn a_query_of_too_many_values_is_refused_not_run() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let ids = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let answer = reader.get(&format!("{}?match[id]={},{}", objects(RW), id("indicator", 7), ids(499))).must_be(200);
    assert_eq!(answer.ids(), numbers([7]));
    let description = reader.get(&format!("{}?match[id]={}", objects(RW), ids(501))).must_fail(400);
    assert_eq!(description, "the parameter match[id] has more than 500 values");
    let description = reader.get(&format!("{}?x={}", objects(RW), "x".repeat(64_000))).must_fail(414);
    assert_eq!(description, "the query string has more than 64000 octets: ask for fewer values at once");
}
