//! A hold, as the trail and those who manage a collection are told of it: by names, not by keys.

use crate::taxii::timestamp::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// A hold: what is kept from whom, until when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Names it.
    pub id: Uuid,
    /// The object that is held, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// When the only version was added that is held of it, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_added: Option<Timestamp>,
    /// What was added then or later is held, if it is that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_from: Option<Timestamp>,
    /// From whom; absent: from everybody but the owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld_from: Vec<String>,
    /// When it ends by itself, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The marking definitions that it ends with, if it is for want of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub until_defined: Vec<String>,
    /// Why.
    pub reason: String,
    /// When it was placed.
    pub placed: Timestamp,
    /// Who placed it; absent: the server or its operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_by: Option<String>,
}
