//! `entente anchor`

use super::cert::{days_left, first_certificate};
use super::{Failure, say, say_json};
use crate::access::organisation::OrganisationKey;
use crate::config::Settings;
use crate::exchange::Administering;
use crate::http::tls;
use clap::Subcommand;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Anchor {
    /// Trust a certification authority of members, for these organisations and for no others.
    Add {
        /// Its certificate in PEM, one in the file. It is copied into pki/anchors/.
        file: PathBuf,
        /// The organisations that it may speak for, besides those that it may already.
        #[arg(long = "for", value_name = "ORG", num_args = 1.., required = true)]
        organisations: Vec<String>,
    },
    /// Show trust anchors: fingerprint, subject, days left, for whom they may speak.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a trust anchor speak for nobody, from the next request on.
    Remove {
        /// Its fingerprint, or its first digits.
        fingerprint: String,
    },
}

impl Anchor {
    pub(super) fn run(self, settings: &Settings, admin: &Administering) -> Result<(), Failure> {
        match self {
            Self::Add { file, organisations } => {
                if tls::certificates(&file)?.len() > 1 {
                    let reason = "has more than one certificate: give each anchor in a file of its own";
                    return Err(Failure::new(format!("{}: {reason}", file.display())));
                }
                let certificate = first_certificate(&file)?;
                // Bound first: a file without a binding lets nobody in, and a binding without a file neither.
                admin.bind_anchor(&certificate, &organisations)?;
                let copy = settings.server.pki.join("anchors").join(format!("{}.pem", certificate.fingerprint));
                fs::copy(&file, &copy)?;
                let names = organisations.join(", ");
                say(&format!("{} ({}) may speak for {names}", certificate.fingerprint, certificate.subject))
            }
            Self::List { json } => list(admin, json),
            Self::Remove { fingerprint } => {
                let removed = admin.remove_anchor(&fingerprint)?;
                // The file may have another name: then it trusts nobody, without its binding.
                let copy = settings.server.pki.join("anchors").join(format!("{removed}.pem"));
                if copy.exists() {
                    fs::remove_file(copy)?;
                }
                say(&format!("{removed} speaks for nobody any more"))
            }
        }
    }
}

fn list(admin: &Administering, json: bool) -> Result<(), Failure> {
    let (registry, now) = (admin.overview()?.registry, admin.now());
    let mut rows = Vec::new();
    for anchor in &registry.anchors {
        let name = |key: &OrganisationKey| registry.organisation_by_key(*key).map(|found| found.name.clone());
        let names: Vec<String> = anchor.organisations.iter().filter_map(name).collect();
        let days = days_left(anchor.not_after, now);
        if !json {
            let (fingerprint, subject, names) = (anchor.fingerprint, &anchor.subject, names.join(", "));
            say(&format!("{fingerprint}  {subject}  {days} days left  for {names}"))?;
        }
        rows.push(json!({
            "fingerprint": anchor.fingerprint, "subject": anchor.subject, "not_after": anchor.not_after,
            "days_left": days, "organisations": names,
        }));
    }
    if json { say_json(&json!({ "anchors": rows })) } else { Ok(()) }
}
