//! `entente validate`: files judged as a collection would judge them.

use crate::support::objects::{address, id, indicator, versioned};
use crate::support::process::PROGRAM;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// A folder with files in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn validate(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM).arg("validate").args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.validate(&[&["--format", "json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_exit_code_tells_clean_from_findings_from_unreadable() {
    let broken = indicator(2, 1).replace("\"stix\"", "7");
    let folder = Folder::with(&[
        ("clean.json", &indicator(1, 1)),
        ("broken.json", &broken),
        ("empty.json", ""),
        ("warned.json", &address(1, "198.51.100.1")),
    ]);
    let code = |arguments: &[&str]| folder.validate(arguments).status.code();
    assert_eq!(code(&["clean.json"]), Some(0));
    assert_eq!(code(&["broken.json"]), Some(1));
    assert_eq!(code(&["warned.json"]), Some(1));
    assert_eq!(code(&["warned.json", "--profile", "lenient"]), Some(1));
    assert_eq!(code(&["clean.json", "empty.json"]), Some(2));
    assert_eq!(code(&["missing.json", "broken.json"]), Some(2));
    assert_eq!(code(&["clean.json", "--profile", "severe"]), Some(2));
    let output = folder.validate(&["empty.json", "clean.json"]);
    assert!(String::from_utf8(output.stderr.clone()).unwrap().starts_with("entente: empty.json: "), "{output:?}");
    assert!(text(&output).contains("clean.json: 1 object by the profile standard: 1 clean"), "the others are judged");
}

#[test]
fn bundles_envelopes_single_objects_and_lines_are_read() {
    let (one, two) = (indicator(1, 1), indicator(2, 1));
    let folder = Folder::with(&[
        (
            "bundle.json",
            &format!(r#"{{"type":"bundle","id":"bundle--{}","objects":[{one},{two}]}}"#, &id("indicator", 1)[11..]),
        ),
        ("envelope.json", &format!("{{\"objects\":[\n{one},\n{two}\n]}}")),
        ("single.json", &one.replace(',', ",\n")),
        ("lines.ndjson", &format!("{one}\n{two}\n")),
        ("none.json", &format!(r#"{{"type":"bundle","id":"bundle--{}"}}"#, &id("indicator", 1)[11..])),
    ]);
    let files = ["bundle.json", "envelope.json", "single.json", "lines.ndjson", "none.json"];
    let report = folder.json(&files);
    let counts: Vec<&Value> =
        report["files"].as_array().unwrap().iter().map(|file| &file["summary"]["clean"]).collect();
    assert_eq!(json!(counts), json!([2, 2, 1, 2, 0]), "{report}");
}

#[test]
fn standard_input_is_a_file_called_minus() {
    let mut child = Command::new(PROGRAM)
        .args(["validate", "-", "--format", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(indicator(1, 1).replace("\"stix\"", "7").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["files"][0]["file"], output.status.code()), (&json!("-"), Some(1)));
}

#[test]
fn a_finding_has_the_line_and_column_of_its_value() {
    let text = format!(
        "{{\"objects\": [\n{},\n  {}]}}",
        indicator(1, 1),
        indicator(2, 1).replace("\"Invented 2\"", "\n \"ü\", \"lang\": \"한\"")
    );
    let folder = Folder::with(&[("in.json", &text)]);
    let report = folder.json(&["in.json"]);
    let object = &report["files"][0]["objects"][0];
    let finding = &object["findings"][0];
    assert_eq!((&object["index"], &object["line"], &object["column"]), (&json!(1), &json!(3), &json!(3)));
    let expected = json!({
        "rule": "malformed-value", "severity": "refuse", "clause": "RFC 5646", "pointer": "/lang", "line": 4, "column": 15,
        "message": "\"한\" is not a language tag such as ko or pt-BR (RFC 5646)",
    });
    assert_eq!(*finding, expected);
    assert_eq!((&object["verdict"], &report["profile"]), (&json!("refused"), &json!("standard")));
    let lines = self::text(&folder.validate(&["in.json"]));
    assert!(lines.contains(&format!("in.json:3:3: {} refused", id("indicator", 2))), "{lines}");
    assert!(lines.contains("  refuse 4:15 /lang: \"한\" is not a language tag"), "{lines}");
    assert!(
        lines.ends_with("in.json: 2 objects by the profile standard: 1 clean, 0 with warnings, 1 refused\n"),
        "{lines}"
    );
}

#[test]
fn the_files_of_one_call_are_judged_together() {
    let relationship = versioned(
        "relationship",
        1,
        1,
        &format!(
            r#","relationship_type":"indicates","source_ref":"{}","target_ref":"{}""#,
            id("indicator", 1),
            id("malware", 1)
        ),
    )
    .replace(r#","name":"Invented 1""#, "");
    let later = indicator(1, 2).replace("\"created\":\"2024", "\"created\":\"2023");
    let folder = Folder::with(&[
        ("one.json", &indicator(1, 1)),
        ("two.json", &format!("{relationship}\n{}\n", versioned("malware", 1, 1, ""))),
        ("later.json", &later),
    ]);
    let rules = |files: &[&str]| -> Vec<String> {
        let report = folder.json(files);
        let objects =
            report["files"].as_array().unwrap().iter().flat_map(|file| file["objects"].as_array().unwrap().clone());
        let findings = objects.flat_map(|object| object["findings"].as_array().unwrap().clone());
        findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(rules(&["two.json"]), ["dangling-reference"]);
    assert_eq!(rules(&["one.json", "two.json"]), [""; 0]);
    assert_eq!(rules(&["one.json", "later.json"]), ["version-created"]);
}

#[test]
fn the_bundle_itself_is_judged() {
    let folder = Folder::with(&[(
        "in.json",
        &format!(r#"{{"type":"bundle","id":"bundle--1","objects":[{}]}}"#, indicator(1, 1)),
    )]);
    let report = folder.json(&["in.json"]);
    let bundle = &report["files"][0]["objects"][0];
    assert_eq!((&bundle["index"], &bundle["findings"][0]["pointer"]), (&Value::Null, &json!("/id")));
    assert_eq!(report["files"][0]["summary"], json!({"objects": 1, "clean": 1, "warned": 0, "refused": 0}));
}

#[test]
fn a_file_of_stix_2_0_is_told_to_be_one() {
    let old = indicator(1, 1).replace("\"spec_version\":\"2.1\",", "");
    let folder = Folder::with(&[("in.json", &old)]);
    let lines = text(&folder.validate(&["in.json"]));
    assert!(lines.contains("/spec_version: is missing, so this is a STIX 2.0 object"), "{lines}");
}
