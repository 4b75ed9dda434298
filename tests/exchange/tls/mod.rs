//! What the listener demands of a connection before HTTP begins.

mod certificates;
mod files;
mod live;
mod revocation;

use crate::support::Server;
use crate::support::actor::{Actor, Answer, Connection, TAXII, ask, read_answer};
use crate::support::pki::{Ca, Identity};
use crate::support::server::Setup;
use entente::access::proof::certificate::Certificate;
use entente::clock::{Clock, stopwatch};
use entente::http::tls::Version;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion, SignatureScheme};
use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest that a change of the anchors may take to hold.
const SOON: Duration = Duration::from_secs(5);

/// A connection on which a request was answered, so that all of the handshake has been seen.
fn proven(actor: &Actor) -> Connection {
    let mut connection = actor.connect().unwrap();
    discover(&mut connection).must_be(200);
    connection
}

/// One request on a connection that lives on.
fn discover(connection: &mut Connection) -> Answer {
    ask(connection, "GET", "/taxii2/", &[("Accept", TAXII)], None)
}

/// How the server turns a client away in the handshake; panics if it lets it in.
fn turned_away(actor: &Actor) -> String {
    actor.connect().and_then(|mut connection| connection.read_exact(&mut [0])).unwrap_err().to_string()
}

/// Rows: TLS-2, TLS-3.
#[test]
fn tls_1_3_and_1_2_are_spoken() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    for (version, expected) in [(&TLS13, ProtocolVersion::TLSv1_3), (&TLS12, ProtocolVersion::TLSv1_2)] {
        let actor = Actor::speaking(server.address, server.ca.der.clone(), Some(identity.clone()), &[version]);
        assert_eq!(proven(&actor).conn.protocol_version(), Some(expected));
    }
    assert_eq!(proven(&server.actor_with(Some(identity))).conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

/// A TLS 1.2 `ClientHello` (RFC 5246 §7.4.1.2), or one of an older version.
fn client_hello(version: u16, suites: &[u16]) -> Vec<u8> {
    let length = |octets: usize| u16::try_from(octets).unwrap().to_be_bytes();
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let groups = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23];
    let point_formats = [0, 11, 0, 2, 1, 0];
    let signatures = [0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1];
    let extensions = [&groups[..], &point_formats, &signatures].concat();
    let hello = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &length(suites.len()),
        &suites,
        &[1, 0],
        &length(extensions.len()),
        &extensions,
    ]
    .concat();
    [&[22, 3, 1][..], &length(hello.len() + 4), &[1, 0], &length(hello.len()), &hello].concat()
}

/// The alert that these octets are answered with; `None`: the server goes on.
fn alert(server: &Server, hello: &[u8]) -> Option<u8> {
    const ALERT: u8 = 21;
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(hello).unwrap();
    let mut record = [0; 7];
    socket.read_exact(&mut record).unwrap();
    (record[0] == ALERT).then_some(record[6])
}

/// `ECDHE-ECDSA-AES128-GCM-SHA256`.
const GOOD_SUITE: u16 = 0xC02B;

/// Rows: TLS-6.
#[test]
fn what_is_older_than_tls_1_2_is_refused() {
    const PROTOCOL_VERSION: u8 = 70;
    let server = Server::start();
    assert_eq!(alert(&server, &client_hello(0x0303, &[GOOD_SUITE])), None);
    for older in [0x0300, 0x0301, 0x0302] {
        assert_eq!(alert(&server, &client_hello(older, &[GOOD_SUITE])), Some(PROTOCOL_VERSION), "{older:#x}");
    }
}

/// Rows: TLS-5.
#[test]
fn a_suite_that_http_2_would_not_take_is_refused() {
    const HANDSHAKE_FAILURE: u8 = 40;
    let server = Server::start();
    // CBC with ECDHE, static RSA with CBC and GCM, RC4, 3DES, static ECDH, no encryption.
    let bad = [
        0xC023, 0xC009, 0xC024, 0xC00A, 0xC027, 0xC013, 0x002F, 0x0035, 0x003C, 0x009C, 0x009D, 0x0005, 0xC007, 0x000A,
        0xC02D, 0xC006,
    ];
    for suite in bad {
        assert_eq!(alert(&server, &client_hello(0x0303, &[suite])), Some(HANDSHAKE_FAILURE), "{suite:#x}");
    }
    assert_eq!(alert(&server, &client_hello(0x0303, &bad)), Some(HANDSHAKE_FAILURE));
    assert_eq!(alert(&server, &client_hello(0x0303, &[&bad[..], &[GOOD_SUITE]].concat())), None);
}

#[test]
fn no_session_is_ever_resumed() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    for version in [&TLS13, &TLS12] {
        let actor = Actor::speaking(server.address, server.ca.der.clone(), Some(identity.clone()), &[version]);
        for _ in 0..3 {
            let kind = proven(&actor).conn.handshake_kind().unwrap();
            assert_ne!(kind, HandshakeKind::Resumed, "{version:?}");
        }
    }
}

/// Rows: TLS-4.
#[test]
fn no_ticket_is_given_out_and_no_early_data_taken() {
    let server = Server::start();
    let actor = server.actor("reader").with(|config| config.enable_early_data = true);
    for _ in 0..2 {
        let connection = proven(&actor);
        assert_eq!(connection.conn.tls13_tickets_received(), 0);
        assert!(!connection.conn.is_early_data_accepted());
    }
}

#[test]
fn the_post_quantum_key_exchange_is_preferred_to_the_other_that_a_client_offers() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    for (groups, expected) in [
        (vec![kx_group::X25519MLKEM768, kx_group::X25519], NamedGroup::X25519MLKEM768),
        (vec![kx_group::X25519], NamedGroup::X25519),
    ] {
        let provider = rustls::crypto::CryptoProvider { kx_groups: groups, ..default_provider() };
        let actor = Actor::using(provider, server.address, server.ca.der.clone(), Some(identity.clone()), &[&TLS13]);
        let connection = proven(&actor);
        assert_eq!(connection.conn.negotiated_key_exchange_group().unwrap().name(), expected);
    }
}

#[test]
fn http_2_is_never_agreed_on() {
    let server = Server::start();
    let reader = server.actor("reader");
    let offering = |protocols: &[&str]| {
        reader.with(|config| config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect())
    };
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"]] {
        assert_eq!(proven(&offering(protocols)).conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    assert_eq!(proven(&reader).conn.alpn_protocol(), None);
    assert!(turned_away(&offering(&["h2"])).contains("NoApplicationProtocol"));
    // The preface of HTTP/2 (RFC 9113 §3.4) is no HTTP/1.1 request.
    let mut connection = reader.connect().unwrap();
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let answer = read_answer(&mut connection, false).unwrap();
    assert_eq!(answer.header("connection"), Some("close"));
    answer.must_fail(400);
    // Whether the connection ends with or without a last word of TLS is no matter.
    let end = connection.read(&mut [0]);
    assert!(end.map_or_else(|error| error.kind() == ErrorKind::UnexpectedEof, |read| read == 0));
}

#[test]
fn with_the_profile_1_3_nothing_older_is_spoken() {
    let mut setup = Setup::default();
    setup.settings.tls.versions = Version::V13;
    let server = Server::with(setup);
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let speaking = |version| Actor::speaking(server.address, server.ca.der.clone(), Some(identity.clone()), &[version]);
    proven(&speaking(&TLS13));
    assert!(turned_away(&speaking(&TLS12)).contains("ProtocolVersion"));
}

/// Rows: TLS-7.
#[test]
fn plain_http_gets_no_answer_of_http() {
    let server = Server::start();
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.write_all(b"GET /taxii2/ HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut said = Vec::new();
    // Whether the connection ends with or without a reset is no matter.
    let _ = socket.read_to_end(&mut said);
    assert!(said.len() < 16 && !said.starts_with(b"HTTP"), "{:?}", String::from_utf8_lossy(&said));
}

/// Remembers whether the server asked for a certificate, and for whose.
#[derive(Debug)]
struct Listener {
    identity: Arc<CertifiedKey>,
    asked: AtomicBool,
    names: Mutex<Vec<Vec<u8>>>,
}

impl ResolvesClientCert for Listener {
    fn resolve(&self, names: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::SeqCst);
        self.names.lock().unwrap().extend(names.iter().map(|name| name.to_vec()));
        Some(Arc::clone(&self.identity))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[test]
fn the_names_of_the_anchors_are_told_to_nobody() {
    let server = Server::start();
    let identity = server.ca.client("reader");
    server.register("reader", &identity);
    let key = CertifiedKey::from_der(identity.chain.clone(), identity.key_der(), &default_provider()).unwrap();
    for version in [&TLS13, &TLS12] {
        let listener =
            Arc::new(Listener { identity: Arc::new(key.clone()), asked: false.into(), names: Mutex::default() });
        let heard: Arc<Listener> = Arc::clone(&listener);
        let actor = Actor::speaking(server.address, server.ca.der.clone(), None, &[version]);
        proven(&actor.with(|config| config.client_auth_cert_resolver = listener));
        assert!(heard.asked.load(Ordering::SeqCst));
        assert!(heard.names.lock().unwrap().is_empty(), "{version:?}");
    }
}

/// Rows: AUTH-15.
#[test]
fn without_a_certificate_the_handshake_fails() {
    let server = Server::start();
    assert!(turned_away(&server.actor_with(None)).contains("CertificateRequired"));
    let older = Actor::speaking(server.address, server.ca.der.clone(), None, &[&TLS12]);
    assert!(turned_away(&older).contains("received fatal alert"));
}

/// A certificate that its own key signed.
fn self_signed(name: &str) -> Identity {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    Identity { chain: vec![certificate.der().clone()], key, pem: certificate.pem() }
}

/// Rows: TLS-8.
#[test]
fn a_certificate_that_is_not_in_order_is_refused_though_its_key_is_registered() {
    let server = Server::start();
    let ago = |seconds| Clock::system().now() - Duration::from_secs(seconds);
    let ahead = |seconds| Clock::system().now() + Duration::from_secs(seconds);
    let bad = [
        ("of an unknown CA", Ca::new("Other CA").client("x"), "UnknownCA"),
        ("of a CA that only bears the name", Ca::new("Test CA").client("x"), "DecryptError"),
        ("of nobody but itself", self_signed("x"), "UnknownCA"),
        (
            "expired",
            server.ca.issue("x", |cert| (cert.not_before, cert.not_after) = (ago(99).into(), ago(9).into())),
            "CertificateExpired",
        ),
        ("not yet valid", server.ca.issue("x", |cert| cert.not_before = ahead(999).into()), "CertificateExpired"),
        (
            "for nothing in particular",
            server.ca.issue("x", |cert| cert.extended_key_usages.clear()),
            "UnsupportedCertificate",
        ),
        (
            "for servers",
            server.ca.issue("x", |cert| cert.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "UnsupportedCertificate",
        ),
        (
            "a CA's",
            server.ca.issue("x", |cert| cert.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "received fatal alert",
        ),
    ];
    for (which, identity, expected) in bad {
        server.register("reader", &identity);
        for version in [&TLS13, &TLS12] {
            let actor = Actor::speaking(server.address, server.ca.der.clone(), Some(identity.clone()), &[version]);
            let reason = turned_away(&actor);
            assert!(reason.contains(expected), "{which}: {reason}");
        }
    }
    server.actor("reader").get("/taxii2/").must_be(200);
}

/// Whether the handshake goes through.
fn gets_in(actor: &Actor) -> bool {
    actor
        .connect()
        .and_then(|mut connection| {
            connection.write_all(b"GET /taxii2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            connection.read_exact(&mut [0])
        })
        .is_ok()
}

/// Asks again and again until it is so.
fn until(what: impl Fn() -> bool) {
    let begun = stopwatch();
    while !what() {
        assert!(begun.elapsed() < SOON, "it does not become so");
    }
}

/// A client of another CA, registered for the reader.
fn partner(server: &Server) -> (Ca, Actor) {
    let ca = Ca::new("Partner CA");
    server.admin.bind_anchor(&Certificate::read(&ca.der).unwrap(), &["reader".to_owned()]).unwrap();
    let identity = ca.client("reader");
    server.register("reader", &identity);
    let actor = server.actor_with(Some(identity));
    (ca, actor)
}

#[test]
fn a_partners_ca_counts_soon_after_its_file_is_there_and_no_longer_when_it_is_gone() {
    let server = Server::start();
    let (ca, partner) = partner(&server);
    assert!(!gets_in(&partner));
    let file = server.pki().join("anchors/partner.pem");
    fs::write(&file, &ca.pem).unwrap();
    until(|| gets_in(&partner));
    partner.get("/taxii2/").must_be(200);
    fs::remove_file(&file).unwrap();
    until(|| !gets_in(&partner));
    assert!(gets_in(&server.actor("writer")));
}

#[test]
fn while_an_anchor_file_is_broken_the_old_anchors_stay() {
    let server = Server::start();
    let member = server.actor("writer");
    let (ca, partner) = partner(&server);
    let broken = server.pki().join("anchors/broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    fs::write(server.pki().join("anchors/partner.pem"), &ca.pem).unwrap();
    let begun = stopwatch();
    // Long enough for the files to be looked at.
    while begun.elapsed() < Duration::from_millis(1200) {
        assert!(gets_in(&member) && !gets_in(&partner));
    }
    fs::remove_file(&broken).unwrap();
    until(|| gets_in(&partner));
}
