//! How far an import is, for who waits for it; and that they may stop waiting.

use super::super::{Failure, warn};
use crate::clock::stopwatch;
use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Where there is no terminal to draw on, there is a line this often.
const LINE: Duration = Duration::from_secs(10);

/// How far the import of a file is.
pub(super) struct Progress {
    name: String,
    /// What is done beside adding objects, if anything.
    doing: &'static str,
    /// How large the file is; 0: nobody knows.
    octets: u64,
    bar: ProgressBar,
    begun: Instant,
    /// When there was a line last.
    told: Cell<Instant>,
}

impl Progress {
    /// Of a file that has so many octets, of which objects are added.
    pub(super) fn new(name: &Path, octets: u64) -> Self {
        let bar = ProgressBar::new(octets);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {msg}") {
            bar.set_style(style);
        }
        let (begun, told) = (stopwatch(), Cell::new(stopwatch()));
        Self { name: name.display().to_string(), doing: "", octets, bar, begun, told }
    }

    /// Of a file that is only looked over.
    pub(super) fn looking_over(name: &Path, octets: u64) -> Self {
        Self { doing: "looked over ", ..Self::new(name, octets) }
    }

    /// So many objects are done with, and so many octets read.
    pub(super) fn set(&self, objects: usize, octets: u64) {
        self.bar.set_position(octets);
        if !self.bar.is_hidden() {
            self.bar.set_message(self.sentence(objects, octets, self.begun.elapsed()));
            return;
        }
        if self.told.get().elapsed() >= LINE {
            self.told.set(stopwatch());
            // It is for whoever looks, if anybody does.
            let _ = warn(&format!("{}: {}", self.name, self.sentence(objects, octets, self.begun.elapsed())));
        }
    }

    /// What is left is what the octets so far say of those to come.
    fn sentence(&self, objects: usize, octets: u64, took: Duration) -> String {
        let objects = objects as u64;
        let rate = u128::from(objects) * 1000 / took.as_millis().max(1);
        let rate = HumanCount(u64::try_from(rate).unwrap_or(u64::MAX));
        let done = format!("{}{} objects, {rate}/s, {}", self.doing, HumanCount(objects), HumanBytes(octets));
        if octets == 0 || octets > self.octets {
            return done;
        }
        let left = u128::from(self.octets - octets) * took.as_millis() / u128::from(octets);
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX));
        format!("{done} of {}, {} left", HumanBytes(self.octets), HumanDuration(left))
    }

    /// Says something beside the bar.
    pub(super) fn aside<T>(&self, say: impl FnOnce() -> T) -> T {
        self.bar.suspend(say)
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whether SIGINT or SIGTERM has come. A second one ends the program at once.
pub(super) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// From now on.
    pub(super) fn listen() -> Result<Self, Failure> {
        let came = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let within = runtime.enter();
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(within);
        let flag = Arc::clone(&came);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
                    if flag.swap(true, Ordering::Relaxed) {
                        // A transaction that is not at its end is none.
                        std::process::exit(super::INTERRUPTED.into());
                    }
                }
            });
        })?;
        Ok(Self(came))
    }

    /// Where a signal ends the program anyway.
    pub(super) fn never() -> Self {
        Self(Arc::default())
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_octets() {
        let of = |octets| Progress::new(Path::new("in.json"), octets);
        let (done, took) = (of(4 << 30), Duration::from_mins(1));
        assert_eq!(
            done.sentence(600_000, 1 << 30, took),
            "600,000 objects, 10,000/s, 1.00 GiB of 4.00 GiB, 3 minutes left"
        );
        assert_eq!(of(0).sentence(1, 10, took), "1 objects, 0/s, 10 B");
        let looking = Progress::looking_over(Path::new("in.json"), 0);
        assert_eq!(looking.sentence(60, 10, took), "looked over 60 objects, 1/s, 10 B");
    }
}
