//! Requests for certificates (PKCS #10, RFC 2986).

use super::files::PkiError;
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// The public key (`SubjectPublicKeyInfo`) of a request in PEM, whose maker has shown to have the
/// private one. All else in the request is the wish of whoever made it, and is not looked at.
pub fn requested_key(file: &Path) -> Result<Vec<u8>, PkiError> {
    let der = CertificateSigningRequestDer::from_pem_file(file);
    let der = der.map_err(|error| PkiError::new(file, format!("is no request for a certificate in PEM: {error}")))?;
    let (_, request) = X509CertificationRequest::from_der(&der)
        .map_err(|error| PkiError::new(file, format!("is no request for a certificate: {error}")))?;
    request.verify_signature().map_err(|error| {
        PkiError::new(file, format!("is not signed with the key that it asks a certificate for: {error}"))
    })?;
    Ok(request.certification_request_info.subject_pki.raw.to_vec())
}
