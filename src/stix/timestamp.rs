//! Timestamps of STIX (STIX 2.1 §2.16): RFC 3339, `Z` only, any number of fraction digits.
//!
//! The text is kept as received; instants are compared exactly, however fine. That
//! is why an instant is a text too: the canonical form without trailing zeros sorts
//! as time does, from year 0000 to 9999, and never rounds.

use std::cmp::Ordering;
use std::fmt;

/// A STIX timestamp: the text as received, and the instant that it names.
#[derive(Clone, Debug)]
pub struct Timestamp {
    text: String,
    /// `YYYY-MM-DDTHH:MM:SS[.f]` with no trailing zero in the fraction: orders as bytes.
    instant: String,
}

/// Fraction digits that are read: far finer than any clock, and no place to hide megabytes.
const MAX_FRACTION: usize = 64;

impl Timestamp {
    /// Reads `YYYY-MM-DDTHH:MM:SS[.f+]Z`. `None` for anything else: other offsets,
    /// lower case, days that the month does not have. Second 60 (a leap second) is read.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_suffix('Z')?;
        if !body.is_ascii() || body.len() < 19 {
            return None;
        }
        let (seconds, fraction) = body.split_at(19);
        let [.., hour, minute, second] = civil(seconds)?;
        // A leap second is the last of a day (RFC 3339 §5.7).
        if second == 60 && (hour, minute) != (23, 59) {
            return None;
        }
        let digits = match fraction.strip_prefix('.') {
            Some(digits) if is_digits(digits) && digits.len() <= MAX_FRACTION => digits.trim_end_matches('0'),
            None if fraction.is_empty() => "",
            _ => return None,
        };
        let instant = if digits.is_empty() { seconds.to_owned() } else { format!("{seconds}.{digits}") };
        Some(Self { text: text.to_owned(), instant })
    }

    /// The text as received.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The instant in its canonical form, which orders as bytes: see the module head.
    pub fn instant(&self) -> &str {
        &self.instant
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.instant == other.instant
    }
}

impl Eq for Timestamp {}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.instant.cmp(&other.instant)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The fields of `YYYY-MM-DDTHH:MM:SS`, each in its range (RFC 3339 §5.7).
/// Year, month, day, hour, minute, second.
pub fn civil(text: &str) -> Option<[i64; 6]> {
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19 || separators.iter().any(|&(at, wanted)| bytes[at] != wanted) {
        return None;
    }
    let mut fields = [0; 6];
    for (field, range) in fields.iter_mut().zip([0..4, 5..7, 8..10, 11..13, 14..16, 17..19]) {
        let digits = text.get(range)?;
        *field = if is_digits(digits) { digits.parse().ok()? } else { return None };
    }
    let [year, month, day, hour, minute, second] = fields;
    let in_range = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    in_range.then_some(fields)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_compared_not_texts() {
        let parse = |text| Timestamp::parse(text).unwrap();
        assert_eq!(parse("2024-01-17T16:11:01Z"), parse("2024-01-17T16:11:01.000Z"));
        assert!(parse("2024-01-17T16:11:01.1Z") > parse("2024-01-17T16:11:01.0999999999Z"));
        assert_eq!(parse("2024-01-17T16:11:01.500Z").as_str(), "2024-01-17T16:11:01.500Z");
    }

    #[test]
    fn what_is_no_stix_timestamp_is_refused() {
        for text in [
            "",
            "Z",
            "2024-01-17",
            "2024-01-17T16:11:01",
            "2024-01-17T16:11:01+00:00",
            "2024-01-17t16:11:01Z",
            "2024-01-17T16:11:01.Z",
            "2024-01-17T16:11:01.5 Z",
            "2024-01-17T16:11:01.00000000000000000000000000000000000000000000000000000000000000001Z",
            "2024-02-30T00:00:00Z",
            "2023-02-29T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2016-12-31T12:00:60Z",
            "+024-01-01T00:00:00Z",
            "2024-01-01T00:00:00Zü",
            "２024-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_instants_is_the_order_of_time(
            a in (0u32..86_400, 0u64..1_000_000_000), b in (0u32..86_400, 0u64..1_000_000_000),
        ) {
            let at = |(s, ns): (u32, u64)| {
                let text = format!("2024-02-29T{:02}:{:02}:{:02}.{ns:09}Z", s / 3600, s / 60 % 60, s % 60);
                Timestamp::parse(&text).unwrap()
            };
            prop_assert_eq!(at(a).cmp(&at(b)), a.cmp(&b));
        }
    }
}
