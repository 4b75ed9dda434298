//! What an indicator looks for.

use super::Subject;
use crate::stix::finding::{RECOMMENDED, REQUIRED, Report, Rule};
use crate::stix::pattern::Pattern;
use crate::stix::pattern::check::{Doubt, check};
use crate::stix::schema::Category;

pub(crate) static SYNTAX: Rule = Rule {
    id: "pattern-syntax",
    clause: "STIX 2.1 §9",
    severities: REQUIRED,
    sentence: "A STIX pattern is one by the grammar, of at most 1 MiB; a pattern of another language is not empty.",
};
pub(crate) static NAMES: Rule = Rule {
    id: "pattern-names",
    clause: "STIX 2.1 §9.8, §11",
    severities: RECOMMENDED,
    sentence: "A pattern looks at observables, and at properties of theirs, that are known or begin with x- and x_.",
};
pub(crate) static VALUES: Rule = Rule {
    id: "pattern-values",
    clause: "STIX 2.1 §2.7, §9.6.1",
    severities: RECOMMENDED,
    sentence: "A pattern compares with values that can occur: hashes of their algorithm's length, networks that are.",
};

/// No pattern that a person or a tool wrote comes near this, in octets.
const LONGEST: usize = 1 << 20;

pub(super) fn pattern(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.object_type != "indicator" {
        return;
    }
    let Some(text) = subject.text("pattern") else { return };
    if text.trim().is_empty() {
        return report.find(&SYNTAX, "/pattern", "is empty");
    }
    if subject.text("pattern_type") != Some("stix") {
        return;
    }
    if text.len() > LONGEST {
        return report.find(&SYNTAX, "/pattern", format!("is longer than {LONGEST} octets"));
    }
    match Pattern::parse(text) {
        Err(fault) => report.find(&SYNTAX, "/pattern", fault.to_string()),
        Ok(pattern) => doubts(subject, &pattern, report),
    }
}

fn doubts(subject: &Subject<'_>, pattern: &Pattern, report: &mut Report<'_>) {
    let known = |name: &str| subject.schemas.of(name).filter(|known| known.category == Category::Sco);
    let properties = |name: &str| known(name).map(|known| known.properties.as_slice());
    for finding in check(pattern, properties) {
        let rule = match &finding.doubt {
            Doubt::Type(name) if name.starts_with("x-") => continue,
            Doubt::Property { property, .. } if property.starts_with("x_") => continue,
            Doubt::Type(_) | Doubt::Property { .. } => &NAMES,
            Doubt::Hash { .. } | Doubt::Network(_) => &VALUES,
        };
        report.find(rule, "/pattern", finding.to_string());
    }
}
