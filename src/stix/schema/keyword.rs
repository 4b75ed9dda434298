//! The keywords that STIX needs beyond JSON Schema's own: `x-references` and `x-vocabulary`.
//! Each holds for a string, and for every string of a list.

use super::Category;
use crate::stix::json::shown;
use jsonschema::{Keyword, ValidationError, ValidationOptions};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(super) const REFERENCES: &str = "x-references";
pub(super) const VOCABULARY: &str = "x-vocabulary";

/// The values of each vocabulary, by its name.
pub(super) type Vocabularies = BTreeMap<String, Vec<String>>;

/// The options, with the keywords known.
pub(super) fn with_own<'r>(
    options: ValidationOptions<'r>,
    categories: &Arc<HashMap<String, Category>>,
    vocabularies: &Arc<Vocabularies>,
) -> ValidationOptions<'r> {
    let (categories, vocabularies) = (Arc::clone(categories), Arc::clone(vocabularies));
    options
        .with_keyword(REFERENCES, move |_, allowed, _| {
            let allowed = serde_json::from_value(allowed.clone()).map_err(|error| invalid(&error))?;
            Ok(Box::new(References { allowed, categories: Arc::clone(&categories) }))
        })
        .with_keyword(VOCABULARY, move |_, name, _| {
            let name: String = serde_json::from_value(name.clone()).map_err(|error| invalid(&error))?;
            let values = vocabularies.get(&name).ok_or_else(|| invalid(&format!("there is no vocabulary {name}")))?;
            Ok(Box::new(Vocabulary { values: values.clone(), name }))
        })
}

fn invalid(reason: &impl ToString) -> ValidationError<'static> {
    ValidationError::schema(reason.to_string())
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    std::slice::from_ref(value).iter().chain(list).filter_map(Value::as_str)
}

/// An identifier names an object of one of these types, or of one of these groups (`*sdo`).
struct References {
    allowed: Vec<String>,
    categories: Arc<HashMap<String, Category>>,
}

impl References {
    /// The first reference that leads elsewhere. A type that nobody knows may be of any group.
    fn stray<'v>(&self, value: &'v Value) -> Option<&'v str> {
        strings(value).find(|id| id.split_once("--").is_some_and(|(object_type, _)| !self.allows(object_type)))
    }

    fn allows(&self, object_type: &str) -> bool {
        let category = self.categories.get(object_type);
        self.allowed.iter().any(|allowed| match (allowed.as_str(), category) {
            (group, None) if group.starts_with('*') => true,
            ("*sdo", Some(category)) => *category == Category::Sdo,
            ("*sro", Some(category)) => *category == Category::Sro,
            ("*sco", Some(category)) => *category == Category::Sco,
            ("*meta", Some(category)) => *category == Category::Meta,
            (name, _) => name == object_type,
        })
    }

    fn words(&self) -> String {
        let word = |allowed: &String| match allowed.as_str() {
            "*sdo" => "a domain object".to_owned(),
            "*sro" => "a relationship or sighting".to_owned(),
            "*sco" => "an observable".to_owned(),
            "*meta" => "a meta object".to_owned(),
            name => name.to_owned(),
        };
        self.allowed.iter().map(word).collect::<Vec<_>>().join(" or ")
    }
}

impl<'i> Keyword<'i> for References {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        let Some(id) = self.stray(instance) else { return Ok(()) };
        Err(ValidationError::custom(format!("refers to {}: it may refer to {}", shown(id), self.words())))
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.stray(instance).is_none()
    }
}

/// A value comes from this vocabulary.
struct Vocabulary {
    name: String,
    values: Vec<String>,
}

impl Vocabulary {
    fn unlisted<'v>(&self, value: &'v Value) -> Option<&'v str> {
        strings(value).find(|text| !self.values.iter().any(|listed| listed == text))
    }
}

/// An open vocabulary makes no object invalid: only who asks for all that is to be said hears of it.
impl<'i> Keyword<'i> for Vocabulary {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        true
    }

    fn iter_errors(&self, instance: &'i Value) -> Box<dyn Iterator<Item = ValidationError<'i>> + 'i> {
        let words = |text| format!("{} is not in the open vocabulary {}", shown(text), self.name);
        Box::new(self.unlisted(instance).map(|text| ValidationError::custom(words(text))).into_iter())
    }
}
