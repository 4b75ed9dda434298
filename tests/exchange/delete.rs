//! `DELETE /{root}/collections/{id}/objects/{object}/`

use crate::support::objects::{envelope, id, indicator, versioned};
use crate::support::server::{BOTH, manifest, object, objects, versions};
use crate::support::{Answer, EMPTY, MISSING, NO, RO, RW, Server, WO};
use serde_json::Value;

const ABSENT: &str = "there is nothing here, or nothing that you may see";

fn listed(server: &Server, object: &str) -> Vec<String> {
    let answer = server.actor("manager").get(&versions(RW, object));
    answer.list("versions").iter().map(|version| version.as_str().unwrap().to_owned()).collect()
}

fn must_be_empty(answer: &Answer) {
    assert_eq!((answer.status, answer.header("content-length"), answer.body.as_slice()), (200, Some("0"), &b""[..]));
}

/// Rows: DEL-1, DEL-2, DEL-3, DEL-8.
#[test]
fn a_deleted_object_is_gone_from_every_view() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let gone = id("indicator", 1);
    must_be_empty(&writer.delete(&object(RW, &gone)));
    for path in [object(RW, &gone), versions(RW, &gone)] {
        assert_eq!(writer.get(&path).must_fail(404), ABSENT);
    }
    let rest: Vec<String> = [2, 3, 4, 5, 6, 7].map(|n| id(if n == 3 { "malware" } else { "indicator" }, n)).into();
    for path in [objects(RW), manifest(RW)] {
        assert_eq!(writer.get(&path).must_be(200).ids(), rest);
    }
    assert_eq!(writer.delete(&object(RW, &gone)).must_fail(404), ABSENT);
}

/// Rows: DEL-3, DEL-6.
#[test]
fn by_default_the_last_version_is_deleted() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let path = object(RW, &id("malware", 3));
    for version in [2, 1] {
        must_be_empty(&writer.delete(&path));
        let answer = writer.get(&path).must_be(200);
        assert_eq!(answer.text(), format!("{{\"objects\":[{}],\"more\":false}}", versioned("malware", 3, version, "")));
    }
    must_be_empty(&writer.delete(&path));
    writer.get(&path).must_fail(404);
}

/// Rows: DEL-3, DEL-5.
#[test]
fn the_named_versions_are_deleted_and_no_others() {
    let server = Server::start();
    let writer = server.actor("writer");
    let path = object(RW, &id("malware", 3));
    for (value, left) in [
        ("first", vec![2, 3]),
        ("last", vec![1, 2]),
        ("first,last", vec![2]),
        ("2024-01-01T00:00:02Z", vec![1, 3]),
        ("2024-01-01T00:00:02.000Z,first", vec![3]),
        ("all", vec![]),
    ] {
        let texts: Vec<String> = (1..=3).map(|version| versioned("malware", 3, version, "")).collect();
        writer.post(&objects(RW), &envelope(&texts)).must_be(202);
        must_be_empty(&writer.delete(&format!("{path}?match[version]={value}")));
        let left: Vec<String> = left.into_iter().map(|version| format!("2024-01-01T00:00:0{version}.000Z")).collect();
        assert_eq!(listed(&server, &id("malware", 3)), left, "{value}");
        writer.delete(&format!("{path}?match[version]=all"));
    }
    writer.post(&objects(RW), &envelope(&[versioned("malware", 3, 1, "")])).must_be(202);
    let absent = format!("{path}?match[version]=2024-01-01T00:00:02Z");
    assert_eq!(writer.delete(&absent).must_fail(404), ABSENT);
    assert_eq!(writer.get(&absent).must_fail(404), ABSENT);
}

/// Rows: DEL-5.
#[test]
fn an_object_is_deleted_in_the_specification_that_is_named_or_the_latest() {
    let server = Server::start();
    let writer = server.actor("writer");
    let new = versioned("tool", 1, 1, "");
    let old = new.replace(r#""spec_version":"2.1","#, "");
    let path = object(BOTH, &id("tool", 1));
    for (query, left) in
        [("", vec![&old]), ("match[spec_version]=2.1", vec![&old]), ("match[spec_version]=2.0", vec![&new])]
    {
        writer.post(&objects(BOTH), &envelope(&[new.clone(), old.clone()])).must_be(202);
        must_be_empty(&writer.delete(&format!("{path}?{query}")));
        let answer = writer.get(&format!("{path}?match[spec_version]=2.0,2.1")).must_be(200);
        let left: Vec<&str> = left.into_iter().map(String::as_str).collect();
        assert_eq!(answer.text(), format!("{{\"objects\":[{}],\"more\":false}}", left.join(",")), "{query}");
    }
    assert_eq!(writer.delete(&format!("{path}?match[spec_version]=9.9")).must_fail(404), ABSENT);
}

/// Rows: FLT-18, DEL-5.
#[test]
fn what_might_have_narrowed_a_deletion_is_never_ignored() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let path = object(RW, &id("malware", 3));
    let undefined = "is not defined for deleting an object, and nothing was deleted";
    for (query, name, reason) in [
        ("match[foo]=x", "match[foo]", undefined),
        ("match[type]=malware", "match[type]", undefined),
        ("match[id]=x", "match[id]", undefined),
        ("added_after=2024-01-01T00:00:00Z", "added_after", undefined),
        ("limit=1", "limit", undefined),
        ("next=", "next", undefined),
        ("match[version]=all,last", "match[version]", "has \"all\", which goes with nothing else"),
        ("match[version]=last,last", "match[version]", "has a value twice"),
        ("match[version]=", "match[version]", "has an empty value"),
        ("match[version]=all&match[version]=all", "match[version]", "may be given only once"),
    ] {
        let description = writer.delete(&format!("{path}?{query}")).must_fail(400);
        assert_eq!(description, format!("the parameter {name} {reason}"), "{query}");
    }
    assert_eq!(listed(&server, &id("malware", 3)).len(), 3);
}

/// Rows: DEL-7, DEL-11.
#[test]
fn only_that_object_in_that_collection_is_deleted() {
    let server = Server::start();
    let writer = server.actor("writer");
    let refers = format!(
        r#","relationship_type":"indicates","source_ref":"{}","target_ref":"{}""#,
        id("indicator", 1),
        id("malware", 1)
    );
    let texts = [indicator(1, 1), versioned("malware", 1, 1, ""), versioned("relationship", 1, 1, &refers)];
    for collection in [RW, EMPTY] {
        writer.post(&objects(collection), &envelope(&texts)).must_be(202);
    }
    must_be_empty(&writer.delete(&object(RW, &id("indicator", 1))));
    assert_eq!(writer.get(&objects(RW)).must_be(200).ids(), [id("malware", 1), id("relationship", 1)]);
    assert_eq!(
        writer.get(&objects(EMPTY)).must_be(200).ids(),
        [id("indicator", 1), id("malware", 1), id("relationship", 1)]
    );
}

/// Rows: DEL-8, DEL-9, AUTH-9.
#[test]
fn a_deletion_is_refused_with_what_its_caller_may_know() {
    let server = Server::seeded();
    let (writer, manager) = (server.actor("writer"), server.actor("manager"));
    manager.post(&objects(RW), &envelope(&[indicator(8, 1)])).must_be(202);
    let one = |collection: &str| object(collection, &id("indicator", 1));
    for (path, status) in [
        (format!("{}?match[version]=x", one(RW)), 400),
        (one(RO), 403),
        (one(WO), 403),
        (object(RW, &id("indicator", 8)), 403),
        (one(NO), 404),
        (one(MISSING), 404),
        (object(RW, &id("indicator", 9)), 404),
        (object(RW, "nonsense"), 404),
        (one(RW), 200),
    ] {
        assert_eq!(writer.delete(&path).status, status, "{path}");
    }
    server.stranger().delete(&object(RW, &id("indicator", 2))).must_fail(401);
    server.actor("reader").delete(&object(RW, &id("indicator", 2))).must_fail(403);
    writer.send("DELETE", &object(RW, &id("indicator", 2)), &[("Accept", "text/html")], None).must_fail(406);
    let rest = [2, 3, 4, 5, 6, 7, 8].map(|n| id(if n == 3 { "malware" } else { "indicator" }, n));
    assert_eq!(manager.get(&objects(RW)).must_be(200).ids(), rest);
}

/// Rows: DEL-10.
#[test]
fn what_is_added_again_stands_at_the_end() {
    let server = Server::seeded();
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    let newest = server.dates_added(RW)[8].clone();
    must_be_empty(&writer.delete(&object(RW, &id("indicator", 1))));
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    let poll = reader.get(&format!("{}?added_after={newest}", objects(RW))).must_be(200);
    assert_eq!(poll.text(), format!("{{\"objects\":[{}],\"more\":false}}", indicator(1, 1)));
    assert!(poll.dates().0 > newest);
    // Also where nothing is left to be later than.
    let last = poll.dates().1;
    must_be_empty(&writer.delete(&object(RW, &id("indicator", 1))));
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    assert_eq!(reader.get(&format!("{}?added_after={last}", objects(RW))).must_be(200).ids(), [id("indicator", 1)]);
}

/// Rows: DEL-12.
#[test]
fn the_trail_says_who_deleted_what() {
    let server = Server::start();
    let writer = server.actor("writer");
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    writer.delete(&object(RW, &id("indicator", 1))).must_be(200);
    let trail = rusqlite::Connection::open(server.path().join("data").join("entente.db")).unwrap();
    let last = "SELECT entry FROM audit WHERE json_extract(entry, '$.action') = 'delete'";
    let text: String = trail.query_row(last, [], |row| row.get(0)).unwrap();
    let entry: Value = serde_json::from_str(&text).unwrap();
    let digest = entente::audit::digest(indicator(1, 1).as_bytes());
    assert_eq!(
        (&entry["organisation"], &entry["collection"], &entry["object"]),
        (&"writer".into(), &RW.into(), &id("indicator", 1).into())
    );
    assert_eq!(entry["deleted"][0]["digest"], digest);
    assert_eq!(entry["deleted"][0]["version"], "2024-01-01T00:00:01.000Z");
}
