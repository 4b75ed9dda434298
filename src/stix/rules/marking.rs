//! Markings of an object and of its parts.

use super::Subject;
use crate::stix::finding::{REQUIRED, Report, Rule};
use crate::stix::json::shown;
use serde_json::{Map, Value};

pub(crate) static SELECTOR: Rule = Rule {
    id: "selector",
    clause: "STIX 2.1 §7.2.3",
    severities: REQUIRED,
    sentence: "A selector of a granular marking selects something that the object has.",
};
pub(crate) static MARKS_ITSELF: Rule = Rule {
    id: "marks-itself",
    clause: "STIX 2.1 §7.2.1",
    severities: REQUIRED,
    sentence: "A marking definition does not mark itself.",
};

pub(super) fn selectors(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (at, granular) in subject.list("granular_markings").iter().enumerate() {
        let selectors = granular["selectors"].as_array().into_iter().flatten();
        for (place, selector) in selectors.enumerate().filter_map(|(place, item)| Some((place, item.as_str()?))) {
            if selects(subject.object, selector) || report.has_enough_of(&SELECTOR) {
                continue;
            }
            // What is no selector selects nothing: that it is none was said already.
            let pointer = format!("/granular_markings/{at}/selectors/{place}");
            if !report.faults(&pointer) {
                report.find(&SELECTOR, pointer, format!("{} selects nothing that the object has", shown(selector)));
            }
        }
    }
}

/// Whether a selector (`labels.[0]`, `external_references.[1].url`) leads somewhere.
fn selects(object: &Map<String, Value>, selector: &str) -> bool {
    let mut steps = selector.split('.');
    let mut place = steps.next().and_then(|name| object.get(name));
    for step in steps {
        let index = step.strip_prefix('[').and_then(|step| step.strip_suffix(']')).map(str::parse::<usize>);
        place = match (place, index) {
            (Some(Value::Array(items)), Some(Ok(index))) => items.get(index),
            (Some(Value::Object(members)), None) => members.get(step),
            _ => None,
        };
    }
    place.is_some()
}

pub(super) fn marks_itself(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some(id) = subject.text("id").filter(|_| subject.object_type == "marking-definition") else { return };
    for (at, reference) in subject.list("object_marking_refs").iter().enumerate() {
        if reference == id {
            report.find(&MARKS_ITSELF, format!("/object_marking_refs/{at}"), "is the marking's own id");
        }
    }
    for (at, granular) in subject.list("granular_markings").iter().enumerate() {
        if granular["marking_ref"] == id {
            report.find(&MARKS_ITSELF, format!("/granular_markings/{at}/marking_ref"), "is the marking's own id");
        }
    }
}
