//! Which error, and what it says.

use crate::support::actor::{Actor, Connection, TAXII, ask, read_answer};
use crate::support::endpoints;
use crate::support::objects::{envelope, id, indicator};
use crate::support::server::{Setup, object, objects};
use crate::support::{Answer, EMPTY, MISSING, RW, Server};
use entente::clock::stopwatch;
use entente::config::Settings;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::time::Duration;

/// Rows: EP-6, ERR-1, ERR-2, ERR-3, DISC-2, ROOT-6, STAT-11, COLS-2, COL-5, MAN-7, OBJ-3, ADD-12, GET-4, DEL-9, VER-6.
#[test]
fn every_endpoint_has_the_status_codes_of_the_standards_tables() {
    let server = Server::seeded();
    let (writer, stranger, outsider) = (server.actor("writer"), server.stranger(), server.actor("outsider"));
    let status = writer.post(&objects(RW), &envelope(&[indicator(8, 1)])).json()["id"].as_str().unwrap().to_owned();
    for endpoint in endpoints::all(RW, &id("indicator", 1), &status) {
        endpoint.ask(&stranger).must_fail(401);
        endpoint.ask_with(&writer, &[("Accept", "application/taxii+json;version=2.0")]).must_fail(406);
        if endpoint.path != "/taxii2/" {
            endpoint.ask(&outsider).must_fail(404);
        }
        let malformed = endpoints::Endpoint {
            path: format!("{}?match[version]=nonsense&limit=0", endpoint.path),
            ..endpoint.clone()
        };
        let filtered = ["/manifest/", "/objects/", "--"].iter().any(|part| endpoint.path.contains(part))
            && endpoint.method != "POST";
        malformed.ask(&writer).must_be(if filtered { 400 } else { endpoint.good() });
        endpoint.ask(&writer).must_be(endpoint.good());
    }
}

/// Rows: EP-3, CONF-2.
#[test]
fn every_endpoint_answers_with_the_resource_that_the_standard_names() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let added = writer.post(&objects(RW), &envelope(&[indicator(8, 1)])).must_be(202).json();
    let status = ["id", "status", "total_count", "success_count", "failure_count", "pending_count"];
    let expected: [&[&str]; 11] = [
        &["title", "api_roots"],
        &["title", "versions", "max_content_length"],
        &status,
        &["collections"],
        &["id", "title", "can_read", "can_write"],
        &["objects"],
        &["objects"],
        &status,
        &["objects"],
        &["versions"],
        &[],
    ];
    let endpoints = endpoints::all(RW, &id("indicator", 1), added["id"].as_str().unwrap());
    for (endpoint, members) in endpoints.into_iter().zip(expected) {
        let answer = endpoint.ask(&writer).must_be(endpoint.good());
        assert!(members.iter().all(|name| answer.json().get(name).is_some()), "{endpoint:?}: {}", answer.text());
        assert_eq!(answer.body.is_empty(), members.is_empty(), "{endpoint:?}");
    }
}

/// Rows: ERR-6.
#[test]
fn of_several_things_that_are_wrong_the_first_in_order_is_told() {
    let mut settings = Settings::default();
    settings.taxii.max_content_length = 600;
    let server = Server::with(Setup { settings, in_memory: true, ..Setup::default() });
    let (stranger, reader, writer) = (server.stranger(), server.actor("reader"), server.actor("writer"));
    let (html, text, large) = (("Accept", "text/html"), ("Content-Type", "text/plain"), "x".repeat(601));
    let (good, typed) = (("Accept", TAXII), ("Content-Type", TAXII));
    let elsewhere = "/api3/collections/x/objects/?limit=x".to_owned();
    let here = objects(RW) + "?limit=x";
    for (actor, method, path, headers, body, expected) in [
        (&stranger, "PUT", &elsewhere, [html, text], &*large, 401),
        (&reader, "PUT", &elsewhere, [html, text], &large, 404),
        (&reader, "POST", &here, [html, text], &large, 403),
        (&writer, "PUT", &here, [html, text], &large, 405),
        (&writer, "POST", &here, [html, text], &large, 406),
        (&writer, "POST", &here, [good, text], &large, 415),
        (&writer, "POST", &here, [good, typed], &large, 413),
        (&writer, "POST", &here, [good, typed], "x", 400),
        (&writer, "POST", &here, [good, typed], "{}", 422),
    ] {
        assert_eq!(actor.send(method, path, &headers, Some(body.as_bytes())).status, expected, "{method}");
    }
    for (path, accept, expected) in [
        (objects(MISSING) + "?limit=x", "text/html", 404),
        (object(RW, "x") + "?limit=x", "text/html", 406),
        (object(RW, "x") + "?limit=x", TAXII, 400),
        (object(RW, "x"), TAXII, 404),
    ] {
        assert_eq!(writer.get_with(&path, &[("Accept", accept)]).status, expected, "{path} {accept}");
    }
}

/// Sends octets, reads one answer, and waits for the end of the connection.
fn last_answer(actor: &Actor, octets: &[u8]) -> Answer {
    // What is too long may be refused before all of it is sent: then the answer may be lost on its way.
    (0..50).find_map(|_| try_last_answer(actor, octets).ok()).unwrap()
}

fn try_last_answer(actor: &Actor, octets: &[u8]) -> io::Result<Answer> {
    let mut connection = actor.connect()?;
    connection.write_all(octets)?;
    let answer = read_answer(&mut connection, false)?;
    let mut rest = Vec::new();
    connection.sock.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let end = connection.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    assert!(!end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "the connection does not end");
    Ok(answer)
}

/// Rows: EP-4.
#[test]
fn what_is_no_http_is_refused_in_taxiis_words() {
    let server = Server::start();
    let reader = server.actor("reader");
    let post = format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: {TAXII}\r\n", objects(RW));
    for (octets, expected) in [
        ("GARBAGE\r\n\r\n".to_owned(), 400),
        ("GET /taxii2/ HTTP/9.9\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /taxii2/ HTTP/1.1\r\nHost a\r\n\r\n".to_owned(), 400),
        ("GET /taxii2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        ("GET /taxii2/ HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n".to_owned(), 400),
        (format!("{post}Content-Length: x\r\n\r\n"), 400),
        (format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"), 400),
        (format!("{post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("GET /taxii2/ HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(200_000)), 431),
    ] {
        let answer = last_answer(&reader, octets.as_bytes());
        let begin: String = octets.chars().take(80).collect();
        assert!(answer.status == expected, "{begin}: {} {}", answer.status, answer.text());
        assert_eq!(answer.header("connection"), Some("close"));
    }
}

fn impatient() -> Server {
    let mut settings = Settings::default();
    (settings.limits.header_seconds, settings.limits.body_stall_seconds) = (1, 1);
    settings.taxii.max_content_length = 10_000;
    Server::with(Setup { settings, in_memory: true, ..Setup::default() })
}

#[test]
fn a_header_that_does_not_come_in_time_is_408() {
    let server = impatient();
    let told = last_answer(&server.actor("reader"), b"GET /taxii2/ HTTP/1.1\r\nHost: a\r\n").must_fail(408);
    assert!(told.contains("did not come in time"), "{told}");
}

#[test]
fn a_body_that_stops_is_408_and_nothing_is_added() {
    let server = impatient();
    let writer = server.actor("writer");
    let body = envelope(&[indicator(1, 1)]);
    for length in
        ["Content-Length: 2000\r\n\r\n".to_owned(), format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len())]
    {
        let begun = format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: {TAXII}\r\n{length}{body}", objects(RW));
        assert!(last_answer(&writer, begun.as_bytes()).must_fail(408).contains("nothing was added"));
    }
    assert_eq!(writer.get(&objects(RW)).text(), "{}");
}

/// Whether a connection still takes more of a body.
fn takes_more(connection: &mut Connection) -> bool {
    let mut octet = [0];
    connection.write_all(b"1\r\nx\r\n").and_then(|()| connection.flush()).is_ok()
        && connection.read(&mut octet).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn after_an_early_answer_the_connection_ends_though_the_body_still_comes() {
    let server = impatient();
    let (stranger, reader, writer) = (server.stranger(), server.actor("reader"), server.actor("writer"));
    let post = format!("POST {} HTTP/1.1\r\nContent-Type: {TAXII}", objects(RW));
    let mut connections = Vec::new();
    for (actor, head, expected) in [
        (&stranger, &*post, 401),
        (&stranger, &format!("{post}\r\nExpect: 100-continue"), 401),
        (&reader, &post, 403),
        (&writer, &post, 413),
        (&reader, "GET /taxii2/ HTTP/1.1", 200),
    ] {
        let mut connection = actor.connect().unwrap();
        let chunk = format!("2af8\r\n{}\r\n", " ".repeat(11_000));
        write!(connection, "{head}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}").unwrap();
        assert_eq!(read_answer(&mut connection, false).unwrap().status, expected);
        connection.sock.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        connections.push(connection);
    }
    let begun = stopwatch();
    while !connections.is_empty() {
        connections.retain_mut(takes_more);
        assert!(begun.elapsed() < Duration::from_secs(10), "{} are read for ever", connections.len());
    }
}

/// An envelope of exactly this many octets.
fn of_length(octets: usize) -> String {
    let bare = envelope(&[indicator(1, 1)]);
    bare.clone() + &" ".repeat(octets - bare.len())
}

/// Rows: ROOT-4.
#[test]
fn a_body_may_have_the_length_that_the_root_names_and_not_one_octet_more() {
    let server = impatient();
    let writer = server.actor("writer");
    let most = usize::try_from(writer.get("/api1/").json()["max_content_length"].as_u64().unwrap()).unwrap();
    for (length, expected) in [(most - 1, 202), (most, 202), (most + 1, 413), (3 * most, 413)] {
        let body = of_length(length);
        assert_eq!(writer.post(&objects(RW), &body).status, expected, "{length}");
        let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
        let (first, second) = body.split_at(length / 2);
        let chunked = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: {TAXII}\r\nTransfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
            objects(RW),
            chunk(first),
            chunk(second)
        );
        assert_eq!(writer.raw(chunked.as_bytes()).status, expected, "{length}, chunked");
    }
}

#[test]
fn whoever_asks_first_is_told_before_it_sends_a_body() {
    let server = impatient();
    let (writer, stranger) = (server.actor("writer"), server.stranger());
    let head = |length: usize| {
        format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nContent-Type: {TAXII}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
            objects(RW)
        )
    };
    last_answer(&writer, head(10_001).as_bytes()).must_fail(413);
    last_answer(&stranger, head(100).as_bytes()).must_fail(401);
    let body = of_length(1000);
    let mut connection = writer.connect().unwrap();
    connection.write_all(head(body.len()).as_bytes()).unwrap();
    let mut go_on = [0; 25];
    connection.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(body.as_bytes()).unwrap();
    read_answer(&mut connection, false).unwrap().must_be(202);
}

#[test]
fn an_error_that_is_the_callers_leaves_the_connection_in_use() {
    let server = Server::start();
    let mut live = server.actor("writer").connect().unwrap();
    let bad = objects(RW) + "?limit=0";
    for path in ["/nowhere/", "/second/root/", &bad, "/api1/collections/x/"] {
        assert!(ask(&mut live, "GET", path, &[("Accept", TAXII)], None).status >= 400);
    }
    ask(&mut live, "GET", "/taxii2/", &[("Accept", "text/html")], None).must_be(406);
    ask(&mut live, "POST", &objects(RW), &[("Content-Type", TAXII)], Some(b"{")).must_be(400);
    ask(&mut live, "GET", "/taxii2/", &[("Accept", TAXII)], None).must_be(200);
}

/// Rows: ERR-5.
#[test]
fn a_failure_of_the_server_says_nothing_of_its_insides() {
    let server = Server::seeded();
    let writer = server.actor("writer");
    let status = writer.post(&objects(RW), &envelope(&[indicator(8, 1)])).json()["id"].as_str().unwrap().to_owned();
    let store = rusqlite::Connection::open(server.path().join("data/entente.db")).unwrap();
    store.execute_batch("DROP TABLE status").unwrap();
    let told = writer.get(&format!("/api1/status/{status}/")).must_fail(500);
    assert_eq!(told, "the server failed: its operator finds the cause in the log under the error_id");
    writer.get(&objects(RW)).must_be(200);
}

/// Rows: ERR-4.
#[test]
fn a_store_that_cannot_write_now_says_when_to_try_again() {
    let server = Server::start();
    let writer = server.actor("writer");
    let mut other = rusqlite::Connection::open(server.path().join("data/entente.db")).unwrap();
    let lock = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let answer = writer.post(&objects(RW), &envelope(&[indicator(1, 1)]));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")), "{}", answer.text());
    writer.get(&objects(RW)).must_be(200);
    drop(lock);
    writer.post(&objects(RW), &envelope(&[indicator(1, 1)])).must_be(202);
}

/// Rows: SEC-2.
#[test]
fn nonsense_of_every_kind_gets_an_answer_that_says_so() {
    let mut settings = Settings::default();
    settings.taxii.max_objects = 3;
    let server = Server::with(Setup { settings, in_memory: true, ..Setup::default() });
    let writer = server.actor("writer");
    let many: Vec<String> = (0..4).map(|n| indicator(n, 1)).collect();
    let deep = format!("{{\"objects\":[{}{}]}}", "[".repeat(10_000), "]".repeat(10_000));
    for (body, expected) in [
        ("", 400),
        ("{{", 400),
        ("\u{0}", 400),
        (&*deep, 202),
        ("[]", 422),
        ("7", 422),
        ("{\"objects\":{}}", 422),
        ("{\"objects\":[]}", 422),
        (&envelope(&many), 422),
        (&indicator(1, 1), 422),
        ("{\"objects\":[null,7,{}]}", 202),
    ] {
        let answer = writer.post(&objects(EMPTY), body);
        assert_eq!(answer.status, expected, "{body:.60}");
        assert!(expected != 202 || answer.json()["success_count"] == 0, "{body:.60}");
    }
    assert_eq!(writer.get(&objects(EMPTY)).text(), "{}");
    let long = format!("{}?match[id]={}", objects(EMPTY), "x".repeat(70_000));
    assert!([414, 431, 400].contains(&writer.get(&long).status));
}

/// Rows: SEC-3.
#[test]
fn a_page_has_no_more_items_or_octets_than_the_operator_allows() {
    for (items, octets, expected) in [(3, 1 << 20, 3), (1000, 800, 2), (1000, 1, 1)] {
        let mut settings = Settings::default();
        (settings.taxii.page_size, settings.taxii.page_octets) = (items, octets);
        let server = Server::with(Setup { settings, in_memory: true, ..Setup::default() });
        let writer = server.actor("writer");
        writer.post(&objects(RW), &envelope(&(0..7).map(|n| indicator(n, 1)).collect::<Vec<_>>())).must_be(202);
        let page = writer.get(&(objects(RW) + "?limit=1000000")).must_be(200);
        assert_eq!((page.ids().len(), page.next().is_some()), (expected, true), "{items} {octets}");
    }
}
