//! `entente validate`

mod locate;
mod report;

use super::{Failure, files, warn};
use crate::stix::finding::{Profile, Report, Verdict};
use crate::stix::head::Spec;
use crate::stix::json::{self, Digest};
use crate::stix::judge::Judge;
use crate::stix::rules::version::{CONTENT, Lineage};
use crate::stix::rules::{DANGLING, references};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
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
    /// What tells it from other versions of itself; `None` for a bundle and for what cannot be read.
    identity: Option<Identity>,
    references: Vec<(String, String)>,
}

/// What tells a version of an object from the others.
struct Identity {
    /// When the version was made; `None` for what has no versions.
    instant: Option<String>,
    content: Digest,
    /// What versions must agree about; `None` for what has none, and for predefined markings.
    lineage: Option<Lineage>,
}

/// Nothing was wrong; something was found; something could not be read.
const CLEAN: u8 = 0;
const FINDINGS: u8 = 1;
const UNREADABLE: u8 = 2;

impl Validate {
    /// Judges the objects of all files together: they may refer to each other. What keeps it from
    /// saying what it found counts as unreadable, too.
    pub(super) fn run(&self) -> ExitCode {
        let judged = self.judge_all().unwrap_or_else(|Failure(reason)| {
            // Without standard error there is nobody to tell.
            let _ = warn(&format!("entente: {reason}"));
            UNREADABLE
        });
        judged.into()
    }

    fn judge_all(&self) -> Result<u8, Failure> {
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
        Ok(if found { code.max(FINDINGS) } else { code })
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

    /// What shows only beside the other objects: references that lead nowhere, versions that contradict
    /// each other. Objects that are refused by themselves count as not there.
    fn judge_together(&self, files: &mut [File]) {
        let objects = || files.iter().flat_map(|file| &file.objects);
        let sent: HashSet<String> =
            objects().filter(|object| !object.verdict.is_refused()).filter_map(|object| object.id.clone()).collect();
        let mut versions = Versions::default();
        for object in files.iter_mut().flat_map(|file| &mut file.objects) {
            let is_refused = object.verdict.is_refused();
            let mut report = Report::new(&mut object.verdict, self.profile);
            for (pointer, id) in object.references.iter().filter(|(_, id)| !sent.contains(id)) {
                report.find(&DANGLING, pointer, format!("refers to {id}, which is in none of the files"));
            }
            if !is_refused {
                versions.look_at(object, self.profile);
            }
        }
    }
}

/// The versions seen so far.
#[derive(Default)]
struct Versions {
    /// What the latest version of each id says.
    latest: HashMap<String, Lineage>,
    /// The content of each version, by id and instant.
    contents: HashMap<(String, Option<String>), Digest>,
}

impl Versions {
    /// Judges an object beside the versions before it.
    fn look_at(&mut self, object: &mut Object, profile: Profile) {
        let Some((id, identity)) = object.id.clone().zip(object.identity.take()) else { return };
        let Identity { instant, content, lineage } = identity;
        let known = self.contents.entry((id.clone(), instant)).or_insert(content);
        if *known != content {
            let message = "other content of this id and version is in the files before";
            return Report::new(&mut object.verdict, profile).find(&CONTENT, "/id", message);
        }
        let Some(lineage) = lineage else { return };
        let Some(other) = self.latest.get_mut(&id) else {
            self.latest.insert(id, lineage);
            return;
        };
        lineage.judge_beside(other, profile).into_iter().for_each(|finding| object.verdict.add(finding));
        if lineage.is_later_than(other) {
            *other = lineage;
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
            identity: None,
            references: Vec::new(),
        }
    }

    fn judged(judge: Judge, index: usize, text: Bytes, profile: Profile) -> Self {
        let judged = judge.judge(&text, profile, &[Spec::V21]);
        let object = judged.object.as_ref();
        let member = |name: &str| object.and_then(|object| object.get(name)).and_then(Value::as_str).map(str::to_owned);
        let identity = object.zip(judged.head.as_ref()).map(|(object, head)| Identity {
            instant: head.version.as_ref().map(|version| version.instant().to_owned()),
            content: json::digest(object),
            lineage: (head.version.is_some() && !head.predefined).then(|| Lineage::of(object)),
        });
        let mut leading = Vec::new();
        object
            .iter()
            .for_each(|object| references(object, &mut |id, pointer| leading.push((pointer(), id.to_owned()))));
        Self {
            index: Some(index),
            id: member("id"),
            kind: member("type"),
            identity,
            references: leading,
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
