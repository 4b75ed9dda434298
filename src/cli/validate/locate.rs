//! Where in a file a finding is: line and column of what a JSON pointer names.

use crate::stix::json::step;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Octets of a text whose lines are counted together.
const BLOCK: usize = 1 << 16;

/// Counts the lines of a text, block by block: a place is found by looking at one block and at
/// one line, and a text of nothing but line ends costs no more than any other.
pub(super) struct Lines<'t> {
    text: &'t [u8],
    /// The line ends before each block.
    before: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t [u8]) -> Self {
        let ends = text.chunks(BLOCK).map(line_ends);
        let before = ends.scan(0, |sum, ends| Some(std::mem::replace(sum, *sum + ends))).collect();
        Self { text, before }
    }

    /// Line and column of an octet, each counted from 1, the column in characters.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let block = (offset / BLOCK).min(self.before.len().saturating_sub(1));
        let ends = self.before.get(block).copied().unwrap_or_default() + line_ends(&self.text[block * BLOCK..offset]);
        let start = self.text[..offset].iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        (ends + 1, String::from_utf8_lossy(&self.text[start..offset]).chars().count() + 1)
    }
}

#[expect(clippy::naive_bytecount, reason = "files are judged for longer than their lines are counted")]
fn line_ends(text: &[u8]) -> usize {
    text.iter().filter(|octet| **octet == b'\n').count()
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
        assert_eq!(Lines::of(b"").position(0), (1, 1));
    }

    #[test]
    fn lines_are_counted_across_blocks() {
        let text = "ab\n".repeat(100_000);
        let lines = Lines::of(text.as_bytes());
        for offset in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, text.len()] {
            assert_eq!(lines.position(offset), (offset / 3 + 1, offset % 3 + 1), "{offset}");
        }
    }
}
