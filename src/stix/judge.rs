//! The judge: one object, one profile, one verdict.

use super::finding::{Profile, Report, Verdict};
use super::head::{Head, Spec};
use super::json::{self, Fault};
use super::rules::{self, Subject};
use super::schema::{SchemaFault, Schemas};
use serde_json::Value;

/// Judges objects by schemas and rules. It looks at one object at a time and changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    schemas: &'static Schemas,
}

/// What was found out about a text.
#[derive(Debug)]
pub struct Judged {
    /// The object, if the text is strict JSON.
    pub object: Option<Value>,
    /// What a server needs to know of it, if that can be read.
    pub head: Option<Head>,
    /// What is to be said of it.
    pub verdict: Verdict,
}

impl Judge {
    /// The judge. The first one compiles the schemas: some tens of milliseconds.
    pub fn new() -> Result<Self, &'static SchemaFault> {
        Schemas::compiled().map(|schemas| Self { schemas })
    }

    /// Judges the text of one object under a profile, where objects of these specification versions
    /// are taken. Takes time linear in the text.
    ///
    /// An object of STIX 2.0 is read for what a server needs of it, and not judged further:
    /// the schemas and rules are those of 2.1.
    pub fn judge(self, text: &[u8], profile: Profile, specs: &[Spec]) -> Judged {
        let mut verdict = Verdict::default();
        let mut report = Report::new(&mut verdict, profile);
        let parsed = std::str::from_utf8(text)
            .map_err(|error| Fault::new("", format!("is not UTF-8: {error}")))
            .and_then(json::parse);
        let object = match parsed {
            Ok(object) => object,
            Err(Fault { pointer, reason }) => {
                report.find(&rules::STRICT_JSON, pointer, reason);
                return Judged { object: None, head: None, verdict };
            }
        };
        let head = Head::of(&object).and_then(|head| taken(&object, head, specs));
        if !matches!(&head, Ok(head) if head.spec == Spec::V20) {
            if let Err(Fault { pointer, reason }) = &head {
                report.find(&rules::USABLE, pointer, reason);
            }
            self.check(&object, &mut report);
        }
        Judged { object: Some(object), head: head.ok(), verdict }
    }

    /// Judges what holds objects together in a bundle (STIX 2.1 §8), without the objects.
    pub fn judge_bundle(self, bundle: &Value, profile: Profile) -> Verdict {
        let mut verdict = Verdict::default();
        self.schemas.check(bundle, "bundle", &mut Report::new(&mut verdict, profile));
        verdict
    }

    /// Holds an object against the schema of its type and against every rule.
    fn check(self, object: &Value, report: &mut Report<'_>) {
        let (Some(members), Some(object_type)) = (object.as_object(), object["type"].as_str()) else { return };
        if object_type == "bundle" {
            return;
        }
        self.schemas.check(object, object_type, report);
        let known = self.schemas.of(object_type);
        rules::check(&Subject { object: members, object_type, known, schemas: self.schemas }, report);
    }
}

/// The head, if its specification version is one of those that are taken.
fn taken(object: &Value, head: Head, specs: &[Spec]) -> Result<Head, Fault> {
    if specs.contains(&head.spec) {
        return Ok(head);
    }
    let missing = if object.get("spec_version").is_none() { "is missing, so this " } else { "" };
    let held: Vec<&str> = specs.iter().map(|spec| spec.as_str()).collect();
    let reason = format!("{missing}is a STIX {} object, and only STIX {} is taken here", head.spec, held.join(" and "));
    Err(Fault::new("/spec_version", reason))
}
