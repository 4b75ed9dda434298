//! Heads of requests: what is too large, what asks before it sends a body, what is no HTTP/1.1;
//! and what of a head changes nothing.

use crate::support::actor::{Actor, TAXII, ask, read_answer, request};
use crate::support::endpoints;
use crate::support::objects::{envelope, id, indicator};
use crate::support::process::{Installation, PROGRAM, Process};
use crate::support::server::{Setup, Terms, collection, manifest, object, objects, versions};
use crate::support::{Answer, MISSING, RO, RW, Server};
use entente::clock::stopwatch;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::Command;
use std::time::Duration;

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
    last_answer(&reader, &large(70 << 10)).must_fail(431);
    // Nobody is asked who it is for that.
    last_answer(&server.stranger(), &large(64 << 10)).must_fail(431);
    let fallback = Server::with(Setup::with_fallback());
    last_answer(&fallback.without_certificate(), &large(64 << 10)).must_fail(431);
}

/// The longest head that is waited for, and what may have come before it is begun to be counted.
const LONGEST: usize = 72 << 10;
const PORTIONS: usize = 32 << 10;
const BEGUN: &str = "GET /taxii2/ HTTP/1.1\r\nHost: localhost\r\nX-A:";

/// So many octets of a head that goes on like this, and has no end.
fn endless(begin: &str, then: &str, octets: usize) -> Vec<u8> {
    begin.bytes().chain(then.bytes().cycle()).take(octets).collect()
}

#[test]
fn a_head_without_an_end_is_refused_when_72_kib_of_it_are_there() {
    let server = Server::with(Setup::with_fallback());
    let mut setup = Setup::default();
    setup.settings.limits.header_seconds = 1;
    let impatient = Server::with(setup);
    let (reader, waiting) = (server.actor("reader"), impatient.actor("reader"));
    let name = "GET /taxii2/ HTTP/1.1\r\nHost: localhost\r\n";
    let after = format!("{name}X-A: {}\r\n", "v".repeat(LONGEST - 200));
    for (begin, then) in [
        ("", "G"),
        ("", "\r\n"),
        ("", "\n"),
        ("GET /", "v"),
        ("GET /taxii2/?x=", "%41"),
        (name, "N"),
        (BEGUN, " "),
        (BEGUN, "v"),
        (BEGUN, "v "),
        (after.as_str(), "N"),
    ] {
        let answer = last_answer(&reader, &endless(begin, then, LONGEST));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(answer.must_fail(431).contains("73,728 octets"), "{begin:.20} {then:?}");
        // One octet less, and it is waited for.
        last_answer(&waiting, &endless(begin, then, LONGEST - 1)).must_fail(408);
    }
    last_answer(&server.stranger(), &endless(BEGUN, "v", LONGEST)).must_fail(431);
    last_answer(&server.without_certificate(), &endless(BEGUN, "v", LONGEST)).must_fail(431);
    // However much more is sent, its sender gets to see that.
    last_answer(&reader, &endless(BEGUN, "v", 1 << 20)).must_fail(431);
    // Nor does it matter in what pieces it comes.
    let mut connection = reader.connect().unwrap();
    for part in endless(BEGUN, "v", LONGEST).chunks(1000) {
        connection.write_all(part).unwrap();
        connection.flush().unwrap();
    }
    read_answer(&mut connection, false).unwrap().must_fail(431);
}

#[test]
fn a_head_without_an_end_is_refused_after_other_requests_too() {
    let server = Server::start();
    let writer = server.actor("writer");
    let body = envelope(&[indicator(1, 1)]);
    let get = request("GET", "/taxii2/", &[], None);
    let post = request("POST", &objects(RW), &[("Content-Type", TAXII)], Some(body.as_bytes()));
    let all = [get.clone(), post.clone(), get.clone(), get.clone(), post.clone()];
    for (before, statuses) in [(&all[..1], &[200][..]), (&all[1..2], &[202]), (&all, &[200, 202, 200, 200, 202])] {
        // Together with them, and once they are answered.
        for at_once in [true, false] {
            let mut connection = writer.connect().unwrap();
            let endless = endless(BEGUN, "v", LONGEST + if at_once { PORTIONS } else { 0 });
            connection.write_all(&before.concat()).unwrap();
            if at_once {
                connection.write_all(&endless).unwrap();
            }
            for status in statuses {
                assert_eq!(read_answer(&mut connection, false).unwrap().status, *status);
            }
            if !at_once {
                connection.write_all(&endless).unwrap();
            }
            read_answer(&mut connection, false).unwrap().must_fail(431);
            assert!(matches!(connection.read(&mut [0]), Ok(0) | Err(_)), "the connection goes on");
        }
    }
}

/// Whatever stands behind 72 KiB of a head: it is of no request.
#[test]
fn nothing_in_or_behind_a_head_that_is_too_long_is_done() {
    let server = Server::start();
    let writer = server.actor("writer");
    let body = envelope(&[indicator(1, 1)]);
    let post = String::from_utf8(request("POST", &objects(RW), &[("Content-Type", TAXII)], Some(body.as_bytes())));
    let post = post.unwrap();
    let (head, _) = post.split_once("\r\n\r\n").unwrap();
    let behind = [
        "\r\n\r\n".to_owned(),
        format!("\r\n\r\n{body}"),
        format!("\r\n\r\n{post}"),
        format!("\n\n{post}"),
        format!("\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{post}"),
        post.clone(),
    ];
    for begin in [format!("{head}\r\nX-A: "), BEGUN.to_owned(), "GET /".to_owned(), String::new()] {
        for (behind, octets) in behind.iter().flat_map(|behind| [0, 1, 1000].map(|more| (behind, LONGEST + more))) {
            let then = if begin.is_empty() { "\r\n" } else { "v" };
            let octets = [endless(&begin, then, octets), behind.clone().into_bytes()].concat();
            last_answer(&writer, &octets).must_fail(431);
        }
    }
    assert!(writer.get(&objects(RW)).ids().is_empty());
}

#[test]
fn the_longest_query_goes_with_all_that_clients_send_beside_it() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    // Filters as long as they may be, repeated beside a cursor that carries them.
    let ids: Vec<String> = (0..500).map(|n| id("indicator", n)).collect();
    let versions: Vec<String> = (0..60).map(|n| format!("2024-01-01T00:00:00.{n:06}Z")).collect();
    let filters = format!("limit=1&match[version]=last,{}&match[id]={}", versions.join(","), ids.join(","));
    let next = reader.get(&format!("{}?{filters}", objects(RW))).must_be(200).next().unwrap();
    let query = format!("next={next}&{filters}");
    assert!((55_000..64_000).contains(&query.len()), "{}", query.len());
    let query = query.replacen(',', "%2C", (64_000 - query.len()) / 2);
    let line = format!("GET {}?{query} HTTP/1.1\r\n", objects(RW));
    let begin = format!("{line}Host: localhost\r\nAccept: {TAXII}\r\nX-A: ");
    let head = |octets: usize| [endless(&begin, "v", octets - 4), b"\r\n\r\n".to_vec()].concat();
    let mut connection = reader.connect().unwrap();
    connection.write_all(&head(LONGEST)).unwrap();
    let answer = read_answer(&mut connection, false).unwrap().must_be(200);
    // Nothing was put behind it.
    ask(&mut connection, "GET", "/taxii2/", &[], None).must_be(200);
    assert!(answer.ids().len() == 1 && ids.contains(&answer.ids()[0]));
    last_answer(&reader, &head(LONGEST + 1)).must_fail(431);
}

#[test]
fn requests_that_come_at_once_are_answered_in_order_however_much_they_are_together() {
    let server = Server::start();
    let writer = server.actor("writer");
    let filler = "v".repeat(20 << 10);
    let get = |path: &str| request("GET", path, &[("X-A", &filler)], None);
    let blank = "\r\n\r\n".repeat(30 << 10);
    let text =
        |n: usize| format!(r#"{{"type":"x-large","id":"{}","text":"{}"}}"#, id("x-large", n), "x".repeat(1 << 20));
    let post = |body: &str| request("POST", &objects(RW), &[("Content-Type", TAXII)], Some(body.as_bytes()));
    let chunked = |body: &str| {
        let parts: Vec<String> = body.as_bytes().chunks(30_000).map(chunk).collect();
        let head = format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: {TAXII}\r\n", objects(RW));
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", parts.concat()).into_bytes()
    };
    let small = request("GET", "/taxii2/", &[], None);
    for first in [
        // No end of a line in it, and nothing but.
        post(&envelope(&[text(1)])),
        post(&envelope(&[text(2)]).replacen('{', &format!("{{{blank}"), 1)),
        chunked(&envelope(&[text(3)]).replacen('{', &format!("{{{blank}"), 1)),
    ] {
        let mut sent = vec![(first, 202)];
        sent.extend((0..12).map(|n| if n % 2 == 0 { (get("/taxii2/"), 200) } else { (get("/nowhere/"), 404) }));
        sent.extend((0..600).map(|_| (small.clone(), 200)));
        let octets: Vec<u8> = sent.iter().flat_map(|(octets, _)| octets.clone()).collect();
        let mut connection = writer.connect().unwrap();
        connection.write_all(&octets).unwrap();
        for (n, (_, status)) in sent.iter().enumerate() {
            assert_eq!(read_answer(&mut connection, false).unwrap().status, *status, "{n}");
        }
    }
    assert_eq!(writer.get(&objects(RW)).ids(), [1, 2, 3].map(|n| id("x-large", n)));
}

/// Requests that wait behind an answer that nobody takes wait where they came from.
#[test]
fn who_takes_no_answer_is_not_read_from_any_further() {
    const CONNECTIONS: u64 = 20;
    let installation = Installation::furnished();
    let config = installation.config();
    let mut command = Command::new(PROGRAM);
    command.args(["-c", &config, "serve", "--listen", "127.0.0.1:0", "--ops", "off"]);
    let (process, _) = Process::start(command.env("ENTENTE__LIMITS__REQUESTS_PER_MINUTE", "0"));
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let actor = installation.actor("org", process.address);
    actor.get("/taxii2/").must_be(200);
    let before = memory();
    let requests = "GET / HTTP/1.1\r\nHost:a\r\n\r\n".repeat(6000);
    let _all: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut connection = actor.connect().unwrap();
            connection.sock.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            // Until nothing more is taken.
            let _ = connection.write_all(requests.as_bytes());
            connection
        })
        .collect();
    let begun = stopwatch();
    while begun.elapsed() < Duration::from_secs(2) {
        let each = (memory() - before) / CONNECTIONS;
        assert!(each < 1000, "{each} KiB for each connection");
    }
}

fn chunk(octets: &[u8]) -> String {
    format!("{:x}\r\n{}\r\n", octets.len(), std::str::from_utf8(octets).unwrap())
}

/// Whether it comes in time or not.
#[test]
fn a_body_that_nobody_reads_is_the_last_thing_on_its_connection() {
    let server = Server::seeded();
    let reader = server.actor("reader");
    for framing in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        for path in ["/taxii2/", &objects(RW)] {
            let octets = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{framing}");
            assert_eq!(last_answer(&reader, octets.as_bytes()).header("connection"), Some("close"));
        }
    }
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
