//! Credentials: what an organisation proves its identity with.

use super::level::Level;
use super::organisation::OrganisationKey;
use super::permission::CollectionKey;
use super::proof::certificate::Name;
use crate::taxii::timestamp::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use std::net::IpAddr;

pub use ipnet::IpNet;

/// SHA-256 of a public key (`SubjectPublicKeyInfo`, RFC 7469 §2.4), written in hexadecimal.
/// That of a secret names it likewise without telling it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut octets = [0; 32];
        for (at, octet) in octets.iter_mut().enumerate() {
            *octet = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self(octets))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Digit by digit: each text that is stored is named like this, and formatted numbers cost 1 % of a push.
        let digits = self.0.iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
        digits.filter_map(|digit| char::from_digit(digit.into(), 16)).try_for_each(|digit| f.write_char(digit))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a credential inside a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CredentialKey(pub i64);

/// What is registered as proof of being an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Credential {
    /// Its key in the store. 0 until it is stored.
    pub key: CredentialKey,
    /// For whom it speaks.
    pub organisation: OrganisationKey,
    /// What has to be proved.
    pub proof: Proof,
    /// For people: the certificate's subject when it was registered, or what the operator wrote.
    pub label: String,
    /// When the registered certificate ends: for people. A later certificate for the same key is as good.
    pub not_after: Option<Timestamp>,
    /// When it counts no longer, if that was set.
    pub ends: Option<Timestamp>,
    /// Since when it counts no longer, and never will again.
    pub revoked: Option<Timestamp>,
}

/// The ways to prove who one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Possession of exactly this key, by a client certificate.
    Key(Fingerprint),
    /// A client certificate under this trust anchor with exactly this name.
    Name {
        /// The anchor's key; `None`: this server's own CA.
        anchor: Option<Fingerprint>,
        /// The name.
        name: Name,
    },
    /// Knowledge of a secret, on the fallback listener only.
    Secret(Secret),
}

/// A secret, and how far it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// SHA-256 of the secret, which has 256 random bits: nothing slower is needed. Never shown.
    #[serde(skip)]
    pub hash: [u8; 32],
    /// Where it is good; nowhere else.
    pub addresses: Vec<IpNet>,
    /// Up to which level it reads. RED never leaves this way.
    pub ceiling: Level,
    /// The collections that it is good for.
    pub collections: Vec<CollectionKey>,
    /// Whether it may also write, where its organisation may.
    pub write: bool,
}

impl Secret {
    /// Whether it is good at this address.
    pub fn is_good_at(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.addresses.iter().any(|network| network.contains(&address))
    }

    /// Whether it is good at every address of a family.
    pub fn is_good_everywhere(&self) -> bool {
        self.addresses.iter().any(|network| network.prefix_len() == 0)
    }

    /// The highest level of what leaves by it, also of what its organisation owns.
    pub fn highest(&self) -> Level {
        self.ceiling.min(Level::AmberStrict)
    }
}

/// Reads a network such as `192.0.2.0/24`, or an address alone.
pub fn network(text: &str) -> Option<IpNet> {
    let alone = text.parse::<IpAddr>().map(IpNet::from);
    alone.or_else(|_| text.parse::<IpNet>().map(|network| network.trunc())).ok()
}

impl Credential {
    /// What names it in commands, log and audit trail: for a name, its registration.
    pub fn fingerprint(&self) -> Fingerprint {
        match &self.proof {
            Proof::Key(fingerprint) => *fingerprint,
            Proof::Name { anchor, name } => {
                let anchor = anchor.map_or_else(String::new, |anchor| anchor.to_string());
                Fingerprint(Sha256::digest(format!("{anchor} {name}")).into())
            }
            Proof::Secret(secret) => Fingerprint(Sha256::digest(secret.hash).into()),
        }
    }

    /// The terms of the secret, if it is one.
    pub fn secret(&self) -> Option<&Secret> {
        match &self.proof {
            Proof::Secret(secret) => Some(secret),
            Proof::Key(_) | Proof::Name { .. } => None,
        }
    }

    /// Up to which level it shows what its organisation owns: RED never leaves by a secret.
    pub fn own_level(&self) -> Level {
        self.secret().map_or(Level::Red, Secret::highest)
    }

    /// Whether it counts at this time.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.ends.is_none_or(|ends| now < ends)
    }
}

impl Proof {
    /// The kind of proof in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Name { .. } => "name",
            Self::Secret(_) => "secret",
        }
    }
}

/// A certification authority of members: its certificate is a file, and this says for whom it may speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// SHA-256 of its public key.
    pub fingerprint: Fingerprint,
    /// Its subject: for people.
    pub subject: String,
    /// When its certificate ends.
    pub not_after: Timestamp,
    /// The organisations that it may speak for, in ascending order.
    pub organisations: Vec<OrganisationKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let fingerprint = Fingerprint([0xa5; 32]);
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
        for text in ["", "a5", &"g5".repeat(32), &"+5".repeat(32), &"é".repeat(32)] {
            assert_eq!(Fingerprint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_secret_is_good_where_it_says_also_as_an_address_of_the_other_family() {
        let addresses = vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::1/128".parse().unwrap()];
        let secret = Secret { hash: [0; 32], addresses, ceiling: Level::Green, collections: vec![], write: false };
        for (address, good) in
            [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("192.0.3.7", false), ("2001:db8::2", false)]
        {
            assert_eq!(secret.is_good_at(address.parse().unwrap()), good, "{address}");
        }
    }

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        for (text, expected) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.7/24", Some("192.0.2.0/24")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("192.0.2.0/33", None),
            ("localhost", None),
        ] {
            assert_eq!(network(text).map(|network| network.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_of_a_secret_has_neither_it_nor_its_hash() {
        let secret =
            Secret { hash: [7; 32], addresses: vec![], ceiling: Level::Green, collections: vec![], write: false };
        let credential = Credential {
            key: CredentialKey(1),
            organisation: OrganisationKey(1),
            proof: Proof::Secret(secret),
            label: String::new(),
            not_after: None,
            ends: None,
            revoked: None,
        };
        assert!(!serde_json::to_string(&credential).unwrap().contains("hash"));
        assert_ne!(credential.fingerprint(), Fingerprint([7; 32]));
    }
}
