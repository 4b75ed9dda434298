//! Work on many texts, spread over the processors: a bounded number of pieces at once in the whole process,
//! whoever asks, so that pulls and small pushes always find one.

use bytes::Bytes;
use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// A piece is so many octets of text, or a little more: some milliseconds of work, and many times what it costs
/// to start a thread.
const PIECE: usize = 128 << 10;

/// Where pieces are worked on: so many at once.
#[derive(Debug)]
pub(super) struct Places {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Free places, and who waits for one.
#[derive(Debug)]
struct Queue {
    free: usize,
    next: u64,
    waiting: VecDeque<u64>,
}

/// A place that is taken. Dropping it gives it back.
struct Place<'p>(&'p Places);

impl Places {
    /// One for each processor.
    pub(super) fn new() -> Self {
        Self::so_many(thread::available_parallelism().map_or(1, NonZero::get))
    }

    fn so_many(free: usize) -> Self {
        Self { queue: Mutex::new(Queue { free, next: 0, waiting: VecDeque::new() }), changed: Condvar::new() }
    }

    /// Does `work` to all texts, a piece of them at a time, and gives what came of the pieces, in order. `work` gets
    /// the place of its first text among all of them.
    ///
    /// What fits one piece is done at once, on the caller's thread. Of more, each piece waits for a place, in the
    /// order in which callers came; the caller's thread does them, and others help it that are started while places
    /// are free and nobody waits.
    pub(super) fn spread<T: Send + Sync>(&self, texts: &[Bytes], work: impl Fn(usize, &[Bytes]) -> T + Sync) -> Vec<T> {
        let pieces = pieces(texts);
        if pieces.len() < 2 {
            return pieces.into_iter().map(|(first, texts)| work(first, texts)).collect();
        }
        let done: Vec<OnceLock<T>> = pieces.iter().map(|_| OnceLock::new()).collect();
        let next = AtomicUsize::new(0);
        let one = |_place: Place<'_>| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(((first, texts), done)) = pieces.get(at).zip(done.get(at)) else { return false };
            // Each is set by whom its number was given, and by nobody else.
            done.set(work(*first, texts)).is_ok()
        };
        let help = |place| {
            let mut place = Some(place);
            while place.take().is_some_and(&one) {
                place = self.try_take();
            }
        };
        let left = || pieces.len().saturating_sub(next.load(Ordering::Relaxed));
        thread::scope(|scope| {
            while let Some(place) = self.take(|| left() > 0) {
                let mut helped = left();
                while helped > 1
                    && let Some(place) = self.try_take()
                {
                    // Where no thread can be had, the caller's own does it all.
                    let started = thread::Builder::new().name("judge".to_owned()).spawn_scoped(scope, || help(place));
                    helped = if started.is_ok() { helped - 1 } else { 0 };
                }
                one(place);
            }
        });
        done.into_iter().filter_map(OnceLock::into_inner).collect()
    }

    /// Takes a place once it is the caller's turn, unless it wants none any more.
    fn take(&self, is_wanted: impl Fn() -> bool) -> Option<Place<'_>> {
        let mut queue = self.queue();
        let me = queue.next;
        queue.next += 1;
        queue.waiting.push_back(me);
        while is_wanted() && (queue.free == 0 || queue.waiting.front() != Some(&me)) {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.waiting.retain(|other| *other != me);
        // There may be a place for the next one, too.
        self.changed.notify_all();
        if !is_wanted() {
            return None;
        }
        queue.free = queue.free.checked_sub(1)?;
        Some(Place(self))
    }

    /// Takes a place, if there is one that nobody waits for.
    fn try_take(&self) -> Option<Place<'_>> {
        let mut queue = self.queue();
        if !queue.waiting.is_empty() {
            return None;
        }
        queue.free = queue.free.checked_sub(1)?;
        Some(Place(self))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.queue().free += 1;
        // Also for who waits for its last piece, and for no place any more.
        self.0.changed.notify_all();
    }
}

/// The texts in pieces, each with the place of its first text. The last one is a piece and a half at most, and
/// half a piece at least.
fn pieces(texts: &[Bytes]) -> Vec<(usize, &[Bytes])> {
    let (mut pieces, mut first, mut octets) = (Vec::new(), 0, 0);
    let mut left: usize = texts.iter().map(Bytes::len).sum();
    for (at, text) in texts.iter().enumerate() {
        octets += text.len();
        left -= text.len();
        if octets >= PIECE && left >= PIECE / 2 {
            pieces.push((first, &texts[first..=at]));
            (first, octets) = (at + 1, 0);
        }
    }
    if first < texts.len() {
        pieces.push((first, &texts[first..]));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;

    fn texts(count: usize, octets: usize) -> Vec<Bytes> {
        (0..count).map(|n| vec![u8::try_from(n % 251).unwrap(); octets].into()).collect()
    }

    #[test]
    fn every_text_is_worked_on_once_and_the_order_is_kept() {
        let places = Places::new();
        for (count, octets) in [(0, 0), (1, 0), (1, 5 * PIECE), (7, PIECE), (1000, 1200), (5000, 100), (3, PIECE / 2)] {
            let texts = texts(count, octets);
            let each = |first: usize, some: &[Bytes]| -> Vec<(usize, Bytes)> {
                some.iter().enumerate().map(|(at, text)| (first + at, text.clone())).collect()
            };
            let done: Vec<_> = places.spread(&texts, each).into_iter().flatten().collect();
            assert_eq!(done, texts.into_iter().enumerate().collect::<Vec<_>>());
        }
    }

    #[test]
    fn however_many_ask_no_more_pieces_are_worked_on_than_there_are_places() {
        let places = Places::so_many(3);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let texts = texts(40, PIECE);
        let work = |_: usize, _: &[Bytes]| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| assert_eq!(places.spread(&texts, work).len(), 40));
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(places.queue().free, 3, "all of them are given back");
    }

    #[test]
    fn where_places_are_free_pieces_are_worked_on_at_the_same_time() {
        let (places, met) = (Places::so_many(2), Barrier::new(2));
        assert_eq!(places.spread(&texts(2, PIECE), |_, _| met.wait()).len(), 2, "each waits for the other");
    }

    #[test]
    fn callers_take_turns() {
        const LONG: usize = 60;
        let places = Places::so_many(1);
        let (begun, pieces, before) = (Barrier::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        let is_done = AtomicBool::new(false);
        let long = |first: usize, _: &[Bytes]| {
            if first == 0 {
                begun.wait();
            }
            // The other one waits by now, or soon, or has what it came for.
            while places.queue().waiting.is_empty() && !is_done.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            pieces.fetch_add(1, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            scope.spawn(|| places.spread(&texts(LONG, PIECE), long));
            begun.wait();
            places.spread(&texts(3, PIECE), |_, _| {
                before.fetch_max(pieces.load(Ordering::SeqCst), Ordering::SeqCst);
            });
            is_done.store(true, Ordering::SeqCst);
            assert!((1..=4).contains(&before.load(Ordering::SeqCst)), "{before:?} of {LONG} came first");
        });
    }

    #[test]
    fn who_panics_gives_its_place_back() {
        let places = Places::so_many(2);
        let work = |first: usize, _: &[Bytes]| assert_ne!(first, 5);
        for _ in 0..4 {
            assert!(catch_unwind(AssertUnwindSafe(|| places.spread(&texts(9, PIECE), work))).is_err());
        }
        assert_eq!(places.queue().free, 2);
    }
}
