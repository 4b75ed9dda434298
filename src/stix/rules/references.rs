//! References between objects.

use super::Subject;
use crate::stix::finding::{Finding, RECOMMENDED, REQUIRED, Report, Rule, Verdict};
use crate::stix::id::Id;
use crate::stix::json::step;
use crate::stix::marking;
use crate::stix::schema::Category;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A reference leads to something that is neither sent along nor held.
pub static DANGLING: Rule = Rule {
    id: "dangling-reference",
    clause: "STIX 2.1 §2.9",
    severities: RECOMMENDED,
    sentence: "What an object refers to is sent along and sound by itself, or held already where its sender can see it. Predefined \
               markings and extension definitions need not be. Looked at are the first 10,000 references.",
};
pub(crate) static OBSERVED: Rule = Rule {
    id: "observed-object",
    clause: "STIX 2.1 §4.14",
    severities: REQUIRED,
    sentence: "What was observed has at least one observable among it, and the deprecated container nothing else.",
};

/// An observed-data refers to observables, and to relationships between them: not to these alone.
/// The deprecated container has observables only (STIX 2.1 §2.13).
pub(super) fn observed(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.object_type != "observed-data" {
        return;
    }
    let is_observable = |name: &str| subject.schemas.of(name).is_none_or(|known| known.category == Category::Sco);
    let refers_to_one = |id: &Value| {
        let object_type = id.as_str().and_then(|id| id.split_once("--")).map(|(object_type, _)| object_type);
        object_type.is_some_and(is_observable)
    };
    let list = subject.list("object_refs");
    if !list.is_empty() && !list.iter().any(refers_to_one) {
        report.find(&OBSERVED, "/object_refs", "refers to no observable");
    }
    for (key, object) in subject.object.get("objects").and_then(Value::as_object).into_iter().flatten() {
        let strange = object["type"].as_str().filter(|name| !is_observable(name));
        match strange {
            Some(_) if report.has_enough_of(&OBSERVED) => {}
            Some(_) => report.find(&OBSERVED, format!("/objects{}/type", step(key)), "is no type of observables"),
            None => contained(subject, key, object, report),
        }
    }
}

/// What is contained is an observable, but that it needs no id and refers to keys of the container.
fn contained(subject: &Subject<'_>, key: &str, object: &Value, report: &mut Report<'_>) {
    let Some(object_type) = object["type"].as_str() else { return };
    let Some(members) = object.as_object() else { return };
    let mut whole = members.clone();
    whole.entry("id").or_insert_with(|| format!("{object_type}--00000000-0000-4000-8000-000000000000").into());
    let mut found = Verdict::default();
    let known = subject.schemas.of(object_type);
    let inner = Subject { object: &whole, object_type, known, schemas: subject.schemas };
    super::custom::names(&inner, &mut report.aside(&mut found));
    super::names::reserved(&inner, &mut report.aside(&mut found));
    subject.schemas.check(&Value::Object(whole), object_type, &mut report.aside(&mut found));
    for Finding { rule, clause, pointer, message, .. } in found.findings() {
        if !pointer.contains("_ref") && !report.has_enough_of(rule) {
            report.find_by(rule, clause.clone(), format!("/objects{}{pointer}", step(key)), message.clone());
        }
    }
}

/// References of one object that are followed.
const FOLLOWED: usize = 10_000;

/// Hands over the ids that an object refers to, in the order of its members: the values of properties
/// named `…_ref` and `…_refs`, at whatever depth, the first 10,000 of them. With each comes what gives
/// the pointer of its place.
pub fn references<'o>(object: &'o Value, take: &mut dyn FnMut(&'o str, &dyn Fn() -> String)) {
    let mut left = FOLLOWED;
    let mut take_some = |id: &'o str, pointer: &dyn Fn() -> String| {
        if left > 0 && Id::parse(id).is_some() && marking::predefined(id).is_none() {
            left -= 1;
            take(id, pointer);
        }
    };
    if let Some(members) = object.as_object() {
        walk(&mut Vec::new(), members, &mut take_some);
    }
}

/// Takes the place, step by step. The depth is that of a value that was read strictly.
fn walk<'o>(
    place: &mut Vec<Cow<'o, str>>,
    members: &'o Map<String, Value>,
    take: &mut dyn FnMut(&'o str, &dyn Fn() -> String),
) {
    for (name, value) in members {
        place.push(name.into());
        match value {
            Value::String(id) if name.ends_with("_ref") => take(id, &|| pointer(place)),
            Value::Object(inner) => walk(place, inner, take),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    match item {
                        Value::String(id) if name.ends_with("_refs") => {
                            take(id, &|| pointer(place) + &format!("/{at}"));
                        }
                        Value::Object(inner) => {
                            place.push(at.to_string().into());
                            walk(place, inner, take);
                            place.pop();
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        place.pop();
    }
}

fn pointer(place: &[Cow<'_, str>]) -> String {
    place.iter().map(|name| step(name)).collect()
}
