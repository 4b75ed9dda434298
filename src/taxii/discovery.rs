//! The discovery resource (TAXII 2.1 §4.1).

use serde::Serialize;

/// Where discovery answers, on every server (TAXII 2.1 §8.2.1).
pub const PATH: &str = "/taxii2/";

/// What a server says about itself and its API roots.
#[derive(Debug, Serialize)]
pub struct Discovery {
    /// A plain-text name for this server.
    pub title: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whom to contact about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The API root to use when in doubt: always one of `api_roots`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Absolute URLs of the API roots that the caller may see; left out when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_roots: Vec<String>,
}
