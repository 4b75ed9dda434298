//! Names in certificates: one certificate is at most one organisation's, exactly as it was registered.

use crate::support::pki::Ca;
use crate::support::rounds;
use entente::access::credential::{Anchor, Credential, CredentialKey, Fingerprint, Proof};
use entente::access::identify::{Index, Nobody, by_certificate};
use entente::access::organisation::OrganisationKey;
use entente::access::proof::certificate::{Certificate, Name, NameKind, Proven};
use entente::clock::Clock;
use entente::taxii::timestamp::Timestamp;
use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension, DnType, DnValue};
use std::collections::HashMap;

const SAN: [u64; 4] = [2, 5, 29, 17];
/// Tags of the forms of a general name (RFC 5280 §4.2.1.6).
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;
const REGISTERED_ID: u8 = 0x88;
const OTHER_NAME: u8 = 0xa0;
const DIRECTORY_NAME: u8 = 0xa4;

const OURS: Option<Fingerprint> = None;
const THEIRS: Option<Fingerprint> = Some(Fingerprint([9; 32]));

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let length = if length < 128 { vec![length] } else { vec![0x81, length] };
    [&[tag][..], &length, content].concat()
}

/// A subject alternative name extension, octet by octet.
fn names(names: &[(u8, &[u8])]) -> CustomExtension {
    let names: Vec<u8> = names.iter().flat_map(|(tag, octets)| tlv(*tag, octets)).collect();
    CustomExtension::from_oid_content(&SAN, tlv(0x30, &names))
}

/// A certificate with these extensions, if it can be read.
fn certificate(ca: &Ca, change: impl FnOnce(&mut CertificateParams)) -> Option<Certificate> {
    Certificate::read(&ca.issue("anna", change).chain[0]).ok()
}

fn credential(organisation: i64, proof: Proof) -> Credential {
    let (key, organisation) = (CredentialKey(organisation), OrganisationKey(organisation));
    Credential { key, organisation, proof, label: String::new(), not_after: None, ends: None, revoked: None }
}

fn named(organisation: i64, anchor: Option<Fingerprint>, name: &str) -> Credential {
    credential(organisation, Proof::Name { anchor, name: Name::parse(name).unwrap() })
}

fn who(certificate: Certificate, anchor: Option<Fingerprint>, registered: &[Credential]) -> Result<i64, Nobody> {
    let organisations = vec![OrganisationKey(2), OrganisationKey(4)];
    let (fingerprint, now) = (Fingerprint([9; 32]), Timestamp::from(Clock::system().now()));
    let theirs = Anchor { fingerprint, subject: String::new(), not_after: now, organisations };
    let proven = Proven { certificate, anchor };
    let near = Index::of(registered).near(&proven.certificate, registered);
    by_certificate(&proven, now, &near, &[theirs])
        .map(|credential| credential.organisation.0)
        .map_err(|refusal| refusal.why)
}

/// Names of each kind, and what is not quite one: the tag, the octets.
fn spoofs(registered: &str) -> Vec<(u8, Vec<u8>)> {
    let (kind, value) = registered.split_once(':').unwrap();
    let tag = match kind {
        "email" => EMAIL,
        "dns" => DNS,
        _ => URI,
    };
    let text = |text: &str| (tag, text.as_bytes().to_vec());
    let mut spoofs: Vec<(u8, Vec<u8>)> = vec![
        text(&format!("{value}\0")),
        text(&format!("{value}\0.evil.example")),
        text(&format!("\0{value}")),
        text(&value.replacen('a', "\0a", 1)),
        text(&format!("{value}.")),
        text(&format!(".{value}")),
        text(&format!("{value} ")),
        text(&format!(" {value}")),
        text(&format!("{value}\n")),
        text(&format!("{value}\t")),
        text(&format!("{value},dns:evil.example")),
        text(&format!("*.{}", value.split_once('.').unwrap().1)),
        text("*"),
        text(&value.to_uppercase()),
        text(&value.replacen('e', "E", 1)),
        text(&value.replacen('a', "\u{430}", 1)),
        text(&value.replacen('e', "\u{435}", 1)),
        text(&value.replacen('a', "\u{ff41}", 1)),
        text(&value.replacen('.', "\u{3002}", 1)),
        text(&value.replacen('a', "a\u{200b}", 1)),
        text(&value.replacen('a', "%61", 1)),
        text(&format!("{kind}:{value}")),
        text(&value[..value.len() - 1]),
        text(&format!("{value}x")),
        text(&format!("xn--{value}")),
        text(""),
        (tag, value.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        (tag, value.bytes().map(|octet| octet | 0x80).collect()),
        (OTHER_NAME, [tlv(0x06, &[0x2a, 0x03]), tlv(0xa0, &tlv(0x0c, value.as_bytes()))].concat()),
        (DIRECTORY_NAME, directory(value)),
        (ADDRESS, vec![192, 0, 2, 1]),
        (REGISTERED_ID, vec![0x2a, 0x03]),
        // The same octets under another tag.
        (tag & 0x1f, value.as_bytes().to_vec()),
        (tag | 0x20, value.as_bytes().to_vec()),
    ];
    spoofs.extend([EMAIL, DNS, URI].into_iter().filter(|other| *other != tag).map(|other| (other, value.into())));
    spoofs
}

fn directory(name: &str) -> Vec<u8> {
    let attribute = [tlv(0x06, &[0x55, 0x04, 0x03]), tlv(0x0c, name.as_bytes())].concat();
    tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)))
}

const REGISTERED: [&str; 3] =
    ["dns:puller.cert-a.example", "email:soc@cert-a.example", "uri:spiffe://cert-a.example/a"];

#[test]
fn a_name_that_is_not_to_the_octet_the_registered_one_is_nobodys() {
    let ca = Ca::new("Test CA");
    let mut cases = 0;
    for registered in REGISTERED {
        let credentials = [named(1, OURS, registered)];
        for (tag, octets) in spoofs(registered) {
            let read = certificate(&ca, |parameters| parameters.custom_extensions = vec![names(&[(tag, &octets)])]);
            // What cannot be read at all never gets as far as here.
            if let Some(read) = read {
                let found = who(read, OURS, &credentials);
                assert_eq!(found, Err(Nobody::Unregistered), "{registered}: {tag:#x} {octets:?}");
            }
            cases += 1;
        }
        let (kind, value) = registered.split_once(':').unwrap();
        let tag = [("email", EMAIL), ("dns", DNS), ("uri", URI)].into_iter().find(|(name, _)| *name == kind).unwrap().1;
        let plain = |parameters: &mut CertificateParams| {
            parameters.custom_extensions = vec![names(&[(tag, value.as_bytes())])];
        };
        assert_eq!(who(certificate(&ca, plain).unwrap(), OURS, &credentials), Ok(1), "{registered}");
        for anchor in [THEIRS, Some(Fingerprint([8; 32]))] {
            assert_eq!(who(certificate(&ca, plain).unwrap(), anchor, &credentials), Err(Nobody::Unregistered));
            cases += 1;
        }
    }
    assert!(cases >= 110, "{cases}");
}

#[test]
fn a_certificate_with_names_of_two_organisations_is_nobodys() {
    let ca = Ca::new("Test CA");
    let credentials = [named(1, OURS, REGISTERED[0]), named(3, OURS, REGISTERED[1]), named(2, THEIRS, REGISTERED[0])];
    let (dns, email) = (REGISTERED[0].as_bytes().split_at(4).1, REGISTERED[1].as_bytes().split_at(6).1);
    let with = |list: &[(u8, &[u8])]| certificate(&ca, |to| to.custom_extensions = vec![names(list)]).unwrap();
    assert_eq!(who(with(&[(DNS, dns), (EMAIL, email)]), OURS, &credentials), Err(Nobody::Ambiguous));
    assert_eq!(who(with(&[(EMAIL, email), (DNS, dns)]), OURS, &credentials), Err(Nobody::Ambiguous));
    // The same name twice is one name; one that is nobody's beside it changes nothing.
    assert_eq!(who(with(&[(DNS, dns), (DNS, dns)]), OURS, &credentials), Ok(1));
    assert_eq!(who(with(&[(DNS, b"x.example"), (DNS, dns)]), OURS, &credentials), Ok(1));
    // The same name under two anchors is two names.
    assert_eq!(who(with(&[(DNS, dns), (EMAIL, email)]), THEIRS, &credentials), Ok(2));
}

#[test]
fn of_two_extensions_with_names_neither_is_believed() {
    let ca = Ca::new("Test CA");
    let credentials = [named(1, OURS, REGISTERED[0]), named(3, OURS, REGISTERED[1])];
    let (dns, email) = (REGISTERED[0].as_bytes().split_at(4).1, REGISTERED[1].as_bytes().split_at(6).1);
    for (first, second) in
        [((DNS, dns), (EMAIL, email)), ((EMAIL, email), (DNS, dns)), ((DNS, dns), (DNS, b"x.example"))]
    {
        let read = certificate(&ca, |to| to.custom_extensions = vec![names(&[first]), names(&[second])]);
        assert!(read.is_none_or(|read| who(read, OURS, &credentials).is_err()), "{first:?}");
    }
}

#[test]
fn the_subject_is_for_people_whatever_it_says_and_however_it_is_written() {
    let ca = Ca::new("Test CA");
    let registered = [named(1, OURS, REGISTERED[0]), credential(3, Proof::Key(Fingerprint([3; 32])))];
    let name = "puller.cert-a.example";
    let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut values = vec![
        DnValue::Utf8String(name.to_owned()),
        DnValue::Utf8String(format!("{name}\0.evil.example")),
        DnValue::PrintableString(name.try_into().unwrap()),
        DnValue::TeletexString(name.try_into().unwrap()),
    ];
    values.push(DnValue::BmpString(rcgen::string::BmpString::from_utf16be(wide).unwrap()));
    for value in values {
        for kinds in [
            vec![DnType::CommonName],
            vec![DnType::OrganizationName, DnType::CommonName],
            vec![DnType::CommonName, DnType::OrganizationalUnitName],
        ] {
            let read = certificate(&ca, |parameters| {
                parameters.distinguished_name = rcgen::DistinguishedName::new();
                kinds.iter().for_each(|kind| parameters.distinguished_name.push(kind.clone(), value.clone()));
            });
            if let Some(read) = read {
                assert_eq!(who(read, OURS, &registered), Err(Nobody::Unregistered), "{value:?}");
            }
        }
    }
}

fn name() -> impl Strategy<Value = Name> {
    let kind = prop::sample::select(NameKind::ALL.to_vec());
    // Close to each other on purpose.
    (kind, "[aA.@:/*%-]{1,4}").prop_map(|(kind, value)| Name::parse(&format!("{}:{value}", kind.as_str())).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: rounds(20_000), failure_persistence: None, ..ProptestConfig::default() })]

    /// Each certificate, by its names and its anchor, is at most one organisation's; and that one's name is in it.
    #[test]
    fn a_certificate_is_at_most_one_organisations(
        registered in prop::collection::hash_map((name(), any::<bool>()), 1..5i64, 0..8),
        held in prop::collection::vec(name(), 0..4),
        theirs in any::<bool>(),
    ) {
        let anchor = |theirs: bool| if theirs { THEIRS } else { OURS };
        let credentials: Vec<Credential> = registered
            .iter()
            .map(|((name, theirs), to)| credential(*to, Proof::Name { anchor: anchor(*theirs), name: name.clone() }))
            .collect();
        let certificate = Certificate {
            fingerprint: Fingerprint([7; 32]),
            subject: String::new(),
            not_before: Timestamp::EPOCH,
            not_after: Timestamp::LAST,
            for_clients: true,
            names: held.clone(),
        };
        let fitting: HashMap<&Name, i64> = registered
            .iter()
            .filter(|((name, of), _)| held.contains(name) && *of == theirs)
            .map(|((name, _), to)| (name, *to))
            .collect();
        let expected = match fitting.values().collect::<Vec<_>>()[..] {
            [] => Err(Nobody::Unregistered),
            [to] if theirs && ![2, 4].contains(to) => Err(Nobody::ForeignAnchor),
            [to] => Ok(*to),
            _ => Err(Nobody::Ambiguous),
        };
        prop_assert_eq!(who(certificate, anchor(theirs), &credentials), expected);
    }

    /// No two names are written alike, so none is registered for two.
    #[test]
    fn no_two_names_are_written_alike(one in name(), other in name()) {
        prop_assert_eq!(one == other, one.to_string() == other.to_string());
        let (one, other) = (credential(1, Proof::Name { anchor: OURS, name: one }), credential(2, Proof::Name { anchor: OURS, name: other }));
        prop_assert_eq!(one.proof == other.proof, one.fingerprint() == other.fingerprint());
    }
}
