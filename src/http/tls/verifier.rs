//! The verifier: whether a chain of certificates holds, and at which anchor it ends.
//!
//! Paths are built and their signatures, times, constraints and extended key usages checked by
//! `webpki`. What it leaves out is checked here: that the leaf says that it is for clients, that
//! every key may do what it does, that the anchor is within its own time and length, and who was
//! revoked.

use super::Settings;
use super::Tls;
use super::crl::Status;
use super::facts::Facts;
use super::material::{Anchor, Material};
use crate::access::credential::Fingerprint;
use crate::access::proof::certificate::{Certificate, Proven};
use crate::taxii::timestamp::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use webpki::{Cert, EndEntityCert, KeyUsage, VerifiedPath};

/// What a chain proved.
#[derive(Clone, Debug)]
pub(in crate::http) struct Verified {
    pub(in crate::http) proven: Arc<Proven>,
    /// The reading of the files that it was verified with.
    pub(in crate::http) epoch: u64,
    /// The last moment at which all of it is in force: certificates, anchor, revocation lists.
    pub(in crate::http) until: Timestamp,
}

/// Verifies the client of one connection, and keeps what it proved.
#[derive(Debug)]
pub(in crate::http) struct Verifier {
    tls: Arc<Tls>,
    algorithms: WebPkiSupportedAlgorithms,
    verified: OnceLock<Verified>,
    refused: OnceLock<Fingerprint>,
}

impl Verifier {
    pub(super) fn new(tls: Arc<Tls>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { tls, algorithms, verified: OnceLock::new(), refused: OnceLock::new() }
    }

    /// What the client proved, if it did.
    pub(in crate::http) fn verified(&self) -> Option<&Verified> {
        self.verified.get()
    }

    /// The key of the certificate that the client showed, if its chain does not hold. It is not proved that the
    /// client has it.
    pub(in crate::http) fn refused(&self) -> Option<Fingerprint> {
        self.refused.get().copied()
    }
}

impl ClientCertVerifier for Verifier {
    /// The names of the anchors are the members' list: not sent.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.tls.verify(end_entity, intermediates).inspect_err(|_| {
            if let Ok(shown) = Certificate::read(end_entity) {
                self.refused.get_or_init(|| shown.fingerprint);
            }
        })?;
        // A handshake asks once; were it twice, the first would count.
        self.verified.get_or_init(|| verified);
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Material {
    /// Whether a chain holds at a time.
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        settings: &Settings,
        algorithms: &WebPkiSupportedAlgorithms,
        now: Timestamp,
    ) -> Result<Verified, Error> {
        let octets: usize = leaf.len() + intermediates.iter().map(|certificate| certificate.len()).sum::<usize>();
        if intermediates.len() > settings.max_intermediates || octets > settings.max_chain_octets {
            return Err(other(ChainTooLong));
        }
        let certificate = Certificate::read(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let facts = Facts::read(leaf).ok_or(CertificateError::BadEncoding)?;
        // `webpki` takes a certificate without any extended key usage; we do not.
        if !certificate.for_clients || !facts.usage.handshakes {
            return Err(CertificateError::InvalidPurpose.into());
        }
        let until = Cell::new(certificate.not_after);
        let judge = |path: &VerifiedPath<'_>| {
            until.set(self.judge(path, &facts, settings, now)?);
            Ok(())
        };
        let end_entity = EndEntityCert::try_from(leaf).map_err(in_tls)?;
        let usage = KeyUsage::client_auth();
        let path = end_entity.verify_for_usage(
            algorithms.all,
            &self.trust,
            intermediates,
            unix_time(now),
            usage,
            None,
            Some(&judge),
        );
        let path = path.map_err(in_tls)?;
        let anchor = self.anchor(&path).ok_or(CertificateError::UnknownIssuer)?;
        let anchor = (!anchor.is_own).then_some(anchor.key);
        Ok(Verified { proven: Arc::new(Proven { certificate, anchor }), epoch: self.epoch, until: until.get() })
    }

    fn anchor(&self, path: &VerifiedPath<'_>) -> Option<&Anchor> {
        let known = self.trust.iter().zip(&self.anchors);
        known.into_iter().find(|(trust, _)| std::ptr::eq(*trust, path.anchor())).map(|(_, anchor)| anchor)
    }

    /// Judges a path whose signatures hold. Gives the last moment at which all of it is in force.
    fn judge(
        &self,
        path: &VerifiedPath<'_>,
        leaf: &Facts,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<Timestamp, webpki::Error> {
        let anchor = self.anchor(path).ok_or(webpki::Error::UnknownIssuer)?;
        let time = unix_time(now);
        if now < anchor.not_before {
            return Err(webpki::Error::CertNotValidYet { time, not_before: unix_time(anchor.not_before) });
        }
        if anchor.not_after < now {
            return Err(webpki::Error::CertExpired { time, not_after: unix_time(anchor.not_after) });
        }
        let cas = path.intermediate_certificates().map(|ca| Some((ca, Facts::read(&ca.der())?)));
        let cas: Vec<(&Cert<'_>, Facts)> = cas.collect::<Option<_>>().ok_or(webpki::Error::BadDer)?;
        if anchor.path_length.is_some_and(|most| cas.len() > most as usize) {
            return Err(webpki::Error::PathLenConstraintViolated);
        }
        if cas.iter().any(|(_, facts)| !facts.usage.certificates) {
            return Err(webpki::Error::EndEntityUsedAsCa);
        }
        // From the leaf up: each certificate, and the key of its issuer.
        let issuers = cas.iter().map(|(ca, _)| super::fingerprint(&ca.subject_public_key_info())).chain([anchor.key]);
        let certificates = [(&**path.end_entity(), leaf)].into_iter().chain(cas.iter().map(|(ca, facts)| (*ca, facts)));
        let links: Vec<_> = certificates.zip(issuers).collect();
        let ends = links.iter().map(|((_, facts), _)| facts.not_after).chain([anchor.not_after]);
        let mut until = ends.min().unwrap_or(now);
        let required = settings.require_crl && !anchor.is_own;
        if required || links.iter().any(|(_, issuer)| self.crls.has(*issuer)) {
            for ((certificate, facts), issuer) in links {
                match self.crls.status(issuer, (certificate.serial(), facts), now) {
                    Status::Good(end) => until = until.min(end),
                    Status::Revoked => return Err(webpki::Error::CertRevoked),
                    Status::Stale(end) => {
                        return Err(webpki::Error::CrlExpired { time, next_update: unix_time(end) });
                    }
                    Status::Unknown => return Err(webpki::Error::UnknownRevocationStatus),
                }
            }
        }
        Ok(until)
    }
}

/// The chain is longer than the settings allow.
#[derive(Debug, thiserror::Error)]
#[error("the chain has more certificates, or more octets, than the settings in [tls] allow")]
struct ChainTooLong;

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// `webpki`'s error as TLS tells it, so that the alert is the one that the standard has for it.
fn in_tls(error: webpki::Error) -> Error {
    use webpki::Error as Bad;
    let told = match error {
        Bad::BadDer | Bad::BadDerTime | Bad::TrailingData(_) => CertificateError::BadEncoding,
        Bad::CertNotValidYet { time, not_before } => CertificateError::NotValidYetContext { time, not_before },
        Bad::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        Bad::InvalidCertValidity => CertificateError::Expired,
        Bad::UnknownIssuer => CertificateError::UnknownIssuer,
        Bad::CertRevoked => CertificateError::Revoked,
        Bad::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        Bad::CrlExpired { time, next_update } => CertificateError::ExpiredRevocationListContext { time, next_update },
        Bad::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        Bad::UnsupportedCriticalExtension => CertificateError::UnhandledCriticalExtension,
        Bad::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        error => return other(error),
    };
    told.into()
}

/// Times before 1970 are 1970.
fn unix_time(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_micros(u64::try_from(time.micros()).unwrap_or(0)))
}
