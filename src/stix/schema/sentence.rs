//! What a schema's error means, in words for the analyst who wrote the object.

use super::{
    COMBINATION, DOCUMENTS, EMPTY, MALFORMED, MISSING, NOT_ALLOWED, REFERENCE_TYPE, UNEXPECTED, UNJUDGED, VOCABULARY,
    WRONG_TYPE, keyword,
};
use crate::stix::finding::{Report, Rule};
use crate::stix::json::{kind, shown_value, step};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;
use std::borrow::Cow;

/// As many allowed values as a sentence bears, in characters.
const LISTED: usize = 160;

/// Puts what an error of a schema means into `report`. `clause` is that of the object's type.
pub(super) fn report(error: &ValidationError<'_>, clause: &str, report: &mut Report<'_>) {
    let place = Place::of(error);
    let pointer = error.instance_path().as_str();
    let (rule, pointer, message) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            (place.rule_of_missing(), format!("{pointer}{}", step(name)), "is missing".to_owned())
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let name = unexpected.first().map_or("", String::as_str);
            (&UNEXPECTED, format!("{pointer}{}", step(name)), "must not be here".to_owned())
        }
        Kind::PropertyNames { error: inner } => {
            let name = error_name(inner);
            let inner_place = Place::of(inner);
            let (rule, message) = what(inner, &inner_place);
            (rule, format!("{pointer}{}", step(&name)), format!("the key {message}"))
        }
        _ => {
            let (rule, message) = what(error, &place);
            (rule, pointer.to_owned(), message)
        }
    };
    // One refusal tells enough of a place: what is no timestamp has no fraction either.
    if report.wants(rule) && !report.refuses(&pointer) {
        let clause = place.clause.unwrap_or_else(|| clause.to_owned());
        report.find_by(rule, Cow::Owned(clause), pointer, message);
    }
}

/// The key that a `propertyNames` error is about.
fn error_name(inner: &ValidationError<'_>) -> String {
    inner.instance().as_str().unwrap_or_default().to_owned()
}

/// The rule that an error breaks, and what is wrong.
fn what(error: &ValidationError<'_>, place: &Place) -> (&'static Rule, String) {
    let value = error.instance();
    let found = || shown_value(value);
    match error.kind() {
        Kind::Type { kind: expected } => {
            (&WRONG_TYPE, format!("should be {}, is {}", type_words(expected), kind(value)))
        }
        Kind::Pattern { .. } | Kind::Format { .. } | Kind::MinLength { .. } | Kind::MaxLength { .. } => {
            let form = place.form.as_deref().unwrap_or("of the form that the standard asks for");
            (&MALFORMED, format!("{} is not {form}", found()))
        }
        Kind::Not { .. } => (
            &MALFORMED,
            place.form.as_deref().map_or_else(|| not(&found()), |form| format!("{} is not {form}", found())),
        ),
        Kind::Enum { options } => (&NOT_ALLOWED, format!("{} is not one of {}", found(), listed(options))),
        Kind::Constant { expected_value } => {
            (&NOT_ALLOWED, format!("{} should be {}", found(), shown_value(expected_value)))
        }
        Kind::Minimum { limit } => (&NOT_ALLOWED, format!("{} is less than {limit}", found())),
        Kind::Maximum { limit } => (&NOT_ALLOWED, format!("{} is more than {limit}", found())),
        Kind::ExclusiveMinimum { limit } => (&NOT_ALLOWED, format!("{} is not more than {limit}", found())),
        Kind::ExclusiveMaximum { limit } => (&NOT_ALLOWED, format!("{} is not less than {limit}", found())),
        Kind::MinItems { .. } if value.as_array().is_some_and(Vec::is_empty) => {
            (&EMPTY, "is an empty list: leave the property out instead".to_owned())
        }
        Kind::MinProperties { .. } => (&EMPTY, "is empty: leave it out instead".to_owned()),
        Kind::MinItems { limit } => (&NOT_ALLOWED, format!("has fewer than {limit} items")),
        Kind::MaxItems { limit } => (&NOT_ALLOWED, format!("has more than {limit} items")),
        Kind::MaxProperties { limit } => (&UNEXPECTED, format!("has more than {limit} members")),
        Kind::FalseSchema => (&COMBINATION, "must not be here together with what else the object says".to_owned()),
        Kind::AnyOf { .. } => (&COMBINATION, place.choice("at least one of")),
        Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. } => (&COMBINATION, place.choice("exactly one of")),
        Kind::Contains => (&COMBINATION, place.form_or("lacks an item that it must have")),
        Kind::Custom { keyword, message } if keyword == keyword::REFERENCES => (&REFERENCE_TYPE, message.clone()),
        Kind::Custom { keyword, message } if keyword == keyword::VOCABULARY => (&VOCABULARY, message.clone()),
        other => (&UNJUDGED, format!("cannot be held against its schema: {}", other.keyword())),
    }
}

fn not(found: &str) -> String {
    format!("{found} is not allowed here")
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
        let Some(document) = documents.iter().find(|document| document.id == id) else { return Self::default() };
        let fragment = percent_decoded(fragment);
        let Some((parent, _)) = fragment.rsplit_once('/') else { return Self::default() };
        let around = document.schema.pointer(parent);
        let branches = document.schema.pointer(&fragment).and_then(Value::as_array);
        let named = branches.into_iter().flatten().filter_map(|branch| branch["required"].as_array()).flatten();
        Self {
            clause: clause(document.schema, parent),
            form: around.and_then(|schema| schema["x-form"].as_str()).map(str::to_owned),
            alternatives: named.filter_map(Value::as_str).map(str::to_owned).collect(),
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
            (None, false) => format!("needs {needed} {}", self.alternatives.join(", ")),
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
