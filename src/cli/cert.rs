//! `entente cert`

use super::{Failure, pki, say, say_json};
use crate::access::credential::{Credential, Fingerprint};
use crate::access::proof::certificate::{Certificate, Name};
use crate::clock::Clock;
use crate::config::Settings;
use crate::exchange::Administering;
use crate::http::tls;
use crate::taxii::timestamp::Timestamp;
use clap::{Args, Subcommand};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(super) enum Cert {
    /// Issue a certificate to an organisation, signed by this server's CA, and register it.
    Issue {
        /// The organisation's name.
        org: String,
        #[command(flatten)]
        issuing: Issuing,
    },
    /// Issue another certificate, with another key, in place of one that will end. Both count until the old one ends.
    Renew {
        /// The organisation's name.
        org: String,
        /// The old one's fingerprint, or its first digits.
        fingerprint: String,
        #[command(flatten)]
        issuing: Issuing,
        /// Days after which the old one is no longer needed.
        #[arg(long, value_name = "DAYS", default_value_t = 30)]
        overlap: u32,
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

/// How a certificate is issued.
#[derive(Debug, Args)]
pub(super) struct Issuing {
    /// The folder for ORG.pem (leaf and chain) and ORG.key.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// A PKCS #10 request in PEM, from whom the key is: nothing else of it counts, and no ORG.key is made.
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// How long it is valid.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

impl Cert {
    pub(super) fn run(self, settings: &Settings, admin: &Administering) -> Result<(), Failure> {
        match self {
            Self::Issue { org, issuing } => {
                let fingerprint = issue(settings, admin, &org, &issuing)?;
                say(&format!("issued {}, registered as {fingerprint}", issuing.files(&org)))
            }
            Self::Renew { org, fingerprint, issuing, overlap } => {
                renew(settings, admin, (&org, &fingerprint), &issuing, overlap)
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

impl Issuing {
    /// To be issued to this folder, with all else as usual.
    pub(super) fn to(out: &Path, days: u32) -> Self {
        Self { out: out.to_owned(), csr: None, days }
    }

    /// What is made, for people.
    fn files(&self, org: &str) -> String {
        let pem = format!("{}/{org}.pem", self.out.display());
        if self.csr.is_some() { pem } else { format!("{pem} and {}/{org}.key", self.out.display()) }
    }
}

/// Issues and registers a certificate.
pub(super) fn issue(
    settings: &Settings,
    admin: &Administering,
    org: &str,
    issuing: &Issuing,
) -> Result<Fingerprint, Failure> {
    // Before any file is made: is there such an organisation, and may the key be its?
    admin.organisation(org)?;
    let Issuing { out, csr, days } = issuing;
    let is_known = csr.as_deref().map(|request| is_registered(admin, org, request)).transpose()?.unwrap_or(false);
    std::fs::create_dir_all(out)?;
    let (pem, key) = (out.join(format!("{org}.pem")), out.join(format!("{org}.key")));
    let (pki, now) = (&settings.server.pki, Clock::system().now());
    match csr {
        Some(request) => pki::issue_on_request(pki, org, *days, now, (request, &pem))?,
        None => pki::issue_client(pki, org, *days, now, (&pem, &key))?,
    }
    let trusted = tls::proven(pki, settings.tls, Clock::system(), &tls::certificates(&pem)?);
    trusted.map_err(|error| {
        Failure::new(format!("{}: the server would refuse it ({error}): does ca.key belong to ca.pem?", pem.display()))
    })?;
    let certificate = first_certificate(&pem)?;
    if is_known {
        let known = admin.renew(org, &certificate)?;
        let until = end(&known).map_or_else(String::new, |end| format!(": with it, it ends at {end}"));
        say(&format!("the key {} is registered already{until}", certificate.fingerprint))?;
        return Ok(certificate.fingerprint);
    }
    Ok(admin.register(org, &certificate)?)
}

/// Whether the key of a request for a certificate is registered for this organisation. An error if
/// it can get no certificate: because it is another one's, or counts no longer.
fn is_registered(admin: &Administering, org: &str, request: &Path) -> Result<bool, Failure> {
    let key = Fingerprint(Sha256::digest(tls::requested_key(request)?).into());
    let registry = admin.overview()?.registry;
    let Some(known) = registry.credential_by_fingerprint(key) else { return Ok(false) };
    let owner = registry.organisation_by_key(known.organisation).map_or("another", |owner| owner.name.as_str());
    let reason = match (known.revoked, known.ends) {
        (Some(revoked), _) => format!("was revoked at {revoked}"),
        (None, Some(ends)) if ends <= admin.now() => format!("counts no longer since {ends}"),
        _ if owner != org => format!("is registered for the organisation {owner}"),
        _ => return Ok(true),
    };
    Err(Failure::new(format!("{}: its key {key} {reason}: ask for a request with a new key", request.display())))
}

/// Issues a certificate in place of another.
fn renew(
    settings: &Settings,
    admin: &Administering,
    (org, prefix): (&str, &str),
    issuing: &Issuing,
    overlap: u32,
) -> Result<(), Failure> {
    let old = admin.credential(org, prefix)?;
    let fingerprint = issue(settings, admin, org, issuing)?;
    say(&format!("issued {}, registered as {fingerprint}", issuing.files(org)))?;
    let needed = admin.now().plus_seconds(i64::from(overlap) * 86_400);
    let (old_fingerprint, ends) = (old.fingerprint(), end(&old));
    if old_fingerprint == fingerprint {
        return say("it is the old one's key: that certificate counts until it ends by itself");
    }
    if let Some(ends) = ends.filter(|ends| *ends <= needed) {
        return say(&format!("the old one, {old_fingerprint}, ends by itself at {ends}"));
    }
    admin.end(org, &old_fingerprint.to_string(), needed)?;
    say(&format!("the old one, {old_fingerprint}, counts until {needed}"))
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
    let adding = format!("add it with `anchor add FILE --for {org}`");
    let proven = tls::proven(&settings.server.pki, settings.tls, Clock::system(), &tls::certificates(file)?);
    match proven {
        Err(error) => say(&format!("but the server does not trust its issuer yet ({error}): {adding}")),
        Ok(proven) if !admin.may_speak(proven.anchor, org)? => {
            say(&format!("but its issuer may not speak for {org} yet: {adding}"))
        }
        Ok(_) => Ok(()),
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
        (None, Some(end)) => left_in_words(days_left(end, now)),
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

/// What to know about so many days left, if it is time to do something.
pub(super) fn urgency(days: i64) -> Option<String> {
    match days {
        ..0 => Some(format!("ended {} days ago", -days)),
        0..7 => Some(format!("{days} days left, less than a week")),
        7..30 => Some(format!("{days} days left, less than 30")),
        30..60 => Some(format!("{days} days left, less than 60")),
        60.. => None,
    }
}

/// The same, or how many days are left if there is nothing to do yet.
pub(super) fn left_in_words(days: i64) -> String {
    urgency(days).unwrap_or_else(|| format!("{days} days left"))
}

/// Whole days until a certificate ends; negative if it has.
pub(super) fn days_left(not_after: Timestamp, now: Timestamp) -> i64 {
    (not_after.micros() - now.micros()).div_euclid(86_400_000_000)
}
