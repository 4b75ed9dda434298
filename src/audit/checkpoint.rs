//! Checkpoints: now and then the end of the chain is signed (Ed25519, RFC 8032). Who keeps one
//! elsewhere can tell later whether the history up to it is still the same.

use super::chain::Head;
use crate::access::credential::Fingerprint;
use crate::taxii::timestamp::Timestamp;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};

/// What a `SubjectPublicKeyInfo` of an Ed25519 key has before the key (RFC 8410 §4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Octets of a public key.
const KEY: usize = 32;
/// Octets of a signature.
const SIGNATURE: usize = 64;

/// What a checkpoint says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number and link of the entry that it is about.
    pub head: Head,
    /// How many entries it is about that the one before it was not.
    pub entries: i64,
    /// When it was made.
    pub at: Timestamp,
    /// The key that it was signed with: SHA-256 of its `SubjectPublicKeyInfo`.
    pub key: Fingerprint,
}

/// A checkpoint with its signature, as it is kept and exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is signed: canonical JSON (RFC 8785).
    pub statement: String,
    /// The signature over the statement's octets; hexadecimal.
    pub signature: String,
}

/// Members in canonical order: serialised as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    at: String,
    entries: i64,
    key: String,
    link: String,
    seq: i64,
}

impl Signed {
    /// What it says, whoever signed it. `None` if it says nothing that can be understood.
    pub fn read(&self) -> Option<Checkpoint> {
        let Statement { at, entries, key, link, seq } = serde_json::from_str(&self.statement).ok()?;
        let head = Head { seq, link: Fingerprint::parse(&link)?.0 };
        Some(Checkpoint { head, entries, at: Timestamp::parse(&at)?, key: Fingerprint::parse(&key)? })
    }
}

/// Signs checkpoints.
pub struct Signer {
    key: Ed25519KeyPair,
    id: Fingerprint,
}

/// Verifies them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; KEY]);

/// The octets are no key of the kind that signs audit trails.
#[derive(Debug, thiserror::Error)]
#[error("is no Ed25519 key: make one with `openssl genpkey -algorithm ed25519`, or let the server make it")]
pub struct NotAKey;

impl Signer {
    /// Reads a private key (PKCS#8, DER).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NotAKey> {
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| NotAKey)?;
        let public = PublicKey(key.public_key().as_ref().try_into().map_err(|_| NotAKey)?);
        Ok(Self { key, id: public.id() })
    }

    /// The key that verifies what this one signs.
    pub fn id(&self) -> Fingerprint {
        self.id
    }

    /// Signs the end of a chain. `entries` of it no earlier checkpoint is about.
    pub fn sign(&self, head: Head, entries: i64, at: Timestamp) -> Signed {
        let link = Fingerprint(head.link).to_string();
        let statement = Statement { at: at.to_string(), entries, key: self.id.to_string(), link, seq: head.seq };
        // A struct of numbers and strings always has a JSON form.
        let statement = serde_json::to_string(&statement).unwrap_or_default();
        let signature = hexadecimal(self.key.sign(statement.as_bytes()).as_ref());
        Signed { statement, signature }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads a public key (`SubjectPublicKeyInfo`, DER).
    pub fn from_spki(der: &[u8]) -> Result<Self, NotAKey> {
        let key = der.strip_prefix(&SPKI).ok_or(NotAKey)?;
        Ok(Self(key.try_into().map_err(|_| NotAKey)?))
    }

    /// What checkpoints call it.
    pub fn id(&self) -> Fingerprint {
        Fingerprint(Sha256::new().chain_update(SPKI).chain_update(self.0).finalize().into())
    }

    /// Whether this key signed that.
    pub fn signed(&self, signed: &Signed) -> bool {
        let signature = octets(&signed.signature);
        signature.is_some_and(|signature| {
            UnparsedPublicKey::new(&ED25519, self.0).verify(signed.statement.as_bytes(), &signature).is_ok()
        })
    }
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        // Writing to memory cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// A signature's octets, as [`hexadecimal`] writes them and in no other way.
fn octets(text: &str) -> Option<[u8; SIGNATURE]> {
    let (first, second) = text.split_at_checked(KEY * 2)?;
    let mut octets = [0; SIGNATURE];
    octets[..KEY].copy_from_slice(&Fingerprint::parse(first)?.0);
    octets[KEY..].copy_from_slice(&Fingerprint::parse(second)?.0);
    (hexadecimal(&octets) == text).then_some(octets)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A signer and its public key, the same for each `seed`.
    pub(crate) fn signer(seed: u8) -> (Signer, PublicKey) {
        let key = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let signer = Signer::from_pkcs8(key.to_pkcs8().unwrap().as_ref()).unwrap();
        let public = [&SPKI[..], key.public_key().as_ref()].concat();
        (signer, PublicKey::from_spki(&public).unwrap())
    }

    #[test]
    fn a_checkpoint_is_canonical_and_only_its_own_key_signed_it() {
        let ((signer, public), (_, other)) = (signer(1), signer(2));
        let head = Head { seq: 12, link: [0xab; 32] };
        let signed = signer.sign(head, 5, Timestamp::from_micros(1));
        let value: serde_json::Value = serde_json::from_str(&signed.statement).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), signed.statement);
        let expected = Checkpoint { head, entries: 5, at: Timestamp::from_micros(1), key: public.id() };
        assert_eq!(signed.read(), Some(expected));
        assert!(public.signed(&signed) && !other.signed(&signed));
        for (at, _) in signed.statement.char_indices() {
            let mut octets = signed.statement.clone().into_bytes();
            octets[at] ^= 1;
            let changed = Signed { statement: String::from_utf8(octets).unwrap(), ..signed.clone() };
            assert!(!public.signed(&changed), "{changed:?}");
        }
        assert!(!public.signed(&Signed { signature: signed.signature.to_uppercase(), ..signed }));
    }
}
