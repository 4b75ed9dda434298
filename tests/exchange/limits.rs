//! Callers that begin and do not go on.

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
    let begun = entente::clock::stopwatch();
    while !server.metrics().contains("entente_connections 0") {
        assert!(begun.elapsed() < PATIENCE, "the connection is still there");
    }
    let mut taken = Vec::new();
    let outcome = connection.read_to_end(&mut taken);
    assert!(outcome.is_err() && taken.len() < 15 * (3 << 20), "{} octets", taken.len());
    writer.get(&objects(RW)).must_be(200);
}
