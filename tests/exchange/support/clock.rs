//! Clocks that a test can turn on.

use entente::clock::Clock;
use entente::taxii::timestamp::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Ahead of the machine's clock by as much as it was turned on.
#[derive(Clone, Debug, Default)]
pub struct Turnable(Arc<AtomicU64>);

impl Turnable {
    pub fn clock(&self) -> Clock {
        let ahead = Arc::clone(&self.0);
        Clock::from_fn(move || Clock::system().now() + Duration::from_secs(ahead.load(Ordering::SeqCst)))
    }

    pub fn turn_on(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// A clock that stands still until it is turned on: what happens in between happens at one time.
#[derive(Clone, Debug)]
pub struct Still(Arc<AtomicU64>);

impl Default for Still {
    /// At the last whole second of the machine's clock: certificates made now are valid.
    fn default() -> Self {
        let now = Timestamp::from(Clock::system().now()).micros() / 1_000_000 * 1_000_000;
        Self(Arc::new(AtomicU64::new(now.try_into().unwrap())))
    }
}

impl Still {
    pub fn clock(&self) -> Clock {
        let micros = Arc::clone(&self.0);
        Clock::from_fn(move || SystemTime::UNIX_EPOCH + Duration::from_micros(micros.load(Ordering::SeqCst)))
    }

    /// Another clock that shows the same time now.
    pub fn twin(&self) -> Self {
        Self(Arc::new(AtomicU64::new(self.0.load(Ordering::SeqCst))))
    }

    pub fn turn_on(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        self.clock().now().into()
    }
}
