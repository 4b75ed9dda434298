//! The checklist of TAXII 2.1, and which test shows which row of it.
//!
//! A test names its rows in its comment: `/// Rows: FLT-1, FLT-4.`, in Python `Rows: …`
//! in the docstring. The table of both is `tests/CHECKLIST.md`; after a change of rows or
//! tests, `UPDATE=1 cargo test --test checklist` writes it anew.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of `checklist.tsv`.
struct Row {
    id: String,
    level: String,
    clause: String,
    requirement: String,
    /// Why no test can show it.
    excuse: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(folder().join("checklist.tsv")).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let [id, level, clause, requirement, excuse] = line.split('\t').collect::<Vec<_>>().try_into().expect(line);
            let own = |text: &str| text.trim().to_owned();
            Row {
                id: own(id),
                level: own(level),
                clause: own(clause),
                requirement: own(requirement),
                excuse: own(excuse),
            }
        })
        .collect()
}

/// All files of the folders with tests in them.
fn test_files() -> Vec<PathBuf> {
    let mut folders = vec![folder(), Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            let kind = entry.extension().map(|kind| kind.to_string_lossy().into_owned());
            match kind.as_deref() {
                _ if entry.is_dir() => folders.push(entry),
                Some("rs" | "py") if !entry.ends_with("tests/checklist.rs") => files.push(entry),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Row → the tests that name it, as `file::test`.
fn shown() -> BTreeMap<String, Vec<String>> {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in test_files() {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
        let mut named = Vec::new();
        let mut function = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(test) = line.strip_prefix("fn ").or(line.strip_prefix("def ")) {
                test.split('(').next().unwrap().clone_into(&mut function);
            }
            if let Some((_, rows)) = line.split_once("Rows: ") {
                named.extend(
                    rows.trim_end_matches('.').split(", ").map(|row| row.trim_end_matches(['.', '"']).to_owned()),
                );
            }
            // A Rust comment stands before its test, a docstring behind its `def`.
            let python = file.extension().is_some_and(|kind| kind == "py");
            let complete = if python { !named.is_empty() } else { line.starts_with("fn ") };
            if complete {
                for row in named.drain(..) {
                    shown.entry(row).or_default().push(format!("{name}::{function}"));
                }
            }
        }
    }
    shown
}

fn table() -> String {
    let shown = shown();
    let mut lines = vec![
        "# The TAXII 2.1 checklist, row by row".to_owned(),
        String::new(),
        "Written by `UPDATE=1 cargo test --test checklist`; checked by `cargo test`.".to_owned(),
        String::new(),
        "| row | level | clause | requirement | shown by |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    for row in rows() {
        let tests = shown
            .get(&row.id)
            .map(|tests| tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join("<br>"));
        let by = tests.unwrap_or_else(|| format!("– {}", row.excuse));
        lines.push(format!("| {} | {} | {} | {} | {by} |", row.id, row.level, row.clause, row.requirement));
    }
    lines.join("\n") + "\n"
}

#[test]
fn every_row_is_shown_by_a_test_or_says_why_none_can() {
    let shown = shown();
    let bare: Vec<String> = rows()
        .into_iter()
        .filter(|row| row.excuse.is_empty() && !shown.contains_key(&row.id))
        .map(|row| row.id)
        .collect();
    assert!(bare.is_empty(), "no test shows {}", bare.join(", "));
}

#[test]
fn every_row_that_a_test_names_is_on_the_checklist() {
    let rows = rows();
    let unknown: Vec<String> = shown().into_keys().filter(|id| !rows.iter().any(|row| row.id == *id)).collect();
    assert!(unknown.is_empty(), "not on the checklist: {}", unknown.join(", "));
}

#[test]
fn no_row_is_both_shown_and_excused() {
    let shown = shown();
    let both: Vec<String> = rows()
        .into_iter()
        .filter(|row| !row.excuse.is_empty() && shown.contains_key(&row.id))
        .map(|row| row.id)
        .collect();
    assert!(both.is_empty(), "shown after all: {}", both.join(", "));
}

#[test]
fn the_table_is_up_to_date() {
    let file = folder().join("CHECKLIST.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, table()).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap_or_default() == table(), "run `UPDATE=1 cargo test --test checklist`");
}
