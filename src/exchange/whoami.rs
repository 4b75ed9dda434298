//! Who am I: what a caller is to this server, what it may, and why. TAXII has no such resource;
//! without one, a member whose feed stays empty cannot tell a missing right from a missing object.
//!
//! It says nothing that its caller could not find out: no collection that is hidden from it, no
//! other member, and nothing of what is withheld.

use super::Session;
use super::sign_in::Shown;
use crate::access::credential::{Credential, Fingerprint, Proof, Secret};
use crate::access::level::Level;
use crate::access::permission::Grant;
use crate::stix::marking::{TLP, Tlp};
use crate::stix::sharing::Colour;
use crate::store::registry;
use crate::taxii::timestamp::Timestamp;
use serde::Serialize;

/// What a caller is to this server.
#[derive(Debug, Serialize)]
pub struct Whoami {
    organisation: Named,
    credential: Known,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Subject>,
    /// When the caller will be let in no longer, by this certificate or secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    days_left: Option<i64>,
    collections: Vec<Rights>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    title: String,
}

/// The registration by which the caller is known.
#[derive(Debug, Serialize)]
struct Known {
    fingerprint: Fingerprint,
    kind: &'static str,
    rule: String,
}

#[derive(Debug, Serialize)]
struct Subject {
    subject: String,
    fingerprint: Fingerprint,
}

/// What the caller may in one collection.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "four rights, as TAXII and grants name them")]
struct Rights {
    api_root: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    title: String,
    can_read: bool,
    can_write: bool,
    can_manage: bool,
    can_relay: bool,
    /// Up to which level it reads what others own.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    /// The predefined markings up to that level.
    markings: Vec<&'static str>,
    why: String,
}

impl Session {
    /// What the caller is to this server.
    pub fn whoami(&self) -> Whoami {
        let Self { credential, caller, .. } = self;
        let title = self.registry.organisation_by_key(caller.organisation).map(|found| found.title.clone());
        let certificate = match &self.shown {
            Shown::Certificate(proven) => Some(&proven.certificate),
            Shown::Secret => None,
        };
        let ends = certificate.map(|certificate| certificate.not_after);
        let not_after = ends.into_iter().chain(credential.ends).min();
        let collections = &self.registry.collections;
        let known = collections.iter().filter_map(|collection| Some((collection, self.grant(collection.key)?)));
        Whoami {
            organisation: Named { name: caller.name.clone(), title: title.unwrap_or_default() },
            credential: Known {
                fingerprint: credential.fingerprint(),
                kind: credential.proof.kind(),
                rule: rule(credential),
            },
            certificate: certificate.map(|certificate| Subject {
                subject: certificate.subject.clone(),
                fingerprint: certificate.fingerprint,
            }),
            not_after,
            days_left: not_after.map(|end| days_between(self.exchange.now(), end)),
            collections: known.map(|(collection, grant)| self.rights(collection, grant)).collect(),
        }
    }

    fn rights(&self, collection: &registry::Collection, grant: Grant) -> Rights {
        let is_seen = |tlp: &&Tlp| Colour::parse(tlp.value).is_some_and(|colour| grant.read >= Some(colour.into()));
        Rights {
            api_root: collection.root.clone(),
            id: collection.id.clone(),
            alias: collection.alias.clone(),
            title: collection.title.clone(),
            can_read: grant.read.is_some(),
            can_write: grant.can_write(),
            can_manage: grant.manage,
            can_relay: grant.relay,
            level: grant.read,
            markings: TLP.iter().filter(is_seen).map(|tlp| tlp.id).collect(),
            why: self.why(collection, grant),
        }
    }

    /// Why the caller sees up to which level, in a sentence.
    fn why(&self, collection: &registry::Collection, grant: Grant) -> String {
        let granted = self.registry.grant(self.caller.organisation, collection.key).and_then(|grant| grant.read);
        let (Some(granted), Some(level)) = (granted, grant.read) else {
            return "your organisation's grant here does not let it read".to_owned();
        };
        let own = match self.credential.own_level() {
            Level::Red => "what it owns, it sees at every level".to_owned(),
            highest => format!("what it owns, up to {highest}: {} never leaves by a secret", Level::Red),
        };
        if level < granted {
            return format!("your organisation's grant reads up to {granted}, this secret up to {level}; {own}");
        }
        format!("your organisation's grant reads up to {level}; {own}")
    }
}

/// Whole days; negative if the end is past.
fn days_between(now: Timestamp, end: Timestamp) -> i64 {
    (end.micros() - now.micros()).div_euclid(86_400_000_000)
}

/// The rule by which a credential is known, in words.
fn rule(credential: &Credential) -> String {
    match &credential.proof {
        Proof::Key(_) => "a client certificate with exactly this key".to_owned(),
        Proof::Name { anchor: None, name } => {
            format!("a client certificate of this server's own CA with exactly the name {name}")
        }
        Proof::Name { anchor: Some(anchor), name } => {
            format!("a client certificate under the trust anchor {anchor} with exactly the name {name}")
        }
        Proof::Secret(Secret { addresses, .. }) => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            format!("a secret, shown from {}", addresses.join(", "))
        }
    }
}
