//! Texts in other languages.

use super::Subject;
use crate::stix::finding::{ADVICE, Report, Rule};
use crate::stix::json::{shown, step};
use serde_json::Value;

pub(crate) static TRANSLATION: Rule = Rule {
    id: "translation",
    clause: "STIX 2.1 §7.1",
    severities: ADVICE,
    sentence: "A language-content translates properties that an object of that type has; what it has not is ignored.",
};

pub(super) fn translation(subject: &Subject<'_>, report: &mut Report<'_>) {
    if subject.object_type != "language-content" || !report.wants(&TRANSLATION) {
        return;
    }
    let target = subject.text("object_ref").and_then(|id| id.split_once("--")).map(|(object_type, _)| object_type);
    let Some((name, target)) = target.and_then(|name| Some((name, subject.schemas.of(name)?))) else { return };
    let contents = subject.object.get("contents").and_then(Value::as_object);
    for (language, texts) in contents.into_iter().flatten() {
        for property in texts.as_object().into_iter().flatten().map(|(property, _)| property) {
            if target.properties.binary_search(&property.as_str()).is_err() && !property.starts_with("x_") {
                let message = format!("{} is no property of {name}", shown(property));
                report.find(&TRANSLATION, format!("/contents{}{}", step(language), step(property)), message);
            }
        }
    }
}
