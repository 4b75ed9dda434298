//! Signing in: from a proven certificate, or a secret, to the organisation that it speaks for.

use super::{Exchange, Session};
use crate::access::credential::{Credential, Fingerprint};
use crate::access::identify::{Index, Nobody, Refusal, by_certificate, by_secret};
use crate::access::organisation::OrganisationKey;
use crate::access::proof::certificate::Proven;
use crate::audit::Actor;
use crate::store::StoreError;
use crate::store::registry::Registry;
use std::net::SocketAddr;
use std::sync::Arc;

/// The reason, in a word, why nobody of a suspended organisation comes in.
const SUSPENDED: &str = "suspended";

/// The registry, and where in it to look.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) registry: Arc<Registry>,
    index: Index,
}

impl Directory {
    pub(super) fn of(registry: Registry) -> Self {
        Self { index: Index::of(&registry.credentials), registry: Arc::new(registry) }
    }
}

/// What a caller proves its identity with.
#[derive(Clone, Debug)]
pub(super) enum Shown {
    /// The key of a certificate, in the handshake.
    Certificate(Arc<Proven>),
    /// A secret.
    Secret,
}

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
    /// Whether it asks for the headers of an answer only (`HEAD`).
    pub head: bool,
}

impl Caller {
    /// As the audit trail names it.
    pub(super) fn actor(&self) -> Actor {
        Actor {
            organisation: Some(self.name.clone()),
            credential: Some(self.credential),
            address: self.address.clone(),
            ..Actor::default()
        }
    }
}

/// Whose credential does not count: the organisation's name, and the credential by its fingerprint.
pub type Whose = (String, Fingerprint);

/// Why a certificate that the handshake accepted, or a secret, does not let its holder in; and whose it
/// is, if that is known: for the audit trail, not for the caller.
#[derive(Debug, thiserror::Error)]
pub enum NotSignedIn {
    /// It is nobody's.
    #[error("the certificate with the key {0} {reason}", reason = reason(*.1))]
    Certificate(Fingerprint, Nobody, Option<Whose>),
    /// Its organisation may not come in for now.
    #[error("the organisation is suspended: ask the operator of this server")]
    Suspended(Option<Whose>),
    /// A secret lets nobody in, for the reason in a word. Its holder is told the same for all of them.
    #[error("no credentials that are good here: send a secret of yours as password (Basic), Bearer or Token")]
    Secret(&'static str, Option<Whose>),
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
    /// The reason in a word: for the log and the audit trail, not for the caller.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Certificate(_, nobody, _) => nobody.word(),
            Self::Suspended(_) => SUSPENDED,
            Self::Secret(reason, _) => reason,
            Self::Store(_) => "store",
        }
    }

    /// Whose credential it is, if that is known: for the audit trail, not for the caller.
    pub fn whose(&self) -> Option<&Whose> {
        match self {
            Self::Certificate(_, _, whose) | Self::Suspended(whose) | Self::Secret(_, whose) => whose.as_ref(),
            Self::Store(_) => None,
        }
    }
}

impl Exchange {
    /// Signs the holder of a proven certificate in. Asked anew on every request, so that a
    /// removed certificate is refused on the next one, on a live connection too.
    pub fn sign_in(self: &Arc<Self>, proven: &Arc<Proven>, address: &str) -> Result<Session, NotSignedIn> {
        let Directory { registry, index } = &*self.directory()?;
        let fingerprint = proven.certificate.fingerprint;
        let near = index.near(&proven.certificate, &registry.credentials);
        let identified = by_certificate(proven, self.now(), &near, &registry.anchors);
        let credential = identified.map_err(|Refusal { why, of }| {
            NotSignedIn::Certificate(fingerprint, why, of.and_then(|own| whose(registry, own, fingerprint)))
        })?;
        let caller = caller(registry, credential, fingerprint, address)
            .ok_or_else(|| NotSignedIn::Suspended(whose(registry, credential, fingerprint)))?;
        let credential = credential.clone();
        Ok(Session::new(
            Arc::clone(self),
            Arc::clone(registry),
            Shown::Certificate(Arc::clone(proven)),
            credential,
            caller,
        ))
    }

    /// Signs the holder of a secret in, by its hash. However this ends, the hash is compared with
    /// that of every registered secret. Asked anew on every request, too.
    pub fn sign_in_with_secret(self: &Arc<Self>, hash: &[u8; 32], address: SocketAddr) -> Result<Session, NotSignedIn> {
        let registry = self.registry()?;
        let identified = by_secret(hash, address.ip(), self.now(), &registry.credentials);
        let known = |own: &Credential| whose(&registry, own, own.fingerprint());
        let credential =
            identified.map_err(|Refusal { why, of }| NotSignedIn::Secret(why.word(), of.and_then(known)))?;
        let caller = caller(&registry, credential, credential.fingerprint(), &address.to_string());
        let caller = caller.ok_or_else(|| NotSignedIn::Secret(SUSPENDED, known(credential)))?;
        let credential = credential.clone();
        Ok(Session::new(Arc::clone(self), registry, Shown::Secret, credential, caller))
    }

    /// Whose a key is that did not come so far as to sign in.
    pub fn whose(&self, key: Fingerprint) -> Option<Whose> {
        let registry = self.registry().ok()?;
        whose(&registry, registry.credential_by_fingerprint(key)?, key)
    }
}

/// Whose a credential is, recorded by `fingerprint`.
fn whose(registry: &Registry, credential: &Credential, fingerprint: Fingerprint) -> Option<Whose> {
    registry.organisation_by_key(credential.organisation).map(|organisation| (organisation.name.clone(), fingerprint))
}

/// Whom a credential speaks for, recorded by `fingerprint`; `None` while its organisation is suspended.
fn caller(registry: &Registry, credential: &Credential, fingerprint: Fingerprint, address: &str) -> Option<Caller> {
    let organisation = registry.organisation_by_key(credential.organisation)?;
    (!organisation.suspended).then(|| Caller {
        organisation: organisation.key,
        name: organisation.name.clone(),
        credential: fingerprint,
        address: address.to_owned(),
        client: None,
        head: false,
    })
}
