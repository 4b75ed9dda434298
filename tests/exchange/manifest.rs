//! `/{root}/collections/{id}/manifest/`

use crate::support::crawl::{WAYS, crawl, items};
use crate::support::objects::{address, envelope, id, versioned};
use crate::support::server::{BOTH, collection, manifest, objects, versions};
use crate::support::{Answer, EMPTY, RW, Server};
use serde_json::json;

/// Rows: MAN-1, MAN-4.
#[test]
fn a_record_says_id_and_version_when_it_was_added_and_what_it_is() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let old = r#"{"type":"tool","id":"tool--252c7c11-daf2-42bd-843b-000000000001","created":"2016-01-01T00:00:00Z","modified":"2017-01-01T00:00:00Z","name":"t"}"#;
    writer.post(&objects(BOTH), &envelope(&[old.to_owned()])).must_be(202);
    for (holder, object, version, media_type) in [
        (RW, id("indicator", 1), "2024-01-01T00:00:01.000Z", "application/stix+json;version=2.1"),
        (BOTH, id("tool", 1), "2017-01-01T00:00:00Z", "application/stix+json;version=2.0"),
    ] {
        let answer = writer.get(&format!("{}?limit=1", manifest(holder))).must_be(200);
        let record =
            json!({"id": object, "date_added": answer.dates().0, "version": version, "media_type": media_type});
        assert_eq!(answer.list("objects"), [record]);
        let holder = writer.get(&collection(holder)).must_be(200).json();
        assert!(holder["media_types"].as_array().unwrap().contains(&json!(media_type)));
    }
}

/// Rows: MAN-2, FLT-29.
#[test]
fn there_is_a_record_for_each_version_and_by_default_only_for_the_last() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let versions = |query: &str| -> Vec<String> {
        let records = reader.get(&format!("{}?{query}", manifest(RW))).must_be(200).records();
        records.into_iter().filter(|(object, _)| *object == id("malware", 3)).map(|(_, version)| version).collect()
    };
    assert_eq!(versions(""), ["2024-01-01T00:00:03.000Z"]);
    let all = ["2024-01-01T00:00:01.000Z", "2024-01-01T00:00:02.000Z", "2024-01-01T00:00:03.000Z"];
    assert_eq!(versions("match[version]=all"), all);
}

/// Rows: MAN-3, MAN-6, SORT-1.
#[test]
fn manifest_and_objects_answer_every_query_alike() {
    let server = Server::seeded();
    server.actor("writer").post(&objects(RW), &envelope(&[address(1, "198.51.100.1")])).must_be(202);
    let reader = server.actor("reader");
    let dates = server.dates_added(RW);
    for query in [
        String::new(),
        "match[type]=indicator".to_owned(),
        "match[type]=malware,ipv4-addr".to_owned(),
        format!("match[id]={},{}", id("indicator", 5), id("indicator", 2)),
        "match[version]=all".to_owned(),
        "match[version]=first,last".to_owned(),
        "match[version]=2024-01-01T00:00:02Z".to_owned(),
        "match[spec_version]=2.1".to_owned(),
        "match[spec_version]=2.0".to_owned(),
        format!("added_after={}&match[version]=all", dates[3]),
    ] {
        for way in WAYS {
            let seen = |path: &str| crawl(&reader, path, &query, way, &[3]);
            let (records, texts) = (seen(&manifest(RW)), seen(&objects(RW)));
            let dates = |pages: &[Answer]| pages.iter().map(Answer::dates).collect::<Vec<_>>();
            assert_eq!(dates(&records), dates(&texts), "{query}");
            let (records, texts) = (items(&records), items(&texts));
            assert_eq!(records.len(), texts.len(), "{query}");
            for (record, object) in records.iter().zip(&texts) {
                let version = object.get("modified").unwrap_or(&record["date_added"]);
                assert_eq!((&record["id"], &record["version"]), (&object["id"], version), "{query}");
            }
        }
    }
}

/// Rows: MAN-5, PAG-14.
#[test]
fn a_manifest_without_records_is_an_empty_object() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    assert_eq!(reader.get(&manifest(EMPTY)).must_be(200).text(), "{}");
    assert_eq!(reader.get(&format!("{}?match[type]=tool", manifest(RW))).must_be(200).text(), "{}");
}

/// Rows: FLT-35, FLT-36.
#[test]
fn what_has_no_modified_has_one_version_name_everywhere() {
    let server = Server::start().lenient();
    let writer = server.actor("writer");
    let statement = r#"{"type":"marking-definition","spec_version":"2.1","id":"marking-definition--252c7c11-daf2-42bd-843b-000000000001","created":"2020-01-01T00:00:00.5Z","definition_type":"statement","definition":{"statement":"s"}}"#;
    let unmodified = versioned("tool", 1, 1, "").replace(r#""modified":"2024-01-01T00:00:01.000Z","#, "");
    let status = writer.post(&objects(RW), &envelope(&[statement.to_owned(), unmodified, address(1, "198.51.100.1")]));
    let given = status.must_be(202).list("successes");
    let records = writer.get(&manifest(RW)).must_be(200);
    let stamps = records.dates_added();
    for (at, expected) in ["2020-01-01T00:00:00.5Z", "2024-01-01T00:00:00.000Z", &stamps[2]].into_iter().enumerate() {
        let (object, version) = &records.records()[at];
        assert_eq!(version, expected);
        assert_eq!((&given[at]["id"], &given[at]["version"]), (&json!(object), &json!(expected)));
        let listed = writer.get(&versions(RW, object)).must_be(200);
        assert_eq!(listed.list("versions"), [json!(expected)]);
        let hit = writer.get(&format!("{}?match[version]={expected}", objects(RW))).must_be(200);
        assert_eq!(hit.ids(), std::slice::from_ref(object));
    }
}
