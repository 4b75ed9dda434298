//! Files of STIX objects, as commands take them: a bundle, an envelope, one object, or one object a line.

use super::Failure;
use crate::stix::json;
use crate::taxii::objects::{BodyError, Envelope};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

/// Reads a whole file; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<Bytes, Failure> {
    let mut octets = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut octets).map(drop)
    } else {
        std::fs::read(file).map(|text| octets = text)
    };
    read.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    Ok(octets.into())
}

/// The objects of a file, each as its text: of an envelope or bundle, the whole file if it is one
/// object, or else each line.
pub(super) fn texts(octets: &Bytes) -> Result<Vec<Bytes>, BodyError> {
    if octets.starts_with(BYTE_ORDER_MARK) {
        return Err(BodyError::NotJson(
            "it begins with a byte order mark, which JSON must not (RFC 8259 §8.1)".to_owned(),
        ));
    }
    let whole = match Envelope::split(octets, usize::MAX) {
        Ok(envelope) => return Ok(envelope.objects.iter().map(|text| octets.slice_ref(text.as_bytes())).collect()),
        Err(error) => error,
    };
    if let Some(members) = members(octets) {
        return match members.get("objects").map(|objects| objects.get()) {
            Some(list) if list.starts_with('[') && list[1..].trim_start() == "]" => Ok(Vec::new()),
            Some(list) if list.starts_with('[') => Err(whole),
            _ if is_bundle(&members) => Ok(Vec::new()),
            _ => Ok(vec![octets.slice_ref(octets.trim_ascii())]),
        };
    }
    let lines: Vec<&[u8]> =
        octets.split(|&octet| octet == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    let is_object = |line: &&[u8]| line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok();
    // A file whose first line is no object is one broken text: its own error tells more.
    if lines.len() < 2 || !lines.first().is_some_and(is_object) {
        return Err(whole);
    }
    Ok(lines.into_iter().map(|line| octets.slice_ref(line)).collect())
}

/// What a bundle says besides its objects; `None` if the file is no bundle, or not readable as one.
pub(super) fn bundle(octets: &Bytes) -> Option<Value> {
    let members = members(octets).filter(is_bundle)?;
    // Objects are judged one by one; that there are none is the bundle's own affair.
    let own = members.into_iter().filter(|(name, text)| name != "objects" || text.get().len() < SHORT);
    let read = own.map(|(name, text)| Some((name, json::parse(text.get()).ok()?)));
    let mut bundle: Map<String, Value> = read.collect::<Option<_>>()?;
    if bundle.get("objects").and_then(Value::as_array).is_some_and(|objects| !objects.is_empty()) {
        bundle.remove("objects");
    }
    Some(Value::Object(bundle))
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// A list of objects that is shorter than this, in octets, may be empty.
const SHORT: usize = 100;

/// The members of a file that is one JSON object.
fn members(octets: &Bytes) -> Option<BTreeMap<String, &RawValue>> {
    serde_json::from_slice(octets).ok()
}

fn is_bundle(members: &BTreeMap<String, &RawValue>) -> bool {
    members.get("type").is_some_and(|kind| kind.get() == "\"bundle\"")
}

/// How far a long piece of work is. Drawn on a terminal only.
pub(super) fn progress(objects: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} objects, {per_sec}, {eta} left");
    let bar = ProgressBar::new(objects as u64);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &'static str) -> Result<Vec<Bytes>, BodyError> {
        texts(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_file_is_a_bundle_an_envelope_an_object_or_one_object_a_line() {
        assert_eq!(split("{\"type\":\"bundle\",\"objects\":[{\"a\":1}, {}]}").unwrap(), ["{\"a\":1}", "{}"]);
        assert_eq!(
            split("{\"type\":\"x\"}\n\n {\"type\":\"y\"}\r\n").unwrap(),
            ["{\"type\":\"x\"}", "{\"type\":\"y\"}"]
        );
        assert_eq!(split("{\"type\":\"x\"}").unwrap(), ["{\"type\":\"x\"}"]);
        assert_eq!(split(" {\n \"type\":7\n}\n").unwrap(), ["{\n \"type\":7\n}"]);
        assert_eq!(split("{\"type\":\"bundle\",\"id\":\"x\"}").unwrap(), [""; 0]);
        assert_eq!(
            split("{\"type\":\"x\"}\n{broken").unwrap(),
            ["{\"type\":\"x\"}", "{broken"],
            "a bad line is that object's failure"
        );
    }

    #[test]
    fn one_object_is_an_object_whatever_is_wrong_with_it() {
        for text in
            ["{}", "{\"id\":1}", "{\"type\":1,\"type\":2}", "{\"type\":\"observed-data\",\"objects\":{\"0\":{}}}"]
        {
            assert_eq!(split(text).unwrap(), [text]);
        }
        assert_eq!(split("{\"objects\":[ ]}").unwrap(), [""; 0]);
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in ["", "[]", "hello", "{\"objects\":[\n{]}", "{\"objects\":[1],\"objects\":[1]}", "\u{feff}{}"] {
            assert!(split(text).is_err(), "{text}");
        }
    }
}
