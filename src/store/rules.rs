//! Rules: what a collection does with what it is sent.

use crate::access::level::Level;
use crate::stix::finding::Profile;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// What a collection does with what it is sent, from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// The level of objects without a marking that says one.
    pub unmarked: Level,
    /// The highest level that it takes.
    pub ceiling: Level,
    /// How strictly it judges.
    pub profile: Profile,
    /// What becomes of a new version with a lower level than the one before.
    pub downgrade: Downgrade,
}

impl Default for Rules {
    fn default() -> Self {
        let (unmarked, ceiling) = (Level::Green, Level::Red);
        Self { unmarked, ceiling, profile: Profile::Standard, downgrade: Downgrade::Allow }
    }
}

impl Rules {
    /// The same, but for these.
    #[must_use]
    pub fn with(mut self, changed: &[Rule]) -> Self {
        for rule in changed {
            match *rule {
                Rule::Unmarked(level) => self.unmarked = level,
                Rule::Ceiling(level) => self.ceiling = level,
                Rule::Profile(profile) => self.profile = profile,
                Rule::Downgrade(downgrade) => self.downgrade = downgrade,
            }
        }
        self
    }
}

/// One of the rules of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// See [`Rules::unmarked`].
    Unmarked(Level),
    /// See [`Rules::ceiling`].
    Ceiling(Level),
    /// See [`Rules::profile`].
    Profile(Profile),
    /// See [`Rules::downgrade`].
    Downgrade(Downgrade),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unmarked(level) => write!(f, "unmarked {level}"),
            Self::Ceiling(level) => write!(f, "ceiling {level}"),
            Self::Profile(profile) => write!(f, "profile {profile}"),
            Self::Downgrade(downgrade) => write!(f, "downgrade {downgrade}"),
        }
    }
}

/// What becomes of a new version of an object that may travel further than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Downgrade {
    /// It is as any other: its owner decides how far it travels.
    #[default]
    Allow,
    /// Nobody but its owner sees it until who manages the collection releases it.
    Quarantine,
}

impl Downgrade {
    /// As commands write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Quarantine => "quarantine",
        }
    }
}

impl FromStr for Downgrade {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Allow, Self::Quarantine].into_iter().find(|known| known.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is no policy for downgrades: use allow or quarantine"))
    }
}

impl fmt::Display for Downgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
