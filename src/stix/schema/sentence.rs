//! What a schema's error means, in words for the analyst who wrote the object.

use super::{
    COMBINATION, DOCUMENTS, EMPTY, MALFORMED, MISSING, NOT_ALLOWED, REFERENCE_TYPE, UNEXPECTED, UNJUDGED, VOCABULARY,
    WRONG_TYPE, keyword,
};
use crate::stix::finding::{Report, Rule};
use crate::stix::json::{self, shown_value, step};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::LocationSegment;
use serde_json::Value;
use std::borrow::Cow;

/// As many allowed values as a sentence bears, in characters.
const LISTED: usize = 160;

/// Puts what an error of a schema means into `report`. `clause` is that of the object's type.
pub(super) fn report(error: &ValidationError<'_>, clause: &str, report: &mut Report<'_>) {
    let (subject, key) = match error.kind() {
        // A key that is not as it should be: what is wrong with it is an error of its own.
        Kind::PropertyNames { error: inner } => (&**inner, Some(error_name(inner))),
        _ => (error, None),
    };
    let rule = rule(subject.kind(), subject.instance());
    if report.has_enough_of(rule) {
        return;
    }
    let place = Place::of(subject);
    let name = match subject.kind() {
        Kind::Required { property } => property.as_str(),
        Kind::AdditionalProperties { unexpected } => unexpected.first().map(String::as_str),
        _ => key.as_deref(),
    };
    let pointer = pointer(error) + &name.map_or_else(String::new, step);
    // One fault tells enough of a place: what is no timestamp has no fraction either.
    if report.faults(&pointer) {
        return;
    }
    let rule = if matches!(subject.kind(), Kind::Required { .. }) { place.rule_of_missing() } else { rule };
    let message = message(subject.kind(), subject.instance(), &place);
    let message = if key.is_some() { format!("the key {message}") } else { message };
    let clause = place.clause.unwrap_or_else(|| clause.to_owned());
    report.find_by(rule, Cow::Owned(clause), pointer, message);
}

/// The place of a value, each step cut as for people.
fn pointer(error: &ValidationError<'_>) -> String {
    let steps = error.instance_path().segments().map(|segment| match segment {
        LocationSegment::Property(name) => step(&name),
        LocationSegment::Index(index) => format!("/{index}"),
    });
    steps.collect()
}

/// The key that a `propertyNames` error is about.
fn error_name(inner: &ValidationError<'_>) -> String {
    inner.instance().as_str().unwrap_or_default().to_owned()
}

/// The rule that an error breaks.
fn rule(kind: &Kind, value: &Value) -> &'static Rule {
    match kind {
        Kind::Required { .. } => &MISSING,
        Kind::Type { .. } => &WRONG_TYPE,
        Kind::Pattern { .. }
        | Kind::Format { .. }
        | Kind::MinLength { .. }
        | Kind::MaxLength { .. }
        | Kind::Not { .. } => &MALFORMED,
        Kind::MinItems { .. } if value.as_array().is_some_and(Vec::is_empty) => &EMPTY,
        Kind::MinProperties { .. } => &EMPTY,
        Kind::Enum { .. }
        | Kind::Constant { .. }
        | Kind::Minimum { .. }
        | Kind::Maximum { .. }
        | Kind::MinItems { .. }
        | Kind::MaxItems { .. } => &NOT_ALLOWED,
        Kind::AdditionalProperties { .. } | Kind::MaxProperties { .. } => &UNEXPECTED,
        Kind::FalseSchema
        | Kind::AnyOf { .. }
        | Kind::OneOfNotValid { .. }
        | Kind::OneOfMultipleValid { .. }
        | Kind::Contains => &COMBINATION,
        Kind::Custom { keyword, .. } if keyword == keyword::REFERENCES => &REFERENCE_TYPE,
        Kind::Custom { keyword, .. } if keyword == keyword::VOCABULARY => &VOCABULARY,
        _ => &UNJUDGED,
    }
}

/// What is wrong with a value, in words.
fn message(kind: &Kind, value: &Value, place: &Place) -> String {
    let found = || shown_value(value);
    match kind {
        Kind::Required { .. } => "is missing".to_owned(),
        Kind::AdditionalProperties { .. } => "must not be here".to_owned(),
        Kind::Type { kind: expected } => format!("should be {}, is {}", type_words(expected), json::kind(value)),
        Kind::Pattern { .. } | Kind::Format { .. } | Kind::MinLength { .. } | Kind::MaxLength { .. } => {
            format!("{} is not {}", found(), place.form_or("of the form that the standard asks for"))
        }
        Kind::Not { .. } => match &place.form {
            Some(form) => format!("{} is not {form}", found()),
            None => format!("{} is not allowed here", found()),
        },
        Kind::Enum { options } => format!("{} is not one of {}", found(), listed(options)),
        Kind::Constant { expected_value } => format!("{} should be {}", found(), shown_value(expected_value)),
        Kind::Minimum { limit } => format!("{} is less than {limit}", found()),
        Kind::Maximum { limit } => format!("{} is more than {limit}", found()),
        Kind::MinItems { .. } if value.as_array().is_some_and(Vec::is_empty) => {
            "is an empty list: leave the property out instead".to_owned()
        }
        Kind::MinProperties { .. } => "is empty: leave it out instead".to_owned(),
        Kind::MinItems { limit } => format!("has fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("has more than {limit} items"),
        Kind::MaxProperties { limit } => format!("has more than {limit} members"),
        Kind::FalseSchema => "must not be here together with what else the object says".to_owned(),
        Kind::AnyOf { .. } => place.choice("at least one of"),
        Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. } => place.choice("exactly one of"),
        Kind::Contains => place.form_or("lacks an item that it must have"),
        Kind::Custom { message, .. } => message.clone(),
        other => format!("cannot be held against its schema: {}", other.keyword()),
    }
}

fn type_words(expected: &TypeKind) -> String {
    let words = |name: &str| match name {
        "array" => "a list".to_owned(),
        "integer" => "an integer".to_owned(),
        "object" => "an object".to_owned(),
        "null" => "null".to_owned(),
        other => format!("a {other}"),
    };
    match expected {
        TypeKind::Single(single) => words(&single.to_string()),
        TypeKind::Multiple(several) => {
            several.iter().map(|one| words(&one.to_string())).collect::<Vec<_>>().join(" or ")
        }
    }
}

/// As much of a list as a sentence bears.
fn cut(list: &str) -> String {
    let cut: String = list.chars().take(LISTED).collect();
    if cut.len() < list.len() { cut + "…" } else { cut }
}

/// The allowed values, as many as a sentence bears.
fn listed(options: &Value) -> String {
    let mut text = String::new();
    for option in options.as_array().into_iter().flatten() {
        if text.len() > LISTED {
            return text + ", …";
        }
        let separator = if text.is_empty() { "" } else { ", " };
        text = text + separator + &shown_value(option);
    }
    text
}

/// The place in a schema that an error comes from, and what stands around it.
#[derive(Default)]
struct Place {
    /// The nearest clause above it.
    clause: Option<String>,
    /// What its value should look like, in words: `x-form`.
    form: Option<String>,
    /// Properties of which some are required: those of the branches of an `anyOf` or `oneOf`.
    alternatives: Vec<String>,
    /// Whether it stands where a property is required because of another one.
    conditional: bool,
}

impl Place {
    fn of(error: &ValidationError<'_>) -> Self {
        let Some(location) = error.absolute_keyword_location().map(ToString::to_string) else {
            return Self::default();
        };
        let Some((id, fragment)) = location.split_once('#') else { return Self::default() };
        let Ok(documents) = &*DOCUMENTS else { return Self::default() };
        let Some(document) = documents.get(id) else { return Self::default() };
        let fragment = percent_decoded(fragment);
        let Some((parent, _)) = fragment.rsplit_once('/') else { return Self::default() };
        let around = document.schema.pointer(parent);
        let branches = document.schema.pointer(&fragment).and_then(Value::as_array);
        let needed = branches.into_iter().flatten().filter_map(|branch| branch["required"].as_array());
        let together = |names: &Vec<Value>| names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" with ");
        Self {
            clause: clause(&document.schema, parent),
            form: around.and_then(|schema| schema["x-form"].as_str()).map(str::to_owned),
            alternatives: needed.map(together).collect(),
            conditional: fragment.contains("/dependentRequired") || fragment.contains("/then"),
        }
    }

    fn rule_of_missing(&self) -> &'static Rule {
        if self.conditional { &COMBINATION } else { &MISSING }
    }

    fn form_or(&self, otherwise: &str) -> String {
        self.form.clone().unwrap_or_else(|| otherwise.to_owned())
    }

    fn choice(&self, needed: &str) -> String {
        match (&self.form, self.alternatives.is_empty()) {
            (Some(form), _) => format!("is not {form}"),
            (None, false) => format!("needs {needed} {}", cut(&self.alternatives.join(", "))),
            (None, true) => "fits none of the forms that are allowed".to_owned(),
        }
    }
}

/// The clause named nearest above a place.
fn clause(schema: &Value, place: &str) -> Option<String> {
    let mut place = place;
    loop {
        let description = schema.pointer(place).and_then(|schema| schema["description"].as_str()).unwrap_or_default();
        let clause = description.split(':').next().unwrap_or_default();
        if clause.starts_with('§') {
            return Some(format!("STIX 2.1 {clause}"));
        }
        if clause.starts_with("STIX") || clause.starts_with("RFC") {
            return Some(clause.to_owned());
        }
        place = place.rsplit_once('/')?.0;
    }
}

/// Locations are URIs; names in our schemas are ASCII, and a few keywords (`$defs`) are encoded.
fn percent_decoded(fragment: &str) -> String {
    fragment.replace("%24", "$").replace("%5E", "^")
}
