//! The bare store: how fast rows that a server has made are committed by one who does nothing else. The
//! tables, their indexes and the settings of the connection are the server's own; nothing is read, judged,
//! looked up, chained or answered. What a server writes beside an envelope's objects, its status and
//! its entry in the trail, is written here, too.

use clap::Args;
use entente::clock::stopwatch;
use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params_from_iter};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Bare {
    /// The file of a store on which no server runs. It is no use afterwards.
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

/// As `store/sqlite` has them.
const SETTINGS: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA mmap_size = 2147418112;
    PRAGMA cache_size = -32768;
    PRAGMA wal_autocheckpoint = 4000;
";

impl Bare {
    pub(super) fn run(&self) {
        let mut connection = Connection::open(&self.store).unwrap();
        connection.execute_batch(SETTINGS).unwrap();
        connection.set_prepared_statement_cache_capacity(128);
        let mut rows = self.prepared(&connection);
        let envelopes = self.most.min(rows.len() / self.objects);
        let status = format!(
            "SELECT * FROM status ORDER BY CAST(resource AS TEXT) ->> 'total_count' <> {} LIMIT 1",
            self.objects
        );
        let status = any(&connection, &status);
        let audit = any(&connection, "SELECT * FROM audit WHERE entry ->> 'action' = 'add' ORDER BY seq DESC LIMIT 1");
        let mut seq = max(&connection, "SELECT max(seq) FROM audit");
        rows.truncate(envelopes * self.objects);
        let begun = stopwatch();
        for group in rows.chunks(self.objects * self.together) {
            let transaction = connection.transaction().unwrap();
            for envelope in group.chunks(self.objects) {
                insert(&transaction, envelope);
                seq += 1;
                let mut id = [0; 16];
                id[..8].copy_from_slice(&seq.to_be_bytes());
                one(&transaction, "status", &status, &[(0, Value::Blob(id.to_vec()))]);
                one(&transaction, "audit", &audit, &[(0, Value::Integer(seq))]);
            }
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
        for mut entry in all(&mut entries, &[collection, limit]).into_iter().rev() {
            let Value::Integer(old) = entry[body_at] else { continue };
            key += 1;
            (entry[body_at], entry[collection_at]) = (Value::Integer(key), Value::Integer(other));
            let rekeyed = |mut row: Row| {
                row[0] = Value::Integer(key);
                row
            };
            let body = all(&mut bodies, &[old]).pop().map(rekeyed).unwrap();
            let lineage = all(&mut lineages, &[old]).pop().map(rekeyed);
            prepared.push(Stored { entry, body, lineage });
        }
        prepared
    }
}

fn all(statement: &mut Statement<'_>, bound: &[i64]) -> Vec<Row> {
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
    statement.query_map(params_from_iter(bound), read).unwrap().map(Result::unwrap).collect()
}

fn max(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).unwrap().unwrap_or_default()
}

/// The one row that a query gives.
fn any(connection: &Connection, sql: &str) -> Row {
    all(&mut connection.prepare(sql).unwrap(), &[]).pop().unwrap()
}

fn insert(connection: &Connection, objects: &[Stored]) {
    for Stored { entry, body, lineage } in objects {
        one(connection, "body", body, &[]);
        one(connection, "entry", entry, &[]);
        if let Some(lineage) = lineage {
            one(connection, "lineage", lineage, &[]);
        }
    }
}

/// Inserts a row, some of its columns with other values.
fn one(connection: &Connection, table: &str, row: &Row, others: &[(usize, Value)]) {
    let places = vec!["?"; row.len()].join(", ");
    let mut statement = connection.prepare_cached(&format!("INSERT INTO {table} VALUES ({places})")).unwrap();
    for (at, value) in row.iter().enumerate() {
        let value = others.iter().find(|(other, _)| *other == at).map_or(value, |(_, value)| value);
        statement.raw_bind_parameter(at + 1, value).unwrap();
    }
    statement.raw_execute().unwrap();
}
