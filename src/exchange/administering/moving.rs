//! Moving objects in and out by hand.

use super::Administering;
use crate::access::level::Level;
use crate::access::permission::{Grant, World};
use crate::audit::{Action, Actor, Entry, Given};
use crate::exchange::{Error, Writing};
use crate::store::registry::Collection;
use crate::store::{ChangeError, StoreError};
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use uuid::Uuid;

/// Numbers in one entry of the trail about an export, at most.
const NUMBERS: usize = 4000;
/// Objects of an import that are committed together.
const BATCH: usize = 1000;

/// As much of an object as tells what it is called.
#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Administering {
    /// Adds objects for an organisation, by their texts, some at a time: `each` gets the status of
    /// those, in the order of the texts. All of them count as sent along, whichever go first.
    pub fn import(
        &self,
        organisation: &str,
        collection: &str,
        texts: &[Bytes],
        each: &mut dyn FnMut(&Status),
    ) -> Result<(), ImportError> {
        let organisation = self.organisation(organisation)?;
        let collection = self.collection(collection)?;
        let registry = self.exchange.registry()?;
        let granted = registry.grant(organisation.key, collection.key);
        // The operator may seed a collection for an organisation that cannot write to it.
        let none = Grant {
            organisation: organisation.key,
            collection: collection.key,
            read: None,
            write: true,
            manage: false,
            relay: true,
        };
        let grant = granted.unwrap_or(&none);
        let world = World::new(organisation.key, grant.read, self.now());
        // The operator passes on whatever it has.
        let grant = Grant { relay: true, ..*grant };
        let actor = Actor { on_behalf: Some(organisation.name), ..self.actor() };
        let writing = Writing::new(Arc::clone(&self.exchange), &registry, collection, world, &grant, actor);
        let along = texts.iter().filter_map(|text| Some(serde_json::from_slice::<Named>(text).ok()?.id)).collect();
        for (batch, some) in texts.chunks(BATCH).enumerate() {
            each(&writing.add_texts(some, batch * BATCH, &along, false)?);
        }
        Ok(())
    }

    /// Writes every version of every object of a collection to `out`, as a bundle of the texts as received.
    pub fn export(&self, collection: &str, out: &mut dyn Write) -> Result<usize, ExportError> {
        let collection = self.collection(collection)?;
        let last = self.record_export(&collection)?;
        let (mut written, mut outcome) = (0usize, Ok(()));
        write!(out, "{{\"type\":\"bundle\",\"id\":\"bundle--{}\",\"objects\":[", Uuid::new_v4())?;
        self.exchange.store.every(collection.key, &mut |row| {
            // What was added since is not in the trail yet.
            if last.is_none_or(|last| row.date_added > last) {
                return ControlFlow::Break(());
            }
            let separator: &[u8] = if written == 0 { b"\n" } else { b",\n" };
            outcome = out.write_all(separator).and_then(|()| out.write_all(row.text));
            written += 1;
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome?;
        out.write_all(b"\n]}\n")?;
        out.flush()?;
        Ok(written)
    }

    /// Says in the audit trail what an export gives out, and waits until that is on disk. Gives the
    /// `date_added` of the last of it.
    fn record_export(&self, collection: &Collection) -> Result<Option<Timestamp>, Error> {
        let (mut given, mut last, mut outcome) = (Given::default(), None, Ok(()));
        self.exchange.store.every(collection.key, &mut |row| {
            given.push(row.date_added);
            last = Some(row.date_added);
            if given.as_slice().len() < NUMBERS {
                return ControlFlow::Continue(());
            }
            outcome = self.record_given(&collection.id, std::mem::take(&mut given));
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome?;
        self.record_given(&collection.id, given)?;
        Ok(last)
    }

    fn record_given(&self, collection: &str, given: Given) -> Result<(), Error> {
        let action = Action::Read {
            collection: collection.to_owned(),
            resource: "export",
            level: Some(Level::Red),
            query: String::new(),
            given,
            head: false,
        };
        self.exchange.found((), false, Entry { at: self.now(), actor: self.actor(), action }).wait()
    }
}

/// Why objects could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The organisation or collection is not there.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The objects could not be taken.
    #[error(transparent)]
    Exchange(#[from] Error),
}

/// Why a collection could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The collection is not there.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The trail could not be told.
    #[error(transparent)]
    Exchange(#[from] Error),
    /// What was exported could not be written.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}
