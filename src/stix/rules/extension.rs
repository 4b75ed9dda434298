//! How extensions are used (STIX 2.1 §7.3).

use super::Subject;
use crate::stix::finding::{REQUIRED, Report, Rule};
use crate::stix::json::step;

pub(crate) static NEW_TYPE: Rule = Rule {
    id: "new-type",
    clause: "STIX 2.1 §7.3",
    severities: REQUIRED,
    sentence: "An extension that makes a new type is on an object of a new type, not of one of the standard.",
};
pub(crate) static CONTENT: Rule = Rule {
    id: "extension-content",
    clause: "STIX 2.1 §7.3",
    severities: REQUIRED,
    sentence: "A property extension has its properties in it.",
};
/// The kinds of extension that make a type.
pub(super) const NEW: [&str; 3] = ["new-sdo", "new-sco", "new-sro"];

pub(super) fn new_type(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.known.is_none_or(|known| !known.is_standard) {
        return;
    }
    for (key, extension) in subject.extensions() {
        let made = NEW.iter().find(|name| extension["extension_type"] == **name);
        if let Some(name) = made {
            let message = format!("{name} is for new types, and {} is a type of the standard", subject.object_type);
            report.find(&NEW_TYPE, format!("/extensions{}/extension_type", step(key)), message);
        }
    }
}

pub(super) fn content(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (key, extension) in subject.extensions() {
        let is_property_extension = extension["extension_type"] == "property-extension";
        if is_property_extension && extension.as_object().is_some_and(|members| members.len() == 1) {
            report.find(&CONTENT, format!("/extensions{}", step(key)), "has no property besides extension_type");
        }
    }
}
