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
use super::{Asked, Door, prefer};
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

/// A page of what was added after a time; if there is nothing in it and the caller would wait, then once there is.
/// `find` puts it together for the caller as it is then.
pub(super) async fn page(
    asked: &Asked<'_>,
    query: &Query,
    page: Prepared,
    find: impl Fn(&Session) -> Result<Prepared, Problem>,
) -> Result<Answer, Problem> {
    // Only who names a place in the order, and not one within a crawl, asks for what is new.
    let is_poll = query.added_after.is_some() && query.next.is_none() && asked.head.method == Method::GET;
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
        let is_new = match asked.door.waiters.listen(&asked.door.exchange, collection)? {
            Some(mut state) => tokio::select! {
                changed = state.wait_for(|state| *state != seen) => changed.is_ok(),
                () = asked.peer.left() => false,
                () = sleep_until(end) => false,
            },
            None => false,
        };
        let session = asked.renewed()?.asking_like(&asked.session);
        let page = find(&session)?;
        if !is_new || !page.is_empty() {
            return Ok((session, page));
        }
        seen = session.state(&page);
    }
}

/// Looks for all who wait, while there is anybody.
pub(super) async fn over(door: Arc<Door>) {
    loop {
        door.waiters.somebody.notified().await;
        while door.waiters.look(&door.exchange) {
            sleep(LOOK).await;
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

    /// What tells of the state that a collection is in: now, and when it is another. `None` if nobody waits any more.
    fn listen(&self, exchange: &Exchange, collection: CollectionKey) -> Result<Option<Receiver<State>>, Problem> {
        let mut known = self.known();
        if known.is_over {
            return Ok(None);
        }
        // Looked at here, too: by what was known before, who has seen what is newer would wait for nothing.
        let now = exchange.state(collection)?;
        let state = known.states.entry(collection).or_insert_with(|| Sender::new(now));
        tell(state, now);
        self.somebody.notify_one();
        Ok(Some(state.subscribe()))
    }

    /// Tells who waits of what has changed. Gives whether there is anybody.
    fn look(&self, exchange: &Exchange) -> bool {
        let mut known = self.known();
        known.states.retain(|collection, state| {
            if state.receiver_count() == 0 {
                return false;
            }
            // If the store cannot say, those who wait are let go, and ask it themselves.
            exchange.state(*collection).map(|now| tell(state, now)).is_ok()
        });
        !known.states.is_empty()
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

fn tell(state: &Sender<State>, now: State) {
    state.send_if_modified(|known| std::mem::replace(known, now) != now);
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
