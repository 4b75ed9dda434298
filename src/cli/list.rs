//! `entente list`

use super::cert::days_left;
use super::grant::in_words;
use super::{Failure, say, say_json};
use crate::exchange::{Administering, Overview};
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
                "  {}  {alias}  {:?}  {}, {} entries, {newest}",
                collection.id, collection.title, collection.profile, extent.entries
            ));
            for grant in registry.grants.iter().filter(|grant| grant.collection == collection.key) {
                let name =
                    registry.organisation_by_key(grant.organisation).map_or("", |organisation| &organisation.name);
                lines.push(format!("    {name} {}", in_words(grant.read, grant.write, grant.manage)));
            }
        }
    }
    for organisation in &registry.organisations {
        lines.push(format!("{}  {}", organisation.name, organisation.title));
        for credential in registry.credentials.iter().filter(|credential| credential.organisation == organisation.key) {
            let days = days_left(credential.not_after, now);
            lines.push(format!("  {}  {}  {days} days left", credential.fingerprint, credential.subject));
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
                "description": collection.description, "unmarked": collection.unmarked, "stix": specs,
                "profile": collection.profile,
                "entries": extent.entries, "newest": extent.newest,
            })
        })
        .collect();
    let organisations: Vec<Value> = registry
        .organisations
        .iter()
        .map(|organisation| json!({"name": organisation.name, "title": organisation.title}))
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
            "read": grant.read, "write": grant.write, "manage": grant.manage,
        })
    };
    registry.grants.iter().map(grant).collect()
}

fn certificates(registry: &Registry, now: Timestamp) -> Vec<Value> {
    let name = |key| registry.organisation_by_key(key).map(|organisation| organisation.name.clone());
    let certificate = |credential: &crate::access::credential::Credential| {
        json!({
            "fingerprint": credential.fingerprint.to_string(), "organisation": name(credential.organisation),
            "subject": credential.subject, "not_after": credential.not_after, "days_left": days_left(credential.not_after, now),
        })
    };
    registry.credentials.iter().map(certificate).collect()
}
