//! What a collection says of the objects that it is sent, by its profile.

use crate::support::objects::{address, envelope, id, indicator, marked, versioned};
use crate::support::process::Installation;
use crate::support::server::{manifest, object, objects};
use crate::support::{RW, Server};
use entente::access::level::Level;
use entente::exchange::Rights;
use entente::stix::finding::Profile;
use serde_json::{Value, json};

const DRY_RUN: &str = "?x_entente_dry_run=true";

fn message(status: &Value, list: &str, at: usize) -> String {
    status[list][at]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_finding_is_told_with_its_place_its_rule_and_its_clause() {
    let server = Server::start();
    let writer = server.actor("writer");
    let broken = indicator(1, 1).replace("http://example.com']", "http://example.com'");
    let status = writer.post(&objects(RW), &envelope(&[indicator(2, 1), broken])).must_be(202).json();
    assert_eq!(status["successes"], json!([{"id": id("indicator", 2), "version": "2024-01-01T00:00:01.000Z"}]));
    let told = message(&status, "failures", 0);
    assert!(told.starts_with("/objects/1/pattern: column "), "{told}");
    assert!(told.ends_with("(pattern-syntax, STIX 2.1 §9)"), "{told}");
    assert_eq!(writer.get(&objects(RW)).must_be(200).ids(), [id("indicator", 2)]);
}

#[test]
fn only_the_first_findings_are_told_and_the_others_counted() {
    let server = Server::start();
    let many: Vec<String> = (0..40).map(|n| format!(r#""X{n}":1"#)).collect();
    let object = versioned("tool", 1, 1, &format!(",{}", many.join(",")));
    let status = server.actor("writer").post(&objects(RW), &envelope(&[object])).must_be(202).json();
    let told = message(&status, "failures", 0);
    assert_eq!(told.matches("custom-property-name").count(), 3, "{told}");
    assert!(told.ends_with("; and 37 more"), "{told}");
}

#[test]
fn the_profile_of_a_collection_decides_what_a_finding_does() {
    // One that the standard advises against, one that it forbids, one that a server cannot do with.
    let advised = indicator(1, 1).replace("2.1\"", "2.1\",\"indicator_types\":[\"unheard-of\"]");
    let forbidden = indicator(2, 1).replace(",\"pattern_type\":\"stix\"", "");
    let unusable = indicator(3, 1).replace("\"modified\":\"2024", "\"modified\":\"yesterday, 2024");
    for (profile, [warned, refused]) in
        [(Profile::Strict, [0, 3]), (Profile::Standard, [1, 2]), (Profile::Lenient, [2, 1])]
    {
        let server = Server::start().judging_by(profile);
        let writer = server.actor("writer");
        let texts = [indicator(9, 1), advised.clone(), forbidden.clone(), unusable.clone()];
        let status = writer.post(&objects(RW), &envelope(&texts)).must_be(202).json();
        let warnings: Vec<String> = (0..4).map(|at| message(&status, "successes", at)).collect();
        let warnings = warnings.iter().filter(|told| told.starts_with("warning: /objects/")).count();
        assert_eq!(
            (json!(warnings), &status["failure_count"]),
            (json!(warned), &json!(refused)),
            "{profile}: {status}"
        );
        let kept = writer.get(&objects(RW)).must_be(200).text();
        let expected: Vec<&str> =
            texts.iter().filter(|text| kept.contains(text.as_str())).map(String::as_str).collect();
        assert_eq!(kept, format!("{{\"objects\":[{}],\"more\":false}}", expected.join(",")), "not an octet is altered");
        assert_eq!(expected.len(), 4 - refused);
    }
}

/// Joint advisories come with null items, authors that are not sent, and markings that are not sent.
#[test]
fn an_advisory_as_agencies_publish_them_goes_in_unaltered_where_its_collection_allows() {
    let author = r#","created_by_ref":"identity--252c7c11-daf2-42bd-843b-be65edca9f61""#;
    let marking = format!(r#","object_marking_refs":["{}"]"#, crate::support::objects::tlp(Level::Clear));
    let location = versioned("location", 1, 1, &format!(r#"{author}{marking},"region":"eastern-asia""#));
    let refs = format!(r#","published":"2024-01-01T00:00:00Z","object_refs":["{}", null, null]"#, id("location", 1));
    let report = versioned("report", 1, 1, &format!("{author}{marking}{refs}"));
    let bundle = format!(r#"{{"type":"bundle","id":"bundle--1","objects":[{location},{report}]}}"#);

    let server = Server::start();
    let status = server.actor("writer").post(&objects(RW), &bundle).must_be(202).json();
    let told = message(&status, "failures", 0);
    assert!(told.starts_with("/objects/1/object_refs/1: should be a string, is null (wrong-type, "), "{told}");
    let dangling = message(&status, "successes", 0);
    assert!(dangling.contains("/objects/0/created_by_ref: refers to identity--252c7c11"), "{dangling}");
    assert!(!dangling.contains("marking"), "predefined markings need not be sent: {dangling}");

    let server = Server::start().lenient();
    let writer = server.actor("writer");
    let status = writer.post(&objects(RW), &bundle).must_be(202).json();
    assert_eq!((&status["success_count"], status.get("failures")), (&json!(2), None));
    assert!(message(&status, "successes", 1).starts_with("warning: /objects/1/object_refs/1: "));
    let page = writer.get(&object(RW, &id("report", 1))).must_be(200).text();
    assert_eq!(page, format!("{{\"objects\":[{report}],\"more\":false}}"));
}

#[test]
fn where_a_reference_leads_is_judged_by_what_its_sender_sees() {
    let server = Server::start().judging_by(Profile::Strict);
    let rights = Rights { read: Some(Level::Green), write: true, manage: false, relay: true };
    server.admin.grant("reader", RW, Some(rights)).unwrap();
    let (manager, reader) = (server.actor("manager"), server.actor("reader"));
    let identity = |n: usize, level: Level| {
        let marking = format!(r#","object_marking_refs":["{}"]"#, crate::support::objects::tlp(level));
        versioned("identity", n, 1, &format!(r#"{marking},"identity_class":"organization""#))
    };
    let texts = [identity(1, Level::Green), identity(2, Level::Red)];
    assert_eq!(manager.post(&objects(RW), &envelope(&texts)).must_be(202).json()["failure_count"], 0);
    let by = |n: usize, author: usize| {
        indicator(n, 1).replace(",\"name\"", &format!(r#","created_by_ref":"{}","name""#, id("identity", author)))
    };
    let status = reader.post(&objects(RW), &envelope(&[by(1, 1), by(2, 2), by(3, 3)])).must_be(202).json();
    assert_eq!((&status["success_count"], &status["failure_count"]), (&json!(1), &json!(2)), "{status}");
    let told = [0, 1].map(|at| message(&status, "failures", at));
    let words = |place: usize, author: usize| {
        let author = id("identity", author);
        format!(
            "/objects/{place}/created_by_ref: refers to {author}, which is neither sent along nor here where you can see it \
             (dangling-reference, STIX 2.1 §2.9)"
        )
    };
    assert_eq!(told, [words(1, 2), words(2, 3)], "hidden and absent are told alike");
    let along = reader.post(&objects(RW), &envelope(&[by(4, 4), identity(4, Level::Green)])).must_be(202).json();
    assert_eq!(along["failure_count"], 0, "{along}");
}

#[test]
fn a_version_that_contradicts_the_others_is_refused_with_the_rule() {
    let server = Server::start();
    let writer = server.actor("writer");
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    let moved = indicator(1, 2).replace("\"created\":\"2024", "\"created\":\"2023");
    let status = writer.post(&objects(RW), &envelope(&[moved])).must_be(202).json();
    let told = message(&status, "failures", 0);
    assert!(told.starts_with("/objects/0/created: ") && told.contains("(version-created, STIX 2.1 §3.6)"), "{told}");
    let revoked = indicator(1, 2).replace(",\"name\"", ",\"revoked\":true,\"name\"");
    assert_eq!(writer.post(&objects(RW), &envelope(&[revoked])).must_be(202).json()["failure_count"], 0);
    let late = writer.post(&objects(RW), &envelope(&[indicator(1, 3)])).must_be(202).json();
    assert!(message(&late, "failures", 0).contains("version-after-revocation"), "{late}");
}

#[test]
fn a_dry_run_is_answered_as_a_push_and_keeps_nothing() {
    let server = Server::start();
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
    let (before, records) = (server.metrics(), writer.get(&manifest(RW)).must_be(200).text());
    let bad = indicator(3, 1).replace("\"stix\"", "7");
    let texts = [indicator(1, 1), indicator(2, 1), bad, address(1, "198.51.100.1")];
    let status = writer.post(&(objects(RW) + DRY_RUN), &envelope(&texts)).must_be(202).json();
    assert_eq!((&status["status"], &status["x_entente_dry_run"]), (&json!("complete"), &json!(true)));
    assert_eq!((&status["success_count"], &status["failure_count"]), (&json!(3), &json!(1)));
    assert_eq!(message(&status, "successes", 0), "was there already");
    assert_eq!(message(&status, "successes", 1), "not stored: this was a dry run");
    assert!(message(&status, "successes", 2).starts_with("not stored: this was a dry run; warning: /objects/3/id: "));
    writer.get(&format!("/api1/status/{}/", status["id"].as_str().unwrap())).must_fail(404);
    assert_eq!(writer.get(&manifest(RW)).must_be(200).text(), records);
    let counted = |metrics: &str| -> Vec<String> {
        metrics.lines().filter(|line| line.contains("outcome=")).map(str::to_owned).collect()
    };
    assert!(!counted(&before).is_empty());
    assert_eq!(counted(&before), counted(&server.metrics()), "what was but tried is not counted as added");
    reader.post(&(objects(RW) + DRY_RUN), &envelope(&texts)).must_fail(403);
    for query in ["?x_entente_dry_run=perhaps", "?x_entente_dry_run=", "?x_entente_dry_run=true&x_entente_dry_run=true"]
    {
        let description = writer.post(&(objects(RW) + query), &envelope(&texts)).must_fail(400);
        assert!(description.contains("x_entente_dry_run"), "{description}");
    }
    writer.post(&(objects(RW) + "?x_entente_dry_run=false"), &envelope(&[indicator(2, 1)])).must_be(202);
    assert_eq!(writer.get(&objects(RW)).must_be(200).ids().len(), 2);
}

#[test]
fn an_operator_sets_a_profile_and_it_holds_at_once() {
    let installation = Installation::furnished();
    let process = installation.serve();
    let actor = installation.actor("org", process.address);
    let collections: Value = serde_json::from_str(&installation.run(&["list", "--json"])).unwrap();
    assert_eq!(collections["collections"][0]["profile"], "standard");
    let path = objects(collections["collections"][0]["id"].as_str().unwrap());
    let odd = |n: usize| indicator(n, 1).replace("2.1\"", "2.1\",\"x_own\":1");
    let failures = |n: usize| actor.post(&path, &envelope(&[odd(n)])).must_be(202).json()["failure_count"].clone();
    assert_eq!(failures(1), 0);
    assert!(installation.run(&["collection", "set", "all", "--profile", "strict"]).contains("judges by strict"));
    assert_eq!(failures(2), 1);
    installation.run(&["collection", "add", "api1", "--title", "Second", "--alias", "second", "--profile", "lenient"]);
    assert!(installation.run(&["list"]).contains("second  \"Second\"  judges by lenient"));
    assert_eq!(installation.try_run(&["collection", "set", "all", "--profile", "hard"]).status.code(), Some(2));
    assert!(
        installation.fail(&["collection", "set", "none", "--profile", "strict"]).contains("there is no collection")
    );
}

/// References in circles, and marked objects that refer to each other, are objects like others.
#[test]
fn objects_that_refer_to_each_other_go_in_together() {
    let server = Server::start().judging_by(Profile::Strict);
    let writer = server.actor("writer");
    let note = |n: usize, of: usize| {
        versioned("note", n, 1, &format!(r#","content":"Invented","object_refs":["{}"]"#, id("note", of)))
            .replace(&format!(r#","name":"Invented {n}""#), "")
    };
    let texts = [note(1, 2), note(2, 1), note(3, 3), marked(1, 1, Level::Green)];
    let status = writer.post(&objects(RW), &envelope(&texts)).must_be(202).json();
    assert_eq!(status["failure_count"], 0, "{status}");
}
