//! What was found, for people and for programs.

use super::locate::{Lines, offset};
use super::{File, Object};
use crate::cli::{Failure, say};
use crate::stix::finding::{Finding, Profile};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// How many objects came off how.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Tally {
    objects: usize,
    clean: usize,
    warned: usize,
    refused: usize,
}

impl Tally {
    fn of(file: &File) -> Self {
        let count = |counts: fn(&Object) -> bool| {
            file.objects.iter().filter(|object| object.index.is_some() && counts(object)).count()
        };
        let (objects, clean) = (count(|_| true), count(|object| object.verdict.is_clean()));
        let refused = count(|object| object.verdict.is_refused());
        Self { objects, clean, refused, warned: objects - clean - refused }
    }
}

/// Prints the findings of each object below it, and a summary of each file.
pub(super) fn text(files: &[File], profile: Profile) -> Result<(), Failure> {
    for file in files {
        let lines = Lines::of(&file.octets);
        for object in file.objects.iter().filter(|object| !object.verdict.is_clean()) {
            let (line, column) = lines.position(object.offset(file));
            say(&format!("{}:{line}:{column}: {} {}", file.name, object.name(), verdict(object)))?;
            for finding in object.verdict.findings() {
                let (line, column) = place(file, object, finding, &lines);
                say(&format!("  {:6} {line}:{column} {finding}", finding.severity.as_str()))?;
            }
            let more = object.verdict.count() - object.verdict.findings().len();
            if more > 0 {
                say(&format!("  … and {more} more"))?;
            }
        }
        let Tally { objects, clean, warned, refused } = Tally::of(file);
        say(&format!(
            "{}: {objects} object{} by the profile {profile}: {clean} clean, {warned} with warnings, {refused} refused",
            file.name,
            if objects == 1 { "" } else { "s" }
        ))?;
    }
    Ok(())
}

/// The findings as one JSON document. Objects without findings are only counted.
pub(super) fn json(files: &[File], profile: Profile) -> Result<Value, Failure> {
    let files: Vec<FileReport<'_>> = files.iter().map(FileReport::of).collect();
    Ok(serde_json::to_value(Document { profile, files })?)
}

#[derive(Serialize)]
struct Document<'f> {
    profile: Profile,
    files: Vec<FileReport<'f>>,
}

#[derive(Serialize)]
struct FileReport<'f> {
    file: &'f str,
    objects: Vec<ObjectReport<'f>>,
    summary: Tally,
}

#[derive(Serialize)]
struct ObjectReport<'f> {
    /// The place in the file's list; null for the bundle around it.
    index: Option<usize>,
    id: Option<&'f str>,
    #[serde(rename = "type")]
    object_type: Option<&'f str>,
    line: usize,
    column: usize,
    verdict: &'static str,
    findings: Vec<FindingReport<'f>>,
    /// How many findings there are in all: of very many, not all are listed.
    count: usize,
}

#[derive(Serialize)]
struct FindingReport<'f> {
    rule: &'static str,
    severity: &'static str,
    clause: &'f str,
    pointer: &'f str,
    line: usize,
    column: usize,
    message: &'f str,
}

impl<'f> FileReport<'f> {
    fn of(file: &'f File) -> Self {
        let lines = Lines::of(&file.octets);
        let objects = file.objects.iter().filter(|object| !object.verdict.is_clean());
        let objects = objects.map(|object| ObjectReport::of(file, object, &lines)).collect();
        Self { file: &file.name, objects, summary: Tally::of(file) }
    }
}

impl<'f> ObjectReport<'f> {
    fn of(file: &'f File, object: &'f Object, lines: &Lines<'_>) -> Self {
        let (line, column) = lines.position(object.offset(file));
        let findings = object.verdict.findings().iter().map(|finding| {
            let (line, column) = place(file, object, finding, lines);
            let Finding { rule, severity, clause, pointer, message } = finding;
            FindingReport { rule: rule.id, severity: severity.as_str(), clause, pointer, line, column, message }
        });
        Self {
            index: object.index,
            id: object.id.as_deref(),
            object_type: object.kind.as_deref(),
            line,
            column,
            verdict: verdict(object),
            findings: findings.collect(),
            count: object.verdict.count(),
        }
    }
}

fn verdict(object: &Object) -> &'static str {
    if object.verdict.is_refused() { "refused" } else { "accepted" }
}

/// Line and column of a finding.
fn place(file: &File, object: &Object, finding: &Finding, lines: &Lines<'_>) -> (usize, usize) {
    let text: Cow<'_, str> = String::from_utf8_lossy(&object.text);
    lines.position(object.offset(file) + offset(&text, &finding.pointer))
}
