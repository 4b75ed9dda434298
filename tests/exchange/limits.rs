//! Callers that begin and do not go on.

use crate::support::actor::{Actor, ask, request};
use crate::support::objects::{envelope, id};
use crate::support::server::{Setup, objects};
use crate::support::{RW, Server};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn impatient() -> Server {
    let mut setup = Setup::default();
    setup.settings.limits.handshake_seconds = 1;
    setup.settings.limits.write_stall_seconds = 1;
    Server::with(setup)
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let server = impatient();
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // Ended, in whatever way: an error other than our own patience's end counts, too.
    let ended =
        socket.read(&mut [0; 16]).map_or_else(|error| error.kind() != std::io::ErrorKind::WouldBlock, |read| read == 0);
    assert!(ended);
}

#[test]
fn an_answer_that_nobody_takes_ends_the_connection() {
    let server = impatient();
    let writer = server.actor("writer");
    let large =
        |n: usize| format!(r#"{{"type":"x-large","id":"{}","text":"{}"}}"#, id("x-large", n), "x".repeat(3 << 20));
    writer.post(&objects(RW), &envelope(&[large(1)])).must_be(202);
    let mut connection = writer.connect().unwrap();
    let asking = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", objects(RW));
    // More than all buffers between here and there can hold.
    connection.write_all(asking.repeat(15).as_bytes()).unwrap();
    // Once it answers, it knows of the connection.
    connection.read_exact(&mut [0]).unwrap();
    let begun = entente::clock::stopwatch();
    while !server.metrics().contains("entente_connections 0") {
        assert!(begun.elapsed() < PATIENCE, "the connection is still there");
    }
    let mut taken = Vec::new();
    let outcome = connection.read_to_end(&mut taken);
    assert!(outcome.is_err() && taken.len() < 15 * (3 << 20), "{} octets", taken.len());
    writer.get(&objects(RW)).must_be(200);
}

#[test]
fn an_answer_that_is_taken_too_slowly_ends_the_connection() {
    const ANSWERS: usize = 30;
    let mut setup = Setup::default();
    setup.settings.limits.write_stall_seconds = 1;
    setup.settings.limits.write_octets_per_second = 1 << 30;
    let server = Server::with(setup);
    let writer = server.actor("writer");
    let large = format!(r#"{{"type":"x-large","id":"{}","text":"{}"}}"#, id("x-large", 1), "x".repeat(3 << 20));
    writer.post(&objects(RW), &envelope(&[large])).must_be(202);
    let mut connection = writer.connect().unwrap();
    let asking = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", objects(RW));
    connection.write_all(asking.repeat(ANSWERS).as_bytes()).unwrap();
    // Something is taken all the time, and the server never waits for as long as a stall.
    let (mut taken, mut part) = (0, vec![0; 1 << 20]);
    let ended = loop {
        let begun = entente::clock::stopwatch();
        match connection.read(&mut part) {
            Ok(0) | Err(_) => break true,
            Ok(read) => taken += read,
        }
        if taken >= ANSWERS * (3 << 20) {
            break false;
        }
        while begun.elapsed() < Duration::from_micros(500) {}
    };
    assert!(ended, "all was waited for");
    writer.get(&objects(RW)).must_be(200);
}

/// Asks until it is answered, or not.
fn until_connecting_is(expected: bool, actor: &Actor) {
    let begun = entente::clock::stopwatch();
    while actor.attempt("GET", "/taxii2/", None).is_ok() != expected {
        assert!(begun.elapsed() < PATIENCE);
    }
}

#[test]
fn one_address_has_so_many_connections_at_a_time() {
    let mut setup = Setup::default();
    setup.settings.limits.connections_per_address = 3;
    let server = Server::with(setup);
    let reader = server.actor("reader");
    let mut connections: Vec<_> = (0..3).map(|_| reader.connect().unwrap()).collect();
    until_connecting_is(false, &reader);
    // Half-open ones count, too.
    connections.pop();
    let _silent = TcpStream::connect(server.address).unwrap();
    until_connecting_is(false, &reader);
    connections.pop();
    until_connecting_is(true, &reader);
    assert!(server.metrics().contains("entente_tls_refusals_total{reason=\"connections\"}"));
}

#[test]
fn one_address_begins_so_many_handshakes_in_a_minute() {
    let mut setup = Setup::default();
    setup.settings.limits.handshakes_per_minute_per_address = 5;
    let server = Server::with(setup);
    let reader = server.actor("reader");
    let answered = (0..20).filter(|_| reader.attempt("GET", "/taxii2/", None).is_ok()).count();
    assert_eq!(answered, 5);
    assert!(server.metrics().contains("entente_tls_refusals_total{reason=\"rate\"} 15"));
}

/// Whether the server ends the connection within a test's patience; what comes before that is passed over.
fn ends(connection: &mut impl std::io::Read) -> bool {
    connection
        .read_to_end(&mut Vec::new())
        .map_or_else(|error| error.kind() != std::io::ErrorKind::WouldBlock, |_| true)
}

#[test]
fn a_second_request_that_begins_and_does_not_go_on_is_not_waited_for() {
    let mut setup = Setup::default();
    setup.settings.limits.header_seconds = 1;
    let server = Server::with(setup);
    let reader = server.actor("reader");
    let mut connection = reader.connect().unwrap();
    connection.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    ask(&mut connection, "GET", "/taxii2/", &[], None).must_be(200);
    ask(&mut connection, "GET", "/taxii2/", &[], None).must_be(200);
    connection.write_all(b"G").unwrap();
    assert!(ends(&mut connection), "the connection is still there");
}

#[test]
fn a_second_request_that_begins_together_with_the_first_is_not_waited_for() {
    let mut setup = Setup::default();
    (setup.settings.limits.header_seconds, setup.settings.limits.keep_alive_seconds) = (1, 1);
    let server = Server::with(setup);
    let mut connection = server.actor("reader").connect().unwrap();
    connection.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    let both = [request("GET", "/taxii2/", &[], None), b"G".to_vec()].concat();
    connection.write_all(&both).unwrap();
    assert!(ends(&mut connection), "the connection is still there");
}

#[test]
fn what_strangers_take_of_one_listener_is_not_taken_of_the_other() {
    let mut setup = Setup::with_fallback();
    setup.settings.limits.handshakes_per_minute_per_address = 5;
    let server = Server::with(setup);
    let stranger = server.without_certificate();
    let answered = (0..20).filter(|_| stranger.attempt("GET", "/taxii2/", None).is_ok()).count();
    assert_eq!(answered, 5);
    server.actor("reader").get("/taxii2/").must_be(200);
}
