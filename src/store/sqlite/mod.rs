//! The embedded engine: `SQLite`, one file, durable.
//!
//! One thread owns the write connection and drains a bounded queue ([`writer`]) of jobs ([`job`]);
//! readers borrow a connection each. What is stored where: [`schema`]. The statement
//! behind every read: [`scan`]. What is known without one: [`watch`].

mod hold;
mod insert;
mod job;
mod ledger;
mod registry;
mod scan;
mod schema;
mod table;
mod trail;
mod watch;
mod work;
mod writer;

pub use ledger::Ledger;
#[cfg(test)]
pub(super) use scan::plan;
pub use schema::PRAGMAS;
#[cfg(test)]
pub(super) use schema::{of_schema, of_schema_from};

use super::admission::Table as _;
use super::hold::{Hold, Rows as _};
use super::registry::{Change, Registry};
use super::{
    ChangeError, Deleted, Deletion, Done, Edition, Entries, Extent, HeldObject, Holding, Holds, KeptStatus, Push,
    Registrar, Releasing, Row, Scan, StoreError, Trail,
};
use crate::access::organisation::OrganisationKey;
use crate::access::permission::{CollectionKey, World};
use crate::audit;
use crate::clock::{Clock, pause, stopwatch};
use crate::taxii::page::Key;
use crate::taxii::status::Status;
use crate::taxii::timestamp::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, ToSql, params};
use std::fs::{File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use table::Shelf;
use uuid::Uuid;
use watch::Known;
use writer::Writer;

/// The file that holds everything, in the data directory.
const FILE: &str = "entente.db";
/// Locked by the one server that may run on a data directory.
const LOCK: &str = "serve.lock";
/// How long one program waits for another's transaction.
const BUSY: Duration = Duration::from_secs(5);

/// An open store. Command-line tools may open it while a server runs: `SQLite` keeps their
/// writes apart, and every rule of the order is kept inside its transactions.
#[derive(Debug)]
pub struct Sqlite {
    clock: Clock,
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
    writer: Writer,
    cursor_key: Key,
}

/// Held by the server that runs on a data directory, until it ends, however it ends.
#[derive(Debug)]
pub struct ServerLock(#[expect(dead_code, reason = "held for its lock")] File);

impl Sqlite {
    /// Makes an empty store in a directory that has none.
    pub fn create(directory: &Path, clock: Clock) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        if path.exists() {
            return Err(StoreError::Broken(format!("there is a store at {} already", path.display())));
        }
        File::create_new(&path)
            .map_err(|error| StoreError::Broken(format!("cannot make {}: {error}", path.display())))?;
        Self::open(directory, clock)
    }

    /// Opens the store in a directory, and brings an older one up to this version.
    pub fn open(directory: &Path, clock: Clock) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Err(StoreError::Broken(format!(
                "there is no store at {}: make one with `entente init`",
                path.display()
            )));
        }
        let mut connection = connect(&path)?;
        schema::migrate(&mut connection)?;
        let cursor_key = connection.query_row("SELECT cursor_key FROM meta", [], |row| row.get(0))?;
        let writer = Writer::start(connection, clock.clone())?;
        Ok(Self { clock, path, readers: Mutex::default(), writer, cursor_key })
    }

    /// From now on signs the end of the audit trail: every minute and every 10,000 entries if there
    /// are new ones, and when it is closed.
    pub fn sign_with(&self, signer: audit::Signer) {
        self.writer.sign_with(signer);
    }

    /// From now on gives up a request to write that waited so long and was not begun. Without this,
    /// a request waits as long as it takes.
    pub fn wait_at_most(&self, patience: Duration) {
        self.writer.wait_at_most(patience);
    }

    /// Claims a data directory for a server. Refused while another one runs on it.
    pub fn lock(directory: &Path) -> Result<ServerLock, StoreError> {
        let path = directory.join(LOCK);
        let broken = |error: std::io::Error| StoreError::Broken(format!("cannot lock {}: {error}", path.display()));
        let file = File::options().create(true).append(true).open(&path).map_err(broken)?;
        match file.try_lock() {
            Ok(()) => Ok(ServerLock(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Broken(format!(
                "another server runs on {}: stop it first, or serve another directory",
                directory.display()
            ))),
            Err(TryLockError::Error(error)) => Err(broken(error)),
        }
    }

    /// Looks the whole file over. Gives what is wrong with it, one finding a line; nothing if it is sound.
    pub fn faults(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut check = connection.prepare("PRAGMA integrity_check")?;
            let findings = check.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
            Ok(findings.into_iter().filter(|finding| finding != "ok").collect())
        })
    }

    /// Runs `work` on a connection that cannot write.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| self.connect_reader(), Ok)?;
        let result = work(&connection);
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result
    }

    /// The registry's generation and the editions, as of now.
    fn known(&self) -> Result<Arc<Known>, StoreError> {
        self.writer.watch().known(|before| self.read(|connection| Known::load(connection, before)))
    }

    fn connect_reader(&self) -> Result<Connection, StoreError> {
        let connection = connect(&self.path)?;
        // Not by a map of the file: whenever the writer has committed, and it does for each page that goes out, the
        // engine throws a reader's map away, and to map pages anew costs more than to read them.
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192; PRAGMA mmap_size = 0")?;
        Ok(connection)
    }
}

/// A connection of the engine.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(128);
    // A statement keeps its plan whatever is bound to it: without this it is planned anew for each page.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(schema::PRAGMAS)?;
    // What is known without a query is known by the header of this mode's index: see [`watch`].
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Broken(format!("the store's journal is not a write-ahead log but \"{mode}\"")));
    }
    Ok(connection)
}

impl Entries for Sqlite {
    fn scan(&self, scan: &Scan<'_>, take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.read(|connection| scan::run(connection, scan, take))
    }

    fn every(
        &self,
        collection: CollectionKey,
        take: &mut dyn FnMut(&Row<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.read(|connection| scan::every(connection, collection, take))
    }

    fn add(&self, push: Push) -> Result<Status, StoreError> {
        self.writer.add(push)
    }

    fn delete(&self, deletion: Deletion) -> Result<Deleted, StoreError> {
        self.writer.delete(deletion)
    }

    fn status(&self, id: Uuid) -> Result<Option<KeptStatus>, StoreError> {
        const SQL: &str =
            "SELECT root, organisation, collection, expires, resource FROM status WHERE id = ? AND expires > ?";
        let now = Timestamp::from(self.clock.now()).micros();
        self.read(|connection| {
            let mut statement = connection.prepare_cached(SQL)?;
            let kept = statement.query_row(params![id.as_bytes(), now], |row| {
                Ok(KeptStatus {
                    root: row.get(0)?,
                    organisation: OrganisationKey(row.get(1)?),
                    collection: CollectionKey(row.get(2)?),
                    expires: Timestamp::from_micros(row.get(3)?),
                    resource: row.get(4)?,
                })
            });
            Ok(kept.optional()?)
        })
    }

    fn owner(&self, collection: CollectionKey, id: &str) -> Result<Option<OrganisationKey>, StoreError> {
        self.read(|connection| Shelf { connection, collection }.owner(id))
    }

    fn unknown(&self, collection: CollectionKey, world: World, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        let sql = format!(
            "SELECT value FROM json_each(:ids) WHERE NOT EXISTS (SELECT 1 FROM entry e INDEXED BY entry_by_version
             WHERE e.collection = :collection AND e.id = value AND {})",
            scan::visible("e")
        );
        let (list, world) = (serde_json::Value::from(ids).to_string(), scan::world(world));
        let mut values: Vec<(&str, &dyn ToSql)> = vec![(":ids", &list), (":collection", &collection.0)];
        values.extend(world.iter().map(|(name, value)| (*name, value as &dyn ToSql)));
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let unknown = statement.query_map(values.as_slice(), |row| row.get(0))?;
            Ok(unknown.collect::<Result<_, _>>()?)
        })
    }

    fn edition(&self, collection: CollectionKey, at: Timestamp) -> Result<Edition, StoreError> {
        let number = self.known()?.number(collection);
        let find = || self.read(|connection| watch::next_end(connection, collection, at));
        self.writer.watch().edition(number, (collection, at), find)
    }

    fn extent(&self, collection: CollectionKey) -> Result<Extent, StoreError> {
        const SQL: &str = "SELECT count(*), max(date_added) FROM entry WHERE collection = ?";
        self.read(|connection| {
            let extent = connection.query_row(SQL, [collection.0], |row| {
                let newest: Option<i64> = row.get(1)?;
                Ok(Extent { entries: row.get::<_, i64>(0)?.unsigned_abs(), newest: newest.map(Timestamp::from_micros) })
            });
            Ok(extent?)
        })
    }

    fn queued(&self) -> usize {
        self.writer.queued()
    }

    fn writable(&self) -> Result<(), StoreError> {
        self.writer.writable()
    }

    fn octets(&self) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        self.read(|connection| Ok(connection.query_row(SQL, [], |row| row.get::<_, i64>(0))?.unsigned_abs()))
    }
}

impl Holds for Sqlite {
    fn place(&self, holding: Holding) -> Result<(), StoreError> {
        self.writer.place(holding)
    }

    fn release(&self, releasing: Releasing) -> Result<Option<usize>, StoreError> {
        // One part after the other, each of its own: others write in between. A server and a command take turns
        // only if the one that holds the lock lets go of it for a while.
        let mut versions = None;
        let mut begun = stopwatch();
        loop {
            let part = match self.writer.release(releasing.clone()) {
                Ok(Some(part)) => part,
                // What was not ended yet ends by itself.
                Ok(None) | Err(_) if versions.is_some() => break,
                Ok(None) => return Ok(None),
                Err(error) => return Err(error),
            };
            versions = Some(versions.unwrap_or(0) + part.versions);
            if !part.more {
                break;
            }
            pause(begun.elapsed());
            begun = stopwatch();
        }
        Ok(versions)
    }

    fn holds(&self, collection: CollectionKey) -> Result<Vec<Hold>, StoreError> {
        self.read(|connection| hold::holds(connection, collection))
    }

    fn held(&self, collection: CollectionKey, object: &str) -> Result<HeldObject, StoreError> {
        self.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let mut shelf = Shelf { connection: &transaction, collection };
            let (versions, holds) = (shelf.versions(object, None)?, shelf.holds_on(object)?);
            Ok(HeldObject { versions, holds, spans: shelf.spans()? })
        })
    }

    fn tend(&self) -> Result<(), StoreError> {
        self.writer.tend()
    }
}

impl Registrar for Sqlite {
    fn registry(&self) -> Result<Registry, StoreError> {
        self.read(registry::load)
    }

    fn generation(&self) -> Result<u64, StoreError> {
        Ok(self.known()?.generation)
    }

    fn change(&self, change: &Change, actor: &audit::Actor) -> Result<(), ChangeError> {
        self.writer.change(change.clone(), actor.clone())
    }

    fn cursor_key(&self) -> Key {
        self.cursor_key
    }
}

impl Trail for Sqlite {
    fn note(&self, entry: audit::Entry) {
        self.writer.note(entry);
    }

    fn record(&self, entry: audit::Entry, done: Done) {
        self.writer.record(entry, done);
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let passing = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::ReadOnly
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
            )
        );
        if passing { Self::Unavailable(error.to_string()) } else { Self::Broken(error.to_string()) }
    }
}
