//! The bare store: how fast rows that a server has made are committed by one who does nothing else. The
//! tables, their indexes and the settings of the connection are the server's own; nothing is read, judged,
//! looked up, chained or answered. What a server writes beside an envelope's objects, its status and
//! its entry in the trail, is written here, too.

use clap::Args;
use entente::clock::stopwatch;
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Statement, params_from_iter};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Bare {
    /// The file of a store on which no server runs. Afterwards it has rows of a collection that is not there.
    #[arg(long)]
    store: PathBuf,
    /// The id of the collection whose rows are copied.
    #[arg(long)]
    collection: String,
    /// Objects in an envelope.
    #[arg(long)]
    objects: usize,
    /// Envelopes committed together.
    #[arg(long)]
    together: usize,
    /// Envelopes at most.
    #[arg(long)]
    most: usize,
}

/// A row as it is stored, all columns.
type Row = Vec<Value>;

/// One object: its entry, its text, what it says of its versions.
struct Stored {
    entry: Row,
    body: Row,
    lineage: Option<Row>,
}

/// What the server wrote beside an envelope's objects, for each envelope under a number of its own.
struct Beside {
    status: Row,
    audit: Row,
}

/// As `store/sqlite` has them.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA mmap_size = 2147418112;
    PRAGMA cache_size = -32768;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA foreign_keys = ON;
    PRAGMA trusted_schema = OFF;
";

impl Bare {
    pub(super) fn run(&self) {
        let connection = Connection::open(&self.store).unwrap();
        connection.execute_batch(SETTINGS).unwrap();
        let mut rows = self.prepared(&connection);
        let envelopes = self.most.min(rows.len() / self.objects);
        rows.truncate(envelopes * self.objects);
        let beside = self.beside(&connection, envelopes);
        let mut tables = Tables::of(&connection);
        let groups = rows.chunks(self.objects * self.together).zip(beside.chunks(self.together));
        let begun = stopwatch();
        for (objects, envelopes) in groups {
            let transaction = connection.unchecked_transaction().unwrap();
            objects.iter().for_each(|object| tables.object(object));
            envelopes.iter().for_each(|envelope| tables.envelope(envelope));
            transaction.commit().unwrap();
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!("{}", json!({"objects": rows.len(), "envelopes": envelopes, "seconds": seconds}));
    }

    /// Rows of the collection, with keys of their own, as of a collection that is not there.
    fn prepared(&self, connection: &Connection) -> Vec<Stored> {
        let collection: i64 = connection
            .query_row("SELECT key FROM collection WHERE id = ?", [&self.collection], |row| row.get(0))
            .unwrap();
        let other = max(connection, "SELECT max(collection) FROM entry") + 1000;
        let mut key = max(connection, "SELECT max(key) FROM body");
        let mut entries =
            connection.prepare("SELECT * FROM entry WHERE collection = ? ORDER BY date_added DESC LIMIT ?").unwrap();
        let (body_at, collection_at) =
            (entries.column_index("body").unwrap(), entries.column_index("collection").unwrap());
        let mut bodies = connection.prepare("SELECT * FROM body WHERE key = ?").unwrap();
        let mut lineages = connection.prepare("SELECT * FROM lineage WHERE body = ?").unwrap();
        let limit = i64::try_from(self.most * self.objects).unwrap();
        let mut prepared = Vec::new();
        for mut entry in all(&mut entries, [collection, limit]).into_iter().rev() {
            let Value::Integer(old) = entry[body_at] else { continue };
            key += 1;
            let body = all(&mut bodies, [old]).pop().map(|row| with(row, 0, key)).unwrap();
            let lineage = all(&mut lineages, [old]).pop().map(|row| with(row, 0, key));
            (entry[body_at], entry[collection_at]) = (Value::Integer(key), Value::Integer(other));
            prepared.push(Stored { entry, body, lineage });
        }
        prepared
    }

    /// The status and the entry in the trail that the server made of an envelope of this size, so many times.
    fn beside(&self, connection: &Connection, envelopes: usize) -> Vec<Beside> {
        const STATUS: &str = "SELECT * FROM status WHERE CAST(resource AS TEXT) ->> 'success_count' = ? LIMIT 1";
        const AUDIT: &str = "SELECT * FROM audit WHERE entry ->> 'action' = 'add' AND entry ->> 'successes' = ?
            ORDER BY seq DESC LIMIT 1";
        let size = i64::try_from(self.objects).unwrap();
        let one = |sql: &str| all(&mut connection.prepare(sql).unwrap(), [size]).pop().unwrap();
        let (status, audit) = (one(STATUS), one(AUDIT));
        let last = max(connection, "SELECT max(seq) FROM audit");
        let of = |seq: i64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&seq.to_be_bytes());
            Beside { status: with(status.clone(), 0, id.to_vec()), audit: with(audit.clone(), 0, seq) }
        };
        (last + 1..).take(envelopes).map(of).collect()
    }
}

/// The statements, found once: a server looks them up for an envelope, not for a row.
struct Tables<'c> {
    entry: Statement<'c>,
    body: Statement<'c>,
    lineage: Statement<'c>,
    status: Statement<'c>,
    audit: Statement<'c>,
}

impl<'c> Tables<'c> {
    fn of(connection: &'c Connection) -> Self {
        let insert = |table: &str| {
            let columns = connection.prepare(&format!("SELECT * FROM {table}")).unwrap().column_count();
            let places = vec!["?"; columns].join(", ");
            connection.prepare(&format!("INSERT INTO {table} VALUES ({places})")).unwrap()
        };
        Self {
            entry: insert("entry"),
            body: insert("body"),
            lineage: insert("lineage"),
            status: insert("status"),
            audit: insert("audit"),
        }
    }

    fn object(&mut self, Stored { entry, body, lineage }: &Stored) {
        self.body.execute(params_from_iter(body)).unwrap();
        self.entry.execute(params_from_iter(entry)).unwrap();
        if let Some(row) = lineage {
            self.lineage.execute(params_from_iter(row)).unwrap();
        }
    }

    fn envelope(&mut self, Beside { status, audit }: &Beside) {
        self.status.execute(params_from_iter(status)).unwrap();
        self.audit.execute(params_from_iter(audit)).unwrap();
    }
}

fn all(statement: &mut Statement<'_>, bound: impl Params) -> Vec<Row> {
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
    statement.query_map(bound, read).unwrap().map(Result::unwrap).collect()
}

fn max(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap().unwrap_or_default()
}

/// A row with another value in one of its columns.
fn with(mut row: Row, at: usize, value: impl Into<Value>) -> Row {
    row[at] = value.into();
    row
}
