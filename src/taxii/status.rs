//! The status resource (TAXII 2.1 §4.3): what became of the objects of one POST.

use super::timestamp::Timestamp;
use crate::stix::finding::Finding;
use serde::Serialize;
use uuid::Uuid;

/// A finished request to add objects. Entente answers when all is decided and on disk,
/// so a status is `complete` from the first: it never changes.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "TAXII names the field `status`")]
pub struct Status {
    /// A version 4 UUID: the same in the answer to the POST and at the status endpoint.
    pub id: Uuid,
    status: &'static str,
    /// When the request came in.
    pub request_timestamp: Timestamp,
    total_count: usize,
    success_count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    successes: Vec<Details>,
    failure_count: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Details>,
    pending_count: usize,
    /// Present and true where nothing was stored because nothing was to be: a custom property (TAXII 2.1 §7.1).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    x_entente_dry_run: bool,
}

/// What became of one object (TAXII 2.1 §4.3.1, status details).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The object's id; for an object without a readable one, its place in the request, such as `objects/7`.
    pub id: String,
    /// `modified`, else `created`, as they stand in the object; for what has neither, the
    /// `date_added` of the stored object; for a failure without any, the time of the request.
    pub version: String,
    /// What a person should know about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a status says of an object that the collection has already, in this version.
pub const WAS_THERE: &str = "was there already";
/// What a status says of an object that the same request adds already.
pub const OCCURS_TWICE: &str = "occurs twice in this request";

/// What a status begins with that says of an object that it is added and nobody but its owner sees it.
pub const WITHHELD: &str = "nobody else sees it";
/// What a status says before what the standard advises against; last, if it says something else, too.
pub const WARNING: &str = "warning: ";

/// Findings that a status tells of one object; the number of the others is told.
pub const TOLD: usize = 3;

/// What a status says of the object at a place in the request: the first of its findings, of which
/// there are `count` in all, each with its place.
pub fn message(place: usize, findings: &[Finding], count: usize) -> String {
    let told: Vec<String> = findings.iter().take(TOLD).map(|finding| format!("/objects/{place}{finding}")).collect();
    let more = count.saturating_sub(told.len());
    told.join("; ") + &if more > 0 { format!("; and {more} more") } else { String::new() }
}

impl Status {
    /// A complete status.
    pub fn complete(id: Uuid, request_timestamp: Timestamp, successes: Vec<Details>, failures: Vec<Details>) -> Self {
        Self {
            id,
            status: "complete",
            request_timestamp,
            total_count: successes.len() + failures.len(),
            success_count: successes.len(),
            successes,
            failure_count: failures.len(),
            failures,
            pending_count: 0,
            x_entente_dry_run: false,
        }
    }

    /// The same, of a request that was but tried.
    #[must_use]
    pub fn of_dry_run(self) -> Self {
        Self { x_entente_dry_run: true, ..self }
    }

    /// Whether the request was but tried.
    pub fn is_of_dry_run(&self) -> bool {
        self.x_entente_dry_run
    }

    /// The objects that were added, or were there already.
    pub fn successes(&self) -> &[Details] {
        &self.successes
    }

    /// The objects that were refused, each with the reason.
    pub fn failures(&self) -> &[Details] {
        &self.failures
    }
}
