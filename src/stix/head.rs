//! The head of an object: the few facts that a server needs of it to store, order,
//! find and protect it. Whether the object is good STIX is not asked here.

use super::id::Id;
use super::json::{Fault, kind, shown};
use super::marking;
use super::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A version of the STIX specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Spec {
    /// STIX 2.0
    #[serde(rename = "2.0")]
    V20,
    /// STIX 2.1
    #[serde(rename = "2.1")]
    V21,
}

impl Spec {
    /// Reads `2.0` or `2.1`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "2.0" => Some(Self::V20),
            "2.1" => Some(Self::V21),
            _ => None,
        }
    }

    /// As it stands in `spec_version`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V20 => "2.0",
            Self::V21 => "2.1",
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The cyber-observable types of STIX 2.1 (§6): they have no version, their ids can be guessed,
/// and they may leave `spec_version` out.
const OBSERVABLES: [&str; 18] = [
    "artifact",
    "autonomous-system",
    "directory",
    "domain-name",
    "email-addr",
    "email-message",
    "file",
    "ipv4-addr",
    "ipv6-addr",
    "mac-addr",
    "mutex",
    "network-traffic",
    "process",
    "software",
    "url",
    "user-account",
    "windows-registry-key",
    "x509-certificate",
];

/// Types without versions whose `created` stands in for one (TAXII 2.1 §3.4.1).
const UNVERSIONED: &str = "marking-definition";

/// What a server needs to know of an object.
#[derive(Clone, Debug)]
pub struct Head {
    /// Its identifier.
    pub id: Id,
    /// The specification version it is written in.
    pub spec: Spec,
    /// `modified`, else `created`; `None` for what has neither (cyber-observables).
    pub version: Option<Timestamp>,
    /// The ids of all its markings, of the object and granular, as they stand.
    pub markings: Vec<String>,
    /// Whether it is a copy of a predefined marking definition.
    pub predefined: bool,
    /// Whether it is one that says something of its own, too.
    pub embellished: bool,
}

impl Head {
    /// Takes the facts from an object read by [`super::json::parse`].
    pub fn of(object: &Value) -> Result<Self, Fault> {
        if !object.is_object() {
            return Err(Fault::new("", format!("a STIX object is a JSON object, this is {}", kind(object))));
        }
        let id = id(object)?;
        let spec = spec(object, id.object_type())?;
        let version = version(object, id.object_type())?;
        let markings = markings(object)?;
        let predefined = match marking::predefined(id.as_str()) {
            Some(tlp) if tlp.is_copy(object) => true,
            Some(tlp) => {
                return Err(Fault::new("", format!("this id is predefined for {}, and the content differs", tlp.name)));
            }
            None => false,
        };
        let embellished = predefined && marking::Tlp::is_said_more_of(object);
        Ok(Self { id, spec, version, markings, predefined, embellished })
    }
}

fn id(object: &Value) -> Result<Id, Fault> {
    let text = text(object, "id")?.ok_or_else(|| Fault::new("/id", "is missing"))?;
    let id =
        Id::parse(text).ok_or_else(|| Fault::new("/id", format!("{} is not of the form type--UUID", shown(text))))?;
    let object_type = self::text(object, "type")?.ok_or_else(|| Fault::new("/type", "is missing"))?;
    if object_type == "bundle" {
        return Err(Fault::new("/type", "a bundle is not a STIX object: send its objects"));
    }
    if object_type != id.object_type() {
        return Err(Fault::new("/type", format!("{} does not agree with the id {id}", shown(object_type))));
    }
    Ok(id)
}

/// STIX 2.1 objects say so, but observables need not; a 2.0 object has no `spec_version` of its own.
fn spec(object: &Value, object_type: &str) -> Result<Spec, Fault> {
    match text(object, "spec_version")? {
        Some(text) => Spec::parse(text)
            .ok_or_else(|| Fault::new("/spec_version", format!("{} is neither 2.0 nor 2.1", shown(text)))),
        None if is_observable(object_type) || object.get("created").is_none() => Ok(Spec::V21),
        None => Ok(Spec::V20),
    }
}

fn version(object: &Value, object_type: &str) -> Result<Option<Timestamp>, Fault> {
    if is_observable(object_type) {
        return Ok(None);
    }
    if object_type == UNVERSIONED {
        return timestamp(object, "created")?.map(Some).ok_or_else(|| Fault::new("/created", "is missing"));
    }
    let created = timestamp(object, "created")?;
    Ok(timestamp(object, "modified")?.or(created))
}

fn is_observable(object_type: &str) -> bool {
    OBSERVABLES.contains(&object_type)
}

/// Markings that an object may have, granular ones included.
const MARKINGS: usize = 10_000;

/// All references to markings. What cannot be read as one is a fault: an object whose
/// markings are unclear has no level, and must not be shown.
fn markings(object: &Value) -> Result<Vec<String>, Fault> {
    let (whole, granular) = (list(object, "object_marking_refs")?, list(object, "granular_markings")?);
    if whole.len() + granular.len() > MARKINGS {
        return Err(Fault::new("", format!("has more than {MARKINGS} markings")));
    }
    let mut markings = Vec::new();
    for (at, reference) in whole.iter().enumerate() {
        markings.push(marking_ref(reference, || format!("/object_marking_refs/{at}"))?);
    }
    for (at, granular) in granular.iter().enumerate() {
        match granular.get("marking_ref") {
            Some(reference) => {
                markings.push(marking_ref(reference, || format!("/granular_markings/{at}/marking_ref"))?);
            }
            None if granular.get("lang").is_some() => {}
            None => return Err(Fault::new(format!("/granular_markings/{at}"), "has no marking_ref")),
        }
    }
    Ok(markings)
}

fn marking_ref(reference: &Value, pointer: impl Fn() -> String) -> Result<String, Fault> {
    match reference.as_str() {
        Some(text) if Id::parse(text).is_some() => Ok(text.to_owned()),
        _ => Err(Fault::new(pointer(), format!("is not the id of a marking: {}", shown(&reference.to_string())))),
    }
}

fn list<'v>(object: &'v Value, name: &str) -> Result<&'v [Value], Fault> {
    match object.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(Fault::new(format!("/{name}"), format!("should be a list, is {}", kind(other)))),
    }
}

fn text<'v>(object: &'v Value, name: &str) -> Result<Option<&'v str>, Fault> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Fault::new(format!("/{name}"), format!("should be a string, is {}", kind(other)))),
    }
}

fn timestamp(object: &Value, name: &str) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = text(object, name)? else { return Ok(None) };
    let fault = || {
        Fault::new(format!("/{name}"), format!("{} is not a timestamp such as 2025-02-26T00:00:00.000Z", shown(text)))
    };
    Timestamp::parse(text).map(Some).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const INDICATOR: &str = "indicator--252c7c11-daf2-42bd-843b-be65edca9f61";

    fn head(mut members: Value) -> Result<Head, Fault> {
        let object = members.as_object_mut().unwrap();
        object.entry("type").or_insert("indicator".into());
        object.entry("id").or_insert(INDICATOR.into());
        Head::of(&members)
    }

    #[test]
    fn modified_is_the_version_and_created_stands_in() {
        let both =
            json!({"spec_version": "2.1", "created": "2020-01-01T00:00:00Z", "modified": "2021-01-01T00:00:00.5Z"});
        assert_eq!(head(both).unwrap().version.unwrap().as_str(), "2021-01-01T00:00:00.5Z");
        let created = json!({"spec_version": "2.1", "created": "2020-01-01T00:00:00Z"});
        assert_eq!(head(created).unwrap().version.unwrap().as_str(), "2020-01-01T00:00:00Z");
    }

    #[test]
    fn an_observable_has_no_version_and_counts_as_2_1() {
        let id = "ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd";
        let head = Head::of(&json!({"type": "ipv4-addr", "id": id, "value": "198.51.100.3", "created": "x"})).unwrap();
        assert!(head.version.is_none());
        assert_eq!(head.spec, Spec::V21);
    }

    #[test]
    fn an_object_without_spec_version_is_stix_2_0() {
        let object = json!({"created": "2020-01-01T00:00:00Z", "modified": "2020-01-01T00:00:00Z"});
        assert_eq!(head(object).unwrap().spec, Spec::V20);
    }

    #[test]
    fn all_markings_count_granular_ones_too() {
        let red = marking::TLP[3].id;
        let green = marking::TLP[1].id;
        let object = json!({"object_marking_refs": [green], "granular_markings": [
            {"marking_ref": red, "selectors": ["name"]}, {"lang": "ko", "selectors": ["name"]}]});
        assert_eq!(head(object).unwrap().markings, [green, red]);
    }

    #[test]
    fn every_fault_names_its_place() {
        let at = |members| head(members).unwrap_err().pointer;
        assert_eq!(at(json!({"id": "indicator--1"})), "/id");
        assert_eq!(at(json!({"id": 7})), "/id");
        assert_eq!(at(json!({"type": "malware"})), "/type");
        assert_eq!(at(json!({"spec_version": "2.2"})), "/spec_version");
        assert_eq!(at(json!({"modified": "yesterday"})), "/modified");
        assert_eq!(at(json!({"object_marking_refs": ["x"]})), "/object_marking_refs/0");
        assert_eq!(at(json!({"object_marking_refs": "x"})), "/object_marking_refs");
        assert_eq!(at(json!({"granular_markings": [{"selectors": ["name"]}]})), "/granular_markings/0");
        assert_eq!(Head::of(&json!([])).unwrap_err().pointer, "");
        let many = json!({"object_marking_refs": vec![marking::TLP[3].id; MARKINGS + 1]});
        assert_eq!(head(many).unwrap_err().reason, "has more than 10000 markings");
    }

    #[test]
    fn nobody_redefines_a_predefined_marking() {
        let id = marking::TLP[3].id;
        let forged = json!({"type": "marking-definition", "id": id, "spec_version": "2.1",
            "created": "2017-01-20T00:00:00.000Z", "definition_type": "tlp", "definition": {"tlp": "white"}});
        assert!(Head::of(&forged).unwrap_err().reason.contains("predefined for TLP:RED"));
    }
}
