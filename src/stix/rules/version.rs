//! What must stay the same from one version of an object to the next (STIX 2.1 §3.6).

use crate::stix::finding::{Finding, INDISPENSABLE, Profile, REQUIRED, Report, Rule, Verdict};
use crate::stix::json::shown;
use crate::stix::timestamp::Timestamp;
use serde_json::Value;

pub(crate) static CREATED: Rule = Rule {
    id: "version-created",
    clause: "STIX 2.1 §3.6",
    severities: REQUIRED,
    sentence: "All versions of an object were created at the same time.",
};
pub(crate) static CREATOR: Rule = Rule {
    id: "version-creator",
    clause: "STIX 2.1 §3.6",
    severities: INDISPENSABLE,
    sentence: "All versions of an object have the same creator: another one makes an object of its own.",
};
pub(crate) static REVOKED: Rule = Rule {
    id: "version-after-revocation",
    clause: "STIX 2.1 §3.6",
    severities: REQUIRED,
    sentence: "A revoked version is the last one: none is later.",
};

/// Other content of a version that is there already.
pub static CONTENT: Rule = Rule {
    id: "version-content",
    clause: "STIX 2.1 §3.6",
    severities: INDISPENSABLE,
    sentence: "Of one version of an object there is one content: what changes gets a later modified.",
};

/// What a version says that binds the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// Which version says it: `modified`, else `created`.
    pub version: Option<String>,
    /// `created`, as it stands.
    pub created: Option<String>,
    /// `created_by_ref`, as it stands.
    pub created_by_ref: Option<String>,
    /// `revoked`; absent counts as false.
    pub revoked: bool,
}

impl Lineage {
    /// Of an object that has been read.
    pub fn of(object: &Value) -> Self {
        let text = |name: &str| object[name].as_str().map(str::to_owned);
        let created = text("created");
        // A marking definition has no versions, whatever it says (STIX 2.1 §7.2).
        let modified = text("modified").filter(|_| object["type"] != "marking-definition");
        Self {
            version: modified.or_else(|| created.clone()),
            created,
            created_by_ref: text("created_by_ref"),
            revoked: object["revoked"] == true,
        }
    }

    /// The instant of the version, if it can be read.
    pub fn instant(&self) -> Option<Timestamp> {
        self.version.as_deref().and_then(Timestamp::parse)
    }

    /// Whether this version is later than another.
    pub fn is_later_than(&self, other: &Self) -> bool {
        self.instant() > other.instant()
    }

    /// What is wrong with a version beside another one of the same object, under a profile.
    pub fn judge_beside(&self, other: &Self, profile: Profile) -> Vec<Finding> {
        let mut verdict = Verdict::default();
        let mut report = Report::new(&mut verdict, profile);
        let created = |lineage: &Self| lineage.created.as_deref().and_then(Timestamp::parse);
        if let (Some(here), Some(there)) = (created(self), created(other))
            && here != there
        {
            let message = format!("{} differs from another version's, {}", shown(here.as_str()), shown(there.as_str()));
            report.find(&CREATED, "/created", message);
        }
        if self.created_by_ref != other.created_by_ref {
            let words = |by: &Option<String>| by.as_deref().map_or("nobody".to_owned(), shown);
            let (here, there) = (words(&self.created_by_ref), words(&other.created_by_ref));
            report.find(&CREATOR, "/created_by_ref", format!("names {here}, another version names {there}"));
        }
        if other.revoked && self.is_later_than(other) {
            report.find(&REVOKED, "/modified", "is later than the version that revokes the object");
        } else if self.revoked && other.is_later_than(self) {
            report.find(&REVOKED, "/revoked", "revokes the object, and there is a later version");
        }
        verdict.findings().to_vec()
    }
}
