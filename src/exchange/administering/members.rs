//! Members: organisations, the identities that are theirs, and what they prove themselves with.

use super::{Administering, refused};
use crate::access::credential::{Anchor, Credential, CredentialKey, Fingerprint, Proof, Secret};
use crate::access::organisation::OrganisationKey;
use crate::access::proof::certificate::{Certificate, Name};
use crate::access::proof::secret;
use crate::store::ChangeError;
use crate::store::registry::Change;
use crate::taxii::timestamp::Timestamp;
use std::collections::BTreeSet;

impl Administering {
    /// Adds an organisation.
    pub fn add_organisation(&self, name: &str, title: &str) -> Result<(), ChangeError> {
        self.change(&Change::AddOrganisation { name: name.to_owned(), title: title.to_owned() })
    }

    /// Makes none of an organisation's credentials count, from its next request on; or makes them count again.
    pub fn suspend(&self, organisation: &str, suspended: bool) -> Result<(), ChangeError> {
        self.change(&Change::Suspend(self.organisation(organisation)?.key, suspended))
    }

    /// Makes a STIX identity an organisation's own. Gives the collections where it is another's so far: by id,
    /// with that one's name. What that one sent stays there, and only who declares it adds versions from now on.
    pub fn declare_identity(&self, organisation: &str, identity: &str) -> Result<Vec<(String, String)>, ChangeError> {
        let declarer = self.organisation(organisation)?.key;
        self.change(&Change::DeclareIdentity(declarer, identity.to_owned()))?;
        let (registry, mut earlier) = (self.exchange.registry()?, Vec::new());
        for collection in &registry.collections {
            let owner = self.exchange.store.owner(collection.key, identity)?.filter(|owner| *owner != declarer);
            let owner = owner.and_then(|owner| registry.organisation_by_key(owner));
            earlier.extend(owner.map(|owner| (collection.id.clone(), owner.name.clone())));
        }
        Ok(earlier)
    }

    /// Makes a STIX identity nobody's.
    pub fn withdraw_identity(&self, identity: &str) -> Result<(), ChangeError> {
        self.change(&Change::WithdrawIdentity(identity.to_owned()))
    }

    /// Lets a trust anchor speak for these organisations besides those that it speaks for already.
    pub fn bind_anchor(&self, certificate: &Certificate, organisations: &[String]) -> Result<(), ChangeError> {
        let keys = organisations.iter().map(|name| Ok(self.organisation(name)?.key));
        let organisations = keys.collect::<Result<BTreeSet<OrganisationKey>, ChangeError>>()?;
        self.change(&Change::BindAnchor(Anchor {
            fingerprint: certificate.fingerprint,
            subject: certificate.subject.clone(),
            not_after: certificate.not_after,
            organisations: organisations.into_iter().collect(),
        }))
    }

    /// Lets a trust anchor speak for nobody. `prefix`: the beginning of its fingerprint.
    pub fn remove_anchor(&self, prefix: &str) -> Result<Fingerprint, ChangeError> {
        let fingerprint = self.anchor(prefix)?;
        self.change(&Change::RemoveAnchor(fingerprint))?;
        Ok(fingerprint)
    }

    /// The trust anchor whose fingerprint begins so.
    pub fn anchor(&self, prefix: &str) -> Result<Fingerprint, ChangeError> {
        let registry = self.exchange.registry()?;
        let all = registry.anchors.iter().map(|anchor| anchor.fingerprint);
        only(all, prefix, "trust anchor", "`anchor list`")
    }

    /// Whether a trust anchor (`None`: this server's own CA) may speak for an organisation.
    pub fn may_speak(&self, anchor: Option<Fingerprint>, organisation: &str) -> Result<bool, ChangeError> {
        let (organisation, registry) = (self.organisation(organisation)?.key, self.exchange.registry()?);
        let bound =
            |fingerprint| registry.anchor(fingerprint).is_some_and(|one| one.organisations.contains(&organisation));
        Ok(anchor.is_none_or(bound))
    }

    /// Registers a certificate's key for an organisation, and gives its fingerprint.
    pub fn register(&self, organisation: &str, certificate: &Certificate) -> Result<Fingerprint, ChangeError> {
        let proof = Proof::Key(certificate.fingerprint);
        let not_after = Some(certificate.not_after);
        self.add(organisation, proof, &certificate.subject, (not_after, None))
    }

    /// Takes note of another certificate for a key that is registered for an organisation already: what is
    /// shown of the key is what the certificate says that ends last. Gives the registration as it is now.
    pub fn renew(&self, organisation: &str, certificate: &Certificate) -> Result<Credential, ChangeError> {
        let fingerprint = certificate.fingerprint.to_string();
        let known = self.credential(organisation, &fingerprint)?;
        if known.not_after.is_none_or(|end| end < certificate.not_after) {
            let label = certificate.subject.clone();
            self.change(&Change::RenewCredential(known.key, label, certificate.not_after))?;
        }
        self.credential(organisation, &fingerprint)
    }

    /// Registers a name under a trust anchor (`None`: this server's own CA) for an organisation.
    pub fn register_name(
        &self,
        organisation: &str,
        anchor: Option<Fingerprint>,
        name: Name,
    ) -> Result<Fingerprint, ChangeError> {
        let label = name.to_string();
        self.add(organisation, Proof::Name { anchor, name }, &label, (None, None))
    }

    /// Makes a secret for an organisation, good until `ends`. Gives it, for the only time, and its fingerprint.
    pub fn add_secret(
        &self,
        organisation: &str,
        terms: Secret,
        label: &str,
        ends: Timestamp,
    ) -> Result<(String, Fingerprint), ChangeError> {
        let text = secret::make().map_err(refused)?;
        let terms = Secret { hash: secret::hash(&text), ..terms };
        let fingerprint = self.add(organisation, Proof::Secret(terms), label, (None, Some(ends)))?;
        Ok((text, fingerprint))
    }

    fn add(
        &self,
        organisation: &str,
        proof: Proof,
        label: &str,
        (not_after, ends): (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<Fingerprint, ChangeError> {
        let organisation = self.organisation(organisation)?.key;
        let (key, label) = (CredentialKey(0), label.to_owned());
        let credential = Credential { key, organisation, proof, label, not_after, ends, revoked: None };
        let fingerprint = credential.fingerprint();
        self.change(&Change::AddCredential(credential))?;
        Ok(fingerprint)
    }

    /// Revokes the credential of an organisation whose fingerprint begins with `prefix`. A whole fingerprint
    /// that is not registered is a key that is never let in, whatever name its certificate has.
    pub fn revoke(&self, organisation: &str, prefix: &str) -> Result<Fingerprint, ChangeError> {
        let now = self.now();
        match (self.credential(organisation, prefix), Fingerprint::parse(prefix)) {
            (Ok(credential), _) => {
                self.change(&Change::RevokeCredential(credential.key, now))?;
                Ok(credential.fingerprint())
            }
            (Err(_), Some(fingerprint)) => {
                let organisation = self.organisation(organisation)?.key;
                self.change(&Change::AddCredential(Credential {
                    key: CredentialKey(0),
                    organisation,
                    proof: Proof::Key(fingerprint),
                    label: "revoked before it was registered".to_owned(),
                    not_after: None,
                    ends: None,
                    revoked: Some(now),
                }))?;
                Ok(fingerprint)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Makes the credential of an organisation whose fingerprint begins with `prefix` count until `ends` only.
    pub fn end(&self, organisation: &str, prefix: &str, ends: Timestamp) -> Result<Fingerprint, ChangeError> {
        let credential = self.credential(organisation, prefix)?;
        self.change(&Change::EndCredential(credential.key, ends))?;
        Ok(credential.fingerprint())
    }

    /// The credential of an organisation whose fingerprint begins with `prefix`.
    pub fn credential(&self, organisation: &str, prefix: &str) -> Result<Credential, ChangeError> {
        let organisation = self.organisation(organisation)?;
        let registry = self.exchange.registry()?;
        let own = || registry.credentials.iter().filter(|credential| credential.organisation == organisation.key);
        let what = format!("credential of {}", organisation.name);
        let fingerprint = only(own().map(Credential::fingerprint), prefix, &what, "`cert list`")?;
        let found = own().find(|credential| credential.fingerprint() == fingerprint);
        found.cloned().ok_or_else(|| refused(format!("there is no {what} {fingerprint}")))
    }
}

/// The only one of these fingerprints that begins with `prefix`.
fn only(
    all: impl Iterator<Item = Fingerprint>,
    prefix: &str,
    what: &str,
    see: &str,
) -> Result<Fingerprint, ChangeError> {
    let prefix = prefix.to_ascii_lowercase();
    let found: Vec<Fingerprint> = all.filter(|one| one.to_string().starts_with(&prefix)).collect();
    match found[..] {
        [fingerprint] if !prefix.is_empty() => Ok(fingerprint),
        [] => Err(refused(format!("no {what} begins with {prefix:?}: see {see}"))),
        _ => {
            Err(refused(format!("the fingerprints of {} {what}s begin with {prefix:?}: give more digits", found.len())))
        }
    }
}
