//! Heads of requests: what is too large, what asks before it sends a body, what is no HTTP/1.1;
//! and what of a head changes nothing.

use crate::support::actor::{Actor, TAXII, ask, read_answer};
use crate::support::endpoints;
use crate::support::objects::{envelope, id, indicator};
use crate::support::server::{Setup, Terms, collection, manifest, object, objects, versions};
use crate::support::{Answer, MISSING, RO, RW, Server};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

/// A `GET` with these header lines beyond `Host`.
fn with_lines(lines: &[String]) -> Vec<u8> {
    format!("GET /taxii2/ HTTP/1.1\r\nHost: localhost\r\n{}\r\n", lines.concat()).into_bytes()
}

/// The one answer to these octets, after which the connection ends.
fn last_answer(actor: &Actor, octets: &[u8]) -> Answer {
    let mut connection = actor.connect().unwrap();
    // It may be answered before all is sent.
    let _ = connection.write_all(octets);
    let answer = read_answer(&mut connection, false).unwrap();
    assert!(matches!(connection.read(&mut [0]), Ok(0) | Err(_)), "the connection goes on");
    answer
}

#[test]
fn a_head_has_32_kib_and_96_fields() {
    let server = Server::start();
    let reader = server.actor("reader");
    let line = |n: usize, octets: usize| format!("X-Field-{n:02}: {}\r\n", "v".repeat(octets));
    let many = |n: usize| with_lines(&(0..n).map(|n| line(n, 1)).collect::<Vec<_>>());
    reader.raw(&many(95)).must_be(200);
    last_answer(&reader, &many(96)).must_fail(431);
    let host = "Host: localhost\r\n".len();
    let large = |octets: usize| with_lines(&[line(1, octets - host - "X-Field-01: \r\n".len())]);
    reader.raw(&large(32 << 10)).must_be(200);
    last_answer(&reader, &large((32 << 10) + 1)).must_fail(431);
    last_answer(&reader, &large(120 << 10)).must_fail(431);
    // What is larger than any buffer is not read to its end: its sender may not get to see the answer.
    let mut connection = reader.connect().unwrap();
    let _ = connection.write_all(&large(1 << 20));
    assert!(read_answer(&mut connection, false).map_or(true, |answer| answer.status == 431));
    // Nobody is asked who it is for that.
    last_answer(&server.stranger(), &large(64 << 10)).must_fail(431);
    let fallback = Server::with(Setup::with_fallback());
    last_answer(&fallback.without_certificate(), &large(64 << 10)).must_fail(431);
}

#[test]
fn nobody_is_told_to_go_on_with_a_body_that_would_be_refused() {
    let mut setup = Setup::with_fallback();
    // For so long is a body that was begun waited for after an early answer.
    setup.settings.limits.header_seconds = 1;
    let server = Server::with(setup);
    let (writer, reader, stranger) = (server.actor("writer"), server.actor("reader"), server.stranger());
    let nobody = server.without_certificate();
    let secret = server.secret("writer", &Terms::default());
    let post = |path: &str, more: &str, length: u64| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{more}Content-Length: {length}\r\n\r\n")
    };
    let typed = format!("Content-Type: {TAXII}\r\n");
    let bearing = format!("{typed}Authorization: Bearer {secret}\r\n");
    let status = "/api1/status/2d086da7-4bdc-4f91-900e-d77486753710/";
    let dry = format!("{}?x_entente_dry_run=perhaps", objects(RW));
    for (actor, octets, expected) in [
        (&stranger, post(&objects(RW), &typed, 10), 401),
        (&nobody, post(&objects(RW), &typed, 10), 401),
        (&nobody, post(&objects(RW), &bearing, 10), 403),
        (&reader, post(&objects(RW), &typed, 10), 403),
        (&writer, post(&objects(RO), &typed, 10), 403),
        (&writer, post(&objects(MISSING), &typed, 10), 404),
        (&writer, post(&objects(RW), &typed, 1 << 40), 413),
        (&writer, post(&objects(RW), "Content-Type: text/plain\r\n", 10), 415),
        (&writer, post(&objects(RW), &format!("{typed}Accept: text/html\r\n"), 10), 406),
        (&writer, post(&dry, &typed, 10), 400),
        (&writer, post(&collection(RW), &typed, 10), 417),
        (&writer, post("/taxii2/", &typed, 10), 417),
        (&writer, post(status, &typed, 10), 417),
        (&writer, post("/nowhere/", &typed, 10), 417),
        (&writer, post(&objects(RW), &typed, 10).replace("POST", "PUT"), 417),
        (&writer, post(&object(RW, &id("indicator", 1)), &typed, 10).replace("POST", "DELETE"), 417),
        (
            &writer,
            post(&objects(RW), &typed, 10)
                .replace("POST", "GET")
                .replace("Content-Length: 10", "Transfer-Encoding: chunked"),
            417,
        ),
    ] {
        // The first line that comes is the answer's: no `100 Continue` before it.
        let answer = last_answer(actor, octets.as_bytes());
        assert_eq!(answer.status, expected, "{octets}");
    }
    // Who expects nothing of the kind is answered.
    let plain = "GET /taxii2/ HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n";
    let mut connection = writer.connect().unwrap();
    connection.write_all(plain.as_bytes()).unwrap();
    let mut first = [0; 25];
    connection.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    read_answer(&mut connection, false).unwrap().must_be(200);
}

#[test]
fn the_preface_of_http_2_is_refused_and_the_connection_ends() {
    let server = Server::with(Setup::with_fallback());
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for actor in [server.actor("reader"), server.without_certificate()] {
        last_answer(&actor, preface).must_fail(400);
    }
    let upgrade = b"GET /taxii2/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let reader = server.actor("reader");
    assert_eq!(reader.raw(upgrade).must_be(200).body, reader.get("/taxii2/").body);
}

#[test]
fn who_says_it_is_somewhere_else_changes_no_octet_of_a_body() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let evil = "evil.example";
    let lines: Vec<String> = [
        "Forwarded: for=192.0.2.1;host=evil.example;proto=http",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Port: 81",
        "X-Forwarded-Prefix: /evil",
        "X-Forwarded-For: 192.0.2.1",
        "X-Original-URL: /nowhere/",
        "X-Rewrite-URL: /nowhere/",
        "X-HTTP-Method-Override: DELETE",
        "X-Real-IP: 192.0.2.1",
        "Front-End-Https: off",
    ]
    .map(|line| format!("{line}\r\n"))
    .to_vec();
    for endpoint in endpoints::all(RW, &id("indicator", 1), MISSING).into_iter().filter(|all| all.method == "GET") {
        let path = endpoint.path.as_str();
        let expected = reader.get(path);
        let ask = |target: &str, host: &str, more: &str| {
            reader.raw(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").as_bytes())
        };
        let answers = lines
            .iter()
            .map(|line| ask(path, "localhost", line))
            .chain([ask(path, evil, ""), ask(path, "", ""), ask(path, "localhost:1", &lines.concat())])
            .chain([
                ask(&format!("https://{evil}{path}"), evil, ""),
                ask(&format!("http://{evil}{path}"), "localhost", ""),
            ]);
        for answer in answers {
            assert_eq!(answer.status, expected.status, "{path}");
            if expected.status == 200 {
                assert_eq!(answer.text(), expected.text(), "{path}");
            }
        }
    }
}

/// What two different paths answer with is different, but for the slash at their ends, and for an
/// alias in place of its collection's id.
///
/// Rows: EP-9.
#[test]
fn one_object_has_one_path() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    let one = id("malware", 3);
    let whole = [
        "/taxii2/".to_owned(),
        "/x-entente/whoami/".to_owned(),
        "/api1/".to_owned(),
        "/api1/collections/".to_owned(),
        collection(RW),
        manifest(RW),
        objects(RW),
        object(RW, &one),
        versions(RW, &one),
    ];
    let parts = [
        "/", "//", "/.", "/./", "/../", "..", ".", "%2f", "%2F", "%2e", "%00", "%20", "%", ";", ";a=b", ":", "~", "x",
        "%6f", "%2D", "+", "\\",
    ];
    let (mut seen, mut asked) = (BTreeMap::<Vec<u8>, String>::new(), 0);
    let mut live = reader.connect().unwrap();
    for path in &whole {
        let places = (0..=path.len()).step_by(1 + path.len() / 16);
        for (at, part) in places.flat_map(|at| parts.iter().map(move |part| (at, part))) {
            let inserted = format!("{}{part}{}", &path[..at], &path[at..]);
            let swapped: String = path
                .char_indices()
                .map(|(index, letter)| if index == at { letter.to_ascii_uppercase() } else { letter })
                .collect();
            for mutated in [inserted, swapped] {
                if !mutated.starts_with('/') {
                    continue;
                }
                asked += 1;
                let answer = ask(&mut live, "GET", &mutated, &[("Accept", TAXII)], None);
                assert!([200, 400, 404].contains(&answer.status), "{mutated}: {}", answer.status);
                if answer.status == 400 {
                    live = reader.connect().unwrap();
                }
                if answer.status == 200 {
                    let canonical = mutated.strip_suffix('/').unwrap_or(&mutated).to_owned();
                    let first = seen.entry(answer.body).or_insert_with(|| canonical.clone());
                    assert_eq!(*first, canonical);
                }
            }
        }
    }
    assert!(asked > 3000 && seen.len() == whole.len(), "{asked} asked, {} seen", seen.len());
}

#[test]
fn a_push_has_one_path_too() {
    let server = Server::start();
    let writer = server.actor("writer");
    for path in ["//api1", "/api1/./", "/api1%2f", "/API1/", "/api1;a/"] {
        let path = format!("{}/collections/{RW}/objects/", path.trim_end_matches('/'));
        writer.post(&path, &envelope(&[indicator(1, 1)])).must_be(404);
    }
    assert!(writer.get(&objects(RW)).ids().is_empty());
}
