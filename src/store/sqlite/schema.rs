//! What is stored where, and how an older file becomes one of today.
//!
//! | table | holds |
//! |---|---|
//! | `entry` | one row per object version per collection, in the order of `date_added`; never a body |
//! | `body` | the texts, to the octet; no statement updates it |
//! | `departed` | of versioned ids of which a version was deleted, the terms of the latest that was; and of those and of ids that their declarer took over, the owner |
//! | `meant` | who sent a marking definition that another had sent before |
//! | `hold`, `reach`, `span` | what is kept from whom: which rows those reach, which parts of the order they do not |
//! | `awaited` | the marking definitions that holds wait for |
//! | `status` | status resources until they expire |
//! | `audit` | the trail, chained |
//! | `checkpoint` | signed words about where the trail ended, by the number of its last entry then |
//! | `root`, `collection`, `organisation`, `identity`, `credential`, `anchor`, `anchor_for`, `permission` | the registry |
//! | `meta` | one row: the generation of the registry, the edition of all collections together, the cursor key |
//!
//! An entry carries what "last for a caller" needs, so that it stays a predicate:
//! `newer` and `older` are the lowest level among its newer and older versions (same
//! id and specification version), `newer_spec` that among its versions in a later
//! specification version; [`NO_LEVEL`] where there is none. `mixed` says that levels alone do
//! not tell who sees which of the object's entries: it has several owners (which ids without
//! versions can have), or entries that end or are held. `content` names the text's JSON value,
//! so that a copy is known without reading bodies.
//!
//! Rows of one version share its `body`; the first added is the version's own, others were
//! added when a hold was released. `reach` says who is within: [`EVERYBODY`], [`ALL_BUT`] or
//! [`ONLY`] those that the table `reach` lists.

use super::StoreError;
use crate::taxii::page::Key;
use rusqlite::{Connection, TransactionBehavior};

/// Above every level's rank.
pub(super) const NO_LEVEL: u8 = 9;

/// No hold keeps the row from anybody.
pub(super) const EVERYBODY: u8 = 0;
/// The row is kept from the organisations listed.
pub(super) const ALL_BUT: u8 = 1;
/// The row is kept from all but the organisations listed.
pub(super) const ONLY: u8 = 2;

/// In `span`: every organisation. No organisation has this key.
pub(super) const ANYBODY: i64 = 0;

/// Each connection's settings. WAL: readers and the writer do not wait for each other.
/// FULL: a commit is on disk when it returns. The log may grow to 128 MiB before it is brought into the file: pages of
/// indexes that many commits touch are then written there once.
pub const PRAGMAS: &str = "
    PRAGMA page_size = 16384;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA mmap_size = 2147418112;
    PRAGMA cache_size = -32768;
    PRAGMA wal_autocheckpoint = 8000;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
";

/// One step per schema version, in order. A step is never edited once it was released.
const STEPS: [&str; 6] = [TABLES, JUDGEMENT, TRUST, EVIDENCE, SPANS, EDITIONS];

const TABLES: &str = "
    CREATE TABLE meta (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        generation INTEGER NOT NULL,
        cursor_key BLOB NOT NULL CHECK (length(cursor_key) = 32)
    ) STRICT;
    INSERT INTO meta VALUES (1, 1, zeroblob(32));

    CREATE TABLE root (
        key INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL
    ) STRICT;

    CREATE TABLE collection (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        root TEXT NOT NULL REFERENCES root (name),
        title TEXT NOT NULL,
        description TEXT,
        alias TEXT,
        unmarked INTEGER NOT NULL,
        specs TEXT NOT NULL,
        created INTEGER NOT NULL,
        newest INTEGER NOT NULL,
        UNIQUE (root, title),
        UNIQUE (root, alias)
    ) STRICT;

    CREATE TABLE organisation (
        key INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL
    ) STRICT;

    CREATE TABLE credential (
        fingerprint BLOB PRIMARY KEY,
        organisation INTEGER NOT NULL REFERENCES organisation (key),
        subject TEXT NOT NULL,
        not_after INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE permission (
        organisation INTEGER NOT NULL REFERENCES organisation (key),
        collection INTEGER NOT NULL REFERENCES collection (key),
        read INTEGER,
        write INTEGER NOT NULL,
        manage INTEGER NOT NULL,
        PRIMARY KEY (organisation, collection)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE body (
        key INTEGER PRIMARY KEY,
        text BLOB NOT NULL
    ) STRICT;

    CREATE TABLE entry (
        collection INTEGER NOT NULL,
        date_added INTEGER NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        spec INTEGER NOT NULL,
        rank TEXT NOT NULL,
        version TEXT,
        level INTEGER NOT NULL,
        owner INTEGER NOT NULL,
        newer INTEGER NOT NULL,
        older INTEGER NOT NULL,
        newer_spec INTEGER NOT NULL,
        rivals INTEGER NOT NULL,
        content BLOB NOT NULL,
        body INTEGER NOT NULL,
        PRIMARY KEY (collection, date_added)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX entry_by_version ON entry (collection, id, spec, rank);
    CREATE INDEX entry_by_type ON entry (collection, type, date_added);

    CREATE TABLE departed (
        collection INTEGER NOT NULL,
        id TEXT NOT NULL,
        owner INTEGER NOT NULL,
        PRIMARY KEY (collection, id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE status (
        id BLOB PRIMARY KEY,
        root TEXT NOT NULL,
        organisation INTEGER NOT NULL,
        collection INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        resource BLOB NOT NULL
    ) STRICT;
    CREATE INDEX status_by_expiry ON status (expires);

    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        entry TEXT NOT NULL,
        link BLOB NOT NULL
    ) STRICT;
";

/// What collections judge by, and what versions of an object must agree about: by the body that says it.
const JUDGEMENT: &str = "
    ALTER TABLE collection ADD COLUMN profile TEXT NOT NULL DEFAULT 'standard';

    CREATE TABLE lineage (
        body INTEGER PRIMARY KEY,
        created TEXT,
        created_by_ref TEXT,
        revoked INTEGER NOT NULL
    ) STRICT;
    INSERT INTO lineage
        SELECT b.key,
            CASE WHEN json_type(b.text, '$.created') = 'text' THEN b.text ->> '$.created' END,
            CASE WHEN json_type(b.text, '$.created_by_ref') = 'text' THEN b.text ->> '$.created_by_ref' END,
            json_type(b.text, '$.revoked') IS 'true'
        FROM (SELECT body.key, CAST(body.text AS TEXT) AS text FROM entry JOIN body ON body.key = entry.body
            WHERE entry.version IS NOT NULL) b;
";

/// Who is who, and what a collection allows. Whoever could write before may go on to pass on what others created.
const TRUST: &str = "
    ALTER TABLE collection ADD COLUMN ceiling INTEGER NOT NULL DEFAULT 4;
    ALTER TABLE collection ADD COLUMN downgrade TEXT NOT NULL DEFAULT 'allow';
    ALTER TABLE organisation ADD COLUMN suspended INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE identity (
        id TEXT PRIMARY KEY,
        organisation INTEGER NOT NULL REFERENCES organisation (key)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE permission ADD COLUMN relay INTEGER NOT NULL DEFAULT 0;
    UPDATE permission SET relay = write OR manage;
    CREATE TABLE anchor (
        fingerprint BLOB PRIMARY KEY,
        subject TEXT NOT NULL,
        not_after INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE anchor_for (
        anchor BLOB NOT NULL REFERENCES anchor (fingerprint),
        organisation INTEGER NOT NULL REFERENCES organisation (key),
        PRIMARY KEY (anchor, organisation)
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE credential RENAME TO certificate;
    CREATE TABLE credential (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        organisation INTEGER NOT NULL REFERENCES organisation (key),
        label TEXT NOT NULL,
        not_after INTEGER,
        ends INTEGER,
        revoked INTEGER,
        fingerprint BLOB UNIQUE,
        anchor BLOB,
        name TEXT,
        hash BLOB UNIQUE,
        terms TEXT
    ) STRICT;
    INSERT INTO credential (organisation, label, not_after, fingerprint)
        SELECT organisation, subject, not_after, fingerprint FROM certificate ORDER BY organisation, fingerprint;
    DROP TABLE certificate;
    ALTER TABLE entry RENAME COLUMN rivals TO mixed;
    ALTER TABLE entry ADD COLUMN ends INTEGER;
    ALTER TABLE entry ADD COLUMN reach INTEGER NOT NULL DEFAULT 0;
    DROP INDEX entry_by_version;
    CREATE INDEX entry_by_version ON entry (collection, id, spec, rank);
    CREATE TABLE reach (
        collection INTEGER NOT NULL,
        date_added INTEGER NOT NULL,
        organisation INTEGER NOT NULL,
        PRIMARY KEY (collection, date_added, organisation)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hold (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        collection INTEGER NOT NULL REFERENCES collection (key),
        object TEXT,
        subject TEXT NOT NULL,
        withheld TEXT NOT NULL,
        until TEXT NOT NULL,
        due INTEGER,
        reason TEXT NOT NULL,
        placed INTEGER NOT NULL,
        placed_by INTEGER
    ) STRICT;
    CREATE INDEX hold_by_object ON hold (collection, object);
    CREATE INDEX hold_by_due ON hold (due) WHERE due IS NOT NULL;
";

/// Signed checkpoints of the trail. Entries that are there already stay as they are; the next number is
/// that of the chain, and no second table need be written to know it.
const EVIDENCE: &str = "
    ALTER TABLE audit RENAME TO numbered;
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        entry TEXT NOT NULL,
        link BLOB NOT NULL
    ) STRICT;
    INSERT INTO audit SELECT seq, entry, link FROM numbered;
    DROP TABLE numbered;

    CREATE TABLE checkpoint (
        seq INTEGER PRIMARY KEY,
        statement TEXT NOT NULL,
        signature TEXT NOT NULL
    ) STRICT;
";

/// What keeps a part of the order from organisations no longer lists its rows one by one: what did is undone
/// where nothing else keeps a row from them. The rest is what decisions about markings need to know.
const SPANS: &str = "
    CREATE TABLE span (
        collection INTEGER NOT NULL,
        organisation INTEGER NOT NULL,
        hold BLOB NOT NULL REFERENCES hold (id) ON DELETE CASCADE,
        since INTEGER NOT NULL,
        before INTEGER NOT NULL,
        PRIMARY KEY (collection, organisation, hold)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX span_by_hold ON span (hold);
    INSERT INTO span
        SELECT hold.collection, named.value, hold.id,
            unixepoch(substr(hold.subject ->> '$.added_from', 1, 19)) * 1000000
                + CAST(substr(hold.subject ->> '$.added_from', 21, 6) AS INTEGER),
            253402300799999999
        FROM hold, json_each(hold.withheld, '$.organisations') named WHERE hold.object IS NULL;
    DELETE FROM reach WHERE EXISTS (
        SELECT 1 FROM span JOIN entry ON entry.collection = reach.collection AND entry.date_added = reach.date_added
        WHERE span.collection = reach.collection AND span.organisation = reach.organisation
            AND reach.date_added >= span.since AND entry.reach = 1 AND entry.owner <> reach.organisation
            AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.collection = entry.collection AND hold.object = entry.id));

    DROP INDEX hold_by_object;
    CREATE INDEX hold_by_object ON hold (collection, object, subject);

    CREATE TABLE awaited (
        collection INTEGER NOT NULL,
        marking TEXT NOT NULL,
        owner INTEGER NOT NULL,
        hold BLOB NOT NULL REFERENCES hold (id) ON DELETE CASCADE,
        PRIMARY KEY (collection, marking, owner, hold)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX awaited_by_hold ON awaited (hold);
    INSERT INTO awaited SELECT hold.collection, marking.value, entry.owner, hold.id
        FROM hold, json_each(hold.until, '$.marking.ids') marking
        JOIN entry ON entry.collection = hold.collection AND entry.date_added =
            unixepoch(substr(hold.subject ->> '$.version.added', 1, 19)) * 1000000
                + CAST(substr(hold.subject ->> '$.version.added', 21, 6) AS INTEGER);
    UPDATE hold SET until = json_set(until, '$.marking.before', json_object('level', until ->> '$.marking.before'))
        WHERE until ->> '$.marking.before' IS NOT NULL;
    UPDATE hold SET until = json_set(until, '$.release.before', json_object('level', until ->> '$.release.before'))
        WHERE until ->> '$.release.before' IS NOT NULL;

    CREATE TABLE meant (
        collection INTEGER NOT NULL,
        id TEXT NOT NULL,
        content BLOB NOT NULL,
        organisation INTEGER NOT NULL,
        PRIMARY KEY (collection, id, content, organisation)
    ) STRICT, WITHOUT ROWID;

    ALTER TABLE departed ADD COLUMN instant TEXT;
    ALTER TABLE departed ADD COLUMN terms TEXT;
";

/// When a collection changed last: as the value that `meta.edition` had then, which each change raises. And
/// where the next entry that ends is.
const EDITIONS: &str = "
    ALTER TABLE meta ADD COLUMN edition INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE collection ADD COLUMN edition INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX entry_by_end ON entry (collection, ends) WHERE ends IS NOT NULL;
";

/// Brings a file to the newest schema, all steps or none. A file of a
/// newer version is refused: this program would not understand it.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    // Looked at first without a lock: an up-to-date file may be on a disk that takes no writes.
    if steps_taken(connection)? == STEPS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let taken = steps_taken(&transaction)?;
    for (version, step) in (1u32..).zip(&STEPS).skip(taken) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    if taken == 0 {
        transaction.execute("UPDATE meta SET cursor_key = ?", [cursor_key()?])?;
    }
    Ok(transaction.commit()?)
}

/// A new cursor key, from the system's own source of secrets: SQL's is not made for them.
fn cursor_key() -> Result<Key, StoreError> {
    let mut key = Key::default();
    getrandom::fill(&mut key)
        .map_err(|error| StoreError::Broken(format!("the system gives no random octets: {error}")))?;
    Ok(key)
}

/// How many steps a file has behind it. More than are known here is an error.
fn steps_taken(connection: &Connection) -> Result<usize, StoreError> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = STEPS.len();
    usize::try_from(version).ok().filter(|taken| *taken <= known).ok_or_else(|| {
        StoreError::Broken(format!(
            "the store has schema version {version}, and this program knows versions up to {known}: run the newer entente that wrote it"
        ))
    })
}

/// Makes an empty file what it was in an older version.
#[cfg(test)]
pub(crate) fn of_schema(connection: &Connection, version: usize) {
    connection.execute_batch(PRAGMAS).unwrap();
    of_schema_from(connection, 0, version);
}

/// Brings a file of an older version to a less old one.
#[cfg(test)]
pub(crate) fn of_schema_from(connection: &Connection, from: usize, to: usize) {
    STEPS[from..to].iter().for_each(|step| connection.execute_batch(step).unwrap());
    connection.pragma_update(None, "user_version", u32::try_from(to).unwrap()).unwrap();
}
