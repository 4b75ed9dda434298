//! Where in a file a finding is: line and column of what a JSON pointer names.

use crate::stix::json::step;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The places where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t [u8],
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        let after = text.iter().enumerate().filter(|(_, octet)| **octet == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column of an octet, each counted from 1, the column in characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, String::from_utf8_lossy(before).chars().count() + 1)
    }
}

/// A list or an object, cut into its parts.
#[derive(Deserialize)]
#[serde(transparent)]
struct List<'t>(#[serde(borrow)] Vec<&'t RawValue>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Members<'t>(#[serde(borrow)] BTreeMap<Cow<'t, str>, &'t RawValue>);

/// How many octets into an object's text the place is that a pointer names: for what is not
/// there, the value where it should be.
pub(super) fn offset(text: &str, pointer: &str) -> usize {
    let mut place = text;
    for wanted in pointer.split('/').skip(1) {
        let Some(next) = inner(place, wanted) else { break };
        place = next;
    }
    place.as_ptr().addr() - text.as_ptr().addr()
}

fn inner<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    if text.starts_with('[') {
        let List(items) = serde_json::from_str(text).ok()?;
        return Some(items.get(wanted.parse::<usize>().ok()?)?.get());
    }
    let Members(members) = serde_json::from_str(text).ok()?;
    let found = members.iter().find(|(name, _)| step(name)[1..] == *wanted);
    found.map(|(_, value)| value.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_its_value_and_a_missing_one_to_where_it_should_be() {
        let text = "{\"a\": [1, {\"b/c\":  true}],\n \"\\u00e9\": 5}";
        let at = |pointer| &text[offset(text, pointer)..];
        assert!(at("/a/1/b~1c").starts_with("true"));
        assert!(at("/é").starts_with('5'));
        assert!(at("/a/1/missing").starts_with("{\"b/c"));
        assert!(at("/a/7").starts_with("[1"));
        assert_eq!(offset(text, ""), 0);
        assert_eq!(offset("{broken", "/a"), 0);
    }

    #[test]
    fn columns_count_characters() {
        let lines = Lines::of("ab\nüx\n".as_bytes());
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(3), (2, 1));
        assert_eq!(lines.position(5), (2, 2));
        assert_eq!(lines.position(7), (3, 1));
    }
}
