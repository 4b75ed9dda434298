//! Connections that live while their peer is shut out, or while the files of TLS change.

use super::{discover, proven, until};
use crate::support::actor::{Actor, Connection, TAXII, read_answer, request};
use crate::support::clock::Turnable;
use crate::support::objects::{envelope, id, indicator};
use crate::support::pki::{Ca, Identity};
use crate::support::server::{Setup, objects};
use crate::support::{RW, Server};
use entente::access::proof::certificate::Certificate;
use entente::clock::stopwatch;
use rcgen::{ExtendedKeyUsagePurpose, SanType};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const ROUNDS: usize = 200;

fn fingerprint(identity: &Identity) -> String {
    Certificate::read(&identity.chain[0]).unwrap().fingerprint.to_string()
}

/// The server has closed.
fn is_over(connection: &mut Connection) -> bool {
    connection.read(&mut [0]).is_ok_and(|read| read == 0)
}

#[test]
fn whoever_is_revoked_is_refused_on_the_live_connection_and_on_every_other() {
    let server = Server::with(Setup { in_memory: true, ..Setup::default() });
    for round in 0..ROUNDS {
        let identity = server.ca.client("reader");
        server.register("reader", &identity);
        let version = if round % 2 == 0 { &TLS13 } else { &TLS12 };
        // One client, which keeps what it could resume.
        let actor = Actor::speaking(server.address, server.ca.der.clone(), Some(identity.clone()), &[version]);
        let mut live = proven(&actor);
        let mut other = proven(&actor);
        assert_eq!(live.conn.tls13_tickets_received() + other.conn.tls13_tickets_received(), 0);
        server.admin.revoke("reader", &fingerprint(&identity)).unwrap();
        for connection in [&mut live, &mut other] {
            discover(connection).must_fail(401);
            assert!(is_over(connection));
        }
        let mut again = actor.connect().unwrap();
        discover(&mut again).must_fail(401);
        assert_ne!(again.conn.handshake_kind().unwrap(), HandshakeKind::Resumed);
        assert_eq!(again.conn.tls13_tickets_received(), 0);
    }
}

/// A member of another CA, whose certificate has the number 7.
fn member(server: &Server) -> (Ca, Actor) {
    let ca = Ca::new("Members");
    fs::create_dir_all(server.pki().join("crls")).unwrap();
    fs::write(server.pki().join("anchors/members.pem"), &ca.pem).unwrap();
    server.admin.bind_anchor(&Certificate::read(&ca.der).unwrap(), &["writer".to_owned()]).unwrap();
    let identity = ca.issue("writer", |certificate| certificate.serial_number = Some(7.into()));
    server.register("writer", &identity);
    assert!(server.reread());
    (ca, server.actor_with(Some(identity)))
}

#[test]
fn a_revocation_list_counts_soon_after_its_file_is_there_on_live_connections_too() {
    let server = Server::start();
    let (ca, member) = member(&server);
    let (mut live, mut bystander) = (proven(&member), proven(&server.actor("reader")));
    let file = server.pki().join("crls/members.crl");
    fs::write(&file, ca.crl(&[], |_| ())).unwrap();
    discover(&mut live).must_be(200);
    fs::write(&file, ca.crl(&[7], |_| ())).unwrap();
    until(|| !super::gets_in(&member));
    assert!(discover(&mut live).must_fail(401).contains("Revoked"));
    assert!(is_over(&mut live));
    discover(&mut bystander).must_be(200);
    assert!(server.metrics().contains("entente_tls_refusals_total{reason=\"revoked\"}"));
}

#[test]
fn an_anchor_that_is_taken_away_ends_what_live_connections_may_ask() {
    let server = Server::start();
    let (_, member) = member(&server);
    let mut live = proven(&member);
    fs::remove_file(server.pki().join("anchors/members.pem")).unwrap();
    assert!(server.reread());
    assert!(discover(&mut live).must_fail(401).contains("UnknownIssuer"));
    assert!(is_over(&mut live));
}

/// A connection on which more answers are asked for than all buffers hold, and a part of one was read.
fn downloading(actor: &Actor) -> Connection {
    let mut connection = actor.connect().unwrap();
    let asking = format!("GET {} HTTP/1.1\r\nHost: localhost\r\nAccept: {TAXII}\r\n\r\n", objects(RW));
    connection.write_all(asking.repeat(15).as_bytes()).unwrap();
    connection.read_exact(&mut [0; 1000]).unwrap();
    connection
}

#[test]
fn a_running_download_ends_when_its_caller_is_shut_out() {
    let server = Server::start();
    let large = format!(r#"{{"type":"x-large","id":"{}","text":"{}"}}"#, id("x-large", 1), "x".repeat(3 << 20));
    server.actor("writer").post(&objects(RW), &envelope(&[large])).must_be(202);
    let (ca, member) = member(&server);
    let identity = server.ca.client("writer");
    server.register("writer", &identity);
    let (by_list, by_command) = (downloading(&member), downloading(&server.actor_with(Some(identity.clone()))));
    let mut bystander = downloading(&server.actor("writer"));
    let connections = |n: usize| server.metrics().contains(&format!("entente_connections {n}\n"));
    until(|| connections(3));
    let begun = stopwatch();
    server.admin.revoke("writer", &fingerprint(&identity)).unwrap();
    until(|| connections(2));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    fs::write(server.pki().join("crls/members.crl"), ca.crl(&[7], |_| ())).unwrap();
    until(|| connections(1));
    let mut rest = Vec::new();
    for mut cut in [by_list, by_command] {
        assert!(cut.read_to_end(&mut rest).is_err(), "the rest came, too");
    }
    bystander.read_exact(&mut vec![0; 40 << 20]).unwrap();
}

#[test]
fn a_push_under_way_adds_nothing_when_its_sender_is_shut_out() {
    let server = Server::start();
    let (ca, member) = member(&server);
    let body = envelope(&[indicator(1, 1)]);
    let headers = [("Accept", TAXII), ("Content-Type", TAXII), ("Expect", "100-continue")];
    let whole = request("POST", &objects(RW), &headers, Some(body.as_bytes()));
    let (first, rest) = whole.split_at(whole.len() - 10);
    let mut connection = proven(&member);
    connection.write_all(first).unwrap();
    // The server has looked at the head, and waits for the body.
    let mut go_on = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    connection.read_exact(&mut go_on).unwrap();
    assert!(go_on.starts_with(b"HTTP/1.1 100 "));
    fs::write(server.pki().join("crls/members.crl"), ca.crl(&[7], |_| ())).unwrap();
    assert!(server.reread());
    connection.write_all(rest).unwrap();
    assert!(read_answer(&mut connection, false).unwrap().must_fail(401).contains("Revoked"));
    assert!(server.actor("writer").get(&objects(RW)).must_be(200).ids().is_empty());
}

/// A certificate for the server, by another key and for so many days.
fn renewed(server: &Server, year: i32) -> Identity {
    server.ca.issue("localhost", |certificate| {
        certificate.not_after = rcgen::date_time_ymd(year, 1, 1);
        certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        certificate.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
    })
}

fn install(server: &Server, identity: &Identity) {
    fs::write(server.pki().join("server.key"), identity.key.serialize_pem()).unwrap();
    fs::write(server.pki().join("server.pem"), &identity.pem).unwrap();
}

#[test]
fn the_servers_certificate_is_replaced_while_it_runs() {
    let server = Server::start();
    let actor = server.actor("reader");
    let shown = || proven(&actor).conn.peer_certificates().unwrap()[0].clone();
    let before = shown();
    let mut live = proven(&actor);
    let new = renewed(&server, 4000);
    install(&server, &new);
    until(|| shown() == new.chain[0]);
    assert_ne!(before, new.chain[0]);
    discover(&mut live).must_be(200);
}

#[test]
fn a_server_certificate_that_has_ended_is_told_until_it_is_replaced() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    let old = fs::read(server.pki().join("server.pem")).unwrap();
    assert_eq!(server.ask_ops("GET /readyz").1, "ready\n");
    // It is valid for a day.
    clock.turn_on(2 * 86_400);
    let (status, reason) = server.ask_ops("GET /readyz");
    assert!(status.contains("503") && reason.contains("server.pem is valid from"), "{status} {reason}");
    // Other changes count all the same.
    assert!(server.reread());
    install(&server, &renewed(&server, 4000));
    assert!(server.reread());
    assert_eq!(server.ask_ops("GET /readyz").1, "ready\n");
    fs::write(server.pki().join("server.pem"), old).unwrap();
    assert!(!server.reread());
    assert_eq!(server.ask_ops("GET /readyz").1, "ready\n");
}

#[test]
fn no_request_is_lost_while_the_files_are_read_again_and_again() {
    const RELOADS: usize = 50;
    let server = Server::start();
    let (live, fresh) = (server.actor("reader"), server.actor("writer"));
    let (running, answered) = (AtomicBool::new(true), AtomicUsize::new(0));
    thread::scope(|scope| {
        for actor in [&live, &fresh] {
            let (running, answered) = (&running, &answered);
            scope.spawn(move || {
                let mut connection = proven(actor);
                while running.load(Ordering::Relaxed) {
                    discover(&mut connection).must_be(200);
                    actor.get("/api1/").must_be(200);
                    answered.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        for round in 0..RELOADS {
            let before = answered.load(Ordering::Relaxed);
            install(&server, &renewed(&server, 3000 + i32::try_from(round).unwrap()));
            // What the watch read in between may be half of it, and then counts for nothing.
            assert!(server.reread());
            until(|| answered.load(Ordering::Relaxed) > before + 4);
        }
        running.store(false, Ordering::Relaxed);
    });
}
