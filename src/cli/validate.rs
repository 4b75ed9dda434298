//! `entente validate`

mod locate;
mod report;

use super::{Failure, files, warn};
use crate::stix::finding::{Profile, Report, Verdict};
use crate::stix::head::Spec;
use crate::stix::json;
use crate::stix::judge::Judge;
use crate::stix::rules::version::Lineage;
use crate::stix::rules::{DANGLING, references};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// Bundles, envelopes, single objects, or one object a line; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How strictly: strict, standard or lenient.
    #[arg(long, value_name = "PROFILE", default_value_t)]
    profile: Profile,
    /// How to say what was found.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// A file, and what is to be said of its objects.
struct File {
    name: String,
    octets: Bytes,
    objects: Vec<Object>,
}

/// An object, and what is to be said of it; or the bundle around the objects.
struct Object {
    /// Its place in the file's list; a bundle has none.
    index: Option<usize>,
    text: Bytes,
    id: Option<String>,
    kind: Option<String>,
    verdict: Verdict,
    /// What it must agree with other versions of itself about; `None` for what has no versions.
    lineage: Option<Lineage>,
    references: Vec<(String, String)>,
}

/// Nothing was wrong; something was found; something could not be read.
const CLEAN: u8 = 0;
const FINDINGS: u8 = 1;
const UNREADABLE: u8 = 2;

impl Validate {
    /// Judges the objects of all files together: they may refer to each other.
    pub(super) fn run(&self) -> Result<ExitCode, Failure> {
        let judge = Judge::new()?;
        let mut files = Vec::new();
        let mut code = CLEAN;
        for path in &self.files {
            match self.judge(judge, path) {
                Ok(file) => files.push(file),
                Err(Failure(reason)) => {
                    warn(&format!("entente: {reason}"))?;
                    code = UNREADABLE;
                }
            }
        }
        self.judge_together(&mut files);
        match self.format {
            Format::Text => report::text(&files, self.profile)?,
            Format::Json => super::say_json(&report::json(&files, self.profile)?)?,
        }
        let found = files.iter().flat_map(|file| &file.objects).any(|object| !object.verdict.is_clean());
        Ok(if found { code.max(FINDINGS) } else { code }.into())
    }

    fn judge(&self, judge: Judge, path: &std::path::Path) -> Result<File, Failure> {
        let octets = files::read(path)?;
        let name = path.display().to_string();
        let texts = files::texts(&octets).map_err(|error| Failure::new(format!("{name}: {error}")))?;
        let bar = files::progress(texts.len());
        let mut objects: Vec<Object> = files::bundle(&octets)
            .map(|bundle| Object::bundle(judge, &octets, &bundle, self.profile))
            .into_iter()
            .collect();
        for (index, text) in texts.into_iter().enumerate() {
            objects.push(Object::judged(judge, index, text, self.profile));
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(File { name, octets, objects })
    }

    /// What shows only beside the other objects: versions that do not agree, references that lead nowhere.
    fn judge_together(&self, files: &mut [File]) {
        let objects = || files.iter().flat_map(|file| &file.objects);
        let sent: BTreeSet<String> = objects().filter_map(|object| object.id.clone()).collect();
        let mut latest: BTreeMap<String, Lineage> = BTreeMap::new();
        for object in files.iter_mut().flat_map(|file| &mut file.objects) {
            let mut report = Report::new(&mut object.verdict, self.profile);
            if report.wants(&DANGLING) {
                for (pointer, id) in object.references.iter().filter(|(_, id)| !sent.contains(id)) {
                    report.find(&DANGLING, pointer, format!("refers to {id}, which is in none of the files"));
                }
            }
            let (Some(id), Some(lineage)) = (&object.id, &object.lineage) else { continue };
            let Some(other) = latest.get_mut(id) else {
                latest.insert(id.clone(), lineage.clone());
                continue;
            };
            lineage.judge_beside(other, self.profile).into_iter().for_each(|finding| object.verdict.add(finding));
            if lineage.is_later_than(other) {
                *other = lineage.clone();
            }
        }
    }
}

impl Object {
    fn bundle(judge: Judge, octets: &Bytes, bundle: &Value, profile: Profile) -> Self {
        Self {
            index: None,
            text: octets.slice_ref(octets.trim_ascii()),
            id: bundle["id"].as_str().map(str::to_owned),
            kind: Some("bundle".to_owned()),
            verdict: judge.judge_bundle(bundle, profile),
            lineage: None,
            references: Vec::new(),
        }
    }

    fn judged(judge: Judge, index: usize, text: Bytes, profile: Profile) -> Self {
        let judged = judge.judge(&text, profile, &[Spec::V21]);
        let object = judged.object.as_ref();
        let member = |name: &str| object.and_then(|object| object.get(name)).and_then(Value::as_str).map(str::to_owned);
        let versioned = judged.head.as_ref().is_some_and(|head| head.version.is_some() && !head.predefined);
        let references = object.map(references).unwrap_or_default();
        Self {
            index: Some(index),
            id: member("id"),
            kind: member("type"),
            lineage: object.filter(|_| versioned).map(Lineage::of),
            references: references.into_iter().map(|(pointer, id)| (pointer, id.to_owned())).collect(),
            verdict: judged.verdict,
            text,
        }
    }

    /// Where its text begins in the file, in octets.
    fn offset(&self, file: &File) -> usize {
        self.text.as_ptr().addr() - file.octets.as_ptr().addr()
    }

    /// What it is called in reports: its id, or for an object without a readable one, its place.
    fn name(&self) -> String {
        match (&self.id, self.index) {
            (Some(id), _) => json::shown(id).trim_matches('"').to_owned(),
            (None, Some(index)) => format!("objects/{index}"),
            (None, None) => "the bundle".to_owned(),
        }
    }
}
