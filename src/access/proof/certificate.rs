//! X.509 certificates (RFC 5280): the facts of one that decide whose it is.
//!
//! The identity is the key alone. Subject names are for people to read.

use crate::access::credential::Fingerprint;
use crate::taxii::timestamp::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;
use x509_parser::asn1_rs::Any;
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Error};

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
    /// Its subject alternative names that can identify a client (RFC 5280 §4.2.1.6), in its order.
    pub names: Vec<Name>,
}

/// What a handshake proved: who holds the key of this certificate, and who vouches for it.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The certificate whose key was proved.
    pub certificate: Certificate,
    /// The trust anchor at the end of its chain; `None`: this server's own CA.
    pub anchor: Option<Fingerprint>,
}

/// A kind of subject alternative name. Others identify nobody here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NameKind {
    /// `uniformResourceIdentifier`.
    Uri,
    /// `rfc822Name`.
    Email,
    /// `dNSName`.
    Dns,
}

impl NameKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Uri, Self::Email, Self::Dns];

    /// As commands and registries write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uri => "uri",
            Self::Email => "email",
            Self::Dns => "dns",
        }
    }
}

/// A subject alternative name. Two names are the same if kind and octets are: no case is
/// folded, no dot dropped, no wildcard understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name {
    /// Its kind.
    pub kind: NameKind,
    /// Its text as it stands in the certificate: printable ASCII.
    pub value: String,
}

impl Name {
    /// Reads `uri:…`, `email:…` or `dns:…`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        let kind = NameKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        Self::new(kind, value)
    }

    /// A name of this kind; `None` if it has other than printable ASCII characters, as a NUL.
    fn new(kind: NameKind, value: &str) -> Option<Self> {
        let plain = !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_graphic());
        plain.then(|| Self { kind, value: value.to_owned() })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.value)
    }
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
            names: names(&certificate).map_err(|error| fault(error.to_string()))?,
        })
    }

    /// Whether it is within its time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// The names that can identify. One that is written oddly identifies nobody, and is left out.
fn names(certificate: &X509Certificate<'_>) -> Result<Vec<Name>, X509Error> {
    let Some(alternatives) = certificate.subject_alternative_name()? else { return Ok(Vec::new()) };
    let plain = primitives(certificate)?;
    let known = alternatives.value.general_names.iter().zip(plain).filter_map(|(name, plain)| match name {
        GeneralName::URI(value) if plain => Name::new(NameKind::Uri, value),
        GeneralName::RFC822Name(value) if plain => Name::new(NameKind::Email, value),
        GeneralName::DNSName(value) if plain => Name::new(NameKind::Dns, value),
        _ => None,
    });
    Ok(known.collect())
}

/// Of each alternative name, whether its octets are its value and not made of parts: the library takes either
/// for a name, DER only the former (X.690 §10.2).
fn primitives(certificate: &X509Certificate<'_>) -> Result<Vec<bool>, X509Error> {
    let Some(extension) = certificate.get_extension_unique(&OID_X509_EXT_SUBJECT_ALT_NAME)? else {
        return Ok(Vec::new());
    };
    let (_, list) = Any::from_der(extension.value).map_err(|_| X509Error::InvalidExtensions)?;
    let (mut rest, mut primitives) = (list.data, Vec::new());
    while !rest.is_empty() {
        let (after, name) = Any::from_der(rest).map_err(|_| X509Error::InvalidExtensions)?;
        primitives.push(!name.header.is_constructed());
        rest = after;
    }
    Ok(primitives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_odd_ones_are_none() {
        for text in ["uri:spiffe://cert-a/puller", "email:soc@cert-a.example", "dns:Puller.cert-a.example."] {
            assert_eq!(Name::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "uri", "uri:", "cn:cert-a", "URI:x", "dns:a\0b", "dns:a b", "dns:\u{430}.example"] {
            assert_eq!(Name::parse(text), None, "{text:?}");
        }
    }
}
