//! What a certificate of a chain says beyond what the chain's verifier reads.

use crate::taxii::timestamp::Timestamp;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Facts of one certificate, of a leaf as of a CA.
#[derive(Debug)]
pub(super) struct Facts {
    /// The last moment at which it is valid.
    pub(super) not_after: Timestamp,
    /// Whether it is a CA's (RFC 5280 §4.2.1.9).
    pub(super) is_ca: bool,
    /// How many intermediates may stand below it; `None`: any number.
    pub(super) path_length: Option<u32>,
    /// Whether its key may sign in a handshake, certificates, revocation lists (RFC 5280
    /// §4.2.1.3: all of it, where key usage is not given).
    pub(super) usage: Usage,
    /// The URIs of its distribution points (RFC 5280 §4.2.1.13).
    pub(super) points: Vec<String>,
}

/// What a key may be used for.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) handshakes: bool,
    pub(super) certificates: bool,
    pub(super) revocation_lists: bool,
}

impl Facts {
    /// Reads a DER certificate; `None` if it cannot be understood.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        let constraints = certificate.basic_constraints().ok()?.map(|found| found.value);
        let usage = certificate.key_usage().ok()?.map(|found| found.value);
        let may = |bit: fn(&x509_parser::extensions::KeyUsage) -> bool| usage.is_none_or(bit);
        let points = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::CRLDistributionPoints(points) => Some(points.points.iter()),
            _ => None,
        });
        let points = points.flatten().filter_map(|point| point.distribution_point.as_ref());
        rest.is_empty().then(|| Self {
            not_after: Timestamp::EPOCH.plus_seconds(certificate.validity().not_after.timestamp()),
            is_ca: constraints.is_some_and(|found| found.ca),
            path_length: constraints.and_then(|found| found.path_len_constraint),
            usage: Usage {
                handshakes: may(x509_parser::extensions::KeyUsage::digital_signature),
                certificates: may(x509_parser::extensions::KeyUsage::key_cert_sign),
                revocation_lists: may(x509_parser::extensions::KeyUsage::crl_sign),
            },
            points: points.flat_map(uris).collect(),
        })
    }
}

/// The URIs of a distribution point's name.
pub(super) fn uris(name: &DistributionPointName<'_>) -> Vec<String> {
    let DistributionPointName::FullName(names) = name else { return Vec::new() };
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    };
    names.iter().filter_map(uri).collect()
}
