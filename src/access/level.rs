//! Levels: the Traffic Light Protocol as an order.

use crate::stix::sharing::Colour;
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

impl From<Colour> for Level {
    fn from(colour: Colour) -> Self {
        match colour {
            Colour::Clear => Self::Clear,
            Colour::Green => Self::Green,
            Colour::Amber => Self::Amber,
            Colour::AmberStrict => Self::AmberStrict,
            Colour::Red => Self::Red,
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
    fn every_level_is_read_as_it_is_written() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse::<Level>().unwrap(), level);
            assert_eq!(Level::from_rank(level.rank()), Some(level));
        }
        assert!("white".parse::<Level>().is_err());
    }
}
