//! What the writer is asked to do, and how each is done and answered.

use super::trail::Trail;
use super::work::{Part, add, delete, make_change, place, release};
use crate::audit;
use crate::store::registry::Change;
use crate::store::{ChangeError, Deleted, Deletion, Holding, Offer, Push, Releasing, StoreError};
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use rusqlite::Connection;
use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

/// Something to do, and who decides that it is done: the writer that begins with it, or the one
/// that asked and would not wait any longer; whoever sets `taken` first.
#[derive(Debug)]
pub(super) struct Job {
    work: Work,
    taken: Arc<AtomicBool>,
    /// What the writer found when it began with it, or would have.
    begun: OnceCell<bool>,
}

#[derive(Debug)]
pub(super) enum Work {
    Add(Box<Push>, Reply<Status, StoreError>),
    Delete(Box<Deletion>, Reply<Deleted, StoreError>),
    Change(Box<(Change, audit::Actor)>, Reply<(), ChangeError>),
    Place(Box<Holding>, Reply<(), StoreError>),
    Release(Box<Releasing>, Reply<Option<Part>, StoreError>),
    Tend(Reply<(), StoreError>),
}

pub(super) type Reply<T, E> = SyncSender<Result<T, E>>;

/// What became of a job inside the transaction.
pub(super) enum Outcome {
    Added(Status),
    Deleted(Deleted),
    Changed(Result<(), ChangeError>),
    Placed,
    Released(Option<Part>),
    Tended,
    Failed(StoreError),
    /// Whoever asked would not wait any longer, and has been told so.
    GivenUp,
}

impl Job {
    pub(super) fn new(work: Work, taken: &Arc<AtomicBool>) -> Self {
        Self { work, taken: Arc::clone(taken), begun: OnceCell::new() }
    }

    /// How much it is to write, more or less.
    pub(super) fn octets(&self) -> usize {
        let text = |offer: &Offer| if let Offer::Sound(candidate) = offer { candidate.text.len() } else { 0 };
        match &self.work {
            Work::Add(push, _) => push.offers.iter().map(text).sum(),
            Work::Delete(..) | Work::Change(..) | Work::Place(..) | Work::Release(..) | Work::Tend(..) => 0,
        }
    }

    /// Whether it is done, and not given up: asked when its turn comes, and the same from then on.
    pub(super) fn begins(&self) -> bool {
        *self.begun.get_or_init(|| !self.taken.swap(true, Ordering::AcqRel))
    }

    /// Does this job. `Err` undoes the whole group.
    pub(super) fn perform(
        &self,
        connection: &Connection,
        trail: &mut Trail<'_>,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        match &self.work {
            Work::Add(push, _) => add(connection, trail, push, now).map(Outcome::Added),
            Work::Delete(deletion, _) => delete(connection, trail, deletion).map(Outcome::Deleted),
            Work::Change(change, _) => make_change(connection, trail, &change.0, &change.1, now).map(Outcome::Changed),
            Work::Place(holding, _) => place(connection, trail, holding, now).map(|()| Outcome::Placed),
            Work::Release(releasing, _) => release(connection, trail, releasing, now).map(Outcome::Released),
            Work::Tend(_) => Ok(Outcome::Tended),
        }
    }

    /// Does this job, or undoes it alone, and what it told the trail, and says why. `Err` undoes the whole group.
    pub(super) fn perform_alone(
        &self,
        connection: &Connection,
        trail: &mut Trail<'_>,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        connection.execute_batch("SAVEPOINT job")?;
        let before = trail.end();
        match self.perform(connection, trail, now) {
            Ok(outcome) => {
                connection.execute_batch("RELEASE job")?;
                Ok(outcome)
            }
            Err(error @ StoreError::Unavailable(_)) => Err(error),
            Err(error @ StoreError::Broken(_)) => {
                connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
                trail.go_back(before);
                Ok(Outcome::Failed(error))
            }
        }
    }

    pub(super) fn answer(self, outcome: Outcome) {
        // Whoever asked may have gone away meanwhile: then nobody is told.
        match (self.work, outcome) {
            (_, Outcome::GivenUp) => {}
            (Work::Add(_, reply), Outcome::Added(status)) => drop(reply.send(Ok(status))),
            (Work::Delete(_, reply), Outcome::Deleted(deleted)) => drop(reply.send(Ok(deleted))),
            (Work::Change(_, reply), Outcome::Changed(changed)) => drop(reply.send(changed)),
            (Work::Place(_, reply), Outcome::Placed) | (Work::Tend(reply), Outcome::Tended) => drop(reply.send(Ok(()))),
            (Work::Release(_, reply), Outcome::Released(versions)) => drop(reply.send(Ok(versions))),
            (work, Outcome::Failed(error)) => work.fail(&error),
            (work, _) => work.fail(&StoreError::Broken("the writer mixed up its answers".to_owned())),
        }
    }

    pub(super) fn fail(self, error: &StoreError) {
        self.work.fail(error);
    }
}

impl Work {
    pub(super) fn fail(self, error: &StoreError) {
        match self {
            Self::Add(_, reply) => drop(reply.send(Err(error.clone()))),
            Self::Delete(_, reply) => drop(reply.send(Err(error.clone()))),
            Self::Change(_, reply) => drop(reply.send(Err(error.clone().into()))),
            Self::Place(_, reply) | Self::Tend(reply) => drop(reply.send(Err(error.clone()))),
            Self::Release(_, reply) => drop(reply.send(Err(error.clone()))),
        }
    }
}
