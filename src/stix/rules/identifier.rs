//! Identifiers of observables: computed from what they say, so that two who see the same thing
//! give it the same id (STIX 2.1 §2.9, §3.4).

use super::Subject;
use crate::stix::finding::{RECOMMENDED, REQUIRED, Report, Rule};
use crate::stix::schema::{Category, Type};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) static DETERMINISTIC: Rule = Rule {
    id: "deterministic-id",
    clause: "STIX 2.1 §2.9, §3.4",
    severities: RECOMMENDED,
    sentence: "The id of an observable is the version 5 UUID of its ID contributing properties, if it has any.",
};
pub(crate) static RANDOM: Rule = Rule {
    id: "random-id",
    clause: "STIX 2.1 §2.9",
    severities: REQUIRED,
    sentence: "The id of an observable without any of its ID contributing properties is a version 4 UUID.",
};
pub(crate) static NAMESPACE: Rule = Rule {
    id: "id-namespace",
    clause: "STIX 2.1 §3.6",
    severities: REQUIRED,
    sentence: "An observable whose content is versioned does not have an id from the namespace of observables.",
};

/// The namespace of deterministic ids (STIX 2.1 §2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

/// Of several hashes, the first of these contributes (STIX 2.1 §2.9); if there is none of them, any.
const HASHES: [&str; 4] = ["MD5", "SHA-1", "SHA-256", "SHA-512"];

pub(super) fn deterministic(subject: &Subject<'_>, report: &mut Report<'_>) {
    // An observable with versions is not told by its content.
    if is_versioned(subject) {
        return;
    }
    let Some(expected) = subject.known.and_then(|known| id(known, subject.object)) else { return };
    let Some(uuid) = uuid_of(subject) else { return };
    if !expected.contains(&uuid) {
        let message = format!("by the rule for observables it is {}--{}", subject.object_type, expected[0]);
        report.find(&DETERMINISTIC, "/id", message);
    }
}

/// A process has no contributing properties at all, and the standard does not insist (STIX 2.1 §6.13).
pub(super) fn random(subject: &Subject<'_>, report: &mut Report<'_>) {
    let contributing = subject.known.and_then(|known| known.id_contributing.as_deref()).unwrap_or_default();
    if contributing.is_empty() || contributing.iter().any(|name| subject.object.contains_key(*name)) {
        return;
    }
    if uuid_of(subject).is_some_and(|uuid| uuid.get_version_num() != 4) {
        report.find(&RANDOM, "/id", "is no version 4 UUID, and nothing that the object says contributes to another");
    }
}

/// STIX 2.1 §3.6: what is given versions is no longer identified by its content alone.
pub(super) fn namespace(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some(known) = subject.known.filter(|known| known.category == Category::Sco && is_versioned(subject)) else {
        return;
    };
    if id(known, subject.object).zip(uuid_of(subject)).is_some_and(|(expected, uuid)| expected.contains(&uuid)) {
        report.find(&NAMESPACE, "/id", "is computed from the content, and the object has versions");
    }
}

fn is_versioned(subject: &Subject<'_>) -> bool {
    ["created", "modified", "revoked", "created_by_ref"].iter().any(|name| subject.object.contains_key(*name))
}

fn uuid_of(subject: &Subject<'_>) -> Option<Uuid> {
    Uuid::try_parse(subject.text("id")?.rsplit_once("--")?.1).ok()
}

/// More uncommon hashes than this are nobody's doing in good faith, and each is a computation.
const UNCOMMON: usize = 4;

/// The ids that the rule gives an observable: one, or where only uncommon hashes contribute, one
/// for each of them, because the order that its producer chose among them is not known. `None`
/// where nothing contributes, so that its id is random; and where there are too many to tell.
fn id(known: &Type, object: &Map<String, Value>) -> Option<Vec<Uuid>> {
    let names = known.id_contributing.as_ref()?;
    let mut contributing = Map::new();
    let mut uncommon = Vec::new();
    for name in names {
        match object.get(*name) {
            Some(Value::Object(hashes)) if *name == "hashes" => match common_hash(hashes) {
                Some(hash) => drop(contributing.insert("hashes".to_owned(), Value::Object(hash))),
                None if hashes.len() > UNCOMMON => return None,
                None => uncommon = hashes.iter().map(|(name, value)| one(name, value)).collect(),
            },
            Some(value) => drop(contributing.insert((*name).to_owned(), value.clone())),
            None => {}
        }
    }
    if uncommon.is_empty() {
        return (!contributing.is_empty()).then(|| uuid(&contributing)).flatten().map(|id| vec![id]);
    }
    let with = |hash: Map<String, Value>| {
        let mut contributing = contributing.clone();
        contributing.insert("hashes".to_owned(), Value::Object(hash));
        uuid(&contributing)
    };
    uncommon.into_iter().map(with).collect()
}

fn common_hash(hashes: &Map<String, Value>) -> Option<Map<String, Value>> {
    HASHES.iter().find_map(|name| Some(one(name, hashes.get(*name)?)))
}

fn one(name: &str, value: &Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value.clone())])
}

/// The version 5 UUID of the canonical JSON (RFC 8785) of what contributes. `None` if it has no
/// such form, as numbers beyond the doubles have none.
fn uuid(contributing: &Map<String, Value>) -> Option<Uuid> {
    let canonical = serde_json_canonicalizer::to_vec(contributing).ok()?;
    Some(Uuid::new_v5(&OBSERVABLES, &canonical))
}
