//! Identifiers (STIX 2.1 §2.9): `object-type--UUID`.

use std::fmt;

/// A well-formed STIX identifier. Compared octet by octet, as received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    text: String,
    type_length: usize,
}

/// Octets of a UUID in its text form (RFC 9562 §4).
const UUID_LENGTH: usize = 36;

impl Id {
    /// Reads `object-type--UUID`. `None` for anything else, in whatever way it differs.
    pub fn parse(text: &str) -> Option<Self> {
        let type_length = text.len().checked_sub(UUID_LENGTH + 2)?;
        if !text.is_ascii() || &text[type_length..type_length + 2] != "--" {
            return None;
        }
        let well_formed = is_type(&text[..type_length]) && is_uuid(&text[type_length + 2..]);
        well_formed.then(|| Self { text: text.to_owned(), type_length })
    }

    /// The object type that the identifier names, such as `intrusion-set`.
    pub fn object_type(&self) -> &str {
        &self.text[..self.type_length]
    }

    /// The whole identifier.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether `text` can be an object type (STIX 2.1 §3.1): 1–250 of `a-z 0-9 -`.
/// The lower bound of the standard, three, is a matter of judging objects, not of reading ids.
pub fn is_type(text: &str) -> bool {
    (1..=250).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether `text` is a UUID in its 8-4-4-4-12 text form, of any version, either case.
fn is_uuid(text: &str) -> bool {
    text.len() == UUID_LENGTH
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_type_two_hyphens_and_a_uuid() {
        let id = Id::parse("intrusion-set--c93fccb1-e8e8-42cf-ae33-2ad1d183913a").unwrap();
        assert_eq!(id.object_type(), "intrusion-set");
    }

    #[test]
    fn anything_else_is_no_id() {
        for text in [
            "",
            "indicator",
            "indicator--",
            "--c93fccb1-e8e8-42cf-ae33-2ad1d183913a",
            "Indicator--c93fccb1-e8e8-42cf-ae33-2ad1d183913a",
            "indicator-c93fccb1-e8e8-42cf-ae33-2ad1d183913a",
            "indicator--c93fccb1-e8e8-42cf-ae33-2ad1d183913a\n",
            "indicator--c93fccb1e8e842cfae332ad1d183913a",
            "indicator--g93fccb1-e8e8-42cf-ae33-2ad1d183913a",
            "indicätor--c93fccb1-e8e8-42cf-ae33-2ad1d183913a",
            "c93fccb1-e8e8-42cf-ae33-2ad1d183913aü-",
        ] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
