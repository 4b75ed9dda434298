//! Patience: how long this side waits for a caller to take an answer.
//!
//! There is as much of it as a stall may last. Waiting uses it up, and each octet that the caller
//! takes gives a little back, at the rate that is demanded of callers. So somebody who takes
//! nothing is waited for once, and somebody who takes one octet now and then hardly longer.

use super::limits::Limits;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// What is left of it on one connection.
pub(super) struct Patience {
    limits: Limits,
    left: Duration,
    waiting: Option<Waiting>,
}

/// A write that waits for the caller.
struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl Patience {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, left: limits.write_stall(), waiting: None }
    }

    /// Passes a write's outcome on, unless the caller was waited for too long; `taken` octets were written.
    pub(super) fn with<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
        taken: usize,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            let waited = self.waiting.take().map_or(Duration::ZERO, |waiting| waiting.since.elapsed());
            self.left = after(self.left, waited, self.limits.write_credit(taken), self.limits.write_stall());
            return outcome;
        }
        let left = self.left;
        let begin = || Waiting { since: Instant::now(), end: Box::pin(sleep(left)) };
        ready!(self.waiting.get_or_insert_with(begin).end.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the caller takes no answer, or too slowly")))
    }
}

/// What is left after waiting and then getting something for it.
fn after(left: Duration, waited: Duration, credit: Duration, most: Duration) -> Duration {
    left.saturating_sub(waited).saturating_add(credit).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a caller who takes so many octets after so many seconds each time is waited for.
    fn rounds(seconds: u64, octets: usize) -> usize {
        let limits = Limits::default();
        let mut left = limits.write_stall();
        for round in 0..1000 {
            let waited = Duration::from_secs(seconds);
            if waited > left {
                return round;
            }
            left = after(left, waited, limits.write_credit(octets), limits.write_stall());
        }
        1000
    }

    #[test]
    fn who_takes_an_answer_fast_enough_is_waited_for_and_nobody_else() {
        for (seconds, octets, expected) in [
            (31, 1 << 30, 0),
            (29, 1, 1),
            (29, 16 << 10, 1),
            (29, 30 << 10, 1000),
            (1, 1024, 1000),
            (1, 1000, 1000),
            (1, 512, 59),
            (10, 1, 3),
        ] {
            assert_eq!(rounds(seconds, octets), expected, "{octets} octets every {seconds} s");
        }
    }
}
