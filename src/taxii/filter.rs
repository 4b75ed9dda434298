//! Filters and paging parameters (TAXII 2.1 §3.4): from a query string to values.
//!
//! Once a [`Query`] exists, nothing in it can be malformed.

use super::timestamp::Timestamp;
use crate::stix::head::Spec;
use crate::stix::timestamp::Timestamp as Version;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// At most this many values in one filter.
pub const MAX_VALUES: usize = 500;
/// And at most this many octets of all filters together, as a cursor writes them: repeated beside a
/// cursor that carries them too, they still fit into one URL.
const MAX_OCTETS: usize = 27_000;

/// Which parameters an endpoint defines; those that it does not are ignored (TAXII 2.1 §3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Objects and manifest (§5.3, §5.4): all.
    Collection,
    /// An object (§5.6): no `match[id]`, no `match[type]`.
    Object,
    /// Versions (§5.8): nor `match[version]`.
    Versions,
    /// Deleting an object (§5.7): only versions and specification versions; anything
    /// else that could have been meant to narrow it is an error, never ignored.
    Deletion,
}

/// What a query string asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only what was added strictly later.
    pub added_after: Option<Timestamp>,
    /// At most this many; at least 1.
    pub limit: Option<usize>,
    /// The place to go on from, as given out with an earlier page: see [`super::page::Cursor`].
    pub next: Option<String>,
    /// Which objects and versions. `None` if the query has no `match[…]` at all.
    pub filter: Option<Filter>,
}

/// Which objects and versions: different fields narrow, values of one field widen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Filter {
    /// `match[id]`
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// `match[type]`
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// `match[version]`
    #[serde(rename = "v", default, skip_serializing_if = "Versions::is_last")]
    pub versions: Versions,
    /// `match[spec_version]`; absent: the latest of each object. Unknown versions are not in the list.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub specs: Option<Vec<Spec>>,
}

/// Which versions of an object (TAXII 2.1 §3.4.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Versions {
    /// Every one.
    #[serde(rename = "a")]
    All,
    /// The union of these.
    #[serde(rename = "o")]
    Only {
        /// The oldest.
        #[serde(rename = "f", default)]
        first: bool,
        /// The newest.
        #[serde(rename = "l", default)]
        last: bool,
        /// Those of these instants: canonical, see [`Version::instant`].
        #[serde(rename = "i", default)]
        instants: Vec<String>,
    },
}

impl Default for Versions {
    fn default() -> Self {
        Self::Only { first: false, last: true, instants: Vec::new() }
    }
}

impl Versions {
    fn is_last(&self) -> bool {
        *self == Self::default()
    }
}

impl Filter {
    /// Whether it chooses a marking definition of STIX 2.1 that has only this version, its id apart.
    pub fn chooses_marking(&self, version: &str) -> bool {
        let types = self.types.as_ref().is_none_or(|types| types.iter().any(|name| name == "marking-definition"));
        let specs = self.specs.as_ref().is_none_or(|specs| specs.contains(&Spec::V21));
        let versions = match &self.versions {
            Versions::All => true,
            Versions::Only { first, last, instants } => *first || *last || instants.iter().any(|one| one == version),
        };
        types && specs && versions
    }

    /// Every version of one object, in every specification version.
    pub fn everything_of(id: &str) -> Self {
        Self { versions: Versions::All, specs: Some(vec![Spec::V20, Spec::V21]), ..Self::default() }.of_object(id)
    }

    /// The same, of one object only.
    #[must_use]
    pub fn of_object(self, id: &str) -> Self {
        Self { ids: Some(vec![id.to_owned()]), ..self }
    }

    /// Whether only named instants are asked for, neither `first`, `last` nor `all`.
    pub fn names_versions_only(&self) -> bool {
        matches!(&self.versions, Versions::Only { first: false, last: false, instants } if !instants.is_empty())
    }
}

/// A malformed parameter: its name, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {name} {reason}")]
pub struct Malformed {
    /// As the standard writes it, such as `match[version]`.
    pub name: String,
    /// What is wrong.
    pub reason: String,
}

impl Malformed {
    /// A malformed parameter.
    pub fn new(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), reason: reason.into() }
    }
}

/// Whether a query string asks that objects be judged and not added: `x_entente_dry_run=true`, a
/// parameter of our own.
pub fn dry_run(raw: &str) -> Result<bool, Malformed> {
    const NAME: &str = "x_entente_dry_run";
    let mut values = parameters(raw)?.into_iter().filter(|(name, _)| name == NAME).map(|(_, value)| value);
    match (values.next().as_deref(), values.next()) {
        (None | Some("false"), None) => Ok(false),
        (Some("true"), None) => Ok(true),
        (_, None) => Err(Malformed::new(NAME, "is true or false")),
        (_, Some(_)) => Err(Malformed::new(NAME, "may be given only once")),
    }
}

impl Query {
    /// Reads a raw query string (without the `?`) for an endpoint.
    pub fn parse(raw: &str, endpoint: Endpoint) -> Result<Self, Malformed> {
        let mut query = Self::default();
        let mut seen = Vec::new();
        for (name, value) in parameters(raw)? {
            if !endpoint.defines(&name)? {
                continue;
            }
            if seen.contains(&name) {
                return Err(Malformed::new(&name, "may be given only once"));
            }
            query.take(&name, &value)?;
            seen.push(name);
        }
        match &query.filter {
            Some(filter) if filter.octets() > MAX_OCTETS => {
                Err(Malformed::new("match[…]", format!("has values of more than {MAX_OCTETS} octets in all")))
            }
            _ => Ok(query),
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        match name {
            "added_after" => self.added_after = Some(added_after(value)?),
            "limit" => self.limit = Some(limit(value)?),
            // Some clients always send the parameter, empty on the first page.
            "next" => self.next = (!value.is_empty()).then(|| value.to_owned()),
            _ => self.filter.get_or_insert_default().take(name, value)?,
        }
        Ok(())
    }
}

impl Filter {
    /// How many octets a cursor writes for it.
    pub fn octets(&self) -> usize {
        // A struct of lists of strings always has a JSON form.
        serde_json::to_vec(self).unwrap_or_default().len()
    }

    /// How much memory its values take beyond itself, in octets: rather more than less.
    pub fn memory(&self) -> usize {
        /// Of the shortest text on the heap.
        const LEAST: usize = 32;
        let instants = if let Versions::Only { instants, .. } = &self.versions { &instants[..] } else { &[] };
        let texts = self.ids.iter().chain(&self.types).flatten().chain(instants);
        let specs = self.specs.iter().map(|specs| size_of_val(&specs[..])).sum::<usize>();
        texts.map(|text| size_of::<String>() + (text.len() + LEAST / 2).max(LEAST)).sum::<usize>() + specs
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        let values = values(name, value)?;
        match name {
            "match[id]" => self.ids = Some(values),
            "match[type]" => self.types = Some(values),
            "match[version]" => self.versions = versions(&values)?,
            _ => self.specs = Some(specs(&values)?),
        }
        Ok(())
    }
}

impl Endpoint {
    /// Whether this endpoint defines a parameter. `Err` where ignoring it would do harm.
    fn defines(self, name: &str) -> Result<bool, Malformed> {
        let defined = match name {
            "added_after" | "limit" | "next" => self != Self::Deletion,
            "match[spec_version]" => true,
            "match[version]" => self != Self::Versions,
            "match[id]" | "match[type]" => self == Self::Collection,
            _ => false,
        };
        let narrows = name.starts_with("match[") || ["added_after", "limit", "next"].contains(&name);
        if self == Self::Deletion && narrows && !defined {
            return Err(Malformed::new(name, "is not defined for deleting an object, and nothing was deleted"));
        }
        Ok(defined)
    }
}

/// Names and values, percent-decoded once. A `+` stays a `+`.
fn parameters(raw: &str) -> Result<Vec<(String, String)>, Malformed> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded.map(std::borrow::Cow::into_owned).map_err(|_| Malformed::new(text, "is not UTF-8"))
    };
    let pairs = raw.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| Ok((decode(name)?, decode(value)?)))
        .collect()
}

fn added_after(value: &str) -> Result<Timestamp, Malformed> {
    Timestamp::parse(value)
        .ok_or_else(|| Malformed::new("added_after", "is not one timestamp such as 2025-02-26T00:00:00.000000Z"))
}

fn limit(value: &str) -> Result<usize, Malformed> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let positive = value.bytes().any(|b| b != b'0');
    if !digits || !positive {
        return Err(Malformed::new("limit", "is not an integer greater than 0"));
    }
    // More than fits is more than anybody is given.
    Ok(value.parse().unwrap_or(usize::MAX))
}

fn values(name: &str, value: &str) -> Result<Vec<String>, Malformed> {
    let values: Vec<String> = value.split(',').map(|value| value.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        return Err(Malformed::new(name, "has an empty value"));
    }
    if values.len() > MAX_VALUES {
        return Err(Malformed::new(name, format!("has more than {MAX_VALUES} values")));
    }
    Ok(values)
}

fn versions(values: &[String]) -> Result<Versions, Malformed> {
    let malformed = |reason| Malformed::new("match[version]", reason);
    if values == ["all"] {
        return Ok(Versions::All);
    }
    let (mut first, mut last, mut instants) = (false, false, Vec::new());
    for value in values {
        let repeated = match value.as_str() {
            "all" => return Err(malformed("has \"all\", which goes with nothing else")),
            "first" => std::mem::replace(&mut first, true),
            "last" => std::mem::replace(&mut last, true),
            other => {
                let version = Version::parse(other).ok_or_else(|| {
                    malformed("takes all, first, last and timestamps such as 2025-02-26T00:00:00.000Z")
                })?;
                let repeated = instants.iter().any(|instant| instant == version.instant());
                instants.push(version.instant().to_owned());
                repeated
            }
        };
        if repeated {
            return Err(malformed("has a value twice"));
        }
    }
    Ok(Versions::Only { first, last, instants })
}

/// The versions that exist among those asked for: the others match nothing.
fn specs(values: &[String]) -> Result<Vec<Spec>, Malformed> {
    let numbered = |value: &String| {
        value.split_once('.').is_some_and(|(major, minor)| {
            [major, minor].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    if !values.iter().all(numbered) {
        return Err(Malformed::new("match[spec_version]", "takes versions such as 2.1"));
    }
    Ok(values.iter().filter_map(|value| Spec::parse(value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<Query, Malformed> {
        Query::parse(raw, Endpoint::Collection)
    }

    fn filter(raw: &str) -> Filter {
        parse(raw).unwrap().filter.unwrap()
    }

    #[test]
    fn raw_and_encoded_brackets_are_the_same() {
        assert_eq!(filter("match[type]=indicator,malware"), filter("match%5Btype%5D=indicator%2Cmalware"));
        assert_eq!(filter("match[type]=indicator, malware").types.unwrap(), ["indicator", "malware"]);
    }

    #[test]
    fn malformed_parameters_are_named() {
        for (raw, name) in [
            ("added_after=yesterday", "added_after"),
            ("added_after=", "added_after"),
            ("added_after=2024-01-17T16:11:20Z&added_after=2024-01-17T16:11:20Z", "added_after"),
            ("added_after=2024-01-17T16:11:20Z,2024-01-17T16:11:20Z", "added_after"),
            ("limit=0", "limit"),
            ("limit=000", "limit"),
            ("limit=-1", "limit"),
            ("limit=+1", "limit"),
            ("limit=1.5", "limit"),
            ("limit=", "limit"),
            ("limit=1e3", "limit"),
            ("limit=%201", "limit"),
            ("limit=1&limit=2", "limit"),
            ("next=a&next=b", "next"),
            ("match[type]=a&match%5btype%5d=b", "match[type]"),
            ("match[type]=", "match[type]"),
            ("match[id]=a,,b", "match[id]"),
            ("match[version]=foo", "match[version]"),
            ("match[version]=all,last", "match[version]"),
            ("match[version]=last,last", "match[version]"),
            ("match[version]=2024-01-17T16:11:20Z,2024-01-17T16:11:20.000Z", "match[version]"),
            ("match[spec_version]=2", "match[spec_version]"),
            ("match[type]=%ff", "%ff"),
        ] {
            assert_eq!(parse(raw).map_err(|malformed| malformed.name), Err(name.to_owned()), "{raw}");
        }
        assert!(parse(&format!("match[id]={}", ["x"; MAX_VALUES + 1].join(","))).is_err());
        let long = |octets| "x".repeat(octets);
        assert!(parse(&format!("match[id]={}&match[type]={}", long(11_000), long(11_000))).is_ok());
        assert!(parse(&format!("match[id]={}&match[type]={}", long(14_000), long(14_000))).is_err());
        assert!(parse(&format!("match[id]={}", "%01".repeat(5_000))).is_err(), "a cursor writes it as 30,000 octets");
    }

    #[test]
    fn what_an_endpoint_does_not_define_is_ignored_on_reading() {
        assert_eq!(parse("utm=1&match[foo]=x&&_").unwrap(), Query::default());
        let object = Query::parse("match[type]=a&match[type]=b&match[id]=", Endpoint::Object).unwrap();
        assert_eq!(object, Query::default());
        assert_eq!(Query::parse("match[version]=nonsense", Endpoint::Versions).unwrap(), Query::default());
    }

    #[test]
    fn what_would_narrow_a_deletion_is_never_ignored() {
        for raw in ["match[foo]=x", "match[type]=indicator", "added_after=2024-01-17T16:11:20Z", "limit=1"] {
            assert!(Query::parse(raw, Endpoint::Deletion).is_err(), "{raw}");
        }
        assert!(Query::parse("utm=1&match[version]=all&match[spec_version]=2.1", Endpoint::Deletion).is_ok());
    }

    #[test]
    fn an_empty_next_is_no_next_and_a_huge_limit_is_a_limit() {
        let query = parse("next=&limit=99999999999999999999999").unwrap();
        assert_eq!(query, Query { limit: Some(usize::MAX), ..Query::default() });
    }

    #[test]
    fn unknown_specification_versions_match_nothing() {
        assert_eq!(filter("match[spec_version]=9.9").specs, Some(vec![]));
        assert_eq!(filter("match[spec_version]=2.0,9.9,2.1").specs, Some(vec![Spec::V20, Spec::V21]));
        assert_eq!(filter("match[type]=x").specs, None);
    }
}
