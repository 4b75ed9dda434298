//! `Accept`, `Content-Type`, and the headers of every answer.

use crate::support::actor::{Actor, TAXII};
use crate::support::endpoints;
use crate::support::objects::{envelope, id, indicator};
use crate::support::server::{Setup, manifest, objects};
use crate::support::{Answer, RW, Server};
use entente::config::Settings;

/// Rows: NEG-1, NEG-9, NEG-13, NEG-15, TLS-11, EP-4, COMPAT-2.
#[test]
fn every_endpoint_takes_the_media_type_of_the_standard_and_answers_with_it_to_the_octet() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let status = writer.post(&objects(RW), &envelope(&[indicator(8, 1)])).json()["id"].as_str().unwrap().to_owned();
    for endpoint in endpoints::all(RW, &id("indicator", 1), &status) {
        let answer = endpoint.ask(&writer).must_be(endpoint.good());
        assert_eq!(answer.header("content-type"), Some("application/taxii+json;version=2.1"));
        let preference = if endpoint.may_wait() { ", Prefer" } else { "" };
        let vary = format!("Accept, Accept-Encoding, Authorization{preference}");
        assert_eq!(answer.header("vary"), Some(&*vary), "{endpoint:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let date = answer.header("date").unwrap();
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    }
}

/// `GET` of the manifest with these `Accept` lines.
fn accept(actor: &Actor, lines: &[&str]) -> Answer {
    let headers: Vec<_> = lines.iter().map(|line| ("Accept", *line)).collect();
    actor.get_with(&manifest(RW), &headers)
}

/// Rows: NEG-2, NEG-3, NEG-5, NEG-7, NEG-8, COMPAT-8.
#[test]
fn whoever_names_taxii_2_1_or_does_not_mind_is_served() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for lines in [
        &[][..],
        &[""],
        &["*/*"],
        &["application/*"],
        &["application/taxii+json"],
        &["application/taxii+json; version=2.1"],
        &["application/taxii+json;version=\"2.1\""],
        &["application/taxii+json;version=2.1;q=0.9"],
        &["application/taxii+json;version=2.1;charset=utf-8"],
        &["text/html;q=0.5, Application/TAXII+JSON ; Version=\"2.1\";q=0.9"],
        &["application/json, text/plain, */*"],
        &["application/taxii+json;version=3.0, application/taxii+json;version=2.1"],
        &["application/taxii+json;q=0, application/taxii+json;version=2.1"],
        &["application/taxii+json;version=2.1,application/stix+json;version=2.1"],
        &["application/stix+json;version=2.1"],
        &["text/html", "application/taxii+json;version=2.0", "application/taxii+json;version=2.1"],
        &["text/html", "*/*;q=0.1"],
    ] {
        let answer = accept(&reader, lines).must_be(200);
        assert_eq!(answer.header("content-type"), Some(TAXII), "{lines:?}");
        assert_eq!(answer.ids().len(), 7, "{lines:?}");
    }
}

/// Rows: NEG-4, NEG-6.
#[test]
fn whoever_takes_only_other_things_is_told_what_there_is() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for lines in [
        &["application/taxii+json;version=2.0"][..],
        &["application/vnd.oasis.taxii+json;version=2.0"],
        &["application/vnd.oasis.taxii+json"],
        &["application/xml"],
        &["text/*"],
        &["application/taxii+json;q=0"],
        &["application/taxii+json;q=0.000, */*"],
        &["*/*;q=0"],
        &["text/html", "application/xml"],
        &["garbage"],
    ] {
        let told = accept(&reader, lines).must_fail(406);
        assert!(told.contains(TAXII), "{lines:?}: {told}");
    }
}

/// `POST` of an envelope with this `Content-Type`.
fn post(actor: &Actor, content_type: &[(&str, &str)], body: &str) -> u16 {
    let headers = [&[("Accept", TAXII)], content_type].concat();
    actor.send("POST", &objects(RW), &headers, Some(body.as_bytes())).status
}

fn bundle() -> String {
    format!(r#"{{"type":"bundle","id":"{}","objects":[{}]}}"#, id("bundle", 1), indicator(1, 1))
}

/// Rows: NEG-10, NEG-11.
#[test]
fn a_body_is_taken_by_the_type_it_says_it_has() {
    let server = Server::start();
    let writer = server.actor("writer");
    for (content_type, expected) in [
        ("application/taxii+json;version=2.1", 202),
        ("application/taxii+json; version=2.1", 202),
        ("Application/TAXII+json ; Version=\"2.1\" ; charset=utf-8", 202),
        ("application/taxii+json", 202),
        ("application/stix+json;version=2.1", 202),
        ("application/stix+json; version=2.1", 202),
        ("application/vnd.oasis.stix+json", 202),
        ("application/json", 202),
        ("application/taxii+json;version=2.0", 415),
        ("application/vnd.oasis.taxii+json;version=2.0", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
    ] {
        assert_eq!(
            post(&writer, &[("Content-Type", content_type)], &envelope(&[indicator(1, 1)])),
            expected,
            "{content_type}"
        );
    }
    assert_eq!(post(&writer, &[], &envelope(&[indicator(1, 1)])), 415);
    assert_eq!(
        post(&writer, &[("Content-Type", TAXII), ("Content-Type", "text/plain")], &envelope(&[indicator(1, 1)])),
        415
    );
    assert_eq!(post(&writer, &[("Content-Type", "application/stix+json;version=2.1")], &bundle()), 202);
}

#[test]
fn what_real_pushers_send_can_be_refused_by_a_setting() {
    let mut settings = Settings::default();
    settings.taxii.accept_bundles = false;
    let server = Server::with(Setup { settings, in_memory: true, ..Setup::default() });
    let writer = server.actor("writer");
    for content_type in ["application/json", "application/stix+json;version=2.1", "application/vnd.oasis.stix+json"] {
        assert_eq!(
            post(&writer, &[("Content-Type", content_type)], &envelope(&[indicator(1, 1)])),
            415,
            "{content_type}"
        );
    }
    assert_eq!(post(&writer, &[("Content-Type", TAXII)], &bundle()), 422);
    assert_eq!(post(&writer, &[("Content-Type", TAXII)], &envelope(&[indicator(1, 1)])), 202);
}

/// Rows: NEG-12.
#[test]
fn a_media_type_on_a_request_without_a_body_is_no_matter() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for content_type in [TAXII, "application/taxii+json;version=2.1;charset=utf-8", "text/plain", "?"] {
        reader.get_with(&objects(RW), &[("Accept", TAXII), ("Content-Type", content_type)]).must_be(200);
    }
}

/// Rows: NEG-14.
#[test]
fn an_encoded_body_is_refused_before_it_is_read() {
    let server = Server::start();
    let writer = server.actor("writer");
    let body = envelope(&[indicator(1, 1)]);
    for (coding, expected) in [("gzip", 415), ("identity, gzip", 415), ("zstd", 415), ("identity", 202)] {
        assert_eq!(
            post(&writer, &[("Content-Type", TAXII), ("Content-Encoding", coding)], &body),
            expected,
            "{coding}"
        );
    }
}
