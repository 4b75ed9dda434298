//! Certificate revocation lists (RFC 5280 §5): read once, verified once, looked up often.
//!
//! A list is full and direct. A delta list, an indirect one, and one for some reasons only are
//! refused when they are read: with half of the truth, the other half would be guessed. A list
//! with an issuing distribution point speaks of those certificates that name the same point, and
//! of no others.
//!
//! The verifier of chains would verify the list's signature, over all of its octets, for every
//! certificate; here that is done when the list is read, under each CA that bears its issuer's
//! name, and the serials are sorted.

use super::facts::{Facts, uris};
use crate::access::credential::Fingerprint;
use crate::taxii::timestamp::Timestamp;
use rustls::pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};
use std::collections::HashMap;
use webpki::{BorrowedCertRevocationList, CertRevocationList, RawPublicKeyEntity};
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

/// How far ahead of this server's clock a list may have been issued, in seconds.
const SKEW: i64 = 300;

/// A CA whose lists are believed.
#[derive(Debug)]
pub(super) struct Authority {
    /// Its name, for people.
    pub(super) name: String,
    /// Its name: the content of the DER `Name`.
    pub(super) subject: Vec<u8>,
    pub(super) key: SubjectPublicKeyInfoDer<'static>,
    pub(super) fingerprint: Fingerprint,
    /// Whether it may sign revocation lists.
    pub(super) signs_lists: bool,
}

/// All lists, by the key that signed them.
#[derive(Debug, Default)]
pub(super) struct Crls(HashMap<Fingerprint, Vec<Crl>>);

#[derive(Debug)]
struct Crl {
    /// The name of its issuer, for people.
    issuer: String,
    this_update: Timestamp,
    /// The first moment at which it counts no longer.
    next_update: Timestamp,
    scope: Scope,
    /// Serial numbers without leading zeros, ascending.
    revoked: Vec<Box<[u8]>>,
}

/// Which certificates of its issuer a list speaks of.
#[derive(Debug, Default)]
struct Scope {
    only_leaves: bool,
    only_cas: bool,
    /// The URIs of its distribution point; `None`: it has none, and speaks of all.
    points: Option<Vec<String>>,
}

/// What the lists say of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Not revoked; to be asked again from this moment on.
    Good(Timestamp),
    Revoked,
    /// The lists that speak of it have ended, the last at this moment.
    Stale(Timestamp),
    Unknown,
}

impl Crls {
    /// Whether a key has signed any.
    pub(super) fn has(&self, issuer: Fingerprint) -> bool {
        self.0.contains_key(&issuer)
    }

    /// The name of a CA that has a list here and none in `fresh`.
    pub(super) fn lost_in(&self, fresh: &Self) -> Option<&str> {
        let lost = self.0.iter().find(|(issuer, _)| !fresh.has(**issuer));
        lost.and_then(|(_, lists)| lists.first()).map(|list| list.issuer.as_str())
    }

    /// Of each key the last list to end: the name of its issuer, since when it counts, and until when.
    pub(super) fn last(&self) -> impl Iterator<Item = (&str, Timestamp, Timestamp)> {
        self.0
            .values()
            .filter_map(|lists| lists.iter().max_by_key(|list| list.next_update))
            .map(|list| (list.issuer.as_str(), list.this_update, list.next_update))
    }

    /// When the last list that a key signed ends.
    pub(super) fn end_of(&self, issuer: Fingerprint) -> Option<Timestamp> {
        self.0.get(&issuer)?.iter().map(|list| list.next_update).max()
    }

    /// Adds a DER list. Says what is wrong with it if it cannot be believed.
    pub(super) fn add(
        &mut self,
        der: &[u8],
        authorities: &[Authority],
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        now: Timestamp,
    ) -> Result<(), String> {
        let list = BorrowedCertRevocationList::from_der(der).map_err(|error| refusal(&error))?;
        let mut revoked = Vec::new();
        for entry in &list {
            revoked.push(serial(entry.map_err(|error| refusal(&error))?.serial_number).into());
        }
        revoked.sort_unstable();
        let issuer = CertRevocationList::from(list).issuer().to_owned();
        let signed = Signed::read(der).ok_or("is no revocation list")?;
        if signed.this_update > now.plus_seconds(SKEW) {
            return Err(format!("is of {}, which is in the future: look at the clocks", signed.this_update));
        }
        let believed = authorities.iter().find(|authority| {
            authority.signs_lists && authority.subject == issuer && signed.is_signed_by(&authority.key, algorithms)
        });
        let believed = believed.ok_or(
            "is not signed by ca.pem, by a CA in anchors/ or by one in intermediates/ that may sign revocation \
             lists: put its issuer's certificate there",
        )?;
        let Signed { this_update, next_update, .. } = signed;
        let crl = Crl { issuer: believed.name.clone(), this_update, next_update, scope: signed.scope()?, revoked };
        self.0.entry(believed.fingerprint).or_default().push(crl);
        Ok(())
    }

    /// What the lists that a key signed say of a certificate of that CA.
    pub(super) fn status(&self, issuer: Fingerprint, of: (&[u8], &Facts), now: Timestamp) -> Status {
        let (number, facts) = (serial(of.0), of.1);
        let lists = self.0.get(&issuer).map(Vec::as_slice).unwrap_or_default();
        let mut last = None;
        for list in lists.iter().filter(|list| list.scope.covers(facts)) {
            // A list that has ended may not say that all is well; what it says otherwise stays true.
            if list.revoked.binary_search_by(|revoked| (**revoked).cmp(number)).is_ok() {
                return Status::Revoked;
            }
            last = last.max(Some(list.next_update));
        }
        match last {
            Some(end) if now < end => Status::Good(end),
            Some(end) => Status::Stale(end),
            None => Status::Unknown,
        }
    }
}

impl Scope {
    fn covers(&self, facts: &Facts) -> bool {
        let kind = if facts.is_ca { !self.only_leaves } else { !self.only_cas };
        let named = |points: &Vec<String>| points.iter().any(|point| facts.points.contains(point));
        kind && self.points.as_ref().is_none_or(named)
    }
}

/// A serial number without leading zeros: in one form, however it was encoded.
fn serial(octets: &[u8]) -> &[u8] {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    octets.get(zeros..).unwrap_or_default()
}

fn refusal(error: &webpki::Error) -> String {
    use webpki::Error as Bad;
    match error {
        Bad::UnsupportedDeltaCrl => "is a delta list: put full lists there".to_owned(),
        Bad::UnsupportedIndirectCrl => "is an indirect list: put lists there that their own CA signed".to_owned(),
        Bad::UnsupportedRevocationReasonsPartitioning => {
            "is a list for some reasons of revocation only: put lists for all reasons there".to_owned()
        }
        Bad::UnsupportedCrlIssuingDistributionPoint => {
            "has an issuing distribution point without a full name: put a list without one there".to_owned()
        }
        Bad::UnsupportedCrlVersion => "is no revocation list of version 2".to_owned(),
        error => format!("is no revocation list that can be understood: {error}"),
    }
}

/// The parts of a list that its verifier does not give out. The list has been read strictly before.
struct Signed<'d> {
    octets: &'d [u8],
    algorithm: &'d [u8],
    signature: &'d [u8],
    this_update: Timestamp,
    next_update: Timestamp,
    extensions: &'d [u8],
}

impl<'d> Signed<'d> {
    fn read(der: &'d [u8]) -> Option<Self> {
        const EXTENSIONS: u8 = 0xA0;
        let list = Elements(Elements(der).next()?.content).collect::<Vec<_>>();
        let [signed, algorithm, signature] = list.as_slice() else { return None };
        let mut times = Elements(signed.content).filter_map(|element| {
            let (_, time) = ASN1Time::from_der(element.whole).ok()?;
            Some(Timestamp::EPOCH.plus_seconds(time.timestamp()))
        });
        let extensions = Elements(signed.content).find(|element| element.tag == EXTENSIONS)?;
        Some(Self {
            octets: signed.whole,
            algorithm: algorithm.content,
            // The first octet says how many bits of the last do not count: none.
            signature: signature.content.strip_prefix(&[0])?,
            this_update: times.next()?,
            next_update: times.next()?,
            extensions: Elements(extensions.content).next()?.content,
        })
    }

    fn scope(&self) -> Result<Scope, String> {
        let mut scope = Scope::default();
        for element in Elements(self.extensions) {
            let (_, extension) = X509Extension::from_der(element.whole).map_err(|error| error.to_string())?;
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(point) => {
                    (scope.only_leaves, scope.only_cas) =
                        (point.only_contains_user_certs, point.only_contains_ca_certs);
                    scope.points = Some(point.distribution_point.as_ref().map(uris).unwrap_or_default());
                }
                ParsedExtension::ParseError { error } => return Err(format!("has an extension that is none: {error}")),
                _ => {}
            }
        }
        Ok(scope)
    }

    fn is_signed_by(
        &self,
        key: &SubjectPublicKeyInfoDer<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let Ok(key) = RawPublicKeyEntity::try_from(key) else { return false };
        let fitting = algorithms.iter().filter(|algorithm| algorithm.signature_alg_id().as_ref() == self.algorithm);
        fitting.into_iter().any(|algorithm| key.verify_signature(*algorithm, self.octets, self.signature).is_ok())
    }
}

/// The elements of DER, one after the other; ends where there is none.
struct Elements<'d>(&'d [u8]);

struct Element<'d> {
    tag: u8,
    content: &'d [u8],
    whole: &'d [u8],
}

impl<'d> Iterator for Elements<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        let (tag, first) = (*self.0.first()?, usize::from(*self.0.get(1)?));
        // A length below 128 is one octet; a longer one is behind the count of its octets.
        let (length, header) = if first < 128 {
            (first, 2)
        } else {
            let count = first - 128;
            let octets = self.0.get(2..2 + count).filter(|octets| octets.len() <= 4)?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), 2 + count)
        };
        let whole = self.0.get(..header.checked_add(length)?)?;
        let element = Element { tag, content: &whole[header..], whole };
        self.0 = &self.0[whole.len()..];
        Some(element)
    }
}
