//! Revocation lists: who is refused because of one, and which are not believed.

use crate::support::Server;
use crate::support::actor::Actor;
use crate::support::clock::Turnable;
use crate::support::pki::{Ca, Identity};
use crate::support::server::Setup;
use entente::access::proof::certificate::Certificate;
use entente::clock::Clock;
use entente::http::tls::{self, Tls};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::path::Path;
use std::time::Duration;

type List = fn(&mut CertificateRevocationListParams);

/// The serial number of every leaf, whoever issued it.
const SERIAL: u64 = 0x0102_0304;
/// That of no leaf.
const OTHER: u64 = 5;
/// That of the intermediate.
const BELOW: u64 = 9;
const POINT: &str = "http://crl.example/1";

/// CAs of members: two anchors, a third with the first one's name, and one below the first.
struct Cas {
    first: Ca,
    second: Ca,
    namesake: Ca,
    below: Ca,
}

fn issue(ca: &Ca) -> Identity {
    issue_with(ca, |_| ())
}

fn issue_with(ca: &Ca, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    ca.issue("member", |certificate| {
        certificate.serial_number = Some(SERIAL.into());
        change(certificate);
    })
}

/// A leaf that names a distribution point.
fn pointing(ca: &Ca, point: &str) -> Identity {
    issue_with(ca, |certificate| {
        certificate.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![point.to_owned()] }];
    })
}

impl Cas {
    fn new() -> Self {
        let new = |name| Ca::new(name);
        let first = new("First");
        let below = first.below(KeyPair::generate().unwrap(), "Below", |ca| ca.serial_number = Some(BELOW.into()));
        Self { second: new("Second"), namesake: new("First"), first, below }
    }

    fn install(&self, server: &Server) {
        let pki = server.pki();
        fs::create_dir_all(pki.join("crls")).unwrap();
        fs::create_dir_all(pki.join("intermediates")).unwrap();
        fs::write(pki.join("intermediates/below.pem"), &self.below.pem).unwrap();
        for (n, ca) in [&self.first, &self.second, &self.namesake].into_iter().enumerate() {
            fs::write(pki.join(format!("anchors/{n}.pem")), &ca.pem).unwrap();
            server.admin.bind_anchor(&Certificate::read(&ca.der).unwrap(), &["reader".to_owned()]).unwrap();
        }
    }
}

/// Exactly these lists.
fn put(pki: &Path, lists: &[String]) {
    let folder = pki.join("crls");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    for (n, list) in lists.iter().enumerate() {
        fs::write(folder.join(format!("{n}.pem")), list).unwrap();
    }
}

fn stale(list: &mut CertificateRevocationListParams) {
    list.next_update = (Clock::system().now() - Duration::from_mins(1)).into();
}

fn partition(list: &mut CertificateRevocationListParams, scope: Option<CrlScope>) {
    let distribution_point = CrlDistributionPoint { uris: vec![POINT.to_owned()] };
    list.issuing_distribution_point = Some(CrlIssuingDistributionPoint { distribution_point, scope });
}

fn for_all(list: &mut CertificateRevocationListParams) {
    partition(list, None);
}

fn for_leaves(list: &mut CertificateRevocationListParams) {
    partition(list, Some(CrlScope::UserCertsOnly));
}

fn for_cas(list: &mut CertificateRevocationListParams) {
    partition(list, Some(CrlScope::CaCertsOnly));
}

fn as_is(_: &mut CertificateRevocationListParams) {}

/// What is in `crls/`, who comes, and how it ends.
fn table(cas: &Cas, own: &Ca) -> Vec<(&'static str, Vec<String>, Identity, Option<&'static str>)> {
    let Cas { first, second, namesake, below } = cas;
    let list = |ca: &Ca, serials: &[u64], change: List| ca.crl(serials, change);
    let (revoked, unknown, ended) = (Some("CertificateRevoked"), Some("UnknownCA"), Some("UnknownCA"));
    let (good, bad) = (|ca: &Ca| ca.crl(&[OTHER], as_is), |ca: &Ca| ca.crl(&[OTHER, SERIAL, 77], as_is));
    vec![
        ("no list", vec![], issue(first), None),
        ("no list, below", vec![], issue(below), None),
        ("not revoked", vec![good(first)], issue(first), None),
        ("an empty list", vec![list(first, &[], as_is)], issue(first), None),
        ("revoked", vec![bad(first)], issue(first), revoked),
        ("revoked in one of two lists", vec![good(first), bad(first)], issue(first), revoked),
        ("revoked in the other of two lists", vec![bad(first), good(first)], issue(first), revoked),
        ("revoked by the server's own CA", vec![bad(own)], issue(own), revoked),
        ("not revoked by the server's own CA", vec![good(own)], issue(own), None),
        ("the same number, of another CA", vec![bad(first), good(second)], issue(second), None),
        ("the same number, of a CA without a list", vec![bad(first)], issue(second), None),
        ("the same number, of a CA of the same name", vec![bad(first)], issue(namesake), None),
        ("revoked by the CA of the same name", vec![bad(first), bad(namesake)], issue(namesake), revoked),
        ("the same number, of the CA below", vec![bad(first), good(below)], issue(below), None),
        ("below, not revoked", vec![good(first), good(below)], issue(below), None),
        ("below, revoked", vec![good(first), bad(below)], issue(below), revoked),
        ("below one that is revoked", vec![list(first, &[BELOW], as_is), good(below)], issue(below), revoked),
        ("below, and only the anchor has a list", vec![good(first)], issue(below), unknown),
        ("below, and only the CA below has a list", vec![good(below)], issue(below), unknown),
        ("the list has ended", vec![list(first, &[OTHER], stale)], issue(first), ended),
        ("the list has ended, and another has not", vec![list(first, &[], stale), good(first)], issue(first), None),
        ("revoked in a list that has ended", vec![list(first, &[SERIAL], stale), good(first)], issue(first), revoked),
        ("the anchor's list has ended", vec![list(first, &[], stale), good(below)], issue(below), ended),
        ("the list below has ended", vec![good(first), list(below, &[], stale)], issue(below), ended),
        ("a part that it is in", vec![list(first, &[OTHER], for_all)], pointing(first, POINT), None),
        ("revoked in its part", vec![list(first, &[SERIAL], for_all)], pointing(first, POINT), revoked),
        ("a part that it is not in", vec![list(first, &[], for_all)], pointing(first, "http://other"), unknown),
        ("revoked in another part", vec![list(first, &[SERIAL], for_all)], pointing(first, "http://other"), unknown),
        ("a part, and it names none", vec![list(first, &[], for_all)], issue(first), unknown),
        ("a part for leaves", vec![list(first, &[OTHER], for_leaves)], pointing(first, POINT), None),
        ("revoked in a part for leaves", vec![list(first, &[SERIAL], for_leaves)], pointing(first, POINT), revoked),
        ("a part for CAs", vec![list(first, &[], for_cas)], pointing(first, POINT), unknown),
        ("a part for CAs, and all", vec![list(first, &[], for_cas), good(first)], pointing(first, POINT), None),
        ("of another CA only", vec![good(second)], issue(first), None),
    ]
}

/// How a client's request ends: `None` with an answer, otherwise the alert.
fn refusal(actor: &Actor) -> Option<String> {
    match actor.attempt("GET", "/taxii2/", None) {
        Ok(answer) => {
            answer.must_be(200);
            None
        }
        Err(error) => Some(error.to_string()),
    }
}

fn speaking(server: &Server, identity: &Identity, version: &'static rustls::SupportedProtocolVersion) -> Actor {
    Actor::speaking(server.address, server.ca.der.clone(), Some(identity.clone()), &[version])
}

#[test]
fn who_is_revoked_or_cannot_be_known_not_to_be_is_refused_and_nobody_else() {
    let server = Server::start();
    let cas = Cas::new();
    cas.install(&server);
    let mut wrong = Vec::new();
    for (name, lists, identity, expected) in table(&cas, &server.ca) {
        put(&server.pki(), &lists);
        assert!(server.reread(), "{name}");
        server.register("reader", &identity);
        for version in [&TLS13, &TLS12] {
            let refused = refusal(&speaking(&server, &identity, version));
            let fits = match (&refused, expected) {
                (None, None) => true,
                (Some(refused), Some(expected)) => refused.contains(expected),
                _ => false,
            };
            if !fits {
                wrong.push(format!("{name} ({version:?}): {refused:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn with_require_crl_a_members_ca_without_a_list_lets_nobody_in_and_the_servers_own_does() {
    let mut setup = Setup::default();
    setup.settings.tls.require_crl = true;
    let server = Server::with(setup);
    let cas = Cas::new();
    cas.install(&server);
    let (member, own) = (issue(&cas.first), server.ca.client("own"));
    server.register("reader", &member);
    server.register("reader", &own);
    assert!(server.reread());
    assert!(refusal(&server.actor_with(Some(member.clone()))).unwrap().contains("UnknownCA"));
    assert_eq!(refusal(&server.actor_with(Some(own))), None);
    put(&server.pki(), &[cas.first.crl(&[], as_is)]);
    assert!(server.reread());
    assert_eq!(refusal(&server.actor_with(Some(member))), None);
}

/// A list in which one extension has become another. Its signature is of no more use, but its form is looked at first.
fn with_extension(list: &str, from: u8, to: u8) -> Vec<u8> {
    let mut der = CertificateRevocationListDer::from_pem_slice(list.as_bytes()).unwrap().to_vec();
    let at = der.windows(3).rposition(|octets| octets == [0x55, 0x1D, from]).unwrap();
    der[at + 2] = to;
    der
}

#[test]
fn a_list_that_cannot_be_believed_changes_nothing_and_is_named_with_what_to_do() {
    const CRL_NUMBER: u8 = 20;
    const DELTA: u8 = 27;
    let server = Server::start();
    let cas = Cas::new();
    cas.install(&server);
    let (revoked, good) = (issue(&cas.first), issue(&cas.second));
    server.register("reader", &revoked);
    server.register("reader", &good);
    put(&server.pki(), &[cas.first.crl(&[SERIAL], as_is)]);
    assert!(server.reread());
    let mut forged = with_extension(&cas.first.crl(&[], as_is), CRL_NUMBER, CRL_NUMBER);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let no_signer = Ca::with(KeyPair::generate().unwrap(), "No signer", |ca| {
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    });
    let tomorrow = |list: &mut CertificateRevocationListParams| {
        list.this_update = (Clock::system().now() + Duration::from_hours(1)).into();
    };
    for (octets, expected) in [
        (with_extension(&cas.first.crl(&[], as_is), CRL_NUMBER, DELTA), "delta"),
        (forged, "is not signed by"),
        (no_signer.crl(&[], as_is).into_bytes(), "is not signed by"),
        (Ca::new("First").crl(&[], as_is).into_bytes(), "is not signed by"),
        (cas.first.crl(&[], tomorrow).into_bytes(), "in the future"),
        (b"nothing".to_vec(), "no revocation list"),
        (vec![], "no revocation list"),
        (vec![0x30], "no revocation list"),
        (vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0], "no revocation list"),
        (cas.first.pem.clone().into_bytes(), "no revocation list"),
    ] {
        let file = server.pki().join("crls/bad.crl");
        fs::write(&file, octets).unwrap();
        assert!(!server.reread(), "{expected}");
        let error = Tls::open(&server.pki(), tls::Settings::default(), Clock::system()).unwrap_err().to_string();
        assert!(error.contains("bad.crl: ") && error.contains(expected), "{expected}: {error}");
        assert!(refusal(&server.actor_with(Some(revoked.clone()))).unwrap().contains("CertificateRevoked"));
        assert_eq!(refusal(&server.actor_with(Some(good.clone()))), None);
        assert!(server.metrics().contains("entente_tls_material_ok 0"));
        fs::remove_file(file).unwrap();
    }
    assert!(server.reread());
    assert!(server.metrics().contains("entente_tls_material_ok 1"));
}

#[test]
fn a_list_that_is_gone_lets_nobody_in_until_that_is_said_to_be_meant() {
    let server = Server::start();
    let cas = Cas::new();
    cas.install(&server);
    let revoked = issue(&cas.first);
    server.register("reader", &revoked);
    put(&server.pki(), &[cas.first.crl(&[SERIAL], as_is)]);
    assert!(server.reread());
    fs::remove_file(server.pki().join("crls/0.pem")).unwrap();
    super::until(|| server.metrics().contains("entente_tls_material_ok 0"));
    assert!(refusal(&server.actor_with(Some(revoked.clone()))).unwrap().contains("CertificateRevoked"));
    assert!(server.reread());
    assert_eq!(refusal(&server.actor_with(Some(revoked))), None);
}

#[test]
fn a_list_that_ends_while_a_connection_lives_ends_what_it_may_ask() {
    let clock = Turnable::default();
    let server = Server::with(Setup { clock: clock.clock(), ..Setup::default() });
    let cas = Cas::new();
    cas.install(&server);
    let member = issue_with(&cas.first, |certificate| certificate.not_after = rcgen::date_time_ymd(4000, 1, 1));
    server.register("reader", &member);
    put(&server.pki(), &[cas.first.crl(&[], as_is)]);
    assert!(server.reread());
    let actor = server.actor_with(Some(member));
    let mut live = super::proven(&actor);
    // The list counts for a day.
    clock.turn_on(23 * 3600);
    super::discover(&mut live).must_be(200);
    clock.turn_on(2 * 3600);
    assert!(super::discover(&mut live).must_fail(401).contains("revocation list"));
    assert!(refusal(&actor).is_some());
    assert!(server.ask_ops("GET /metrics").1.contains("entente_seconds_left{kind=\"revocation_list\"} -"));
}
