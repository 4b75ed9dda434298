//! A clock that a test can turn on.

use entente::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
