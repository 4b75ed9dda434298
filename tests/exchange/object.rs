//! `GET /{root}/collections/{id}/objects/{object}/`

use crate::support::crawl::{WAYS, crawl, items};
use crate::support::objects::{envelope, id, indicator, versioned};
use crate::support::server::{BOTH, object, objects};
use crate::support::{EMPTY, RW, Server};

fn page(texts: &[String]) -> String {
    if texts.is_empty() { "{}".to_owned() } else { format!("{{\"objects\":[{}],\"more\":false}}", texts.join(",")) }
}

/// Rows: GET-1, ENV-1.
#[test]
fn an_object_is_found_by_its_id_in_an_envelope() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let answer = reader.get(&object(RW, &id("malware", 3))).must_be(200);
    assert_eq!(answer.text(), page(&[versioned("malware", 3, 3, "")]));
    let date = &server.dates_added(RW)[4];
    assert_eq!(answer.dates(), (date.clone(), date.clone()));
}

/// Rows: GET-2.
#[test]
fn versions_of_an_object_are_filtered_and_paged() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let path = object(RW, &id("malware", 3));
    let dates = server.dates_added(RW);
    let text = |version| versioned("malware", 3, version, "");
    for (query, versions) in [
        ("match[version]=first", vec![1]),
        ("match[version]=all", vec![1, 2, 3]),
        ("match[version]=last,2024-01-01T00:00:02Z", vec![2, 3]),
        ("match[spec_version]=2.1", vec![3]),
        ("match[spec_version]=2.0", vec![]),
        (&format!("match[version]=all&added_after={}", dates[2]), vec![2, 3]),
        (&format!("added_after={}", dates[4]), vec![]),
    ] {
        let expected: Vec<String> = versions.into_iter().map(text).collect();
        assert_eq!(reader.get(&format!("{path}?{query}")).must_be(200).text(), page(&expected), "{query}");
    }
    for way in WAYS {
        let pages = crawl(&reader, &path, "match[version]=all", way, &[1]);
        assert_eq!((pages.len(), pages[0].json()["more"] == true), (3, true));
        let found: Vec<String> = items(&pages).iter().map(|object| object["modified"].to_string()).collect();
        assert_eq!(found, [1, 2, 3].map(|version| format!("\"2024-01-01T00:00:0{version}.000Z\"")));
    }
}

/// Rows: GET-2, FLT-26, FLT-27.
#[test]
fn an_object_in_two_specifications_is_given_in_the_later_one_unless_asked_otherwise() {
    let server = Server::start();
    let writer = server.actor("writer");
    let new = versioned("tool", 1, 1, "");
    let old = new.replace(r#""spec_version":"2.1","#, "");
    writer.post(&objects(BOTH), &envelope(&[new.clone(), old.clone()])).must_be(202);
    for (query, expected) in [
        ("", vec![new.clone()]),
        ("match[spec_version]=2.0", vec![old.clone()]),
        ("match[spec_version]=2.0,2.1", vec![new, old]),
    ] {
        let answer = writer.get(&format!("{}?{query}", object(BOTH, &id("tool", 1)))).must_be(200);
        assert_eq!(answer.text(), page(&expected), "{query}");
    }
}

/// Rows: GET-3, GET-5.
#[test]
fn an_object_that_is_not_there_is_absent_and_filters_that_leave_nothing_are_not() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let there = object(RW, &id("malware", 3));
    for (path, status) in [
        (object(RW, &id("malware", 4)), 404),
        (object(EMPTY, &id("malware", 3)), 404),
        (object(RW, "abc"), 404),
        (object(RW, "%2e%2e"), 404),
        (object(RW, &id("malware", 3).to_uppercase()), 404),
        (format!("{}?added_after=2099-01-01T00:00:00Z", object(RW, &id("malware", 4))), 404),
        (format!("{there}?match[version]=2020-01-01T00:00:00Z"), 404),
        (format!("{there}?match[version]=2020-01-01T00:00:00Z,2020-01-02T00:00:00Z"), 404),
        (format!("{there}?match[version]=2020-01-01T00:00:00Z,last"), 200),
        (format!("{there}?match[version]=2024-01-01T00:00:02Z&added_after=2099-01-01T00:00:00Z"), 200),
        (format!("{there}?added_after=2099-01-01T00:00:00Z"), 200),
        (format!("{there}?match[spec_version]=2.0"), 200),
    ] {
        let answer = reader.get(&path).must_be(status);
        match status {
            200 if !path.contains("last") => assert_eq!(answer.text(), "{}", "{path}"),
            200 => assert_eq!(answer.text(), page(&[versioned("malware", 3, 3, "")])),
            _ => assert_eq!(answer.must_fail(404), "there is nothing here, or nothing that you may see", "{path}"),
        }
    }
}

/// Rows: GET-1, ADD-10.
#[test]
fn an_object_can_be_read_as_soon_as_it_is_accepted() {
    let server = Server::start();
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    for n in 1..=5 {
        writer.post(&objects(RW), &envelope(&[indicator(n, 1)])).must_be(202);
        let answer = reader.get(&object(RW, &id("indicator", n))).must_be(200);
        assert_eq!(answer.text(), page(&[indicator(n, 1)]));
    }
}
