//! Making keys and certificates: the operator's CA, the server's certificate, clients'.

use super::Failure;
use crate::audit::{PublicKey, Signer};
use crate::http::tls;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SubjectPublicKeyInfo,
};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The private key that signs the audit trail.
pub(super) const AUDIT_KEY: &str = "audit.key";
/// The public key that verifies it.
pub(super) const AUDIT_PUB: &str = "audit.pub";
/// Days that a CA made here is valid.
const CA_DAYS: u32 = 3650;
/// Days that a server certificate made here is valid.
const SERVER_DAYS: u32 = 365;

/// Makes a CA and a server certificate for these hosts in a folder: `ca.pem`, `ca.key`,
/// `server.pem`, `server.key`, and the empty folders `anchors/`, `intermediates/` and `crls/`.
pub(super) fn make(folder: &Path, hosts: &[String], now: SystemTime) -> Result<(), Failure> {
    for below in ["anchors", "intermediates", "crls"] {
        fs::create_dir_all(folder.join(below))?;
    }
    let title = format!("Entente CA of {}", hosts.first().map_or("this server", String::as_str));
    let mut ca = parameters(&title, CA_DAYS, now);
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    write_new(&folder.join("ca.key"), &ca_key.serialize_pem(), 0o600)?;
    write_new(&folder.join("ca.pem"), &ca.self_signed(&ca_key)?.pem(), 0o644)?;

    let mut server = leaf(hosts.first().map_or("localhost", String::as_str), SERVER_DAYS, now);
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.subject_alt_names = CertificateParams::new(hosts.to_vec())?.subject_alt_names;
    issue(folder, &server, &folder.join("server.pem"), &folder.join("server.key"))
}

/// Makes the key that signs the audit trail, and what verifies it: `audit.key`, `audit.pub`.
pub(super) fn make_audit_key(folder: &Path) -> Result<(), Failure> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    write_new(&folder.join(AUDIT_KEY), &key.serialize_pem(), 0o600)?;
    write_new(&folder.join(AUDIT_PUB), &key.public_key_pem(), 0o644)
}

/// Who signs the audit trail, if its key is there and this program may read it.
pub(super) fn audit_signer(folder: &Path) -> Result<Option<Signer>, Failure> {
    let file = folder.join(AUDIT_KEY);
    if let Err(error) = File::open(&file) {
        let elsewhere = [ErrorKind::NotFound, ErrorKind::PermissionDenied].contains(&error.kind());
        return if elsewhere { Ok(None) } else { Err(Failure::new(format!("{}: {error}", file.display()))) };
    }
    let key = tls::private_key(&file)?;
    let signer = Signer::from_pkcs8(key.secret_der());
    signer.map(Some).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

/// The public keys of a file.
pub(super) fn audit_keys(file: &Path) -> Result<Vec<PublicKey>, Failure> {
    let keys = tls::public_keys(file)?;
    let keys: Result<Vec<_>, _> = keys.iter().map(|key| PublicKey::from_spki(key)).collect();
    let keys = keys.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    if keys.is_empty() {
        return Err(Failure::new(format!("{}: has no public key in PEM", file.display())));
    }
    Ok(keys)
}

/// Issues a client certificate for a new key, signed by the CA in `pki`, to `pem` (leaf, then CA) and `key`.
pub(super) fn issue_client(
    pki: &Path,
    name: &str,
    days: u32,
    now: SystemTime,
    to: (&Path, &Path),
) -> Result<(), Failure> {
    issue(pki, &client(name, days, now), to.0, to.1)
}

/// Issues a client certificate for the key of a signing request, and nothing else of the request.
pub(super) fn issue_on_request(
    pki: &Path,
    name: &str,
    days: u32,
    now: SystemTime,
    (request, pem): (&Path, &Path),
) -> Result<(), Failure> {
    let key = SubjectPublicKeyInfo::from_der(&tls::requested_key(request)?)?;
    let ca = Ca::read(pki)?;
    write_new(pem, &ca.certify(&client(name, days, now), &key)?, 0o644)
}

fn issue(pki: &Path, parameters: &CertificateParams, pem: &Path, key: &Path) -> Result<(), Failure> {
    let (ca, leaf_key) = (Ca::read(pki)?, KeyPair::generate()?);
    let chain = ca.certify(parameters, &leaf_key)?;
    write_new(key, &leaf_key.serialize_pem(), 0o600)?;
    write_new(pem, &chain, 0o644)
}

/// The CA of a PKI folder.
struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    fn read(pki: &Path) -> Result<Self, Failure> {
        let read = |name: &str| {
            let file = pki.join(name);
            fs::read_to_string(&file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
        };
        let pem = read("ca.pem")?;
        tls::private_key(&pki.join("ca.key"))?;
        Ok(Self { issuer: Issuer::from_ca_cert_pem(&pem, KeyPair::from_pem(&read("ca.key")?)?)?, pem })
    }

    /// A certificate for a key, and behind it the CA's own.
    fn certify(&self, parameters: &CertificateParams, key: &impl PublicKeyData) -> Result<String, Failure> {
        Ok(format!("{}{}", parameters.signed_by(key, &self.issuer)?.pem(), self.pem))
    }
}

fn client(name: &str, days: u32, now: SystemTime) -> CertificateParams {
    let mut client = leaf(name, days, now);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    client
}

fn leaf(name: &str, days: u32, now: SystemTime) -> CertificateParams {
    let mut parameters = parameters(name, days, now);
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn parameters(name: &str, days: u32, now: SystemTime) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    // An hour's grace for clocks that are behind.
    parameters.not_before = (now - Duration::from_hours(1)).into();
    parameters.not_after = (now + Duration::from_secs(u64::from(days) * 86_400)).into();
    parameters
}

/// Writes a file that is not there yet; one that is, stays.
fn write_new(file: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}
