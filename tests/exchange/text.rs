//! JSON and UTF-8, in both directions.

use crate::support::objects::{envelope, id, versioned};
use crate::support::server::{object, objects};
use crate::support::{RW, Server};
use serde_json::json;

/// Rows: TLS-12.
#[test]
fn text_of_any_script_comes_back_as_it_was_sent() {
    let server = Server::start();
    let writer = server.actor("writer");
    let sent =
        versioned("malware", 1, 1, r#","x_a":"무탭é😀\u00e9\uD83D\uDE00\u2028","x_b":9007199254740991,"x_c":1.0e2"#);
    writer.post(&objects(RW), &envelope(std::slice::from_ref(&sent))).must_be(202);
    let got = writer.get(&object(RW, &id("malware", 1))).must_be(200);
    assert!(got.text().contains(&sent), "{}", got.text());
    assert_eq!(got.json()["objects"][0]["x_a"], "무탭é😀é😀\u{2028}");
    assert!(got.text().starts_with('{'), "no byte order mark");
}

/// Rows: TLS-13.
#[test]
fn text_that_two_readers_could_understand_differently_is_refused() {
    let server = Server::start();
    let writer = server.actor("writer");
    let good = versioned("malware", 1, 1, "");
    for (member, expected) in [
        (r#","name":"Another""#, "name"),
        (r#","id":"malware--252c7c11-daf2-42bd-843b-000000000002""#, "id"),
        (r#","x_a":{"b":1,"b":2}"#, "x_a"),
        (r#","x_a":"\ud800""#, "x_a"),
        (r#","x_a":"\u0000""#, "x_a"),
    ] {
        let status = writer.post(&objects(RW), &envelope(&[versioned("malware", 1, 1, member)])).must_be(202).json();
        assert_eq!(status["failure_count"], 1, "{member}");
        let message = status["failures"][0]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{member}: {message}");
    }
    let octets = [good.as_bytes(), b"\xff"].concat();
    let told =
        writer.send("POST", &objects(RW), &[("Content-Type", "application/taxii+json")], Some(&octets)).must_fail(400);
    assert!(told.contains("UTF-8"), "{told}");
    assert_eq!(writer.get(&objects(RW)).json(), json!({}));
}
