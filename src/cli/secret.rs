//! `entente secret`: for clients that cannot present a certificate.

use super::cert::{in_json, in_words};
use super::{Failure, level, say, say_json, warn};
use crate::access::credential::{self, IpNet, Proof, Secret as Terms};
use crate::access::level::Level;
use crate::config::Settings;
use crate::exchange::Administering;
use clap::{Args, Subcommand};
use serde_json::json;

const DAY: i64 = 86_400;

#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Make a secret for an organisation, and print it: for this one time.
    Add(Add),
    /// Show secrets: fingerprint, organisation, label, days left, and how far each goes.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a secret: its holder is refused from the next request on, and for good.
    Revoke {
        /// The organisation's name.
        org: String,
        /// The secret's fingerprint, or its first digits.
        fingerprint: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The organisation's name.
    org: String,
    /// The collections that it is good for, by alias or id.
    #[arg(long = "collection", value_name = "COLLECTION", num_args = 1.., required = true)]
    collections: Vec<String>,
    /// The addresses where it is good: 192.0.2.7, or 192.0.2.0/24.
    #[arg(long = "from", value_name = "CIDR", num_args = 1.., required = true, value_parser = network)]
    addresses: Vec<IpNet>,
    /// Up to which level it reads, if its organisation does: at most amber+strict.
    #[arg(long, value_name = "LEVEL", default_value = "green", value_parser = level)]
    ceiling: Level,
    /// It may also write, where its organisation may.
    #[arg(long)]
    write: bool,
    /// How long it counts.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// What it is for, for people.
    #[arg(long, value_name = "TEXT", default_value = "")]
    label: String,
}

impl Secret {
    pub(super) fn run(self, settings: &Settings, admin: &Administering) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(settings, admin),
            Self::List { json } => list(admin, json),
            Self::Revoke { org, fingerprint } => {
                let credential = admin.credential(&org, &fingerprint)?;
                if !matches!(credential.proof, Proof::Secret(_)) {
                    let kind = credential.proof.kind();
                    return Err(Failure::new(format!("{fingerprint} is a {kind}, not a secret: use `cert revoke`")));
                }
                let revoked = admin.revoke(&org, &credential.fingerprint().to_string())?;
                say(&format!("revoked {revoked}: it is refused from the next request on"))
            }
        }
    }
}

impl Add {
    fn run(self, settings: &Settings, admin: &Administering) -> Result<(), Failure> {
        let Self { org, collections, addresses, ceiling, write, days, label } = self;
        let organisation = admin.organisation(&org)?.key;
        let registry = admin.overview()?.registry;
        let mut keys = Vec::new();
        for name in &collections {
            let key = admin.collection(name)?.key;
            if registry.grant(organisation, key).is_none() {
                return Err(Failure::new(format!("{org} has no grant in {name}: give it one with `grant`")));
            }
            keys.push(key);
        }
        keys.sort();
        keys.dedup();
        let ends = admin.now().plus_seconds(i64::from(days) * DAY);
        let terms = Terms { hash: [0; 32], addresses, ceiling, collections: keys, write };
        let (secret, fingerprint) = admin.add_secret(&org, terms, &label, ends)?;
        say(&secret)?;
        warn(&format!(
            "This is the only time that it is shown: give it to {org} in a way that nobody else reads.\n\
             It counts until {ends}. Clients send it as password, with any user name (Basic), or as\n\
             Authorization: Bearer SECRET, or Token SECRET{}.\n\
             Its fingerprint: {fingerprint}",
            settings.fallback.header.as_ref().map_or_else(String::new, |header| format!(", or in {header}"))
        ))?;
        if settings.fallback.listen.is_none() {
            warn("No server takes it yet: set fallback.listen in the settings file, and start the server again.")?;
        }
        Ok(())
    }
}

fn list(admin: &Administering, json: bool) -> Result<(), Failure> {
    let (registry, now) = (admin.overview()?.registry, admin.now());
    let mut rows = Vec::new();
    for credential in &registry.credentials {
        let Proof::Secret(Terms { addresses, ceiling, collections, write, .. }) = &credential.proof else { continue };
        let organisation = registry.organisation_by_key(credential.organisation);
        let organisation = organisation.map_or("", |organisation| &organisation.name);
        let good_for = registry.collections.iter().filter(|collection| collections.contains(&collection.key));
        let ids: Vec<&str> = good_for.map(|collection| collection.id.as_str()).collect();
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if !json {
            let (fingerprint, label, state) = (credential.fingerprint(), &credential.label, in_words(credential, now));
            let rights = if *write { "reads and writes" } else { "reads" };
            let (from, collections) = (addresses.join(", "), ids.join(", "));
            say(&format!(
                "{fingerprint}  {organisation}  {label:?}  {state}; {rights} up to {ceiling} in {collections} from {from}"
            ))?;
        }
        let mut row = in_json(credential, organisation, now);
        if let Some(row) = row.as_object_mut() {
            row.remove("subject");
            row.insert("label".to_owned(), json!(credential.label));
            row.insert("ceiling".to_owned(), json!(ceiling));
            row.insert("write".to_owned(), json!(write));
            row.insert("collections".to_owned(), json!(ids));
            row.insert("addresses".to_owned(), json!(addresses));
        }
        rows.push(row);
    }
    if json { say_json(&json!({ "secrets": rows })) } else { Ok(()) }
}

fn network(text: &str) -> Result<IpNet, String> {
    let odd = || format!("{text:?} is no address and no network: write 192.0.2.7 or 192.0.2.0/24");
    credential::network(text).ok_or_else(odd)
}
