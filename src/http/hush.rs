//! Hush: strangers cannot fill the log. What is not said is counted, here and in the metrics.

use crate::clock::stopwatch;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in a minute.
const LINES: u32 = 60;
const MINUTE: Duration = Duration::from_mins(1);

/// Lets so many lines through, and counts the rest.
#[derive(Debug)]
pub(super) struct Hush(Mutex<Said>);

#[derive(Debug)]
struct Said {
    minute: Instant,
    lines: u32,
    unsaid: u64,
}

impl Default for Hush {
    fn default() -> Self {
        Self(Mutex::new(Said { minute: stopwatch(), lines: 0, unsaid: 0 }))
    }
}

impl Hush {
    /// How many lines were left out since the last that was said; `None`: leave this one out, too.
    pub(super) fn may_speak(&self) -> Option<u64> {
        self.may_speak_at(stopwatch())
    }

    fn may_speak_at(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(said.minute) >= MINUTE {
            (said.minute, said.lines) = (now, 0);
        }
        if said.lines == LINES {
            said.unsaid += 1;
            return None;
        }
        said.lines += 1;
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_refusals_are_a_few_lines_and_none_is_uncounted() {
        let begun = stopwatch();
        let hush = Hush(Mutex::new(Said { minute: begun, lines: 0, unsaid: 0 }));
        let said: Vec<u64> =
            (0..1_000_000).filter_map(|n| hush.may_speak_at(begun + Duration::from_millis(n))).collect();
        assert!(said.len() <= 60 * 17, "{}", said.len());
        assert_eq!(said.iter().sum::<u64>(), 16 * (60_000 - 60));
    }
}
