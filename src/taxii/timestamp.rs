//! Timestamps of TAXII (TAXII 2.1 §2): RFC 3339, UTC, exactly six fraction digits when written.

use crate::stix::timestamp::civil;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A point in time: microseconds since the Unix epoch, UTC. `date_added` is one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400;

impl Timestamp {
    /// The beginning of year 0, and the end of year 9999: what four digits can say.
    const FIRST: Self = Self(-62_167_219_200_000_000);
    /// The end of the year 9999: later than anything that can be written.
    pub const LAST: Self = Self(253_402_300_799_999_999);

    /// 1970-01-01T00:00:00.000000Z.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The next one that can be told apart from it: a microsecond later.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// This many seconds later, or earlier if negative.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(SECOND)))
    }

    /// Reads what clients send: any number of fraction digits (those beyond the sixth are
    /// dropped, downwards, so that nothing is missed), `Z` or an offset; the `+` of an
    /// offset may have become a space on its way through a query string.
    pub fn parse(text: &str) -> Option<Self> {
        let [year, month, day, hour, minute, second] = civil(text.get(..19)?)?;
        let rest = &text[19..];
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
            None => ("", rest),
        };
        if fraction.is_empty() && rest.starts_with('.') {
            return None;
        }
        let micros: i64 = format!("{:0<6}", &fraction[..fraction.len().min(6)]).parse().ok()?;
        let seconds = days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        let time = Self((seconds - offset(zone)?) * SECOND + micros);
        // An offset can lead out of the years that can be written.
        (Self::FIRST..=Self::LAST).contains(&time).then_some(time)
    }
}

/// Seconds east of UTC of `Z`, `+hh:mm`, `-hh:mm` or ` hh:mm`.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' | b' ' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let field = |text: &str, limit: i64| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|&value: &i64| digits && value < limit)
    };
    Some(sign * (field(hours, 24)? * 3600 + field(minutes, 60)? * 60))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Years run from March, so that the leap day is the last day of a year.
    let year = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

impl From<SystemTime> for Timestamp {
    /// Rounds towards 1970 to the microsecond.
    fn from(time: SystemTime) -> Self {
        let micros = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        Self(match time.duration_since(UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => -micros(before.duration()),
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.div_euclid(SECOND), self.0.rem_euclid(SECOND));
        let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no timestamp")))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_clients_send_is_read() {
        let expected = Timestamp::parse("2024-01-17T16:11:20.183200Z").unwrap();
        for text in [
            "2024-01-17T16:11:20.1832Z",
            "2024-01-17T16:11:20.183200999Z",
            "2024-01-17T16:11:20.183200+00:00",
            "2024-01-17T16:11:20.183200 00:00",
            "2024-01-17T18:11:20.183200+02:00",
            "2024-01-17T11:41:20.1832000-04:30",
        ] {
            assert_eq!(Timestamp::parse(text), Some(expected), "{text}");
        }
        assert_eq!(Timestamp::parse("1970-01-01T00:00:00Z"), Some(Timestamp::EPOCH));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for text in [
            "",
            "yesterday",
            "2024-01-17",
            "2024-01-17T16:11:20",
            "2024-01-17T16:11:20.Z",
            "2024-01-17T16:11:20.5",
            "2024-01-17T16:11:20+0000",
            "2024-01-17T16:11:20+24:00",
            "2024-01-17T16:11:20ZZ",
            "1705507880",
            "2024-02-30T00:00:00Z",
            "2024-01-17T16:11:20.é",
            "2024-01-17T16:11:2é0Z",
            "9999-12-31T23:59:59-12:00",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same(micros in -62_167_219_200_000_000i64..253_402_300_800_000_000) {
            let time = Timestamp::from_micros(micros);
            let text = time.to_string();
            prop_assert_eq!(text.len(), 27);
            prop_assert_eq!(Timestamp::parse(&text), Some(time));
        }

        #[test]
        fn texts_order_as_times_do(a in 0i64..253_402_300_800_000_000, b in 0i64..253_402_300_800_000_000) {
            let (a, b) = (Timestamp::from_micros(a), Timestamp::from_micros(b));
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }
    }
}
