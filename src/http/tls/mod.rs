//! TLS: what is required of a connection before HTTP begins, and whose key it is.
//!
//! * TLS 1.3 and 1.2, AEAD suites only, X25519MLKEM768 preferred; no 0-RTT (TAXII 2.1 §8.2.2).
//! * A client certificate that chains to the operator's CA or to one in `anchors/`, is
//!   within its time, not revoked, and says that it is for clients. A valid chain is no right to
//!   anything.
//! * **No session resumption.** A resumed session would not be verified again: whoever was
//!   shut out in between would still get in.
//! * The names of the anchors are not sent: they are the members' list.
//! * **The files are read together and exchanged together** ([`Tls::look`]), whenever they have
//!   changed and whenever the operator says so. Files that cannot be used change nothing but the
//!   log and the metrics. Each connection is made with what is current at its beginning, and each
//!   request on it checks that its chain was verified with what is current then.
//! * **Revocation lists** in `crls/` count for the keys that signed them. A chain in which any CA
//!   has a list needs one from every CA in it, within its time; a chain without any is accepted,
//!   unless `require_crl` says otherwise. Certificates of the server's own CA need none: they are
//!   revoked in the registry.

mod crl;
mod facts;
mod files;
mod material;
mod request;
mod verifier;

pub use files::{PkiError, certificates, private_key, public_keys};
pub use request::requested_key;
pub(in crate::http) use verifier::{Verified, Verifier};

use crate::access::credential::Fingerprint;
use crate::access::proof::certificate::{Certificate, Proven};
use crate::clock::Clock;
use crate::taxii::timestamp::Timestamp;
use arc_swap::ArcSwap;
use files::Listing;
use material::Material;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig, SupportedProtocolVersion};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// The section `[tls]` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The versions of TLS that are spoken: this one and those after it.
    pub versions: Version,
    /// Whether certificates of anchors other than the server's own CA need a revocation list.
    pub require_crl: bool,
    /// Intermediate certificates that a client may send.
    pub max_intermediates: usize,
    /// Octets of all certificates that a client may send.
    pub max_chain_octets: usize,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// RFC 5246. TAXII 2.1 §8.2.2 demands it of every server.
    #[serde(rename = "1.2")]
    V12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V13,
}

impl Default for Settings {
    fn default() -> Self {
        Self { versions: Version::V12, require_crl: false, max_intermediates: 4, max_chain_octets: 16 << 10 }
    }
}

impl Settings {
    /// What is wrong with them, each with what is allowed.
    pub fn faults(&self) -> Vec<String> {
        // What `webpki` builds at most, and what rustls reads at most.
        let bounds = [
            (self.max_intermediates > 6, "tls.max_intermediates is at most 6"),
            (!(1024..=65_536).contains(&self.max_chain_octets), "tls.max_chain_octets is 1024 to 65536"),
        ];
        bounds.into_iter().filter(|(broken, _)| *broken).map(|(_, fault)| fault.to_owned()).collect()
    }
}

/// What TLS is done with, as the files are.
#[derive(Debug)]
pub struct Tls {
    pki: PathBuf,
    settings: Settings,
    clock: Clock,
    provider: Arc<CryptoProvider>,
    material: ArcSwap<Material>,
    /// The files at the last reading, whatever came of it.
    looked: Mutex<Result<Listing, PkiError>>,
    /// Whether the last reading could be used.
    is_good: AtomicBool,
    asked: Notify,
}

/// Something that ends.
#[derive(Clone, Debug)]
pub struct End {
    /// What it is.
    pub what: Ending,
    /// Its name for people.
    pub name: String,
    /// Since when it counts.
    pub since: Timestamp,
    /// The last moment at which it counts.
    pub at: Timestamp,
}

/// What can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server's certificate.
    Server,
    /// A trust anchor.
    Anchor,
    /// A revocation list: the last one that its CA signed.
    RevocationList,
}

impl End {
    /// Whole days until then; negative if it is over.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (self.at.micros() - now.micros()).div_euclid(86_400_000_000)
    }

    /// Whether it is time to replace it: 60 days before its end. Revocation lists do not last
    /// long, and are late when four fifths of their time are over.
    pub fn is_due(&self, now: Timestamp) -> bool {
        match self.what {
            Ending::Server | Ending::Anchor => self.days_left(now) < 60,
            Ending::RevocationList => (self.at.micros() - now.micros()) * 5 < self.at.micros() - self.since.micros(),
        }
    }
}

impl Tls {
    /// Reads the files of a PKI folder: `server.pem`, `server.key`, `ca.pem`, and those in
    /// `anchors/`, `intermediates/` and `crls/`.
    pub fn open(pki: &Path, settings: Settings, clock: Clock) -> Result<Arc<Self>, PkiError> {
        let tls = Self::read(pki, settings, clock)?;
        let server = &tls.material.load().server;
        if !server.is_valid_at(tls.now()) {
            return Err(PkiError::new(&pki.join("server.pem"), not_now(server)));
        }
        Ok(Arc::new(tls))
    }

    fn read(pki: &Path, settings: Settings, clock: Clock) -> Result<Self, PkiError> {
        let provider = Arc::new(default_provider());
        let listing = Listing::take(pki)?;
        let material = Material::read(pki, &listing, &provider, clock.now().into(), 0)?;
        Ok(Self {
            pki: pki.to_owned(),
            settings,
            clock,
            provider,
            material: ArcSwap::from_pointee(material),
            looked: Mutex::new(Ok(listing)),
            is_good: AtomicBool::new(true),
            asked: Notify::new(),
        })
    }

    /// The rules of TLS for one connection, and who verifies its client.
    pub(in crate::http) fn connection(self: &Arc<Self>) -> Result<(ServerConfig, Arc<Verifier>), Error> {
        let algorithms = self.provider.signature_verification_algorithms;
        let verifier = Arc::new(Verifier::new(Arc::clone(self), algorithms));
        Ok((self.config(Arc::clone(&verifier) as Arc<_>)?, verifier))
    }

    /// The rules of TLS for one connection to the fallback listener: no client certificate is asked for.
    pub(in crate::http) fn connection_without_certificate(&self) -> Result<ServerConfig, Error> {
        self.config(WebPkiClientVerifier::no_client_auth())
    }

    fn config(&self, verifier: Arc<dyn ClientCertVerifier>) -> Result<ServerConfig, Error> {
        let versions: &[&SupportedProtocolVersion] = match self.settings.versions {
            Version::V12 => &[&TLS13, &TLS12],
            Version::V13 => &[&TLS13],
        };
        let identity = Arc::clone(&self.material.load().identity);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(identity);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Whether a chain holds now.
    pub(in crate::http) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<Verified, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.material.load().verify(leaf, intermediates, &self.settings, algorithms, self.now())
    }

    /// Whether what was verified still holds without looking at the chain again.
    pub(in crate::http) fn holds(&self, verified: &Verified) -> bool {
        verified.epoch == self.material.load().epoch && self.now() < verified.until
    }

    /// Has the files read again soon, changed or not.
    pub fn reread(&self) {
        self.asked.notify_one();
    }

    /// Returns when somebody wants the files to be read again.
    pub(in crate::http) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Looks at the files, and reads them if they have changed or `whatever` they are; says
    /// whether they could be used, if they were read. What cannot be used changes nothing.
    pub fn look(&self, whatever: bool) -> Option<bool> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = Listing::take(&self.pki);
        if !whatever && listing == *looked {
            return None;
        }
        let fresh = listing.as_ref().map_err(Clone::clone).and_then(|listing| self.read_again(listing, whatever));
        *looked = listing;
        let outcome = match fresh {
            Ok(material) => {
                let (epoch, anchors) = (material.epoch, material.anchors.len());
                self.material.store(Arc::new(material));
                tracing::info!(epoch, anchors, "keys, certificates and revocation lists were read again");
                true
            }
            Err(error) => {
                tracing::error!(%error, "keys, certificates or revocation lists cannot be used: the old ones stay");
                false
            }
        };
        self.is_good.store(outcome, Ordering::Relaxed);
        Some(outcome)
    }

    /// `asked`: somebody means the files to be as they are.
    fn read_again(&self, listing: &Listing, asked: bool) -> Result<Material, PkiError> {
        let (known, now) = (self.material.load(), self.now());
        let fresh = Material::read(&self.pki, listing, &self.provider, now, known.epoch + 1)?;
        // One that ended while it served is no reason to keep old revocation lists, too.
        if !fresh.server.is_valid_at(now) && fresh.server.fingerprint != known.server.fingerprint {
            return Err(PkiError::new(&self.pki.join("server.pem"), not_now(&fresh.server)));
        }
        // A list may be gone by mistake, or for the moment in which it is exchanged: then nobody who was
        // revoked gets in.
        if let Some(issuer) = known.crls.lost_in(&fresh.crls).filter(|_| !asked) {
            let reason =
                format!("has no revocation list of {issuer} any more: put it back, or send SIGHUP if that is meant");
            return Err(PkiError::new(&self.pki.join("crls"), reason));
        }
        Ok(fresh)
    }

    /// Whether the files could be used when they were last read.
    pub fn is_good(&self) -> bool {
        self.is_good.load(Ordering::Relaxed)
    }

    /// Why nobody can get in now, if that is so.
    pub fn fault(&self) -> Option<String> {
        self.material.load().fault(self.now())
    }

    /// What ends, and when.
    pub fn ends(&self) -> Vec<End> {
        let material = self.material.load();
        let Certificate { subject, not_before, not_after, .. } = &material.server;
        let end = |what, name: &str, since, at| End { what, name: name.to_owned(), since, at };
        let mut ends = vec![end(Ending::Server, subject, *not_before, *not_after)];
        let anchors = material.anchors.iter();
        ends.extend(anchors.map(|one| end(Ending::Anchor, &one.subject, one.not_before, one.not_after)));
        ends.extend(material.crls.last().map(|(name, since, at)| end(Ending::RevocationList, name, since, at)));
        ends
    }

    /// The time by which all of this is judged.
    pub(in crate::http) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }
}

/// What a client with this chain would prove in the handshake of a server with this PKI folder now, if
/// it got through.
pub fn proven(
    pki: &Path,
    settings: Settings,
    clock: Clock,
    chain: &[CertificateDer<'_>],
) -> Result<Arc<Proven>, String> {
    let tls = Tls::read(pki, settings, clock).map_err(|error| error.to_string())?;
    let (leaf, intermediates) = chain.split_first().ok_or("there is no certificate")?;
    tls.verify(leaf, intermediates).map(|verified| verified.proven).map_err(|error| error.to_string())
}

fn not_now(certificate: &Certificate) -> String {
    let Certificate { not_before, not_after, .. } = certificate;
    format!("is valid from {not_before} to {not_after}, not now: put a current certificate there")
}

/// SHA-256 of a public key.
fn fingerprint(key: &[u8]) -> Fingerprint {
    Fingerprint(Sha256::digest(key).into())
}
