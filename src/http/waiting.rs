//! Waiting: who asks what is new, when there is nothing, may wait until there is (`Prefer: wait=N`, RFC 7240 §4.3).
//!
//! A page is put together as always. If there is nothing in it, its request waits until the state in which that
//! was so is another one, by whoever's commit; then it is seen anew who the caller is and what it may, and the
//! page is put together again. So nobody is told anything by waiting that asking again would not tell, and what a
//! caller does not see ends no wait.
//!
//! One [task](over) looks for all of them, while there is anybody; each waits with one timer, and without a thread.

use super::answer::Answer;
use super::error::Problem;
use super::limits::Limits;
use super::metrics::Metrics;
use super::{Asked, Door, body, prefer};
use crate::access::credential::CredentialKey;
use crate::access::permission::CollectionKey;
use crate::exchange::{Exchange, Prepared, Session, State};
use crate::taxii::filter::Query;
use actix_http::Method;
use actix_http::header::HeaderName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{Instant, sleep, sleep_until};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// So often it is looked whether there is something new: what is committed is told of after half of this, on average.
const LOOK: Duration = Duration::from_millis(10);

/// ... and later by this for each who was told something by the last look: who waits has its page put together
/// again, in somewhat less time. So however much happens that they do not see, it leaves time for others.
const EACH: Duration = Duration::from_micros(10);

/// After a look that found nothing, a request rests for so many times as long as that took.
const REST: u32 = 9;
/// It rests for no longer, so that a server that stops need not wait for it.
const MOST_REST: Duration = Duration::from_secs(2);

/// A page of what was added after a time; if there is nothing in it and the caller would wait, then once there is.
/// `find` puts it together for the caller as it is then.
pub(super) async fn page(
    asked: &Asked<'_>,
    query: &Query,
    page: Prepared,
    find: impl Fn(&Session) -> Result<Prepared, Problem>,
) -> Result<Answer, Problem> {
    // Only who names a place in the order, and not one within a crawl, asks for what is new. A body that nobody wants
    // is not kept in memory for as long as a wait takes.
    let asks_what_is_new = query.added_after.is_some() && query.next.is_none();
    let is_poll = asks_what_is_new && asked.head.method == Method::GET && !body::is_declared(asked.head);
    let Some(seconds) = prefer::wait(asked.lines(&PREFER)).filter(|_| is_poll) else {
        return Ok(asked.page(page).await?.preferred(None));
    };
    if seconds == 0 || !page.is_empty() {
        return Ok(asked.page(page).await?.preferred(Some(seconds)));
    }
    let waiter = match asked.door.waiters.enter(asked.session.credential().key) {
        Ok(waiter) => waiter,
        Err(limit) => {
            limit.into_iter().for_each(|limit| asked.door.metrics.throttled(limit));
            return Ok(asked.page(page).await?.preferred(None));
        }
    };
    let begun = Instant::now();
    let found = wait(asked, page, begun + Duration::from_secs(seconds), find).await;
    asked.waited.set(begun.elapsed());
    drop(waiter);
    let (session, page) = found?;
    let asked = Asked::new(asked.door, asked.peer, session, asked.head);
    Ok(asked.page(page).await?.preferred(Some(seconds)))
}

/// Waits until there is something in a page, or until `end`. Gives the page, and whom it was put together for.
async fn wait(
    asked: &Asked<'_>,
    page: Prepared,
    end: Instant,
    find: impl Fn(&Session) -> Result<Prepared, Problem>,
) -> Result<(Session, Prepared), Problem> {
    let (collection, mut seen) = (page.collection(), asked.session.state(&page));
    // It is put together again, from memory, if nothing else is found.
    drop(page);
    loop {
        let is_new = match asked.door.waiters.listen(&asked.door.exchange, collection, seen)? {
            Heard::News => Instant::now() < end,
            Heard::Nothing(mut state) => tokio::select! {
                is_new = changes(&mut state, seen) => is_new,
                () = asked.peer.left() => false,
                () = sleep_until(end) => false,
            },
            Heard::Over => false,
        };
        let found = Instant::now();
        let session = asked.renewed()?.asking_like(&asked.session);
        let page = find(&session)?;
        if !is_new || !page.is_empty() {
            return Ok((session, page));
        }
        seen = session.state(&page);
        drop(page);
        // Others have their turn, however often there is news, and however long it takes to find nothing in it.
        let rest = LOOK.max(found.elapsed().saturating_mul(REST)).min(MOST_REST);
        sleep_until(end.min(Instant::now() + rest)).await;
    }
}

/// Until the state is told to be another one; `false` if nobody tells any more.
async fn changes(state: &mut Receiver<State>, seen: State) -> bool {
    while state.changed().await.is_ok() {
        // Whoever waits has seen what is newer, perhaps, than what was told when it began to.
        if *state.borrow_and_update() != seen {
            return true;
        }
    }
    false
}

/// Looks for all who wait, while there is anybody.
pub(super) async fn over(door: Arc<Door>) {
    loop {
        door.waiters.somebody.notified().await;
        while let Some(told) = door.waiters.look(&door.exchange) {
            sleep(LOOK + EACH.saturating_mul(told)).await;
        }
    }
}

/// All who wait.
#[derive(Debug)]
pub(super) struct Waiters {
    most: usize,
    most_of_one: usize,
    metrics: Arc<Metrics>,
    /// Tells the task that there is somebody.
    somebody: Notify,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The server stops: nobody waits any more.
    is_over: bool,
    all: usize,
    of: HashMap<CredentialKey, usize>,
    /// The state in which each collection was when it was last looked at, for who waits for another.
    states: HashMap<CollectionKey, Sender<State>>,
}

/// What somebody hears who begins to wait.
enum Heard {
    /// The state is not the one that was seen: it need not wait.
    News,
    /// Nothing yet: this tells when the state is another one.
    Nothing(Receiver<State>),
    /// Nobody waits any more.
    Over,
}

impl Waiters {
    pub(super) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Arc<Self> {
        let Limits { waiting: most, waiting_per_credential: most_of_one, .. } = *limits;
        Arc::new(Self { most, most_of_one, metrics, somebody: Notify::new(), known: Mutex::default() })
    }

    /// One more who waits. An error if there are too many, with the limit's name, or the server stops.
    fn enter(self: &Arc<Self>, who: CredentialKey) -> Result<Waiter, Option<&'static str>> {
        let mut known = self.known();
        if known.is_over {
            return Err(None);
        }
        if known.all >= self.most {
            return Err(Some("waiting"));
        }
        let own = known.of.entry(who).or_default();
        if self.most_of_one > 0 && *own >= self.most_of_one {
            return Err(Some("waiting_per_credential"));
        }
        *own += 1;
        known.all += 1;
        self.metrics.waiting(known.all);
        Ok(Waiter { waiters: Arc::clone(self), who })
    }

    /// Begins to wait for another state than the one that was seen.
    fn listen(&self, exchange: &Exchange, collection: CollectionKey, seen: State) -> Result<Heard, Problem> {
        // Until this is given back nobody is told anything: nothing is told between the look and the listening.
        let mut known = self.known();
        if known.is_over {
            return Ok(Heard::Over);
        }
        let now = exchange.state(collection)?;
        if now != seen {
            return Ok(Heard::News);
        }
        let state = known.states.entry(collection).or_insert_with(|| Sender::new(now));
        self.somebody.notify_one();
        Ok(Heard::Nothing(state.subscribe()))
    }

    /// Tells who waits of what has changed. Gives how many were told something; `None` if there is nobody.
    fn look(&self, exchange: &Exchange) -> Option<u32> {
        let (mut known, mut told) = (self.known(), 0);
        known.states.retain(|collection, state| {
            let listening = state.receiver_count();
            if listening == 0 {
                return false;
            }
            // If the store cannot say, those who wait are let go, and ask it themselves.
            let Ok(now) = exchange.state(*collection) else { return false };
            if state.send_if_modified(|known| std::mem::replace(known, now) != now) {
                told += listening;
            }
            true
        });
        (!known.states.is_empty()).then(|| u32::try_from(told).unwrap_or(u32::MAX))
    }

    /// Lets all of them go: nobody waits from now on.
    pub(super) fn end(&self) {
        let mut known = self.known();
        known.is_over = true;
        known.states.clear();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits. No longer, when dropped.
#[derive(Debug)]
struct Waiter {
    waiters: Arc<Waiters>,
    who: CredentialKey,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut known = self.waiters.known();
        known.all = known.all.saturating_sub(1);
        if let Some(own) = known.of.get_mut(&self.who) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                known.of.remove(&self.who);
            }
        }
        self.waiters.metrics.waiting(known.all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::exchange::{Administering, Settings};
    use crate::store::Store;
    use crate::store::memory::Memory;
    use tokio::time::timeout;

    const HERE: CollectionKey = CollectionKey(1);

    /// An exchange, and a way to have it be in another state.
    fn exchange() -> (Exchange, impl FnMut()) {
        let (clock, settings) = (Clock::system(), Settings::default());
        let store: Arc<dyn Store> = Arc::new(Memory::new(clock.clone()));
        let admin = Administering::new(Arc::clone(&store), clock.clone(), settings.clone(), "tester").unwrap();
        let exchange = Exchange::new(store, clock, settings, "https://localhost").unwrap();
        let mut roots = 0..;
        (exchange, move || admin.add_root(&format!("root{}", roots.next().unwrap()), "A root").unwrap())
    }

    fn waiters() -> Arc<Waiters> {
        Waiters::new(&Limits::default(), Arc::new(Metrics::new()))
    }

    fn hears_nothing(waiters: &Waiters, exchange: &Exchange, seen: State) -> Receiver<State> {
        match waiters.listen(exchange, HERE, seen).unwrap() {
            Heard::Nothing(state) => state,
            Heard::News | Heard::Over => panic!("there is news"),
        }
    }

    /// Whether somebody is told of another state than it has seen.
    fn is_told(state: &mut Receiver<State>, seen: State) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { timeout(Duration::ZERO, changes(state, seen)).await.unwrap_or(false) })
    }

    #[test]
    fn what_came_between_the_look_and_the_wait_is_news() {
        let ((exchange, mut change), waiters) = (exchange(), waiters());
        let seen = exchange.state(HERE).unwrap();
        let mut first = hears_nothing(&waiters, &exchange, seen);
        change();
        assert!(matches!(waiters.listen(&exchange, HERE, seen), Ok(Heard::News)));
        // Nobody has told the first yet, and the second has seen it already.
        let newer = exchange.state(HERE).unwrap();
        let mut second = hears_nothing(&waiters, &exchange, newer);
        assert!(!is_told(&mut first, seen) && !is_told(&mut second, newer));
        assert_eq!(waiters.look(&exchange), Some(2));
        assert!(is_told(&mut first, seen) && !is_told(&mut second, newer));
        // It is told of what comes after that.
        change();
        assert_eq!([waiters.look(&exchange), waiters.look(&exchange)], [Some(2), Some(0)]);
        assert!(is_told(&mut second, newer));
        drop((first, second));
        assert_eq!(waiters.look(&exchange), None);
    }

    #[test]
    fn nobody_waits_any_more_when_the_server_stops() {
        let ((exchange, _), waiters) = (exchange(), waiters());
        let seen = exchange.state(HERE).unwrap();
        let mut state = hears_nothing(&waiters, &exchange, seen);
        let waiter = waiters.enter(CredentialKey(1)).unwrap();
        waiters.end();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(!runtime.block_on(changes(&mut state, seen)));
        assert!(matches!(waiters.listen(&exchange, HERE, seen), Ok(Heard::Over)));
        assert!(waiters.enter(CredentialKey(2)).is_err());
        drop(waiter);
        assert!(waiters.known().of.is_empty());
    }
}
