//! The audit trail: what an entry says, and how entries are chained so that none can be
//! altered, dropped or inserted without a trace.
//!
//! Entries never hold bodies or secrets. Where the trail is kept is the store's affair.

use crate::access::credential::Fingerprint;
use crate::access::level::Level;
use crate::taxii::timestamp::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// The organisation's name; `None` for the operator at the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// The credential that proved it, by its fingerprint.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub credential: Option<Fingerprint>,
    /// The network address and port it came from; for the operator, the account's name.
    pub address: String,
}

#[expect(clippy::ref_option, reason = "serde hands the field over by reference")]
fn as_text<S: serde::Serializer>(fingerprint: &Option<Fingerprint>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&fingerprint.as_ref().map(ToString::to_string).unwrap_or_default())
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Objects, a manifest, an object or versions were read.
    Read {
        /// The collection's id.
        collection: String,
        /// The resource, by TAXII's noun.
        resource: &'static str,
        /// What was asked, with all that a cursor carried.
        query: String,
        /// How many items were given out.
        items: usize,
    },
    /// Objects were offered.
    Add {
        /// The collection's id.
        collection: String,
        /// The status resource's id.
        status: String,
        /// How many were added or there already.
        successes: usize,
        /// How many were refused.
        failures: usize,
        /// Whom the submitter passed objects on for: identities that are not its own.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        relayed: Vec<String>,
        /// SHA-256 over the SHA-256 of each added object's text, in order; hexadecimal.
        digest: String,
    },
    /// Objects were offered to be judged, and nothing else.
    DryRun {
        /// The collection's id.
        collection: String,
        /// The status resource's id.
        status: String,
        /// How many would have been added, or were there already.
        successes: usize,
        /// How many would have been refused.
        failures: usize,
    },
    /// A new version of an object may travel further than the one before it.
    Downgrade {
        /// The collection's id.
        collection: String,
        /// The object's id.
        object: String,
        /// The new version.
        version: String,
        /// The level before.
        from: Level,
        /// The level now.
        to: Level,
        /// Whether nobody else sees it until who manages the collection releases it.
        quarantined: bool,
    },
    /// A hold was placed.
    Hold {
        /// The collection's id.
        collection: String,
        /// The hold's id.
        hold: String,
        /// What is held, from whom and until when.
        terms: String,
        /// Why.
        reason: String,
    },
    /// A hold ended.
    Release {
        /// The collection's id.
        collection: String,
        /// The hold's id.
        hold: String,
        /// How many versions others can see since.
        versions: usize,
    },
    /// Versions of an object were deleted.
    Delete {
        /// The collection's id.
        collection: String,
        /// The object's id.
        object: String,
        /// SHA-256 of each deleted text; hexadecimal.
        digests: Vec<String>,
    },
    /// The registry of roots, collections, organisations, credentials or grants was changed.
    Administer {
        /// The change in words.
        change: String,
    },
    /// Read entries were lost because the trail could not be written for too long.
    Gap {
        /// How many.
        lost: u64,
    },
}

/// One entry of the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// Who acted.
    #[serde(flatten)]
    pub actor: Actor,
    /// What was done.
    #[serde(flatten)]
    pub action: Action,
}

/// What a chain begins with.
pub const GENESIS: [u8; 32] = [0; 32];

impl Entry {
    /// The text that is kept and chained.
    pub fn text(&self) -> String {
        // A struct of numbers and strings always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The link of an entry: SHA-256 over the link before it and the entry's text.
pub fn link(previous: &[u8; 32], text: &str) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(text).finalize().into()
}

/// SHA-256 in hexadecimal.
pub fn digest(octets: &[u8]) -> String {
    Fingerprint(Sha256::digest(octets).into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_of_json_and_its_link_depends_on_all_before_it() {
        let actor = Actor { organisation: Some("siem".into()), credential: None, address: "127.0.0.1:4\n".into() };
        let entry = Entry { at: Timestamp::EPOCH, actor, action: Action::Gap { lost: 3 } };
        let text = entry.text();
        assert_eq!(
            text,
            r#"{"at":"1970-01-01T00:00:00.000000Z","organisation":"siem","address":"127.0.0.1:4\n","action":"gap","lost":3}"#
        );
        assert_ne!(link(&GENESIS, &text), link(&link(&GENESIS, ""), &text));
    }
}
