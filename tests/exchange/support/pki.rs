//! Certificates of every kind, made on the spot.

use entente::clock::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// A certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    pub der: CertificateDer<'static>,
    /// What clients send behind their own certificates.
    pub chain: Vec<CertificateDer<'static>>,
}

/// A certificate and its key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
    pub pem: String,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        let key = KeyPair::from_pem(&self.key.serialize_pem()).unwrap();
        Self { chain: self.chain.clone(), key, pem: self.pem.clone() }
    }
}

impl Identity {
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}

impl Ca {
    pub fn new(name: &str) -> Self {
        Self::with(KeyPair::generate().unwrap(), name, |_| ())
    }

    /// One with this key that signs itself, but for what `change` does to it.
    pub fn with(key: KeyPair, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let parameters = Self::parameters(name, change);
        let certificate = parameters.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { pem, der, issuer: Issuer::new(parameters, key), chain: Vec::new() }
    }

    /// One that this one vouches for, but for what `change` does to it.
    pub fn below(&self, key: KeyPair, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let parameters = Self::parameters(name, change);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        let chain = [std::slice::from_ref(&der), &self.chain].concat();
        Self { pem, der, issuer: Issuer::new(parameters, key), chain }
    }

    fn parameters(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
        let mut parameters = parameters(name);
        // It outlasts what it signs, however far a test turns its clock on.
        parameters.not_after = rcgen::date_time_ymd(4000, 1, 1);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        change(&mut parameters);
        parameters
    }

    /// A revocation list with these serial numbers, but for what `change` does to it.
    pub fn crl(&self, revoked: &[u64], change: impl FnOnce(&mut CertificateRevocationListParams)) -> String {
        let now = Clock::system().now();
        let revoke = |serial: &u64| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let mut list = CertificateRevocationListParams {
            this_update: (now - Duration::from_hours(1)).into(),
            next_update: (now + Duration::from_hours(24)).into(),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(revoke).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut list);
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// A client certificate in good order.
    pub fn client(&self, name: &str) -> Identity {
        self.issue(name, |_| ())
    }

    /// A client certificate, but for what `change` does to it.
    pub fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        self.certify(KeyPair::generate().unwrap(), name, change)
    }

    /// Another client certificate for the same key.
    pub fn renew(&self, name: &str, identity: &Identity) -> Identity {
        self.certify(identity.clone().key, name, |_| ())
    }

    /// A client certificate for this key, but for what `change` does to it.
    pub fn certify(&self, key: KeyPair, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut parameters = parameters(name);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut parameters);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let chain = [std::slice::from_ref(certificate.der()), &self.chain].concat();
        Identity { chain, key, pem: certificate.pem() }
    }

    /// Writes the PKI folder of a server whose CA this is.
    pub fn write_server(&self, folder: &Path) {
        let server = self.issue("localhost", |parameters| {
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            parameters.subject_alt_names =
                CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap().subject_alt_names;
        });
        fs::create_dir_all(folder.join("anchors")).unwrap();
        fs::write(folder.join("ca.pem"), &self.pem).unwrap();
        fs::write(folder.join("server.pem"), &server.pem).unwrap();
        fs::write(folder.join("server.key"), server.key.serialize_pem()).unwrap();
        fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn parameters(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let now = Clock::system().now();
    parameters.not_before = (now - Duration::from_hours(1)).into();
    parameters.not_after = (now + Duration::from_hours(24)).into();
    parameters
}
