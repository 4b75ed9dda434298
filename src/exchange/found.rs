//! What was found, and is given out only once the audit trail has on disk who gets it.

use super::{Error, Exchange};
use crate::audit::Entry;
use crate::store::StoreError;
use tokio::sync::oneshot::{Receiver, channel};

/// What was found.
#[derive(Debug)]
pub struct Found<T> {
    found: T,
    /// Unless there is nothing in it: told when its entry in the trail is on disk.
    recorded: Option<Receiver<Result<(), StoreError>>>,
}

impl<T> Found<T> {
    /// What was found, once the audit trail says on disk who gets what of it. If nobody waits for it
    /// any longer, the trail need not say it either.
    pub async fn recorded(self) -> Result<T, Error> {
        if let Some(recorded) = self.recorded {
            recorded.await.map_err(|_| ended())??;
        }
        Ok(self.found)
    }

    /// The same, for a thread that may wait.
    pub fn wait(self) -> Result<T, Error> {
        if let Some(recorded) = self.recorded {
            recorded.blocking_recv().map_err(|_| ended())??;
        }
        Ok(self.found)
    }
}

impl Exchange {
    /// Tells the audit trail of what was found. What is empty waits for nothing.
    pub(super) fn found<T>(&self, found: T, is_empty: bool, entry: Entry) -> Found<T> {
        if is_empty {
            self.store.note(entry);
            return Found { found, recorded: None };
        }
        let (done, recorded) = channel();
        self.store.record(entry, done);
        Found { found, recorded: Some(recorded) }
    }
}

fn ended() -> StoreError {
    StoreError::Broken("the store's writer has ended".to_owned())
}
