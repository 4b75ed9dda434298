//! The one writer: a thread that owns the write connection, takes what waits in a bounded
//! queue, and commits it together with one fsync. Nobody is answered before the commit.

use super::hold::due;
use super::registry;
use super::table::Shelf;
use crate::audit::{self, GENESIS};
use crate::clock::{Clock, stopwatch};
use crate::store::registry::Change;
use crate::store::{
    ChangeError, Deleted, Deletion, Holding, KeptStatus, Offer, Push, Releasing, StoreError, admission, hold,
};
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, ffi, params};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Requests that may wait for the writer. One more is told to come back later.
const QUEUE: usize = 256;
/// Requests that share a transaction and its fsync, at most.
const GROUP: usize = 64;
/// Once its objects are this many octets, a group is large enough.
const GROUP_OCTETS: usize = 32 << 20;
/// Octets of entries for the trail that may wait in memory while the disk takes none.
const NOTES: usize = 64 << 20;
/// How long an entry that changes nothing may wait for a transaction to go with.
const FLUSH: Duration = Duration::from_millis(200);
/// How long between two tidyings.
const TIDY: Duration = Duration::from_secs(30);

/// A handle on the writer. Dropping it lets the writer finish what waits, and waits for that.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queued: AtomicUsize,
    notes: Mutex<Notes>,
    /// Why nothing may be written any more, if so: after a failed fsync nobody knows what is on disk.
    stopped: Mutex<Option<StoreError>>,
}

impl Shared {
    fn stopped(&self) -> Option<StoreError> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops for `reason`, if there is one.
    fn stop(&self, reason: Option<StoreError>) {
        if reason.is_some() {
            *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        }
    }
}

/// Entries of the trail that wait for the next transaction.
#[derive(Debug, Default)]
struct Notes {
    entries: Vec<audit::Entry>,
    octets: usize,
    lost: u64,
}

impl Notes {
    /// Takes an entry in, or counts it as lost when there are too many.
    fn keep(&mut self, entry: audit::Entry) {
        // Queries are what can be long; all else of an entry is about this much.
        let query = if let audit::Action::Read { query, .. } = &entry.action { query.len() } else { 0 };
        let octets = self.octets + query + 512;
        if octets > NOTES {
            self.lost += 1;
            return;
        }
        self.octets = octets;
        self.entries.push(entry);
    }
}

#[derive(Debug)]
enum Job {
    Add(Box<Push>, Reply<Status, StoreError>),
    Delete(Box<Deletion>, Reply<Deleted, StoreError>),
    Change(Box<(Change, audit::Actor)>, Reply<(), ChangeError>),
    Place(Box<Holding>, Reply<(), StoreError>),
    Release(Box<Releasing>, Reply<Option<usize>, StoreError>),
    Tend(Reply<(), StoreError>),
}

type Reply<T, E> = SyncSender<Result<T, E>>;

impl Writer {
    pub(super) fn start(connection: Connection, clock: Clock) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let thread = Thread { connection, clock, shared: Arc::clone(&shared), tidied: stopwatch() };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || thread.run(&queue));
        let thread = thread.map_err(|error| StoreError::Broken(format!("cannot start the writer: {error}")))?;
        Ok(Self { jobs: Some(jobs), shared, thread: Some(thread) })
    }

    pub(super) fn add(&self, push: Push) -> Result<Status, StoreError> {
        self.submit(|reply| Job::Add(Box::new(push), reply))
    }

    pub(super) fn delete(&self, deletion: Deletion) -> Result<Deleted, StoreError> {
        self.submit(|reply| Job::Delete(Box::new(deletion), reply))
    }

    pub(super) fn change(&self, change: Change, actor: audit::Actor) -> Result<(), ChangeError> {
        self.submit(|reply| Job::Change(Box::new((change, actor)), reply))
    }

    pub(super) fn place(&self, holding: Holding) -> Result<(), StoreError> {
        self.submit(|reply| Job::Place(Box::new(holding), reply))
    }

    pub(super) fn release(&self, releasing: Releasing) -> Result<Option<usize>, StoreError> {
        self.submit(|reply| Job::Release(Box::new(releasing), reply))
    }

    pub(super) fn tend(&self) -> Result<(), StoreError> {
        self.submit(Job::Tend)
    }

    pub(super) fn note(&self, entry: audit::Entry) {
        self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner).keep(entry);
    }

    pub(super) fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    /// Whether it still writes, as far as is known without trying.
    pub(super) fn writable(&self) -> Result<(), StoreError> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(StoreError::Broken("the store's writer has ended".to_owned()));
        }
        self.shared.stopped().map_or(Ok(()), Err)
    }

    /// Hands a job over, and waits until it is committed or refused.
    fn submit<T, E: From<StoreError>>(&self, job: impl FnOnce(Reply<T, E>) -> Job) -> Result<T, E> {
        let gone = || StoreError::Broken("the store's writer has ended".to_owned());
        let (reply, answer) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = jobs.try_send(job(reply)) {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(E::from(match error {
                TrySendError::Full(_) => StoreError::Unavailable("too many requests wait to be written".to_owned()),
                TrySendError::Disconnected(_) => gone(),
            }));
        }
        answer.recv().map_err(|_| E::from(gone()))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has nothing left to finish.
            let _ = thread.join();
        }
    }
}

/// What the writer's thread owns.
struct Thread {
    connection: Connection,
    clock: Clock,
    shared: Arc<Shared>,
    tidied: Instant,
}

impl Thread {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let first = match queue.recv_timeout(FLUSH) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut group: Vec<Job> = first.into_iter().collect();
            let mut octets: usize = group.iter().map(Job::octets).sum();
            while group.len() < GROUP
                && octets < GROUP_OCTETS
                && let Ok(job) = queue.try_recv()
            {
                octets += job.octets();
                group.push(job);
            }
            self.shared.queued.fetch_sub(group.len(), Ordering::Relaxed);
            self.turn(group);
        }
        self.turn(Vec::new());
    }

    /// One turn: a group of jobs, the notes that came in meanwhile, and now and then the house work.
    fn turn(&mut self, group: Vec<Job>) {
        let busy = !group.is_empty();
        self.tend();
        let notes = std::mem::take(&mut *self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner));
        if busy || !notes.entries.is_empty() {
            self.commit(group, notes);
        }
        if self.tidied.elapsed() >= TIDY {
            self.tidied = stopwatch();
            self.tidy(busy);
        }
    }

    /// Ends the holds whose time has come, before anything else is done that could see them.
    fn tend(&mut self) {
        let now = Timestamp::from(self.clock.now());
        let tended = due(&self.connection, now).and_then(|due| {
            if due.is_empty() || self.shared.stopped().is_some() {
                return Ok(());
            }
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tend(&transaction, now)?;
            transaction.commit().map_err(|error| {
                self.shared.stop(stops_for_good(&error));
                error.into()
            })
        });
        if let Err(error) = tended {
            tracing::warn!(%error, "holds whose time has come could not be ended: they are tried again");
        }
    }

    fn commit(&mut self, group: Vec<Job>, notes: Notes) {
        if let Some(reason) = &self.shared.stopped() {
            fail(group, reason);
            return self.keep_notes(notes);
        }
        match self.transact(&group, &notes) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    job.answer(outcome);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the store could not write");
                fail(group, &error);
                self.keep_notes(notes);
            }
        }
    }

    /// Does the whole group in one transaction. A job that cannot be done for a reason of its
    /// own is undone alone; anything else undoes them all.
    fn transact(&mut self, group: &[Job], notes: &Notes) -> Result<Vec<Outcome>, StoreError> {
        let now = Timestamp::from(self.clock.now());
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            outcomes.push(job.perform(&transaction, now)?);
        }
        for entry in &notes.entries {
            write_audit(&transaction, entry)?;
        }
        if notes.lost > 0 {
            let actor = audit::Actor { organisation: None, credential: None, address: "store".to_owned() };
            write_audit(
                &transaction,
                &audit::Entry { at: now, actor, action: audit::Action::Gap { lost: notes.lost } },
            )?;
        }
        if let Err(error) = transaction.commit() {
            self.shared.stop(stops_for_good(&error));
            return Err(error.into());
        }
        Ok(outcomes)
    }

    /// Puts entries back that could not be written, before those that came in since.
    fn keep_notes(&self, mut notes: Notes) {
        let mut waiting = self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let since = std::mem::take(&mut *waiting);
        notes.lost += since.lost;
        since.entries.into_iter().for_each(|entry| notes.keep(entry));
        *waiting = notes;
    }

    /// Forgets statuses whose time is over; and if nobody waits, gives the log's space back,
    /// unless a reader is still in it.
    fn tidy(&mut self, busy: bool) {
        const EXPIRED: &str = "DELETE FROM status WHERE id IN (SELECT id FROM status WHERE expires <= ? LIMIT 10000)";
        let now = Timestamp::from(self.clock.now()).micros();
        let expired = self.connection.execute(EXPIRED, [now]).map(drop);
        let outcome = if busy { expired } else { expired.and_then(|()| truncate_log(&self.connection)) };
        if let Err(error) = outcome {
            tracing::warn!(%error, "the store could not be tidied");
            self.shared.stop(stops_for_good(&error));
        }
    }
}

/// Without waiting: writers would wait, too.
fn truncate_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let truncated = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(super::BUSY)?;
    truncated
}

/// What became of a job inside the transaction.
enum Outcome {
    Added(Status),
    Deleted(Deleted),
    Changed(Result<(), ChangeError>),
    Placed,
    Released(Option<usize>),
    Tended,
    Failed(StoreError),
}

impl Job {
    /// How much it is to write, more or less.
    fn octets(&self) -> usize {
        let text = |offer: &Offer| if let Offer::Sound(candidate) = offer { candidate.text.len() } else { 0 };
        match self {
            Self::Add(push, _) => push.offers.iter().map(text).sum(),
            Self::Delete(..) | Self::Change(..) | Self::Place(..) | Self::Release(..) | Self::Tend(..) => 0,
        }
    }

    /// Does this job, or undoes it alone and says why. `Err` undoes the whole group.
    fn perform(&self, connection: &Connection, now: Timestamp) -> Result<Outcome, StoreError> {
        connection.execute_batch("SAVEPOINT job")?;
        let outcome = match self {
            Self::Add(push, _) => add(connection, push, now).map(Outcome::Added),
            Self::Delete(deletion, _) => delete(connection, deletion).map(Outcome::Deleted),
            Self::Change(change, _) => make_change(connection, &change.0, &change.1, now).map(Outcome::Changed),
            Self::Place(holding, _) => place(connection, holding, now).map(|()| Outcome::Placed),
            Self::Release(releasing, _) => release(connection, releasing, now).map(Outcome::Released),
            Self::Tend(_) => tend(connection, now).map(|()| Outcome::Tended),
        };
        match outcome {
            Ok(outcome) => {
                connection.execute_batch("RELEASE job")?;
                Ok(outcome)
            }
            Err(error @ StoreError::Unavailable(_)) => Err(error),
            Err(error @ StoreError::Broken(_)) => {
                connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
                Ok(Outcome::Failed(error))
            }
        }
    }

    fn answer(self, outcome: Outcome) {
        // Whoever asked may have gone away meanwhile: then nobody is told.
        match (self, outcome) {
            (Self::Add(_, reply), Outcome::Added(status)) => drop(reply.send(Ok(status))),
            (Self::Delete(_, reply), Outcome::Deleted(deleted)) => drop(reply.send(Ok(deleted))),
            (Self::Change(_, reply), Outcome::Changed(changed)) => drop(reply.send(changed)),
            (Self::Place(_, reply), Outcome::Placed) | (Self::Tend(reply), Outcome::Tended) => drop(reply.send(Ok(()))),
            (Self::Release(_, reply), Outcome::Released(versions)) => drop(reply.send(Ok(versions))),
            (job, Outcome::Failed(error)) => job.fail(&error),
            (job, _) => job.fail(&StoreError::Broken("the writer mixed up its answers".to_owned())),
        }
    }

    fn fail(self, error: &StoreError) {
        match self {
            Self::Add(_, reply) => drop(reply.send(Err(error.clone()))),
            Self::Delete(_, reply) => drop(reply.send(Err(error.clone()))),
            Self::Change(_, reply) => drop(reply.send(Err(error.clone().into()))),
            Self::Place(_, reply) | Self::Tend(reply) => drop(reply.send(Err(error.clone()))),
            Self::Release(_, reply) => drop(reply.send(Err(error.clone()))),
        }
    }
}

fn fail(group: Vec<Job>, error: &StoreError) {
    for job in group {
        job.fail(error);
    }
}

fn add(connection: &Connection, push: &Push, now: Timestamp) -> Result<Status, StoreError> {
    let mut shelf = Shelf { connection, collection: push.collection };
    let (status, entries) = admission::add(&mut shelf, push, now)?;
    if !push.dry_run {
        keep_status(connection, status.id, &KeptStatus::of(push, &status, now))?;
    }
    entries.iter().try_for_each(|entry| write_audit(connection, entry))?;
    Ok(status)
}

fn place(connection: &Connection, holding: &Holding, now: Timestamp) -> Result<(), StoreError> {
    let mut shelf = Shelf { connection, collection: holding.collection };
    hold::place(&mut shelf, &holding.hold)?;
    write_audit(connection, &holding.audit_entry(now))
}

fn release(connection: &Connection, releasing: &Releasing, now: Timestamp) -> Result<Option<usize>, StoreError> {
    let mut shelf = Shelf { connection, collection: releasing.collection };
    let Some(released) = hold::release(&mut shelf, releasing.id, now)? else { return Ok(None) };
    let action = released.action(&releasing.collection_id);
    write_audit(connection, &audit::Entry { at: now, actor: releasing.actor.clone(), action })?;
    Ok(Some(released.versions))
}

/// Ends the holds whose time has come.
fn tend(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    for (collection, id) in due(connection, now)? {
        for released in hold::release_due(&mut Shelf { connection, collection }, now)? {
            write_audit(connection, &released.entry(&id, now))?;
        }
    }
    Ok(())
}

fn keep_status(connection: &Connection, id: Uuid, kept: &KeptStatus) -> Result<(), StoreError> {
    const SQL: &str =
        "INSERT INTO status (id, root, organisation, collection, expires, resource) VALUES (?, ?, ?, ?, ?, ?)";
    connection.prepare_cached(SQL)?.execute(params![
        id.as_bytes(),
        kept.root,
        kept.organisation.0,
        kept.collection.0,
        kept.expires.micros(),
        kept.resource,
    ])?;
    Ok(())
}

fn delete(connection: &Connection, deletion: &Deletion) -> Result<Deleted, StoreError> {
    let shelf = Shelf { connection, collection: deletion.collection };
    let (deleted, digests) = shelf.delete(deletion)?;
    if let Deleted::Versions(_) = deleted {
        write_audit(connection, &deletion.audit_entry(digests))?;
    }
    Ok(deleted)
}

fn make_change(
    connection: &Connection,
    change: &Change,
    actor: &audit::Actor,
    now: Timestamp,
) -> Result<Result<(), ChangeError>, StoreError> {
    if let Err(refused) = registry::load_within(connection)?.check(change) {
        return Ok(Err(refused.into()));
    }
    registry::change(connection, change)?;
    write_audit(connection, &change.audit_entry(now, actor))?;
    Ok(Ok(()))
}

/// Appends to the trail: each entry is linked to the one before it.
fn write_audit(connection: &Connection, entry: &audit::Entry) -> Result<(), StoreError> {
    const LAST: &str = "SELECT link FROM audit ORDER BY seq DESC LIMIT 1";
    const APPEND: &str = "INSERT INTO audit (entry, link) VALUES (?, ?)";
    let previous = connection.prepare_cached(LAST)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(GENESIS);
    let text = entry.text();
    connection.prepare_cached(APPEND)?.execute(params![text, audit::link(&previous, &text)])?;
    Ok(())
}

/// A failed fsync: what it was to write may be lost although a later one succeeds.
fn stops_for_good(error: &rusqlite::Error) -> Option<StoreError> {
    let code = error.sqlite_error().map(|error| error.extended_code)?;
    let failed = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC].contains(&code);
    let reason = "the disk failed to keep what was written: nothing more is taken until the server is started again";
    failed.then(|| StoreError::Unavailable(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_wait_any_more_is_counted() {
        let actor = audit::Actor { organisation: None, credential: None, address: String::new() };
        let query = "q".repeat(1 << 20);
        let action = audit::Action::Read { collection: String::new(), resource: "objects", query, items: 0 };
        let entry = audit::Entry { at: Timestamp::EPOCH, actor, action };
        let mut notes = Notes::default();
        (0..100).for_each(|_| notes.keep(entry.clone()));
        assert_eq!((notes.entries.len(), notes.lost), (63, 37));
    }
}
