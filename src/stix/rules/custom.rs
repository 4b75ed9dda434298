//! Custom content: what the standard allows without an extension definition, and advises against
//! (STIX 2.1 §11).

use super::Subject;
use crate::stix::finding::{DEPRECATED, RECOMMENDED, REQUIRED, Report, Rule};
use crate::stix::json::step;

pub(crate) static PROPERTY: Rule = Rule {
    id: "custom-property",
    clause: "STIX 2.1 §11.1",
    severities: DEPRECATED,
    sentence: "A property beyond those of the type belongs to an extension.",
};
pub(crate) static PROPERTY_NAME: Rule = Rule {
    id: "custom-property-name",
    clause: "STIX 2.1 §3.1, §11.1",
    severities: REQUIRED,
    sentence: "The name of a custom property is 3 to 250 of a-z, 0-9 and _, the first a letter.",
};
pub(crate) static PROPERTY_PREFIX: Rule = Rule {
    id: "custom-property-prefix",
    clause: "STIX 2.1 §11.1",
    severities: RECOMMENDED,
    sentence: "The name of a custom property begins with x_, unless it is a top-level property of an extension.",
};
pub(crate) static TYPE: Rule = Rule {
    id: "custom-type",
    clause: "STIX 2.1 §11.2",
    severities: DEPRECATED,
    sentence: "An object of a type beyond the standard has the extension that makes its type.",
};
pub(crate) static TYPE_PREFIX: Rule = Rule {
    id: "custom-type-prefix",
    clause: "STIX 2.1 §11.2",
    severities: RECOMMENDED,
    sentence: "The name of a custom type begins with x-, unless an extension makes it.",
};
pub(crate) static EXTENSION: Rule = Rule {
    id: "custom-extension",
    clause: "STIX 2.1 §11.3",
    severities: DEPRECATED,
    sentence: "An extension beyond the predefined ones has an extension definition.",
};

/// The extensions that the standard predefines for observables (STIX 2.1 §6).
const PREDEFINED: [&str; 12] = [
    "archive-ext",
    "http-request-ext",
    "icmp-ext",
    "ntfs-ext",
    "pdf-ext",
    "raster-image-ext",
    "socket-ext",
    "tcp-ext",
    "unix-account-ext",
    "windows-pebinary-ext",
    "windows-process-ext",
    "windows-service-ext",
];

/// The properties that the type does not have; of a type without a schema, all. Reserved ones have a
/// rule of their own.
fn beyond<'o>(subject: &Subject<'o>) -> impl Iterator<Item = &'o String> {
    let (known, object_type) = (subject.known, subject.object_type);
    let is_known = move |name: &str| known.is_some_and(|known| known.properties.binary_search(&name).is_ok());
    let names = subject.object.keys().filter(move |name| !is_known(name));
    names.filter(move |name| !super::names::is_reserved(object_type, name))
}

/// Letters, digits and underscores, the first a letter. Only `id` is as short as it is.
fn is_proper(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let shaped = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(allowed);
    shaped && ((3..=250).contains(&name.len()) || name == "id")
}

const NO_NAME: &str = "is no name for a property: 3 to 250 of a-z, 0-9 and _, the first a letter";

/// The names alone, of what another object contains.
pub(super) fn names(subject: &Subject<'_>, report: &mut Report<'_>) {
    improper(beyond(subject).filter(|name| !is_proper(name)), report);
}

fn improper<'o>(names: impl Iterator<Item = &'o String>, report: &mut Report<'_>) {
    for name in names {
        if !report.has_enough_of(&PROPERTY_NAME) {
            report.find(&PROPERTY_NAME, step(name), NO_NAME);
        }
    }
}

/// The names of custom properties, and that there are some. Most objects have none: so they are looked for once.
pub(super) fn properties(subject: &Subject<'_>, report: &mut Report<'_>) {
    let (proper, others): (Vec<&String>, Vec<&String>) = beyond(subject).partition(|name| is_proper(name));
    improper(others.into_iter(), report);
    // A type without a schema has properties of its own, and those beside a top-level extension may be the extension's.
    if proper.is_empty() || subject.known.is_none() || subject.is_extended_by("toplevel-property-extension") {
        return;
    }
    for name in &proper {
        if !report.has_enough_of(&PROPERTY) {
            report.find(&PROPERTY, step(name), format!("is no property of {}: use an extension", subject.object_type));
        }
    }
    // Where custom properties are refused whatever their names are, there is nothing to add.
    if report.wants(&PROPERTY) {
        return;
    }
    for name in proper.iter().filter(|name| !name.starts_with("x_")) {
        if !report.has_enough_of(&PROPERTY_PREFIX) {
            let message = format!("is no property of {}, and its name does not begin with x_", subject.object_type);
            report.find(&PROPERTY_PREFIX, step(name), message);
        }
    }
}

fn is_custom(subject: &Subject<'_>) -> bool {
    subject.known.is_none() && !super::extension::NEW.iter().any(|kind| subject.is_extended_by(kind))
}

pub(super) fn object_type(subject: &Subject<'_>, report: &mut Report<'_>) {
    if is_custom(subject) {
        report.find(&TYPE, "/type", "is no type of the standard, and no extension of the object makes it");
    }
}

pub(super) fn type_prefix(subject: &Subject<'_>, report: &mut Report<'_>) {
    if !report.wants(&TYPE) && is_custom(subject) && !subject.object_type.starts_with("x-") {
        report.find(&TYPE_PREFIX, "/type", "is no type of the standard, and does not begin with x-");
    }
}

pub(super) fn extensions(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (key, _) in subject.extensions().filter(|(key, _)| key.ends_with("-ext")) {
        if !PREDEFINED.contains(&key.as_str()) {
            report.find(
                &EXTENSION,
                format!("/extensions{}", step(key)),
                "is not predefined: use an extension definition",
            );
        }
    }
}
