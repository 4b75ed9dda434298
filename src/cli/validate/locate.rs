//! Where in a file a finding is: line and column of what a JSON pointer names.

use crate::stix::json::step;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A line and a column, each counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Position {
    /// Where a file begins.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The position after a text that begins here: found by looking at that text, and at nothing else.
    pub(super) fn after(self, text: &[u8]) -> Self {
        let characters = |text: &[u8]| text.iter().filter(|octet| **octet & 0xc0 != 0x80).count();
        match text.iter().rposition(|octet| *octet == b'\n') {
            Some(end) => Self { line: self.line + line_ends(text), column: characters(&text[end + 1..]) + 1 },
            None => Self { column: self.column + characters(text), ..self },
        }
    }
}

#[expect(clippy::naive_bytecount, reason = "files are judged for longer than their lines are counted")]
fn line_ends(text: &[u8]) -> usize {
    text.iter().filter(|octet| **octet == b'\n').count()
}

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

/// The part of a list or an object that a step of a pointer names.
fn inner<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    let mut found = None;
    let search = Search { wanted, found: &mut found };
    // Reading ends where the part is found, which is an error to the reader and none to us.
    let _ = serde_json::Deserializer::from_str(text).deserialize_any(search);
    found.map(RawValue::get)
}

/// Walks through a list or an object up to one part of it, and keeps no other.
struct Search<'w, 't> {
    wanted: &'w str,
    found: &'w mut Option<&'t RawValue>,
}

impl<'t> Visitor<'t> for Search<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<(), A::Error> {
        let index: usize = self.wanted.parse().map_err(A::Error::custom)?;
        for _ in 0..index {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        *self.found = items.next_element()?;
        Err(A::Error::custom("found"))
    }

    fn visit_map<A: MapAccess<'t>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'t, str>>()? {
            if step(&name)[1..] == *self.wanted {
                *self.found = Some(members.next_value()?);
                return Err(A::Error::custom("found"));
            }
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
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
    fn columns_count_characters_and_a_way_may_be_walked_in_parts() {
        let text = "ab\nüx\n한".as_bytes();
        let at = |offset: usize| {
            let Position { line, column } = Position::START.after(&text[..offset]);
            (line, column)
        };
        assert_eq!([at(0), at(3), at(5), at(7), at(10)], [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)]);
        for middle in [0, 1, 3, 5, 7] {
            assert_eq!(Position::START.after(&text[..middle]).after(&text[middle..]), Position::START.after(text));
        }
    }
}
