//! `entente cert`

use super::{Failure, pki, say, say_json};
use crate::access::credential::{Credential, Fingerprint};
use crate::access::proof::certificate::{Certificate, Name};
use crate::clock::Clock;
use crate::config::Settings;
use crate::exchange::Administering;
use crate::http::tls;
use crate::taxii::timestamp::Timestamp;
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Cert {
    /// Issue a certificate to an organisation, signed by this server's CA, and register it.
    Issue {
        /// The organisation's name.
        org: String,
        /// The folder for ORG.pem (leaf and chain) and ORG.key.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How long it is valid.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Register a certificate that was made elsewhere. Its CA belongs into pki/anchors/.
    Add {
        /// The organisation's name.
        org: String,
        /// The certificate in PEM; the first one of the file is meant.
        file: PathBuf,
    },
    /// Show registered certificates: fingerprint, organisation, subject, days left.
    List {
        /// Only those of this organisation.
        org: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Register a name under a trust anchor: whoever has a certificate of that anchor with exactly this name.
    Name {
        /// The organisation's name.
        org: String,
        /// The name as uri:…, email:… or dns:…, to the octet.
        #[arg(value_parser = name)]
        name: Name,
        /// The anchor's fingerprint or its first digits; absent: this server's own CA.
        #[arg(long, value_name = "FINGERPRINT")]
        anchor: Option<String>,
    },
    /// Revoke a credential: its holder is refused from the next request on, and for good.
    Revoke {
        /// The organisation's name.
        org: String,
        /// The fingerprint, or its first digits; a whole one may be of a key that was never registered.
        fingerprint: String,
    },
}

impl Cert {
    pub(super) fn run(self, settings: &Settings, admin: &Administering) -> Result<(), Failure> {
        match self {
            Self::Issue { org, out, days } => {
                let fingerprint = issue(settings, admin, &org, &out, days)?;
                say(&format!("issued {0}/{org}.pem and {0}/{org}.key, registered as {fingerprint}", out.display()))
            }
            Self::Add { org, file } => add(settings, admin, &org, &file),
            Self::List { org, json } => list(admin, org.as_deref(), json),
            Self::Name { org, name, anchor } => {
                let anchor = anchor.map(|prefix| admin.anchor(&prefix)).transpose()?;
                let fingerprint = admin.register_name(&org, anchor, name)?;
                say(&format!("registered {fingerprint} for {org}"))
            }
            Self::Revoke { org, fingerprint } => {
                let revoked = admin.revoke(&org, &fingerprint)?;
                say(&format!("revoked {revoked}: it is refused from the next request on"))
            }
        }
    }
}

/// Issues and registers a certificate.
pub(super) fn issue(
    settings: &Settings,
    admin: &Administering,
    org: &str,
    out: &Path,
    days: u32,
) -> Result<Fingerprint, Failure> {
    // Before any file is made: is there such an organisation?
    admin.organisation(org)?;
    std::fs::create_dir_all(out)?;
    let (pem, key) = (out.join(format!("{org}.pem")), out.join(format!("{org}.key")));
    pki::issue_client(&settings.server.pki, org, days, Clock::system().now(), (&pem, &key))?;
    let trusted = tls::is_trusted(&settings.server.pki, &tls::certificates(&pem)?, Clock::system().now());
    trusted.map_err(|error| {
        Failure::new(format!("{}: the server would refuse it ({error}): does ca.key belong to ca.pem?", pem.display()))
    })?;
    Ok(admin.register(org, &first_certificate(&pem)?)?)
}

fn add(settings: &Settings, admin: &Administering, org: &str, file: &Path) -> Result<(), Failure> {
    let certificate = first_certificate(file)?;
    let refuse = |reason: String| Err(Failure::new(format!("{}: {reason}", file.display())));
    if !certificate.for_clients {
        return refuse("does not say that it is for clients: it needs the extended key usage clientAuth".to_owned());
    }
    if !certificate.is_valid_at(admin.now()) {
        return refuse(format!("is valid from {} to {}, not now", certificate.not_before, certificate.not_after));
    }
    let fingerprint = admin.register(org, &certificate)?;
    say(&format!("registered {fingerprint} for {org}"))?;
    let anchors = settings.server.pki.join("anchors");
    match tls::is_trusted(&settings.server.pki, &tls::certificates(file)?, Clock::system().now()) {
        Ok(()) => Ok(()),
        Err(error) => say(&format!(
            "but the server does not trust its issuer yet ({error}): put the CA's certificate into {}",
            anchors.display()
        )),
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).ok_or_else(|| format!("{text:?} is no name: write uri:…, email:… or dns:…, in printable ASCII"))
}

/// The first certificate of a file.
pub(super) fn first_certificate(file: &Path) -> Result<Certificate, Failure> {
    let chain = tls::certificates(file)?;
    let first = chain.first().ok_or_else(|| Failure::new(format!("{}: has no certificate", file.display())))?;
    Certificate::read(first).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
}

fn list(admin: &Administering, org: Option<&str>, json: bool) -> Result<(), Failure> {
    let registry = admin.overview()?.registry;
    let only = org.map(|org| admin.organisation(org)).transpose()?;
    let now = admin.now();
    let mut rows = Vec::new();
    for credential in &registry.credentials {
        if only.as_ref().is_some_and(|only| only.key != credential.organisation) {
            continue;
        }
        let organisation =
            registry.organisation_by_key(credential.organisation).map_or("", |organisation| &organisation.name);
        if !json {
            let state = in_words(credential, now);
            say(&format!("{}  {organisation}  {}  {state}", credential.fingerprint(), credential.label))?;
        }
        rows.push(in_json(credential, organisation, now));
    }
    if json { say_json(&json!({ "certificates": rows })) } else { Ok(()) }
}

/// When a credential ends: the sooner of its certificate's end and its own.
pub(super) fn end(credential: &Credential) -> Option<Timestamp> {
    credential.not_after.into_iter().chain(credential.ends).min()
}

/// How long a credential still counts.
pub(super) fn in_words(credential: &Credential, now: Timestamp) -> String {
    match (credential.revoked, end(credential)) {
        (Some(revoked), _) => format!("revoked {revoked}"),
        (None, Some(end)) => format!("{} days left", days_left(end, now)),
        (None, None) => "does not end".to_owned(),
    }
}

/// A credential for programs.
pub(super) fn in_json(credential: &Credential, organisation: &str, now: Timestamp) -> serde_json::Value {
    json!({
        "fingerprint": credential.fingerprint(), "kind": credential.proof.kind(), "organisation": organisation,
        "subject": credential.label, "not_after": credential.not_after, "ends": credential.ends,
        "revoked": credential.revoked, "days_left": end(credential).map(|end| days_left(end, now)),
    })
}

/// Whole days until a certificate ends; negative if it has.
pub(super) fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    (not_after.micros() - now.micros()).div_euclid(86_400_000_000)
}
