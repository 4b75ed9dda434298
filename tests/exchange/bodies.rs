//! Request bodies: which are taken as a whole, and which are not.

use crate::support::actor::{TAXII, read_answer, request};
use crate::support::objects::{envelope, id, indicator};
use crate::support::server::{NO, Setup, objects};
use crate::support::trail::{Trail, until};
use crate::support::{MISSING, RO, RW, Server};
use serde_json::json;
use std::io::{Read as _, Write as _};

/// Rows: ADD-6, ADD-7, STAT-3.
#[test]
fn a_body_that_is_no_envelope_is_told_from_one_that_is_not_json() {
    let server = Server::start();
    let writer = server.actor("writer");
    for (body, status, begins) in [
        ("", 400, "the body is not JSON: "),
        ("{{", 400, "the body is not JSON: "),
        ("[1,", 400, "the body is not JSON: "),
        (r#"{"objects":[NaN]}"#, 400, "the body is not JSON: "),
        (r#"{"objects":[{}]} x"#, 400, "the body is not JSON: "),
        ("[]", 422, "the body is no TAXII envelope: "),
        ("1", 422, "the body is no TAXII envelope: "),
        (r#"{"objects":{}}"#, 422, "the body is no TAXII envelope: "),
        (
            r#"{"objects":[{}],"objects":[{}]}"#,
            422,
            "the body is no TAXII envelope: the member name \"objects\" occurs twice",
        ),
        ("{}", 422, "the body is no TAXII envelope: it has no \"objects\""),
        (r#"{"objects":[]}"#, 422, "the body is no TAXII envelope: its \"objects\" are empty: there is nothing to add"),
        (&indicator(1, 1), 422, "the body is no TAXII envelope: a STIX object is sent inside {\"objects\":[…]}"),
        (r#"{"type":"bundle"}"#, 422, "the body is no TAXII envelope: it has no \"objects\""),
    ] {
        let description = writer.post(&objects(RW), body).must_fail(status);
        assert!(description.starts_with(begins), "{body}: {description}");
    }
    let headers = [("Accept", TAXII), ("Content-Type", TAXII)];
    let not_utf8 = writer.send("POST", &objects(RW), &headers, Some(b"{\"objects\":[\"\xff\"]}"));
    assert_eq!(not_utf8.must_fail(400), "the body is not UTF-8: octet 13 begins no character");
    assert_eq!(writer.get(&objects(RW)).must_be(200).text(), "{}");
}

/// Rows: ADD-15.
#[test]
fn a_body_deep_in_nonsense_or_with_too_many_objects_is_refused() {
    let mut setup = Setup::default();
    setup.settings.taxii.max_objects = 3;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    let texts: Vec<String> = (1..=4).map(|n| indicator(n, 1)).collect();
    let description = writer.post(&objects(RW), &envelope(&texts)).must_fail(422);
    assert_eq!(description, "the body is no TAXII envelope: it has more than 3 objects at line 1 column 1200");
    let deep = format!(r#"{{"objects":[1],"x_deep":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    writer.post(&objects(RW), &deep).must_fail(422);
    assert_eq!(writer.get(&objects(RW)).must_be(200).text(), "{}");
    writer.post(&objects(RW), &envelope(&texts[..3])).must_be(202);
}

/// Rows: CUST-2, CUST-3.
#[test]
fn members_that_mean_nothing_in_an_envelope_are_passed_over() {
    let server = Server::start();
    let writer = server.actor("writer");
    let text = indicator(1, 1);
    for more in [r#""x_acme_note":{"a":[1]}"#, r#""more":true,"next":"AAAA""#, r#""more":"odd""#, r#""id":7"#] {
        let status = writer.post(&objects(RW), &format!(r#"{{{more},"objects":[{text}]}}"#)).must_be(202).json();
        assert_eq!((&status["total_count"], &status["success_count"]), (&json!(1), &json!(1)), "{more}");
    }
    assert_eq!(writer.get(&objects(RW)).must_be(200).ids(), [id("indicator", 1)]);
}

/// Rows: ENV-4.
#[test]
fn a_bundle_is_taken_unless_the_operator_insists_on_envelopes() {
    for accept_bundles in [true, false] {
        let mut setup = Setup::default();
        setup.settings.taxii.accept_bundles = accept_bundles;
        let server = Server::with(setup);
        let writer = server.actor("writer");
        let bundle = format!(r#"{{"type":"bundle","id":"{}","objects":[{}]}}"#, id("bundle", 1), indicator(1, 1));
        let answer = writer.post(&objects(RW), &bundle);
        if accept_bundles {
            assert_eq!(answer.must_be(202).json()["success_count"], 1);
        } else {
            let description = answer.must_fail(422);
            assert_eq!(description, "the body is no TAXII envelope: it is a STIX bundle: send {\"objects\":[…]}");
        }
        let expected = if accept_bundles { vec![id("indicator", 1)] } else { vec![] };
        assert_eq!(writer.get(&objects(RW)).must_be(200).ids(), expected);
    }
}

/// Rows: ADD-5, ROOT-4.
/// Quirks: C12.
#[test]
fn what_the_root_advertises_is_the_largest_body_to_the_octet() {
    let mut setup = Setup::default();
    setup.settings.taxii.max_content_length = 1000;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    assert_eq!(writer.get("/api1/").must_be(200).json()["max_content_length"], 1000);
    let body = |octets: usize| format!("{:octets$}", envelope(&[indicator(1, 1)]));
    let too_large = "the body exceeds max_content_length, which is 1000 octets here: send less at once";
    let head = request("POST", &objects(RW), &[("Content-Type", TAXII), ("Transfer-Encoding", "chunked")], None);
    for (octets, status) in [(999, 202), (1000, 202), (1001, 413), (5000, 413)] {
        let whole = writer.post(&objects(RW), &body(octets)).must_be(status);
        let chunks =
            format!("1f4\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &body(octets)[..500], octets - 500, &body(octets)[500..]);
        let chunked = writer.raw(&[&head[..], chunks.as_bytes()].concat()).must_be(status);
        for answer in [whole, chunked].into_iter().filter(|_| status == 413) {
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(answer.must_fail(413), too_large);
        }
    }
    assert_eq!(server.dates_added(RW).len(), 1);
}

/// Rows: ADD-5.
#[test]
fn after_a_body_that_was_taken_the_connection_goes_on() {
    let mut setup = Setup::default();
    setup.settings.taxii.max_content_length = 1000;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    let mut connection = writer.connect().unwrap();
    let post = |body: &str| request("POST", &objects(RW), &[("Content-Type", TAXII)], Some(body.as_bytes()));
    for n in 1..=3 {
        connection.write_all(&post(&envelope(&[indicator(n, 1)]))).unwrap();
        read_answer(&mut connection, false).unwrap().must_be(202);
    }
    connection.write_all(&post(&" ".repeat(1001))).unwrap();
    read_answer(&mut connection, false).unwrap().must_fail(413);
    assert_eq!(connection.read(&mut [0]).unwrap(), 0, "and after one that was not, it ends");
    assert_eq!(writer.get(&objects(RW)).must_be(200).ids().len(), 3);
}

/// Rows: ADD-12, AUTH-8.
/// Quirks: C10.
#[test]
fn a_push_has_the_statuses_of_the_table() {
    let mut setup = Setup::default();
    setup.settings.taxii.max_content_length = 1000;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    let good = envelope(&[indicator(1, 1)]);
    let large = " ".repeat(1001);
    let send = |collection: &str, accept: &str, content: &str, body: &str| {
        writer.send(
            "POST",
            &objects(collection),
            &[("Accept", accept), ("Content-Type", content)],
            Some(body.as_bytes()),
        )
    };
    for (collection, accept, content, body, status) in [
        (RW, TAXII, TAXII, "{", 400),
        (RO, TAXII, TAXII, good.as_str(), 403),
        (NO, TAXII, TAXII, &good, 403),
        (MISSING, TAXII, TAXII, &good, 404),
        (RW, "text/html", TAXII, &good, 406),
        (RW, TAXII, TAXII, &large, 413),
        (RW, TAXII, "text/plain", &good, 415),
        (RW, TAXII, TAXII, "{}", 422),
    ] {
        send(collection, accept, content, body).must_fail(status);
    }
    server.stranger().post(&objects(RW), &good).must_fail(401);
    assert_eq!(server.dates_added(RW), Vec::<String>::new());
    send(RW, TAXII, TAXII, &good).must_be(202);
}

#[test]
fn bodies_beyond_the_memory_set_aside_for_them_are_told_to_come_back() {
    let mut setup = Setup::default();
    setup.settings.limits.body_octets = 1000;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    let texts: Vec<String> = (1..=9).map(|n| indicator(n, 1)).collect();
    let refused = writer.post(&objects(RW), &envelope(&texts)).must_be(503);
    assert_eq!(refused.header("retry-after"), Some("10"));
    let trail = Trail::of(&server);
    until("the trail says so", || !trail.all("refusal").is_empty());
    let entry = trail.last("refusal");
    assert_eq!(
        (&entry["organisation"], &entry["reason"], &entry["http_status"]),
        (&"writer".into(), &"body_octets".into(), &503.into())
    );
    writer.post(&objects(RW), &envelope(&texts[..2])).must_be(202);
    writer.post(&objects(RW), &envelope(&texts[2..4])).must_be(202);
}
