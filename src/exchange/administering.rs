//! Administering: the registry, and moving objects in and out by hand. For the operator,
//! whose right is the right to the files.

use super::{Error, Exchange, Settings, Writing};
use crate::access::credential::{Credential, Fingerprint};
use crate::access::level::Level;
use crate::access::organisation::{Organisation, OrganisationKey};
use crate::access::permission::{Grant, World};
use crate::access::proof::certificate::Certificate;
use crate::audit::{Action, Actor, Entry, Given};
use crate::clock::Clock;
use crate::stix::finding::Profile;
use crate::stix::head::Spec;
use crate::store::registry::{Change, Collection, Refused, Registry, Root};
use crate::store::{ChangeError, Extent, Scan, Store, StoreError};
use crate::taxii::filter::{Filter, Versions};
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use bytes::Bytes;
use serde::Deserialize;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::oneshot::channel;
use uuid::Uuid;

/// The operator's capability.
#[derive(Debug)]
pub struct Administering {
    exchange: Arc<Exchange>,
    operator: String,
}

/// All that there is to see, for the `list` and `check` commands.
#[derive(Debug)]
pub struct Overview {
    /// The registry.
    pub registry: Registry,
    /// The extent of each collection, in the registry's order.
    pub extents: Vec<Extent>,
}

impl Administering {
    /// The capability of whoever runs this program on the store's own files. `operator` is the account's name.
    pub fn new(store: Arc<dyn Store>, clock: Clock, settings: Settings, operator: &str) -> Result<Self, StoreError> {
        let exchange = Arc::new(Exchange::new(store, clock, settings, "")?);
        Ok(Self { exchange, operator: operator.to_owned() })
    }

    /// Adds an API root.
    pub fn add_root(&self, name: &str, title: &str) -> Result<(), ChangeError> {
        self.change(&Change::AddRoot(Root { name: name.to_owned(), title: title.to_owned() }))
    }

    /// Adds a collection, and gives its id. Its key and creation time are filled in here.
    pub fn add_collection(&self, collection: Collection) -> Result<String, ChangeError> {
        let id = if collection.id.is_empty() { Uuid::new_v4().to_string() } else { collection.id };
        let collection = Collection { id: id.clone(), created: self.exchange.now(), ..collection };
        self.change(&Change::AddCollection(collection))?;
        Ok(id)
    }

    /// Makes a collection judge what it is sent by a profile from now on.
    pub fn set_profile(&self, collection: &str, profile: Profile) -> Result<(), ChangeError> {
        self.change(&Change::SetProfile(self.collection(collection)?.key, profile))
    }

    /// Adds an organisation.
    pub fn add_organisation(&self, name: &str, title: &str) -> Result<(), ChangeError> {
        self.change(&Change::AddOrganisation { name: name.to_owned(), title: title.to_owned() })
    }

    /// Registers a certificate for an organisation, and gives its fingerprint.
    pub fn register(&self, organisation: &str, certificate: &Certificate) -> Result<Fingerprint, ChangeError> {
        let credential = Credential {
            fingerprint: certificate.fingerprint,
            organisation: self.organisation(organisation)?.key,
            subject: certificate.subject.clone(),
            not_after: certificate.not_after,
        };
        self.change(&Change::AddCredential(credential))?;
        Ok(certificate.fingerprint)
    }

    /// Removes the certificate of an organisation whose fingerprint begins with `prefix`.
    pub fn remove_certificate(&self, organisation: &str, prefix: &str) -> Result<Fingerprint, ChangeError> {
        let organisation = self.organisation(organisation)?;
        let credentials = self.exchange.registry()?;
        let prefix = prefix.to_ascii_lowercase();
        let own = credentials.credentials.iter().filter(|credential| credential.organisation == organisation.key);
        let found: Vec<Fingerprint> =
            own.map(|own| own.fingerprint).filter(|own| own.to_string().starts_with(&prefix)).collect();
        match found[..] {
            [fingerprint] if !prefix.is_empty() => {
                self.change(&Change::RemoveCredential(fingerprint)).map(|()| fingerprint)
            }
            [] => {
                Err(refused(format!("no certificate of {} begins with {prefix:?}: see `cert list`", organisation.name)))
            }
            _ => Err(refused(format!(
                "{} certificates of {} begin with {prefix:?}: give more digits",
                found.len(),
                organisation.name
            ))),
        }
    }

    /// Gives an organisation exactly these rights in a collection. `None`: it may not even know of it.
    pub fn grant(&self, organisation: &str, collection: &str, rights: Option<Rights>) -> Result<(), ChangeError> {
        let organisation = self.organisation(organisation)?.key;
        let collection = self.collection(collection)?.key;
        self.change(&match rights {
            Some(Rights { read, write, manage }) => {
                Change::SetGrant(Grant { organisation, collection, read, write, manage })
            }
            None => Change::RevokeGrant(organisation, collection),
        })
    }

    /// All that there is to see.
    pub fn overview(&self) -> Result<Overview, StoreError> {
        let registry = Registry::clone(&*self.exchange.registry()?);
        let extents = registry.collections.iter().map(|collection| self.exchange.store.extent(collection.key));
        Ok(Overview { extents: extents.collect::<Result<_, _>>()?, registry })
    }

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
        };
        let writing = Writing::new(Arc::clone(&self.exchange), collection, granted.unwrap_or(&none), self.actor());
        let along = texts.iter().filter_map(|text| Some(serde_json::from_slice::<Named>(text).ok()?.id)).collect();
        for (batch, some) in texts.chunks(BATCH).enumerate() {
            each(&writing.add_texts(some, batch * BATCH, &along, false)?);
        }
        Ok(())
    }

    /// Writes every version of every object of a collection to `out`, as a bundle of the texts as received.
    pub fn export(&self, collection: &str, out: &mut dyn Write) -> Result<usize, ExportError> {
        let collection = self.collection(collection)?;
        // The highest level sees every entry, whoever looks.
        let world = World { organisation: OrganisationKey(0), level: Some(Level::Red) };
        let filter = Filter { versions: Versions::All, specs: Some(vec![Spec::V20, Spec::V21]), ..Filter::default() };
        let scan = Scan { collection: collection.key, world, filter: &filter, after: None, with_text: true };
        let last = self.record_export(&collection.id, &Scan { with_text: false, ..scan.clone() })?;
        let (mut written, mut outcome) = (0usize, Ok(()));
        write!(out, "{{\"type\":\"bundle\",\"id\":\"bundle--{}\",\"objects\":[", Uuid::new_v4())?;
        self.exchange.store.scan(&scan, &mut |row| {
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
    fn record_export(&self, collection: &str, scan: &Scan<'_>) -> Result<Option<Timestamp>, StoreError> {
        let (mut given, mut last, mut outcome) = (Given::default(), None, Ok(()));
        self.exchange.store.scan(scan, &mut |row| {
            given.push(row.date_added);
            last = Some(row.date_added);
            if given.as_slice().len() < NUMBERS {
                return ControlFlow::Continue(());
            }
            outcome = self.record_given(collection, std::mem::take(&mut given));
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        outcome?;
        self.record_given(collection, given)?;
        Ok(last)
    }

    fn record_given(&self, collection: &str, given: Given) -> Result<(), StoreError> {
        let action = Action::Read {
            collection: collection.to_owned(),
            resource: "export",
            level: Some(Level::Red),
            query: String::new(),
            given,
        };
        let (done, recorded) = channel();
        self.exchange.store.record(Entry { at: self.exchange.now(), actor: self.actor(), action }, done);
        let gone = |_| StoreError::Broken("the store's writer has ended".to_owned());
        recorded.blocking_recv().map_err(gone)?
    }

    /// When now is, by this exchange's clock.
    pub fn now(&self) -> Timestamp {
        self.exchange.now()
    }

    /// The organisation with this name.
    pub fn organisation(&self, name: &str) -> Result<Organisation, ChangeError> {
        let registry = self.exchange.registry()?;
        let missing = || refused(format!("there is no organisation {name:?}: add it with `org add`, or see `list`"));
        registry.organisation(name).cloned().ok_or_else(missing)
    }

    /// The collection with this id, or with this alias if no other root has one like it.
    pub fn collection(&self, name: &str) -> Result<Collection, ChangeError> {
        let registry = self.exchange.registry()?;
        let called = |collection: &&Collection| collection.id == name || collection.alias.as_deref() == Some(name);
        let mut found = registry.collections.iter().filter(called);
        match (found.next(), found.next()) {
            (Some(collection), None) => Ok(collection.clone()),
            (None, _) => Err(refused(format!("there is no collection {name:?}: give an id or alias, see `list`"))),
            (Some(_), Some(_)) => {
                Err(refused(format!("several API roots have a collection {name:?}: give its id, see `list`")))
            }
        }
    }

    fn change(&self, change: &Change) -> Result<(), ChangeError> {
        self.exchange.store.change(change, &self.actor())
    }

    fn actor(&self) -> Actor {
        Actor { address: self.operator.clone(), ..Actor::default() }
    }
}

/// Numbers in one entry of the trail about an export, at most.
const NUMBERS: usize = 4000;

/// Objects of an import that are committed together.
const BATCH: usize = 1000;

/// As much of an object as tells what it is called.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// What a grant lets an organisation do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Read up to a level.
    pub read: Option<Level>,
    /// Add objects.
    pub write: bool,
    /// Manage the objects of others.
    pub manage: bool,
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
    /// What was exported could not be written.
    #[error("cannot write: {0}")]
    Io(#[from] io::Error),
}

fn refused(reason: String) -> ChangeError {
    Refused(reason).into()
}
