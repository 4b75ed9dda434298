//! The envelope (TAXII 2.1 §3.7), and the bundle that pushers send in its place.
//!
//! An envelope is only cut apart here: each object stays the text that it is.

use crate::stix::json::{self, shown};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::fmt;

/// The objects of a request body, each as the JSON text received.
#[derive(Debug)]
pub struct Envelope<'b> {
    /// In the order received. Each is one well-formed JSON value, of whatever kind.
    pub objects: Vec<&'b str>,
    /// Whether it came as a STIX bundle.
    pub bundle: bool,
}

/// Why a body as a whole cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not UTF-8 (RFC 8259 §8.1).
    #[error("the body is not UTF-8: octet {0} begins no character")]
    NotUtf8(usize),
    /// Not JSON (RFC 8259).
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not what can be added.
    #[error("the body is no TAXII envelope: {0}")]
    NoEnvelope(String),
}

impl<'b> Envelope<'b> {
    /// Cuts a body into its objects, in one pass. Unknown members are passed over
    /// (TAXII 2.1 §7.1); `more` and `next` mean nothing in a request.
    ///
    /// A body of more than `most` objects is refused as soon as that shows.
    pub fn split(body: &'b [u8], most: usize) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(body).map_err(|error| BodyError::NotUtf8(error.valid_up_to()))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parts = deserializer.deserialize_map(PartsVisitor { most });
        let parts = parts.and_then(|parts| deserializer.end().map(|()| parts));
        let parts = parts.map_err(|error| classify(text, &error))?;
        let bundle = parts.object_type.is_some_and(|kind| kind.get() == "\"bundle\"");
        match (parts.objects, parts.object_type) {
            (Some(objects), _) if !objects.is_empty() => {
                Ok(Self { objects: objects.into_iter().map(RawValue::get).collect(), bundle })
            }
            (None, Some(_)) if !bundle => no_envelope("a STIX object is sent inside {\"objects\":[…]}"),
            (None, _) => no_envelope("it has no \"objects\""),
            (Some(_), _) => no_envelope("its \"objects\" are empty: there is nothing to add"),
        }
    }
}

fn no_envelope<T>(reason: &str) -> Result<T, BodyError> {
    Err(BodyError::NoEnvelope(reason.to_owned()))
}

/// A body that is not JSON at all is told apart from JSON of another shape, even where the shape shows first.
fn classify(text: &str, error: &serde_json::Error) -> BodyError {
    if error.classify() != Category::Data {
        return BodyError::NotJson(cut(error));
    }
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => BodyError::NoEnvelope(cut(error)),
        Err(syntax) => BodyError::NotJson(cut(&syntax)),
    }
}

/// What an error says, without all of the body that it may quote.
fn cut(error: &serde_json::Error) -> String {
    error.to_string().chars().take(300).collect()
}

/// The members of an envelope or bundle that matter.
struct Parts<'b> {
    objects: Option<Vec<&'b RawValue>>,
    object_type: Option<&'b RawValue>,
}

struct PartsVisitor {
    most: usize,
}

/// The list of objects, at most so many.
struct Objects {
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Objects {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut objects = Vec::new();
        while let Some(object) = items.next_element()? {
            if objects.len() == self.most {
                return Err(A::Error::custom(format!("it has more than {} objects", self.most)));
            }
            objects.push(object);
        }
        Ok(objects)
    }
}

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object {\"objects\":[…]}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Parts<'de>, A::Error> {
        let mut parts = Parts { objects: None, object_type: None };
        let mut others = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let repeated = match name.as_str() {
                "objects" => parts.objects.replace(members.next_value_seed(Objects { most: self.most })?).is_some(),
                "type" => parts.object_type.replace(members.next_value()?).is_some(),
                _ => {
                    json::parse(members.next_value::<&RawValue>()?.get()).map_err(A::Error::custom)?;
                    !others.insert(name.clone())
                }
            };
            if repeated {
                return Err(A::Error::custom(format!("the member name {} occurs twice", shown(&name))));
            }
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: &str) -> Result<Vec<&str>, BodyError> {
        Envelope::split(body.as_bytes(), 3).map(|envelope| envelope.objects)
    }

    #[test]
    fn objects_keep_their_text_to_the_octet() {
        let body = "{\"more\":false,\"objects\":[ {\"a\" : 1.0,\n\"b\":\"\\u00e9\"} ,[1e2],{}],\"x_y\":{}}";
        assert_eq!(split(body).unwrap(), ["{\"a\" : 1.0,\n\"b\":\"\\u00e9\"}", "[1e2]", "{}"]);
    }

    #[test]
    fn a_bundle_is_told_from_an_envelope() {
        let bundle = br#"{"type":"bundle","id":"bundle--1","spec_version":"2.1","objects":[{}]}"#;
        assert!(Envelope::split(bundle, 3).unwrap().bundle);
        assert!(!Envelope::split(br#"{"objects":[{}]}"#, 3).unwrap().bundle);
    }

    #[test]
    fn what_is_not_json_is_told_from_what_is_no_envelope() {
        let not_json = ["", "{{", "[1,", "{\"objects\":[{]}", "{\"objects\":[NaN]}", "{\"objects\":[{}]} x", "nul"];
        for body in not_json {
            assert!(matches!(split(body), Err(BodyError::NotJson(_))), "{body}");
        }
        let no_envelope = [
            "[]",
            "1",
            "{}",
            "null",
            "{\"objects\":{}}",
            "{\"objects\":null}",
            "{\"objects\":[]}",
            "{\"objects\":[1,2,3,4]}",
            "{\"objects\":[{}],\"objects\":[{}]}",
            "{\"objects\":[{}],\"x_a\":1,\"x_a\":1}",
            "{\"objects\":[{}],\"x_a\":{\"b\":1,\"b\":1}}",
            "{\"type\":\"indicator\",\"id\":\"x\"}",
            "{\"type\":\"bundle\"}",
        ];
        for body in no_envelope {
            assert!(matches!(split(body), Err(BodyError::NoEnvelope(_))), "{body}");
        }
        assert_eq!(Envelope::split(b"{\"objects\":[\"\xff\"]}", 3).unwrap_err(), BodyError::NotUtf8(13));
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert_eq!(split(&format!("{{\"objects\":[{deep}]}}")).unwrap(), [deep]);
    }
}
