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

    /// Judges the text of one object under a profile. Takes time linear in the text.
    ///
    /// An object of STIX 2.0 is read for what a server needs of it, and not judged further:
    /// the schemas and rules are those of 2.1.
    pub fn judge(self, text: &[u8], profile: Profile) -> Judged {
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
        let head = match Head::of(&object) {
            Ok(head) => Some(head),
            Err(Fault { pointer, reason }) => {
                report.find(&rules::USABLE, pointer, reason);
                None
            }
        };
        if head.as_ref().is_none_or(|head| head.spec == Spec::V21) {
            self.check(&object, &mut report);
        }
        Judged { object: Some(object), head, verdict }
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
