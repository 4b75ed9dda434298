//! Throttling: how much of the server one credential may take, and how often an address or a
//! secret may fail to sign in.
//!
//! Rates are token buckets: a minute's worth may come at once, if it was saved up, and after that
//! as fast as the rate. What is remembered is a few octets for each registered credential, and for
//! no more than [`MOST_FAILING`] addresses and secrets. Time is a parameter.

use super::addresses::subscriber;
use super::limits::Limits;
use crate::access::credential::CredentialKey;
use actix_http::StatusCode;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_mins(1);
/// Failures to sign in that an address, and a secret, has in a minute.
const FAILURES_PER_MINUTE: u32 = 20;
/// Failing addresses and secrets that are remembered.
const MOST_FAILING: usize = 65_536;
/// Seconds after which a place or memory may be free again.
const SOON: u32 = 5;

/// A limit is reached: which one, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// The setting's name.
    pub(super) limit: &'static str,
    /// What is allowed, in words.
    pub(super) allowed: String,
    pub(super) status: StatusCode,
    /// Whole seconds, at least 1.
    pub(super) retry_after: u32,
}

/// What has been taken of a bucket that is refilled at a steady rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When it will be full again.
    full: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { full: now }
    }

    /// Whether it has one token at least; if not, how long that takes.
    fn has_one(self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let taken = self.full.saturating_duration_since(now).saturating_add(interval(per_minute));
        let wait = taken.saturating_sub(MINUTE);
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Takes so many tokens; more than there are leave a debt.
    fn take(&mut self, tokens: usize, per_minute: u32, now: Instant) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        let filling = interval(per_minute).checked_mul(tokens).unwrap_or(Duration::MAX);
        let full = self.full.max(now);
        self.full = full.checked_add(filling).unwrap_or(full);
    }
}

/// From one token to the next.
fn interval(per_minute: u32) -> Duration {
    MINUTE / per_minute.max(1)
}

/// In whole seconds, rounded up.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// What all credentials are taking.
#[derive(Debug)]
pub(super) struct Throttle {
    limits: Limits,
    known: Mutex<HashMap<CredentialKey, Use>>,
}

/// What one credential is taking.
#[derive(Debug)]
struct Use {
    requests: Bucket,
    objects: Bucket,
    connections: usize,
    octets: usize,
}

impl Throttle {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, known: Mutex::default() })
    }

    fn with<T>(&self, who: CredentialKey, now: Instant, work: impl FnOnce(&mut Use) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket::full(now);
        work(known.entry(who).or_insert(Use { requests: full, objects: full, connections: 0, octets: 0 }))
    }

    /// One more request of a credential. What the objects of its earlier ones left is counted too.
    pub(super) fn request(&self, who: CredentialKey, now: Instant) -> Result<(), Reached> {
        let Limits { requests_per_minute, objects_per_minute, octets_in_flight_per_credential, .. } = self.limits;
        self.with(who, now, |taken| {
            if octets_in_flight_per_credential > 0 && taken.octets >= octets_in_flight_per_credential {
                return Err(self.octets_reached());
            }
            for (limit, noun, bucket, per_minute) in [
                ("requests_per_minute", "requests", taken.requests, requests_per_minute),
                ("objects_per_minute", "objects, in and out,", taken.objects, objects_per_minute),
            ] {
                let wait = if per_minute == 0 { Ok(()) } else { bucket.has_one(per_minute, now) };
                wait.map_err(|wait| Reached {
                    limit,
                    allowed: format!("{per_minute} {noun} a minute"),
                    status: StatusCode::TOO_MANY_REQUESTS,
                    retry_after: seconds(wait),
                })?;
            }
            if requests_per_minute > 0 {
                taken.requests.take(1, requests_per_minute, now);
            }
            Ok(())
        })
    }

    /// So many objects came in or went out.
    pub(super) fn objects(&self, who: CredentialKey, objects: usize, now: Instant) {
        let per_minute = self.limits.objects_per_minute;
        if per_minute > 0 && objects > 0 {
            self.with(who, now, |taken| taken.objects.take(objects, per_minute, now));
        }
    }

    /// A place for one more connection of a credential.
    pub(super) fn connect(self: &Arc<Self>, who: CredentialKey, now: Instant) -> Result<Place, Reached> {
        let most = self.limits.connections_per_credential;
        self.with(who, now, |taken| {
            if most > 0 && taken.connections >= most {
                return Err(Reached {
                    limit: "connections_per_credential",
                    allowed: format!("{most} connections at a time"),
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    retry_after: SOON,
                });
            }
            taken.connections += 1;
            Ok(())
        })?;
        Ok(Place { octets: self.octets(who), who })
    }

    /// Octets of a credential that are on their way: none yet.
    pub(super) fn octets(self: &Arc<Self>, who: CredentialKey) -> Octets {
        Octets { throttle: Arc::clone(self), who, count: 0 }
    }

    fn octets_reached(&self) -> Reached {
        Reached {
            limit: "octets_in_flight_per_credential",
            allowed: format!("{} octets on their way at a time", self.limits.octets_in_flight_per_credential),
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: SOON,
        }
    }

    /// Changes what is there of a credential. Nobody is there who was not seen before.
    fn change(&self, who: CredentialKey, change: impl FnOnce(&mut Use)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = known.get_mut(&who) {
            change(taken);
        }
    }
}

/// A connection's place among those of its credential, and what is on its way out on it. Given
/// back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) who: CredentialKey,
    pub(super) octets: Octets,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.octets.throttle.change(self.who, |taken| taken.connections = taken.connections.saturating_sub(1));
    }
}

/// Octets of a credential that are on their way. Given back when dropped.
#[derive(Debug)]
pub(super) struct Octets {
    throttle: Arc<Throttle>,
    who: CredentialKey,
    count: usize,
}

impl Octets {
    /// So many more are on their way.
    pub(super) fn add(&mut self, octets: usize) {
        self.count += octets;
        self.throttle.change(self.who, |taken| taken.octets += octets);
    }

    /// So many more, if all of them together are within the limit then.
    pub(super) fn grow(&mut self, octets: usize) -> Result<(), Reached> {
        self.add(octets);
        let most = self.throttle.limits.octets_in_flight_per_credential;
        let mut all = 0;
        self.throttle.change(self.who, |taken| all = taken.octets);
        if most > 0 && all > most { Err(self.throttle.octets_reached()) } else { Ok(()) }
    }

    /// So many more, if there is room for them beside what is on its way. What is alone goes, however large.
    pub(super) fn take(&mut self, octets: usize) -> Result<(), Reached> {
        let most = self.throttle.limits.octets_in_flight_per_credential;
        let mut fits = true;
        self.throttle.change(self.who, |taken| {
            fits = most == 0 || taken.octets == 0 || taken.octets.saturating_add(octets) <= most;
            taken.octets += if fits { octets } else { 0 };
        });
        if !fits {
            return Err(self.throttle.octets_reached());
        }
        self.count += octets;
        Ok(())
    }

    /// What is on its way turns out to be of another length.
    pub(super) fn change_to(&mut self, octets: usize) {
        if octets > self.count {
            self.add(octets - self.count);
        } else {
            self.arrived(self.count - octets);
        }
    }

    /// So many have arrived. More than are on their way, as heads are not counted, are passed over.
    pub(super) fn arrived(&mut self, octets: usize) {
        let octets = octets.min(self.count);
        self.count -= octets;
        self.throttle.change(self.who, |taken| taken.octets = taken.octets.saturating_sub(octets));
    }
}

impl Drop for Octets {
    fn drop(&mut self) {
        self.arrived(self.count);
    }
}

/// Who fails to sign in too often.
#[derive(Debug, Default)]
pub(super) struct Failures {
    known: Mutex<HashMap<Failing, Bucket>>,
}

/// What is counted by: where a failure comes from, and what was shown (the beginning of its hash).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Failing {
    Address(IpAddr),
    Secret(u64),
}

impl Failures {
    /// One more failure at an address, with a secret of this hash. An error if there were too many.
    pub(super) fn count(&self, address: IpAddr, hash: &[u8; 32], now: Instant) -> Result<(), Reached> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let beginning = hash.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets));
        // The address comes first: one that fails too often makes nothing more be remembered.
        for failing in [Failing::Address(subscriber(address)), Failing::Secret(beginning)] {
            make_room(&mut known, failing, now);
            let bucket = known.entry(failing).or_insert(Bucket::full(now));
            bucket.has_one(FAILURES_PER_MINUTE, now).map_err(|wait| Reached {
                limit: "sign_in_failures",
                allowed: format!("{FAILURES_PER_MINUTE} failures to sign in a minute"),
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after: seconds(wait),
            })?;
            bucket.take(1, FAILURES_PER_MINUTE, now);
        }
        Ok(())
    }
}

/// Forgets who has not failed for a while, and if that is not enough, everybody.
fn make_room(known: &mut MutexGuard<'_, HashMap<Failing, Bucket>>, failing: Failing, now: Instant) {
    if known.len() < MOST_FAILING || known.contains_key(&failing) {
        return;
    }
    known.retain(|_, bucket| bucket.full > now);
    if known.len() >= MOST_FAILING {
        known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::stopwatch;

    const WHO: CredentialKey = CredentialKey(1);
    const OTHER: CredentialKey = CredentialKey(2);

    fn after(begun: Instant, milliseconds: u64) -> Instant {
        begun + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_rate_is_kept_to_the_request() {
        for per_minute in [1, 7, 60, 999, 12_000] {
            let throttle = Throttle::new(Limits { requests_per_minute: per_minute, ..Limits::default() });
            let begun = stopwatch();
            // Ten minutes of somebody who asks all the time: the minute saved up, and ten more.
            let milliseconds = 0..600_000_u64;
            let asked = |at: u64| throttle.request(WHO, after(begun, at)).is_ok();
            let at_once = (0..20_000).filter(|_| asked(0)).count();
            let later = milliseconds.filter(|at| asked(*at)).count();
            assert!(at_once.abs_diff(per_minute as usize) <= 1, "{at_once} of {per_minute}");
            assert!(later.abs_diff(10 * per_minute as usize) <= 1, "{later} of {per_minute}");
            throttle.request(OTHER, after(begun, 600_000)).unwrap();
        }
    }

    #[test]
    fn who_comes_back_when_it_was_told_to_is_let_through_and_not_sooner() {
        let throttle = Throttle::new(Limits { requests_per_minute: 6, ..Limits::default() });
        let begun = stopwatch();
        (0..6).for_each(|_| throttle.request(WHO, begun).unwrap());
        let reached = throttle.request(WHO, begun).unwrap_err();
        assert_eq!((reached.limit, reached.status.as_u16(), reached.retry_after), ("requests_per_minute", 429, 10));
        assert_eq!(throttle.request(WHO, after(begun, 9_001)).unwrap_err().retry_after, 1);
        throttle.request(WHO, after(begun, 10_000)).unwrap();
    }

    #[test]
    fn objects_beyond_the_rate_are_paid_for_by_waiting() {
        let throttle = Throttle::new(Limits { objects_per_minute: 60, ..Limits::default() });
        let begun = stopwatch();
        throttle.objects(WHO, 59, begun);
        throttle.request(WHO, begun).unwrap();
        throttle.objects(WHO, 31, begun);
        let reached = throttle.request(WHO, begun).unwrap_err();
        assert_eq!((reached.limit, reached.retry_after), ("objects_per_minute", 31));
        assert!(throttle.request(WHO, after(begun, 30_999)).is_err());
        throttle.request(WHO, after(begun, 31_000)).unwrap();
    }

    #[test]
    fn a_crawl_of_a_million_objects_is_not_slowed_unless_the_operator_wants_it() {
        for (page, milliseconds) in [(1000, 0), (1000, 5), (100, 5)] {
            let (throttle, begun) = (Throttle::new(Limits::default()), stopwatch());
            for n in 0..1_000_000 / page {
                let now = after(begun, n as u64 * milliseconds);
                throttle.request(WHO, now).unwrap();
                throttle.objects(WHO, page, now);
            }
        }
    }

    #[test]
    fn zero_is_no_limit() {
        let none = Limits {
            requests_per_minute: 0,
            objects_per_minute: 0,
            connections_per_credential: 0,
            octets_in_flight_per_credential: 0,
            ..Limits::default()
        };
        let (throttle, begun) = (Throttle::new(none), stopwatch());
        let mut places = Vec::new();
        for _ in 0..100_000 {
            throttle.request(WHO, begun).unwrap();
            throttle.objects(WHO, usize::MAX, begun);
            places.push(throttle.connect(WHO, begun).unwrap());
        }
        throttle.octets(WHO).grow(1 << 40).unwrap();
    }

    #[test]
    fn places_and_octets_are_given_back() {
        let limits = Limits { connections_per_credential: 2, octets_in_flight_per_credential: 10, ..Limits::default() };
        let (throttle, now) = (Throttle::new(limits), stopwatch());
        let (mut first, _second) = (throttle.connect(WHO, now).unwrap(), throttle.connect(WHO, now).unwrap());
        assert_eq!(throttle.connect(WHO, now).unwrap_err().limit, "connections_per_credential");
        first.octets.add(7);
        let mut body = throttle.octets(WHO);
        body.grow(3).unwrap();
        assert_eq!(body.grow(1).unwrap_err().limit, "octets_in_flight_per_credential");
        drop(body);
        throttle.request(WHO, now).unwrap();
        first.octets.add(3);
        assert_eq!(throttle.request(WHO, now).unwrap_err().status, StatusCode::SERVICE_UNAVAILABLE);
        first.octets.arrived(1_000);
        throttle.request(WHO, now).unwrap();
        first.octets.add(10);
        drop(first);
        throttle.request(WHO, now).unwrap();
        let _third = throttle.connect(WHO, now).unwrap();
    }

    #[test]
    fn what_is_taken_has_room_or_is_alone() {
        let limits = Limits { octets_in_flight_per_credential: 10, ..Limits::default() };
        let throttle = Throttle::new(limits);
        throttle.request(WHO, stopwatch()).unwrap();
        let [mut large, mut small, mut last] = [throttle.octets(WHO), throttle.octets(WHO), throttle.octets(WHO)];
        large.take(11).unwrap();
        assert_eq!(small.take(1).unwrap_err().limit, "octets_in_flight_per_credential");
        drop(large);
        small.take(4).unwrap();
        assert!(last.take(7).is_err());
        last.take(6).unwrap();
        assert!(throttle.octets(WHO).take(1).is_err());
        drop((small, last));
        throttle.octets(WHO).take(100).unwrap();
    }

    #[test]
    fn an_address_or_a_secret_fails_so_often_and_no_more_are_remembered_than_there_is_room_for() {
        let (failures, begun) = (Failures::default(), stopwatch());
        let address = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
        let most = FAILURES_PER_MINUTE;
        let mut shown = [0; 32];
        for n in 0..100_u8 {
            shown[0] = n;
            assert_eq!(failures.count(address(0), &shown, begun).is_ok(), u32::from(n) < most, "{n}");
        }
        let failed = (0..100).filter(|n| failures.count(address(100 + n), &[255; 32], begun).is_err()).count();
        assert_eq!(failed, 100 - most as usize);
        for n in 0..100_000_u32 {
            shown[..4].copy_from_slice(&n.to_be_bytes());
            let _ = failures.count(address(1_000 + n), &shown, begun);
        }
        assert!(failures.known.lock().unwrap().len() <= MOST_FAILING);
        failures.count(address(0), &[9; 32], begun + MINUTE).unwrap();
    }
}
