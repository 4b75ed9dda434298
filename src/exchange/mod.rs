//! Everything the server does, once, whatever door it came through.
//!
//! A caller signs in ([`sign_in`]) and gets a [`Session`]. The session answers what a
//! caller may know without touching intelligence (discovery, roots, collections, its own
//! statuses, and what it may: [`whoami`]), and hands out capabilities: [`Reading`], [`Writing`], [`Deleting`],
//! [`Holding`]. Only a
//! capability has the methods that touch intelligence, and only [`crate::access::decide`]
//! makes the session give one away. It carries its collection, its caller and the caller's
//! world, so what was checked is what is used. The operator's is [`Administering`].
//!
//! What was put together for a caller is kept in memory ([`pages`]), plain and compressed ([`forms`]). Whether it
//! may be another one by now is told by a [`State`].
//!
//! Nothing here knows HTTP, and nothing here waits: a door that must not block calls from
//! a thread that may.

mod administering;
mod deleting;
mod forms;
mod found;
mod holding;
mod pages;
mod reading;
mod refusing;
mod session;
mod sign_in;
mod spread;
mod state;
mod whoami;
mod writing;

pub use administering::{Administering, Along, ExportError, ImportError, Importing, Overview, Rights};
pub use deleting::Deleting;
pub use forms::Coding;
pub use found::Found;
pub use holding::{Holding, Wanted};
pub use reading::{About, Prepared, Reading, Shown};
pub use refusing::{HANDSHAKE, Refused};
pub use session::Session;
pub use sign_in::{Caller, NotSignedIn, Whose};
pub use state::State;
pub use whoami::Whoami;
pub use writing::{Added, Writing};

pub use crate::audit::{Held, plain};
pub use crate::store::StoreError;

use crate::access::decide::No;
use crate::audit::{Action, Actor, Entry};
use crate::clock::Clock;
use crate::store::Store;
use crate::store::registry::Registry;
use crate::taxii::filter::Malformed;
use crate::taxii::objects::BodyError;
use crate::taxii::page::Key;
use crate::taxii::timestamp::Timestamp;
use arc_swap::ArcSwap;
use pages::Pages;
use refusing::Refusals;
use serde::Deserialize;
use sign_in::Directory;
use spread::Places;
use std::sync::Arc;
use tokio::sync::oneshot::channel;

/// How the exchange answers. The section `[taxii]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The server's name, in discovery.
    pub title: String,
    /// What it is for, in discovery.
    pub description: Option<String>,
    /// Whom to contact about it, in discovery.
    pub contact: Option<String>,
    /// Objects, records or versions in a page, at most.
    pub page_size: usize,
    /// Octets in a page, at most; one larger object is a page of its own.
    pub page_octets: usize,
    /// Milliseconds for which a page is put together, at most; one with nothing in it may take longer.
    pub page_milliseconds: u64,
    /// Octets of finished pages that are kept in memory for who asks for them again; 0: none.
    pub page_cache_octets: u64,
    /// Whether pages are compressed for who takes them so.
    pub compression: bool,
    /// The largest request body that is taken, in octets: advertised, and enforced exactly.
    pub max_content_length: u64,
    /// Objects in one request, at most.
    pub max_objects: usize,
    /// Whether a STIX bundle, and `application/stix+json` and `application/json`, are taken
    /// where the standard asks for an envelope: real pushers send them.
    pub accept_bundles: bool,
    /// Whether an empty page has an empty list. The standard says `{}`; Elastic's poller needs the list.
    pub empty_objects: bool,
    /// Organisations, by name, that get empty lists although others do not.
    pub empty_objects_for: Vec<String>,
    /// How long a status is kept after completion, in hours; at least 24 (TAXII 2.1 §4.3).
    pub keep_status_hours: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            title: "Entente".to_owned(),
            description: None,
            contact: None,
            page_size: 1000,
            page_octets: 4 << 20,
            page_milliseconds: 250,
            page_cache_octets: 64 << 20,
            compression: true,
            max_content_length: 100 << 20,
            max_objects: 100_000,
            accept_bundles: true,
            empty_objects: false,
            empty_objects_for: Vec::new(),
            keep_status_hours: 24,
        }
    }
}

impl Settings {
    /// What is wrong with them together, each with what is allowed.
    pub fn faults(&self) -> Vec<String> {
        let bounds = [
            (self.page_size == 0, "taxii.page_size is at least 1"),
            (self.page_octets == 0, "taxii.page_octets is at least 1"),
            (self.page_milliseconds == 0, "taxii.page_milliseconds is at least 1"),
            (self.max_content_length == 0, "taxii.max_content_length is at least 1 (TAXII 2.1 §4.2)"),
            (self.max_objects == 0, "taxii.max_objects is at least 1"),
            (self.keep_status_hours < 24, "taxii.keep_status_hours is at least 24 (TAXII 2.1 §4.3)"),
        ];
        bounds.into_iter().filter(|(broken, _)| *broken).map(|(_, fault)| fault.to_owned()).collect()
    }
}

/// Why a caller does not get what it asked for. Says what the caller can do, never what it may not know.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is nothing of that name, or the caller may not know of it.
    #[error("there is nothing here, or nothing that you may see")]
    Absent,
    /// The caller may know of it, and lacks the right.
    #[error("your organisation lacks the right for this: ask the operator of this server for it")]
    Forbidden,
    /// A parameter is malformed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The request body as a whole cannot be taken.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The store could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<No> for Error {
    fn from(no: No) -> Self {
        match no {
            No::Absent => Self::Absent,
            No::Forbidden => Self::Forbidden,
        }
    }
}

/// The exchange: a store, and the rules of its use.
pub struct Exchange {
    store: Arc<dyn Store>,
    clock: Clock,
    settings: Settings,
    /// `https://host:port`, without a slash at the end.
    public_url: String,
    /// The same, of the fallback listener.
    fallback_url: String,
    directory: ArcSwap<Directory>,
    cursor_key: Key,
    pages: Pages,
    refusals: Refusals,
    /// Where the objects of large requests are judged.
    judging: Places,
}

impl Exchange {
    /// Opens the exchange on a store. Absolute URLs begin with `public_url`.
    pub fn new(store: Arc<dyn Store>, clock: Clock, settings: Settings, public_url: &str) -> Result<Self, StoreError> {
        let directory = ArcSwap::from_pointee(Directory::of(store.registry()?));
        let cursor_key = store.cursor_key();
        let public_url = public_url.trim_end_matches('/').to_owned();
        let (fallback_url, refusals) = (public_url.clone(), Refusals::new());
        let pages = Pages::new(settings.page_cache_octets, settings.page_octets);
        let judging = Places::new();
        Ok(Self { store, clock, settings, public_url, fallback_url, directory, cursor_key, pages, refusals, judging })
    }

    /// The same exchange: for who comes by the fallback listener, absolute URLs begin with `url`.
    #[must_use]
    pub fn with_fallback_at(self, url: &str) -> Self {
        Self { fallback_url: url.trim_end_matches('/').to_owned(), ..self }
    }

    /// How it answers.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many requests wait to be written.
    pub fn queued(&self) -> usize {
        self.store.queued()
    }

    /// How large the store is, in octets.
    pub fn store_octets(&self) -> Result<u64, StoreError> {
        self.store.octets()
    }

    /// Whether the store can be read, and as far as it knows, written.
    pub fn ready(&self) -> Result<(), StoreError> {
        self.store.writable()?;
        self.store.generation().map(drop)
    }

    /// Takes note that the server begins to answer.
    pub fn note_start(&self) {
        self.note_own(Action::Start { version: env!("CARGO_PKG_VERSION") });
    }

    /// Takes note that the server has given its last answer, and of all that was counted and not told.
    /// When this ends, the audit trail is on disk to its end, and its end is signed.
    pub async fn note_stop(&self) -> Result<(), StoreError> {
        self.tell_refusals(true);
        let (done, recorded) = channel();
        self.store.record(self.own(Action::Stop), done);
        recorded.await.map_err(|_| StoreError::Broken("the store's writer has ended".to_owned()))?
    }

    /// Takes note that files were read anew: what they hold, and what came of it.
    pub fn note_reload(&self, what: &str, outcome: &str) {
        self.note_own(Action::Reload { what: what.to_owned(), outcome: outcome.to_owned() });
    }

    fn note_own(&self, action: Action) {
        self.store.note(self.own(action));
    }

    /// An entry about the server itself.
    fn own(&self, action: Action) -> Entry {
        Entry { at: self.now(), actor: Actor::server(), action }
    }

    /// When each credential that counts will end, under its organisation's name.
    pub fn credential_ends(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let (registry, now) = (self.registry()?, self.now());
        let counting = registry.credentials.iter().filter(|credential| credential.counts_at(now));
        let named = counting.filter_map(|credential| {
            let organisation = registry.organisation_by_key(credential.organisation)?;
            let end = credential.not_after.into_iter().chain(credential.ends).min()?;
            Some((organisation.name.clone(), end))
        });
        Ok(named.collect())
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// The registry as of now: read anew whenever it changed, by whichever program.
    fn registry(&self) -> Result<Arc<Registry>, StoreError> {
        Ok(Arc::clone(&self.directory()?.registry))
    }

    /// The same, with its index.
    fn directory(&self) -> Result<Arc<Directory>, StoreError> {
        let known = self.directory.load_full();
        if known.registry.generation == self.store.generation()? {
            return Ok(known);
        }
        let fresh = Arc::new(Directory::of(self.store.registry()?));
        self.directory.store(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("settings", &self.settings).finish_non_exhaustive()
    }
}
