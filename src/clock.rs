//! The only place that asks the time.
//!
//! Everything else is handed a [`Clock`], so a test can hold it, turn it on by a
//! day or set it back. Nothing here knows what the time is used for.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Tells the wall-clock time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn system() -> Self {
        Self(Arc::new(SystemTime::now))
    }

    /// A clock that says what `now` says: for tests and for replays.
    pub fn from_fn(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now. May be earlier than what an earlier call said: clocks are set back.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Starts a stopwatch: for measuring how long something took, never for telling the time.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn stopwatch() -> Instant {
    Instant::now()
}

/// Waits, so that others have their turn: never for something to happen.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
