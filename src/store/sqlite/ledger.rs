//! The audit trail of a store's file, for who verifies it or asks it: nothing is written, and
//! a server may run on the file meanwhile.

use super::{FILE, StoreError, registry, scan};
use crate::access::permission::{CollectionKey, World};
use crate::audit::line::Line;
use crate::audit::seen::Place;
use crate::audit::{Checkpoint, Signed};
use crate::store::Scan;
use crate::store::registry::Registry;
use crate::taxii::filter::Filter;
use crate::taxii::timestamp::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use std::ops::ControlFlow;
use std::path::Path;

/// A store's file as it was when it was opened.
#[derive(Debug)]
pub struct Ledger(Connection);

impl Ledger {
    /// Opens the store in a directory, to read it as it is now.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Err(StoreError::Broken(format!("there is no store at {}", path.display())));
        }
        let connection = open(&path)?;
        connection.execute_batch("PRAGMA mmap_size = 2147418112; BEGIN")?;
        Ok(Self(connection))
    }

    /// Hands out the entries after the one with this number, and the checkpoints about them, each
    /// after the entry that it is about.
    pub fn lines(&self, after: i64, take: &mut dyn FnMut(Line)) -> Result<(), StoreError> {
        const ENTRIES: &str =
            "SELECT seq, CAST(entry AS BLOB), CAST(link AS BLOB) FROM audit WHERE seq > ? ORDER BY seq";
        let mut checkpoints = self.checkpoints(after)?.into_iter().peekable();
        let mut statement = self.0.prepare(ENTRIES)?;
        let mut rows = statement.query([after])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            while let Some((_, signed)) = checkpoints.next_if(|(about, _)| *about < seq) {
                take(Line::Checkpoint(signed));
            }
            // What was tampered with may be anything: it is handed out, and will not fit.
            let text = String::from_utf8(row.get::<_, Option<_>>(1)?.unwrap_or_default()).unwrap_or_default();
            let link: Vec<u8> = row.get::<_, Option<_>>(2)?.unwrap_or_default();
            take(Line::Entry(seq, text, link.try_into().unwrap_or_default()));
        }
        checkpoints.for_each(|(_, signed)| take(Line::Checkpoint(signed)));
        Ok(())
    }

    /// The newest checkpoint; none in a store that was never signed.
    pub fn newest_checkpoint(&self) -> Result<Option<Signed>, StoreError> {
        Ok(self.checkpoints(0)?.pop().map(|(_, signed)| signed))
    }

    /// The newest checkpoint that was made at a time or before.
    pub fn checkpoint_before(&self, time: Timestamp) -> Result<Option<Signed>, StoreError> {
        let old = |(_, signed): &(i64, Signed)| signed.read().is_some_and(|Checkpoint { at, .. }| at <= time);
        Ok(self.checkpoints(0)?.into_iter().rfind(old).map(|(_, signed)| signed))
    }

    /// Where an object is now: each version in each collection.
    pub fn places(&self, object: &str) -> Result<Vec<Place>, StoreError> {
        const SQL: &str = "SELECT c.id, e.date_added, e.version FROM collection c
            JOIN entry e INDEXED BY entry_by_version ON e.collection = c.key WHERE e.id = ?";
        let mut statement = self.0.prepare(SQL)?;
        let places = statement.query_map([object], |row| {
            let date_added = Timestamp::from_micros(row.get(1)?);
            let version = row.get::<_, Option<String>>(2)?.unwrap_or_else(|| date_added.to_string());
            Ok(Place { collection: row.get(0)?, date_added, version })
        })?;
        Ok(places.collect::<Result<_, _>>()?)
    }

    /// The registry.
    pub fn registry(&self) -> Result<Registry, StoreError> {
        registry::load_within(&self.0)
    }

    /// How many objects a poller of a world has still to come, that was given everything up to `after`.
    pub fn behind(&self, collection: CollectionKey, world: World, after: Timestamp) -> Result<u64, StoreError> {
        let filter = Filter::default();
        let scan = Scan { collection, world, filter: &filter, after: Some(after), with_text: false };
        let mut behind = 0;
        scan::run(&self.0, &scan, &mut |_| {
            behind += 1;
            ControlFlow::Continue(())
        })?;
        Ok(behind)
    }

    /// The checkpoints about entries after the one with this number, each with the number it is kept under.
    fn checkpoints(&self, after: i64) -> Result<Vec<(i64, Signed)>, StoreError> {
        const THERE: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'checkpoint'";
        const ALL: &str = "SELECT seq, statement, signature FROM checkpoint WHERE seq > ? ORDER BY seq";
        // An older program made the store, and no newer one has run on it.
        if self.0.query_row(THERE, [], |_| Ok(())).optional()?.is_none() {
            return Ok(Vec::new());
        }
        let signed = |row: &Row<'_>| Ok((row.get(0)?, Signed { statement: row.get(1)?, signature: row.get(2)? }));
        let mut statement = self.0.prepare(ALL)?;
        let checkpoints = statement.query_map(params![after], signed)?;
        Ok(checkpoints.collect::<Result<_, _>>()?)
    }
}

/// Opens a file to read it only. On a medium that takes no files beside it, a copy that no log
/// belongs to is read as one that nobody changes.
fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let usual = Connection::open_with_flags(path, flags)?;
    usual.busy_timeout(super::BUSY)?;
    let readable = usual.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let log = path.with_extension("db-wal");
    match readable {
        Ok(()) => Ok(usual),
        Err(_) if !log.metadata().is_ok_and(|log| log.len() > 0) => {
            let name = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            Ok(Connection::open_with_flags(format!("file:{name}?immutable=1"), flags | OpenFlags::SQLITE_OPEN_URI)?)
        }
        Err(error) => Err(error.into()),
    }
}
