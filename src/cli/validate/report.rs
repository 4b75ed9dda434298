//! What was found, for people and for programs.

use super::locate::{Position, offset};
use super::{File, Object};
use crate::cli::{Failure, say};
use crate::stix::finding::{Finding, Profile};
use serde::Serialize;
use serde_json::Value;

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

/// The objects that something is to be said of, each with its position; found in one walk through the file.
fn found(file: &File) -> Vec<(&Object, Position)> {
    let (mut reached, mut position) = (0, Position::START);
    let mut found = Vec::new();
    for object in file.objects.iter().filter(|object| !object.verdict.is_clean()) {
        let offset = object.offset(file);
        position = position.after(&file.octets[reached..offset]);
        reached = offset;
        found.push((object, position));
    }
    found
}

/// Prints the findings of each object below it, and a summary of each file.
pub(super) fn text(files: &[File], profile: Profile) -> Result<(), Failure> {
    for file in files {
        for (object, begin) in found(file) {
            let Position { line, column } = begin;
            say(&format!("{}:{line}:{column}: {} {}", file.name, object.name(), verdict(object)))?;
            for finding in object.verdict.findings() {
                let Position { line, column } = place(object, begin, finding);
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
        let objects = found(file).into_iter().map(|(object, begin)| ObjectReport::of(object, begin)).collect();
        Self { file: &file.name, objects, summary: Tally::of(file) }
    }
}

impl<'f> ObjectReport<'f> {
    fn of(object: &'f Object, begin: Position) -> Self {
        let Position { line, column } = begin;
        let findings = object.verdict.findings().iter().map(|finding| {
            let Position { line, column } = place(object, begin, finding);
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

/// The position of a finding in an object that begins at a position.
fn place(object: &Object, begin: Position, finding: &Finding) -> Position {
    // What is not UTF-8 is told of the whole object.
    let offset = std::str::from_utf8(&object.text).map_or(0, |text| offset(text, &finding.pointer));
    begin.after(&object.text[..offset])
}
