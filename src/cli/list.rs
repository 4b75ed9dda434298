//! `entente list`

use super::cert;
use super::collection;
use super::grant::in_words;
use super::{Failure, say, say_json};
use crate::exchange::{Administering, Overview, Rights};
use crate::store::registry::Registry;
use crate::taxii::timestamp::Timestamp;
use serde_json::{Value, json};

pub(super) fn run(admin: &Administering, as_json: bool) -> Result<(), Failure> {
    let overview = admin.overview()?;
    if as_json { say_json(&in_json(&overview, admin.now())) } else { say(&in_text(&overview, admin.now())) }
}

fn in_text(overview: &Overview, now: Timestamp) -> String {
    let Overview { registry, extents } = overview;
    let mut lines = Vec::new();
    for root in &registry.roots {
        lines.push(format!("/{}/  {}", root.name, root.title));
        for (collection, extent) in
            registry.collections.iter().zip(extents).filter(|(collection, _)| collection.root == root.name)
        {
            let alias = collection.alias.as_deref().unwrap_or("-");
            let newest = extent.newest.map_or_else(|| "empty".to_owned(), |newest| format!("newest {newest}"));
            lines.push(format!(
                "  {}  {alias}  {:?}  {}; {} entries, {newest}",
                collection.id,
                collection.title,
                collection::in_words(collection.rules),
                extent.entries
            ));
            for grant in registry.grants.iter().filter(|grant| grant.collection == collection.key) {
                let name =
                    registry.organisation_by_key(grant.organisation).map_or("", |organisation| &organisation.name);
                lines.push(format!("    {name} {}", in_words(Rights::of(grant))));
            }
        }
    }
    for organisation in &registry.organisations {
        let suspended = if organisation.suspended { "  suspended" } else { "" };
        lines.push(format!("{}  {}{suspended}", organisation.name, organisation.title));
        lines.extend(organisation.identities.iter().map(|identity| format!("  {identity}")));
        for credential in registry.credentials.iter().filter(|credential| credential.organisation == organisation.key) {
            let state = cert::in_words(credential, now);
            lines.push(format!("  {}  {}  {state}", credential.fingerprint(), credential.label));
        }
    }
    if lines.is_empty() {
        lines.push("nothing yet: begin with `root add`, `collection add`, `org add`, `cert issue`, `grant`".to_owned());
    }
    lines.join("\n")
}

fn in_json(overview: &Overview, now: Timestamp) -> Value {
    let Overview { registry, extents } = overview;
    let roots: Vec<Value> = registry.roots.iter().map(|root| json!({"name": root.name, "title": root.title})).collect();
    let collections: Vec<Value> = registry
        .collections
        .iter()
        .zip(extents)
        .map(|(collection, extent)| {
            let specs: Vec<&str> = collection.specs.iter().map(|spec| spec.as_str()).collect();
            json!({
                "id": collection.id, "root": collection.root, "alias": collection.alias, "title": collection.title,
                "description": collection.description, "stix": specs, "unmarked": collection.rules.unmarked,
                "ceiling": collection.rules.ceiling, "profile": collection.rules.profile,
                "downgrade": collection.rules.downgrade,
                "entries": extent.entries, "newest": extent.newest,
            })
        })
        .collect();
    let organisations: Vec<Value> = registry
        .organisations
        .iter()
        .map(|organisation| {
            json!({
                "name": organisation.name, "title": organisation.title, "suspended": organisation.suspended,
                "identities": organisation.identities,
            })
        })
        .collect();
    json!({
        "roots": roots, "collections": collections, "organisations": organisations,
        "grants": grants(registry), "certificates": certificates(registry, now),
    })
}

fn grants(registry: &Registry) -> Vec<Value> {
    let name = |key| registry.organisation_by_key(key).map(|organisation| organisation.name.clone());
    let id = |key| {
        registry.collections.iter().find(|collection| collection.key == key).map(|collection| collection.id.clone())
    };
    let grant = |grant: &crate::access::permission::Grant| {
        json!({
            "organisation": name(grant.organisation), "collection": id(grant.collection),
            "read": grant.read, "write": grant.write, "manage": grant.manage, "relay": grant.relay,
        })
    };
    registry.grants.iter().map(grant).collect()
}

fn certificates(registry: &Registry, now: Timestamp) -> Vec<Value> {
    let name = |key| registry.organisation_by_key(key).map(|organisation| organisation.name.clone());
    let all = registry.credentials.iter();
    all.map(|credential| cert::in_json(credential, &name(credential.organisation).unwrap_or_default(), now)).collect()
}
