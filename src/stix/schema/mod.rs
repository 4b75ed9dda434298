//! The schemas of `schemas/stix-2.1`, built into the program and compiled once: what a type's
//! properties are, and what may stand in them.
//!
//! A type is a file there and nothing else: [`Schemas`] knows a type because there is a file of
//! its name. Two annotations of the schemas are keywords of their own, so that the schema stays
//! the one place that says it: `x-references` (the types that an identifier may name) and
//! `x-vocabulary` (the open vocabulary that a value should come from). The others are read here.
//!
//! Nothing is fetched, and every regular expression takes linear time. What a schema cannot say
//! is not here but among the rules.

mod keyword;
mod sentence;

use super::finding::{INDISPENSABLE, RECOMMENDED, REQUIRED, Report, Rule};
use super::json;
use super::network::is_network;
use super::timestamp::Timestamp;
use include_dir::{Dir, include_dir};
use jsonschema::{PatternOptions, ValidationError, Validator};
use oxilangtag::LanguageTag;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

/// Values that an object may be made of for all its errors to be reported.
const LARGE: usize = 5_000;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schemas/stix-2.1");

/// Where the definitions are that the types share.
const COMMON: &str = "https://entente.invalid/schemas/stix-2.1/common.json";

pub(super) static MISSING: Rule = Rule {
    id: "missing-property",
    clause: "STIX 2.1 §3.2",
    severities: REQUIRED,
    sentence: "An object has the properties that its type requires.",
};
pub(super) static WRONG_TYPE: Rule = Rule {
    id: "wrong-type",
    clause: "STIX 2.1 §2",
    severities: REQUIRED,
    sentence: "A value is of the data type of its property.",
};
pub(super) static MALFORMED: Rule = Rule {
    id: "malformed-value",
    clause: "STIX 2.1 §2",
    severities: REQUIRED,
    sentence: "A value, or the key of a dictionary, is written in the form of its data type: identifiers, \
               timestamps, hashes by their algorithm, addresses, and so on.",
};
pub(super) static NOT_ALLOWED: Rule = Rule {
    id: "value-not-allowed",
    clause: "STIX 2.1 §2",
    severities: REQUIRED,
    sentence: "A value is within its bounds, and one of those listed where the list is closed.",
};
pub(super) static COMBINATION: Rule = Rule {
    id: "property-combination",
    clause: "STIX 2.1 §3.2",
    severities: REQUIRED,
    sentence: "Properties that need, exclude or stand in for each other are used together accordingly.",
};
pub(super) static EMPTY: Rule = Rule {
    id: "empty-value",
    clause: "STIX 2.1 §2.12",
    severities: REQUIRED,
    sentence: "Lists and dictionaries are not empty: what has no value is left out.",
};
pub(super) static UNEXPECTED: Rule = Rule {
    id: "property-not-allowed",
    clause: "STIX 2.1 §3.2",
    severities: REQUIRED,
    sentence: "Where the list of properties is closed, there are no others.",
};
pub(super) static REFERENCE_TYPE: Rule = Rule {
    id: "reference-type",
    clause: "STIX 2.1 §2.9",
    severities: REQUIRED,
    sentence: "A reference names an object of a type that its property allows.",
};
pub(super) static VOCABULARY: Rule = Rule {
    id: "open-vocabulary",
    clause: "STIX 2.1 §10",
    severities: RECOMMENDED,
    sentence: "A value comes from the open vocabulary of its property.",
};
/// A fault of this program, not of the object: refused all the same, because nobody has judged it.
pub(super) static UNJUDGED: Rule = Rule {
    id: "unjudged",
    clause: "JSON Schema 2020-12",
    severities: INDISPENSABLE,
    sentence: "The schema of an object's type can be applied to it.",
};

/// The group of a type (STIX 2.1 §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// A domain object.
    Sdo,
    /// A relationship object.
    Sro,
    /// A cyber-observable object.
    Sco,
    /// A meta object: about objects.
    Meta,
    /// A bundle, which is no object.
    Bundle,
}

impl Category {
    fn of(schema: &Value) -> Option<Self> {
        match schema["x-category"].as_str()? {
            "sdo" => Some(Self::Sdo),
            "sro" => Some(Self::Sro),
            "sco" => Some(Self::Sco),
            "meta" => Some(Self::Meta),
            "bundle" => Some(Self::Bundle),
            _ => None,
        }
    }
}

/// A type, as its schema describes it.
#[derive(Debug)]
pub struct Type {
    /// Its group.
    pub category: Category,
    /// Whether the standard has it; the others are published extensions.
    pub is_standard: bool,
    /// Where it is described.
    pub clause: &'static str,
    /// The names of its properties, in ascending order.
    pub properties: Vec<&'static str>,
    /// The properties that a deterministic id is computed from (STIX 2.1 §3.4); `None` where ids are random.
    pub id_contributing: Option<Vec<&'static str>>,
    validator: Validator,
}

/// All schemas, compiled.
#[derive(Debug)]
pub struct Schemas {
    types: BTreeMap<&'static str, Type>,
    /// What objects of types without a schema are held against, by their group.
    others: HashMap<Category, Validator>,
}

/// Why the schemas cannot be used. Says which one, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("the built-in schema {file}: {reason}")]
pub struct SchemaFault {
    file: String,
    reason: String,
}

impl SchemaFault {
    fn new(file: &str, reason: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), reason: format!("{reason:#}") }
    }
}

/// A schema file, read.
struct Document {
    name: &'static str,
    schema: Value,
}

/// The files, read once: compiled schemas and error messages look at the same texts.
static DOCUMENTS: LazyLock<Result<Documents, SchemaFault>> = LazyLock::new(|| {
    let extensions = FILES.get_dir("extensions").into_iter().flat_map(Dir::files);
    let documents = FILES.files().chain(extensions).filter_map(|file| document(file).transpose());
    documents.collect()
});

/// The documents by their `$id`.
type Documents = BTreeMap<String, Document>;

/// A file as a document with its `$id`; `None` for one without, which is data for the others.
fn document(file: &'static include_dir::File<'static>) -> Result<Option<(String, Document)>, SchemaFault> {
    let name = file.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let schema: Value = serde_json::from_slice(file.contents()).map_err(|error| SchemaFault::new(name, error))?;
    let id = schema["$id"].as_str().map(str::to_owned);
    Ok(id.map(|id| (id, Document { name, schema })))
}

static SCHEMAS: LazyLock<Result<Schemas, SchemaFault>> = LazyLock::new(|| match &*DOCUMENTS {
    Ok(documents) => Schemas::compile(documents),
    Err(fault) => Err(SchemaFault::new(&fault.file, &fault.reason)),
});

impl Schemas {
    /// The schemas, compiled on first use: that takes some tens of milliseconds.
    pub fn compiled() -> Result<&'static Self, &'static SchemaFault> {
        SCHEMAS.as_ref()
    }

    fn compile(documents: &'static Documents) -> Result<Self, SchemaFault> {
        let mut registry = jsonschema::Registry::new();
        for (id, Document { name, schema }) in documents {
            registry = registry.add(id, schema).map_err(|error| SchemaFault::new(name, error))?;
        }
        let registry = registry.prepare().map_err(|error| SchemaFault::new("registry", error))?;
        let categories: HashMap<&str, Category> =
            documents.values().filter_map(|document| Some((document.name, Category::of(&document.schema)?))).collect();
        let categories = Arc::new(categories.into_iter().map(|(name, group)| (name.to_owned(), group)).collect());
        let options = keyword::with_own(jsonschema::options(), &categories, &vocabularies()?)
            .offline()
            .with_registry(&registry)
            .with_pattern_options(PatternOptions::regex())
            .should_validate_formats(true)
            .with_format("date-time", |text: &str| Timestamp::parse(text).is_some())
            .with_format("ipv4-network", |text: &str| is_network::<Ipv4Addr>(text))
            .with_format("ipv6-network", |text: &str| is_network::<Ipv6Addr>(text))
            .with_format("language-tag", |text: &str| LanguageTag::parse(text).is_ok());
        let build = |name: &str, schema: &Value| options.build(schema).map_err(|error| SchemaFault::new(name, error));
        let mut types = BTreeMap::new();
        for Document { name, schema } in documents.values() {
            let Some(category) = Category::of(schema) else { continue };
            types.insert(*name, Type::of(category, schema, documents, build(name, schema)?));
        }
        let mut others = HashMap::new();
        for (category, group) in [(Category::Sdo, "sdo"), (Category::Sro, "sro"), (Category::Sco, "sco")] {
            let reference = serde_json::json!({"$ref": format!("{COMMON}#/$defs/{group}")});
            others.insert(category, build(group, &reference)?);
        }
        Ok(Self { types, others })
    }

    /// The type with this name, if it has a schema.
    pub fn of(&self, object_type: &str) -> Option<&Type> {
        self.types.get(object_type)
    }

    /// The names of the types that have a schema, in ascending order.
    pub fn types(&self) -> impl Iterator<Item = (&'static str, &Type)> {
        self.types.iter().map(|(name, object_type)| (*name, object_type))
    }

    /// Holds an object against the schema of its type; one of a type without, against what all
    /// objects of its group have in common.
    ///
    /// Of a large object the first error is reported only, and of vocabularies nothing that concerns
    /// its large properties: all errors together could take a thousand times the memory of what is wrong.
    pub fn check(&self, object: &Value, object_type: &str, report: &mut Report<'_>) {
        let known = self.types.get(object_type);
        let Some(validator) =
            known.map(|known| &known.validator).or_else(|| self.others.get(&group_of_unknown(object)))
        else {
            return;
        };
        let clause = known.map_or(WRONG_TYPE.clause, |known| known.clause);
        if json::has_more_values_than(object, LARGE) {
            match validator.validate(object) {
                Err(error) => sentence::report(&error, clause, report),
                Ok(()) => check_vocabularies(validator, object, clause, report),
            }
            return;
        }
        for error in validator.iter_errors(object) {
            sentence::report(&error, clause, report);
        }
    }
}

/// Looks for values beyond the open vocabularies in a large object that is valid, leaving its large properties out.
fn check_vocabularies(validator: &Validator, object: &Value, clause: &str, report: &mut Report<'_>) {
    let members = object.as_object().into_iter().flatten();
    let small = members.filter(|(_, value)| !json::has_more_values_than(value, LARGE / 10));
    let small = Value::Object(small.map(|(name, value)| (name.clone(), value.clone())).collect());
    // What misses the properties left out is no fault of the object.
    let is_of_vocabulary = |error: &ValidationError<'_>| error.kind().keyword() == keyword::VOCABULARY;
    let errors = validator.iter_errors(&small).filter(is_of_vocabulary);
    errors.for_each(|error| sentence::report(&error, clause, report));
}

/// The group of an object of an unknown type: the one that its extension names (STIX 2.1 §7.3);
/// without one, a domain object says when it was created, and an observable does not.
fn group_of_unknown(object: &Value) -> Category {
    let extensions = object["extensions"].as_object().into_iter().flat_map(Map::values);
    let mut named = extensions.filter_map(|extension| match extension["extension_type"].as_str()? {
        "new-sdo" => Some(Category::Sdo),
        "new-sro" => Some(Category::Sro),
        "new-sco" => Some(Category::Sco),
        _ => None,
    });
    let has_versions = object.get("created").is_some() || object.get("modified").is_some();
    named.next().unwrap_or(if has_versions { Category::Sdo } else { Category::Sco })
}

impl Type {
    fn of(category: Category, schema: &'static Value, documents: &'static Documents, validator: Validator) -> Self {
        let description = schema["description"].as_str().unwrap_or_default();
        let clause = description.split(':').next().filter(|clause| clause.starts_with("STIX"));
        let contributing = schema["x-id-contributing"].as_array();
        Self {
            category,
            is_standard: clause.is_some(),
            clause: clause.unwrap_or("STIX 2.1 §7.3"),
            properties: properties(schema, documents),
            id_contributing: contributing.map(|names| names.iter().filter_map(Value::as_str).collect()),
            validator,
        }
    }
}

/// The names of all properties of a type: its own, and those of what it refers to at its root.
fn properties(schema: &'static Value, documents: &'static Documents) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    let mut next = Some(schema);
    let mut seen = HashSet::new();
    while let Some(schema) = next {
        names.extend(schema["properties"].as_object().into_iter().flat_map(Map::keys).map(String::as_str));
        // Definitions refer within their file, types to the common ones.
        let reference = schema["$ref"].as_str().filter(|reference| seen.insert(*reference));
        next = reference.and_then(|reference| documents.get(COMMON)?.schema.pointer(reference.split_once('#')?.1));
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The open vocabularies (STIX 2.1 §10), by name.
fn vocabularies() -> Result<Arc<keyword::Vocabularies>, SchemaFault> {
    const NAME: &str = "vocabularies.json";
    let text = FILES.get_file(NAME).map(include_dir::File::contents).unwrap_or_default();
    serde_json::from_slice(text).map(Arc::new).map_err(|error| SchemaFault::new(NAME, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_group_its_clause_and_its_properties() {
        let schemas = Schemas::compiled().unwrap();
        assert_eq!(schemas.types().count(), 46);
        let file = schemas.of("file").unwrap();
        assert_eq!((file.category, file.clause), (Category::Sco, "STIX 2.1 §6.7"));
        assert_eq!(
            file.id_contributing.as_deref(),
            Some(&["hashes", "name", "extensions", "parent_directory_ref"][..])
        );
        for name in ["id", "type", "hashes", "object_marking_refs", "defanged"] {
            assert!(file.properties.contains(&name), "{name}");
        }
        let relationship = schemas.of("relationship").unwrap();
        assert!(relationship.properties.contains(&"confidence"), "by way of sro and sdo");
        assert!(schemas.of("common").is_none() && schemas.of("tlp-2.0").is_none());
    }
}
