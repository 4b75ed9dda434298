//! TLS: what is required of a connection before HTTP begins, and whose key it is.
//!
//! * TLS 1.3 and 1.2, AEAD suites only, X25519MLKEM768 preferred; no 0-RTT (TAXII 2.1 §8.2.2).
//! * A client certificate that chains to the operator's CA or to one in `anchors/`, is
//!   within its time, and says that it is for clients. A valid chain is no right to anything.
//! * **No session resumption.** A resumed session would not be verified again: whoever was
//!   shut out in between would still get in.
//! * The names of the anchors are not sent: they are the members' list.

use crate::access::proof::certificate::Certificate;
use crate::clock::stopwatch;
use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// Intermediate certificates that a client may send.
const MOST_INTERMEDIATES: usize = 6;
/// The anchors on disk are looked at again after this long.
const FRESH: Duration = Duration::from_secs(1);

/// What is wrong with a key, a certificate or the anchors: which file, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct PkiError {
    file: String,
    reason: String,
}

impl PkiError {
    fn new(file: &Path, reason: impl std::fmt::Display) -> Self {
        Self { file: file.display().to_string(), reason: reason.to_string() }
    }
}

/// The rules of TLS for the TAXII listener, from the files of a PKI directory:
/// `server.pem`, `server.key`, `ca.pem` and `anchors/*.pem`.
pub fn server_config(pki: &Path, now: SystemTime) -> Result<ServerConfig, PkiError> {
    let provider = Arc::new(default_provider());
    let identity = server_identity(pki, &provider, now)?;
    let verifier = Arc::new(Anchors::open(pki, Arc::clone(&provider))?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| PkiError::new(pki, error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(identity)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The server's certificate and key, if they are fit for use.
fn server_identity(pki: &Path, provider: &CryptoProvider, now: SystemTime) -> Result<CertifiedKey, PkiError> {
    let (certificate_file, key_file) = (pki.join("server.pem"), pki.join("server.key"));
    let chain = certificates(&certificate_file)?;
    let key = private_key(&key_file)?;
    let leaf = chain.first().map(|leaf| Certificate::read(leaf));
    let leaf = leaf.ok_or_else(|| PkiError::new(&certificate_file, "has no certificate"))?;
    let leaf = leaf.map_err(|error| PkiError::new(&certificate_file, error))?;
    if !leaf.is_valid_at(now.into()) {
        let reason = format!(
            "is valid from {} to {}, not now: put a current certificate there",
            leaf.not_before, leaf.not_after
        );
        return Err(PkiError::new(&certificate_file, reason));
    }
    let identity = CertifiedKey::from_der(chain, key, provider);
    identity.map_err(|error| {
        PkiError::new(&key_file, format!("does not belong to {}: {error}", certificate_file.display()))
    })
}

/// Reads a private key. One that others can read is no longer private.
pub fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, PkiError> {
    let mode = fs::metadata(file).map_err(|error| PkiError::new(file, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let reason = format!("can be read by others (mode {:03o}): run `chmod 600 {}`", mode & 0o777, file.display());
        return Err(PkiError::new(file, reason));
    }
    PrivateKeyDer::from_pem_file(file)
        .map_err(|error| PkiError::new(file, format!("is no private key in PEM: {error}")))
}

/// Reads all public keys of a PEM file.
pub fn public_keys(file: &Path) -> Result<Vec<SubjectPublicKeyInfoDer<'static>>, PkiError> {
    let fault = |error| PkiError::new(file, format!("is no public key in PEM: {error}"));
    SubjectPublicKeyInfoDer::pem_file_iter(file).map_err(fault)?.collect::<Result<_, _>>().map_err(fault)
}

/// Reads all certificates of a PEM file.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let fault = |error| PkiError::new(file, format!("is no certificate in PEM: {error}"));
    let chain: Vec<_> = CertificateDer::pem_file_iter(file).map_err(fault)?.collect::<Result<_, _>>().map_err(fault)?;
    if chain.is_empty() {
        return Err(PkiError::new(file, "has no certificate in PEM"));
    }
    Ok(chain)
}

/// Verifies client certificates against the anchors on disk, as they are now.
#[derive(Debug)]
struct Anchors {
    pki: PathBuf,
    provider: Arc<CryptoProvider>,
    verifier: ArcSwap<Verifier>,
    looked: Mutex<Instant>,
}

/// One reading of the anchors.
#[derive(Debug)]
struct Verifier {
    chain: Arc<dyn ClientCertVerifier>,
    files: Vec<AnchorFile>,
}

/// What tells a changed file from one that is as it was.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct AnchorFile {
    path: PathBuf,
    octets: u64,
    modified: Option<SystemTime>,
}

impl Anchors {
    fn open(pki: &Path, provider: Arc<CryptoProvider>) -> Result<Self, PkiError> {
        let verifier = ArcSwap::from_pointee(Verifier::read(pki, &provider)?);
        Ok(Self { pki: pki.to_owned(), provider, verifier, looked: Mutex::new(stopwatch()) })
    }

    /// The verifier for the files as they are. Bad files change nothing but the log: those
    /// who could get in before still can, and nobody else.
    fn current(&self) -> Arc<Verifier> {
        let known = self.verifier.load_full();
        if !self.is_due() || anchor_files(&self.pki).is_ok_and(|files| files == known.files) {
            return known;
        }
        match Verifier::read(&self.pki, &self.provider) {
            Ok(fresh) => {
                tracing::info!(anchors = fresh.files.len(), "the trust anchors changed and were read again");
                self.verifier.store(Arc::new(fresh));
                self.verifier.load_full()
            }
            Err(error) => {
                tracing::error!(%error, "the trust anchors changed and cannot be read: the old ones stay");
                known
            }
        }
    }

    fn is_due(&self) -> bool {
        let Ok(mut looked) = self.looked.try_lock() else { return false };
        let due = looked.elapsed() >= FRESH;
        if due {
            *looked = stopwatch();
        }
        due
    }
}

impl Verifier {
    fn read(pki: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, PkiError> {
        let files = anchor_files(pki)?;
        let mut roots = RootCertStore::empty();
        for file in &files {
            for certificate in certificates(&file.path)? {
                roots
                    .add(certificate)
                    .map_err(|error| PkiError::new(&file.path, format!("cannot be an anchor: {error}")))?;
            }
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let chain = builder.clear_root_hint_subjects().build().map_err(|error| PkiError::new(pki, error))?;
        Ok(Self { chain, files })
    }
}

/// `ca.pem` and the files of `anchors/`, in the order of their names.
fn anchor_files(pki: &Path) -> Result<Vec<AnchorFile>, PkiError> {
    let folder = pki.join("anchors");
    let mut paths = vec![pki.join("ca.pem")];
    if folder.is_dir() {
        for entry in fs::read_dir(&folder).map_err(|error| PkiError::new(&folder, error))? {
            let path = entry.map_err(|error| PkiError::new(&folder, error))?.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                paths.push(path);
            }
        }
    }
    let described = paths.into_iter().map(|path| match fs::metadata(&path) {
        Ok(metadata) => Ok(AnchorFile { octets: metadata.len(), modified: metadata.modified().ok(), path }),
        Err(error) => Err(PkiError::new(&path, error)),
    });
    let mut files: Vec<AnchorFile> = described.collect::<Result<_, _>>()?;
    files.sort();
    Ok(files)
}

impl ClientCertVerifier for Anchors {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if intermediates.len() > MOST_INTERMEDIATES {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let verified = self.current().chain.verify_client_cert(end_entity, intermediates, now)?;
        // The chain's verifier takes a certificate without any extended key usage; we do not.
        let leaf = Certificate::read(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        if leaf.for_clients { Ok(verified) } else { Err(CertificateError::InvalidPurpose.into()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.load().chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.load().chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.load().chain.supported_verify_schemes()
    }
}

/// Whether a client with this chain would get through the handshake now.
pub fn is_trusted(pki: &Path, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<(), Error> {
    let general = |error: &dyn std::fmt::Display| Error::General(error.to_string());
    let anchors = Anchors::open(pki, Arc::new(default_provider())).map_err(|error| general(&error))?;
    let since = now.duration_since(SystemTime::UNIX_EPOCH).map_err(|error| general(&error))?;
    let (leaf, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
    anchors.verify_client_cert(leaf, intermediates, UnixTime::since_unix_epoch(since)).map(drop)
}
