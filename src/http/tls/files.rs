//! The files of a PKI folder: which there are, and what is in them.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What is wrong with a key, a certificate or a revocation list: which file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct PkiError {
    file: String,
    reason: String,
}

impl PkiError {
    pub(super) fn new(file: &Path, reason: impl std::fmt::Display) -> Self {
        Self { file: file.display().to_string(), reason: reason.to_string() }
    }
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

/// Reads all revocation lists of a file: PEM, or one in DER.
pub(super) fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, PkiError> {
    let octets = fs::read(file).map_err(|error| PkiError::new(file, error))?;
    // A DER list is a SEQUENCE.
    if octets.first() == Some(&0x30) {
        return Ok(vec![octets.into()]);
    }
    let fault = |error| PkiError::new(file, format!("is no revocation list in DER or PEM: {error}"));
    let lists: Vec<_> =
        CertificateRevocationListDer::pem_slice_iter(&octets).collect::<Result<_, _>>().map_err(fault)?;
    if lists.is_empty() {
        return Err(PkiError::new(file, "has no revocation list in DER or PEM"));
    }
    Ok(lists)
}

/// The files that TLS needs, at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) anchors: Vec<PathBuf>,
    pub(super) intermediates: Vec<PathBuf>,
    pub(super) revocation_lists: Vec<PathBuf>,
    /// What tells a changed file from one that is as it was; `None`: it is not there.
    states: Vec<Option<State>>,
}

#[derive(Debug, PartialEq, Eq)]
struct State {
    inode: u64,
    octets: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Listing {
    /// `server.pem`, `server.key`, `ca.pem`, `anchors/*.pem`, `intermediates/*.pem`, `crls/*.crl`
    /// and `crls/*.pem`; each folder in the order of the names.
    pub(super) fn take(pki: &Path) -> Result<Self, PkiError> {
        let anchors = [vec![pki.join("ca.pem")], folder(&pki.join("anchors"), &["pem"])?].concat();
        let intermediates = folder(&pki.join("intermediates"), &["pem"])?;
        let revocation_lists = folder(&pki.join("crls"), &["crl", "pem"])?;
        let own = [pki.join("server.pem"), pki.join("server.key")];
        let all = own.iter().chain(&anchors).chain(&intermediates).chain(&revocation_lists);
        let states = all.map(|file| State::of(file)).collect();
        Ok(Self { anchors, intermediates, revocation_lists, states })
    }
}

impl State {
    fn of(file: &Path) -> Option<Self> {
        let found = fs::metadata(file).ok()?;
        let (modified, changed) = ((found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec()));
        Some(Self { inode: found.ino(), octets: found.len(), modified, changed })
    }
}

/// The files of a folder with one of these extensions; none if there is no such folder.
fn folder(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, PkiError> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder).map_err(|error| PkiError::new(folder, error))? {
            let path = entry.map_err(|error| PkiError::new(folder, error))?.path();
            if path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
