//! Why a text is no pattern, in words for the analyst who wrote it.

use std::fmt;

/// As much of a foreign text as a sentence bears, in characters.
const SHOWN: usize = 40;

/// Why a text is no STIX pattern: the first fault, from the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, in characters, the first being 1.
    pub column: usize,
    /// What stands there: quoted, its control characters escaped, cut to a safe length.
    pub found: String,
    /// What could have stood there.
    pub expected: String,
}

impl Fault {
    /// A fault at `column`, where `found` stands; nothing stands at the end.
    pub(super) fn new(column: usize, found: &str, expected: impl Into<String>) -> Self {
        let found = if found.is_empty() { "the end of the pattern".to_owned() } else { shown(found) };
        Self { column, found, expected: expected.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: expected {}, found {}", self.column, self.expected, self.found)
    }
}

impl std::error::Error for Fault {}

/// A foreign text in a sentence. Quotes and backslashes are everyday in patterns, and stay as they are.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::from("`");
    for char in text.chars().take(SHOWN) {
        match char {
            '\'' | '"' | '\\' => shown.push(char),
            _ => shown.extend(char.escape_debug()),
        }
    }
    shown.push_str(if text.chars().nth(SHOWN).is_some() { "…`" } else { "`" });
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_quoted_escaped_and_cut() {
        assert_eq!(Fault::new(3, "]", "a constant").to_string(), "column 3: expected a constant, found `]`");
        assert_eq!(Fault::new(3, "", "]").found, "the end of the pattern");
        assert_eq!(shown("'C:\\x'\u{1b}[2J\n"), "`'C:\\x'\\u{1b}[2J\\n`");
        assert_eq!(shown(&"ü".repeat(1000)), format!("`{}…`", "ü".repeat(40)));
    }
}
