//! Answers, held against the schemas of TAXII's resources.

use jsonschema::{PatternOptions, Registry, Validator};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// The validator of each resource, by its file's name.
static RESOURCES: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/taxii-2.1");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let schemas: Vec<(String, Value)> = files
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
        })
        .collect();
    let registry = schemas
        .iter()
        .fold(Registry::new(), |registry, (_, schema)| registry.add(schema["$id"].as_str().unwrap(), schema).unwrap());
    let registry = registry.prepare().unwrap();
    let options =
        jsonschema::options().offline().with_registry(&registry).with_pattern_options(PatternOptions::regex());
    schemas.iter().map(|(name, schema)| (name.clone(), options.build(schema).unwrap())).collect()
});

/// The resource that a good answer to this path is.
fn resource_of(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap().trim_end_matches('/');
    let below = path.split("/collections").nth(1);
    match below.map(|below| below.trim_start_matches('/').split('/').collect::<Vec<_>>()).as_deref() {
        Some([""]) => Some("collections"),
        Some([_]) => Some("collection"),
        Some([_, "manifest"]) => Some("manifest"),
        Some([_, "objects"] | [_, "objects", _]) => Some("envelope"),
        Some([_, "objects", _, "versions"]) => Some("versions"),
        Some(_) => None,
        None if path == "/taxii2" => Some("discovery"),
        None if path == "/x-entente/whoami" => None,
        None if path.contains("/status/") => Some("status"),
        None => Some("api-root"),
    }
}

/// Panics unless this is the resource that the path has under this status. `empty` pages with
/// lists are a setting of ours that the standard does not know.
pub fn must_fit(path: &str, status: u16, body: &Value) {
    let name = match status {
        200 => resource_of(path),
        202 => Some("status"),
        _ => Some("error"),
    };
    let empty_list = ["objects", "versions"].iter().any(|list| body[list].as_array().is_some_and(Vec::is_empty));
    let Some(validator) = name.and_then(|name| RESOURCES.get(name)).filter(|_| !empty_list) else { return };
    let faults: Vec<String> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{path} {status}: {}\n{body}", faults.join("\n"));
}
