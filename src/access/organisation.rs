//! Organisations: the members of the exchange.

use serde::Serialize;

/// Names an organisation inside a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct OrganisationKey(pub i64);

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organisation {
    /// Its key in the store.
    pub key: OrganisationKey,
    /// Its short name, unique: what commands, settings and logs call it.
    pub name: String,
    /// Its name for people.
    pub title: String,
}

/// Why a text cannot be an organisation's name; `None` if it can. It becomes a file name and stands in logs.
pub fn name_fault(name: &str) -> Option<String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let named = (1..=64).contains(&name.len()) && !name.starts_with(['.', '-']);
    (!plain || !named).then(|| format!("{name:?} is no name: use up to 64 letters, digits and - . _"))
}
