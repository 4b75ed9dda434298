//! Manifest records (TAXII 2.1 §5.3): what is in a collection, without the objects.

use super::timestamp::Timestamp;
use serde::Serialize;

/// One version of one object.
#[derive(Debug, Serialize)]
pub struct Record<'r> {
    /// The object's id.
    pub id: &'r str,
    /// When this version was added to the collection.
    pub date_added: Timestamp,
    /// The version, as it stands in the object; see [`super::status::Details::version`].
    pub version: &'r str,
    /// The media type of the object.
    pub media_type: &'static str,
}
