//! A table of certificates, good and bad: who gets in, and who does not.

use crate::support::Server;
use crate::support::actor::Actor;
use crate::support::pki::{Ca, Identity};
use entente::access::proof::certificate::Certificate;
use entente::clock::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose as Eku, GeneralSubtree, IsCa,
    KeyPair, KeyUsagePurpose as Ku, NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256, PKCS_RSA_SHA384, PKCS_RSA_SHA512, RsaKeySize, SanType,
    SignatureAlgorithm,
};
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What a client shows, and whether it may come in.
struct Case {
    name: String,
    identity: Identity,
    good: bool,
}

/// The table while it is made.
struct Table<'s> {
    ca: &'s Ca,
    cases: Vec<Case>,
}

type Change = fn(&mut CertificateParams);

fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn new_key() -> KeyPair {
    key(&PKCS_ECDSA_P256_SHA256)
}

fn hours(from_now: i64) -> SystemTime {
    let (now, hours) = (Clock::system().now(), Duration::from_hours(from_now.unsigned_abs()));
    if from_now < 0 { now - hours } else { now + hours }
}

impl Table<'_> {
    fn add(&mut self, good: bool, name: impl Into<String>, identity: Identity) {
        self.cases.push(Case { name: name.into(), identity, good });
    }

    fn leaf(&mut self, good: bool, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let identity = self.ca.issue("x", change);
        self.add(good, name, identity);
    }

    /// A leaf below one intermediate.
    fn below(&mut self, good: bool, name: &str, change: Change) {
        let identity = self.ca.below(new_key(), "Below", change).client("x");
        self.add(good, name, identity);
    }

    /// A good chain through so many intermediates.
    fn deep(&self, intermediates: usize) -> Identity {
        let mut ca = self.ca.below(new_key(), "Below 1", |_| ());
        for n in 1..intermediates {
            ca = ca.below(new_key(), &format!("Below {}", n + 1), |_| ());
        }
        ca.client("x")
    }

    /// A good leaf whose certificate is changed after it was signed.
    fn patched(&mut self, name: impl Into<String>, patch: impl FnOnce(&mut Vec<u8>)) {
        let mut identity = self.ca.client("x");
        let mut der = identity.chain[0].to_vec();
        patch(&mut der);
        identity.chain[0] = CertificateDer::from(der);
        self.add(false, name, identity);
    }
}

fn with_names(certificate: &mut CertificateParams, names: usize) {
    let name = |n| SanType::DnsName(format!("host-{n}.member.example").try_into().unwrap());
    certificate.subject_alt_names = (0..names).map(name).collect();
}

fn permitting(names: &'static str) -> NameConstraints {
    let permitted_subtrees = vec![GeneralSubtree::DnsName(names.to_owned())];
    NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() }
}

fn extension(critical: bool) -> Vec<CustomExtension> {
    let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    extension.set_criticality(critical);
    vec![extension]
}

/// Times, and what a certificate may be used for.
fn leaves(table: &mut Table<'_>) {
    table.leaf(true, "in good order", |_| ());
    table.leaf(true, "until the year 3000", |cert| cert.not_after = rcgen::date_time_ymd(3000, 1, 1));
    table.leaf(true, "since 1975", |cert| cert.not_before = rcgen::date_time_ymd(1975, 1, 1));
    for ago in [1, 2, 24, 8760] {
        table.leaf(false, &format!("expired {ago} h ago"), |cert| {
            (cert.not_before, cert.not_after) = (hours(-10_000).into(), hours(-ago).into());
        });
        table.leaf(false, &format!("valid in {ago} h"), |cert| {
            (cert.not_before, cert.not_after) = (hours(ago).into(), hours(10_000).into());
        });
    }
    table.leaf(false, "ends before it begins", |cert| {
        (cert.not_before, cert.not_after) = (hours(2).into(), hours(-2).into());
    });
    for (good, usages) in [
        (true, vec![Eku::ClientAuth]),
        (true, vec![Eku::ServerAuth, Eku::ClientAuth]),
        (true, vec![Eku::Any, Eku::ClientAuth]),
        (true, vec![Eku::ClientAuth, Eku::EmailProtection, Eku::CodeSigning]),
        (false, vec![]),
        (false, vec![Eku::ServerAuth]),
        (false, vec![Eku::Any]),
        (false, vec![Eku::CodeSigning, Eku::EmailProtection]),
        (false, vec![Eku::OcspSigning]),
        (false, vec![Eku::TimeStamping]),
        (false, vec![Eku::Other(vec![1, 3, 6, 1, 5, 5, 7, 3])]),
        (false, vec![Eku::Other(vec![1, 3, 6, 1, 5, 5, 7, 3, 2, 1])]),
    ] {
        table.leaf(good, &format!("for {usages:?}"), |cert| cert.extended_key_usages = usages);
    }
    for (good, usages) in [
        (true, vec![]),
        (true, vec![Ku::DigitalSignature]),
        (true, vec![Ku::DigitalSignature, Ku::KeyEncipherment]),
        (false, vec![Ku::KeyAgreement]),
        (false, vec![Ku::KeyEncipherment]),
        (false, vec![Ku::CrlSign]),
        (false, vec![Ku::ContentCommitment]),
    ] {
        table.leaf(good, &format!("with the key usage {usages:?}"), |cert| cert.key_usages = usages);
    }
    table.leaf(true, "without basic constraints", |cert| cert.is_ca = IsCa::NoCa);
    table.leaf(false, "a CA's", |cert| cert.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    table.leaf(false, "a CA's above none", |cert| cert.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    table.leaf(true, "with an extension that nobody knows", |cert| cert.custom_extensions = extension(false));
    table.leaf(false, "with a critical one", |cert| cert.custom_extensions = extension(true));
    table.leaf(true, "with a hundred names", |cert| with_names(cert, 100));
    table.leaf(false, "with a thousand names", |cert| with_names(cert, 1000));
    table.leaf(true, "without a subject", |cert| cert.distinguished_name = rcgen::DistinguishedName::new());
    for octets in [vec![1], vec![0x7F; 20], vec![0xFF; 19]] {
        table.leaf(true, &format!("with a serial number of {} octets", octets.len()), |cert| {
            cert.serial_number = Some(octets.into());
        });
    }
}

/// Algorithms of leaves and of those that sign them.
fn algorithms(table: &mut Table<'_>) {
    let curves = [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519];
    for algorithm in curves {
        let identity = table.ca.certify(key(algorithm), "x", |_| ());
        table.add(true, format!("with a key for {algorithm:?}"), identity);
        let identity = table.ca.below(key(algorithm), "Below", |_| ()).client("x");
        table.add(true, format!("signed with {algorithm:?}"), identity);
    }
    for (size, name) in [(RsaKeySize::_2048, "2048"), (RsaKeySize::_3072, "3072"), (RsaKeySize::_4096, "4096")] {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).unwrap();
        let identity = table.ca.certify(key, "x", |_| ());
        table.add(true, format!("with an RSA key of {name} bits"), identity);
    }
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap().serialize_pem();
    for algorithm in [&PKCS_RSA_SHA256, &PKCS_RSA_SHA384, &PKCS_RSA_SHA512] {
        let signing = KeyPair::from_pem_and_sign_algo(&rsa, algorithm).unwrap();
        let identity = table.ca.below(signing, "Below", |_| ()).client("x");
        table.add(true, format!("signed with {algorithm:?}"), identity);
    }
}

/// What stands between a leaf and its anchor.
fn chains(table: &mut Table<'_>) {
    for intermediates in 1..=4 {
        let identity = table.deep(intermediates);
        for missing in 1..=intermediates {
            let mut without = identity.clone();
            without.chain.remove(missing);
            table.add(false, format!("of {intermediates} intermediates without the {missing}th"), without);
        }
        let mut reversed = identity.clone();
        reversed.chain[1..].reverse();
        table.add(true, format!("through {intermediates} intermediates in the wrong order"), reversed);
        table.add(true, format!("through {intermediates} intermediates"), identity);
    }
    let five = table.deep(5);
    table.add(false, "through five intermediates", five);
    let mut with_root = table.deep(1);
    with_root.chain.push(table.ca.der.clone());
    table.add(true, "with the anchor itself", with_root);
    let mut with_stranger = table.ca.client("x");
    with_stranger.chain.push(Ca::new("Nobody").der);
    table.add(true, "with a certificate that has nothing to do with it", with_stranger);
    let mut behind = table.deep(1);
    behind.chain.swap(0, 1);
    table.add(false, "with the leaf behind", behind);
    let of_another = Identity { key: new_key(), ..table.ca.client("x") };
    table.add(false, "of somebody else", of_another);
    table.below(true, "below one", |_| ());
    table.below(false, "below one that has expired", |ca| {
        (ca.not_before, ca.not_after) = (hours(-9).into(), hours(-1).into());
    });
    table.below(false, "below one that is not yet valid", |ca| ca.not_before = hours(1).into());
    table.below(false, "below one that is no CA", |ca| ca.is_ca = IsCa::ExplicitNoCa);
    table.below(false, "below one that says nothing of CAs", |ca| ca.is_ca = IsCa::NoCa);
    table.below(false, "below one that signs no certificates", |ca| ca.key_usages = vec![Ku::CrlSign]);
    table.below(true, "below one for anything", |ca| ca.key_usages = vec![]);
    table.below(true, "below one for clients", |ca| ca.extended_key_usages = vec![Eku::ClientAuth]);
    table.below(false, "below one for servers", |ca| ca.extended_key_usages = vec![Eku::ServerAuth]);
    table.below(false, "below one with a critical extension", |ca| ca.custom_extensions = extension(true));
    table.below(true, "below one with an extension", |ca| ca.custom_extensions = extension(false));
    table.below(true, "below one above none", |ca| ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let none = table.ca.below(new_key(), "Above none", |ca| ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let identity = none.below(new_key(), "Below none", |_| ()).client("x");
    table.add(false, "below one that may have none below it", identity);
    for (good, names, name) in
        [(true, "member.example", "h.member.example"), (false, "member.example", "h.other.example")]
    {
        let ca = table.ca.below(new_key(), "Constrained", |ca| ca.name_constraints = Some(permitting(names)));
        let named = |cert: &mut CertificateParams| {
            cert.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        };
        let identity = ca.issue("x", named);
        table.add(good, format!("{name} below one for {names}"), identity);
    }
}

/// Issuers that are not what they say.
fn strangers(table: &mut Table<'_>) {
    table.add(false, "of an unknown CA", Ca::new("Unknown").client("x"));
    table.add(false, "of a CA that bears the anchor's name", Ca::new("Test CA").client("x"));
    table.add(false, "of nobody but itself", super::self_signed("x"));
    table.add(false, "of nobody but itself, with the anchor's name", super::self_signed("Test CA"));
    for depth in 1..=3 {
        let mut ca = Ca::new("Unknown");
        for n in 0..depth {
            ca = ca.below(new_key(), &format!("Below {n}"), |_| ());
        }
        table.add(false, format!("of an unknown CA, {depth} below it"), ca.client("x"));
    }
    // The real intermediate is sent, and another that bears its name and signed.
    let (real, false_one) = (table.ca.below(new_key(), "Below", |_| ()), Ca::new("Below"));
    let mut identity = false_one.client("x");
    identity.chain.push(real.der.clone());
    table.add(false, "of a CA that bears an intermediate's name", identity);
    let mut both = real.client("x");
    both.chain.insert(1, false_one.der);
    table.add(true, "with a false one of the same name before the true one", both);
}

/// Octets that are not as they were signed, or are no certificate.
fn octets(table: &mut Table<'_>) {
    table.patched("with an octet behind it", |der| der.push(0));
    table.patched("with nothing in it", Vec::clear);
    table.patched("that is all zeros", |der| der.fill(0));
    for version in [0, 1, 3, 9] {
        table.patched(format!("of version {}", version + 1), |der| {
            let at = der.windows(5).position(|octets| octets == [0xA0, 3, 2, 1, 2]).unwrap();
            der[at + 4] = version;
        });
    }
    for part in 1..12 {
        table.patched(format!("cut off at {part} twelfths"), |der| der.truncate(der.len() * part / 12));
    }
    for part in 0..80 {
        table.patched(format!("with a bit that is wrong at {part} eightieths"), |der| {
            let at = der.len() * part / 80;
            der[at] ^= 1 << (part % 8);
        });
    }
    let mut identity = table.deep(1);
    let mut der = identity.chain[1].to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    identity.chain[1] = CertificateDer::from(der);
    table.add(false, "below one whose signature is wrong", identity);
}

/// Anchors of members, that say themselves how far they go.
fn anchors(table: &mut Table<'_>, server: &Server) {
    let anchor = |table: &mut Table<'_>, good: bool, name: &str, change: Change| {
        let ca = Ca::with(new_key(), name, change);
        fs::write(server.pki().join(format!("anchors/{name}.pem")), &ca.pem).unwrap();
        server.admin.bind_anchor(&Certificate::read(&ca.der).unwrap(), &["reader".to_owned()]).unwrap();
        table.add(good, format!("of the anchor {name}"), ca.client("x"));
        ca
    };
    anchor(table, true, "in good order", |_| ());
    anchor(table, false, "that has ended", |ca| (ca.not_before, ca.not_after) = (hours(-9).into(), hours(-1).into()));
    anchor(table, false, "that is not yet valid", |ca| ca.not_before = hours(1).into());
    let above_none = anchor(table, true, "above none", |ca| ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let identity = above_none.below(new_key(), "Below", |_| ()).client("x");
    table.add(false, "below one below the anchor above none", identity);
    let constrained =
        anchor(table, true, "for some names", |ca| ca.name_constraints = Some(permitting("member.example")));
    let identity = constrained.issue("x", |cert| {
        cert.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())];
    });
    table.add(false, "of another name than its anchor has", identity);
}

/// A client that shows what a case says, whatever it is.
fn client(server: &Server, identity: &Identity, version: &'static rustls::SupportedProtocolVersion) -> Actor {
    let signing = any_supported_type(&identity.key_der()).unwrap();
    let shown = Arc::new(SingleCertAndKey::from(CertifiedKey::new(identity.chain.clone(), signing)));
    let nobody = Actor::using(default_provider(), server.address, server.ca.der.clone(), None, &[version]);
    nobody.with(|config| config.client_auth_cert_resolver = shown)
}

/// Requests that were answered, whatever the answer.
fn requests(server: &Server) -> u64 {
    let metrics = server.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("entente_requests_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Rows: TLS-8, AUTH-15.
#[test]
fn only_a_certificate_in_good_order_gets_an_answer_of_http() {
    let server = Server::start();
    let mut table = Table { ca: &server.ca, cases: Vec::new() };
    anchors(&mut table, &server);
    for part in [leaves, algorithms, chains, strangers, octets] {
        part(&mut table);
    }
    let cases = table.cases;
    assert!(cases.len() >= 150, "{}", cases.len());
    for case in &cases {
        // Registered, whoever vouches for it: a refusal is TLS's.
        if let Ok(certificate) = Certificate::read(&case.identity.chain[0]) {
            // A changed copy may have the key of another.
            let _ = server.admin.register("reader", &certificate);
        }
    }
    server.reread();
    let mut wrong = Vec::new();
    let before = requests(&server);
    for case in &cases {
        for version in [&TLS13, &TLS12] {
            let answer = client(&server, &case.identity, version).attempt("GET", "/taxii2/", None);
            let status = answer.ok().map(|answer| answer.status);
            if status != case.good.then_some(200) {
                wrong.push(format!("{} ({version:?}): {status:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let good = cases.iter().filter(|case| case.good).count() as u64;
    assert_eq!(requests(&server) - before, 2 * good, "a refused client had a request answered");
}
