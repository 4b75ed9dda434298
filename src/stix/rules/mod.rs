//! The rules: what the standard says and a schema cannot, one small function for each clause.
//!
//! [`ALL`] is the table of every rule that an object is judged by, in whatever way it is found
//! broken: while it is read, by its schema, by a function here, or against what the store
//! holds. The table in `schemas/RULES.md` is written from it.
//!
//! A rule looks at one object and at nothing else; it takes time linear in the object. Nothing
//! here decides what becomes of a finding: a profile does.

mod custom;
mod extension;
mod identifier;
mod language;
mod marking;
mod names;
mod pattern;
mod references;
mod relationship;
mod time;
pub mod version;

use super::finding::{INDISPENSABLE, REQUIRED, Report, Rule};
use super::schema::{self, Schemas, Type};
use serde_json::{Map, Value};

pub use references::{DANGLING, references};

/// The text of an object cannot be read.
pub static STRICT_JSON: Rule = Rule {
    id: "strict-json",
    clause: "RFC 8259, RFC 7493",
    severities: INDISPENSABLE,
    sentence: "An object is strict JSON: no member name twice, no lone surrogate, no U+0000, at most 64 deep, and \
               not made of more values than its length accounts for.",
};
/// What the server needs to know of an object cannot be read.
pub static USABLE: Rule = Rule {
    id: "usable",
    clause: "STIX 2.1 §3.2",
    severities: INDISPENSABLE,
    sentence: "An object has an id and a type that agree, a version and markings that can be read, and does not \
               redefine a predefined marking.",
};
/// Nulls.
static NO_NULL: Rule = Rule {
    id: "no-null",
    clause: "STIX 2.1 §2",
    severities: REQUIRED,
    sentence: "No value is null, wherever it stands: what has no value is left out.",
};

/// Every rule, in the order of the documentation.
pub static ALL: [&Rule; 41] = [
    &STRICT_JSON,
    &USABLE,
    &schema::MISSING,
    &schema::WRONG_TYPE,
    &schema::MALFORMED,
    &schema::NOT_ALLOWED,
    &schema::COMBINATION,
    &schema::EMPTY,
    &NO_NULL,
    &schema::UNEXPECTED,
    &schema::REFERENCE_TYPE,
    &DANGLING,
    &schema::VOCABULARY,
    &time::ORDER,
    &identifier::DETERMINISTIC,
    &identifier::RANDOM,
    &identifier::NAMESPACE,
    &marking::SELECTOR,
    &marking::MARKS_ITSELF,
    &language::TRANSLATION,
    &names::KILL_CHAIN,
    &names::RESERVED,
    &names::CHARSET,
    &references::OBSERVED,
    &relationship::TYPE,
    &extension::NEW_TYPE,
    &extension::CONTENT,
    &custom::PROPERTY,
    &custom::PROPERTY_NAME,
    &custom::PROPERTY_PREFIX,
    &custom::TYPE,
    &custom::TYPE_PREFIX,
    &custom::EXTENSION,
    &pattern::SYNTAX,
    &pattern::NAMES,
    &pattern::VALUES,
    &version::CREATED,
    &version::CREATOR,
    &version::REVOKED,
    &version::CONTENT,
    &schema::UNJUDGED,
];

/// An object under judgement.
pub(super) struct Subject<'o> {
    /// Its members.
    pub(super) object: &'o Map<String, Value>,
    /// Its type, as it stands.
    pub(super) object_type: &'o str,
    /// What is known of its type.
    pub(super) known: Option<&'static Type>,
    /// What is known of all types.
    pub(super) schemas: &'static Schemas,
}

impl<'o> Subject<'o> {
    /// A string property.
    pub(super) fn text(&self, name: &str) -> Option<&'o str> {
        self.object.get(name)?.as_str()
    }

    /// The items of a list property.
    pub(super) fn list(&self, name: &str) -> &'o [Value] {
        self.object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// Its extensions, by their keys.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (&'o String, &'o Value)> + use<'o> {
        self.object.get("extensions").and_then(Value::as_object).into_iter().flatten()
    }

    /// Whether one of its extensions is of this kind (STIX 2.1 §7.3).
    pub(super) fn is_extended_by(&self, extension_type: &str) -> bool {
        self.extensions().any(|(_, extension)| extension["extension_type"] == extension_type)
    }
}

/// Holds an object against every rule of this room.
pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    const CHECKS: [fn(&Subject<'_>, &mut Report<'_>); 20] = [
        nothing,
        time::order,
        identifier::deterministic,
        identifier::random,
        identifier::namespace,
        marking::selectors,
        marking::marks_itself,
        language::translation,
        names::kill_chain,
        names::reserved,
        names::charset,
        references::observed,
        relationship::relationship_type,
        extension::new_type,
        extension::content,
        custom::properties,
        custom::object_type,
        custom::type_prefix,
        custom::extensions,
        pattern::pattern,
    ];
    for check in CHECKS {
        check(subject, report);
    }
}

/// STIX 2.1 §2 has no null among its data types, and §2.12 no empty lists. The schemas see them
/// where they know the property.
fn nothing(subject: &Subject<'_>, report: &mut Report<'_>) {
    let mut place = String::new();
    for (name, value) in subject.object {
        within(&mut place, name, value, report);
    }
}

fn within(place: &mut String, name: &str, value: &Value, report: &mut Report<'_>) {
    let length = place.len();
    match value {
        Value::Null => find_nothing(&NO_NULL, place, name, report),
        Value::Array(items) if items.is_empty() => find_nothing(&schema::EMPTY, place, name, report),
        Value::Array(items) if items.iter().any(may_hold_nothing) => {
            place.push_str(&super::json::step(name));
            items.iter().enumerate().for_each(|(at, item)| within(place, &at.to_string(), item, report));
        }
        Value::Object(members) => {
            place.push_str(&super::json::step(name));
            members.iter().for_each(|(name, value)| within(place, name, value, report));
        }
        _ => {}
    }
    place.truncate(length);
}

fn may_hold_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Array(_) | Value::Object(_))
}

fn find_nothing(rule: &'static Rule, place: &str, name: &str, report: &mut Report<'_>) {
    if report.has_enough_of(rule) {
        return;
    }
    let pointer = format!("{place}{}", super::json::step(name));
    if !report.faults(&pointer) {
        let what = if std::ptr::eq(rule, &raw const NO_NULL) { "null" } else { "an empty list" };
        report.find(rule, pointer, format!("is {what}: leave it out"));
    }
}
