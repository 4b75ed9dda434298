//! Signing in: from a proven certificate to the organisation that it speaks for.

use super::{Exchange, Session};
use crate::access::credential::Fingerprint;
use crate::access::identify::{Nobody, by_certificate};
use crate::access::organisation::OrganisationKey;
use crate::access::proof::certificate::Proven;
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
    /// It is nobody's.
    #[error("the certificate with the key {0} {reason}", reason = reason(*.1))]
    Certificate(Fingerprint, Nobody),
    /// Its organisation may not come in for now.
    #[error("the organisation is suspended: ask the operator of this server")]
    Suspended,
    /// The store could not say.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn reason(nobody: Nobody) -> &'static str {
    match nobody {
        Nobody::Unregistered => "is registered for no organisation: ask the operator of this server to register it",
        Nobody::Ambiguous => "fits more than one registration: ask the operator of this server to remove all but one",
        Nobody::Revoked => "is revoked",
        Nobody::NotValidNow => "is not valid at this time",
        Nobody::ForeignAnchor => {
            "was issued under a trust anchor that may not speak for its organisation: ask the operator of this server"
        }
        Nobody::ForeignAddress => "is not good at this address",
    }
}

impl NotSignedIn {
    /// The reason in a word, for the audit trail.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Certificate(_, nobody) => nobody.as_str(),
            Self::Suspended => "suspended",
            Self::Store(_) => "store",
        }
    }
}

impl Exchange {
    /// Signs the holder of a proven certificate in. Asked anew on every request, so that a
    /// removed certificate is refused on the next one, on a live connection too.
    pub fn sign_in(self: &Arc<Self>, proven: &Proven, address: &str) -> Result<Session, NotSignedIn> {
        let registry = self.registry()?;
        let fingerprint = proven.certificate.fingerprint;
        let nobody = |nobody| NotSignedIn::Certificate(fingerprint, nobody);
        let identified = by_certificate(proven, self.now(), &registry.credentials, &registry.anchors);
        let credential = identified.map_err(nobody)?;
        let organisation =
            registry.organisation_by_key(credential.organisation).ok_or_else(|| nobody(Nobody::Unregistered))?;
        if organisation.suspended {
            return Err(NotSignedIn::Suspended);
        }
        let caller = Caller {
            organisation: organisation.key,
            name: organisation.name.clone(),
            credential: fingerprint,
            address: address.to_owned(),
            client: None,
        };
        Ok(Session::new(Arc::clone(self), registry, proven.clone(), caller))
    }
}
