//! The collections and collection resources (TAXII 2.1 §5.1, §5.2).

use super::media_type;
use crate::stix::head::Spec;
use serde::Serialize;

/// The collections of an API root that a caller may see, in ascending order of their ids.
#[derive(Debug, Serialize)]
pub struct Collections {
    /// Left out when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<Collection>,
}

/// One collection, as one caller sees it.
#[derive(Debug, Serialize)]
pub struct Collection {
    /// A version 4 UUID.
    pub id: String,
    /// A plain-text name.
    pub title: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A second name for use in URLs, unique within the API root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Whether this caller may read it.
    pub can_read: bool,
    /// Whether this caller may add to it.
    pub can_write: bool,
    /// What it can hold.
    pub media_types: Vec<&'static str>,
}

/// The media types of a collection that holds these specification versions.
pub fn media_types(specs: &[Spec]) -> Vec<&'static str> {
    specs.iter().map(|&spec| media_type::stix(spec)).collect()
}

/// Why a text cannot be a collection's alias; `None` if it can.
/// ASCII only, so that no alias looks like another one.
pub fn alias_fault(alias: &str) -> Option<String> {
    let plain = alias.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let named = !alias.is_empty() && alias.len() <= 128 && alias != "." && alias != "..";
    (!plain || !named).then(|| format!("{alias:?} is no alias: use letters, digits and - . _ ~"))
}
