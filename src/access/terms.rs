//! Terms: what all markings of an object ask for together.

use super::level::Level;
use crate::stix::marking;
use crate::stix::sharing::{Colour, Sharing};
use crate::stix::timestamp;
use crate::taxii::timestamp::Timestamp;

/// How far an object may travel, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    fn terms_start_with_the_latest_and_end_with_the_earliest() {
        let time = |text: &str| Timestamp::parse(text);
        let terms = |starts: &str, ends: &str| Terms { level: None, starts: time(starts), ends: time(ends) };
        let one = terms("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z");
        let both = one.and(terms("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z")).and(Terms::default());
        assert_eq!(both, terms("2026-02-01T00:00:00Z", "2026-02-03T00:00:00Z"));
    }
}
