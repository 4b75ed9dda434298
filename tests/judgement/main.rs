//! The judge, over its public API: what it says of good objects, of objects that break one rule,
//! and of texts that were never meant to be objects.
//!
//! Good objects are made by machine from the schemas ([`generator`]): a schema that changes is
//! tested as it stands.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    unreachable_pub,
    reason = "a test fails by panicking, has no users, and gives its values away"
)]

mod breaks;
mod defects;
mod generator;
mod hostile;
mod ids;
mod neighbours;
mod others;
mod properties;

use entente::stix::finding::{Profile, Severity};
use entente::stix::head::Spec;
use entente::stix::judge::{Judge, Judged};
use entente::stix::rules::references;
use serde_json::{Map, Value, json};

/// A finding in short: the id of its rule, its place, and what it does.
pub(crate) type Said = (&'static str, String, Severity);

/// Judges a text where objects of STIX 2.1 are taken.
pub(crate) fn judge(text: &[u8], profile: Profile) -> Judged {
    Judge::new().unwrap().judge(text, profile, &[Spec::V21])
}

/// What is said of a text.
pub(crate) fn said_of_text(text: &[u8], profile: Profile) -> Vec<Said> {
    let findings = judge(text, profile).verdict.findings().to_vec();
    findings.into_iter().map(|finding| (finding.rule.id, finding.pointer, finding.severity)).collect()
}

/// The references of an object that are followed, with their places.
pub(crate) fn followed(object: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    references(object, &mut |id, pointer| found.push((pointer(), id.to_owned())));
    found
}

/// What is said of an object.
pub(crate) fn said(object: &Value, profile: Profile) -> Vec<Said> {
    said_of_text(object.to_string().as_bytes(), profile)
}

/// The findings of an object in full, for messages of tests.
pub(crate) fn words(object: &Value, profile: Profile) -> String {
    let verdict = judge(object.to_string().as_bytes(), profile).verdict;
    let findings: Vec<String> = verdict.findings().iter().map(ToString::to_string).collect();
    format!("{profile}: {object}\n{}", findings.join("\n"))
}

/// The smallest object of a type, with these members in place of its own or besides them. The id
/// of an observable is that of the content it then has.
pub(crate) fn object(object_type: &str, members: Value) -> Value {
    let mut object = generator::smallest(object_type);
    let own_id = members.get("id").is_some();
    object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    if !own_id {
        generator::identify(&mut object);
    }
    object
}

/// An object without some of its members.
pub(crate) fn without(mut object: Value, names: &[&str]) -> Value {
    members(&mut object).retain(|name, _| !names.contains(&name.as_str()));
    generator::identify(&mut object);
    object
}

/// The members of an object.
pub(crate) fn members(object: &mut Value) -> &mut Map<String, Value> {
    object.as_object_mut().unwrap()
}

/// An object of a type that has no schema.
pub(crate) fn custom(object_type: &str, more: Value) -> Value {
    let mut object = object("incident", more);
    object["type"] = json!(object_type);
    object["id"] = json!(generator::id(object_type, 1));
    object
}

/// An object that may not be judged clean under any profile is a test's own mistake.
pub(crate) fn must_be_clean(object: &Value) {
    for profile in Profile::ALL {
        assert!(said(object, profile).is_empty(), "{}", words(object, profile));
    }
}
