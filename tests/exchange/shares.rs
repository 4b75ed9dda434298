//! Shares: how much of the server one credential may take.

use crate::support::actor::{Actor, Connection, TAXII, ask, read_answer, request};
use crate::support::objects::{envelope, id, indicator};
use crate::support::server::{Setup, Terms, manifest, object, objects};
use crate::support::{Answer, RW, Server};
use entente::clock::stopwatch;
use entente::http::limits::Limits;
use std::io::{Read as _, Write as _};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const MIB: usize = 1 << 20;

fn with(change: impl FnOnce(&mut Limits)) -> Server {
    let mut setup = Setup::with_fallback();
    change(&mut setup.settings.limits);
    Server::with(setup)
}

/// What a caller is told that reached a limit: when to come back, in seconds.
#[track_caller]
fn told(answer: Answer, status: u16, limit: &str) -> u32 {
    let wait = answer.header("retry-after").unwrap().parse().unwrap();
    let description = answer.must_fail(status);
    assert!(description.contains(limit), "{description}");
    wait
}

#[track_caller]
fn until(what: impl FnMut() -> bool) {
    assert!(comes(PATIENCE, what), "in vain");
}

/// Whether something is so before long.
fn comes(patience: Duration, mut what: impl FnMut() -> bool) -> bool {
    let begun = stopwatch();
    while !what() {
        if begun.elapsed() > patience {
            return false;
        }
    }
    true
}

#[test]
fn a_credential_has_so_many_requests_a_minute_and_the_others_have_theirs() {
    // One every twenty seconds, after the first three.
    let server = with(|limits| limits.requests_per_minute = 3);
    let (reader, again, writer) = (server.actor("reader"), server.actor("reader"), server.actor("writer"));
    for path in ["/taxii2/", "/nowhere/", &objects(RW)] {
        assert_ne!(reader.get(path).status, 429);
    }
    for path in ["/taxii2/", "/nowhere/", &objects(RW)] {
        assert!((1..=20).contains(&told(reader.get(path), 429, "requests_per_minute")));
    }
    reader.post(&objects(RW), "{").must_fail(429);
    again.get("/taxii2/").must_be(200);
    writer.get("/taxii2/").must_be(200);
    let secret = server.without_certificate().bearing(&server.secret("reader", &Terms::default()));
    let statuses: Vec<u16> = (0..5).map(|_| secret.get("/taxii2/").status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert!(server.metrics().contains(r#"entente_throttled_total{limit="requests_per_minute"} 6"#));
}

#[test]
fn a_request_that_is_refused_for_its_rate_leaves_the_connection_in_use() {
    let server = with(|limits| limits.requests_per_minute = 1);
    let mut live = server.actor("reader").connect().unwrap();
    let statuses: Vec<u16> = (0..4).map(|_| ask(&mut live, "GET", "/taxii2/", &[], None).status).collect();
    assert_eq!(statuses, [200, 429, 429, 429]);
}

#[test]
fn objects_count_as_they_come_and_as_they_go() {
    let server = with(|limits| limits.objects_per_minute = 10);
    let writer = server.actor("writer");
    let some: Vec<String> = (0..8).map(|n| indicator(n, 1)).collect();
    writer.post(&objects(RW), &envelope(&some)).must_be(202);
    // Two are left: enough for the next request, whatever it then takes.
    writer.get(&manifest(RW)).must_be(200);
    let wait = told(writer.get("/taxii2/"), 429, "objects_per_minute");
    assert!((35..=42).contains(&wait), "six too many, and one to begin with: {wait}");
    let reader = server.actor("reader");
    reader.get(&format!("{}?limit=8", objects(RW))).must_be(200);
    reader.get("/taxii2/").must_be(200);
    reader.get(&objects(RW)).must_be(200);
    told(reader.get(&objects(RW)), 429, "objects_per_minute");
}

#[test]
fn a_credential_has_so_many_connections_and_gets_a_place_back() {
    let server = with(|limits| limits.connections_per_credential = 2);
    let reader = server.actor("reader");
    let open = || {
        let mut connection = reader.connect().unwrap();
        let answer = ask(&mut connection, "GET", "/taxii2/", &[], None);
        (connection, answer)
    };
    let ((first, one), (_second, two)) = (open(), open());
    assert_eq!((one.status, two.status), (200, 200));
    told(open().1, 503, "connections_per_credential");
    server.actor("reader").get("/taxii2/").must_be(200);
    drop(first);
    until(|| open().1.status == 200);
}

fn large(n: usize) -> String {
    format!(r#"{{"type":"x-large","id":"{}","text":"{}"}}"#, id("x-large", n), "x".repeat(3 * MIB))
}

#[test]
fn bodies_under_way_count_as_their_credentials() {
    let server = with(|limits| limits.octets_in_flight_per_credential = 4 * MIB);
    let (writer, other) = (server.actor("writer"), server.actor("manager"));
    let octets = request("POST", &objects(RW), &[("Content-Type", TAXII)], Some(envelope(&[large(1)]).as_bytes()));
    // Whichever of two comes second is refused; it may be the slow one. Then they begin again.
    until(|| {
        let mut slow = writer.connect().unwrap();
        let begun = slow.write_all(&octets[..octets.len() - 10]);
        let refused = try_post(&writer, &octets);
        if begun.is_err() || refused.status != 503 {
            return false;
        }
        told(refused, 503, "octets_in_flight_per_credential");
        try_post(&other, &octets).must_be(202);
        slow.write_all(&octets[octets.len() - 10..]).is_ok()
            && read_answer(&mut slow, false).is_ok_and(|answer| answer.status == 202)
    });
    until(|| try_post(&writer, &octets).status == 202);
}

/// A body counts until the store is done with it, whether anybody waits for that or not; and the store is.
#[test]
fn what_is_being_added_is_added_and_counts_until_then_though_its_sender_hangs_up() {
    let body = |n: usize| envelope(&[large(n)]);
    // A body of this size, and what there is of its object besides, leave no room for anything else.
    let server = with(|limits| limits.octets_in_flight_per_credential = body(0).len() + 512);
    let (writer, other) = (server.actor("writer"), server.actor("manager"));
    let counts = || writer.get("/taxii2/").status == 503;
    let file = rusqlite::Connection::open(server.path().join("data/entente.db")).unwrap();
    // The store waits for its file for a while only: on a busy machine that may be too short, and it begins again.
    let mut tries = 0..;
    until(|| {
        let n = tries.next().unwrap();
        file.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut hasty = writer.connect().unwrap();
        let headers = [("Content-Type", TAXII)];
        hasty.write_all(&request("POST", &objects(RW), &headers, Some(body(n).as_bytes()))).unwrap();
        // Who asks whether it counts takes room as well: if that is where the body should have gone, it is refused.
        if !comes(PATIENCE / 10, counts) {
            file.execute_batch("ROLLBACK").unwrap();
            return false;
        }
        drop(hasty);
        until(|| server.metrics().contains("entente_connections 0\n"));
        let still_counts = counts();
        file.execute_batch("ROLLBACK").unwrap();
        until(|| !counts());
        still_counts && other.get(&object(RW, &id("x-large", n))).status == 200
    });
}

/// An answer that may come before all is sent.
fn try_post(actor: &Actor, octets: &[u8]) -> Answer {
    let mut connection = actor.connect().unwrap();
    let _ = connection.write_all(octets);
    read_answer(&mut connection, false).unwrap()
}

#[test]
fn answers_that_are_not_taken_count_as_their_credentials() {
    let server = with(|limits| limits.octets_in_flight_per_credential = 4 * MIB);
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    writer.post(&objects(RW), &envelope(&[large(1)])).must_be(202);
    let mut lazy = [reader.connect().unwrap(), reader.connect().unwrap()];
    let asking = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", objects(RW));
    // More than all buffers between here and there can hold.
    lazy.iter_mut().for_each(|lazy| lazy.write_all(asking.repeat(12).as_bytes()).unwrap());
    until(|| reader.get(&objects(RW)).status == 503);
    told(reader.get(&objects(RW)), 503, "octets_in_flight_per_credential");
    // Before it is compressed, it is as large.
    let compressed = reader.get_with(&objects(RW), &[("Accept-Encoding", "zstd")]);
    told(compressed, 503, "octets_in_flight_per_credential");
    writer.get(&objects(RW)).must_be(200);
    drop(lazy);
    until(|| reader.get(&objects(RW)).status == 200);
}

#[test]
fn answers_that_are_asked_for_at_once_are_no_more_than_one_after_the_other() {
    const ASKED: usize = 12;
    let server = with(|limits| limits.octets_in_flight_per_credential = 40 * MIB);
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    let large = large(1).replacen("xxx", &"x".repeat(13 * MIB), 1);
    writer.post(&objects(RW), &envelope(&[large])).must_be(202);
    let mut lazy: Vec<_> = (0..ASKED).map(|_| reader.connect().unwrap()).collect();
    let asking = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", objects(RW));
    lazy.iter_mut().for_each(|lazy| lazy.write_all(asking.as_bytes()).unwrap());
    let begun = |lazy: &mut Connection| {
        let mut line = [0; 12];
        lazy.read_exact(&mut line).unwrap();
        line == *b"HTTP/1.1 200"
    };
    // Two have room, and one more for what the two have handed over to their connections.
    let given = lazy.iter_mut().filter_map(|lazy| begun(lazy).then_some(())).count();
    assert!((1..=3).contains(&given), "{given} of {ASKED}");
    drop(lazy);
    until(|| reader.get(&objects(RW)).status == 200);
}

#[test]
fn answers_that_wait_for_the_trail_count_as_their_credentials() {
    let server = with(|limits| limits.octets_in_flight_per_credential = 8 * MIB);
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    writer.post(&objects(RW), &envelope(&[large(1)])).must_be(202);
    let trail = rusqlite::Connection::open(server.path().join("data/entente.db")).unwrap();
    trail.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let (told_of, answers) = std::sync::mpsc::channel();
        for _ in 0..3 {
            let (reader, told_of) = (reader.clone(), told_of.clone());
            scope.spawn(move || told_of.send(reader.get(&objects(RW))).unwrap());
        }
        told(answers.recv().unwrap(), 503, "octets_in_flight_per_credential");
        trail.execute_batch("ROLLBACK").unwrap();
        for _ in 0..2 {
            answers.recv().unwrap().must_be(200);
        }
    });
}

#[test]
fn an_answer_counts_as_it_is_before_it_is_compressed() {
    let server = with(|limits| limits.octets_in_flight_per_credential = 4 * MIB);
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    writer.post(&objects(RW), &envelope(&[large(1)])).must_be(202);
    let headers = [("Accept", TAXII), ("Accept-Encoding", "gzip")];
    // Each is another page, so that each is compressed.
    let mut limits = 1..;
    until(|| {
        let paths: Vec<_> = limits.by_ref().take(4).map(|limit| format!("{}?limit={limit}", objects(RW))).collect();
        let together = std::thread::scope(|scope| {
            let asked: Vec<_> = paths.iter().map(|path| scope.spawn(|| reader.get_with(path, &headers))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
        });
        let refused = together.into_iter().find(|answer| answer.status != 200);
        refused.map(|refused| told(refused, 503, "octets_in_flight_per_credential")).is_some()
    });
    reader.get_with(&objects(RW), &headers).must_be(200);
}

#[test]
fn objects_count_for_more_than_their_text() {
    let server = with(|limits| limits.octets_in_flight_per_credential = 4 * MIB);
    let writer = server.actor("writer");
    let some = |n| envelope(&vec!["{}".to_owned(); n]);
    told(
        try_post(&writer, &request("POST", &objects(RW), &[("Content-Type", TAXII)], Some(some(9000).as_bytes()))),
        503,
        "octets_in_flight_per_credential",
    );
    writer.post(&objects(RW), &some(7000)).must_be(202);
}

#[test]
fn answers_that_are_taken_leave_nothing_counted() {
    let server = with(|limits| limits.octets_in_flight_per_credential = 4 * MIB);
    let (writer, reader) = (server.actor("writer"), server.actor("reader"));
    writer.post(&objects(RW), &envelope(&[large(1)])).must_be(202);
    let mut live = reader.connect().unwrap();
    for _ in 0..10 {
        assert_eq!(ask(&mut live, "GET", &objects(RW), &[], None).status, 200);
        ask(&mut live, "HEAD", &objects(RW), &[], None).must_be(200);
    }
}
