//! The schemas of `schemas/stix-2.1`, held against the sample set: they are well-formed, refer
//! to each other only, and call every sample object valid.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use entente::stix::finding::Profile;
use entente::stix::head::Spec;
use entente::stix::judge::Judge;
use entente::stix::pattern::Pattern;
use entente::stix::rules::references;
use jsonschema::{PatternOptions, Registry, Validator};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(project(folder)).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// The validator of each type, by its name. Patterns are matched in linear time.
fn validators() -> HashMap<String, Validator> {
    let files = [files("schemas/stix-2.1"), files("schemas/stix-2.1/extensions")].concat();
    let read = |file: &PathBuf| serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap();
    let schemas: Vec<(String, Value)> = files
        .iter()
        .map(|file| (file.file_stem().unwrap().to_string_lossy().into_owned(), read(file)))
        .filter(|(_, schema)| schema.get("$id").is_some())
        .collect();
    let registry = schemas
        .iter()
        .fold(Registry::new(), |registry, (_, schema)| registry.add(schema["$id"].as_str().unwrap(), schema).unwrap())
        .prepare()
        .unwrap();
    let options =
        jsonschema::options().offline().with_registry(&registry).with_pattern_options(PatternOptions::regex());
    schemas.iter().map(|(name, schema)| (name.clone(), options.build(schema).unwrap())).collect()
}

fn samples() -> Vec<Value> {
    let files = files("src/cli/demo").into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "ndjson"));
    let texts: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_sample_object_is_valid_by_the_schema_of_its_type() {
    let validators = validators();
    for object in samples() {
        let name = object["type"].as_str().unwrap();
        let validator = validators.get(name).unwrap_or_else(|| panic!("no schema for {name}"));
        let faults: Vec<String> =
            validator.iter_errors(&object).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{}: {}", object["id"], faults.join("\n"));
    }
}

/// The whole sample set is what a strict collection takes without a word.
#[test]
fn every_sample_object_is_clean_under_strict_and_refers_to_others_of_the_set() {
    let judge = Judge::new().unwrap();
    let samples = samples();
    let ids: HashSet<&str> = samples.iter().map(|object| object["id"].as_str().unwrap()).collect();
    assert!(samples.len() > 250);
    for object in &samples {
        let verdict = judge.judge(object.to_string().as_bytes(), Profile::Strict, &[Spec::V21]).verdict;
        assert!(verdict.is_clean(), "{}: {:?}", object["id"], verdict.findings());
        references(object, &mut |id, pointer| assert!(ids.contains(id), "{}{}", object["id"], pointer()));
    }
}

#[test]
fn an_object_without_a_required_property_is_not_valid() {
    let validators = validators();
    for object in samples().into_iter().filter(|object| object["type"] == "indicator").take(3) {
        for name in ["pattern", "pattern_type", "valid_from", "created", "modified", "spec_version", "id"] {
            let mut broken = object.clone();
            broken.as_object_mut().unwrap().remove(name);
            assert!(!validators["indicator"].is_valid(&broken), "{name}");
        }
    }
}

#[test]
fn every_sample_pattern_is_read_and_printed_as_it_stands() {
    let patterns: Vec<String> =
        samples().iter().filter_map(|object| object["pattern"].as_str().map(str::to_owned)).collect();
    assert!(patterns.len() > 60);
    for pattern in patterns {
        let read = Pattern::parse(&pattern).unwrap_or_else(|fault| panic!("{pattern}: {fault}"));
        assert_eq!(Pattern::parse(&read.to_string()).unwrap(), read, "{pattern}");
    }
}
