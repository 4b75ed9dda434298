//! The one place that says whose a proof is: at most one organisation's, or nobody's.
//!
//! Pure: what was proved and what is registered in, a credential out. A chain that is valid
//! is no registration; a name counts only under its own anchor; an anchor speaks only for
//! the organisations that it is bound to, whatever else is registered.

use super::credential::{Anchor, Credential, Fingerprint, Proof};
use super::proof::certificate::{Certificate, Name, Proven};
use crate::taxii::timestamp::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;

/// Why a proof is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// Nothing that is registered fits.
    Unregistered,
    /// More than one registration fits: it cannot be told whose it is.
    Ambiguous,
    /// Its key was revoked, or what it was registered by.
    Revoked,
    /// It is outside its time.
    NotValidNow,
    /// Its trust anchor may not speak for the organisation.
    ForeignAnchor,
    /// It is not good at the address that it came from.
    ForeignAddress,
}

impl Nobody {
    /// In a word, for the log and the audit trail.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unregistered => "unregistered",
            Self::Ambiguous => "ambiguous",
            Self::Revoked => "revoked",
            Self::NotValidNow => "not_valid_now",
            Self::ForeignAnchor => "foreign_anchor",
            Self::ForeignAddress => "foreign_address",
        }
    }
}

/// A proof that does not count.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'c> {
    /// Why.
    pub why: Nobody,
    /// The credential that was proved and does not count, where that is beyond doubt: it is for the audit trail.
    pub of: Option<&'c Credential>,
}

impl From<Nobody> for Refusal<'_> {
    fn from(why: Nobody) -> Self {
        Self { why, of: None }
    }
}

/// Where the credentials are that certificates may be good for: by what names them, the places in a list. With
/// it the others need not be looked at on each request.
#[derive(Debug, Default)]
pub struct Index {
    keys: HashMap<Fingerprint, Vec<usize>>,
    names: HashMap<Name, Vec<usize>>,
}

impl Index {
    /// Of this list.
    pub fn of(credentials: &[Credential]) -> Self {
        let mut index = Self::default();
        for (at, credential) in credentials.iter().enumerate() {
            match &credential.proof {
                Proof::Key(fingerprint) => index.keys.entry(*fingerprint).or_default().push(at),
                Proof::Name { name, .. } => index.names.entry(name.clone()).or_default().push(at),
                Proof::Secret(_) => {}
            }
        }
        index
    }

    /// All in the list that [`by_certificate`] would look at more closely, each once.
    pub fn near<'c>(&self, certificate: &Certificate, credentials: &'c [Credential]) -> Vec<&'c Credential> {
        let named = certificate.names.iter().filter_map(|name| self.names.get(name));
        let mut places: Vec<usize> =
            self.keys.get(&certificate.fingerprint).into_iter().chain(named).flatten().copied().collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|at| credentials.get(at)).collect()
    }
}

/// The credential that a certificate is good for.
pub fn by_certificate<'c>(
    proven: &Proven,
    now: Timestamp,
    credentials: &[&'c Credential],
    anchors: &[Anchor],
) -> Result<&'c Credential, Refusal<'c>> {
    let certificate = &proven.certificate;
    let is_key = |credential: &&Credential| credential.proof == Proof::Key(certificate.fingerprint);
    // A revoked key stays revoked, whatever else would let its certificate in.
    let revoked = credentials.iter().copied().find(|credential| credential.revoked.is_some() && is_key(credential));
    if revoked.is_some() {
        return Err(Refusal { why: Nobody::Revoked, of: revoked });
    }
    let fits = |credential: &&Credential| match &credential.proof {
        Proof::Key(fingerprint) => *fingerprint == certificate.fingerprint,
        Proof::Name { anchor, name } => *anchor == proven.anchor && certificate.names.contains(name),
        Proof::Secret(_) => false,
    };
    let found = one(credentials.iter().copied().filter(fits), now)?;
    if !certificate.is_valid_at(now) {
        return Err(Refusal { why: Nobody::NotValidNow, of: Some(found) });
    }
    let may_speak = proven.anchor.is_none_or(|fingerprint| {
        let anchor = anchors.iter().find(|anchor| anchor.fingerprint == fingerprint);
        anchor.is_some_and(|anchor| anchor.organisations.contains(&found.organisation))
    });
    if may_speak { Ok(found) } else { Err(Nobody::ForeignAnchor.into()) }
}

/// The credential that a secret is good for, by its hash. Looks at all of them, whichever fits.
pub fn by_secret<'c>(
    hash: &[u8; 32],
    address: IpAddr,
    now: Timestamp,
    credentials: &'c [Credential],
) -> Result<&'c Credential, Refusal<'c>> {
    let mut found = None;
    for credential in credentials {
        if let Proof::Secret(secret) = &credential.proof
            && same(&secret.hash, hash)
        {
            found = Some((credential, secret.is_good_at(address)));
        }
    }
    match found {
        None => Err(Nobody::Unregistered.into()),
        Some((credential, false)) => Err(Refusal { why: Nobody::ForeignAddress, of: Some(credential) }),
        Some((credential, true)) => one(std::iter::once(credential), now),
    }
}

/// The only one of these, if it counts now. Those that count no longer fit nobody, but tell why.
fn one<'c>(fitting: impl Iterator<Item = &'c Credential>, now: Timestamp) -> Result<&'c Credential, Refusal<'c>> {
    let (counting, over): (Vec<&Credential>, Vec<&Credential>) =
        fitting.partition(|credential| credential.counts_at(now));
    match (&counting[..], over.first()) {
        ([only], _) => Ok(*only),
        ([], None) => Err(Nobody::Unregistered.into()),
        ([], Some(credential)) => {
            let why = if credential.revoked.is_some() { Nobody::Revoked } else { Nobody::NotValidNow };
            Err(Refusal { why, of: Some(*credential) })
        }
        _ => Err(Nobody::Ambiguous.into()),
    }
}

/// Whether two hashes are the same, in a time that does not tell where they differ.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.iter().zip(right).fold(0, |differences, (left, right)| differences | (left ^ right)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::credential::{CredentialKey, Secret};
    use crate::access::level::Level;
    use crate::access::organisation::OrganisationKey;

    const OURS: Option<Fingerprint> = None;
    const THEIRS: Option<Fingerprint> = Some(Fingerprint([9; 32]));

    fn proven(key: u8, anchor: Option<Fingerprint>, names: &[&str]) -> Proven {
        let certificate = Certificate {
            fingerprint: Fingerprint([key; 32]),
            subject: "CN=anna".into(),
            not_before: Timestamp::from_micros(10),
            not_after: Timestamp::from_micros(20),
            for_clients: true,
            names: names.iter().map(|name| Name::parse(name).unwrap()).collect(),
        };
        Proven { certificate, anchor }
    }

    fn credential(organisation: i64, proof: Proof) -> Credential {
        let (key, organisation) = (CredentialKey(organisation), OrganisationKey(organisation));
        Credential { key, organisation, proof, label: String::new(), not_after: None, ends: None, revoked: None }
    }

    fn key(organisation: i64, key: u8) -> Credential {
        credential(organisation, Proof::Key(Fingerprint([key; 32])))
    }

    fn named(organisation: i64, anchor: Option<Fingerprint>, name: &str) -> Credential {
        credential(organisation, Proof::Name { anchor, name: Name::parse(name).unwrap() })
    }

    fn who(proven: &Proven, credentials: &[Credential]) -> Result<i64, Nobody> {
        let organisations = vec![OrganisationKey(2)];
        let fingerprint = Fingerprint([9; 32]);
        let theirs = Anchor { fingerprint, subject: String::new(), not_after: Timestamp::EPOCH, organisations };
        let now = Timestamp::from_micros(15);
        let ask = |credentials: &[&Credential]| {
            by_certificate(proven, now, credentials, std::slice::from_ref(&theirs))
                .map(|credential| credential.organisation.0)
                .map_err(|refusal| refusal.why)
        };
        let found = ask(&credentials.iter().collect::<Vec<_>>());
        let near = Index::of(credentials).near(&proven.certificate, credentials);
        assert_eq!(ask(&near), found, "nothing that counts is left out, and nothing is there twice");
        found
    }

    #[test]
    fn a_key_or_a_name_under_its_anchor_identifies_and_nothing_else_does() {
        let registered = [key(1, 1), named(2, THEIRS, "dns:b.example"), named(3, OURS, "dns:c.example")];
        assert_eq!(who(&proven(1, OURS, &[]), &registered), Ok(1));
        assert_eq!(who(&proven(7, THEIRS, &["dns:x.example", "dns:b.example"]), &registered), Ok(2));
        assert_eq!(who(&proven(7, OURS, &["dns:c.example"]), &registered), Ok(3));
        for (anchor, name) in [
            (OURS, "dns:b.example"),
            (THEIRS, "dns:c.example"),
            (THEIRS, "dns:B.example"),
            (THEIRS, "dns:b.example."),
            (THEIRS, "dns:*.example"),
            (THEIRS, "uri:b.example"),
            (THEIRS, "email:b.example"),
            (Some(Fingerprint([8; 32])), "dns:b.example"),
        ] {
            assert_eq!(who(&proven(7, anchor, &[name]), &registered), Err(Nobody::Unregistered), "{name}");
        }
    }

    #[test]
    fn an_anchor_speaks_only_for_the_organisations_that_it_is_bound_to() {
        assert_eq!(who(&proven(1, THEIRS, &[]), &[key(1, 1)]), Err(Nobody::ForeignAnchor));
        assert_eq!(who(&proven(1, THEIRS, &[]), &[key(2, 1)]), Ok(2));
        assert_eq!(who(&proven(1, Some(Fingerprint([8; 32])), &[]), &[key(2, 1)]), Err(Nobody::ForeignAnchor));
    }

    #[test]
    fn what_fits_more_than_one_registration_is_nobodys() {
        let registered = [key(1, 1), named(1, OURS, "dns:a.example"), named(3, OURS, "dns:c.example")];
        assert_eq!(who(&proven(1, OURS, &["dns:a.example"]), &registered), Err(Nobody::Ambiguous));
        assert_eq!(who(&proven(7, OURS, &["dns:a.example", "dns:c.example"]), &registered), Err(Nobody::Ambiguous));
    }

    #[test]
    fn a_name_that_stands_twice_in_a_certificate_fits_once() {
        let registered = [key(1, 1), named(2, OURS, "dns:b.example")];
        assert_eq!(who(&proven(7, OURS, &["dns:b.example", "dns:b.example"]), &registered), Ok(2));
    }

    #[test]
    fn a_revoked_key_is_refused_although_its_name_is_registered() {
        let revoked = Credential { revoked: Some(Timestamp::EPOCH), ..key(3, 1) };
        let registered = [revoked, named(2, THEIRS, "dns:b.example")];
        assert_eq!(who(&proven(1, THEIRS, &["dns:b.example"]), &registered), Err(Nobody::Revoked));
        assert_eq!(who(&proven(4, THEIRS, &["dns:b.example"]), &registered), Ok(2));
    }

    #[test]
    fn a_credential_counts_until_it_ends() {
        let until = |micros| [Credential { ends: Some(Timestamp::from_micros(micros)), ..key(1, 1) }];
        assert_eq!(who(&proven(1, OURS, &[]), &until(16)), Ok(1));
        assert_eq!(who(&proven(1, OURS, &[]), &until(15)), Err(Nobody::NotValidNow));
        let late = Proven {
            certificate: Certificate { not_after: Timestamp::from_micros(14), ..proven(1, OURS, &[]).certificate },
            anchor: OURS,
        };
        assert_eq!(who(&late, &[key(1, 1)]), Err(Nobody::NotValidNow));
    }

    #[test]
    fn a_secret_is_good_for_its_own_and_at_its_addresses() {
        let secret = |hash, network: &str| {
            let addresses = vec![network.parse().unwrap()];
            Proof::Secret(Secret { hash, addresses, ceiling: Level::Green, collections: vec![], write: false })
        };
        let registered = [credential(1, secret([1; 32], "192.0.2.0/24")), credential(2, secret([2; 32], "0.0.0.0/0"))];
        let who = |hash: u8, address: &str| {
            by_secret(&[hash; 32], address.parse().unwrap(), Timestamp::EPOCH, &registered)
                .map(|credential| credential.organisation.0)
                .map_err(|refusal| (refusal.why, refusal.of.map(|credential| credential.organisation.0)))
        };
        assert_eq!(who(1, "192.0.2.1"), Ok(1));
        assert_eq!(who(1, "192.0.3.1"), Err((Nobody::ForeignAddress, Some(1))));
        assert_eq!(who(2, "192.0.3.1"), Ok(2));
        assert_eq!(who(3, "192.0.2.1"), Err((Nobody::Unregistered, None)));
    }
}
