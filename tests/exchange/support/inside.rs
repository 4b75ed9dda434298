//! An exchange without its door: for tests that ask a hundred thousand times.

use super::clock::Still;
use bytes::Bytes;
use entente::access::credential::Fingerprint;
use entente::access::permission::CollectionKey;
use entente::access::proof::certificate::{Certificate, Proven};
use entente::exchange::{Administering, Coding, Error, Exchange, Rights, Session, Settings, Shown};
use entente::stix::head::Spec;
use entente::store::Store;
use entente::store::memory::Memory;
use entente::store::registry::{Collection, Rules};
use entente::store::sqlite::Sqlite;
use entente::taxii::filter::{Endpoint, Query};
use entente::taxii::status::Status;
use entente::taxii::timestamp::Timestamp;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The root that everything is in.
pub const ROOT: &str = "api1";

/// An exchange on a clock that stands still, and the means to look into its audit trail.
pub struct Inside {
    pub exchange: Arc<Exchange>,
    pub admin: Administering,
    pub store: Arc<dyn Store>,
    pub clock: Still,
    memory: Option<Arc<Memory>>,
    folder: TempDir,
}

/// What a caller is told, as far as an answer over HTTP depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub status: u16,
    pub dates: Option<(String, String)>,
    pub body: String,
}

impl Inside {
    pub fn new(in_memory: bool) -> Self {
        Self::at(in_memory, Still::default())
    }

    /// One whose clock is this.
    pub fn at(in_memory: bool, clock: Still) -> Self {
        Self::with(in_memory, clock, Settings::default())
    }

    /// One with these settings.
    pub fn with(in_memory: bool, clock: Still, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let memory = in_memory.then(|| Arc::new(Memory::new(clock.clock())));
        let store: Arc<dyn Store> = match &memory {
            Some(memory) => Arc::<Memory>::clone(memory),
            None => Arc::new(Sqlite::create(folder.path(), clock.clock()).unwrap()),
        };
        let admin = Administering::new(Arc::clone(&store), clock.clock(), settings.clone(), "tester").unwrap();
        let exchange = Exchange::new(Arc::clone(&store), clock.clock(), settings, "https://localhost").unwrap();
        admin.add_root(ROOT, "First").unwrap();
        Self { exchange: Arc::new(exchange), admin, store, clock, memory, folder }
    }

    pub fn add_collection(&self, id: &str, title: &str, rules: Rules) {
        let collection = Collection {
            key: CollectionKey(0),
            id: id.to_owned(),
            root: ROOT.to_owned(),
            title: title.to_owned(),
            description: None,
            alias: None,
            rules,
            specs: vec![Spec::V20, Spec::V21],
            created: Timestamp::EPOCH,
        };
        self.admin.add_collection(collection).unwrap();
    }

    /// Adds an organisation that is proved by a certificate of its own.
    pub fn add_organisation(&self, name: &str) {
        self.admin.add_organisation(name, name).unwrap();
        self.admin.register(name, &proven(name).certificate).unwrap();
    }

    pub fn grant(&self, name: &str, collection: &str, rights: Option<Rights>) {
        self.admin.grant(name, collection, rights).unwrap();
    }

    /// A request of an organisation begins.
    pub fn session(&self, name: &str) -> Session {
        self.exchange.sign_in(&proven(name), "192.0.2.1:1").unwrap()
    }

    /// A page of `objects`, `manifest`, `object/ID` or `versions/ID`.
    pub fn get(&self, name: &str, collection: &str, view: &str, query: &str) -> Told {
        Told::of(page(&self.session(name), collection, view, query))
    }

    /// What becomes of objects that an organisation pushes.
    pub fn push(&self, name: &str, collection: &str, texts: &[String]) -> Status {
        self.offer(name, collection, texts).unwrap()
    }

    /// The same, unless it may not.
    pub fn offer(&self, name: &str, collection: &str, texts: &[String]) -> Result<Status, Error> {
        let body = Bytes::from(super::objects::envelope(texts));
        Ok(self.session(name).writing(ROOT, collection)?.add(&body, false)?.status)
    }

    /// The status code that a deletion is answered with.
    pub fn delete(&self, name: &str, collection: &str, id: &str, query: &str) -> u16 {
        let filter = Query::parse(query, Endpoint::Deletion).unwrap().filter.unwrap_or_default();
        let deleted = self.session(name).deleting(ROOT, collection).and_then(|deleting| deleting.delete(id, filter));
        deleted.map_or_else(|error| status(&error), |_| 200)
    }

    /// Where the store is, if it is on disk.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Another exchange on the same store, with these settings.
    pub fn another(&self, settings: Settings) -> Arc<Exchange> {
        let (store, clock) = (Arc::clone(&self.store), self.clock.clock());
        Arc::new(Exchange::new(store, clock, settings, "https://localhost").unwrap())
    }

    /// A look into the store's file, or a grip.
    pub fn file(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("entente.db")).unwrap()
    }

    /// The texts of the audit trail.
    pub fn trail(&self) -> Vec<String> {
        if let Some(memory) = &self.memory {
            return memory.trail();
        }
        let trail = self.file();
        let mut statement = trail.prepare("SELECT entry FROM audit ORDER BY seq").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

/// What a handshake proves of an organisation: its key is its name.
pub fn proven(name: &str) -> Arc<Proven> {
    let mut fingerprint = [0; 32];
    fingerprint.iter_mut().zip(name.bytes()).for_each(|(octet, letter)| *octet = letter);
    let certificate = Certificate {
        fingerprint: Fingerprint(fingerprint),
        subject: format!("CN={name}"),
        not_before: Timestamp::EPOCH,
        not_after: Timestamp::LAST,
        for_clients: true,
        names: Vec::new(),
    };
    Arc::new(Proven { certificate, anchor: None })
}

/// A page of `objects`, `manifest`, `object/ID` or `versions/ID`.
pub fn page(session: &Session, collection: &str, view: &str, query: &str) -> Result<Shown, Error> {
    let reading = session.reading(ROOT, collection)?;
    let found = match view.split_once('/') {
        None if view == "objects" => reading.objects(&Query::parse(query, Endpoint::Collection)?),
        None => reading.manifest(&Query::parse(query, Endpoint::Collection)?),
        Some(("object", id)) => reading.object(id, &Query::parse(query, Endpoint::Object)?),
        Some((_, id)) => reading.versions(id, &Query::parse(query, Endpoint::Versions)?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(found?.give(Coding::Identity).recorded())
}

/// The status code that an error becomes.
pub fn status(error: &Error) -> u16 {
    match error {
        Error::Absent => 404,
        Error::Forbidden => 403,
        Error::Malformed(_) | Error::Body(_) => 400,
        Error::Store(_) => 500,
    }
}

impl Told {
    pub fn of(found: Result<Shown, Error>) -> Self {
        match found {
            Ok(Shown { body, about, .. }) => Self {
                status: 200,
                dates: Some((about.dates.0.to_string(), about.dates.1.to_string())),
                body: String::from_utf8(body.to_vec()).unwrap(),
            },
            Err(error) => Self { status: status(&error), dates: None, body: error.to_string() },
        }
    }

    /// The place to go on from.
    pub fn next(&self) -> Option<String> {
        let (_, next) = self.body.split_once("\"next\":\"").filter(|_| self.status == 200)?;
        Some(next.split('"').next().unwrap().to_owned())
    }

    /// The items of the page.
    pub fn items(&self) -> Vec<serde_json::Value> {
        let page: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        let list = page.get("objects").or(page.get("versions"));
        list.and_then(|list| list.as_array().cloned()).unwrap_or_default()
    }
}
