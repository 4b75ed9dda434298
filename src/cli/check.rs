//! `entente check`

use super::cert::{days_left, end, urgency};

use super::{Failure, environment, operator, say, say_json};
use crate::access::credential::Proof;
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::exchange::Administering;
use crate::http::tls::{self, Ending, Tls};
use crate::store::registry::Registry;
use crate::store::sqlite::Sqlite;
use crate::taxii::timestamp::Timestamp;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// What was found. The server runs with a warning, and does not with an error.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

pub(super) fn run(config: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let mut findings = Findings::default();
    match config::load(config, environment()) {
        Ok(settings) => {
            pki(&settings, &mut findings);
            store(&settings, &mut findings)?;
        }
        Err(error) => findings.errors.push(error.to_string()),
    }
    let Findings { errors, warnings } = &findings;
    if as_json {
        say_json(&json!({"errors": errors, "warnings": warnings}))?;
    } else {
        errors.iter().try_for_each(|error| say(&format!("error: {error}")))?;
        warnings.iter().try_for_each(|warning| say(&format!("warning: {warning}")))?;
        if errors.is_empty() && warnings.is_empty() {
            say("all is well")?;
        }
    }
    Ok(if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn pki(settings: &Settings, findings: &mut Findings) {
    let (pki, now) = (&settings.server.pki, Clock::system().now().into());
    let tls = match Tls::open(pki, settings.tls, Clock::system()) {
        Ok(tls) => tls,
        Err(error) => {
            findings.errors.push(error.to_string());
            return;
        }
    };
    findings.errors.extend(tls.fault());
    // The CA's key may be kept elsewhere; if it is here, it is private.
    let ca_key = pki.join("ca.key");
    if let Some(Err(error)) = ca_key.exists().then(|| tls::private_key(&ca_key)) {
        findings.errors.push(error.to_string());
    }
    if let Err(error) = super::pki::audit_signer(pki) {
        findings.errors.push(error.0);
    }
    for due in tls.ends().into_iter().filter(|end| end.is_due(now)) {
        let what = match due.what {
            Ending::Server => "the server's certificate",
            Ending::Anchor => "the trust anchor",
            Ending::RevocationList => "the revocation list of",
        };
        findings.warnings.push(format!("{what} {} ends at {}: replace it", due.name, due.at));
    }
}

fn store(settings: &Settings, findings: &mut Findings) -> Result<(), Failure> {
    let store = match Sqlite::open(&settings.server.data, Clock::system()) {
        Ok(store) => store,
        Err(error) => {
            findings.errors.push(error.to_string());
            return Ok(());
        }
    };
    match store.faults() {
        Ok(damages) => {
            let told = |damage| format!("the store is damaged: {damage}: restore a backup");
            findings.errors.extend(damages.into_iter().map(told));
        }
        Err(error) => findings.errors.push(error.to_string()),
    }
    let admin = Administering::new(Arc::new(store), Clock::system(), settings.taxii.clone(), &operator())?;
    let known = admin.overview()?.registry;
    registry(&known, admin.now(), findings);
    secrets(settings, &known, admin.now(), findings);
    let strangers = settings.taxii.empty_objects_for.iter().filter(|name| known.organisation(name).is_none());
    findings.warnings.extend(
        strangers.map(|name| format!("taxii.empty_objects_for names {name:?}, and there is no such organisation")),
    );
    Ok(())
}

fn registry(registry: &Registry, now: Timestamp, findings: &mut Findings) {
    let mut warn = |warning: String| findings.warnings.push(warning);
    if registry.roots.is_empty() {
        warn("there is no API root: add one with `root add`".to_owned());
    }
    for root in &registry.roots {
        if !registry.collections.iter().any(|collection| collection.root == root.name) {
            warn(format!(
                "the API root {} has no collection, so nobody sees it: add one with `collection add`",
                root.name
            ));
        }
    }
    for collection in &registry.collections {
        if !registry.grants.iter().any(|grant| grant.collection == collection.key) {
            warn(format!(
                "the collection {:?} has no grant, so nobody sees it: give one with `grant`",
                collection.title
            ));
        }
        if collection.title.contains('.') {
            warn(format!(
                "the title {:?} has a dot: clients that choose by ROOT.TITLE cannot use it",
                collection.title
            ));
        }
    }
    for organisation in &registry.organisations {
        if !registry.credentials.iter().any(|credential| credential.organisation == organisation.key) {
            warn(format!("{} has no certificate and cannot get in: give it one with `cert`", organisation.name));
        }
        for credential in registry.credentials.iter().filter(|credential| credential.organisation == organisation.key) {
            let left = end(credential).map(|end| days_left(end, now)).filter(|_| credential.revoked.is_none());
            if let Some(urgency) = left.and_then(urgency) {
                let (what, fingerprint, name) = (credential.proof.kind(), credential.fingerprint(), &organisation.name);
                warn(format!("the {what} {fingerprint} of {name}: {urgency}: issue another one"));
            }
        }
    }
}

/// Secrets and the listener that takes them.
fn secrets(settings: &Settings, registry: &Registry, now: Timestamp, findings: &mut Findings) {
    let mut counting = 0;
    for credential in registry.credentials.iter().filter(|credential| credential.counts_at(now)) {
        let Proof::Secret(secret) = &credential.proof else { continue };
        counting += 1;
        if secret.is_good_everywhere() {
            let fingerprint = credential.fingerprint();
            findings.warnings.push(format!(
                "the secret {fingerprint} is good at every address: make another one with `secret add --from`"
            ));
        }
    }
    match (settings.fallback.listen, counting) {
        (Some(_), 0) => findings.warnings.push(
            "there is a fallback listener and no secret: make one with `secret add`, or take away fallback.listen"
                .to_owned(),
        ),
        (None, 1..) => findings.warnings.push(
            "there are secrets and no listener that takes them: set fallback.listen, or `secret revoke` them"
                .to_owned(),
        ),
        _ => {}
    }
}
