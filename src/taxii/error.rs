//! The error message resource (TAXII 2.1 §3.6).

use serde::Serialize;
use uuid::Uuid;

/// What went wrong with a request.
#[derive(Debug, Serialize)]
pub struct Error {
    /// The kind of error in a word or two.
    pub title: String,
    /// What was wrong, where, and what to do.
    pub description: String,
    /// Names this one occurrence: the operator finds it in the log.
    pub error_id: String,
    /// The HTTP status code: a string, as the standard has it.
    pub http_status: String,
}

impl Error {
    /// An error of an HTTP status, with an id of its own.
    pub fn new(status: u16, title: &str, description: &str) -> Self {
        Self {
            title: title.to_owned(),
            description: description.to_owned(),
            error_id: Uuid::new_v4().to_string(),
            http_status: status.to_string(),
        }
    }
}
