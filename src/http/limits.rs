//! Limits: how long and how much a connection may take. The section `[limits]` of the configuration.

use serde::Deserialize;
use std::time::Duration;

/// Deadlines in seconds, counts, and a rate. The framework knows no deadline for bodies and
/// none for answers that nobody reads, so these are kept here: see [`super::body`], [`super::stream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A TLS handshake is done after this long.
    pub handshake_seconds: u64,
    /// A request's header is there after this long.
    pub header_seconds: u64,
    /// A connection may be idle between requests for this long.
    pub keep_alive_seconds: u64,
    /// Some part of a body comes at least this often.
    pub body_stall_seconds: u64,
    /// After a start as long as two stalls, a body has come at least this fast, on average.
    pub body_octets_per_second: u64,
    /// A whole body is there after this long.
    pub body_seconds: u64,
    /// A caller takes some part of an answer at least this often.
    pub write_stall_seconds: u64,
    /// A caller who has the server wait longer than a stall takes an answer at least this fast, on average.
    pub write_octets_per_second: u64,
    /// Request bodies in memory at a time, all together, in octets; more are told to come back later.
    pub body_octets: usize,
    /// A request that the store must write about before it is answered is begun after this long.
    pub writer_seconds: u64,
    /// Answers under way may take this long to finish when the server stops.
    pub drain_seconds: u64,
    /// Connections at a time; more wait until one ends.
    pub connections: usize,
    /// Connections of one network address at a time; more are closed at once.
    pub connections_per_address: usize,
    /// TLS handshakes at a time; more are closed at once.
    pub handshakes: usize,
    /// TLS handshakes that one network address may begin in a minute; more are closed at once.
    pub handshakes_per_minute_per_address: u32,
    /// Requests of one credential in a minute, all of which may come at once; 0: as many as come.
    pub requests_per_minute: u32,
    /// Objects, records and versions that go out to one credential, and objects that come in from it, in a
    /// minute; what a page has beyond that is waited for before the next request. 0: as many as come.
    pub objects_per_minute: u32,
    /// Connections of one credential at a time; 0: as many as come.
    pub connections_per_credential: usize,
    /// Octets of one credential's request bodies in memory, with what is known of their objects, and of its
    /// answers that it has not taken, at a time; an answer may be larger if it is alone. 0: as many as come.
    pub octets_in_flight_per_credential: usize,
    /// Requests that wait for something new at a time (`Prefer: wait`), all together; more are answered at once.
    /// 0: none waits.
    pub waiting: usize,
    /// Requests of one credential that wait at a time; more are answered at once. Fewer than its connections, as
    /// each holds one: so it can always ask for something else. 0: as many as come.
    pub waiting_per_credential: usize,
    /// Threads that answer requests; 0: one for each processor.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_seconds: 10,
            header_seconds: 10,
            keep_alive_seconds: 75,
            body_stall_seconds: 10,
            body_octets_per_second: 1024,
            body_seconds: 900,
            body_octets: 1 << 30,
            write_stall_seconds: 30,
            write_octets_per_second: 1024,
            writer_seconds: 1,
            drain_seconds: 30,
            connections: 10_000,
            connections_per_address: 256,
            handshakes: 4096,
            handshakes_per_minute_per_address: 1200,
            // A client that crawls as fast as it can, one page after the other, stays below these.
            requests_per_minute: 12_000,
            objects_per_minute: 12_000_000,
            connections_per_credential: 100,
            octets_in_flight_per_credential: 256 << 20,
            // Half of the connections, here and there.
            waiting: 5000,
            waiting_per_credential: 50,
            workers: 0,
        }
    }
}

impl Limits {
    /// What is wrong with them, each with what is allowed.
    pub fn faults(&self) -> Vec<String> {
        let counts = [
            ("handshake_seconds", self.handshake_seconds),
            ("header_seconds", self.header_seconds),
            ("keep_alive_seconds", self.keep_alive_seconds),
            ("body_stall_seconds", self.body_stall_seconds),
            ("body_octets_per_second", self.body_octets_per_second),
            ("body_seconds", self.body_seconds),
            ("write_stall_seconds", self.write_stall_seconds),
            ("writer_seconds", self.writer_seconds),
            ("write_octets_per_second", self.write_octets_per_second),
            ("body_octets", self.body_octets as u64),
            ("connections", self.connections as u64),
            ("connections_per_address", self.connections_per_address as u64),
            ("handshakes", self.handshakes as u64),
            ("handshakes_per_minute_per_address", self.handshakes_per_minute_per_address.into()),
        ];
        counts
            .into_iter()
            .filter(|(_, count)| *count == 0)
            .map(|(name, _)| format!("limits.{name} is at least 1"))
            .collect()
    }

    /// How many threads answer requests.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }

    pub(super) fn handshake(&self) -> Duration {
        Duration::from_secs(self.handshake_seconds)
    }

    pub(super) fn header(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    pub(super) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive_seconds)
    }

    /// How long a request waits for the store's writer to begin with it.
    pub fn writer(&self) -> Duration {
        Duration::from_secs(self.writer_seconds)
    }

    pub(super) fn write_stall(&self) -> Duration {
        Duration::from_secs(self.write_stall_seconds)
    }

    /// How much longer a caller may keep an answer waiting for having taken this many octets.
    pub(super) fn write_credit(&self, octets: usize) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "to the microsecond is good enough")]
        Duration::from_secs_f64(octets as f64 / self.write_octets_per_second.max(1) as f64)
    }

    /// How long a body may have taken of which this many octets have come, the last just now:
    /// from its beginning, and from now.
    pub(super) fn body(&self, octets: usize) -> (Duration, Duration) {
        let stall = Duration::from_secs(self.body_stall_seconds);
        let at_rate = Duration::from_millis(octets as u64 * 1000 / self.body_octets_per_second.max(1));
        (at_rate.max(2 * stall).min(Duration::from_secs(self.body_seconds)), stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_a_little_too_slow_ends_as_soon_as_one_that_stalls_late() {
        let limits = Limits::default();
        let seconds = |octets| limits.body(octets).0.as_secs();
        assert_eq!([0, 18 << 10, 20 << 10, 40 << 10].map(seconds), [20, 20, 20, 40]);
        assert_eq!(limits.body(1 << 30).0, Duration::from_secs(limits.body_seconds));
    }
}
