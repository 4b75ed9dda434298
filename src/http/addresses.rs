//! Network addresses: how much of the server each may take before it has proved who it is.
//!
//! An IPv4 address counts alone, an IPv6 address with its /64, which one subscriber has. What is
//! remembered of an address is a few octets, and of no more than [`MOST`] addresses.

use super::limits::Limits;
use crate::clock::stopwatch;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered.
const MOST: usize = 65_536;
/// Over this time the rate of handshakes is counted.
const MINUTE: Duration = Duration::from_mins(1);

/// All addresses that are here, or were a short while ago.
#[derive(Debug)]
pub(super) struct Addresses {
    connections: usize,
    /// From one handshake to the next, at the highest rate that is allowed.
    interval: Duration,
    known: Mutex<HashMap<IpAddr, Visits>>,
}

#[derive(Debug)]
struct Visits {
    connections: usize,
    /// When the handshakes so far would be over, one after the other at the highest rate.
    busy_until: Instant,
}

/// A connection's place among those of its address. Given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let interval = MINUTE / limits.handshakes_per_minute_per_address.max(1);
        Arc::new(Self { connections: limits.connections_per_address, interval, known: Mutex::default() })
    }

    /// A place for one more connection of an address, or in a word why there is none.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Place, &'static str> {
        self.admit_at(address, stopwatch())
    }

    fn admit_at(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Place, &'static str> {
        let address = subscriber(address);
        let mut known = self.known();
        if known.len() >= MOST && !known.contains_key(&address) {
            known.retain(|_, visits| visits.connections > 0 || visits.busy_until > now);
            // Too many still: then who is not here is forgotten, however often it came.
            if known.len() >= MOST {
                known.retain(|_, visits| visits.connections > 0);
            }
        }
        let visits = known.entry(address).or_insert(Visits { connections: 0, busy_until: now });
        if visits.connections >= self.connections {
            return Err("connections");
        }
        let busy_until = visits.busy_until.max(now) + self.interval;
        if busy_until.duration_since(now) > MINUTE {
            return Err("rate");
        }
        visits.busy_until = busy_until;
        visits.connections += 1;
        Ok(Place { addresses: Arc::clone(self), address })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, Visits>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(visits) = self.addresses.known().get_mut(&self.address) {
            visits.connections = visits.connections.saturating_sub(1);
        }
    }
}

/// The address as it is counted.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(connections_per_address: usize, handshakes_per_minute_per_address: u32) -> Arc<Addresses> {
        Addresses::new(&Limits { connections_per_address, handshakes_per_minute_per_address, ..Limits::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_connections_and_gets_a_place_back() {
        let addresses = addresses(2, 1000);
        let first = addresses.admit(ip("192.0.2.1")).unwrap();
        let _second = addresses.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(addresses.admit(ip("192.0.2.1")).unwrap_err(), "connections");
        let _other = addresses.admit(ip("192.0.2.2")).unwrap();
        drop(first);
        let _third = addresses.admit(ip("192.0.2.1")).unwrap();
    }

    #[test]
    fn a_network_of_one_subscriber_counts_as_one() {
        let addresses = addresses(1, 1000);
        let _first = addresses.admit(ip("2001:db8::1")).unwrap();
        assert_eq!(addresses.admit(ip("2001:db8:0:0:ffff::1")).unwrap_err(), "connections");
        let _other = addresses.admit(ip("2001:db8:0:1::1")).unwrap();
    }

    #[test]
    fn an_address_begins_so_many_handshakes_in_a_minute() {
        let (addresses, begun) = (addresses(1, 60), stopwatch());
        let admitted = |second: u64| addresses.admit_at(ip("192.0.2.1"), begun + Duration::from_secs(second));
        assert_eq!((0..100).filter(|_| admitted(0).is_ok()).count(), 60);
        assert_eq!(admitted(0).unwrap_err(), "rate");
        assert_eq!((0..100).filter(|_| admitted(10).is_ok()).count(), 10);
        assert_eq!((0..100).filter(|_| admitted(1000).is_ok()).count(), 60);
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let (addresses, begun) = (addresses(1, 60), stopwatch());
        let stays = addresses.admit_at(ip("192.0.2.1"), begun).unwrap();
        for n in 0..u32::try_from(MOST).unwrap() + 1000 {
            addresses.admit_at(IpAddr::V4(n.into()), begun).unwrap();
        }
        assert!(addresses.known().len() <= MOST);
        assert_eq!(addresses.admit_at(ip("192.0.2.1"), begun).unwrap_err(), "connections");
        drop(stays);
    }
}
