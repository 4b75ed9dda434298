//! Objects made by machine from the schemas, clean under every profile: what a schema says of a
//! property decides what stands in it, a tape of numbers decides which of several.
//!
//! What a schema leaves to its conditions, and what the rules ask beyond it, is put right by hand
//! ([`adjust`]). A form that the generator does not know is a panic: a new one must be taught.

mod adjust;
mod schemas;
mod text;

use schemas::{Place, Schemas};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub use schemas::{alternatives, dependents, required, types, vocabularies};

/// The namespace of deterministic ids (STIX 2.1 §2.9).
const OBSERVABLES: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

/// Extensions that nobody has heard of.
const UNKNOWN: [&str; 2] = [
    "extension-definition--1f0cfa1c-31ce-4b43-91d8-4ad3ba2a4e31",
    "extension-definition--1f0cfa1c-31ce-4b43-91d8-4ad3ba2a4e32",
];

/// Where choices come from: what is not on the tape is zero, the plainest choice.
pub struct Tape<'t>(std::slice::Iter<'t, u16>);

impl<'t> Tape<'t> {
    /// A tape of these numbers.
    pub fn new(choices: &'t [u16]) -> Self {
        Self(choices.iter())
    }

    /// One of so many.
    pub fn pick(&mut self, of: usize) -> usize {
        self.0.next().map_or(0, |choice| usize::from(*choice) % of)
    }

    /// One of these.
    pub fn among<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.pick(of.len())].clone()
    }

    /// Once in so many times; never at the end of the tape.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.pick(times) == 1
    }
}

/// An identifier: of this type, with a random UUID.
pub fn id(object_type: &str, number: usize) -> String {
    format!("{object_type}--{number:08x}-1111-4111-8111-111111111111")
}

/// The object of a type that has what the type requires, and nothing else.
pub fn smallest(object_type: &str) -> Value {
    make(object_type, &[])
}

/// An object of a type, by a tape.
pub fn make(object_type: &str, tape: &[u16]) -> Value {
    let place = Schemas::of(object_type);
    let mut maker = Maker { tape: Tape::new(tape), object_type: object_type.to_owned() };
    let layers = place.layers();
    let Value::Object(mut members) = maker.object(&layers, &["type", "id", "granular_markings", "definition"]) else {
        panic!("{object_type} is an object");
    };
    members.insert("type".to_owned(), json!(object_type));
    members.insert("id".to_owned(), json!(id(object_type, 0)));
    maker.adjust(&mut members);
    let mut object = Value::Object(members);
    identify(&mut object);
    object
}

/// Gives an observable the id of what it says. Other objects, and those without a type that is
/// known, are left as they are.
pub fn identify(object: &mut Value) {
    let Some(object_type) = object["type"].as_str().map(str::to_owned) else { return };
    let Some(names) = Schemas::contributing(&object_type) else { return };
    if object.get("id").is_none_or(|id| !id.is_string()) {
        return;
    }
    let mut contributing = Map::new();
    for name in names {
        match object.get(name) {
            Some(Value::Object(hashes)) if name == "hashes" => {
                let first = ["MD5", "SHA-1", "SHA-256", "SHA-512"].into_iter().find(|name| hashes.contains_key(*name));
                let first = first.or_else(|| hashes.keys().next().map(String::as_str));
                let one = first.map(|first| (name.to_owned(), json!({first: hashes[first]})));
                contributing.extend(one);
            }
            Some(value) => drop(contributing.insert(name.to_owned(), value.clone())),
            None => {}
        }
    }
    let computed = || Uuid::new_v5(&OBSERVABLES, &serde_json_canonicalizer::to_vec(&contributing).unwrap());
    let id = if contributing.is_empty() { id(&object_type, 0) } else { format!("{object_type}--{}", computed()) };
    object["id"] = json!(id);
}

struct Maker<'t> {
    tape: Tape<'t>,
    object_type: String,
}

/// The properties of an object that several layers describe, with the layers of each.
fn properties(layers: &[Place]) -> BTreeMap<&'static str, Vec<Place>> {
    let mut found: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    for layer in layers {
        for (name, schema) in layer.members("properties").filter(|(_, schema)| schema.is_object()) {
            found.entry(name).or_default().extend(layer.at(schema).layers());
        }
    }
    found
}

impl Maker<'_> {
    /// A value of the property `name`, as these layers of schema describe it.
    fn value(&mut self, name: &str, layers: &[Place]) -> Value {
        let find = |keyword: &str| layers.iter().find_map(|layer| layer.get(keyword));
        if name == "extensions" {
            return self.extensions(layers);
        }
        if let Some(value) = find("const") {
            return value.clone();
        }
        if let Some(values) = find("enum") {
            return self.tape.among(values.as_array().unwrap());
        }
        match find("type") {
            Some(Value::String(kind)) => self.of_kind(kind, name, layers),
            Some(Value::Array(kinds)) => {
                let kind = self.tape.among(kinds);
                self.of_kind(kind.as_str().unwrap(), name, layers)
            }
            _ => {
                let layer = layers.iter().find(|layer| layer.get("anyOf").is_some());
                let layer = layer.unwrap_or_else(|| panic!("the generator cannot tell what {name} is"));
                let branches = layer.get("anyOf").unwrap().as_array().unwrap();
                let branch = &branches[self.tape.pick(branches.len())];
                self.value(name, &layer.at(branch).layers())
            }
        }
    }

    fn of_kind(&mut self, kind: &str, name: &str, layers: &[Place]) -> Value {
        let find = |keyword: &str| layers.iter().find_map(|layer| layer.get(keyword));
        let bound = |keyword: &str| find(keyword).and_then(Value::as_i64);
        match kind {
            "string" => Value::String(self.text(name, layers)),
            "boolean" => json!(self.tape.once_in(2)),
            "integer" => {
                let (low, high) = (bound("minimum").unwrap_or(-100), bound("maximum").unwrap_or(100));
                json!(self.tape.among(&[low.max(1).min(high), low, high, low.max(0).min(high)]))
            }
            "number" => {
                let (low, high) = (bound("minimum").unwrap_or(-100), bound("maximum").unwrap_or(100));
                self.tape.among(&[json!(low), json!(high), json!(low.max(0)), json!(0.25), json!(7.5e-3)])
            }
            "array" => {
                let items = layers.iter().filter_map(|layer| layer.child("items")).flat_map(Place::layers);
                // What is said of references and vocabularies is said of the list, and holds for its items.
                let said =
                    |layer: &&Place| ["x-references", "x-vocabulary"].iter().any(|name| layer.get(name).is_some());
                let item: Vec<Place> = items.chain(layers.iter().filter(said).copied()).collect();
                let count = 1 + self.tape.pick(3);
                (0..count).map(|_| self.value(name, &item)).collect()
            }
            "object" => self.object(layers, &[]),
            other => panic!("the generator knows no {other}"),
        }
    }

    /// An object with what it must have, and some of what it may have.
    fn object(&mut self, layers: &[Place], skip: &[&str]) -> Value {
        let properties = properties(layers);
        let required: BTreeSet<&str> = layers.iter().flat_map(|layer| layer.strings("required")).collect();
        let mut chosen: BTreeSet<&str> =
            properties.keys().copied().filter(|name| required.contains(name) || self.tape.once_in(3)).collect();
        for layer in layers {
            self.choose(*layer, &required, &mut chosen);
        }
        for layer in layers {
            layer.complete(&mut chosen);
        }
        let least = layers.iter().filter_map(|layer| layer.get("minProperties")?.as_u64()).max().unwrap_or(0);
        let more: Vec<&str> = properties.keys().copied().filter(|name| !chosen.contains(name)).collect();
        let missing = usize::try_from(least).unwrap().saturating_sub(chosen.len());
        for _ in 0..missing.min(more.len()) {
            chosen.insert(self.tape.among(&more));
        }
        let mut members = Map::new();
        for name in chosen.into_iter().filter(|name| !skip.contains(name)) {
            members.insert(name.to_owned(), self.value(name, &properties[name]));
        }
        if properties.is_empty() {
            self.entries(layers, &mut members);
        }
        Value::Object(members)
    }

    /// Of properties that stand in for each other, one; of those that exclude each other, no more.
    fn choose(&mut self, layer: Place, required: &BTreeSet<&str>, chosen: &mut BTreeSet<&'static str>) {
        for (keyword, is_exclusive) in [("anyOf", false), ("oneOf", true)] {
            let branches = layer.branches(keyword);
            if branches.is_empty() {
                continue;
            }
            let is_satisfied = branches.iter().any(|branch| branch.iter().all(|name| chosen.contains(name)));
            if is_satisfied && !is_exclusive {
                continue;
            }
            let branch = &branches[self.tape.pick(branches.len())];
            if is_exclusive {
                let others: Vec<&str> =
                    branches.iter().flatten().copied().filter(|name| !branch.contains(name)).collect();
                chosen.retain(|name| required.contains(name) || !others.contains(name));
            }
            chosen.extend(branch);
        }
    }

    /// Keys and values of a dictionary.
    fn entries(&mut self, layers: &[Place], members: &mut Map<String, Value>) {
        let entry: Vec<Place> = layers
            .iter()
            .filter_map(|layer| layer.child("additionalProperties"))
            .filter(|layer| !layer.is_closed())
            .take(1)
            .flat_map(Place::layers)
            .collect();
        if entry.is_empty() {
            return;
        }
        for key in ["key", "Key_2", "a-3"].into_iter().take(1 + self.tape.pick(3)) {
            let value = if entry.iter().any(|layer| layer.is_any()) { self.json(3) } else { self.value(key, &entry) };
            members.insert(key.to_owned(), value);
        }
    }

    /// Any value but null and what is empty.
    fn json(&mut self, depth: usize) -> Value {
        match self.tape.pick(if depth == 0 { 4 } else { 6 }) {
            0 => json!(self.free_text()),
            1 => json!(self.tape.pick(1000)),
            2 => json!(-0.5),
            3 => json!(true),
            4 => json!([self.json(depth - 1)]),
            _ => json!({ "Inner": self.json(depth - 1) }),
        }
    }

    /// The predefined extensions of the type, and one that nobody knows.
    fn extensions(&mut self, layers: &[Place]) -> Value {
        let known = properties(layers);
        let keys: Vec<&str> = known.keys().copied().filter(|_| self.object_type != "marking-definition").collect();
        let mut extensions = Map::new();
        let picked = self.tape.pick(keys.len() + 1);
        if let Some(key) = keys.get(picked) {
            let Value::Object(mut extension) = self.object(&known[key], &[]) else { panic!("{key} is an object") };
            if key.starts_with("extension-definition--") {
                extension.insert("extension_type".to_owned(), json!("new-sco"));
            }
            extensions.insert((*key).to_owned(), Value::Object(extension));
        }
        if extensions.is_empty() || self.tape.once_in(3) {
            let rank = self.json(1);
            extensions.insert(UNKNOWN[0].to_owned(), json!({"extension_type": "property-extension", "rank": rank}));
        }
        Value::Object(extensions)
    }
}
