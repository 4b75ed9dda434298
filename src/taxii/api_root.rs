//! The API root resource (TAXII 2.1 §4.2).

use super::media_type::TAXII;
use serde::Serialize;

/// What an API root says about itself.
#[derive(Debug, Serialize)]
pub struct ApiRoot {
    /// A plain-text name.
    pub title: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    versions: [&'static str; 1],
    /// The largest request body, in octets, that it takes.
    pub max_content_length: u64,
}

impl ApiRoot {
    /// An API root that speaks TAXII 2.1.
    pub fn new(title: String, description: Option<String>, max_content_length: u64) -> Self {
        Self { title, description, versions: [TAXII], max_content_length }
    }
}

/// The path segments that TAXII gives a meaning below an API root: no root may contain one.
pub const RESERVED: [&str; 3] = ["collections", "status", "channels"];

/// What this server answers beyond TAXII is below this segment: no root may begin with it.
const OURS: &str = "x-entente";

/// Why a name cannot be an API root's path; `None` if it can.
///
/// A root answers at `/NAME/`; NAME is one or more segments of unreserved characters (RFC 3986 §2.3).
pub fn name_fault(name: &str) -> Option<String> {
    if name == "taxii2" {
        return Some("\"taxii2\" is where discovery answers: choose another name".to_owned());
    }
    if name.split('/').next() == Some(OURS) {
        return Some(format!("what is below {OURS:?} is this server's own: choose another name"));
    }
    for segment in name.split('/') {
        let plain = segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
        if segment.is_empty() || !plain || segment == "." || segment == ".." {
            return Some(format!(
                "{name:?} is no path: use letters, digits and - . _ ~, with / between segments and none at the ends"
            ));
        }
        if RESERVED.contains(&segment) {
            return Some(format!("the segment {segment:?} has a meaning of its own in TAXII: choose another name"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_may_have_any_path_but_taxiis_own() {
        for good in ["api1", "taxii2/api1", "a/b/c", "cert.example-1", "x-entente-2", "a/x-entente"] {
            assert_eq!(name_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "taxii2",
            "/api1",
            "api1/",
            "a//b",
            "..",
            "a/../b",
            "a b",
            "collections",
            "a/status",
            "x-entente",
            "x-entente/a",
            "ä",
            "a?b",
            "a%2fb",
        ] {
            assert!(name_fault(bad).is_some(), "{bad}");
        }
    }
}
