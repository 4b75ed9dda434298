//! `/{root}/collections/{id}/objects/{object}/versions/`

use crate::support::objects::{address, envelope, id, versioned};
use crate::support::server::{BOTH, object, objects, versions};
use crate::support::{RW, Server};
use serde_json::json;

const ALL: [&str; 3] = ["2024-01-01T00:00:01.000Z", "2024-01-01T00:00:02.000Z", "2024-01-01T00:00:03.000Z"];

/// Rows: VER-1, VER-2.
#[test]
fn all_versions_are_listed_whatever_match_version_says() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let path = versions(RW, &id("malware", 3));
    for query in ["", "match[version]=first", "match[version]=nonsense", "match[spec_version]=2.1"] {
        let answer = reader.get(&format!("{path}?{query}")).must_be(200);
        assert_eq!(answer.json(), json!({"versions": ALL, "more": false}), "{query}");
    }
    let answer = reader.get(&format!("{path}?limit=2")).must_be(200);
    assert_eq!(answer.json(), json!({"versions": ALL[..2], "more": true, "next": answer.next()}));
    let dates = answer.dates();
    let rest = reader.get(&format!("{path}?added_after={}&limit=2", dates.1)).must_be(200);
    assert_eq!(rest.json(), json!({"versions": ALL[2..], "more": false}));
}

/// Rows: VER-1.
#[test]
fn filters_that_leave_no_version_give_an_empty_object() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for query in ["added_after=2099-01-01T00:00:00Z", "match[spec_version]=2.0", "match[spec_version]=9.9"] {
        let answer = reader.get(&format!("{}?{query}", versions(RW, &id("malware", 3)))).must_be(200);
        assert_eq!(answer.text(), "{}", "{query}");
    }
}

/// Rows: VER-2, FLT-26.
#[test]
fn versions_of_the_latest_specification_are_listed_unless_others_are_asked_for() {
    let server = Server::start();
    let writer = server.actor("writer");
    let new = versioned("tool", 1, 2, "");
    let old = versioned("tool", 1, 1, "").replace(r#""spec_version":"2.1","#, "");
    writer.post(&objects(BOTH), &envelope(&[old, new])).must_be(202);
    for (query, expected) in
        [("", &ALL[1..2]), ("match[spec_version]=2.0", &ALL[..1]), ("match[spec_version]=2.0,2.1", &ALL[..2])]
    {
        let answer = writer.get(&format!("{}?{query}", versions(BOTH, &id("tool", 1)))).must_be(200);
        assert_eq!(answer.json(), json!({"versions": expected, "more": false}), "{query}");
    }
}

/// Rows: VER-3.
#[test]
fn what_is_not_versioned_is_listed_with_its_creation() {
    let server = Server::start();
    let writer = server.actor("writer");
    let marking = versioned(
        "marking-definition",
        1,
        1,
        r#","definition_type":"statement","definition":{"statement":"Invented"}"#,
    );
    let marking = marking.replace(r#""modified":"2024-01-01T00:00:01.000Z","#, "");
    writer.post(&objects(RW), &envelope(&[marking])).must_be(202);
    let answer = writer.get(&versions(RW, &id("marking-definition", 1))).must_be(200);
    assert_eq!(answer.list("versions"), [json!("2024-01-01T00:00:00.000Z")]);
}

/// Rows: VER-4, VER-6.
#[test]
fn what_is_not_there_has_no_versions() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let known = reader.get(&versions(RW, &id("malware", 3))).must_be(200);
    assert_eq!(known.dates(), (server.dates_added(RW)[2].clone(), server.dates_added(RW)[4].clone()));
    for object in [id("malware", 4), "nonsense".to_owned(), id("malware", 3).to_uppercase()] {
        let description = reader.get(&versions(RW, &object)).must_fail(404);
        assert_eq!(description, "there is nothing here, or nothing that you may see", "{object}");
    }
}

/// Rows: VER-5, FLT-34.
/// Quirks: T1, T4.
#[test]
fn every_listed_version_finds_its_object_and_is_written_as_it_came() {
    let server = Server::start().lenient();
    let writer = server.actor("writer");
    let given: Vec<String> = (0..10)
        .map(|digits| {
            let fraction = if digits == 0 { String::new() } else { format!(".{:0<digits$}", "1") };
            format!("2024-01-01T00:00:{digits:02}{fraction}Z")
        })
        .collect();
    let text = |modified: &String| versioned("tool", 1, 1, "").replace("2024-01-01T00:00:01.000Z", modified);
    let texts: Vec<String> = given.iter().map(text).collect();
    writer.post(&objects(RW), &envelope(&[texts.clone(), vec![address(1, "198.51.100.1")]].concat())).must_be(202);
    let listed = writer.get(&versions(RW, &id("tool", 1))).must_be(200);
    assert_eq!(listed.list("versions"), given);
    for (version, text) in given.iter().zip(&texts) {
        let found = writer.get(&format!("{}?match[version]={version}", object(RW, &id("tool", 1)))).must_be(200);
        assert_eq!(found.text(), format!("{{\"objects\":[{text}],\"more\":false}}"));
    }
    let address = id("ipv4-addr", 1);
    let version = writer.get(&versions(RW, &address)).must_be(200).list("versions")[0].clone();
    let found = writer.get(&format!("{}?match[version]={}", object(RW, &address), version.as_str().unwrap()));
    assert_eq!(found.must_be(200).ids(), [address]);
}

/// Rows: SORT-5.
#[test]
fn versions_come_in_the_order_in_which_they_were_added() {
    let server = Server::start();
    let writer = server.actor("writer");
    for version in [3, 1, 2] {
        writer.post(&objects(RW), &envelope(&[versioned("malware", 3, version, "")])).must_be(202);
    }
    let answer = writer.get(&versions(RW, &id("malware", 3))).must_be(200);
    assert_eq!(answer.list("versions"), [ALL[2], ALL[0], ALL[1]]);
    let dates = server.dates_added(RW);
    assert_eq!(answer.dates(), (dates[0].clone(), dates[2].clone()));
}
