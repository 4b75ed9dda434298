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
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use uuid::Uuid;

/// Numbers in one entry of the trail about an export, at most.
const NUMBERS: usize = 4000;
/// As much of an object as tells what it is called.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// The ids of objects that are sent piece by piece: all of them count as sent along with each piece, whichever go
/// first. Takes 8 octets of memory for each, up to 16 while it grows; who could find two ids that look alike
/// would not be told of a reference that leads nowhere, and nothing else.
#[derive(Debug, Default)]
pub struct Along {
    keys: RandomState,
    /// In ascending order.
    ids: Vec<u64>,
}

impl Along {
    pub(in crate::exchange) fn contains(&self, id: &str) -> bool {
        self.ids.binary_search(&self.keys.hash_one(id)).is_ok()
    }
}

/// From the texts of objects; those that have no id to read have none.
impl<T: AsRef<[u8]>> FromIterator<T> for Along {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let keys = RandomState::new();
        let named = texts.into_iter().filter_map(|text| serde_json::from_slice::<Named>(text.as_ref()).ok());
        let mut ids: Vec<u64> = named.map(|Named { id }| keys.hash_one(id.as_str())).collect();
        ids.sort_unstable();
        ids.dedup();
        Self { keys, ids }
    }
}

/// The right to add objects to one collection for an organisation.
#[derive(Debug)]
pub struct Importing(Writing);

impl Importing {
    /// Adds some objects by their texts, together: when this returns, what its status calls a success is on disk.
    /// `first` is the place of the first one among all that are imported.
    pub fn add(&self, texts: &[Bytes], first: usize, along: &Along) -> Result<Status, Error> {
        self.0.add_texts(texts, first, along, false)
    }
}

impl Administering {
    /// Begins to add objects for an organisation.
    pub fn importing(&self, organisation: &str, collection: &str) -> Result<Importing, ImportError> {
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
        let exchange = Arc::clone(&self.exchange);
        Ok(Importing(Writing::new(exchange, &registry, collection, world, &grant, actor)))
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

/// Why objects cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The organisation or collection is not there.
    #[error(transparent)]
    Refused(#[from] ChangeError),
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
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
