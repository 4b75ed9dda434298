//! `POST /{root}/collections/{id}/objects/`: what is accepted, and what becomes of each object.

use crate::support::objects::{address, envelope, id, indicator, marked, versioned};
use crate::support::server::{BOTH, manifest, object, objects, versions};
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::exchange::Rights;
use serde_json::{Value, json};

fn details(object: &str, version: &str) -> Value {
    json!({"id": object, "version": version})
}

fn told(object: &str, version: &str, message: &str) -> Value {
    json!({"id": object, "version": version, "message": message})
}

const V1: &str = "2024-01-01T00:00:01.000Z";

/// Rows: ADD-1, ADD-10.
/// Quirks: C7.
#[test]
fn a_push_is_answered_with_its_complete_status_which_is_kept() {
    let server = Server::start();
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    let status = writer.post(&objects(RW), &envelope(&[indicator(1, 1), indicator(2, 1)])).must_be(202);
    let expected = json!({
        "id": status.json()["id"],
        "status": "complete",
        "request_timestamp": status.json()["request_timestamp"],
        "total_count": 2,
        "success_count": 2,
        "successes": [details(&id("indicator", 1), V1), details(&id("indicator", 2), V1)],
        "failure_count": 0,
        "pending_count": 0,
    });
    assert_eq!(status.json(), expected);
    let path = format!("/api1/status/{}/", expected["id"].as_str().unwrap());
    assert_eq!(writer.get(&path).must_be(200).body, status.body);
    reader.get(&path).must_fail(404);
    assert_eq!(reader.get(&objects(RW)).must_be(200).ids(), [id("indicator", 1), id("indicator", 2)]);
}

/// Rows: ADD-2, ADD-16.
/// Quirks: C1.
#[test]
fn a_duplicate_is_a_success_and_changes_nothing() {
    let server = Server::start();
    let (writer, manager) = (server.actor("writer"), server.actor("manager"));
    let text = indicator(1, 1);
    let mut reordered: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    reordered.insert("modified".to_owned(), "2024-01-01T00:00:01.000Z".into());
    let reordered = serde_json::to_string_pretty(&reordered).unwrap();
    let twice = writer.post(&objects(RW), &envelope(&[text.clone(), reordered.clone()])).must_be(202).json();
    let first = details(&id("indicator", 1), V1);
    assert_eq!(twice["successes"], json!([first, told(&id("indicator", 1), V1, "occurs twice in this request")]));
    assert_eq!((&twice["total_count"], &twice["success_count"]), (&json!(2), &json!(2)));
    let before = writer.get(&manifest(RW)).must_be(200);
    for (actor, text) in [(&writer, &text), (&writer, &reordered), (&manager, &text)] {
        let again = actor.post(&objects(RW), &envelope(std::slice::from_ref(text))).must_be(202).json();
        assert_eq!(again["successes"], json!([told(&id("indicator", 1), V1, "was there already")]));
        assert_eq!(again["failure_count"], 0);
    }
    assert_eq!(writer.get(&manifest(RW)).must_be(200).body, before.body);
    let page = writer.get(&objects(RW)).must_be(200).text();
    assert_eq!(page, format!("{{\"objects\":[{text}],\"more\":false}}"), "the first text stays");
}

/// Rows: ADD-2.
/// Quirks: C1.
#[test]
fn of_many_equal_pushes_at_a_time_all_succeed_and_one_adds() {
    let server = Server::start();
    let writer = server.actor("writer");
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let status = writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202).json();
                    assert_eq!(status["success_count"], 1);
                }
            });
        }
    });
    assert_eq!(server.dates_added(RW).len(), 1);
}

/// Rows: ADD-3.
/// Quirks: C1.
#[test]
fn other_content_of_a_version_fails_and_the_stored_copy_stays() {
    let server = Server::start();
    let writer = server.actor("writer");
    let other = indicator(1, 1).replace("Invented", "Changed");
    let stays = "other content of this id and version is stored already, and stays (version-content, STIX 2.1 §3.6)";
    let both = writer.post(&objects(RW), &envelope(&[indicator(1, 1), other.clone()])).must_be(202).json();
    assert_eq!(both["failures"], json!([told(&id("indicator", 1), V1, &format!("/objects/1/id: {stays}"))]));
    let later = writer.post(&objects(RW), &envelope(&[other])).must_be(202).json();
    assert_eq!(later["failures"], json!([told(&id("indicator", 1), V1, &format!("/objects/0/id: {stays}"))]));
    let page = writer.get(&objects(RW)).must_be(200).text();
    assert_eq!(page, format!("{{\"objects\":[{}],\"more\":false}}", indicator(1, 1)));
}

/// Rows: ADD-4.
#[test]
fn an_observable_is_judged_by_what_its_submitter_sees() {
    let server = Server::start().lenient();
    let (writer, reader, manager) = (server.actor("writer"), server.actor("reader"), server.actor("manager"));
    let text = |n: usize, value: &str| {
        address(n, value)
            .replace('}', &format!(r#","object_marking_refs":["{}"]}}"#, crate::support::objects::tlp(Level::Red)))
    };
    let hidden = text(1, "198.51.100.1");
    let own = address(1, "198.51.100.2");
    manager.post(&objects(RW), &envelope(std::slice::from_ref(&hidden))).must_be(202);
    for message in ["warning: /objects/0/id: by the rule", "was there already"] {
        let status = writer.post(&objects(RW), &envelope(std::slice::from_ref(&own))).must_be(202).json();
        let told = status["successes"][0]["message"].as_str().unwrap();
        assert!(told.starts_with(message), "{told}");
    }
    let status = writer.post(&objects(RW), &envelope(&[address(1, "198.51.100.3")])).must_be(202).json();
    assert_eq!(
        status["failures"][0]["message"],
        "/objects/0/id: other content of this id is stored already, and stays (version-content, STIX 2.1 §3.6)"
    );
    let page = |texts: &[&str]| format!("{{\"objects\":[{}],\"more\":false}}", texts.join(","));
    assert_eq!(reader.get(&objects(RW)).must_be(200).text(), page(&[&own]));
    assert_eq!(manager.get(&objects(RW)).must_be(200).text(), page(&[&hidden]), "the first one is the last version");
    let all = manager.get(&format!("{}?match[version]=all", objects(RW))).must_be(200);
    assert_eq!(all.text(), page(&[&hidden, &own]));
}

/// Rows: ADD-8.
/// Quirks: C2.
#[test]
fn a_bad_object_fails_alone_and_is_named() {
    let server = Server::start();
    let writer = server.actor("writer");
    let mut texts: Vec<String> = (0..1000).map(|n| indicator(n, 1)).collect();
    texts[357] = texts[357].replace("2024-01-01T00:00:01.000Z", "yesterday");
    let status = writer.post(&objects(RW), &envelope(&texts)).must_be(202).json();
    let counts = ["total_count", "success_count", "failure_count", "pending_count"].map(|name| status[name].as_u64());
    assert_eq!(counts, [Some(1000), Some(999), Some(1), Some(0)]);
    let reason = "/objects/357/modified: \"yesterday\" is not a timestamp such as 2025-02-26T00:00:00.000Z \
                  (usable, STIX 2.1 §3.2)";
    assert_eq!(status["failures"], json!([told(&id("indicator", 357), "yesterday", reason)]));
    assert_eq!(server.dates_added(RW).len(), 999);
}

/// Rows: ADD-8, ADD-14, ADD-15, ENV-3.
#[test]
fn every_reason_to_refuse_an_object_is_told_with_its_place() {
    let server = Server::start();
    let writer = server.actor("writer");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        ("1".to_owned(), "/objects/0: a STIX object is a JSON object, this is a number"),
        ("[]".to_owned(), "/objects/0: a STIX object is a JSON object, this is a list"),
        (envelope(&[indicator(1, 1)]), "/objects/0/id: is missing"),
        (
            r#"{"type":"bundle","id":"bundle--252c7c11-daf2-42bd-843b-be65edca9f61","objects":[]}"#.to_owned(),
            "/objects/0/type: a bundle is not a STIX object: send its objects",
        ),
        (r#"{"type":"tool","id":"tool--1"}"#.to_owned(), "/objects/0/id: \"tool--1\" is not of the form type--UUID"),
        (
            indicator(1, 1).replace(r#""type":"indicator""#, r#""type":"tool""#),
            "/objects/0/type: \"tool\" does not agree with the id indicator--252c7c11-daf2-42bd-843b-000000000001",
        ),
        (
            indicator(1, 1).replace(r#""spec_version":"2.1""#, r#""spec_version":"2.2""#),
            "/objects/0/spec_version: \"2.2\" is neither 2.0 nor 2.1",
        ),
        (
            indicator(1, 1).replace(r#""spec_version":"2.1","#, ""),
            "/objects/0/spec_version: is missing, so this is a STIX 2.0 object, and only STIX 2.1 is taken here",
        ),
        (
            versioned("tool", 1, 1, r#","object_marking_refs":["x"]"#),
            "/objects/0/object_marking_refs/0: is not the id of a marking: \"\\\"x\\\"\"",
        ),
        (versioned("tool", 1, 1, r#","x_a":{"b":1,"b":1}"#), "/objects/0/x_a/b: the member name \"b\" occurs twice"),
        (versioned("tool", 1, 1, r#","x_a":"\u0000""#), "/objects/0/x_a: the character U+0000 is not allowed"),
        (
            versioned("tool", 1, 1, &format!(r#","x_a":{deep}"#)),
            &format!("/objects/0/x_a{}: nested more than 64 deep", "/0".repeat(63)),
        ),
    ];
    for (text, reason) in &cases {
        let status = writer.post(&objects(RW), &envelope(&[text.clone(), indicator(9, 1)])).must_be(202).json();
        let message = status["failures"][0]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{reason} (")), "{message}");
        assert_eq!((&status["total_count"], &status["success_count"]), (&json!(2), &json!(1)), "{reason}");
        let alone = writer.post(&objects(RW), &envelope(std::slice::from_ref(text))).must_be(202).json();
        assert_eq!((&alone["status"], &alone["failure_count"]), (&json!("complete"), &json!(1)), "{reason}");
        for name in ["id", "version"] {
            assert!(alone["failures"][0][name].as_str().is_some_and(|text| !text.is_empty()), "{alone}");
        }
    }
    assert_eq!(writer.get(&objects(RW)).must_be(200).ids(), [id("indicator", 9)]);
}

/// Rows: ADD-13.
#[test]
fn only_the_owner_of_an_id_adds_versions_of_it() {
    let server = Server::start();
    let (writer, reader, manager) = (server.actor("writer"), server.actor("reader"), server.actor("manager"));
    server
        .admin
        .grant("reader", RW, Some(Rights { read: Some(Level::Green), write: true, manage: false, relay: true }))
        .unwrap();
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    manager.post(&objects(RW), &envelope(&[marked(2, 1, Level::Red)])).must_be(202);
    // The one that it sees and the one that it does not are refused in the same words.
    let status = reader.post(&objects(RW), &envelope(&[indicator(1, 2), indicator(2, 2)])).must_be(202).json();
    let refused = "id: this id belongs to another organisation: only its owner adds versions of it";
    let version = "2024-01-01T00:00:02.000Z";
    let failures = [1, 2].map(|n| told(&id("indicator", n), version, &format!("/objects/{}/{refused}", n - 1)));
    assert_eq!(status["failures"], json!(failures));
    assert_eq!(reader.get(&objects(RW)).must_be(200).ids(), [id("indicator", 1)]);
    for (actor, version) in [(&writer, 2), (&manager, 3)] {
        assert_eq!(
            actor.post(&objects(RW), &envelope(&[indicator(1, version)])).must_be(202).json()["success_count"],
            1
        );
    }
    let listed = reader.get(&versions(RW, &id("indicator", 1))).must_be(200).list("versions");
    assert_eq!(listed.len(), 3);
}

const ACS: &str = r#""identifier":"isa:guide.19001.ACS3-252c7c11-daf2-42bd-843b-be65edca9f61","create_date_time":"2024-01-01T00:00:00Z","responsible_entity_custodian":"USA.INVENTED","policy_reference":"urn:isa:policy:acs:ns:v3.0?privdefault=permit&sharedefault=permit","control_set":{"classification":"U"}"#;

/// Rows: FLT-36.
/// Quirks: T5, C3.
#[test]
fn objects_of_every_kind_are_added() {
    let server = Server::start();
    let writer = server.actor("writer");
    let marking = |n: usize, more: &str| {
        versioned("marking-definition", n, 1, more).replace(r#""modified":"2024-01-01T00:00:01.000Z","#, "")
    };
    let extended = |n: usize, extension: &str, content: &str| {
        marking(
            n,
            &format!(
                r#","extensions":{{"extension-definition--{extension}":{{"extension_type":"property-extension",{content}}}}}"#
            ),
        )
    };
    let predefined = |id: &str, created: &str, more: &str| {
        format!(r#"{{"type":"marking-definition","spec_version":"2.1","id":"{id}","created":"{created}",{more}}}"#)
    };
    let unnamed =
        |object_type: &str, more: &str| versioned(object_type, 1, 1, more).replace(r#""name":"Invented 1","#, "");
    let tlp_2 = "60a3c5c5-0d10-413e-aab3-9e08dde9e88d";
    let texts = [
        predefined(
            "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da",
            "2017-01-20T00:00:00.000Z",
            r#""definition_type":"tlp","name":"TLP:GREEN","definition":{"tlp":"green"}"#,
        ),
        predefined(
            "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
            "2022-10-01T00:00:00.000Z",
            &format!(
                r#""name":"TLP:GREEN","extensions":{{"extension-definition--{tlp_2}":{{"extension_type":"property-extension","tlp_2_0":"green"}}}}"#
            ),
        ),
        marking(1, r#","definition_type":"statement","definition":{"statement":"Copyright"}"#),
        extended(2, "3a65884d-005a-4290-8335-cb2d778a83ce", ACS),
        extended(3, "252c7c11-daf2-42bd-843b-be65edca9f61", r#""x_one":1"#),
        unnamed(
            "language-content",
            r#","object_ref":"indicator--252c7c11-daf2-42bd-843b-000000000001","contents":{"ko":{"name":"발명"}}"#,
        ),
        versioned(
            "extension-definition",
            1,
            1,
            r#","created_by_ref":"identity--252c7c11-daf2-42bd-843b-000000000001","schema":"https://example.com/schema.json","version":"1.0.0","extension_types":["property-extension"]"#,
        ),
        unnamed("sighting", r#","sighting_of_ref":"indicator--252c7c11-daf2-42bd-843b-000000000001""#),
        address(1, "198.51.100.1").replace(r#""spec_version":"2.1","#, ""),
        address(2, "198.51.100.2"),
        r#"{"type":"file","id":"file--252c7c11-daf2-42bd-843b-000000000001","name":"a"}"#.to_owned(),
    ];
    let status = writer.post(&objects(RW), &envelope(&texts)).must_be(202).json();
    assert_eq!((&status["success_count"], status.get("failures")), (&json!(texts.len()), None));
    for text in texts {
        let object_id = serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().unwrap().to_owned();
        assert_eq!(
            writer.get(&object(RW, &object_id)).must_be(200).text(),
            format!("{{\"objects\":[{text}],\"more\":false}}")
        );
    }
}

/// Rows: ADD-14, FLT-27.
#[test]
fn a_collection_takes_the_specifications_that_it_lists() {
    let server = Server::start();
    let writer = server.actor("writer");
    let old = indicator(1, 1).replace(r#""spec_version":"2.1","#, "");
    for (collection, successes) in [(RW, 0), (BOTH, 1)] {
        let status = writer.post(&objects(collection), &envelope(std::slice::from_ref(&old))).must_be(202).json();
        assert_eq!(status["success_count"], successes);
        assert_eq!(writer.get(&objects(collection)).must_be(200).ids().len(), successes);
    }
}
