//! References between objects.

use super::Subject;
use crate::stix::finding::{RECOMMENDED, REQUIRED, Report, Rule};
use crate::stix::id::Id;
use crate::stix::marking;
use crate::stix::schema::Category;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A reference leads to something that is neither sent along nor held.
pub static DANGLING: Rule = Rule {
    id: "dangling-reference",
    clause: "STIX 2.1 §2.9",
    severities: RECOMMENDED,
    sentence: "What an object refers to is sent along, or held already where its sender can see it. Predefined \
               markings and extension definitions need not be. Looked at are the first 10,000 references.",
};
pub(crate) static OBSERVED: Rule = Rule {
    id: "observed-object",
    clause: "STIX 2.1 §4.14",
    severities: REQUIRED,
    sentence: "What was observed has at least one observable among it.",
};

/// An observed-data refers to observables, and to relationships between them: not to these alone.
pub(super) fn observed(subject: &Subject<'_>, report: &mut Report<'_>) {
    let list = subject.list("object_refs");
    if subject.object_type != "observed-data" || list.is_empty() {
        return;
    }
    let is_observable = |id: &str| {
        let known = id.split_once("--").and_then(|(object_type, _)| subject.schemas.of(object_type));
        known.is_none_or(|known| known.category == Category::Sco)
    };
    if !list.iter().filter_map(Value::as_str).any(is_observable) {
        report.find(&OBSERVED, "/object_refs", "refers to no observable");
    }
}

/// References of one object that are followed.
const FOLLOWED: usize = 10_000;

/// The ids that an object refers to, each once, with the pointer of the first place that does: the
/// values of properties named `…_ref` and `…_refs`, at whatever depth. The first 10,000 of them.
pub fn references(object: &Value) -> Vec<(String, &str)> {
    let mut found = Found { references: Vec::new(), seen: BTreeSet::new() };
    if let Some(members) = object.as_object() {
        found.walk("", members);
    }
    found.references
}

struct Found<'o> {
    references: Vec<(String, &'o str)>,
    seen: BTreeSet<&'o str>,
}

impl<'o> Found<'o> {
    /// The depth is that of a value that was read strictly.
    fn walk(&mut self, place: &str, members: &'o Map<String, Value>) {
        for (name, value) in members {
            match value {
                Value::String(id) if name.ends_with("_ref") => self.note(id, || format!("{place}/{name}")),
                Value::Array(items) if name.ends_with("_refs") => {
                    for (at, id) in items.iter().enumerate().filter_map(|(at, item)| Some((at, item.as_str()?))) {
                        self.note(id, || format!("{place}/{name}/{at}"));
                    }
                }
                Value::Object(inner) => self.walk(&format!("{place}/{name}"), inner),
                Value::Array(items) => {
                    for (at, inner) in items.iter().enumerate().filter_map(|(at, item)| Some((at, item.as_object()?))) {
                        self.walk(&format!("{place}/{name}/{at}"), inner);
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, id: &'o str, pointer: impl FnOnce() -> String) {
        let room = self.references.len() < FOLLOWED;
        if room && Id::parse(id).is_some() && marking::predefined(id).is_none() && self.seen.insert(id) {
            self.references.push((pointer(), id));
        }
    }
}
