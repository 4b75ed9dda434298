//! The material: everything that TLS is done with, read together and exchanged together.

use super::crl::{Authority, Crls};
use super::facts::Facts;
use super::files::{Listing, PkiError, certificates, private_key, revocation_lists};
use crate::access::credential::Fingerprint;
use crate::access::proof::certificate::Certificate;
use crate::taxii::timestamp::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, TrustAnchor};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::path::Path;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// One reading of the files. It is never changed, only replaced.
#[derive(Debug)]
pub(super) struct Material {
    /// Counts the readings: what was verified under one holds under that one only.
    pub(super) epoch: u64,
    pub(super) identity: Arc<SingleCertAndKey>,
    pub(super) server: Certificate,
    /// In the order of `trust`.
    pub(super) anchors: Vec<Anchor>,
    pub(super) trust: Vec<TrustAnchor<'static>>,
    pub(super) crls: Crls,
}

/// A trust anchor.
#[derive(Debug)]
pub(super) struct Anchor {
    /// SHA-256 of its `SubjectPublicKeyInfo`.
    pub(super) key: Fingerprint,
    /// Whether it is this server's own CA.
    pub(super) is_own: bool,
    pub(super) subject: String,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// How many intermediates may stand below it; `None`: any number.
    pub(super) path_length: Option<u32>,
}

/// A CA's certificate, read.
struct CaCertificate {
    trust: TrustAnchor<'static>,
    certificate: Certificate,
    facts: Facts,
    authority: Authority,
}

impl Material {
    /// Reads all files. Says what is wrong with the first that cannot be used; one that has ended
    /// can be used as far as this goes, see [`super::Tls::fault`].
    pub(super) fn read(
        pki: &Path,
        listing: &Listing,
        provider: &CryptoProvider,
        now: Timestamp,
        epoch: u64,
    ) -> Result<Self, PkiError> {
        let (server, identity) = server_identity(pki, provider)?;
        let own = pki.join("ca.pem");
        let (mut anchors, mut trust, mut authorities) = (Vec::new(), Vec::new(), Vec::new());
        for file in &listing.anchors {
            for ca in ca_certificates(file)? {
                let CaCertificate { certificate, facts, .. } = ca;
                anchors.push(Anchor {
                    key: certificate.fingerprint,
                    is_own: *file == own,
                    subject: certificate.subject,
                    not_before: certificate.not_before,
                    not_after: certificate.not_after,
                    path_length: facts.path_length,
                });
                trust.push(ca.trust);
                authorities.push(ca.authority);
            }
        }
        for file in &listing.intermediates {
            authorities.extend(ca_certificates(file)?.into_iter().map(|ca| ca.authority));
        }
        let mut crls = Crls::default();
        for file in &listing.revocation_lists {
            for list in revocation_lists(file)? {
                crls.add(&list, &authorities, provider.signature_verification_algorithms.all, now)
                    .map_err(|reason| PkiError::new(file, reason))?;
            }
        }
        Ok(Self { epoch, identity: Arc::new(identity), server, anchors, trust, crls })
    }

    /// What makes it of no use at a time, and what to do.
    pub(super) fn fault(&self, now: Timestamp) -> Option<String> {
        if !self.server.is_valid_at(now) {
            return Some(format!("server.pem {}", super::not_now(&self.server)));
        }
        let counts = |anchor: &Anchor| {
            anchor.not_before <= now
                && now <= anchor.not_after
                && self.crls.end_of(anchor.key).is_none_or(|end| now < end)
        };
        let none = !self.anchors.iter().any(counts);
        none.then(|| {
            "every trust anchor has ended, or its revocation list has: nobody gets in; put current ones there"
                .to_owned()
        })
    }
}

/// The server's certificate and key, if they belong together.
fn server_identity(pki: &Path, provider: &CryptoProvider) -> Result<(Certificate, SingleCertAndKey), PkiError> {
    let (certificate_file, key_file) = (pki.join("server.pem"), pki.join("server.key"));
    let chain = certificates(&certificate_file)?;
    let key = private_key(&key_file)?;
    let leaf = chain.first().map(|leaf| Certificate::read(leaf));
    let leaf = leaf.ok_or_else(|| PkiError::new(&certificate_file, "has no certificate"))?;
    let leaf = leaf.map_err(|error| PkiError::new(&certificate_file, error))?;
    let identity = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        PkiError::new(&key_file, format!("does not belong to {}: {error}", certificate_file.display()))
    })?;
    Ok((leaf, SingleCertAndKey::from(identity)))
}

/// The certificates of a file, each of which is a CA's.
fn ca_certificates(file: &Path) -> Result<Vec<CaCertificate>, PkiError> {
    let read = |der: CertificateDer<'static>| ca_certificate(&der).map_err(|reason| PkiError::new(file, reason));
    certificates(file)?.into_iter().map(read).collect()
}

fn ca_certificate(der: &CertificateDer<'_>) -> Result<CaCertificate, String> {
    let certificate = Certificate::read(der).map_err(|error| error.to_string())?;
    let facts = Facts::read(der).ok_or("cannot be understood")?;
    if !facts.is_ca || !facts.usage.certificates {
        return Err(format!(
            "{} is no CA: its certificate does not say that it signs certificates",
            certificate.subject
        ));
    }
    let trust = webpki::anchor_from_trusted_cert(der).map_err(|error| format!("cannot be an anchor: {error}"))?;
    let trust = trust.to_owned();
    let (_, whole) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let authority = Authority {
        name: certificate.subject.clone(),
        subject: trust.subject.to_vec(),
        key: SubjectPublicKeyInfoDer::from(whole.public_key().raw.to_vec()),
        fingerprint: certificate.fingerprint,
        signs_lists: facts.usage.revocation_lists,
    };
    Ok(CaCertificate { trust, certificate, facts, authority })
}
