//! The one writer: a thread that owns the write connection, takes what waits in a bounded
//! queue, and commits it together with one fsync. Nobody is answered before the commit.

use super::job::{Job, Outcome, Reply, Work};
use super::trail::{Notes, Trail, is_unsigned};
use super::watch::{Known, Watch};
use super::work::{Part, tend};
use crate::audit::{self, Signer};
use crate::clock::{Clock, stopwatch};
use crate::store::registry::Change;
use crate::store::{ChangeError, Deleted, Deletion, Done, Holding, Push, Releasing, StoreError};
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use rusqlite::{Connection, TransactionBehavior, ffi};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Requests that may wait for the writer. One more is told to come back later.
const QUEUE: usize = 256;
/// Requests that share a transaction and its fsync, at most.
const GROUP: usize = 64;
/// Once its objects are this many octets, a group is large enough.
const GROUP_OCTETS: usize = 32 << 20;
/// Once it has worked on a group for so long, and somebody waits for an entry of the trail, the rest of the group is
/// left for the next: pages that go out beside large pushes wait for one of them, and not for all.
const HURRY: Duration = Duration::from_millis(10);
/// How long an entry that nobody waits for may wait for a transaction to go with.
const FLUSH: Duration = Duration::from_millis(200);
/// While several wait for the trail, it is written this often: one fsync is for all of them.
const GATHER: Duration = Duration::from_millis(1);
/// The trail's end is signed this long after it was signed last, if there are new entries ...
const SIGN: Duration = Duration::from_mins(1);
/// ... or once there are so many.
const SIGN_ENTRIES: u64 = 10_000;
/// While nothing can be written, the log says so again after this long.
const REMIND: Duration = Duration::from_mins(1);
/// How long between two tidyings.
const TIDY: Duration = Duration::from_secs(30);

/// A handle on the writer. Dropping it lets the writer finish what waits, and waits for that.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` only wakes the writer.
    jobs: Option<SyncSender<Option<Job>>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queued: AtomicUsize,
    notes: Mutex<Notes>,
    /// Whether the writer was woken for the notes and has not looked yet.
    woken: AtomicBool,
    signer: OnceLock<Signer>,
    watch: Watch,
    /// How long a job waits to be begun; without, as long as it takes.
    patience: OnceLock<Duration>,
    /// Why nothing may be written any more, if so: after a failed fsync nobody knows what is on disk.
    stopped: Mutex<Option<StoreError>>,
}

impl Shared {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

impl Writer {
    pub(super) fn start(connection: Connection, clock: Clock) -> Result<Self, StoreError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let shared = Arc::new(Shared { watch: Watch::over(&connection), ..Shared::default() });
        let thread = Thread::new(connection, clock, Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || thread.run(&queue));
        let thread = thread.map_err(|error| StoreError::Broken(format!("cannot start the writer: {error}")))?;
        Ok(Self { jobs: Some(jobs), shared, thread: Some(thread) })
    }

    pub(super) fn add(&self, push: Push) -> Result<Status, StoreError> {
        self.submit(|reply| Work::Add(Box::new(push), reply))
    }

    pub(super) fn delete(&self, deletion: Deletion) -> Result<Deleted, StoreError> {
        self.submit(|reply| Work::Delete(Box::new(deletion), reply))
    }

    pub(super) fn change(&self, change: Change, actor: audit::Actor) -> Result<(), ChangeError> {
        self.submit(|reply| Work::Change(Box::new((change, actor)), reply))
    }

    pub(super) fn place(&self, holding: Holding) -> Result<(), StoreError> {
        self.submit(|reply| Work::Place(Box::new(holding), reply))
    }

    pub(super) fn release(&self, releasing: Releasing) -> Result<Option<Part>, StoreError> {
        self.submit(|reply| Work::Release(Box::new(releasing), reply))
    }

    pub(super) fn tend(&self) -> Result<(), StoreError> {
        self.submit(Work::Tend)
    }

    pub(super) fn note(&self, entry: audit::Entry) {
        self.shared.notes().keep(entry);
    }

    /// Takes an entry that somebody waits for, and wakes the writer, unless it looks soon.
    pub(super) fn record(&self, entry: audit::Entry, done: Done) {
        let is_crowded = {
            let mut notes = self.shared.notes();
            notes.keep_for(entry, done);
            notes.is_crowded()
        };
        if !is_crowded && !self.shared.woken.swap(true, Ordering::AcqRel) {
            // A full queue keeps the writer awake, and one that has ended cannot be woken.
            let _ = self.jobs.as_ref().map(|jobs| jobs.try_send(None));
        }
    }

    /// From now on signs the trail's end, now and then and at the end.
    pub(super) fn sign_with(&self, signer: Signer) {
        // The first one stays.
        let _ = self.shared.signer.set(signer);
    }

    /// From now on a job is given up that is not begun after so long.
    pub(super) fn wait_at_most(&self, patience: Duration) {
        // The first one stays.
        let _ = self.shared.patience.set(patience);
    }

    /// What is known without asking the database.
    pub(super) fn watch(&self) -> &Watch {
        &self.shared.watch
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

    /// Hands a job over, and waits until it is committed or refused. One that is given up is never done.
    fn submit<T, E: From<StoreError>>(&self, work: impl FnOnce(Reply<T, E>) -> Work) -> Result<T, E> {
        let gone = || StoreError::Broken("the store's writer has ended".to_owned());
        let busy = || StoreError::Unavailable("the store is busy, or cannot be written to".to_owned());
        let (reply, answer) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        let taken = Arc::new(AtomicBool::new(false));
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = jobs.try_send(Some(Job::new(work(reply), &taken))) {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
            return Err(E::from(match error {
                TrySendError::Full(_) => StoreError::Unavailable("too many requests wait to be written".to_owned()),
                TrySendError::Disconnected(_) => gone(),
            }));
        }
        match self.shared.patience.get() {
            None => answer.recv().map_err(|_| gone())?,
            Some(patience) => match answer.recv_timeout(*patience) {
                Ok(answered) => answered,
                Err(RecvTimeoutError::Timeout) if !taken.swap(true, Ordering::AcqRel) => Err(busy().into()),
                Err(RecvTimeoutError::Timeout) => answer.recv().map_err(|_| gone())?,
                Err(RecvTimeoutError::Disconnected) => Err(gone().into()),
            },
        }
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
    signed: Instant,
    /// How many entries were appended here since the trail's end was signed.
    unsigned: u64,
    /// Whether holds whose time has come are released in part only.
    behind: bool,
    /// When the log last said that nothing can be written, while that is so.
    failing: Option<Instant>,
    /// [`HURRY`].
    hurry: Duration,
}

/// What a transaction did.
struct Turn {
    outcomes: Vec<Outcome>,
    appended: u64,
    signed: bool,
}

impl Thread {
    fn new(connection: Connection, clock: Clock, shared: Arc<Shared>) -> Self {
        Self {
            connection,
            clock,
            shared,
            tidied: stopwatch(),
            signed: stopwatch(),
            unsigned: 0,
            behind: false,
            failing: None,
            hurry: HURRY,
        }
    }

    fn run(mut self, queue: &Receiver<Option<Job>>) {
        let (mut began, mut group) = (stopwatch(), Vec::new());
        loop {
            // A part of what is behind, and then as long for others, in other processes too.
            let wait = if self.behind { began.elapsed().min(FLUSH) } else { FLUSH };
            let wait = if self.shared.notes().is_crowded() { wait.min(GATHER) } else { wait };
            if group.is_empty() {
                match queue.recv_timeout(wait) {
                    Ok(job) => group.extend(job),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            let mut octets: usize = group.iter().map(Job::octets).sum();
            while group.len() < GROUP
                && octets < GROUP_OCTETS
                && let Ok(job) = queue.try_recv()
            {
                octets += job.as_ref().map_or(0, Job::octets);
                group.extend(job);
            }
            self.shared.queued.fetch_sub(group.len(), Ordering::Relaxed);
            let sign = self.is_time_to_sign();
            began = stopwatch();
            group = self.turn(group, sign);
            self.shared.queued.fetch_add(group.len(), Ordering::Relaxed);
        }
        self.turn(Vec::new(), true);
    }

    fn is_time_to_sign(&self) -> bool {
        self.unsigned >= SIGN_ENTRIES || self.signed.elapsed() >= SIGN
    }

    /// One turn: a group of jobs, the notes that came in meanwhile, and now and then the house
    /// work. `sign`: it is time to sign the trail's end. Gives the jobs that are left for the next.
    fn turn(&mut self, group: Vec<Job>, sign: bool) -> Vec<Job> {
        let busy = !group.is_empty();
        self.shared.woken.store(false, Ordering::Release);
        let notes = self.shared.notes().take();
        let sign = (sign || notes.end()) && self.shared.signer.get().is_some();
        let known = self.shared.watch.known(|before| Known::load(&self.connection, before));
        let held = known.is_ok_and(|known| known.is_due(self.clock.now().into()));
        // What other programs wrote counts, too: they may not be able to sign.
        let signs = sign && is_unsigned(&self.connection).is_ok_and(|unsigned| unsigned);
        let mut left = Vec::new();
        if busy || held || !notes.is_empty() || signs {
            left = self.commit(group, notes, sign);
        } else {
            self.shared.notes().expect(&notes);
        }
        if self.tidied.elapsed() >= TIDY {
            self.tidied = stopwatch();
            self.tidy(busy);
        }
        left
    }

    fn commit(&mut self, mut group: Vec<Job>, mut notes: Notes, sign: bool) -> Vec<Job> {
        let turn = self.shared.stopped().map_or_else(|| self.transact(&group, &mut notes, sign, false), Err);
        match turn {
            Ok(turn) => {
                self.failing = None;
                self.unsigned += turn.appended;
                if turn.signed {
                    (self.signed, self.unsigned) = (stopwatch(), 0);
                }
                self.shared.notes().expect(&notes);
                notes.done();
                let left = group.split_off(turn.outcomes.len());
                for (job, outcome) in group.into_iter().zip(turn.outcomes) {
                    job.answer(outcome);
                }
                left
            }
            Err(error) => {
                self.behind = false;
                self.tell_of(&error);
                for job in group {
                    job.fail(&error);
                }
                let mut waiting = self.shared.notes();
                let since = std::mem::take(&mut *waiting);
                *waiting = notes.failed(&error, since);
                waiting.expect(&Notes::default());
                Vec::new()
            }
        }
    }

    /// Says in the log that nothing can be written: now, and now and then while it is so.
    fn tell_of(&mut self, error: &StoreError) {
        if self.failing.is_none_or(|told| told.elapsed() >= REMIND) {
            tracing::error!(%error, "the store could not write");
            self.failing = Some(stopwatch());
        }
    }

    /// Does the group in one transaction, or the beginning of it if somebody is in a [`HURRY`]. A job that cannot be
    /// done for a reason of its own is undone alone; anything else undoes them all.
    ///
    /// What may be undone alone costs a copy of each page that it touches: for objects, as much as to insert them. So
    /// that is done, `each_alone`, only once a group was begun that has such a job.
    fn transact(&mut self, group: &[Job], notes: &mut Notes, sign: bool, each_alone: bool) -> Result<Turn, StoreError> {
        let (now, begun) = (Timestamp::from(self.clock.now()), stopwatch());
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut trail = Trail::open(&transaction)?;
        let known = self.shared.watch.held();
        // Before anything is done that could see what they kept.
        let due = known.as_ref().is_none_or(|known| known.is_due(now));
        let behind = due && tend(&transaction, &mut trail, now)?;
        let is_for_the_trail_only = group.is_empty() && trail.appended == 0;
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            if !outcomes.is_empty() && begun.elapsed() >= self.hurry && self.shared.notes().is_awaited() {
                break;
            }
            let outcome = match job.begins() {
                false => Ok(Outcome::GivenUp),
                true if each_alone => job.perform_alone(&transaction, &mut trail, now),
                true => job.perform(&transaction, &mut trail, now),
            };
            match outcome {
                Err(StoreError::Broken(_)) if !each_alone => {
                    transaction.rollback()?;
                    return self.transact(group, notes, sign, true);
                }
                outcome => outcomes.push(outcome?),
            }
        }
        // Those that came in meanwhile wait no longer.
        notes.join(self.shared.notes().take());
        notes.append(&mut trail, now)?;
        let appended = trail.appended;
        let signer = self.shared.signer.get().filter(|_| sign || notes.end());
        signer.map_or(Ok(()), |signer| trail.sign(signer, now))?;
        let signed = signer.is_some();
        if let Err(error) = transaction.commit() {
            self.shared.stop(stops_for_good(&error));
            return Err(error.into());
        }
        if let Some(known) = known.filter(|_| is_for_the_trail_only) {
            self.shared.watch.still(&known);
        }
        self.behind = behind;
        Ok(Turn { outcomes, appended, signed })
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

/// A failed fsync: what it was to write may be lost although a later one succeeds.
fn stops_for_good(error: &rusqlite::Error) -> Option<StoreError> {
    let code = error.sqlite_error().map(|error| error.extended_code)?;
    let failed = [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC].contains(&code);
    let reason = "the disk failed to keep what was written: nothing more is taken until the server is started again";
    failed.then(|| StoreError::Unavailable(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::Sqlite;
    use super::*;
    use crate::audit::checkpoint::tests::signer;
    use crate::store::Registrar as _;
    use crate::store::registry::Root;

    #[test]
    fn what_another_program_wrote_and_could_not_sign_is_signed_within_a_minute() {
        let directory = tempfile::tempdir().unwrap();
        let other = Sqlite::create(directory.path(), Clock::system()).unwrap();
        let connection = super::super::connect(&directory.path().join(super::super::FILE)).unwrap();
        let mut server = Thread::new(connection, Clock::system(), Arc::default());
        server.shared.signer.set(signer(1).0).unwrap();
        let checkpoints = |server: &Thread| {
            let sql = "SELECT count(*) FROM checkpoint";
            server.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        let mut turn_a_minute_later = || {
            server.signed = server.signed.checked_sub(SIGN).unwrap();
            let sign = server.is_time_to_sign();
            server.turn(Vec::new(), sign);
            checkpoints(&server)
        };
        assert_eq!(turn_a_minute_later(), 0, "there is nothing to sign");
        let root = Root { name: "api1".to_owned(), title: "First".to_owned() };
        other.change(&Change::AddRoot(root), &audit::Actor::default()).unwrap();
        drop(other);
        assert_eq!(turn_a_minute_later(), 1);
        assert_eq!(turn_a_minute_later(), 1, "it is signed once");
    }

    #[test]
    fn the_rest_of_a_group_is_left_when_it_takes_long_and_somebody_waits_for_the_trail() {
        let directory = tempfile::tempdir().unwrap();
        drop(Sqlite::create(directory.path(), Clock::system()).unwrap());
        let connection = super::super::connect(&directory.path().join(super::super::FILE)).unwrap();
        let mut server = Thread::new(connection, Clock::system(), Arc::default());
        let group = [(); 3].map(|()| Job::new(Work::Tend(sync_channel(1).0), &Arc::default()));
        for (hurry, is_awaited, done) in
            [(Duration::ZERO, true, 1), (Duration::ZERO, false, 3), (Duration::from_hours(1), true, 3)]
        {
            server.hurry = hurry;
            let (told, recorded) = tokio::sync::oneshot::channel();
            if is_awaited {
                let entry =
                    audit::Entry { at: Timestamp::EPOCH, actor: audit::Actor::default(), action: audit::Action::Stop };
                server.shared.notes().keep_for(entry, told);
            }
            let mut notes = Notes::default();
            let turn = server.transact(&group, &mut notes, false, false).unwrap();
            assert_eq!((turn.outcomes.len(), turn.appended), (done, u64::from(is_awaited)), "{hurry:?}");
            drop(recorded);
        }
    }

    #[test]
    fn a_job_that_cannot_be_done_is_undone_alone_and_those_that_were_given_up_stay_so() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::create(directory.path(), Clock::system()).unwrap();
        let root = |name: &str| Change::AddRoot(Root { name: name.to_owned(), title: name.to_owned() });
        let connection = super::super::connect(&directory.path().join(super::super::FILE)).unwrap();
        connection
            .execute_batch(
                "CREATE TRIGGER t AFTER INSERT ON root WHEN new.name = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END",
            )
            .unwrap();
        let mut server = Thread::new(connection, Clock::system(), Arc::default());
        let (mut jobs, mut answers) = (Vec::new(), Vec::new());
        for (name, given_up) in [("one", false), ("bad", false), ("two", true), ("three", false)] {
            let (reply, answer) = sync_channel(1);
            let work = Work::Change(Box::new((root(name), audit::Actor::default())), reply);
            jobs.push(Job::new(work, &Arc::new(AtomicBool::new(given_up))));
            answers.push(answer);
        }
        server.turn(jobs, false);
        let told: Vec<_> = answers.iter().map(|answer| answer.try_recv().ok().map(|told| told.is_ok())).collect();
        assert_eq!(told, [Some(true), Some(false), None, Some(true)]);
        let roots: Vec<_> = store.registry().unwrap().roots.into_iter().map(|root| root.name).collect();
        assert_eq!(roots, ["one", "three"]);
        let seqs = "SELECT group_concat(seq) || (SELECT count(*) FROM audit WHERE entry LIKE '%bad%') FROM audit";
        let seqs: String = server.connection.query_row(seqs, [], |row| row.get(0)).unwrap();
        assert_eq!(seqs, "1,20", "two entries, and none of what was undone");
    }
}
