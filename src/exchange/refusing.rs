//! Refusals: each is evidence, and no stranger may fill the disk with it.
//!
//! Of one caller, by address and credential, and one reason the first is told; the others within a
//! minute are counted, and told once. Callers who proved a credential, though it may count no longer,
//! and strangers have a table each, of bounded size; what is beyond it is told once a minute, as one
//! number.

use super::Exchange;
use crate::access::credential::Fingerprint;
use crate::audit::{Action, Actor, Entry, LONGEST_CLIENT, LONGEST_PATH, plain};
use crate::clock::stopwatch;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long refusals of one kind are counted before they are told.
const WINDOW: Duration = Duration::from_mins(1);
/// The endpoint of what was refused before anything could be asked.
pub const HANDSHAKE: &str = "handshake";
/// Kinds of refusals of members that are told apart, at most.
const MEMBERS: usize = 1024;
/// Kinds of refusals of strangers that are told apart, at most.
const STRANGERS: usize = 64;

/// A refusal, as a door knows it.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The network address that it was asked from, with its port.
    pub address: String,
    /// The same without the port: what counts as one caller.
    pub ip: Option<IpAddr>,
    /// The organisation, if the caller is somebody's.
    pub organisation: Option<String>,
    /// The credential that was proven, if one was. In a handshake that failed, the one that was shown.
    pub credential: Option<Fingerprint>,
    /// The endpoint; [`HANDSHAKE`] before anything could be asked.
    pub endpoint: &'static str,
    /// The HTTP method, if it came to that.
    pub method: Option<String>,
    /// The path, if it came to that.
    pub path: Option<String>,
    /// The HTTP status, if it came to that.
    pub status: Option<u16>,
    /// Why, in a word.
    pub reason: &'static str,
}

/// What counts as one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    ip: Option<IpAddr>,
    organisation: Option<String>,
    credential: Option<Fingerprint>,
    reason: &'static str,
}

/// Refusals of one kind since the first, which was told.
#[derive(Debug)]
struct Count {
    first: Refused,
    since: Instant,
    untold: u64,
}

/// A table of kinds.
#[derive(Debug)]
struct Table {
    most: usize,
    kinds: HashMap<Kind, Count>,
    /// What has no place in the table: how many, and since when.
    others: u64,
    others_since: Instant,
}

/// What has been refused lately.
#[derive(Debug)]
pub(super) struct Refusals {
    members: Mutex<Table>,
    strangers: Mutex<Table>,
}

impl Refusals {
    pub(super) fn new() -> Self {
        let table = |most| Mutex::new(Table::new(most));
        Self { members: table(MEMBERS), strangers: table(STRANGERS) }
    }
}

impl Table {
    fn new(most: usize) -> Self {
        Self { most, kinds: HashMap::new(), others: 0, others_since: stopwatch() }
    }

    /// Whether this one is to be told now.
    fn is_told(&mut self, refused: &Refused) -> bool {
        let Refused { organisation, credential, reason, .. } = refused;
        let (organisation, credential) = (organisation.clone(), *credential);
        let kind = Kind { ip: refused.caller(), organisation, credential, reason };
        if let Some(count) = self.kinds.get_mut(&kind) {
            count.untold += 1;
            return false;
        }
        if self.kinds.len() >= self.most {
            self.others += 1;
            return false;
        }
        self.kinds.insert(kind, Count { first: refused.clone(), since: stopwatch(), untold: 0 });
        true
    }

    /// Takes out what was counted for long enough, or all of it: the refusal, and how often.
    fn take(&mut self, all: bool) -> Vec<(Refused, u64)> {
        let over = |since: &Instant| all || since.elapsed() >= WINDOW;
        let mut told = Vec::new();
        self.kinds.retain(|_, count| {
            let over = over(&count.since);
            if over && count.untold > 0 {
                told.push((count.first.clone(), count.untold));
            }
            !over
        });
        if over(&self.others_since) {
            if self.others > 0 {
                told.push((Refused::others(), self.others));
            }
            (self.others, self.others_since) = (0, stopwatch());
        }
        told
    }
}

impl Refused {
    /// Of callers that are not told apart.
    fn others() -> Self {
        Self {
            address: "others".to_owned(),
            ip: None,
            organisation: None,
            credential: None,
            endpoint: "any",
            method: None,
            path: None,
            status: None,
            reason: "several",
        }
    }

    /// Whether the caller proved something. What was but shown in a handshake, anybody can show.
    fn is_known(&self) -> bool {
        self.endpoint != HANDSHAKE && (self.organisation.is_some() || self.credential.is_some())
    }

    /// One caller: an IPv4 address, or the network that one subscriber has of IPv6.
    fn caller(&self) -> Option<IpAddr> {
        match self.ip?.to_canonical() {
            IpAddr::V6(address) => Some(IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into())),
            address @ IpAddr::V4(_) => Some(address),
        }
    }
}

impl Exchange {
    /// Takes note of a refusal. Gives whether it is one to be told of now, in the log too: the
    /// others are counted.
    pub fn refused(&self, mut refused: Refused) -> bool {
        // It is kept for a minute: of what a caller chose, only as much as is told.
        for (text, most) in [(&mut refused.method, LONGEST_CLIENT), (&mut refused.path, LONGEST_PATH)] {
            text.iter_mut().for_each(|text| *text = plain(text, most));
        }
        let table = if refused.is_known() { &self.refusals.members } else { &self.refusals.strangers };
        let told = table.lock().unwrap_or_else(PoisonError::into_inner).is_told(&refused);
        if told {
            self.note_refusal(refused, 1);
        }
        told
    }

    /// Tells of what was counted for a minute; or, at the end, of all that was counted. To be called
    /// every few seconds.
    pub fn tell_refusals(&self, all: bool) {
        for table in [&self.refusals.members, &self.refusals.strangers] {
            let counted = table.lock().unwrap_or_else(PoisonError::into_inner).take(all);
            for (mut refused, times) in counted {
                let address = refused.ip.map_or_else(|| refused.address.clone(), |ip| ip.to_string());
                tracing::info!(address, reason = refused.reason, times, "refused more often");
                (refused.address, refused.path) = (address, None);
                self.note_refusal(refused, times);
            }
        }
    }

    fn note_refusal(&self, refused: Refused, times: u64) {
        let Refused { address, organisation, credential, endpoint, method, path, status, reason, ip: _ } = refused;
        let actor = Actor { organisation, credential, address, ..Actor::default() };
        let action = Action::Refusal { endpoint, method, path, http_status: status, reason, times };
        self.store.note(Entry { at: self.now(), actor, action });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, reason: &'static str) -> Refused {
        Refused { address: format!("{address}:1"), ip: address.parse().ok(), reason, ..Refused::others() }
    }

    #[test]
    fn the_first_of_a_kind_is_told_and_the_others_are_counted() {
        let mut table = Table::new(8);
        let told: Vec<bool> =
            [("192.0.2.1", "a"), ("192.0.2.1", "a"), ("192.0.2.1", "b"), ("192.0.2.2", "a"), ("192.0.2.1", "a")]
                .map(|(address, reason)| table.is_told(&refused(address, reason)))
                .to_vec();
        assert_eq!(told, [true, false, true, true, false]);
        assert!(table.take(false).is_empty(), "not before the minute is over");
        let counted: Vec<(String, u64)> =
            table.take(true).into_iter().map(|(refused, times)| (refused.address, times)).collect();
        assert_eq!(counted, [("192.0.2.1:1".to_owned(), 2)]);
        assert!(table.is_told(&refused("192.0.2.1", "a")), "and then anew");
    }

    #[test]
    fn two_credentials_behind_one_address_are_told_apart_and_strangers_push_neither_out() {
        let of = |key: u8| Refused {
            organisation: Some("anna".to_owned()),
            credential: Some(Fingerprint([key; 32])),
            ..refused("192.0.2.1", "revoked")
        };
        let mut table = Table::new(8);
        assert_eq!([1, 2, 1, 2].map(|key| table.is_told(&of(key))), [true, true, false, false]);
        assert!(of(1).is_known() && Refused { organisation: None, ..of(1) }.is_known());
        // What is shown in a handshake is not proved: anybody can show it.
        assert!(!Refused { endpoint: HANDSHAKE, ..of(1) }.is_known() && !refused("192.0.2.1", "revoked").is_known());
    }

    #[test]
    fn a_million_callers_are_a_few_lines() {
        let mut table = Table::new(STRANGERS);
        let told = (0..1_000_000u32)
            .filter(|n| table.is_told(&refused(&std::net::Ipv4Addr::from_bits(*n).to_string(), "unknown_issuer")));
        assert_eq!(told.count(), STRANGERS);
        let counted = table.take(true);
        assert_eq!((counted.len(), counted[0].1), (1, 1_000_000 - STRANGERS as u64));
        // One network of IPv6 is one caller.
        assert!(table.is_told(&refused("2001:db8::1", "a")) && !table.is_told(&refused("2001:db8::2", "a")));
        assert!(table.is_told(&refused("2001:db8:0:1::1", "a")));
    }
}
