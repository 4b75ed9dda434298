//! Signing in: from a proven certificate to the organisation that it speaks for.

use super::{Exchange, Session};
use crate::access::credential::Fingerprint;
use crate::access::organisation::OrganisationKey;
use crate::access::proof::certificate::Certificate;
use crate::audit::Actor;
use crate::store::StoreError;
use std::sync::Arc;

/// Who is asking.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The organisation.
    pub organisation: OrganisationKey,
    /// The organisation's name.
    pub name: String,
    /// What it proved its identity with.
    pub credential: Fingerprint,
    /// The network address and port it asks from.
    pub address: String,
    /// What its software says that it is (`User-Agent`): told on reads.
    pub client: Option<String>,
}

impl Caller {
    /// As the audit trail names it.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            organisation: Some(self.name.clone()),
            credential: Some(self.credential),
            address: self.address.clone(),
            client: None,
        }
    }
}

/// Why a certificate that the handshake accepted does not let its holder in.
#[derive(Debug, thiserror::Error)]
pub enum NotSignedIn {
    /// A chain that is valid is not a registration.
    #[error(
        "the certificate with the key {0} is registered for no organisation: ask the operator of this server to register it"
    )]
    Unregistered(Fingerprint),
    /// It was valid when the connection was made, perhaps, and is not now.
    #[error("the certificate with the key {0} is not valid at this time")]
    NotValidNow(Fingerprint),
    /// The store could not say.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NotSignedIn {
    /// The reason in a word, for the audit trail.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unregistered(_) => "unregistered",
            Self::NotValidNow(_) => "not_valid_now",
            Self::Store(_) => "store",
        }
    }
}

impl Exchange {
    /// Signs the holder of a proven certificate in. Asked anew on every request, so that a
    /// removed certificate is refused on the next one, on a live connection too.
    pub fn sign_in(self: &Arc<Self>, certificate: &Certificate, address: &str) -> Result<Session, NotSignedIn> {
        let registry = self.registry()?;
        let fingerprint = certificate.fingerprint;
        let credential = registry.credential(fingerprint).ok_or(NotSignedIn::Unregistered(fingerprint))?;
        if !certificate.is_valid_at(self.now()) {
            return Err(NotSignedIn::NotValidNow(fingerprint));
        }
        let organisation =
            registry.organisation_by_key(credential.organisation).ok_or(NotSignedIn::Unregistered(fingerprint))?;
        let caller = Caller {
            organisation: organisation.key,
            name: organisation.name.clone(),
            credential: fingerprint,
            address: address.to_owned(),
            client: None,
        };
        Ok(Session::new(Arc::clone(self), registry, certificate.clone(), caller))
    }
}
