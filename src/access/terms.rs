//! Terms: what all markings of an object ask for together.

use super::level::Level;
use crate::stix::marking;
use crate::stix::sharing::{Colour, Sharing};
use crate::stix::timestamp;
use crate::taxii::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// How far an object may travel, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The highest level that a marking asks for; `None` if none does.
    pub level: Option<Level>,
    /// Before this time, only its owner has it.
    pub starts: Option<Timestamp>,
    /// From this time on, only its owner has it.
    pub ends: Option<Timestamp>,
}

impl Terms {
    /// What a predefined marking asks for; `None` if the id is of another one.
    pub fn predefined(id: &str) -> Option<Self> {
        let level = marking::predefined(id).map(|tlp| Colour::parse(tlp.value).map_or(Level::Red, Level::from))?;
        Some(Self { level: Some(level), ..Self::default() })
    }

    /// What these and other terms ask for together: the strictest of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            level: self.level.max(other.level),
            starts: self.starts.max(other.starts),
            ends: self.ends.into_iter().chain(other.ends).min(),
        }
    }

    /// Whether these let an object travel further, earlier or longer than others did.
    pub fn loosen(self, others: Self) -> bool {
        let earlier = others.starts.is_some_and(|starts| self.starts.is_none_or(|own| own < starts));
        let longer = others.ends.is_some_and(|ends| self.ends.is_none_or(|own| own > ends));
        self.level < others.level || earlier || longer
    }
}

impl From<&Sharing> for Terms {
    fn from(sharing: &Sharing) -> Self {
        // STIX's years are those of TAXII's timestamps; finer digits are cut.
        let time = |time: &timestamp::Timestamp| Timestamp::parse(&format!("{}Z", time.instant()));
        let (starts, ends) = (sharing.starts.as_ref().map(time), sharing.ends.as_ref().map(time));
        // A time that cannot be told, as a leap second, closes.
        let odd = (starts == Some(None) || ends == Some(None)).then_some(Level::Red);
        let level = sharing.colour.map(Level::from).max(odd);
        Self { level, starts: starts.flatten(), ends: ends.flatten() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_of_all_markings_counts_and_capitals_are_no_way_out() {
        let of = |at: usize| Terms::predefined(marking::TLP[at].id).unwrap();
        assert_eq!(of(1).and(of(3)).level, Some(Level::Red));
        assert_eq!(of(2).and(of(7)).level, Some(Level::AmberStrict));
        assert_eq!(of(0).and(Terms::default()).level, Some(Level::Clear));
        let capitals = marking::TLP[8].id.to_uppercase().replace("MARKING-DEFINITION", "marking-definition");
        assert_eq!(Terms::predefined(&capitals).unwrap().level, Some(Level::Red));
        assert_eq!(Terms::predefined("marking-definition--17d82bb2-eeeb-4898-bda5-3ddbcd2b799d"), None);
    }

    #[test]
    fn terms_loosen_others_that_are_higher_or_start_later_or_end_earlier() {
        let time = |hour: u32| Timestamp::parse(&format!("2026-01-01T{hour:02}:00:00Z"));
        let terms = |level, starts: Option<u32>, ends: Option<u32>| Terms {
            level: Some(level),
            starts: starts.and_then(time),
            ends: ends.and_then(time),
        };
        let before = terms(Level::Amber, Some(5), Some(10));
        for (after, expected) in [
            (before, false),
            (terms(Level::Red, Some(6), Some(9)), false),
            (terms(Level::Green, Some(5), Some(10)), true),
            (terms(Level::Amber, Some(4), Some(10)), true),
            (terms(Level::Amber, None, Some(10)), true),
            (terms(Level::Amber, Some(5), Some(11)), true),
            (terms(Level::Amber, Some(5), None), true),
        ] {
            assert_eq!(after.loosen(before), expected, "{after:?}");
        }
        assert!(!before.loosen(terms(Level::Amber, None, None)));
    }

    #[test]
    fn terms_start_with_the_latest_and_end_with_the_earliest() {
        let time = |text: &str| Timestamp::parse(text);
        let terms = |starts: &str, ends: &str| Terms { level: None, starts: time(starts), ends: time(ends) };
        let one = terms("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z");
        let both = one.and(terms("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z")).and(Terms::default());
        assert_eq!(both, terms("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z"));
    }
}
