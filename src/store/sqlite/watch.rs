//! What is asked on each request and in each turn of the writer, kept in memory for as long as nobody commits anything.
//!
//! Before a commit returns, in whichever process, SQLite writes the header of the WAL index anew: the first
//! octets of the file whose name ends with `-shm`. It holds a count of the transactions, and salt and checksum
//! of the log's last frame (<https://www.sqlite.org/walformat.html>, "The WAL-Index Header"). While it is what
//! it was, the database is what it was. Reading it costs a fraction of the smallest query.

use crate::access::permission::CollectionKey;
use crate::store::{Edition, StoreError};
use crate::taxii::timestamp::Timestamp;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The header of the WAL index, or of it the first of two copies.
type Header = [u8; 48];
/// Where it counts transactions, in four octets.
const COUNT: usize = 8;
/// Where it says whether it holds anything.
const IS_INIT: usize = 12;

/// What was known last, and how to tell whether it still holds.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The WAL index; without it, nothing that is known holds for longer than a moment.
    ///
    /// Never closed: with any descriptor of a file that a process closes, it loses all its locks on that
    /// file, and SQLite has some there (fcntl(2), "Record locking and file release").
    index: Option<ManuallyDrop<File>>,
    known: RwLock<Arc<Known>>,
    ends: Mutex<HashMap<CollectionKey, Ends>>,
}

/// What a database said when its WAL index had this header, or later.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    header: Option<Header>,
    /// Of the registry.
    pub(super) generation: u64,
    /// When the next hold ends.
    due: Option<Timestamp>,
    /// Of all collections together.
    edition: i64,
    editions: Arc<HashMap<CollectionKey, u64>>,
}

/// When the next entry of a collection ends, in an edition of it, for who looks at `from` or later.
#[derive(Clone, Copy, Debug)]
struct Ends {
    number: u64,
    from: Timestamp,
    next: Option<Timestamp>,
}

impl Watch {
    /// Watches the database of this connection, which must be in use as long as the watch is.
    pub(super) fn over(connection: &Connection) -> Self {
        // By the name that SQLite uses, which is that of the file behind any links.
        let index = connection.path().and_then(|path| File::open(format!("{path}-shm")).ok());
        Self { index: index.map(ManuallyDrop::new), known: RwLock::default(), ends: Mutex::default() }
    }

    /// What is known now: as it was, if nothing was committed since, else by what `read` finds.
    pub(super) fn known(
        &self,
        read: impl FnOnce(&Known) -> Result<Known, StoreError>,
    ) -> Result<Arc<Known>, StoreError> {
        // First the header, and then what it goes with: what is read is as new as the header, or newer.
        let header = self.header();
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        if header.is_some() && header == known.header {
            return Ok(known);
        }
        let fresh = Arc::new(Known { header, ..read(&known)? });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    /// What is known and holds now, if anything does. For the writer, inside its transaction: nobody else
    /// commits meanwhile.
    pub(super) fn held(&self) -> Option<Arc<Known>> {
        let known = Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner));
        (known.header.is_some() && known.header == self.header()).then_some(known)
    }

    /// The writer's transaction is committed, and has changed nothing of what was known in it: that holds on,
    /// unless somebody else has committed something since. Otherwise each page that is told of in the trail
    /// would have the next one asked for anew.
    pub(super) fn still(&self, known: &Known) {
        let Some((before, after)) = known.header.zip(self.header()) else { return };
        let mut current = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if count(&after) == count(&before).wrapping_add(1) && current.header == known.header {
            *current = Arc::new(Known { header: Some(after), ..known.clone() });
        }
    }

    /// A collection's edition for who looks at this time; `find` looks for the next end after it.
    pub(super) fn edition(
        &self,
        number: u64,
        (collection, at): (CollectionKey, Timestamp),
        find: impl FnOnce() -> Result<Option<Timestamp>, StoreError>,
    ) -> Result<Edition, StoreError> {
        let holds = |ends: &Ends| ends.number == number && ends.from <= at && ends.next.is_none_or(|next| at < next);
        if let Some(Ends { next, .. }) = self.ends().get(&collection).copied().filter(holds) {
            return Ok(Edition { number, next_end: next });
        }
        let next_end = find()?;
        self.ends().insert(collection, Ends { number, from: at, next: next_end });
        Ok(Edition { number, next_end })
    }

    /// Never half of one and half of another that is told from both: whoever writes it has not committed yet.
    fn header(&self) -> Option<Header> {
        let mut header = [0; size_of::<Header>()];
        self.index.as_ref()?.read_exact_at(&mut header, 0).ok()?;
        (header[IS_INIT] == 1).then_some(header)
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<CollectionKey, Ends>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many transactions there were, in a number that begins again when it is full.
fn count(header: &Header) -> u32 {
    header[COUNT..].first_chunk().map_or(0, |octets| u32::from_ne_bytes(*octets))
}

impl Known {
    /// What the database says; `before` was known before.
    pub(super) fn load(connection: &Connection, before: &Self) -> Result<Self, StoreError> {
        const ALL: &str = "SELECT generation, edition, (SELECT min(due) FROM hold WHERE due IS NOT NULL) FROM meta";
        const EDITIONS: &str = "SELECT key, edition FROM collection WHERE edition > 0";
        let mut statement = connection.prepare_cached(ALL)?;
        let (generation, edition, due): (i64, i64, Option<i64>) =
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let (generation, due) = (generation.unsigned_abs(), due.map(Timestamp::from_micros));
        if edition == before.edition {
            return Ok(Self { generation, due, ..before.clone() });
        }
        let mut statement = connection.prepare_cached(EDITIONS)?;
        let editions =
            statement.query_map([], |row| Ok((CollectionKey(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs())))?;
        let editions = Arc::new(editions.collect::<Result<_, _>>()?);
        Ok(Self { header: None, generation, due, edition, editions })
    }

    /// Whether the time of a hold has come.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// The number of a collection's edition.
    pub(super) fn number(&self, collection: CollectionKey) -> u64 {
        self.editions.get(&collection).copied().unwrap_or_default()
    }
}

/// When the next entry of a collection ends, after `at`.
pub(super) fn next_end(
    connection: &Connection,
    collection: CollectionKey,
    at: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    const SQL: &str = "SELECT min(ends) FROM entry INDEXED BY entry_by_end WHERE collection = ? AND ends > ?";
    let mut statement = connection.prepare_cached(SQL)?;
    let end: Option<i64> = statement.query_row(params![collection.0, at.micros()], |row| row.get(0))?;
    Ok(end.map(Timestamp::from_micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A watch of this WAL index.
    fn watch(index: Option<&Path>) -> Watch {
        let index = index.map(|path| ManuallyDrop::new(File::open(path).unwrap()));
        Watch { index, known: RwLock::default(), ends: Mutex::default() }
    }

    /// How often the database is asked when two ask for what is known.
    fn asked(watch: &Watch) -> usize {
        let asked = std::cell::Cell::new(0);
        for _ in 0..2 {
            let read = |_: &Known| {
                asked.set(asked.get() + 1);
                Ok(Known::default())
            };
            watch.known(read).unwrap();
        }
        asked.get()
    }

    #[test]
    fn what_is_known_holds_until_any_octet_of_the_header_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entente.db-shm");
        let mut header: Header = [7; 48];
        header[IS_INIT] = 1;
        std::fs::write(&path, header).unwrap();
        let watch = watch(Some(&path));
        assert_eq!(asked(&watch), 1);
        for at in (0..header.len()).filter(|at| *at != IS_INIT) {
            header[at] += 1;
            std::fs::write(&path, header).unwrap();
            assert_eq!(asked(&watch), 1, "{at}");
        }
        assert_eq!(asked(&watch), 0);
    }

    #[test]
    fn what_is_known_holds_on_after_a_transaction_of_the_writer_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entente.db-shm");
        let write = |count: u32, other: u8| {
            let mut header: Header = [other; 48];
            header[IS_INIT] = 1;
            header[COUNT..IS_INIT].copy_from_slice(&count.to_ne_bytes());
            std::fs::write(&path, header).unwrap();
        };
        write(u32::MAX, 1);
        let watch = watch(Some(&path));
        assert!(watch.held().is_none(), "nothing is known yet");
        assert_eq!(asked(&watch), 1);
        let known = watch.held().unwrap();
        write(0, 2);
        assert!(watch.held().is_none());
        watch.still(&known);
        assert_eq!(asked(&watch), 0);
        let known = watch.held().unwrap();
        write(2, 3);
        watch.still(&known);
        assert_eq!(asked(&watch), 1, "somebody else has committed, too");
        let known = watch.held().unwrap();
        write(3, 4);
        let newer = || Ok(Known { generation: 9, ..Known::default() });
        watch.known(|_| newer()).unwrap();
        watch.still(&known);
        assert_eq!(watch.known(|_| Ok(Known::default())).unwrap().generation, 9, "somebody was faster");
    }

    #[test]
    fn without_a_header_the_database_is_asked_each_time() {
        assert_eq!(asked(&watch(None)), 2, "no WAL index");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entente.db-shm");
        for (octets, what) in [(&[1; 47][..], "too short"), (&[0; 48], "not begun")] {
            std::fs::write(&path, octets).unwrap();
            assert_eq!(asked(&watch(Some(&path))), 2, "{what}");
        }
    }

    #[test]
    fn an_end_holds_from_when_it_was_looked_for_until_it_comes_and_in_its_edition_only() {
        let (watch, time) = (watch(None), Timestamp::from_micros);
        for (number, at, next, expected) in [
            (1, 10, Some(20), Some(20)),
            (1, 19, None, Some(20)),
            (1, 20, Some(30), Some(30)),
            (1, 19, Some(20), Some(20)),
            (2, 19, None, None),
            (2, 1000, Some(2000), None),
        ] {
            let find = || Ok(next.map(time));
            let edition = watch.edition(number, (CollectionKey(1), time(at)), find).unwrap();
            assert_eq!(edition, Edition { number, next_end: expected.map(time) }, "{number} {at}");
        }
    }
}
