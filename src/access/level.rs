//! Levels: the Traffic Light Protocol as an order.

use crate::stix::marking::{self, Tlp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// How far an object may travel. The order is the protocol's: what a caller may read up to
/// a level, it may read at every lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No limit. TLP 1.0 called it WHITE.
    Clear,
    /// The community.
    Green,
    /// The organisation and its clients.
    Amber,
    /// The organisation only.
    AmberStrict,
    /// The persons addressed.
    Red,
}

impl Level {
    /// From the lowest to the highest.
    pub const ALL: [Self; 5] = [Self::Clear, Self::Green, Self::Amber, Self::AmberStrict, Self::Red];

    /// The level of an object with these markings: the highest of its TLP markings. Other
    /// markings say nothing about it; an object without any TLP marking takes `unmarked`.
    pub fn of(markings: &[String], unmarked: Self) -> Self {
        markings.iter().filter_map(|id| marking::predefined(id)).map(Self::from).max().unwrap_or(unmarked)
    }

    /// As commands and settings write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Green => "green",
            Self::Amber => "amber",
            Self::AmberStrict => "amber+strict",
            Self::Red => "red",
        }
    }

    /// Its place in the order, from 0.
    pub fn rank(self) -> u8 {
        self as u8
    }

    /// The level with this place in the order.
    pub fn from_rank(rank: u8) -> Option<Self> {
        Self::ALL.get(usize::from(rank)).copied()
    }
}

impl From<&Tlp> for Level {
    fn from(tlp: &Tlp) -> Self {
        match tlp.value {
            "white" | "clear" => Self::Clear,
            "green" => Self::Green,
            "amber" => Self::Amber,
            "amber+strict" => Self::AmberStrict,
            _ => Self::Red,
        }
    }
}

/// The text is no level.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no level: use clear, green, amber, amber+strict or red")]
pub struct NotALevel(String);

impl FromStr for Level {
    type Err = NotALevel;

    fn from_str(text: &str) -> Result<Self, NotALevel> {
        let found = Self::ALL.into_iter().find(|level| level.as_str() == text.to_ascii_lowercase());
        found.ok_or_else(|| NotALevel(text.to_owned()))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_marking_is_the_level_and_strangers_say_nothing() {
        let id = |at: usize| marking::TLP[at].id.to_owned();
        let statement = "marking-definition--17d82bb2-eeeb-4898-bda5-3ddbcd2b799d".to_owned();
        assert_eq!(Level::of(&[], Level::Green), Level::Green);
        assert_eq!(Level::of(std::slice::from_ref(&statement), Level::Amber), Level::Amber);
        assert_eq!(Level::of(&[id(1), statement, id(3)], Level::Clear), Level::Red);
        assert_eq!(Level::of(&[id(0)], Level::Red), Level::Clear);
        assert_eq!(Level::of(&[id(2), id(7)], Level::Clear), Level::AmberStrict);
        let capitals = id(8).to_uppercase().replace("MARKING-DEFINITION", "marking-definition");
        assert_eq!(Level::of(&[capitals], Level::Clear), Level::Red);
    }

    #[test]
    fn every_level_is_read_as_it_is_written() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse::<Level>().unwrap(), level);
            assert_eq!(Level::from_rank(level.rank()), Some(level));
        }
        assert!("white".parse::<Level>().is_err());
    }
}
