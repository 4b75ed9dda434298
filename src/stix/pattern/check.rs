//! What is a pattern by its grammar and yet looks wrong: an unknown type or property, a hash of
//! the wrong length, a network that is none. Findings, not faults: custom types are legal
//! (STIX 2.1 §11), and what becomes of a finding is for the caller to decide.

use super::fault::shown;
use super::syntax::{Comparison, Constant, Path, Pattern, Relation, Step, Test};
use crate::stix::network::is_network;
use std::fmt;
use std::net::IpAddr;

/// What looks wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where the comparison begins, in characters, the first being 1.
    pub column: usize,
    /// What looks wrong.
    pub doubt: Doubt,
}

/// What looks wrong with a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No such object type is known.
    Type(String),
    /// The object type is known, and has no such property.
    Property {
        /// The object type.
        object_type: String,
        /// The property that it does not have.
        property: String,
    },
    /// No hash of this algorithm looks like this, so that nothing can ever match (§2.7).
    Hash {
        /// The algorithm.
        algorithm: String,
        /// How many hexadecimal digits it gives.
        digits: usize,
        /// What stands there instead.
        value: String,
    },
    /// `ISSUBSET` and `ISSUPERSET` take an IP address or a network in CIDR notation (§9.6.1).
    Network(String),
}

/// Hexadecimal digits of the hashes of `hash-algorithm-ov` (§10.7). SSDEEP and TLSH have forms of their own.
const HASHES: [(&str, usize); 6] =
    [("MD5", 32), ("SHA-1", 40), ("SHA-256", 64), ("SHA-512", 128), ("SHA3-256", 64), ("SHA3-512", 128)];

/// Everything that looks wrong, in the order of the text. `properties` gives the names that an
/// object type has, `None` for a type that is not known.
pub fn check<'k>(pattern: &Pattern, properties: impl Fn(&str) -> Option<&'k [&'k str]>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for comparison in pattern.comparisons() {
        let doubts =
            names(&comparison.path, &properties).into_iter().chain(hashes(comparison)).chain(network(comparison));
        findings.extend(doubts.map(|doubt| Finding { column: comparison.column, doubt }));
    }
    findings
}

fn names<'k>(path: &Path, properties: impl Fn(&str) -> Option<&'k [&'k str]>) -> Option<Doubt> {
    let Path { object_type, property, .. } = path;
    match properties(object_type) {
        None => Some(Doubt::Type(object_type.clone())),
        Some(known) if known.contains(&property.as_str()) => None,
        Some(_) => Some(Doubt::Property { object_type: object_type.clone(), property: property.clone() }),
    }
}

/// Only whole hashes have a length: not what `LIKE` and `MATCHES` look for.
fn hashes(comparison: &Comparison) -> impl Iterator<Item = Doubt> {
    let values: &[Constant] = match &comparison.test {
        Test::Is(Relation::Equal | Relation::NotEqual, constant) => std::slice::from_ref(constant),
        Test::In(set) => set,
        _ => &[],
    };
    algorithm(&comparison.path).into_iter().flat_map(move |(algorithm, digits)| {
        let whole = move |text: &String| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
        let texts = values.iter().filter_map(|constant| match constant {
            Constant::String(text) => Some(text),
            _ => None,
        });
        texts.filter(move |text| !whole(text)).map(move |text| {
            let algorithm = algorithm.to_owned();
            Doubt::Hash { algorithm, digits, value: text.clone() }
        })
    })
}

/// The algorithm of a path that ends in `hashes.'SHA-256'`.
fn algorithm(path: &Path) -> Option<(&'static str, usize)> {
    let (last, before) = path.steps.split_last()?;
    let dictionary = match before.last() {
        Some(Step::Name(name)) => name,
        None => &path.property,
        Some(_) => return None,
    };
    let Step::Name(name) = last else { return None };
    HASHES.into_iter().find(|(algorithm, _)| dictionary == "hashes" && name == algorithm)
}

fn network(comparison: &Comparison) -> Option<Doubt> {
    match &comparison.test {
        Test::IsSubset(text) | Test::IsSuperset(text) if !is_network::<IpAddr>(text) => {
            Some(Doubt::Network(text.clone()))
        }
        _ => None,
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.doubt)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(object_type) => write!(f, "the object type {} is not known", shown(object_type)),
            Self::Property { object_type, property } => {
                write!(f, "the object type {} has no property {}", shown(object_type), shown(property))
            }
            Self::Hash { algorithm, digits, value } => {
                write!(f, "{} is no {algorithm} hash, which has {digits} hexadecimal digits", shown(value))
            }
            Self::Network(text) => {
                write!(f, "{} is neither an IP address nor a network such as 198.51.100.0/24", shown(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(object_type: &str) -> Option<&'static [&'static str]> {
        match object_type {
            "file" => Some(&["name", "hashes", "content_ref"]),
            "ipv4-addr" => Some(&["value"]),
            _ => None,
        }
    }

    fn findings(pattern: &str) -> Vec<String> {
        check(&Pattern::parse(pattern).unwrap(), known).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_types_and_properties_are_found_with_their_column() {
        assert_eq!(findings("[file:name = 'a'] AND [ipv4-addr:value = '198.51.100.3']"), [""; 0]);
        assert_eq!(
            findings("[file:name = 'ü'] OR [cryptocurrency-wallet:value = 'x' OR file:nome = 'a']"),
            [
                "column 23: the object type `cryptocurrency-wallet` is not known",
                "column 60: the object type `file` has no property `nome`"
            ]
        );
    }

    #[test]
    fn a_whole_hash_has_the_length_of_its_algorithm() {
        for (algorithm, digits) in HASHES {
            let hash = "aB".repeat(digits / 2);
            assert_eq!(findings(&format!("[file:hashes.'{algorithm}' = '{hash}']")), [""; 0]);
            for wrong in [&hash[1..], &format!("{hash}0"), &format!("{}x", &hash[1..]), "", "ü"] {
                let found = findings(&format!("[file:hashes.'{algorithm}' != '{wrong}']"));
                assert!(found.len() == 1 && found[0].contains(&format!("{digits} hexadecimal")), "{found:?}");
            }
        }
        assert_eq!(findings("[file:content_ref.hashes.MD5 NOT IN ('a', 'b')]").len(), 2);
    }

    #[test]
    fn part_of_a_hash_and_what_is_no_hash_has_any_length() {
        for comparison in [
            "file:hashes.MD5 LIKE 'ab%'",
            "file:hashes.MD5 MATCHES '^ab'",
            "file:hashes.MD5 > 'ab'",
            "EXISTS file:hashes.MD5",
            "file:hashes.SSDEEP = '3:abc:d'",
            "file:hashes.TLSH = 'T1'",
            "file:hashes.'SHA-999' = 'x'",
            "file:hashes[0].MD5 = 'x'",
            "file:name.MD5 = 'x'",
            "file:hashes = 'x'",
            "file:hashes.MD5.MD5 = 'x'",
            "file:hashes.MD5 = 5",
        ] {
            assert_eq!(findings(&format!("[{comparison}]")), [""; 0], "{comparison}");
        }
    }

    #[test]
    fn sets_of_addresses_are_addresses_or_networks() {
        for network in ["198.51.100.3", "198.51.100.0/24", "0.0.0.0/0", "2001:db8::/32", "::1/128"] {
            assert_eq!(findings(&format!("[ipv4-addr:value ISSUBSET '{network}']")), [""; 0], "{network}");
        }
        for text in [
            "",
            "198.51.100",
            "198.51.100.0/33",
            "::/129",
            "198.51.100.0/",
            "198.51.100.0/+8",
            "198[.]51.100.3",
            "example.com",
        ] {
            assert_eq!(findings(&format!("[ipv4-addr:value NOT ISSUPERSET '{text}']")).len(), 1, "{text}");
        }
    }
}
