//! X.509 certificates (RFC 5280): the facts of one that decide whose it is.
//!
//! The identity is the key alone. Subject names are for people to read.

use crate::access::credential::Fingerprint;
use crate::taxii::timestamp::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a certificate says, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub fingerprint: Fingerprint,
    /// Its subject, as text for people.
    pub subject: String,
    /// The first moment at which it is valid.
    pub not_before: Timestamp,
    /// The last moment at which it is valid.
    pub not_after: Timestamp,
    /// Whether it says, by extended key usage `id-kp-clientAuth`, that it is for clients (RFC 5280 §4.2.1.12).
    pub for_clients: bool,
}

/// The octets are no certificate that can be understood.
#[derive(Debug, thiserror::Error)]
#[error("not an X.509 certificate: {0}")]
pub struct NotACertificate(String);

impl Certificate {
    /// Reads a DER certificate. Its signature and its chain are not looked at here.
    pub fn read(der: &[u8]) -> Result<Self, NotACertificate> {
        let fault = |reason: String| NotACertificate(reason);
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| fault(error.to_string()))?;
        if !rest.is_empty() {
            return Err(fault("there is something after its end".to_owned()));
        }
        let usage = certificate.extended_key_usage().map_err(|error| fault(error.to_string()))?;
        let seconds = |time: x509_parser::time::ASN1Time| Timestamp::EPOCH.plus_seconds(time.timestamp());
        Ok(Self {
            fingerprint: Fingerprint(Sha256::digest(certificate.public_key().raw).into()),
            subject: certificate.subject().to_string(),
            not_before: seconds(certificate.validity().not_before),
            not_after: seconds(certificate.validity().not_after),
            for_clients: usage.is_some_and(|usage| usage.value.client_auth),
        })
    }

    /// Whether it is within its time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}
