//! The schemas as files: where a definition stands, and what it refers to.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// All files, by their path below `schemas/stix-2.1`.
pub struct Schemas(BTreeMap<String, Value>);

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/stix-2.1");
    let mut files = BTreeMap::new();
    for folder in ["", "extensions/"] {
        for path in fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_file() {
                let name = format!("{folder}{}", path.file_name().unwrap().to_string_lossy());
                files.insert(name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap());
            }
        }
    }
    Schemas(files)
});

impl Schemas {
    /// Where a type is described.
    pub fn of(object_type: &str) -> Place {
        let name = format!("{object_type}.json");
        let (file, schema) = SCHEMAS.0.get_key_value(&name).unwrap_or_else(|| panic!("no schema of {object_type}"));
        Place { file, schema }
    }

    /// The properties that the id of an observable is computed from.
    pub fn contributing(object_type: &str) -> Option<Vec<&'static str>> {
        let schema = SCHEMAS.0.get(&format!("{object_type}.json"))?;
        Some(schema["x-id-contributing"].as_array()?.iter().map(|name| name.as_str().unwrap()).collect())
    }

    /// The types of a group, `*sdo`, or the one with this name.
    pub fn group(name: &str) -> Vec<&'static str> {
        let in_group = |schema: &Value| match name.strip_prefix('*') {
            Some(group) => schema["x-category"] == group,
            None => schema["title"] == name,
        };
        let found = SCHEMAS.0.iter().filter(|(_, schema)| schema.get("x-category").is_some() && in_group(schema));
        found.map(|(_, schema)| schema["title"].as_str().unwrap()).collect()
    }
}

/// The types of objects: those that have a schema, but for the bundle.
pub fn types() -> Vec<&'static str> {
    ["*sdo", "*sro", "*sco", "*meta"].into_iter().flat_map(Schemas::group).collect()
}

/// The values of every vocabulary, by its name.
pub fn vocabularies() -> &'static Map<String, Value> {
    SCHEMAS.0["vocabularies.json"].as_object().unwrap()
}

/// The properties that an object of a type must have.
pub fn required(object_type: &str) -> BTreeSet<&'static str> {
    Schemas::of(object_type).layers().iter().flat_map(|layer| layer.strings("required")).collect()
}

/// The properties of which an object of a type must have at least one, or exactly one.
pub fn alternatives(object_type: &str) -> BTreeSet<&'static str> {
    let layers = Schemas::of(object_type).layers();
    layers.iter().flat_map(|layer| [layer.branches("anyOf"), layer.branches("oneOf")]).flatten().flatten().collect()
}

/// The properties of a type that need this one.
pub fn dependents(object_type: &str, needed: &str) -> Vec<&'static str> {
    let dependent = Schemas::of(object_type).schema["dependentRequired"].as_object();
    let needs =
        dependent.into_iter().flatten().filter(|(_, list)| list.as_array().unwrap().iter().any(|n| n == needed));
    needs.map(|(name, _)| name.as_str()).collect()
}

/// A schema, and the file that it stands in.
#[derive(Clone, Copy)]
pub struct Place {
    file: &'static str,
    schema: &'static Value,
}

impl Place {
    /// Another schema of the same file.
    pub fn at(self, schema: &'static Value) -> Self {
        Self { schema, ..self }
    }

    /// A keyword's value.
    pub fn get(self, keyword: &str) -> Option<&'static Value> {
        self.schema.get(keyword)
    }

    /// The schema that is a keyword's value.
    pub fn child(self, keyword: &str) -> Option<Self> {
        Some(self.at(self.get(keyword)?))
    }

    /// The members of a keyword's value.
    pub fn members(self, keyword: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
        let members = self.get(keyword).and_then(Value::as_object);
        members.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// The strings of a keyword's value.
    pub fn strings(self, keyword: &str) -> Vec<&'static str> {
        strings(self.get(keyword))
    }

    /// The names that each branch of a choice requires; none if the choice is of another kind.
    pub fn branches(self, keyword: &str) -> Vec<Vec<&'static str>> {
        let branches = self.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        branches.iter().map(|branch| strings(branch.get("required"))).filter(|names| !names.is_empty()).collect()
    }

    /// Adds to the chosen properties those that they need.
    pub fn complete(self, chosen: &mut BTreeSet<&'static str>) {
        for _ in 0..3 {
            for (name, needed) in self.members("dependentRequired") {
                if chosen.contains(name) {
                    chosen.extend(strings(Some(needed)));
                }
            }
        }
    }

    /// Whether nothing fits.
    pub fn is_closed(self) -> bool {
        self.schema == &Value::Bool(false)
    }

    /// Whether values of several kinds fit, lists and objects among them.
    pub fn is_any(self) -> bool {
        self.get("type").and_then(Value::as_array).is_some_and(|kinds| kinds.iter().any(|kind| kind == "array"))
    }

    /// This schema and all that it refers to, the closest first.
    pub fn layers(self) -> Vec<Self> {
        let mut layers = vec![self];
        if let Some(reference) = self.get("$ref").and_then(Value::as_str) {
            layers.extend(self.resolve(reference).layers());
        }
        layers
    }

    fn resolve(self, reference: &str) -> Self {
        let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let folder = self.file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let name = match file.strip_prefix("../") {
            Some(above) => above.to_owned(),
            None if file.is_empty() => self.file.to_owned(),
            None => folder + file,
        };
        let (file, schema) = SCHEMAS.0.get_key_value(&name).unwrap();
        Self { file, schema: schema.pointer(fragment).unwrap() }
    }
}

fn strings(list: Option<&'static Value>) -> Vec<&'static str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
